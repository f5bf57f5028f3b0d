//! Calls under way: their progress streams, and a cancellation finds the one server that runs the call.

use serde_json::{Value, json};

use crate::pair::{Pair, notification};

#[tokio::test]
async fn progress_comes_before_the_server_has_the_answer() {
    let pair = Pair::start().await;
    let a = pair.client().await;
    let mut calling =
        a.begin("tools/call", json!({"name": "one_wait", "_meta": {"progressToken": "p"}})).await;
    let call = pair.one.called().await;
    assert_eq!(call.params["_meta"]["progressToken"], "p");
    for step in 1..=3 {
        call.say(&progress("p", step));
        // heard before anything more is said
        assert_eq!(calling.message_of("notifications/progress").await, progress("p", step));
    }
    call.answer("done");
    assert_eq!(calling.text().await, "done");
}

#[tokio::test]
async fn calls_with_the_same_id_and_token_do_not_mix() {
    let pair = Pair::start().await;
    let (a, b) = (pair.client().await, pair.client().await);
    let params = |tool: &str| json!({"name": tool, "_meta": {"progressToken": "same"}});
    let mut a_at_one = a.begin_as(json!("same"), "tools/call", params("one_wait")).await;
    let a_one = pair.one.called().await;
    let mut b_at_one = b.begin_as(json!("same"), "tools/call", params("one_wait")).await;
    let b_one = pair.one.called().await;
    let mut b_at_two = b.begin_as(json!("same"), "tools/call", params("two_wait")).await;
    let b_two = pair.two.called().await;
    assert_ne!(a_one.session, b_one.session);
    for (step, call) in [(1, &b_two), (2, &b_one), (3, &a_one)] {
        call.say(&progress("same", step));
        call.answer(&step.to_string());
    }
    for (step, calling) in [(3, &mut a_at_one), (2, &mut b_at_one), (1, &mut b_at_two)] {
        assert_eq!(calling.text().await, step.to_string());
        assert_eq!(calling.heard[0], progress("same", step));
        assert_eq!(calling.heard.len(), 2, "{:#?}", calling.heard);
    }
}

#[tokio::test]
async fn a_cancellation_reaches_only_the_server_that_runs_the_call() {
    let pair = Pair::start().await;
    let (a, b) = (pair.client().await, pair.client().await);
    let params = |tool: &str| json!({"name": tool});
    let _calling = [
        a.begin_as(json!(41), "tools/call", params("one_wait")).await,
        a.begin_as(json!("42"), "tools/call", params("two_wait")).await,
        b.begin_as(json!(41), "tools/call", params("two_wait")).await,
    ];
    let a_one = pair.one.called().await;
    let of_two = [pair.two.called().await, pair.two.called().await];
    let a_two = of_two.iter().find(|call| call.id == "42").unwrap();
    cancel(&b, json!("42")).await;
    cancel(&a, json!(41)).await;
    let cancelled = pair.one.hears_method(&a_one.session, "notifications/cancelled").await;
    assert_eq!(cancelled["params"], json!({"requestId": 41, "reason": "enough"}));
    cancel(&a, json!("42")).await;
    let cancelled = pair.two.hears_method(&a_two.session, "notifications/cancelled").await;
    assert_eq!(cancelled["params"], json!({"requestId": "42", "reason": "enough"}));
    for puppet in [&pair.one, &pair.two] {
        assert_eq!(puppet.seen_of("notifications/cancelled").len(), 1, "{}", puppet.name);
    }
}

async fn cancel(client: &crate::client::Client, id: Value) {
    client.notify("notifications/cancelled", json!({"requestId": id, "reason": "enough"})).await;
}

fn progress(token: &str, step: i64) -> Value {
    notification("notifications/progress", json!({"progressToken": token, "progress": step, "total": 3}))
}
