//! One session that uses two servers at once whose ids, names and URIs are the same.

use serde_json::{Value, json};

use crate::{behind::Behind, fixture::Fixture, session::Session};

const WATCHED: &str = "test://watched-resource";
const BUSY_WATCHED: &str = "mcp-gateway://test/busy/test://watched-resource";
/// Messages of the busy server that may come in between.
const NOISE: usize = 500;

struct Both {
    session: Session,
    _behind: Behind,
    _fixtures: [Fixture; 2],
}

impl Both {
    async fn start() -> Self {
        let (first, busy) = tokio::join!(Fixture::start(&[]), Fixture::start(&["--busy"]));
        let behind = Behind::start(&[("first", &first.url, ""), ("busy", &busy.url, "busy_")]).await;
        let session = Session::open(&behind.url, json!({"elicitation": {}})).await;
        Self { session, _behind: behind, _fixtures: [first, busy] }
    }

    async fn call(&self, id: i64, tool: &str, arguments: Value) -> Value {
        self.session.ask(id, "tools/call", json!({"name": tool, "arguments": arguments})).await
    }

    /// What `tool` logs while it runs: how many messages.
    async fn logged(&self, id: i64, tool: &str) -> usize {
        let mut stream = self.session.begin(id, "tools/call", json!({"name": tool})).await;
        let mut logged = 0;
        loop {
            let said = stream.next().await;
            if said["method"].is_null() {
                assert_eq!((&said["id"], said["result"].is_object()), (&json!(id), true), "{said}");
                return logged;
            }
            assert_eq!(said["method"], "notifications/message", "{said}");
            logged += 1;
        }
    }
}

#[tokio::test]
async fn questions_of_both_servers_at_the_same_time_get_their_own_answers() {
    let both = Both::start().await;
    let mut asked = Vec::new();
    for (id, tool) in [(1, "test_elicitation"), (2, "busy_test_elicitation")] {
        let params = json!({"name": tool, "arguments": {"message": tool}});
        let mut stream = both.session.begin(id, "tools/call", params).await;
        let question = stream.next().await;
        assert_eq!(question["params"]["message"], tool, "{question}");
        asked.push((tool, question["id"].clone(), stream));
    }
    assert_ne!(asked[0].1, asked[1].1, "both servers count from 0");
    // the last one that asked is answered first
    for (tool, id, mut stream) in asked.into_iter().rev() {
        let content = json!({"username": format!("user of {tool}"), "email": "user@example.com"});
        both.session.post(json!({"id": id, "result": {"action": "accept", "content": content}})).await;
        let answer = stream.next().await;
        let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"));
        let signature = if tool.starts_with("busy_") { "conformance-busy: " } else { "conformance: " };
        assert!(text.starts_with(signature) && text.contains(&format!("\"user of {tool}\"")), "{text}");
    }
}

#[tokio::test]
async fn an_update_names_the_resource_as_the_client_knows_it() {
    let both = Both::start().await;
    let mut stream = both.session.listen().await;
    for (id, uri) in [(1, WATCHED), (2, BUSY_WATCHED)] {
        let subscribed = both.session.ask(id, "resources/subscribe", json!({"uri": uri})).await;
        assert_eq!(subscribed["result"], json!({}), "{uri}: {subscribed}");
    }
    both.call(3, "touch_resource", json!({"uri": WATCHED})).await;
    let mut unheard = vec![WATCHED, BUSY_WATCHED];
    for _ in 0..NOISE {
        let said = stream.next().await;
        if said["method"] == "notifications/resources/updated" {
            let uri = said["params"]["uri"].as_str().unwrap().to_owned();
            assert!([WATCHED, BUSY_WATCHED].contains(&&*uri), "{said}");
            unheard.retain(|unheard| *unheard != uri);
        }
        if unheard.is_empty() {
            return;
        }
    }
    panic!("not among {NOISE} messages: {unheard:?}");
}

#[tokio::test]
async fn a_log_level_holds_at_servers_that_are_open_and_at_those_opened_later() {
    let both = Both::start().await;
    assert_eq!(both.logged(1, "test_tool_with_logging").await, 3);
    for (id, level, logged) in [(2, "error", 0), (3, "debug", 3)] {
        let set = both.session.ask(id, "logging/setLevel", json!({"level": level})).await;
        assert_eq!(set["result"], json!({}), "{set}");
        // the busy server hears of the session, and of its level, with this first call
        assert_eq!(both.logged(id + 10, "busy_test_tool_with_logging").await, logged, "{level}");
        assert_eq!(both.logged(id + 20, "test_tool_with_logging").await, logged, "{level}");
    }
}
