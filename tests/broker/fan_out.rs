//! What concerns every server of a session, over real HTTP: Envoy is played by the test.

use std::sync::{Arc, Mutex};

use axum::{extract::State, response::Response};
use http::{HeaderMap, Method};
use mcp_gateway::{
    clock,
    exchange::{Alias, AliasKind, SessionId, Tokens as _},
    mcp::Revision,
    sessions::ServerSession,
};
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use crate::fake::{Fake, Seen, json_response, result, tool};
use crate::gateway::{Gateway, eventually, server, spec, virtual_server};

const SET_LEVEL: &str =
    r#"{"jsonrpc":"2.0","id":7,"method":"logging/setLevel","params":{"level":"warning"}}"#;
const ROOTS: &str = r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#;

#[tokio::test]
async fn a_log_level_is_sent_to_every_server_that_logs_and_remembered() {
    let setting = Setting::start().await;
    let session = setting.session(json!({})).await;
    let answer = setting.post(&session, SET_LEVEL).await;
    assert_eq!(answer, json!({"jsonrpc": "2.0", "id": 7, "result": {}}));
    let seen = setting.envoy.seen("logging/setLevel");
    assert_eq!(servers(&seen), ["ns/one", "ns/two"], "and not to `ns/quiet`, which does not log");
    for (seen, id) in seen.iter().zip(["s-one", "s-two"]) {
        assert_eq!(seen.body["params"], json!({"level": "warning"}));
        assert_ne!(seen.body["id"], json!(7), "the id is none of the client's");
        assert_eq!(seen.header("mcp-session-id"), Some(id));
        assert_eq!(seen.header("x-mcp-method"), Some("logging/setLevel"));
        assert_eq!(seen.header("authorization"), Some("Bearer me"));
        assert!(seen.header("x-mcp-hairpin").is_some() && seen.header("x-mcp-routed").is_none());
    }
    let level = setting.gateway.store.level(setting.id(&session)).await.unwrap();
    assert_eq!(level.as_deref(), Some("warning"));
}

#[tokio::test]
async fn a_log_level_that_is_none_reaches_nobody() {
    let setting = Setting::start().await;
    let session = setting.session(json!({})).await;
    for (params, words) in [
        (json!({"level": "loud"}), "unknown log level: loud"),
        (json!({"level": 3}), "params.level is missing"),
        (json!({}), "params.level is missing"),
    ] {
        let message = json!({"jsonrpc": "2.0", "id": 7, "method": "logging/setLevel", "params": params});
        let answer = setting.post(&session, &message.to_string()).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(words), "{answer}");
    }
    assert!(setting.envoy.seen("logging/setLevel").is_empty());
    assert_eq!(setting.gateway.store.level(setting.id(&session)).await, Ok(None));
}

#[tokio::test]
async fn a_server_that_fails_does_not_keep_the_others_from_the_level() {
    let setting = Setting::start().await;
    let session = setting.session(json!({})).await;
    setting.envoy.answer(|seen| match seen.header("x-mcp-servername") {
        Some("ns/one") => json_response(503, "{}"),
        _ => result(seen, "{}"),
    });
    let answer = setting.post(&session, SET_LEVEL).await;
    assert_eq!(answer["result"], json!({}));
    assert_eq!(servers(&setting.envoy.seen("logging/setLevel")), ["ns/one", "ns/two"]);
}

#[tokio::test]
async fn servers_out_of_scope_are_left_alone() {
    let setting = Setting::start().await;
    let session = setting.session(json!({})).await;
    let of = |name: &str| {
        let request = setting.gateway.post(SET_LEVEL).header("mcp-session-id", &session);
        request.header("x-mcp-virtualserver", name.to_owned())
    };
    let answer: Value = of("ns/first").send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["result"], json!({}));
    assert_eq!(servers(&setting.envoy.seen("logging/setLevel")), ["ns/one"]);
    let answer: Value = of("ns/silent").send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["error"]["code"], -32601, "nobody logs there: {answer}");
}

#[tokio::test]
async fn roots_that_change_are_told_to_every_server_of_a_client_that_has_some() {
    let setting = Setting::start().await;
    let without = setting.session(json!({})).await;
    let with = setting.session(json!({"roots": {"listChanged": true}})).await;
    for session in [&without, &with] {
        let answer = setting.gateway.post(ROOTS).header("mcp-session-id", session).send().await.unwrap();
        assert_eq!(answer.status(), 202);
    }
    eventually("every server is told", async || {
        setting.envoy.seen("notifications/roots/list_changed").len() >= 3
    })
    .await;
    let seen = setting.envoy.seen("notifications/roots/list_changed");
    assert_eq!(servers(&seen), ["ns/one", "ns/quiet", "ns/two"]);
    assert_eq!(seen[0].body, serde_json::from_str::<Value>(ROOTS).unwrap());
}

#[tokio::test]
async fn tasks_are_listed_server_by_server_under_aliases() {
    let setting = Setting::start().await;
    let session = setting.session(json!({})).await;
    setting.envoy.answer(|seen| {
        match (seen.header("x-mcp-servername"), seen.body["params"]["cursor"].as_str()) {
            (Some("ns/one"), None) => result(seen, &tasks(&["t-1"], Some("more"))),
            (Some("ns/one"), Some("more")) => result(seen, &tasks(&["t-2"], None)),
            (Some("ns/two"), None) => result(seen, &tasks(&["t-1"], None)),
            _ => json_response(500, "{}"),
        }
    });
    let (mut listed, mut cursor) = (Vec::new(), None);
    for _page in 0..3 {
        let answer = setting.tasks(&session, cursor.as_deref()).await;
        assert_eq!(answer["id"], json!("l"), "{answer}");
        let found = answer["result"]["tasks"].as_array().unwrap();
        let alias = found[0]["taskId"].as_str().unwrap();
        let alias = setting.gateway.sealer.open_alias(AliasKind::Task, alias).unwrap();
        assert_eq!(alias.session, setting.id(&session));
        assert_eq!((found.len(), &found[0]["status"]), (1, &json!("working")));
        listed.push((alias.server.into_string(), alias.original.into_string()));
        cursor = answer["result"]["nextCursor"].as_str().map(str::to_owned);
    }
    let expected = [("ns/one", "t-1"), ("ns/one", "t-2"), ("ns/two", "t-1")];
    assert_eq!(listed, expected.map(|(server, task)| (server.to_owned(), task.to_owned())));
    assert_eq!(cursor, None);
}

#[tokio::test]
async fn a_cursor_of_another_session_or_of_nobody_is_refused() {
    let setting = Setting::start().await;
    let (mine, other) = (setting.session(json!({})).await, setting.session(json!({})).await);
    let sealed = |kind, session: &str| {
        let (server, original) = ("ns/two".into(), "".into());
        setting.gateway.sealer.seal_alias(kind, &Alias { session: setting.id(session), server, original })
    };
    for cursor in
        [sealed(AliasKind::Cursor, &other), sealed(AliasKind::Task, &mine), "x".into(), String::new()]
    {
        let answer = setting.tasks(&mine, Some(&cursor)).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
    assert!(setting.envoy.seen("tasks/list").is_empty());
    setting.envoy.answer(|seen| result(seen, &tasks(&[], None)));
    let answer = setting.tasks(&mine, Some(&sealed(AliasKind::Cursor, &mine))).await;
    assert_eq!(answer["result"], json!({"tasks": []}));
    assert_eq!(servers(&setting.envoy.seen("tasks/list")), ["ns/two"]);
}

#[tokio::test]
async fn a_server_that_fails_hides_no_other_servers_tasks() {
    let setting = Setting::start().await;
    let session = setting.session(json!({})).await;
    setting.envoy.answer(|seen| match seen.header("x-mcp-servername") {
        Some("ns/two") => result(seen, &tasks(&["t-1"], None)),
        _ => json_response(503, "{}"),
    });
    let answer = setting.tasks(&session, None).await;
    assert_eq!(answer["result"]["tasks"].as_array().map(Vec::len), Some(1), "{answer}");
    // but what a server says to a cursor of its own is told
    setting.envoy.answer(|seen| {
        let error = r#""error":{"code":-32602,"message":"stale"}"#;
        json_response(200, &format!(r#"{{"jsonrpc":"2.0","id":{},{error}}}"#, seen.body["id"]))
    });
    let (server, original) = ("ns/one".into(), "old".into());
    let alias = Alias { session: setting.id(&session), server, original };
    let cursor = setting.gateway.sealer.seal_alias(AliasKind::Cursor, &alias);
    let answer = setting.tasks(&session, Some(&cursor)).await;
    assert_eq!(answer["error"], json!({"code": -32602, "message": "stale"}), "{answer}");
}

#[tokio::test]
async fn a_session_without_servers_has_no_tasks() {
    let setting = Setting::start().await;
    let session = setting.gateway.initialize("2025-11-25").await;
    assert_eq!(setting.tasks(&session, None).await["result"], json!({"tasks": []}));
    for message in [SET_LEVEL, r#"{"jsonrpc":"2.0","id":1,"method":"tasks/list"}"#, ROOTS] {
        assert_eq!(setting.gateway.post(message).send().await.unwrap().status(), 400, "without a session");
    }
}

// Fixture

fn tasks(ids: &[&str], next: Option<&str>) -> String {
    let tasks: Vec<_> =
        ids.iter().map(|id| json!({"taskId": id, "status": "working", "ttl": null})).collect();
    let mut listed = json!({"tasks": tasks});
    if let Some(next) = next {
        listed["nextCursor"] = json!(next);
    }
    listed.to_string()
}

/// Names of the servers that `seen` went to, in order of their names.
fn servers(seen: &[Seen]) -> Vec<&str> {
    seen.iter().map(|seen| seen.header("x-mcp-servername").unwrap()).collect()
}

/// What stands in for Envoy and all servers behind it.
struct Envoy {
    address: String,
    shared: Arc<Shared>,
    _serving: AbortOnDropHandle<()>,
}

type Answers = Box<dyn Fn(&Seen) -> Response + Send>;

struct Shared {
    seen: Mutex<Vec<Seen>>,
    answers: Mutex<Answers>,
}

impl Envoy {
    /// Answers every request with `{}`.
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let answers: Answers = Box::new(|seen| result(seen, "{}"));
        let shared = Arc::new(Shared { seen: Mutex::default(), answers: Mutex::new(answers) });
        let app = axum::Router::new().fallback(serve).with_state(Arc::clone(&shared));
        let serving =
            tokio_util::task::TaskTracker::new().spawn(async { axum::serve(listener, app).await.unwrap() });
        Self { address, shared, _serving: AbortOnDropHandle::new(serving) }
    }

    fn answer(&self, answers: impl Fn(&Seen) -> Response + Send + 'static) {
        *self.shared.answers.lock().unwrap() = Box::new(answers);
    }

    /// Requests of `method`, in order of the names of their servers.
    fn seen(&self, method: &str) -> Vec<Seen> {
        let seen = self.shared.seen.lock().unwrap();
        let mut seen: Vec<_> = seen.iter().filter(|seen| seen.method() == method).cloned().collect();
        seen.sort_by_key(|seen| seen.header("x-mcp-servername").map(str::to_owned));
        seen
    }
}

async fn serve(
    State(shared): State<Arc<Shared>>,
    verb: Method,
    headers: HeaderMap,
    body: String,
) -> Response {
    let seen = Seen { verb, headers, body: serde_json::from_str(&body).unwrap_or_default() };
    shared.seen.lock().unwrap().push(seen.clone());
    (shared.answers.lock().unwrap())(&seen)
}

/// A gateway in front of `ns/one` and `ns/two`, which log and list tasks, and `ns/quiet`, which does neither.
struct Setting {
    gateway: Gateway,
    envoy: Envoy,
    _fakes: [Fake; 3],
}

impl Setting {
    async fn start() -> Self {
        let (envoy, fakes) = (Envoy::start().await, ["a", "b", "c"]);
        let fakes = fakes.map(async |name| {
            let fake = Fake::start(&[&tool(name, "")]).await;
            if name != "c" {
                fake.set_fault(|seen| {
                    let capabilities = json!({"tools": {}, "logging": {}, "tasks": {"list": {}}});
                    let revision = seen.body["params"]["protocolVersion"].clone();
                    let said = json!({"protocolVersion": revision, "capabilities": capabilities, "serverInfo": {"name": "fake", "version": "1"}});
                    (seen.method() == "initialize").then(|| {
                        let mut response = result(seen, &said.to_string());
                        response.headers_mut().insert("mcp-session-id", "fake-session-1".parse().unwrap());
                        response
                    })
                });
            }
            fake
        });
        let [one, two, quiet] = fakes;
        let (one, two, quiet) = tokio::join!(one, two, quiet);
        let mut spec = spec(&[
            server("ns/one", &one.url, ""),
            server("ns/two", &two.url, ""),
            server("ns/quiet", &quiet.url, ""),
        ]);
        spec.virtual_servers = vec![virtual_server("ns/first", &["a"]), virtual_server("ns/silent", &["c"])];
        let gateway = Gateway::start(spec).await;
        gateway.wait_for_tools(&["a", "b", "c"]).await;
        gateway.hairpin.aim(&envoy.address, "mcp.example.com").unwrap();
        Self { gateway, envoy, _fakes: [one, two, quiet] }
    }

    /// A session of a client with these capabilities, and with sessions at all servers.
    async fn session(&self, capabilities: Value) -> String {
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": {"name": "t", "version": "1"}});
        let message = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        let response = self.gateway.post(&message.to_string()).send().await.unwrap();
        let token = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
        let expires = clock::now().plus(std::time::Duration::from_mins(10));
        for (name, id) in [("ns/one", "s-one"), ("ns/two", "s-two"), ("ns/quiet", "s-quiet")] {
            let session = ServerSession::new(id.as_bytes(), Revision::LATEST).unwrap();
            let opener = async { Ok::<_, String>(session) };
            self.gateway.store.open(self.id(&token), expires, name, None, opener).await.unwrap();
        }
        token
    }

    fn id(&self, token: &str) -> SessionId {
        self.gateway.sealer.open_session(token.as_bytes()).unwrap().id
    }

    async fn post(&self, session: &str, message: &str) -> Value {
        let request = self.gateway.post(message).header("mcp-session-id", session);
        request.header("authorization", "Bearer me").send().await.unwrap().json().await.unwrap()
    }

    async fn tasks(&self, session: &str, cursor: Option<&str>) -> Value {
        let params = cursor.map_or(json!({}), |cursor| json!({"cursor": cursor}));
        let message = json!({"jsonrpc": "2.0", "id": "l", "method": "tasks/list", "params": params});
        self.post(session, &message.to_string()).await
    }
}
