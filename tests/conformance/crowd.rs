//! Clients of the busy server that never rest either, and believe nothing that is not its own or not for them.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::session::Session;

/// What the busy server puts before each of its texts, and the first server before its own.
const SIGNATURE: &str = "conformance-busy: ";
const OTHERS: &str = "\"conformance: ";
/// Where the busy server's resources are, since the first server has the same.
const PLACE: &str = "mcp-gateway://test/busy/";
/// The token that the suite's own calls have.
const TOKEN: &str = "progress-test-1";
/// Ids of requests that other sessions are likely to have under way.
const CANCELLED: [i64; 3] = [0, 1, 2];

/// Keeps `size` clients going until `done`; gives how many rounds each made, and how many updates it heard of the
/// resource. Panics with what one of them did not believe.
pub(crate) async fn crowd(url: &str, size: usize, done: &AtomicBool) -> Vec<(usize, usize)> {
    join_all((0..size).map(|number| member(url, number, done))).await
}

async fn member(url: &str, number: usize, done: &AtomicBool) -> (usize, usize) {
    let session = Session::open(url, json!({"elicitation": {}, "sampling": {}})).await;
    let mut member = Member { session: session.clone(), name: String::new(), asked: 0 };
    let rounds = async {
        member.ask("resources/subscribe", json!({"uri": format!("{PLACE}test://watched-resource")})).await;
        let mut rounds = 0;
        while !done.load(Ordering::Relaxed) {
            rounds += 1;
            member.name = format!("member {number} in round {rounds}");
            member.round().await;
        }
        rounds
    };
    tokio::join!(rounds, listen(&session, done))
}

struct Member {
    session: Session,
    name: String,
    asked: i64,
}

impl Member {
    async fn round(&mut self) {
        for id in CANCELLED {
            let cancelled = json!({"method": "notifications/cancelled", "params": {"requestId": id}});
            self.session.post(cancelled).await;
        }
        self.tools().await;
        self.questions().await;
        self.prompts_and_resources().await;
    }

    async fn tools(&mut self) {
        let (_, result) = self.call("test_simple_text", json!({})).await;
        assert_eq!(text(&result), "conformance-busy: a plain sentence");
        let (heard, result) = self.call("test_tool_with_progress", json!({})).await;
        assert_eq!(text(&result), "conformance-busy: progressed");
        let progress: Vec<_> = heard.iter().map(|said| &said["params"]["progress"]).collect();
        assert_eq!(progress, [0, 50, 100], "{heard:?}");
        assert!(heard.iter().all(|said| said["params"]["progressToken"] == TOKEN), "{heard:?}");
        let (heard, result) = self.call("test_tool_with_logging", json!({})).await;
        assert_eq!(text(&result), "conformance-busy: logged");
        assert_eq!(heard.len(), 3, "{heard:?}");
        for said in heard {
            assert_eq!(said["params"]["logger"], "test/busy/fixture", "{said}");
        }
        let (_, result) = self.call("test_embedded_resource", json!({})).await;
        let resource = &result["content"][0]["resource"];
        assert_eq!(resource["uri"], format!("{PLACE}test://embedded-resource"), "{result}");
        assert_eq!(resource["text"], "conformance-busy: a resource inside of an answer", "{result}");
    }

    /// What the server asks is answered with the name of this round, and must come back with it.
    async fn questions(&mut self) {
        let (heard, result) = self.call("test_elicitation", json!({"message": self.name})).await;
        assert_eq!((heard.len(), &heard[0]["params"]["message"]), (1, &json!(self.name)), "{heard:?}");
        assert!(text(&result).contains(&format!("\"username\":\"{}\"", self.name)), "{result}");
        let (heard, result) = self.call("test_sampling", json!({"prompt": self.name})).await;
        let prompt = &heard[0]["params"]["messages"][0]["content"]["text"];
        assert_eq!((heard.len(), prompt), (1, &json!(self.name)), "{heard:?}");
        assert_eq!(text(&result), format!("conformance-busy: the model said {}", self.name));
    }

    async fn prompts_and_resources(&mut self) {
        let (_, prompt) = self.ask("prompts/get", json!({"name": "busy_test_simple_prompt"})).await;
        assert_eq!(prompt["messages"][0]["content"]["text"], "conformance-busy: a plain prompt", "{prompt}");
        let uri = format!("{PLACE}test://static-text");
        let (_, read) = self.ask("resources/read", json!({"uri": uri})).await;
        let content = &read["contents"][0];
        assert_eq!(content["uri"], uri, "{read}");
        assert_eq!(content["text"], "conformance-busy: it stays as it is", "{read}");
        let argument = json!({"name": "arg1", "value": "te"});
        let reference = json!({"type": "ref/prompt", "name": "busy_test_prompt_with_arguments"});
        let (_, found) =
            self.ask("completion/complete", json!({"ref": reference, "argument": argument})).await;
        assert_eq!(found["completion"]["values"], json!(["teak", "testwood"]), "{found}");
    }

    async fn call(&mut self, tool: &str, arguments: Value) -> (Vec<Value>, Value) {
        let meta = json!({"progressToken": TOKEN});
        let tool = format!("busy_{tool}");
        self.ask("tools/call", json!({"name": tool, "arguments": arguments, "_meta": meta})).await
    }

    /// What was said before the answer, and its result; questions are answered.
    async fn ask(&mut self, method: &str, params: Value) -> (Vec<Value>, Value) {
        self.asked += 1;
        let mut stream = self.session.begin(self.asked, method, params).await;
        let mut heard = Vec::new();
        loop {
            let said = own(stream.next().await);
            if said["method"].is_string() {
                self.answer(&said).await;
                heard.push(said);
            } else {
                assert_eq!(said["id"], self.asked, "{method}: {said}");
                assert!(said["result"].is_object(), "{method}: {said}");
                return (heard, said["result"].clone());
            }
        }
    }

    async fn answer(&self, said: &Value) {
        let result = match said["method"].as_str() {
            Some("elicitation/create") => {
                json!({"action": "accept", "content": {"username": self.name, "email": "member@example.com"}})
            }
            Some("sampling/createMessage") => {
                json!({"role": "assistant", "model": "none", "content": {"type": "text", "text": self.name}})
            }
            Some("notifications/message" | "notifications/progress") => return,
            _ => panic!("{}: {said}", self.name),
        };
        self.session.post(json!({"id": said["id"], "result": result})).await;
    }
}

/// Hears the standing stream, on which the busy server never rests; gives how many updates there were.
async fn listen(session: &Session, done: &AtomicBool) -> usize {
    let mut updates = 0;
    let mut stream = session.listen().await;
    while !done.load(Ordering::Relaxed) {
        let said = own(stream.next().await);
        match said["method"].as_str() {
            Some("ping") => drop(session.post(json!({"id": said["id"], "result": {}})).await),
            Some("notifications/message") => {
                assert_eq!(said["params"]["logger"], "test/busy/conformance-busy", "{said}");
                assert!(said["params"]["data"].as_str().unwrap().starts_with(SIGNATURE), "{said}");
            }
            Some("notifications/resources/updated") => {
                assert_eq!(said["params"]["uri"], format!("{PLACE}test://watched-resource"), "{said}");
                updates += 1;
            }
            Some("notifications/progress" | "notifications/cancelled") => {}
            Some(method) if method.ends_with("/list_changed") => {}
            _ => panic!("unasked: {said}"),
        }
    }
    updates
}

fn own(said: Value) -> Value {
    assert!(!said.to_string().contains(OTHERS), "of the first server: {said}");
    said
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {result}"))
}
