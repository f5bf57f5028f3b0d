//! The credential of a registration, from a labelled Secret of its namespace.

use secrecy::SecretString;

use super::cluster::Cluster;
use crate::{
    controller::{
        CREDENTIAL_LABEL,
        crd::CredentialRef,
        object::Key,
        status::{Check, Finding, reason},
    },
    credentials,
};

/// Reads the credential; says nothing of what it is.
pub(super) fn resolve(cluster: &Cluster, namespace: &str, reference: &CredentialRef) -> Check<SecretString> {
    let CredentialRef { name, key } = reference;
    let secret = Key::new(namespace, name);
    // only Secrets with the label are watched: without it, one is as good as absent
    let Some(found) = cluster.credentials.get(&secret) else {
        let message = format!(
            "Secret {secret} does not exist, or lacks the label {CREDENTIAL_LABEL}: \"true\"; create it, \
             or add the label"
        );
        return Err(Finding::new(reason::SECRET_NOT_FOUND, message));
    };
    let Some(value) = found.view.data.get(key) else {
        let message = format!(
            "Secret {secret} has no text under the key {key:?}; add it, or correct spec.credentialRef.key"
        );
        return Err(Finding::new(reason::SECRET_KEY_MISSING, message));
    };
    credentials::checked(value).map_err(|fault| {
        Finding::new(reason::CREDENTIAL_INVALID, format!("Secret {secret}, key {key:?}: {fault}"))
    })
}
