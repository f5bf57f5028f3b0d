//! The broker towards servers: real HTTP, servers with faults. What one does must not cost another.

use crate::fake::{Fake, Seen, event_stream, json_response, result, tool};
use crate::gateway::{Gateway, LIST, eventually, pace, server, spec, virtual_server};
use axum::response::IntoResponse;
use mcp_gateway::{credentials, routing::Spec};
use serde_json::json;

const ADD: &str = r#"{"name":"add","description":"Adds","inputSchema":{"type":"object"}}"#;
const SUB: &str = r#"{"name":"sub","inputSchema":{"type":"object"}}"#;

#[tokio::test]
async fn tools_are_listed_byte_for_byte_but_for_their_names() {
    let raw = "{ \"inputSchema\" : {\"type\":\"object\",\"x\":1.00,\"y\":1e2},\n \"name\":\"g\\u0065t\", \"_meta\":{\"a\":\"\\u00e9\"}, \"new\":[ ] }";
    let fake = Fake::start(&[raw]).await;
    let gateway = Gateway::start(spec(&[server("a", &fake.url, "a_")])).await;
    gateway.wait_for_tools(&["a_get"]).await;
    let body = gateway.post(LIST).send().await.unwrap().text().await.unwrap();
    let expected = raw.replace("\"g\\u0065t\"", "\"a_get\"");
    assert_eq!(body, format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{expected}]}}}}"#));
}

#[tokio::test]
async fn the_broker_says_who_it_is_and_what_it_speaks() {
    let fake = Fake::start(&[ADD]).await;
    let mut told = server("a", &fake.url, "");
    told.credential = Some(credentials::credential("Bearer s3cret").unwrap());
    let gateway = Gateway::start(spec(&[told])).await;
    gateway.wait_for_tools(&["add"]).await;
    let seen = fake.seen();
    let [initialize, initialized] = [&seen[0], &seen[1]];
    assert_eq!((initialize.method(), initialized.method()), ("initialize", "notifications/initialized"));
    assert_eq!(initialize.body["params"]["protocolVersion"], "2025-11-25");
    // some servers list what asks clients only to those that can be asked
    let announced = json!({"roots": {}, "sampling": {"tools": {}}, "elicitation": {"form": {}, "url": {}}});
    assert_eq!(initialize.body["params"]["capabilities"], announced);
    assert_eq!(
        (initialize.header("mcp-session-id"), initialize.header("mcp-protocol-version")),
        (None, None)
    );
    assert_eq!(initialized.header("mcp-session-id"), Some("fake-session-1"));
    assert_eq!(initialized.header("mcp-protocol-version"), Some("2025-11-25"));
    for seen in &seen {
        assert_eq!(seen.header("authorization"), Some("Bearer s3cret"));
        assert_eq!(seen.header("user-agent"), Some(concat!("mcp-gateway/", env!("CARGO_PKG_VERSION"))));
    }
    let status = gateway.status("a");
    assert!(status.reachable && status.issues_sessions && status.last_error.is_none());
    assert_eq!((status.revision, status.tools), (Some("2025-11-25"), 1));
    assert!(status.last_discovered.is_some());
}

#[tokio::test]
async fn all_pages_are_listed_and_an_empty_cursor_is_the_end() {
    let fake = Fake::start(&[]).await;
    fake.set_fault(|seen| {
        let page = match (seen.method(), seen.body["params"]["cursor"].as_str()) {
            ("tools/list", None) => format!(r#"{{"tools":[{ADD}],"nextCursor":"two"}}"#),
            ("tools/list", Some("two")) => format!(r#"{{"tools":[{SUB}],"nextCursor":""}}"#),
            _ => return None,
        };
        Some(result(seen, &page))
    });
    let gateway = Gateway::start(spec(&[server("a", &fake.url, "")])).await;
    gateway.wait_for_tools(&["add", "sub"]).await;
}

#[tokio::test]
async fn answers_in_event_streams_are_found_among_other_messages() {
    let fake = Fake::start(&[]).await;
    fake.set_fault(|seen| {
        let id = &seen.body["id"];
        let answer = match seen.method() {
            "tools/list" => format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\r\ndata: \"result\":{{\"tools\":[{ADD}]}}}}"),
            _ => return None,
        };
        let ping = r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#;
        let unserved = r#"{"jsonrpc":"2.0","id":9,"method":"sampling/createMessage","params":{}}"#;
        let log = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#;
        Some(event_stream(format!(
            ": hello\r\nid: 1\r\ndata:\r\n\r\ndata: {ping}\r\n\r\ndata: {unserved}\r\n\r\ndata: {log}\r\n\r\nevent: message\r\ndata: {answer}\r\n\r\n"
        )))
    });
    let gateway = Gateway::start(spec(&[server("a", &fake.url, "")])).await;
    gateway.wait_for_tools(&["add"]).await;
    let answered = |body: serde_json::Value| fake.seen().iter().any(|seen| seen.body == body);
    assert!(answered(json!({"jsonrpc": "2.0", "id": "p", "result": {}})));
    assert!(fake.seen().iter().any(|seen| seen.body["id"] == 9 && seen.body["error"]["code"] == -32601));
}

#[tokio::test]
async fn one_bad_server_does_not_keep_the_others_waiting() {
    let (good, silent) =
        (Fake::start(&[ADD]).await, tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap());
    let nowhere = format!("http://{}/mcp", silent.local_addr().unwrap()).parse().unwrap();
    let refusing = "http://127.0.0.1:1/mcp".parse().unwrap();
    let servers =
        [server("silent", &nowhere, ""), server("gone", &refusing, ""), server("good", &good.url, "")];
    let gateway = Gateway::start(spec(&servers)).await;
    gateway.wait_for_tools(&["add"]).await;
    gateway.wait_for_error("gone", "cannot connect").await;
    gateway.wait_for_error("silent", "initialize took longer than 2 s").await;
    assert!(!gateway.status("silent").reachable && gateway.status("good").reachable);
}

#[tokio::test]
async fn a_list_that_breaks_a_limit_is_refused_and_the_last_good_one_stays() {
    let fake = Fake::start(&[ADD]).await;
    let gateway = Gateway::start(spec(&[server("a", &fake.url, "")])).await;
    gateway.wait_for_tools(&["add"]).await;
    eventually("the event stream", async || fake.streams() == 1).await;
    let endless = |seen: &Seen| {
        let page = seen.body["params"]["cursor"].as_str().map_or(0, |page| page.parse::<u32>().unwrap());
        format!(r#"{{"tools":[],"nextCursor":"{}"}}"#, page + 1)
    };
    let giant = |_: &Seen| format!(r#"{{"tools":[{}]}}"#, tool("t", &"x".repeat(17 << 20)));
    let many = |_: &Seen| format!(r#"{{"tools":[{}{ADD}]}}"#, format!("{ADD},").repeat(5000));
    fault(&fake, |_| r#"{"tools":[],"nextCursor":"again"}"#.to_owned());
    fake.announce_change();
    gateway.wait_for_error("a", "a cursor of the list comes twice").await;
    fault(&fake, endless);
    gateway.wait_for_error("a", "more than 1000 pages").await;
    fault(&fake, giant);
    gateway.wait_for_error("a", "larger than 16777216 bytes").await;
    fault(&fake, many);
    gateway.wait_for_error("a", "more than 5000").await;
    assert_eq!(gateway.tools().await, ["add"]);
    assert!(!gateway.status("a").reachable);
    fake.clear_fault();
    eventually("the server to be reachable again", async || gateway.status("a").reachable).await;
}

fn fault(fake: &Fake, page: impl Fn(&Seen) -> String + Send + 'static) {
    fake.set_fault(move |seen| (seen.method() == "tools/list").then(|| result(seen, &page(seen))));
}

#[tokio::test]
async fn answers_that_are_not_mcp_are_told_apart() {
    let fake = Fake::start(&[ADD]).await;
    fake.set_fault(|_| Some("<html>".into_response()));
    let gateway = Gateway::start(spec(&[server("a", &fake.url, "")])).await;
    gateway.wait_for_error("a", "content-type \"text/plain; charset=utf-8\"").await;
    fake.set_fault(|_| Some(json_response(200, "{]")));
    gateway.wait_for_error("a", "the answer to initialize is not MCP: the body is not valid JSON").await;
    fake.set_fault(|seen| Some(result(seen, r#"{"protocolVersion":"2024-11-05\u001b[31m"}"#)));
    gateway.wait_for_error("a", "the server speaks revision \"2024-11-05\u{FFFD}[31m\", which").await;
    fake.set_fault(|_| Some(event_stream("data:\n\n")));
    gateway.wait_for_error("a", "the event stream ended before initialize was answered").await;
    fake.set_fault(|_| Some(json_response(500, "oops")));
    gateway.wait_for_error("a", "initialize was answered with HTTP status 500").await;
    fake.set_fault(|seen| {
        let error = format!(
            r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32602,"message":"s3cret"}}}}"#,
            seen.body["id"]
        );
        Some(json_response(200, &error))
    });
    gateway.wait_for_error("a", "answered with an error, JSON-RPC code -32602 (invalid params)").await;
    let other = Fake::start(&[SUB]).await;
    let place = other.url.to_string();
    fake.set_fault(move |_| {
        Some((http::StatusCode::TEMPORARY_REDIRECT, [("location", place.clone())]).into_response())
    });
    gateway.wait_for_error("a", "HTTP status 307, a redirect").await;
    assert!(other.seen().is_empty(), "the credential must not go elsewhere");
}

#[tokio::test]
async fn a_server_that_wants_another_credential_says_nothing_of_it() {
    let fake = Fake::start(&[ADD]).await;
    fake.set_fault(|seen| {
        let key = seen.header("authorization").unwrap_or_default();
        (key != "Bearer right")
            .then(|| json_response(401, &format!(r#"{{"error":{{"code":-32000,"message":"bad {key}"}}}}"#)))
    });
    let mut told = server("a", &fake.url, "");
    told.credential = Some(credentials::credential("Bearer s3cret").unwrap());
    let gateway = Gateway::start(spec(std::slice::from_ref(&told))).await;
    gateway.wait_for_error("a", "HTTP status 401: check the server's credential").await;
    let status = serde_json::to_string(&*gateway.broker.status()).unwrap();
    assert!(!status.contains("s3cret") && !status.contains("fake-session"), "{status}");
    told.credential = Some(credentials::credential("Bearer right").unwrap());
    gateway.apply(spec(&[told]));
    gateway.wait_for_tools(&["add"]).await;
}

#[tokio::test]
async fn invalid_tools_are_dropped_one_by_one_with_the_reason() {
    let fake = Fake::start(&[ADD, "7", r#"{"name":"no schema"}"#, ADD, SUB]).await;
    let gateway = Gateway::start(spec(&[server("a", &fake.url, "")])).await;
    gateway.wait_for_tools(&["add", "sub"]).await;
    let rejected = gateway.status("a").rejected;
    let reasons: Vec<_> = rejected.iter().map(|tool| (tool.name.as_str(), tool.reason.as_str())).collect();
    assert_eq!(reasons.len(), 3);
    assert_eq!(reasons[0], ("", "the body is not a JSON object"));
    assert!(reasons[1].0 == "no schema" && reasons[1].1.starts_with("missing field `inputSchema`"));
    assert_eq!(reasons[2], ("add", "the server lists another tool of this name"));
}

#[tokio::test]
async fn a_lost_session_is_replaced_however_the_server_says_it() {
    let fake = Fake::start(&[ADD]).await;
    let gateway = Gateway::start(spec(&[server("a", &fake.url, "")])).await;
    gateway.wait_for_tools(&["add"]).await;
    eventually("the event stream", async || fake.streams() == 1).await;
    fake.lose_session("fake-session-2");
    fake.set_tools(&[SUB]);
    fake.announce_change();
    gateway.wait_for_tools(&["sub"]).await;
    assert_eq!(gateway.status("a").last_error, None);
    let list = eventually("the event stream", async || fake.streams() == 1);
    list.await;
    fake.set_fault(|seen| {
        let lost = seen.header("mcp-session-id") == Some("fake-session-2");
        let error = r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"}}"#;
        lost.then(|| json_response(400, error))
    });
    fake.lose_session("fake-session-3");
    fake.set_tools(&[ADD, SUB]);
    fake.announce_change();
    gateway.wait_for_tools(&["add", "sub"]).await;
    assert_eq!(fake.count("initialize"), 3);
}

#[tokio::test]
async fn a_changed_description_is_republished() {
    let fake = Fake::start(&[ADD]).await;
    let gateway = Gateway::start(spec(&[server("a", &fake.url, "")])).await;
    gateway.wait_for_tools(&["add"]).await;
    eventually("the event stream", async || fake.streams() == 1).await;
    fake.set_tools(&[&tool("add", "Adds two numbers")]);
    fake.announce_change();
    eventually("the new description", async || {
        gateway.list(gateway.post(LIST)).await["result"]["tools"][0]["description"] == "Adds two numbers"
    })
    .await;
    assert_eq!(fake.count("initialize"), 1);
}

#[tokio::test]
async fn a_ping_on_the_event_stream_is_answered_and_a_broken_stream_is_opened_again() {
    let fake = Fake::start(&[ADD]).await;
    let gateway = Gateway::start(spec(&[server("a", &fake.url, "")])).await;
    gateway.wait_for_tools(&["add"]).await;
    eventually("the event stream", async || fake.streams() == 1).await;
    fake.send(r#"{"jsonrpc":"2.0","id":41,"method":"ping"}"#);
    eventually("the pong", async || {
        fake.seen().iter().any(|seen| seen.body == json!({"jsonrpc": "2.0", "id": 41, "result": {}}))
    })
    .await;
    fake.set_fault(|seen| (seen.verb == "GET").then(|| event_stream("retry: 150\nid: here\ndata:\n\n")));
    fake.send(&"x".repeat(2 << 20)); // too long an event ends the stream
    eventually("streams that end at once", async || fake.count("GET") > 3).await;
    assert!(fake.seen().iter().any(|seen| seen.header("last-event-id") == Some("here")));
    fake.set_tools(&[SUB]);
    fake.clear_fault();
    gateway.wait_for_tools(&["sub"]).await; // what changed while there was no stream was not announced
}

#[tokio::test]
async fn a_server_without_a_stream_is_listed_by_the_timer_and_not_asked_for_one_again() {
    let fake = Fake::start(&[ADD]).await;
    fake.set_fault(|seen| (seen.verb == "GET").then(|| http::StatusCode::METHOD_NOT_ALLOWED.into_response()));
    let pace = mcp_gateway::broker::Pace { relist: std::time::Duration::from_millis(100), ..pace() };
    let gateway = Gateway::start_at(spec(&[server("a", &fake.url, "")]), pace).await;
    gateway.wait_for_tools(&["add"]).await;
    fake.set_tools(&[SUB]);
    gateway.wait_for_tools(&["sub"]).await;
    assert_eq!(fake.count("GET"), 1);
    assert_eq!(fake.count("initialize"), 1);
}

#[tokio::test]
async fn the_configuration_sets_the_pace_of_lists_without_another_connection() {
    let fake = Fake::start(&[ADD]).await;
    fake.set_fault(|seen| (seen.verb == "GET").then(|| http::StatusCode::METHOD_NOT_ALLOWED.into_response()));
    let slow = spec(&[server("a", &fake.url, "")]);
    let gateway = Gateway::start(slow.clone()).await;
    gateway.wait_for_tools(&["add"]).await;
    fake.set_tools(&[SUB]);
    gateway.apply(Spec { relist: Some(std::time::Duration::from_millis(50)), ..slow.clone() });
    gateway.wait_for_tools(&["sub"]).await;
    gateway.apply(slow);
    assert_eq!(fake.count("initialize"), 1);
}

#[tokio::test]
async fn a_server_that_goes_away_keeps_its_tools_and_is_found_again() {
    let fake = Fake::start(&[ADD]).await;
    let address = format!("127.0.0.1:{}", fake.url.port().unwrap());
    let gateway = Gateway::start(spec(&[server("a", &fake.url, "")])).await;
    gateway.wait_for_tools(&["add"]).await;
    fake.set_fault(|_| Some(json_response(503, "{}")));
    fake.announce_change();
    gateway.wait_for_error("a", "503").await;
    drop(fake);
    assert_eq!(gateway.tools().await, ["add"]);
    let again = Fake::start_on(&address, &[SUB]).await;
    gateway.wait_for_tools(&["sub"]).await;
    let status = gateway.status("a");
    assert!(status.reachable && status.last_error.is_none(), "{status:?}");
    drop(again);
}

#[tokio::test]
async fn a_changed_spec_restarts_only_the_server_that_changed() {
    let (one, two) = (Fake::start(&[ADD]).await, Fake::start(&[SUB]).await);
    let (a, b) = (server("a", &one.url, "a_"), server("b", &two.url, "b_"));
    let gateway = Gateway::start(spec(&[a.clone(), b.clone()])).await;
    gateway.wait_for_tools(&["a_add", "b_sub"]).await;
    let renamed = server("b", &two.url, "c_");
    gateway.apply(spec(&[a.clone(), renamed.clone()]));
    gateway.wait_for_tools(&["a_add", "c_sub"]).await;
    eventually("a second start", async || two.count("initialize") == 2).await;
    eventually("the end of the first session", async || two.count("DELETE") == 1).await;
    let mut moved = renamed.clone();
    moved.hostname = a.hostname.clone(); // only routing reads it
    gateway.apply(spec(&[moved, server("d", &one.url, "d_")]));
    gateway.wait_for_tools(&["c_sub", "d_add"]).await;
    eventually("the end of the session of a", async || one.count("DELETE") == 1).await;
    assert_eq!((one.count("initialize"), two.count("initialize")), (2, 2));
    let mut disabled = renamed;
    disabled.enabled = false;
    gateway.apply(spec(&[disabled]));
    gateway.wait_for_tools(&[]).await;
    assert!(!gateway.status("b").enabled);
    eventually("the end of all sessions", async || two.count("DELETE") == 2 && one.count("DELETE") == 2)
        .await;
}

#[tokio::test]
async fn a_name_clash_costs_the_later_server_that_name_only() {
    let (one, two) = (Fake::start(&[ADD]).await, Fake::start(&[ADD, SUB]).await);
    let mut both = spec(&[server("a", &one.url, ""), server("b", &two.url, "")]);
    both.virtual_servers = vec![virtual_server("readers", &["sub", "nothing"])];
    let gateway = Gateway::start(both).await;
    gateway.wait_for_tools(&["add", "sub"]).await;
    eventually("both servers", async || gateway.status("b").conflicts.len() == 1).await;
    let status = gateway.status("b");
    assert_eq!((status.tools, &*status.conflicts[0].name, &*status.conflicts[0].owner), (1, "add", "a"));
    let list = gateway.list(gateway.post(LIST)).await;
    assert_eq!(list["result"]["tools"][0]["description"], "Adds");
    let named = &gateway.broker.status().virtual_servers[0];
    assert_eq!((&*named.name, named.tools, &named.missing[..]), ("readers", 1, &["nothing".to_owned()][..]));
}

#[tokio::test]
async fn sessions_at_servers_end_with_the_broker() {
    let fake = Fake::start(&[ADD]).await;
    let mut gateway = Gateway::start(spec(&[server("a", &fake.url, "")])).await;
    gateway.wait_for_tools(&["add"]).await;
    gateway.stop().await;
    assert_eq!(fake.count("DELETE"), 1);
}

#[tokio::test]
async fn a_server_without_sessions_or_tools_is_served_too() {
    let fake = Fake::start(&[]).await;
    fake.lose_session("");
    fake.set_fault(|seen| {
        let error = format!(
            r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32601,"message":"no"}}}}"#,
            seen.body["id"]
        );
        (seen.method() == "tools/list").then(|| json_response(200, &error))
    });
    let gateway = Gateway::start(spec(&[server("a", &fake.url, "")])).await;
    eventually("the server", async || gateway.status("a").reachable).await;
    assert!(!gateway.status("a").issues_sessions);
    assert!(gateway.tools().await.is_empty());
}
