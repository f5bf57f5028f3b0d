//! Requests of servers: each comes to the client that announced it, under an id that no other has.

use serde_json::{Value, json};

use crate::{
    client::Stream,
    common::eventually,
    pair::{Pair, accepted, elicitation, log, notification, request, until},
    setting::Shape,
};

#[tokio::test]
async fn two_servers_that_ask_with_the_same_id_both_get_their_own_answer() {
    let pair = Pair::start().await;
    let a = pair.client().await;
    let (mut first, mut second) = (a.call("one_wait").await, a.call("two_wait").await);
    let (one, two) = (pair.one.called().await, pair.two.called().await);
    one.say(&elicitation(0, "whose?"));
    two.say(&elicitation(0, "whose?"));
    let of_one = first.message_of("elicitation/create").await;
    let of_two = second.message_of("elicitation/create").await;
    assert_ne!(of_one["id"], of_two["id"]);
    assert_eq!(of_one["params"], elicitation(0, "whose?")["params"]);
    assert_eq!(a.reply(&of_two["id"], accepted("two's")).await, 202);
    assert_eq!(a.reply(&of_one["id"], accepted("one's")).await, 202);
    assert_eq!(pair.one.answered(&one.session, &json!(0)).await["result"], accepted("one's"));
    assert_eq!(pair.two.answered(&two.session, &json!(0)).await["result"], accepted("two's"));
    one.answer("thanks");
    assert_eq!(first.text().await, "thanks");
}

#[tokio::test]
async fn a_request_on_the_standing_stream_is_answered() {
    let pair = Pair::start().await;
    let a = pair.client().await;
    let session = pair.session(&a, &pair.two).await;
    let (mut stream, line) = pair.standing(&a, &pair.two).await;
    line.say(&request("q", "sampling/createMessage", json!({"messages": [], "maxTokens": 1})));
    let asked = stream.message_of("sampling/createMessage").await;
    assert_eq!(
        a.send(&json!({"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -1, "message": "no"}})).await,
        202
    );
    assert_eq!(pair.two.answered(&session, &json!("q")).await["error"]["message"], "no");
}

#[tokio::test]
async fn what_the_client_did_not_announce_is_refused_in_its_place() {
    let pair = Pair::start().await;
    let a = pair.client_with(json!({"elicitation": {}})).await;
    let mut calling = a.call("one_wait").await;
    let call = pair.one.called().await;
    let (mut standing, line) = pair.standing(&a, &pair.one).await;
    for (number, say) in [
        (1, Box::new(|message: &Value| call.say(message)) as Box<dyn Fn(&Value)>),
        (2, Box::new(|message| line.say(message))),
    ] {
        for (kind, method) in [("s", "sampling/createMessage"), ("r", "roots/list")] {
            let id = json!(format!("{kind}{number}"));
            say(&request(id.clone(), method, json!({})));
            let answer = pair.one.answered(&call.session, &id).await;
            assert_eq!(answer["error"]["code"], -32601, "{answer}");
        }
        say(&elicitation("e", "this is announced"));
        say(&log("end"));
    }
    until(&mut calling, "end").await;
    until(&mut standing, "end").await;
    assert_eq!(calling.methods(), ["elicitation/create", "notifications/message"]);
    assert_eq!(requests(&standing), ["elicitation/create"]);
}

fn requests(stream: &Stream) -> Vec<&str> {
    stream
        .heard
        .iter()
        .filter(|message| message.get("id").is_some())
        .filter_map(|message| message["method"].as_str())
        .collect()
}

#[tokio::test]
async fn a_server_is_told_exactly_what_the_client_announced() {
    let pair = Pair::start().await;
    for announced in [json!({}), json!({"roots": {"listChanged": true}}), crate::client::everything()] {
        let a = pair.client_with(announced.clone()).await;
        let session = pair.session(&a, &pair.one).await;
        let opened = pair.one.hears_method(&session, "initialize").await;
        let mut askable = announced;
        if let Some(tasks) = askable.get_mut("tasks").and_then(Value::as_object_mut) {
            tasks.remove("list"); // it would name the tasks of other servers
        }
        assert_eq!(opened["params"]["capabilities"], askable);
    }
}

#[tokio::test]
async fn where_answers_cannot_be_changed_servers_are_told_that_nobody_can_be_asked() {
    let pair = Pair::start_in(Shape::Duplex).await;
    let a = pair.client().await;
    let session = pair.session(&a, &pair.one).await;
    let opened = pair.one.hears_method(&session, "initialize").await;
    assert_eq!(opened["params"]["capabilities"], json!({}));
    let task = a.ask("tools/call", json!({"name": "one_wait", "task": {}})).await;
    assert!(task["error"]["code"].is_i64(), "{task}");
    assert!(pair.one.seen(|seen| seen.message["params"]["name"] == "wait").is_empty());
}

#[tokio::test]
async fn a_server_that_pings_is_answered() {
    let pair = Pair::start().await;
    let a = pair.client_with(json!({})).await;
    let mut calling = a.call("one_wait").await;
    let call = pair.one.called().await;
    call.say(&json!({"jsonrpc": "2.0", "id": 3, "method": "ping"}));
    let asked = calling.message_of("ping").await;
    assert_eq!(a.reply(&asked["id"], json!({})).await, 202);
    assert_eq!(pair.one.answered(&call.session, &json!(3)).await["result"], json!({}));
}

#[tokio::test]
async fn a_server_takes_its_request_back() {
    let pair = Pair::start().await;
    let a = pair.client().await;
    let mut calling = a.call("two_wait").await;
    let call = pair.two.called().await;
    call.say(&elicitation(7, "never mind"));
    call.say(&notification("notifications/cancelled", json!({"requestId": 7, "reason": "late"})));
    let asked = calling.message_of("elicitation/create").await;
    let cancelled = calling.message_of("notifications/cancelled").await;
    assert_eq!(cancelled["params"], json!({"requestId": asked["id"], "reason": "late"}));
}

#[tokio::test]
async fn progress_of_a_servers_request_reaches_that_server() {
    let pair = Pair::start().await;
    let (a, b) = (pair.client().await, pair.client().await);
    let b_at_one = pair.session(&b, &pair.one).await;
    let mut calling = a.call("one_wait").await;
    let call = pair.one.called().await;
    let meta = json!({"messages": [], "maxTokens": 1, "_meta": {"progressToken": 5}});
    call.say(&request(1, "sampling/createMessage", meta));
    let token =
        calling.message_of("sampling/createMessage").await["params"]["_meta"]["progressToken"].clone();
    let progress = |of: f64| json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": of}});
    b.send(&progress(0.1)).await;
    assert_eq!(a.send(&progress(0.5)).await, 202);
    let heard = pair.one.hears_method(&call.session, "notifications/progress").await;
    assert_eq!(heard["params"], json!({"progressToken": 5, "progress": 0.5}));
    assert!(
        pair.one
            .seen(|seen| seen.session == b_at_one && seen.message["method"] == "notifications/progress")
            .is_empty()
    );
    assert!(pair.two.seen_of("notifications/progress").is_empty());
}

#[tokio::test]
async fn what_a_server_says_in_one_session_never_reaches_another() {
    let pair = Pair::start().await;
    let (a, b) = (pair.client().await, pair.client().await);
    let (mut a_standing, a_line) = pair.standing(&a, &pair.one).await;
    let (mut b_standing, b_line) = pair.standing(&b, &pair.one).await;
    let mut a_calling = a.call("one_wait").await;
    let a_call = pair.one.called().await;
    let mut b_calling = b.call("one_wait").await;
    let b_call = pair.one.called().await;
    for secret in [
        elicitation(0, "for a alone"),
        log("for a alone"),
        notification("notifications/progress", json!({"progressToken": 1, "progress": 1})),
        notification("notifications/resources/updated", json!({"uri": "test://shared"})),
        notification("notifications/tasks/status", crate::offers::task("working")),
        notification("notifications/elicitation/complete", json!({"elicitationId": "e"})),
    ] {
        a_line.say(&secret);
        a_call.say(&secret);
    }
    for (line, call) in [(&a_line, &a_call), (&b_line, &b_call)] {
        line.say(&log("end"));
        call.say(&log("end"));
    }
    for stream in [&mut a_standing, &mut a_calling, &mut b_standing, &mut b_calling] {
        until(stream, "end").await;
    }
    assert_eq!(a_standing.heard.len(), 7, "{:#?}", a_standing.heard);
    assert_eq!(a_calling.heard.len(), 7, "{:#?}", a_calling.heard);
    assert_eq!(b_standing.heard.len(), 1, "{:#?}", b_standing.heard);
    assert_eq!(b_calling.heard.len(), 1, "{:#?}", b_calling.heard);
    // nothing was made of it that waits for an answer elsewhere
    eventually("nothing is answered", async || {
        pair.one.seen(|seen| seen.message.get("error").is_some()).is_empty().then_some(())
    })
    .await;
}
