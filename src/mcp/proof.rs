//! Who has answered a probe of the gateway's own, as the response's `x-mcp-probe` says it: `NONCE DETAILS BROKER`.
//!
//! The nonce stands sealed in the request, so that no other server can repeat it.

/// Longest details that are repeated, in bytes.
const MAX_DETAILS: usize = 200;
/// Nothing is said.
const ABSENT: &str = "-";
/// The broker's word on a request that has passed the router, and on one that has not.
const BROKER: [(&str, bool); 2] = [("broker", true), ("broker-without-router", false)];

/// Who has answered a probe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// What Envoy says of the response (`via_upstream`, `route_not_found`, …), or `mcp_gateway_REASON` where the router
    /// has refused the request. Absent: it has not passed the router.
    pub details: Option<String>,
    /// Whether the request has come to the broker by the router. Absent: not the broker has answered.
    pub broker: Option<bool>,
}

impl Proof {
    /// Envoy's details of what a server has answered, be it an error.
    pub const UPSTREAM: &str = "via_upstream";
    /// Details of Envoy's own answer where it does not show its own answers to the router (1.36).
    pub const UNSEEN: &str = "unseen";
    /// Details where Envoy was not asked for them.
    pub const UNKNOWN: &str = "unknown";
    /// Details begin so where the router has refused the request.
    pub const REFUSED: &str = "mcp_gateway_";

    /// `None`: whoever has written it does not know the nonce.
    pub fn read(written: &str, nonce: &str) -> Option<Self> {
        let mut words = written.strip_prefix(nonce)?.strip_prefix(' ')?.split(' ');
        let (details, broker) = (words.next()?, words.next()?);
        let details = (details != ABSENT).then(|| details.to_owned());
        let broker = BROKER.iter().find(|(word, _)| *word == broker).map(|(_, by_router)| *by_router);
        Some(Self { details, broker })
    }

    /// As a header value.
    pub fn write(&self, nonce: &str) -> String {
        let details = self.details.as_deref().unwrap_or(ABSENT).chars();
        let details: String = details
            .map(|letter| if letter.is_ascii_graphic() { letter } else { '_' })
            .take(MAX_DETAILS)
            .collect();
        let broker = self.broker.and_then(|wanted| BROKER.iter().find(|(_, by_router)| *by_router == wanted));
        format!("{nonce} {details} {}", broker.map_or(ABSENT, |(word, _)| word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_by_who_knows_the_nonce() {
        for details in [None, Some("route_not_found")] {
            for broker in [None, Some(true), Some(false)] {
                let proof = Proof { details: details.map(str::to_owned), broker };
                let written = proof.write("n1");
                assert_eq!(Proof::read(&written, "n1"), Some(proof), "{written}");
                assert_eq!(Proof::read(&written, "n2"), None);
            }
        }
        for other in ["", "n1", "n1 ", "n1 via_upstream", "n1via_upstream broker"] {
            assert_eq!(Proof::read(other, "n1"), None, "{other}");
        }
    }

    #[test]
    fn details_are_one_short_word() {
        let details = format!("upstream reset{{{}}}\r\n", "x".repeat(1_000));
        let written = Proof { details: Some(details), broker: None }.write("n");
        assert!(written.len() < 210 && written.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{written}");
        assert!(Proof::read(&written, "n").unwrap().details.unwrap().starts_with("upstream_reset{x"));
    }
}
