//! Resources: subscriptions, and URIs that stay readable whichever server names them.

use serde_json::{Value, json};

use crate::{
    names::second,
    offers::SHARED,
    pair::{Pair, log, notification, until},
};

fn updated(uri: &str) -> Value {
    notification("notifications/resources/updated", json!({"uri": uri}))
}

#[tokio::test]
async fn an_update_comes_under_the_uri_that_was_subscribed_to() {
    let pair = Pair::start().await;
    let (a, b) = (pair.client().await, pair.client().await);
    let (at_one, at_two) = (pair.session(&a, &pair.one).await, pair.session(&a, &pair.two).await);
    let (mut b_standing, b_line) = pair.standing(&b, &pair.one).await;
    let mut standing = a.listen().await;
    let (one, two) = (pair.one.standing(&at_one).await, pair.two.standing(&at_two).await);
    for uri in [SHARED.to_owned(), second(SHARED)] {
        let answer = a.ask("resources/subscribe", json!({"uri": uri})).await;
        assert_eq!(answer["result"], json!({}), "{answer}");
    }
    for (puppet, session) in [(&pair.one, &at_one), (&pair.two, &at_two)] {
        let subscribed = puppet.hears_method(session, "resources/subscribe").await;
        assert_eq!(subscribed["params"]["uri"], SHARED);
    }
    two.say(&updated(SHARED));
    assert_eq!(standing.message_of("notifications/resources/updated").await, updated(&second(SHARED)));
    one.say(&updated(SHARED));
    assert_eq!(standing.message_of("notifications/resources/updated").await, updated(SHARED));
    b_line.say(&log("end"));
    until(&mut b_standing, "end").await;
    assert_eq!(b_standing.methods(), ["notifications/message"]);

    a.ask("resources/unsubscribe", json!({"uri": second(SHARED)})).await;
    assert_eq!(pair.two.hears_method(&at_two, "resources/unsubscribe").await["params"]["uri"], SHARED);
    assert!(pair.one.seen_of("resources/unsubscribe").is_empty());
}

#[tokio::test]
async fn what_a_result_links_to_can_be_read_as_given() {
    let pair = Pair::start().await;
    let a = pair.client().await;
    let web = "https://example.com/page";
    for name in ["one", "two"] {
        let puppet = if name == "one" { &pair.one } else { &pair.two };
        let mut calling = a.call(&format!("{name}_wait")).await;
        puppet.called().await.result(json!({"content": [
            {"type": "resource_link", "uri": SHARED, "name": "link"},
            {"type": "resource", "resource": {"uri": SHARED, "text": "inside"}},
            {"type": "resource_link", "uri": web, "name": "web"},
            {"type": "text", "text": format!("see {SHARED}")},
        ]}));
        let content = calling.answer().await["result"]["content"].clone();
        for uri in [&content[0]["uri"], &content[1]["resource"]["uri"]] {
            let read = a.ask("resources/read", json!({"uri": uri})).await;
            assert_eq!(read["result"]["contents"][0], json!({"uri": uri, "text": name}), "{read}");
        }
        assert_eq!(content[2]["uri"], web);
        assert_eq!(content[3]["text"], format!("see {SHARED}"));
        let prompt = a.ask("prompts/get", json!({"name": format!("{name}_greet")})).await;
        let uri = prompt["result"]["messages"][1]["content"]["resource"]["uri"].clone();
        assert_eq!(a.ask("resources/read", json!({"uri": uri})).await["result"]["contents"][0]["text"], name);
    }
}
