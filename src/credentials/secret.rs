//! The credentials of servers: checked when they are read, revealed when they are sent.

use secrecy::{ExposeSecret as _, SecretString};

use crate::exchange::CredentialPart;

/// Longest credential, in bytes.
pub const MAX_CREDENTIAL_BYTES: usize = 8 << 10;

/// Why a text is no credential. Says nothing of what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCredential {
    #[error("the credential is empty; write the full header value, such as `Bearer` and a token")]
    Empty,
    #[error("the credential is longer than {MAX_CREDENTIAL_BYTES} bytes")]
    TooLong,
    #[error(
        "the credential has a line break or another character that no header value can carry; \
         write it on one line in visible ASCII"
    )]
    Character,
}

/// Reads a full header value (`Bearer …`), without the blanks and line ends around it.
pub fn credential(text: &str) -> Result<SecretString, BadCredential> {
    let text = text.trim();
    match text.len() {
        0 => return Err(BadCredential::Empty),
        1..=MAX_CREDENTIAL_BYTES => {}
        _ => return Err(BadCredential::TooLong),
    }
    if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(BadCredential::Character);
    }
    Ok(SecretString::from(text))
}

/// [`credential`] of a text that is a secret already: a value of a Kubernetes Secret.
pub fn checked(text: &SecretString) -> Result<SecretString, BadCredential> {
    credential(text.expose_secret())
}

/// Whether two secrets are the same text. For what was read with what would be written: takes as long as it takes.
pub fn same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}

/// Length, in bytes.
pub fn size(secret: &SecretString) -> usize {
    secret.expose_secret().len()
}

/// The bytes of a header value, to be sent and dropped.
///
/// The key is what follows the scheme (RFC 9110, 11.4: `scheme SP token`), or all of it where there is no scheme.
pub fn reveal(secret: &SecretString, part: CredentialPart) -> Vec<u8> {
    let whole = secret.expose_secret();
    let text = match part {
        CredentialPart::Whole => whole,
        CredentialPart::Key => whole.split_once(' ').map_or(whole, |(_scheme, key)| key.trim_start()),
    };
    text.as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_credential_without_its_scheme() {
        for (text, whole, key) in [
            ("Bearer abc\n", "Bearer abc", "abc"),
            ("\u{feff}x", "", ""),
            ("Basic  dTpw", "Basic  dTpw", "dTpw"),
            ("sk-123", "sk-123", "sk-123"),
        ] {
            let Ok(secret) = credential(text) else {
                assert_eq!(whole, "", "{text}");
                continue;
            };
            assert_eq!(reveal(&secret, CredentialPart::Whole), whole.as_bytes());
            assert_eq!(reveal(&secret, CredentialPart::Key), key.as_bytes());
            assert!(!format!("{secret:?}").contains(key));
        }
    }

    #[test]
    fn secrets_are_compared_and_measured_unseen() {
        let [one, other] = ["Bearer a", "Bearer b"].map(SecretString::from);
        assert!(same(&one, &one.clone()) && !same(&one, &other));
        assert_eq!(size(&one), 8);
        assert_eq!(checked(&SecretString::from("\n")).err(), Some(BadCredential::Empty));
        assert!(same(&checked(&SecretString::from("Bearer a\n")).unwrap(), &one));
    }

    #[test]
    fn what_no_header_can_carry_is_no_credential() {
        for (text, fault) in [
            ("", BadCredential::Empty),
            (" \n\t", BadCredential::Empty),
            ("Bearer a\r\nx-evil: 1", BadCredential::Character),
            ("Bearer a\0b", BadCredential::Character),
            ("Bearer a\tb", BadCredential::Character),
            ("Bearer é", BadCredential::Character),
            (&"x".repeat(MAX_CREDENTIAL_BYTES + 1), BadCredential::TooLong),
        ] {
            assert_eq!(credential(text).err(), Some(fault), "{text:?}");
        }
        assert!(credential(&"x".repeat(MAX_CREDENTIAL_BYTES)).is_ok());
    }
}
