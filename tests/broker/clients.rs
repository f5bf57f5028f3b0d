//! The broker towards clients: what each request is answered with, over real HTTP.

use crate::fake::{Fake, tool};
use crate::gateway::{Events, Gateway, LIST, eventually, names, server, spec, virtual_server};
use mcp_gateway::clock;
use mcp_gateway::exchange::{Session, SessionId, Tokens};
use mcp_gateway::mcp::{ClientCapabilities, Revision};
use mcp_gateway::routing::{Limits, Spec};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

/// A gateway in front of one server with the tools `a`, `b` and `c`; the virtual server `ns/few` has `a` and `b`.
async fn gateway() -> (Gateway, Fake, Spec) {
    let tools = ["c", "a", "b"].map(|name| tool(name, ""));
    let fake = Fake::start(&tools.each_ref().map(String::as_str)).await;
    let mut spec = spec(&[server("ns/one", &fake.url, "")]);
    spec.virtual_servers =
        vec![virtual_server("ns/few", &["a", "b"]), virtual_server("ns/other", &["b", "c"])];
    let gateway = Gateway::start(spec.clone()).await;
    gateway.wait_for_tools(&["a", "b", "c"]).await;
    eventually("the event stream", async || fake.streams() == 1).await;
    (gateway, fake, spec)
}

/// The status and the JSON of an answer, which must be a whole one.
async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn refusal(request: RequestBuilder) -> (u16, i64, String) {
    let (status, body) = answer(request).await;
    assert_eq!(body["jsonrpc"], "2.0");
    (status, body["error"]["code"].as_i64().unwrap(), body["error"]["message"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn who_does_not_come_through_the_router_is_refused() {
    let (gateway, _fake, _) = gateway().await;
    let other = Gateway::start(spec(&[])).await;
    for verb in ["GET", "POST", "DELETE"] {
        let direct = || {
            gateway
                .http
                .request(verb.parse().unwrap(), &gateway.url)
                .header("content-type", "application/json")
                .body(LIST)
        };
        let stranger = other.sealer.seal_routed(&[]);
        let twice = direct().header("x-mcp-routed", gateway.sealer.seal_routed(&[]));
        for request in
            [direct(), direct().header("x-mcp-routed", "x"), direct().header("x-mcp-routed", stranger)]
        {
            let (status, code, message) = refusal(request).await;
            assert_eq!((status, code), (403, -32600));
            assert!(message.contains("connect to the gateway's public host"), "{message}");
        }
        assert_eq!(refusal(twice.header("x-mcp-routed", "x")).await.0, 400);
    }
}

#[tokio::test]
async fn initialize_agrees_on_a_revision_and_issues_a_session() {
    let (gateway, _fake, _) = gateway().await;
    for (asked, answered) in [
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("2024-11-05", "2025-11-25"),
    ] {
        let capabilities = json!({"elicitation": {}, "roots": {"listChanged": true}});
        let params = json!({"protocolVersion": asked, "capabilities": capabilities, "clientInfo": {"name": "t", "version": "1"}});
        let message =
            json!({"jsonrpc": "2.0", "id": "a", "method": "initialize", "params": params}).to_string();
        let request = gateway
            .post(&message)
            .header("mcp-session-id", "gone")
            .header("mcp-protocol-version", "1999-01-01");
        let response = request.send().await.unwrap();
        let token = response.headers()["mcp-session-id"].clone();
        let body: Value = response.json().await.unwrap();
        let info = json!({"name": "mcp-gateway", "version": env!("CARGO_PKG_VERSION")});
        let result = json!({"protocolVersion": answered, "capabilities": {"tools": {"listChanged": true}}, "serverInfo": info});
        assert_eq!(body, json!({"jsonrpc": "2.0", "id": "a", "result": result}));
        assert!(token.as_bytes().iter().all(|byte| matches!(byte, 0x21..=0x7E)));
        let session = gateway.sealer.open_session(token.as_bytes()).unwrap();
        assert_eq!(session.revision.as_str(), answered);
        assert_eq!(session.capabilities.0, 0b10_0011);
        assert_eq!(session.expires - session.issued, 24 * 60 * 60);
    }
    let (status, code, message) =
        refusal(gateway.post(r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#)).await;
    assert_eq!((status, code, &*message), (200, -32602, "params.protocolVersion is missing"));
}

#[tokio::test]
async fn the_list_is_sorted_and_the_id_is_given_back_as_it_was_sent() {
    let (gateway, _fake, _) = gateway().await;
    for id in ["1", "-0", r#""a""#, r#""\u0061\n""#, "12345678901234567890123", r#""""#] {
        let message = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list","params":{{}}}}"#);
        let response = gateway.post(&message).send().await.unwrap();
        let length: usize = response.headers()["content-length"].to_str().unwrap().parse().unwrap();
        let body = response.text().await.unwrap();
        assert_eq!(body.len(), length);
        assert!(body.starts_with(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":["#)), "{body}");
        assert_eq!(names(&serde_json::from_str(&body).unwrap()), ["a", "b", "c"]);
    }
}

#[tokio::test]
async fn plain_curl_gets_json_and_a_client_that_takes_events_only_gets_an_event() {
    let (gateway, _fake, _) = gateway().await;
    let post = |accept: &str| {
        let request = gateway.request("POST").header("content-type", "application/json").body(LIST);
        if accept.is_empty() { request } else { request.header("accept", accept) }
    };
    for accept in
        ["", "*/*", "application/json", "application/*, text/event-stream", "text/event-stream, */*;q=0.1"]
    {
        assert_eq!(names(&answer(post(accept)).await.1), ["a", "b", "c"], "{accept}");
    }
    let mut events = Events::of(post("text/event-stream").send().await.unwrap());
    let event = events.next().await.unwrap();
    let data = event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    assert_eq!(names(&serde_json::from_str(data).unwrap()), ["a", "b", "c"]);
    assert_eq!(events.next().await, None);
    assert_eq!(refusal(post("text/html")).await.0, 406);
    assert_eq!(refusal(post("application/json;q=0")).await.0, 406);
}

#[tokio::test]
async fn methods_that_are_not_offered_are_refused_in_a_way_that_keeps_the_session() {
    let (gateway, _fake, _) = gateway().await;
    let session = gateway.initialize("2025-06-18").await;
    for method in ["prompts/get", "resources/read", "tools/call", "x"] {
        let message = json!({"jsonrpc": "2.0", "id": 7, "method": method}).to_string();
        let (status, body) = answer(gateway.post(&message).header("mcp-session-id", &session)).await;
        assert_eq!(
            (status, &body["id"], &body["error"]["code"]),
            (200, &json!(7), &json!(-32601)),
            "{method}"
        );
        let (status, code, message) = refusal(gateway.post(&message)).await;
        assert_eq!((status, code), (400, -32600), "{method}: {message}");
        assert!(message.contains("mcp-session-id is missing"), "{message}");
    }
    let ping = r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#;
    assert_eq!(answer(gateway.post(ping)).await, (200, json!({"jsonrpc": "2.0", "id": "p", "result": {}})));
}

#[tokio::test]
async fn a_client_of_2026_07_28_is_told_to_begin_with_initialize() {
    let (gateway, _fake, _) = gateway().await;
    let meta = json!({"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}});
    let probe = json!({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": meta}).to_string();
    let bare = r#"{"jsonrpc":"2.0","id":1,"method":"server/discover"}"#;
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": meta}).to_string();
    let modern = |body: &str| {
        gateway
            .post(body)
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "server/discover")
    };
    for request in [modern(&probe), modern(bare), modern(&list), gateway.post(&probe), gateway.post(&list)] {
        let (status, body) = answer(request).await;
        // rmcp falls back on an error with the id of its request, Python and TypeScript on a 400 of another code than -3202x
        assert_eq!((status, &body["id"], &body["error"]["code"]), (400, &json!(1), &json!(-32600)));
        let message = body["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("Bad Request: Unsupported protocol version"), "{message}");
    }
    let (status, body) = answer(gateway.post(bare)).await;
    assert_eq!((status, &body["id"], &body["error"]["code"]), (200, &json!(1), &json!(-32601)));
}

#[tokio::test]
async fn what_is_not_answered_is_accepted_within_a_session_only() {
    let (gateway, _fake, _) = gateway().await;
    let session = gateway.initialize("2025-11-25").await;
    for message in [
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","method":"initialize"}"#,
        r#"{"jsonrpc":"2.0","method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#,
    ] {
        let response = gateway.post(message).header("mcp-session-id", &session).send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), response.headers().get("content-type")),
            (202, None),
            "{message}"
        );
        assert_eq!(response.text().await.unwrap(), "");
        assert_eq!(refusal(gateway.post(message)).await.0, 400, "{message}");
        assert_eq!(refusal(gateway.post(message).header("mcp-session-id", "x")).await.0, 404, "{message}");
    }
}

#[tokio::test]
async fn a_session_ends_by_time_and_by_delete() {
    let (gateway, _fake, _) = gateway().await;
    let now = clock::now().0;
    let session = |id: u8, expires: u64| {
        let session = Session {
            id: SessionId([id; 16]),
            issued: now - 100,
            expires,
            capabilities: ClientCapabilities::default(),
            revision: Revision::LATEST,
            virtual_server: None,
        };
        gateway.sealer.seal_session(&session)
    };
    let (live, expired) = (session(1, now + 100), session(2, now - 1));
    let with = |verb: &str, session: &str| {
        let request = gateway.request(verb).header("content-type", "application/json");
        request
            .header("accept", "application/json, text/event-stream")
            .header("mcp-session-id", session)
            .body(LIST)
    };
    for verb in ["GET", "POST", "DELETE"] {
        assert_eq!(
            refusal(with(verb, "x")).await,
            (404, -32600, "session not found: initialize again".to_owned())
        );
        assert_eq!(
            refusal(with(verb, &expired)).await,
            (404, -32600, "session expired: initialize again".to_owned())
        );
    }
    assert_eq!(names(&answer(with("POST", &live)).await.1), ["a", "b", "c"]);
    assert_eq!(answer(with("DELETE", &live)).await, (200, json!({})));
    for verb in ["GET", "POST", "DELETE"] {
        assert_eq!(refusal(with(verb, &live)).await.0, 404);
    }
    for verb in ["GET", "DELETE"] {
        let (status, _, message) = refusal(gateway.request(verb).header("accept", "text/event-stream")).await;
        assert!(status == 400 && message.contains("mcp-session-id is missing"), "{status} {message}");
    }
}

#[tokio::test]
async fn malformed_requests_are_refused_with_the_status_that_fits() {
    let (gateway, _fake, mut spec) = gateway().await;
    spec.limits = Limits { body: 1000, ..Limits::default() };
    gateway.apply(spec);
    let big = format!("{LIST}{}", " ".repeat(1000));
    eventually("the limit", async || refusal(gateway.post(&big)).await.0 == 413).await;
    let stream = reqwest::Body::wrap_stream(futures_util::stream::iter([
        Ok::<_, std::io::Error>(big.clone()),
        Ok(big),
    ]));
    assert_eq!(refusal(gateway.post("").body(stream)).await.0, 413);
    for (body, code) in
        [("", -32700), ("{", -32700), ("[]", -32600), (&*format!("[{LIST}]"), -32600), ("{}", -32600)]
    {
        let (status, found, message) = refusal(gateway.post(body)).await;
        assert_eq!((status, found), (400, code), "{body}: {message}");
    }
    let plain = |fields: [(&str, &str); 2]| {
        let request = gateway.request("POST").body(LIST);
        fields.into_iter().fold(request, |request, (name, value)| request.header(name, value))
    };
    let json = ("content-type", "application/json; charset=utf-8");
    assert_eq!(answer(plain([json, ("a", "b")])).await.0, 200);
    assert_eq!(refusal(plain([json, ("content-encoding", "gzip")])).await.0, 415);
    assert_eq!(refusal(plain([("content-type", "text/plain"), ("a", "b")])).await.0, 415);
    assert_eq!(refusal(plain([json, ("mcp-protocol-version", "1999-01-01")])).await.0, 400);
    assert_eq!(answer(plain([json, ("mcp-protocol-version", "2025-03-26")])).await.0, 200);
    assert_eq!(refusal(plain([json, json])).await.0, 400);
    for verb in ["PUT", "PATCH", "OPTIONS"] {
        let response = gateway.request(verb).send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), response.headers()["allow"].as_bytes()),
            (405, &b"GET, POST, DELETE"[..])
        );
        assert!(response.text().await.unwrap().contains("use one of"));
    }
    assert_eq!(refusal(gateway.http.get(format!("{}x", gateway.url))).await.0, 404);
}

#[tokio::test]
async fn pages_are_followed_by_cursor() {
    let (gateway, _fake, mut spec) = gateway().await;
    spec.limits.page = 2;
    gateway.apply(spec);
    eventually("pages", async || gateway.tools().await == ["a", "b"]).await;
    let first = gateway.list(gateway.post(LIST)).await;
    let page = |cursor: &Value| {
        let message =
            json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"cursor": cursor}});
        gateway.post(&message.to_string())
    };
    let second = gateway.list(page(&first["result"]["nextCursor"])).await;
    assert_eq!(names(&second), ["c"]);
    assert_eq!(second["result"].get("nextCursor"), None);
    let (status, code, _) = refusal(page(&json!("not ours!"))).await;
    assert_eq!((status, code), (200, -32602));
}

#[tokio::test]
async fn a_virtual_server_limits_what_is_listed_however_it_is_named() {
    let (gateway, _fake, mut spec) = gateway().await;
    let by_path = |name: &str| {
        let request = gateway.http.post(&gateway.url).header("content-type", "application/json");
        request.header("x-mcp-routed", gateway.sealer.seal_routed(&[name]))
    };
    assert_eq!(names(&gateway.list(by_path("ns/few").body(LIST)).await), ["a", "b"]);
    let by_filter = gateway.post(LIST).header("x-mcp-virtualserver", "ns/few");
    assert_eq!(names(&gateway.list(by_filter).await), ["a", "b"]);
    let both = by_path("ns/few").header("x-mcp-virtualserver", "ns/other").body(LIST);
    assert_eq!(names(&gateway.list(both).await), ["b"]);
    for unknown in ["ns/none", ""] {
        let (status, _, message) = refusal(gateway.post(LIST).header("x-mcp-virtualserver", unknown)).await;
        assert!(status == 404 && message.contains("unknown virtual server"), "{message}");
    }
    let twice =
        gateway.post(LIST).header("x-mcp-virtualserver", "ns/few").header("x-mcp-virtualserver", "ns/other");
    assert_eq!(refusal(twice).await.0, 400);
    // the path itself says nothing: it is the router that is believed
    let path = gateway
        .http
        .post(format!("{}/virtual/ns/few", gateway.url))
        .header("content-type", "application/json");
    let path = path.header("x-mcp-routed", gateway.sealer.seal_routed(&[])).body(LIST);
    assert_eq!(names(&gateway.list(path).await), ["a", "b", "c"]);

    let initialize =
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18"}}"#;
    let response = by_path("ns/few").body(initialize).send().await.unwrap();
    let session = response.headers()["mcp-session-id"].clone();
    let bound = || gateway.post(LIST).header("mcp-session-id", session.clone());
    assert_eq!(names(&gateway.list(bound()).await), ["a", "b"]);
    assert_eq!(refusal(by_path("ns/none").body(initialize)).await.0, 404);
    spec.virtual_servers.clear();
    gateway.apply(spec);
    eventually("the end of the virtual server", async || bound().send().await.unwrap().status() == 404).await;
}

#[tokio::test]
async fn sessions_can_be_required() {
    let (gateway, _fake, mut spec) = gateway().await;
    spec.require_session = true;
    gateway.apply(spec);
    eventually("the refusal", async || refusal(gateway.post(LIST)).await.0 == 400).await;
    let session = gateway.initialize("2025-06-18").await;
    assert_eq!(
        names(&gateway.list(gateway.post(LIST).header("mcp-session-id", session)).await),
        ["a", "b", "c"]
    );
}

#[tokio::test]
async fn the_event_stream_tells_of_changes_in_its_own_scope() {
    let (gateway, fake, _) = gateway().await;
    let (all, session) = (gateway.initialize("2025-06-18").await, gateway.initialize("2025-06-18").await);
    let mut all = gateway.events(&all).await;
    let request =
        gateway.request("GET").header("mcp-session-id", &session).header("accept", "text/event-stream");
    let mut few = Events::of(request.header("x-mcp-virtualserver", "ns/few").send().await.unwrap());
    assert_eq!(all.response.headers()["x-accel-buffering"], "no");
    assert_eq!(all.response.headers()["cache-control"], "no-store");
    let change = async |tools: [(&str, &str); 3]| {
        let tools = tools.map(|(name, description)| tool(name, description));
        fake.set_tools(&tools.each_ref().map(String::as_str));
        fake.announce_change();
    };
    let told = |event: &str| {
        assert!(
            event.contains(r#"data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#),
            "{event}"
        );
    };
    change([("a", ""), ("b", ""), ("c", "new")]).await;
    told(&all.next().await.unwrap());
    change([("a", "new"), ("b", ""), ("c", "new")]).await;
    told(&all.next().await.unwrap());
    told(&few.next().await.unwrap());
    let delete = gateway.request("DELETE").header("mcp-session-id", &session);
    assert_eq!(delete.send().await.unwrap().status(), 200);
    assert_eq!(few.next().await, None, "it must not be told of what it does not see");
}

#[tokio::test]
async fn a_client_that_comes_back_is_told_what_it_has_missed() {
    let (gateway, fake, _) = gateway().await;
    let session = gateway.initialize("2025-11-25").await;
    let resume = async |id: &str| {
        let request =
            gateway.request("GET").header("mcp-session-id", &session).header("accept", "text/event-stream");
        Events::of(request.header("last-event-id", id).send().await.unwrap())
    };
    let mut events = gateway.events(&session).await;
    let primer = events.next().await.unwrap();
    let (id, data) = primer.split_once('\n').unwrap();
    assert_eq!(data, "data:");
    let id = id.strip_prefix("id: ").unwrap();
    let mut events = resume(id).await;
    let again = events.next().await.unwrap();
    assert!(again.starts_with("id: ") && again.ends_with("\ndata:"), "nothing has changed: {again}");
    drop(events);
    fake.set_tools(&[&tool("d", "")]);
    fake.announce_change();
    gateway.wait_for_tools(&["d"]).await;
    let event = resume(id).await.next().await.unwrap();
    assert!(event.contains("list_changed") && !event.contains(id), "{event}");
}

#[tokio::test]
async fn an_event_stream_ends_with_its_session_its_successor_and_the_broker() {
    let (mut gateway, _fake, _) = gateway().await;
    let session = gateway.initialize("2025-06-18").await;
    let mut first = gateway.events(&session).await;
    let mut second = gateway.events(&session).await;
    assert_eq!(first.next().await, None);
    let deleted = gateway.request("DELETE").header("mcp-session-id", &session).send().await.unwrap();
    assert_eq!(deleted.status(), 200);
    assert_eq!(second.next().await, None);
    let session = gateway.initialize("2025-06-18").await;
    let mut third = gateway.events(&session).await;
    gateway.stop().await;
    assert_eq!(third.next().await, None);
}

#[tokio::test]
async fn an_event_stream_ends_when_its_session_expires() {
    let (gateway, _fake, _) = gateway().await;
    let now = clock::now().0;
    let session = Session {
        id: SessionId([3; 16]),
        issued: now,
        expires: now + 2,
        capabilities: ClientCapabilities::default(),
        revision: Revision::V2025_06_18,
        virtual_server: None,
    };
    let mut events = gateway.events(&gateway.sealer.seal_session(&session)).await;
    assert_eq!(events.next().await, None);
    assert!(clock::now().0 >= session.expires);
}

#[tokio::test]
async fn event_streams_are_for_clients_that_take_them() {
    let (gateway, _fake, _) = gateway().await;
    let session = gateway.initialize("2025-06-18").await;
    let get = || gateway.request("GET").header("mcp-session-id", &session);
    for accept in ["application/json", "text/html", "text/event-stream;q=0", ""] {
        assert_eq!(refusal(get().header("accept", accept)).await.0, 406, "{accept}");
    }
    let response = get().header("accept", "application/json, text/event-stream").send().await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn the_status_can_be_shown() {
    let (gateway, _fake, _) = gateway().await;
    let shown = serde_json::to_value(&*gateway.broker.status()).unwrap();
    let server = &shown["servers"][0];
    assert_eq!(
        (&server["name"], &server["reachable"], &server["tools"]),
        (&json!("ns/one"), &json!(true), &json!(3))
    );
    assert_eq!((&server["issuesSessions"], &server["lastError"]), (&json!(true), &json!(null)));
    assert!(server["lastDiscovered"].as_u64().unwrap() >= server["since"].as_u64().unwrap() - 1);
}

#[tokio::test]
async fn a_probe_is_told_that_it_is_the_broker_and_whether_it_came_by_the_router() {
    let gateway = Gateway::start(spec(&[])).await;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let probe = gateway.sealer.seal_probe("n1");
    let direct = gateway.http.post(&gateway.url).header("content-type", "application/json").body(ping);
    for (request, status, said) in [
        (gateway.post(ping).header("x-mcp-probe", &probe), 200, Some("n1 - broker")),
        (direct.header("x-mcp-probe", &probe), 403, Some("n1 - broker-without-router")),
        (gateway.post(ping).header("x-mcp-probe", "n1"), 200, None),
        (gateway.post(ping), 200, None),
    ] {
        let response = request.send().await.unwrap();
        let word = response.headers().get("x-mcp-probe").map(|word| word.to_str().unwrap());
        assert_eq!((response.status().as_u16(), word), (status, said));
    }
}
