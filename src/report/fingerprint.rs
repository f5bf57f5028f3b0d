//! Which configuration of a server an instance serves, without its secrets.

use aws_lc_rs::digest::{SHA256, digest};

use crate::routing::ServerSpec;

/// 16 hexadecimal digits that differ when the server's URL, hostname, prefix, state or credential policy does. The
/// credential is left out: who reads a report must not be able to guess it.
pub fn fingerprint(server: &ServerSpec) -> String {
    let ServerSpec { name, url, hostname, prefix, call_credential, enabled, .. } = server;
    let text = format!("{name}\n{url}\n{hostname}\n{}\n{call_credential:?}\n{enabled}", prefix.as_str());
    let digest = digest(&SHA256, text.as_bytes());
    format!("{:016x}", digest.as_ref().first_chunk().map_or(0, |first| u64::from_be_bytes(*first)))
}
