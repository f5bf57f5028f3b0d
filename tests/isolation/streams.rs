//! Streams that end early are resumed at the place where they ended, by their own client alone.

use serde_json::json;

use crate::{
    common::eventually,
    pair::{Pair, log, until},
};

#[tokio::test]
async fn a_call_whose_stream_the_server_closes_is_resumed() {
    let pair = Pair::start().await;
    let (a, b) = (pair.client().await, pair.client().await);
    let mut calling = a.call("two_wait").await;
    let call = pair.two.called().await;
    call.say(&log("before"));
    until(&mut calling, "before").await;
    call.line.cut();
    assert_eq!(calling.next().await, None);
    call.say(&log("between"));
    call.answer("after");
    let place = calling.last_event_id.clone().unwrap();
    // to another it means nothing: a standing stream opens, and A's answer is not on it
    let b_at_two = pair.session(&b, &pair.two).await;
    let mut stolen = b.resume(&place, &calling.request).await;
    pair.two.standing(&b_at_two).await.say(&log("for b"));
    until(&mut stolen, "for b").await;
    assert_eq!(stolen.heard.len(), 1, "{:#?}", stolen.heard);
    let mut resumed = a.resume(&place, &calling.request).await;
    assert_eq!(resumed.status, 200);
    assert_eq!(resumed.text().await, "after");
    assert_eq!(resumed.heard.len(), 2, "{:#?}", resumed.heard);
}

#[tokio::test]
async fn a_call_is_resumed_when_the_client_has_lost_its_connection() {
    let pair = Pair::start().await;
    let a = pair.client().await;
    let mut calling = a.call("one_wait").await;
    let call = pair.one.called().await;
    call.say(&log("before"));
    until(&mut calling, "before").await;
    let (place, request) = (calling.last_event_id.clone().unwrap(), calling.request.clone());
    drop(calling);
    let mut resumed = a.resume(&place, &request).await;
    call.answer("after");
    assert_eq!(resumed.text().await, "after");
}

#[tokio::test]
async fn a_client_that_returns_hears_what_both_servers_said_meanwhile() {
    let pair = Pair::start().await;
    let a = pair.client().await;
    let at_two = pair.session(&a, &pair.two).await;
    let (mut standing, one) = pair.standing(&a, &pair.one).await;
    let two = pair.two.standing(&at_two).await;
    one.say(&log("one before"));
    until(&mut standing, "one before").await;
    two.say(&log("two before"));
    until(&mut standing, "two before").await;
    let place = standing.last_event_id.clone().unwrap();
    drop(standing);
    one.say(&log("one meanwhile"));
    two.say(&log("two meanwhile"));
    let mut returned = a.resume(&place, &json!(null)).await;
    while returned.heard.iter().filter(|message| message["params"]["data"].is_string()).count() < 2 {
        returned.message_of("notifications/message").await;
    }
    let mut said: Vec<_> =
        returned.heard.iter().filter_map(|heard| heard["params"]["data"].as_str()).collect();
    said.sort_unstable();
    assert_eq!(said, ["one meanwhile", "two meanwhile"]);
}

#[tokio::test]
async fn a_message_goes_to_one_of_several_streams() {
    let pair = Pair::start().await;
    let a = pair.client().await;
    let (mut first, line) = pair.standing(&a, &pair.one).await;
    let mut calling = a.call("one_wait").await;
    let call = pair.one.called().await;
    line.say(&log("standing"));
    call.say(&log("calling"));
    until(&mut first, "standing").await;
    until(&mut calling, "calling").await;
    // a second standing stream takes the place of the first
    let mut second = a.listen().await;
    assert_eq!(first.next().await, None);
    let moved = eventually("the gateway listens anew", async || {
        let now = pair.one.standing(&call.session).await;
        (!now.is(&line)).then_some(now)
    })
    .await;
    moved.say(&log("moved"));
    call.answer("done");
    until(&mut second, "moved").await;
    assert_eq!(calling.text().await, "done");
    assert_eq!((first.heard.len(), second.heard.len(), calling.heard.len()), (1, 1, 2));
}
