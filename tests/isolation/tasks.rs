//! Tasks: each is its own session's, at its own server; and answers that must pass as they are.

use serde_json::{Value, json};

use crate::{
    client::Client,
    offers::task,
    pair::{Pair, notification},
    puppet::{Puppet, TASK},
};

/// Begins a task at `puppet`; the id that the client knows it by.
async fn begun(client: &Client, puppet: &Puppet) -> Value {
    let params = json!({"name": format!("{}_wait", puppet.name), "task": {"ttl": 60000}});
    let mut calling = client.begin("tools/call", params).await;
    let call = puppet.called().await;
    assert_eq!(call.params["task"]["ttl"], 60000);
    call.result(json!({"task": task("working")}));
    calling.answer().await["result"]["task"]["taskId"].clone()
}

#[tokio::test]
async fn a_task_leads_back_to_its_server() {
    let pair = Pair::start().await;
    let a = pair.client().await;
    let (of_one, of_two) = (begun(&a, &pair.one).await, begun(&a, &pair.two).await);
    assert_ne!(of_one, of_two);
    for (id, puppet) in [(&of_one, &pair.one), (&of_two, &pair.two)] {
        for method in ["tasks/get", "tasks/cancel"] {
            let answer = a.ask(method, json!({"taskId": id})).await;
            assert_eq!(answer["result"]["taskId"], *id, "{answer}");
            assert_eq!(puppet.seen_of(method)[0].message["params"]["taskId"], TASK);
        }
        let answer = a.ask("tasks/result", json!({"taskId": id})).await;
        assert_eq!(answer["result"]["content"][0]["text"], puppet.name, "{answer}");
        let related = &answer["result"]["_meta"]["io.modelcontextprotocol/related-task"]["taskId"];
        assert_eq!(related, id, "{answer}");
        assert_eq!(puppet.seen_of("tasks/result").len(), 1);
    }
}

#[tokio::test]
async fn all_tasks_of_a_session_are_listed() {
    let pair = Pair::start().await;
    let a = pair.client().await;
    let mut begun =
        [begun(&a, &pair.one).await, begun(&a, &pair.two).await].map(|id| id.as_str().unwrap().to_owned());
    let (mut listed, mut params) = (Vec::new(), json!({}));
    for _page in 0..5 {
        let answer = a.ask("tasks/list", params).await;
        let tasks = answer["result"]["tasks"].as_array().unwrap_or_else(|| panic!("{answer}"));
        listed.extend(tasks.iter().map(|task| task["taskId"].as_str().unwrap().to_owned()));
        params = json!({"cursor": answer["result"]["nextCursor"]});
        if params["cursor"].is_null() {
            break;
        }
    }
    begun.sort();
    listed.sort();
    assert_eq!(listed, begun);
}

#[tokio::test]
async fn a_task_of_one_session_cannot_be_touched_by_another() {
    let pair = Pair::start().await;
    let (a, b) = (pair.client().await, pair.client().await);
    let id = begun(&a, &pair.one).await;
    pair.session(&b, &pair.one).await;
    for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
        for id in [&id, &json!(TASK)] {
            let answer = b.begin(method, json!({"taskId": id})).await.next().await.unwrap();
            assert!(answer["error"]["code"].is_i64(), "{method} {id}: {answer}");
        }
        assert!(pair.one.seen_of(method).is_empty());
    }
}

#[tokio::test]
async fn the_status_of_a_task_comes_under_the_id_that_its_client_knows() {
    let pair = Pair::start().await;
    let a = pair.client().await;
    let (mut standing, line) = pair.standing(&a, &pair.two).await;
    let id = begun(&a, &pair.two).await;
    line.say(&notification("notifications/tasks/status", task("completed")));
    let told = standing.message_of("notifications/tasks/status").await;
    assert_eq!((&told["params"]["taskId"], &told["params"]["status"]), (&id, &json!("completed")));
}

#[tokio::test]
async fn a_server_that_needs_the_user_at_a_url_is_passed_on_as_it_is() {
    let pair = Pair::start().await;
    let a = pair.client().await;
    let (mut standing, line) = pair.standing(&a, &pair.one).await;
    let mut calling = a.call("one_wait").await;
    let needed =
        json!({"mode": "url", "elicitationId": "e1", "url": "https://example.com/e1", "message": "go there"});
    let error = json!({"code": -32042, "message": "go there first", "data": {"elicitations": [needed]}});
    pair.one.called().await.error(error.clone());
    assert_eq!(calling.answer().await["error"], error);
    let complete = notification("notifications/elicitation/complete", json!({"elicitationId": "e1"}));
    line.say(&complete);
    assert_eq!(standing.message_of("notifications/elicitation/complete").await, complete);
}
