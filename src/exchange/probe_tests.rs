//! Probes: what the router changes, and what it says of the answer.

use super::{
    BodyMode, Head, Header, Input,
    tests::{POST, Run, WAITS_FOR_THE_BODY, with},
};

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
const PROBE: (&str, &str) = ("x-mcp-probe", "probe-n1");
const HAIRPIN: (&str, &str) = ("x-mcp-hairpin", "mcp-test/github@github.mcp.local");

/// Envoy's answer: status, `x-mcp-probe` of whoever has answered, and Envoy's details.
fn answered(run: &mut Run, status: &str, said: Option<&str>, details: Option<&str>) -> String {
    let status = Header { name: ":status", value: status.as_bytes() };
    let said = said.map(|said| Header { name: "x-mcp-probe", value: said.as_bytes() });
    let head: Vec<_> = [Some(status), said].into_iter().flatten().collect();
    run.handle(Input::ResponseHeaders { head: Head(&head), end_of_stream: false, details })
}

#[test]
fn a_probe_of_the_broker_goes_as_a_clients_ping_and_comes_back_with_who_has_answered() {
    for (said, details, proof) in [
        (Some("n1 - broker"), Some("via_upstream"), "n1 via_upstream broker"),
        (Some("n1 - broker"), None, "n1 unknown broker"),
        (Some("n2 - broker"), Some("via_upstream"), "n1 via_upstream -"),
        (None, Some("via_upstream"), "n1 via_upstream -"),
        (None, Some("route_not_found"), "n1 route_not_found -"),
    ] {
        for mode in [BodyMode::Buffered, BodyMode::FullDuplex] {
            let mut run = Run::new();
            let head = run.head(&with(POST, &[PROBE]), false, mode);
            let expected = WAITS_FOR_THE_BODY.replace("  modes", "  remove x-mcp-probe\n  modes");
            assert_eq!(head, if mode == BodyMode::Buffered { &*expected } else { "" });
            let sent = run.body(PING);
            assert!(sent.contains("set x-mcp-routed: sealed[]\n  ") && !sent.contains("end"), "{sent}");
            assert!(
                sent.contains("set x-mcp-probe: probe-n1\n") && !sent.contains("remove x-mcp-probe"),
                "{sent}"
            );
            let expected = format!("answer\n  set x-mcp-probe: {proof}\nend\n");
            assert_eq!(answered(&mut run, "200", said, details), expected);
        }
    }
}

#[test]
fn a_probe_of_a_server_carries_no_credential_and_comes_back_with_who_has_answered() {
    for (status, details) in [("401", "via_upstream"), ("503", "no_healthy_upstream")] {
        for mode in [BodyMode::Buffered, BodyMode::FullDuplex] {
            let mut run = Run::new();
            let sent = run.head(&with(POST, &[PROBE, HAIRPIN]), false, mode);
            let expected = "answer
  set :authority: github.mcp.local
  set :path: /mcp/?v=1
  remove x-mcp-probe
  remove x-mcp-hairpin
  route to mcp-test/github
  modes None, response headers true
";
            assert_eq!(sent, expected);
            if mode == BodyMode::FullDuplex {
                assert_eq!(run.body(PING), "answer\n");
            }
            let expected = format!("answer\n  set x-mcp-probe: n1 {details} -\nend\n");
            assert_eq!(answered(&mut run, status, None, Some(details)), expected);
        }
    }
}

#[test]
fn what_the_router_refuses_of_a_probe_it_says_with_the_nonce() {
    for (more, reason) in [
        ((":authority", "github.mcp.local"), "not_this_host"),
        (("x-mcp-hairpin", "mcp-test/none@github.mcp.local"), "hairpin_refused"),
        (("content-type", "text/plain"), "content_type"),
    ] {
        let refused = Run::new().head(&with(POST, &[PROBE, more]), false, BodyMode::Buffered);
        assert!(refused.contains(&format!("\n  set x-mcp-probe: n1 mcp_gateway_{reason} -\n")), "{refused}");
    }
}

#[test]
fn who_cannot_seal_makes_no_probe() {
    let forged = ("x-mcp-probe", "n1");
    let mut run = Run::new();
    run.head(&with(POST, &[forged]), false, BodyMode::Buffered);
    let sent = run.body(PING);
    assert!(!sent.contains("x-mcp-probe: ") && sent.ends_with("end\n"), "{sent}");
    let refused = Run::new().head(
        &with(POST, &[forged, (":authority", "github.mcp.local")]),
        false,
        BodyMode::Buffered,
    );
    assert!(refused.starts_with("respond 403") && !refused.contains("x-mcp-probe"), "{refused}");
    let other =
        Run::new().head(&with(POST, &[PROBE, (":authority", "other.example")]), false, BodyMode::Buffered);
    assert_eq!(other, "answer\n  modes None, response headers false\nend\n");
}
