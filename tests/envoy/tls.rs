//! Servers over TLS: which certificates Envoy believes, and what leaves before it does.

use serde_json::{Value, json};

use crate::{
    common::{CertificateAuthority, TlsRequest, TlsServer, eventually},
    raw::Answer,
    setting::{Setting, Shape, in_shapes},
};

in_shapes! {
    a_server_over_tls_is_called_by_its_own_name: Buffered, Buffered136;
    a_credential_reaches_its_server_over_tls_only: Buffered, Buffered136;
    a_certificate_for_another_name_is_refused: Buffered, Buffered136;
    a_certificate_of_an_unknown_authority_is_refused: Buffered, Buffered136;
}

/// What a call through Envoy must never show to the client, beside the credential.
const INSIDE: [&str; 4] = ["tls-session", "certificate", "TLS", "localhost"];
const KEY: &str = "s3cr3t-over-tls";

async fn a_server_over_tls_is_called_by_its_own_name(shape: Shape) {
    let authority = CertificateAuthority::generate();
    let server = TlsServer::start(&authority, "localhost");
    let setting = start(shape, &[line("tls", &server, &authority, "")]).await;
    let session = setting.session().await;
    assert_answered(&setting.call(&session, "tls_add", json!({})).await);
    let host = format!("localhost:{}", server.port);
    for request in server.requests() {
        let (sni, named) = (request.sni.as_deref(), request.header("host"));
        assert_eq!((sni, named), (Some("localhost"), Some(&*host)), "{request:?}");
    }
    let passed: Vec<_> =
        server.requests().into_iter().filter(|request| request.header("x-request-id").is_some()).collect();
    let methods: Vec<&str> = passed.iter().map(TlsRequest::method).collect();
    assert_eq!(methods, ["initialize", "notifications/initialized", "tools/call"], "through Envoy");
    assert_eq!(passed[2].body["params"]["name"], "add");
}

async fn a_credential_reaches_its_server_over_tls_only(shape: Shape) {
    let authority = CertificateAuthority::generate();
    let (server, other) =
        (TlsServer::start(&authority, "localhost"), TlsServer::start(&authority, "localhost"));
    let credential = format!(", credential: \"Bearer {KEY}\"");
    let lines = [line("tls", &server, &authority, &credential), line("other", &other, &authority, "")];
    let setting = start(shape, &lines).await;
    let session = setting.session().await;
    for tool in ["tls_add", "other_add"] {
        assert_answered(&setting.call(&session, tool, json!({})).await);
    }
    let requests = server.requests();
    let call = requests.iter().find(|request| request.method() == "tools/call").unwrap();
    assert_eq!(call.header("authorization"), Some(&*format!("Bearer {KEY}")));
    assert_eq!(call.header("x-mcp-api-key"), Some(KEY));
    assert!(requests.iter().all(|request| request.header("authorization").is_some()));
    let elsewhere = other.requests();
    assert!(elsewhere.iter().any(|request| request.method() == "tools/call"));
    for request in elsewhere {
        assert_eq!((request.header("authorization"), request.header("x-mcp-api-key")), (None, None));
    }
    assert!(!setting.shown().await.contains(KEY), "a credential is shown");
}

async fn a_certificate_for_another_name_is_refused(shape: Shape) {
    let authority = CertificateAuthority::generate();
    refuses(shape, &authority, "fail_verify_san", |server| server.certify(&authority, "elsewhere.example"))
        .await;
}

async fn a_certificate_of_an_unknown_authority_is_refused(shape: Shape) {
    let (authority, stranger) = (CertificateAuthority::generate(), CertificateAuthority::generate());
    refuses(shape, &authority, "fail_verify_error", |server| server.certify(&stranger, "localhost")).await;
}

/// Calls a server that shows another certificate than the one it was discovered with: before its first session,
/// and within one. `counter` is Envoy's for that reason to refuse.
async fn refuses(
    shape: Shape,
    authority: &CertificateAuthority,
    counter: &str,
    replace: impl Fn(&TlsServer),
) {
    let server = TlsServer::start(authority, "localhost");
    let credential = format!(", credential: \"Bearer {KEY}\"");
    let setting = start(shape, &[line("tls", &server, authority, &credential)]).await;
    let session = setting.session().await;
    let mut refused = 0;
    for id in [json!(1), Value::Null] {
        replace(&server);
        let before = server.requests().len();
        let answer = setting.call(&session, "tls_add", json!({})).await;
        answer.assert_refused(503, -32603, &id);
        for inside in INSIDE.into_iter().chain([KEY]) {
            assert!(!answer.body.contains(inside), "{inside}: {answer:?}");
            assert!(!format!("{:?}", answer.headers).contains(inside), "{inside}: {answer:?}");
        }
        assert_eq!(server.requests().len(), before, "a request left for a server that is not believed");
        let counted = setting.envoy.stats(&format!("mcp_server_test_tls.ssl.{counter}")).await;
        let counted = counted.values().sum();
        assert!(counted > refused, "{counter} is still {counted}");
        refused = counted;
        server.certify(authority, "localhost");
        assert_answered(&setting.call(&session, "tls_add", json!({})).await);
    }
    assert!(!setting.shown().await.contains(KEY), "a credential is shown");
}

/// A server's line in the configuration.
fn line(name: &str, server: &TlsServer, authority: &CertificateAuthority, more: &str) -> String {
    format!(
        "  - {{name: test/{name}, url: \"https://localhost:{}/mcp\", hostname: {name}.mcp.local, toolPrefix: {name}_, caBundle: {}{more}}}\n",
        server.port,
        authority.bundle().display()
    )
}

/// Waits until the servers are discovered and Envoy has resolved their names.
async fn start(shape: Shape, lines: &[String]) -> Setting {
    let setting = Setting::start(shape, &lines.concat()).await;
    eventually("the servers are discovered", async || {
        let status = setting.gateway.status().await;
        let servers = status["servers"].as_array()?;
        servers.iter().all(|server| server["lastDiscovered"].is_u64()).then_some(())
    })
    .await;
    eventually("Envoy has resolved the servers' names", async || {
        let members = setting.envoy.stats("mcp_server_.*membership_total").await;
        (members.len() == lines.len() && members.values().all(|count| *count > 0)).then_some(())
    })
    .await;
    setting
}

fn assert_answered(answer: &Answer) {
    assert_eq!(answer.result(), json!(3));
}
