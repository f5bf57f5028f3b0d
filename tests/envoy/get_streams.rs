//! The client's event streams through Envoy: what servers send unasked, and answers that go on after an early end.

use serde_json::{Value, json};

use crate::{
    common::{Process, Redis, eventually, fetched, free_port, peer},
    raw::{call, request},
    setting::{Setting, Shape, config, in_shapes, server},
};

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n";

in_shapes! {
    what_a_server_sends_unasked_arrives_once_and_idle_streams_cost_no_ext_proc_stream: Buffered, Buffered136, Duplex;
    a_server_that_hangs_up_is_asked_to_go_on: Buffered;
    sessions_do_not_hear_each_other_and_one_that_ends_closes_its_streams: Buffered;
    a_client_that_reads_slowly_slows_the_server: Buffered;
    an_answer_goes_on_after_its_stream_has_ended: Buffered;
    a_server_on_the_typescript_sdk_is_heard_and_resumed: Buffered;
}

/// `streams.mjs`, a server that sends events when a tool of it says so.
struct Talker {
    process: Process,
    port: u16,
}

impl Talker {
    async fn start() -> Self {
        let port = free_port();
        let mut command = std::process::Command::new(fetched("node"));
        command.arg(peer("streams.mjs")).arg(port.to_string());
        let mut process = Process::spawn("streams.mjs", command);
        process.wait_for_line("listening on http://").await;
        Self { process, port }
    }

    fn config(&self) -> String {
        config(&server("talker", &format!("http://127.0.0.1:{}/mcp", self.port), "t_"))
    }

    /// Lines that begin so; each names a session at the server.
    fn said(&self, start: &str) -> Vec<String> {
        self.process.log().lines().filter_map(|line| line.strip_prefix(start).map(str::to_owned)).collect()
    }

    /// Waits until as many GETs were opened and not closed, the broker's own apart.
    async fn followed_by(&self, count: usize) {
        let discovery = 1;
        eventually(&format!("{count} streams are open"), async || {
            let (opened, closed) = (self.said("opened ").len(), self.said("closed ").len());
            (opened == closed + count + discovery).then_some(())
        })
        .await;
    }
}

/// A client's event stream.
struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    async fn open(setting: &Setting, session: &str, last_event_id: Option<&str>) -> Self {
        let request = setting.http.get(setting.url()).header("mcp-session-id", session);
        let request = request.header("accept", "text/event-stream");
        let request =
            last_event_id.into_iter().fold(request, |request, id| request.header("last-event-id", id));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        Self { response, text: String::new() }
    }

    /// Id and message of the next event that has one; `None` at the end of the stream.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
                let id = field("id: ").unwrap_or_default().to_owned();
                let data = field("data: ").filter(|data| !data.is_empty());
                let message = data.map(|data| serde_json::from_str(data).unwrap());
                self.text = String::from(rest);
                if let Some(message) = message {
                    return Some((id, message));
                }
            }
            let chunk = tokio::time::timeout(crate::common::DEADLINE, self.response.chunk());
            let chunk = chunk.await.expect("no event came").ok()??;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The id of the next message, which must be a log message of `text`.
    async fn hears(&mut self, text: &str) -> String {
        let (id, message) = self.next().await.expect("the stream has ended");
        assert_eq!(message["params"]["data"], text, "{message}");
        id
    }
}

async fn talker(shape: Shape) -> (Setting, Talker) {
    let talker = Talker::start().await;
    let setting = Setting::start_with(shape, &talker.config(), &[]).await;
    setting.discovered("test/talker").await;
    talker.followed_by(0).await;
    (setting, talker)
}

async fn say(setting: &Setting, session: &str, text: &str) {
    assert_eq!(setting.call(session, "t_say", json!({"text": text})).await.result(), json!(true));
}

async fn what_a_server_sends_unasked_arrives_once_and_idle_streams_cost_no_ext_proc_stream(shape: Shape) {
    let (setting, talker) = talker(shape).await;
    let session = setting.session().await;
    let mut stream = Stream::open(&setting, &session, None).await;
    // the first call opens the server session, and with it the stream that the next one speaks on
    setting.call(&session, "t_fed", json!({})).await.result();
    talker.followed_by(1).await;
    for text in ["one", "two", "three"] {
        say(&setting, &session, text).await;
    }
    for text in ["one", "two", "three"] {
        stream.hears(text).await;
    }
    let active = async |cluster: &str| {
        let active = setting.envoy.stats(&format!("cluster..*{cluster}.*upstream_rq_active")).await;
        active.values().sum::<u64>()
    };
    eventually("the streams alone are left", async || {
        let open = (active("ext_proc").await, active("broker").await, active("talker").await);
        (open == (0, 1, 1)).then_some(())
    })
    .await;
}

async fn a_server_that_hangs_up_is_asked_to_go_on(shape: Shape) {
    let (setting, talker) = talker(shape).await;
    let session = setting.session().await;
    let mut stream = Stream::open(&setting, &session, None).await;
    setting.call(&session, "t_fed", json!({})).await.result();
    talker.followed_by(1).await;
    say(&setting, &session, "before").await;
    stream.hears("before").await;
    setting.call(&session, "t_hang_up", json!({"retry_ms": 700})).await.result();
    talker.followed_by(0).await;
    say(&setting, &session, "meanwhile").await;
    stream.hears("meanwhile").await;
    eventually("the server was asked to go on after what it had sent", async || {
        talker.said("opened ").iter().any(|opened| opened.ends_with(" get_2")).then_some(())
    })
    .await;
}

async fn sessions_do_not_hear_each_other_and_one_that_ends_closes_its_streams(shape: Shape) {
    let (setting, talker) = talker(shape).await;
    let (ann, bob) = tokio::join!(setting.session(), setting.session());
    for session in [&ann, &bob] {
        setting.call(session, "t_fed", json!({})).await.result();
    }
    let mut to_ann = Stream::open(&setting, &ann, None).await;
    let mut to_bob = Stream::open(&setting, &bob, None).await;
    talker.followed_by(2).await;
    say(&setting, &ann, "for ann").await;
    say(&setting, &bob, "for bob").await;
    say(&setting, &ann, "for ann again").await;
    to_ann.hears("for ann").await;
    to_ann.hears("for ann again").await;
    to_bob.hears("for bob").await;
    let ended = setting.http.delete(setting.url()).header("mcp-session-id", &ann).send().await.unwrap();
    assert_eq!(ended.status(), 200);
    assert_eq!(to_ann.next().await, None);
    talker.followed_by(1).await;
    say(&setting, &bob, "still here").await;
    to_bob.hears("still here").await;
}

async fn a_client_that_reads_slowly_slows_the_server(shape: Shape) {
    const COUNT: u64 = 400;
    let (setting, talker) = talker(shape).await;
    let session = setting.session().await;
    let mut stream = Stream::open(&setting, &session, None).await;
    setting.call(&session, "t_fed", json!({})).await.result();
    talker.followed_by(1).await;
    setting.call(&session, "t_flood", json!({"count": COUNT, "bytes": 500_000})).await.result();
    let fed = async || setting.call(&session, "t_fed", json!({})).await.result().as_u64().unwrap();
    let (mut before, mut still) = (0, 0);
    let taken = eventually("the server has to wait", async || {
        let now = fed().await;
        still = if now == before { still + 1 } else { 0 };
        before = now;
        (now > 0 && still > 20).then_some(now)
    })
    .await;
    assert!(taken < COUNT / 2, "{taken} messages of 500 kB wait for a client that does not read");
    for number in 1..=COUNT {
        let (_, message) = stream.next().await.unwrap();
        assert!(message["params"]["data"].as_str().unwrap().starts_with(&format!("{number} x")), "{number}");
    }
}

async fn an_answer_goes_on_after_its_stream_has_ended(shape: Shape) {
    let (setting, talker) = talker(shape).await;
    eventually("its event ids are known", async || {
        let status = setting.gateway.status().await;
        (status["servers"][0]["hasEventIds"] == true).then_some(())
    })
    .await;
    let session = setting.session().await;
    let mut merged = Stream::open(&setting, &session, None).await;
    let part = call(9, "t_part", json!({"pause_ms": 300}));
    let first = setting.post(&[("mcp-session-id", &session)], part).await;
    let id = first.body.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    assert!(!id.contains("post"), "the server's own id stays here: {id}");
    let mut rest = Stream::open(&setting, &session, Some(&id)).await;
    let (_, answer) = rest.next().await.unwrap();
    assert_eq!(
        (&answer["id"], &answer["result"]["content"][0]["text"]),
        (&json!(9), &json!("\"the second part\""))
    );
    assert_eq!(rest.next().await, None, "it ends with the answer");
    talker.followed_by(1).await;
    say(&setting, &session, "beside").await;
    merged.hears("beside").await;
    // to another client the id says nothing
    let other = setting.session().await;
    let opened = talker.said("opened ").len();
    let mut stranger = Stream::open(&setting, &other, Some(&id)).await;
    setting.call(&other, "t_fed", json!({})).await.result();
    talker.followed_by(2).await;
    say(&setting, &other, "own").await;
    stranger.hears("own").await;
    assert_eq!(talker.said("opened ").len(), opened + 1);
}

async fn a_server_on_the_typescript_sdk_is_heard_and_resumed(shape: Shape) {
    let port = free_port();
    let mut command = std::process::Command::new(fetched("node"));
    command.arg(peer("conformance.mjs")).arg(fetched("typescript-sdk")).arg(port.to_string());
    let mut fixture = Process::spawn("conformance.mjs", command);
    fixture.wait_for_line("listening on http://").await;
    let servers = server("sdk", &format!("http://127.0.0.1:{port}/mcp"), "");
    let setting = Setting::start_with(shape, &config(&servers), &[]).await;
    setting.discovered("test/sdk").await;
    // its streams end early for clients of this revision alone
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}});
    let initialized = setting.post(&[], request(0, "initialize", params)).await;
    let session = initialized.headers["mcp-session-id"].to_str().unwrap().to_owned();
    let mut merged = Stream::open(&setting, &session, None).await;
    let headers = [("mcp-session-id", &*session)];
    let uri = json!({"uri": "test://watched-resource"});
    let subscribed = setting.post(&headers, request(1, "resources/subscribe", uri.clone())).await;
    assert_eq!(subscribed.json()["result"], json!({}), "{subscribed:?}");
    // what an SDK sends before its GET is there, it drops
    eventually("the server's stream is open", async || {
        let active = setting.envoy.stats("cluster..*sdk.*upstream_rq_active").await;
        active.values().any(|active| *active > 0).then_some(())
    })
    .await;
    for _round in 0..3 {
        let touched = setting.post(&headers, call(2, "touch_resource", uri.clone())).await;
        assert_eq!(touched.status, 200, "{touched:?}");
        let (_, updated) = merged.next().await.unwrap();
        assert_eq!(
            (&updated["method"], &updated["params"]["uri"]),
            (&json!("notifications/resources/updated"), &uri["uri"])
        );
    }
    let first = setting.post(&headers, call(7, "test_reconnection", json!({}))).await;
    let id = first.body.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().unwrap();
    assert!(!first.body.contains("resumed"), "the stream ends before the answer: {first:?}");
    let (_, answer) = Stream::open(&setting, &session, Some(id)).await.next().await.unwrap();
    assert_eq!(answer["id"], 7, "{answer}");
    assert!(answer["result"]["content"][0]["text"].as_str().unwrap().contains("resumed"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_returns_to_another_replica_misses_nothing() {
    let (redis, talker) = tokio::join!(Redis::start(), Talker::start());
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    std::fs::write(&keys, KEY).unwrap();
    let url = redis.url();
    let arguments = ["--session-key-file", keys.to_str().unwrap(), "--redis-url", &url];
    let one = Setting::start_with(Shape::Buffered, &talker.config(), &arguments).await;
    let other = Setting::start_with(Shape::Buffered, &talker.config(), &arguments).await;
    one.discovered("test/talker").await;
    other.discovered("test/talker").await;
    let opened = |count: usize| {
        let talker = &talker;
        eventually("the streams of servers", async move || {
            (talker.said("opened ").len() >= count).then_some(())
        })
    };
    opened(2).await; // of the brokers themselves
    let session = one.session().await;
    let mut stream = Stream::open(&one, &session, None).await;
    one.call(&session, "t_fed", json!({})).await.result();
    opened(3).await;
    say(&one, &session, "heard").await;
    let id = stream.hears("heard").await;
    drop(stream);
    eventually("the stream is closed", async || (!talker.said("closed ").is_empty()).then_some(())).await;
    say(&one, &session, "missed").await;
    let mut stream = Stream::open(&other, &session, Some(&id)).await;
    stream.hears("missed").await;
    // the session opens at one replica what the stream at the other has to follow
    let session = one.session().await;
    let mut stream = Stream::open(&other, &session, None).await;
    let before = talker.said("opened ").len();
    one.call(&session, "t_fed", json!({})).await.result();
    opened(before + 1).await;
    say(&one, &session, "across").await;
    stream.hears("across").await;
    // and what has ended at one has ended at the other
    let closed = talker.said("closed ").len();
    let ended = one.http.delete(one.url()).header("mcp-session-id", &session).send().await.unwrap();
    assert_eq!(ended.status(), 200);
    assert_eq!(stream.next().await, None);
    eventually("the streams are closed", async || (talker.said("closed ").len() > closed).then_some(()))
        .await;
}
