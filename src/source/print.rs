//! A `Spec` as the text that reads back into it.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Map, Value, json};

use crate::{
    credentials::{CredentialPart, reveal},
    routing::{Authority, CallCredential, Origin, ServerSpec, Spec, VirtualServerSpec},
};

/// A configuration in JSON that [`super::read_text`] reads back into the same `Spec`: with the credentials, so it is a
/// secret as a whole. A [`ServerSpec::ca_bundle`] is printed as the path that it is, which only a file can name.
pub fn print(spec: &Spec) -> SecretString {
    let Spec {
        public_hosts,
        allowed_origins,
        servers,
        virtual_servers,
        require_session,
        private_host,
        relist,
        limits,
    } = spec;
    let mut document = Map::new();
    let mut put = |name: &str, value: Value| document.insert(name.to_owned(), value);
    put("publicHost", public_hosts.iter().map(Authority::as_str).collect());
    put("allowedOrigins", allowed_origins.iter().map(Origin::as_str).collect());
    put("servers", servers.iter().map(server).collect());
    put("virtualServers", virtual_servers.iter().map(virtual_server).collect());
    put("requireSession", json!(require_session));
    if let Some(host) = private_host {
        put("privateHost", json!(host));
    }
    if let Some(interval) = relist {
        put("discovery", json!({"interval": millis(*interval)}));
    }
    put("limits", json!({"body": limits.body, "page": limits.page}));
    SecretString::from(Value::Object(document).to_string())
}

fn server(server: &ServerSpec) -> Value {
    let ServerSpec { name, url, hostname, prefix, credential, call_credential, enabled, ca_bundle, timeouts } =
        server;
    let mut written = json!({
        "name": name.as_str(),
        "url": url.as_str(),
        "hostname": hostname.as_str(),
        "toolPrefix": prefix.as_str(),
        "callCredential": match call_credential {
            CallCredential::WhenAbsent => "whenAbsent",
            CallCredential::Replace => "replace",
            CallCredential::Never => "never",
        },
        "enabled": enabled,
        "timeouts": {"connect": millis(timeouts.connect), "request": millis(timeouts.request)},
    });
    if let Some(fields) = written.as_object_mut() {
        // a credential is ASCII
        let credential = credential.as_ref().map(|credential| reveal(credential, CredentialPart::Whole));
        let credential = credential.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        fields.extend(credential.map(|text| ("credential".to_owned(), text.into())));
        let bundle = ca_bundle.as_ref().map(|path| path.to_string_lossy().into_owned());
        fields.extend(bundle.map(|path| ("caBundle".to_owned(), path.into())));
    }
    written
}

fn virtual_server(named: &VirtualServerSpec) -> Value {
    let VirtualServerSpec { name, tools, prompts, resources } = named;
    let mut written = json!({"name": name.as_str(), "tools": tools});
    if let Some(fields) = written.as_object_mut() {
        fields.extend(prompts.as_ref().map(|prompts| ("prompts".to_owned(), json!(prompts))));
        fields.extend(resources.as_ref().map(|resources| ("resources".to_owned(), json!(resources))));
    }
    written
}

/// What is read in milliseconds is written so.
fn millis(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}
