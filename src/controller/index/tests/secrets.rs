//! Credentials: only from labelled Secrets, and never shown.

use serde_json::json;

use super::{
    guide::NAME,
    world::{World, secret},
};
use crate::controller::object::Kind;

const SECRET: &str = "mcp-test/github-token";

#[test]
fn a_secret_that_cannot_be_used_is_named_with_the_fix() {
    let mut world = World::guide();
    world.delete(Kind::CredentialSecret, SECRET);
    let said = world.registration(NAME, "ResolvedRefs");
    assert_eq!(
        said,
        "False SecretNotFound: Secret mcp-test/github-token does not exist, or lacks the label \
         mcp.kagenti.com/credential: \"true\"; create it, or add the label"
    );
    assert_eq!(world.servers(), [""; 0]);
    assert!(world.registration(NAME, "Accepted").starts_with("True"));
    assert_eq!(
        world.registration(NAME, "Programmed"),
        "False NotResolved: not configured; see condition ResolvedRefs"
    );

    world.put(secret(SECRET, "Bearer ghp_hunter2"));
    world.set(Kind::Registration, NAME, "/spec/credentialRef/key", json!("pat"));
    let said = world.registration(NAME, "ResolvedRefs");
    assert!(
        said.starts_with(
            "False SecretKeyMissing: Secret mcp-test/github-token has no text under the key \"pat\""
        ),
        "{said}"
    );

    world.set(Kind::Registration, NAME, "/spec/credentialRef", json!({"name": "github-token"}));
    for wrong in ["", "Bearer a\r\nx-evil: 1"] {
        world.put(secret(SECRET, wrong));
        let said = world.registration(NAME, "ResolvedRefs");
        assert!(
            said.starts_with("False CredentialInvalid: Secret mcp-test/github-token, key \"token\": "),
            "{said}"
        );
        assert_eq!(world.servers(), [""; 0]);
    }
}

#[test]
fn a_secret_of_another_namespace_is_never_taken() {
    let mut world = World::guide();
    world.delete(Kind::CredentialSecret, SECRET);
    world.put(secret("other/github-token", "Bearer ghp_hunter2"));
    assert!(world.registration(NAME, "ResolvedRefs").starts_with("False SecretNotFound"));
}

#[test]
fn rotation_writes_the_configuration_and_nothing_else() {
    let mut world = World::guide();
    world.settle_well();
    world.put(secret(SECRET, "Bearer ghp_hunter3"));
    assert_eq!(world.settle(), ["apply OwnSecret mcp-system/mcp-gateway-config"]);
    world.put(secret(SECRET, "Bearer ghp_hunter3\n"));
    assert_eq!(world.settle(), [""; 0]);
}

#[test]
fn no_status_and_no_debug_shows_a_credential() {
    let mut world = World::guide();
    for token in ["Bearer ghp_hunter2", "Bearer ghp_hunter2\nx"] {
        world.put(secret(SECRET, token));
        assert!(!format!("{:?}", world.index.writes("")).contains("hunter2"));
        world.settle_well();
        for kind in [Kind::Registration, Kind::Extension, Kind::EnvoyFilter, Kind::Report, Kind::HttpRoute] {
            for name in world.keys(kind) {
                assert!(!world.get(kind, &name).unwrap().to_string().contains("hunter2"), "{name}");
            }
        }
        assert!(!format!("{:?}", world.index).contains("hunter2"));
    }
}

#[test]
fn a_server_without_credential_needs_none() {
    let mut world = World::guide();
    world.set(Kind::Registration, NAME, "/spec/credentialRef", json!(null));
    world.delete(Kind::CredentialSecret, SECRET);
    world.settle_well();
    assert_eq!(world.registration(NAME, "Ready"), "True Ready: 3 tools");
}
