//! Log messages say whose they are; the client's level and its roots reach each of its server sessions, and no other.

use serde_json::json;

use crate::{
    common::eventually,
    pair::{Pair, notification, request},
};

#[tokio::test]
async fn a_log_message_says_which_server_it_comes_from() {
    let pair = Pair::start().await;
    let a = pair.client().await;
    let (mut standing, line) = pair.standing(&a, &pair.one).await;
    let mut calling = a.call("two_wait").await;
    let call = pair.two.called().await;
    let say = |logger: Option<&str>| match logger {
        Some(logger) => {
            notification("notifications/message", json!({"level": "info", "logger": logger, "data": 1}))
        }
        None => notification("notifications/message", json!({"level": "info", "data": 1})),
    };
    for (logger, of_one, of_two) in
        [(None, "test/one", "test/two"), (Some("db"), "test/one/db", "test/two/db")]
    {
        line.say(&say(logger));
        call.say(&say(logger));
        let heard = standing.message_of("notifications/message").await;
        assert_eq!(heard["params"], json!({"level": "info", "logger": of_one, "data": 1}));
        let heard = calling.message_of("notifications/message").await;
        assert_eq!(heard["params"], json!({"level": "info", "logger": of_two, "data": 1}));
    }
}

#[tokio::test]
async fn a_level_is_set_at_every_server_of_the_session_now_and_later() {
    let pair = Pair::start().await;
    let (a, b) = (pair.client().await, pair.client().await);
    pair.session(&b, &pair.one).await;
    let at_one = pair.session(&a, &pair.one).await;
    let answer = a.ask("logging/setLevel", json!({"level": "warning"})).await;
    assert_eq!(answer["result"], json!({}), "{answer}");
    assert_eq!(pair.one.hears_method(&at_one, "logging/setLevel").await["params"]["level"], "warning");
    let at_two = pair.session(&a, &pair.two).await;
    assert_eq!(pair.two.hears_method(&at_two, "logging/setLevel").await["params"]["level"], "warning");
    pair.session(&b, &pair.two).await;
    for puppet in [&pair.one, &pair.two] {
        assert_eq!(puppet.seen_of("logging/setLevel").len(), 1, "{}", puppet.name);
    }
    let wrong = a.ask("logging/setLevel", json!({"level": "loud"})).await;
    assert_eq!(wrong["error"]["code"], -32602, "{wrong}");
}

#[tokio::test]
async fn roots_are_told_to_every_server_of_the_session() {
    let pair = Pair::start().await;
    let (a, b) = (pair.client().await, pair.client().await);
    let sessions = [pair.session(&a, &pair.one).await, pair.session(&a, &pair.two).await];
    pair.session(&b, &pair.one).await;
    a.notify("notifications/roots/list_changed", json!({})).await;
    for (puppet, session) in [&pair.one, &pair.two].into_iter().zip(&sessions) {
        puppet.hears_method(session, "notifications/roots/list_changed").await;
        assert_eq!(puppet.seen_of("notifications/roots/list_changed").len(), 1, "{}", puppet.name);
    }
    let mut standing = a.listen().await;
    let roots = json!({"roots": [{"uri": "file:///a"}]});
    for (puppet, session) in [&pair.one, &pair.two].into_iter().zip(&sessions) {
        puppet.standing(session).await.say(&request(1, "roots/list", json!({})));
        let asked = standing.message_of("roots/list").await;
        assert_eq!(a.reply(&asked["id"], roots.clone()).await, 202);
        assert_eq!(puppet.answered(session, &json!(1)).await["result"], roots);
    }
}

#[tokio::test]
async fn a_change_of_every_list_is_told_and_seen() {
    let pair = Pair::start().await;
    let a = pair.client().await;
    let mut standing = a.listen().await;
    pair.two.grow();
    for (kind, key, novel) in [
        ("tools", "name", "two_novel"),
        ("prompts", "name", "two_novel"),
        ("resources", "uri", "test://two/novel"),
    ] {
        let method = format!("notifications/{kind}/list_changed");
        if !standing.methods().contains(&&*method) {
            standing.message_of(&method).await;
        }
        eventually(&format!("{novel} is among the {kind}"), async || {
            let listed = a.ask(&format!("{kind}/list"), json!({})).await;
            let found = listed["result"][kind].as_array()?.iter().any(|item| item[key] == novel);
            found.then_some(())
        })
        .await;
    }
}
