//! The broker towards servers over TLS: whose certificates are believed.

use std::path::PathBuf;

use crate::common::{CertificateAuthority, TlsServer};
use crate::gateway::{Gateway, eventually, server, spec};

#[tokio::test]
async fn a_server_is_believed_under_its_own_name_and_by_its_own_ca_only() {
    let folder = tempfile::tempdir().unwrap();
    let authority = CertificateAuthority::generate();
    let bundle = authority.bundle();
    let port = TlsServer::start(&authority, "localhost").port;
    let at = |name: &str, host: &str, bundle: Option<PathBuf>| {
        let mut server = server(name, &format!("https://{host}:{port}/mcp").parse().unwrap(), "");
        server.ca_bundle = bundle;
        server
    };
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "nothing").unwrap();
    let servers = [
        at("known", "localhost", Some(bundle.clone())),
        at("stranger", "localhost", None),
        at("renamed", "127.0.0.1", Some(bundle.clone())),
        at("missing", "localhost", Some(folder.path().join("none.pem"))),
        at("empty", "localhost", Some(empty.clone())),
    ];
    let gateway = Gateway::start(spec(&servers)).await;
    eventually("the known server", async || gateway.status("known").reachable).await;
    gateway.wait_for_error("stranger", "cannot connect to ").await;
    gateway.wait_for_error("renamed", "cannot connect to ").await;
    gateway.wait_for_error("missing", "none.pem: No such file").await;
    gateway.wait_for_error("empty", "empty.pem: holds no PEM certificate").await;
    for name in ["stranger", "renamed"] {
        let error = gateway.status(name).last_error.unwrap();
        assert!(error.contains("certificate"), "{name}: {error}");
    }
    std::fs::copy(&bundle, &empty).unwrap(); // the file is read again with each attempt
    eventually("the mended server", async || gateway.status("empty").reachable).await;
}
