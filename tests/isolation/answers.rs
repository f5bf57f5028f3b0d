//! Answers of clients: one for each request, from the session that was asked, while it is still wanted.

use serde_json::{Value, json};

use crate::{
    client::Client,
    pair::{Pair, accepted, elicitation},
    puppet::{Call, Puppet},
};

/// A client that one server asks something, and the id under which it is asked.
async fn asked(pair: &Pair) -> (Client, Call, Value) {
    let a = pair.client().await;
    let mut calling = a.call("one_wait").await;
    let call = pair.one.called().await;
    call.say(&elicitation(0, "who?"));
    let id = calling.message_of("elicitation/create").await["id"].clone();
    (a, call, id)
}

fn answers(puppet: &Puppet) -> usize {
    puppet.seen(|seen| seen.message.get("result").is_some()).len()
}

#[tokio::test]
async fn an_answer_is_taken_once() {
    let pair = Pair::start().await;
    let (a, call, id) = asked(&pair).await;
    assert_eq!(a.reply(&id, accepted("first")).await, 202);
    assert_eq!(a.reply(&id, accepted("second")).await, 400);
    assert_eq!(pair.one.answered(&call.session, &json!(0)).await["result"], accepted("first"));
    assert_eq!(answers(&pair.one), 1);
}

#[tokio::test]
async fn two_answers_at_once_are_one_too_many() {
    let pair = Pair::start().await;
    let (a, _call, id) = asked(&pair).await;
    let both = tokio::join!(a.reply(&id, accepted("first")), a.reply(&id, accepted("second")));
    assert!(matches!(both, (202, 400) | (400, 202)), "{both:?}");
    assert_eq!(answers(&pair.one), 1);
}

#[tokio::test]
async fn an_answer_of_another_session_is_refused_and_harmless() {
    let pair = Pair::start().await;
    let (a, call, id) = asked(&pair).await;
    let b = pair.client().await;
    pair.session(&b, &pair.one).await;
    assert_eq!(b.reply(&id, accepted("stolen")).await, 400);
    assert_eq!(answers(&pair.one), 0);
    assert_eq!(a.reply(&id, accepted("mine")).await, 202);
    assert_eq!(pair.one.answered(&call.session, &json!(0)).await["result"], accepted("mine"));
}

#[tokio::test]
async fn a_forged_answer_is_refused() {
    let pair = Pair::start().await;
    let (a, _call, id) = asked(&pair).await;
    let alias = id.as_str().unwrap();
    let middle = alias.len() / 2;
    let other = if &alias[middle..=middle] == "A" { "B" } else { "A" };
    let bent = format!("{}{other}{}", &alias[..middle], &alias[middle + 1..]);
    for forged in [json!(bent), json!(0), json!("0"), json!(""), json!("x".repeat(500))] {
        assert_eq!(a.reply(&forged, accepted("forged")).await, 400, "{forged}");
    }
    assert_eq!((answers(&pair.one), answers(&pair.two)), (0, 0));
}

#[tokio::test]
async fn an_answer_after_the_call_has_ended_is_refused() {
    let pair = Pair::start().await;
    let a = pair.client().await;
    let mut calling = a.call("one_wait").await;
    let call = pair.one.called().await;
    call.say(&elicitation(0, "who?"));
    call.answer("never mind");
    let id = calling.message_of("elicitation/create").await["id"].clone();
    assert_eq!(calling.text().await, "never mind");
    assert_eq!(a.reply(&id, accepted("late")).await, 400);
    assert_eq!(answers(&pair.one), 0);
}
