//! A client at a puppet with nothing between them, so that a mistake of ours is never counted as the gateway's.

use serde_json::json;

use crate::{
    client::{Client, everything},
    offers::SHARED,
    pair::{accepted, elicitation, log, until},
    puppet::Puppet,
};

#[tokio::test]
async fn a_puppet_says_what_it_is_told_and_its_streams_are_resumed() {
    let puppet = Puppet::start("one").await;
    let (client, _) = Client::open(&puppet.url, everything()).await;
    let mut calling = client.call("wait").await;
    let call = puppet.called().await;
    call.say(&elicitation(0, "who?"));
    assert_eq!(calling.message_of("elicitation/create").await["id"], 0);
    assert_eq!(client.reply(&json!(0), accepted("me")).await, 202);
    assert_eq!(puppet.answered(&call.session, &json!(0)).await["result"], accepted("me"));
    call.line.cut();
    assert_eq!(calling.next().await, None);
    call.say(&log("between"));
    call.answer("after");
    let mut resumed = client.resume(calling.last_event_id.as_ref().unwrap(), &calling.request).await;
    assert_eq!(resumed.text().await, "after");
    assert_eq!(resumed.heard.len(), 2);

    let mut standing = client.listen().await;
    let line = puppet.standing(&call.session).await;
    line.say(&log("one"));
    until(&mut standing, "one").await;
    let place = standing.last_event_id.clone().unwrap();
    drop(standing);
    line.say(&log("two"));
    let mut standing = client.resume(&place, &json!(null)).await;
    until(&mut standing, "two").await;
    assert_eq!(standing.heard.len(), 1);
    let read = client.ask("resources/read", json!({"uri": SHARED})).await;
    assert_eq!(read["result"]["contents"][0]["text"], "one");
}
