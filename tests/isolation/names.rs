//! Names: each leads to its own server, and what nobody offers is an error.

use serde_json::{Value, json};

use crate::{
    offers::{ITEM, SHARED},
    pair::Pair,
};

/// The URI under which the second server's is exposed where the first has the same.
pub(crate) fn second(uri: &str) -> String {
    format!("mcp-gateway://test/two/{uri}")
}

#[tokio::test]
async fn what_clashes_is_listed_twice_and_leads_to_its_own_server() {
    let pair = Pair::start().await;
    let a = pair.client().await;
    for (method, kind, key, expected) in [
        ("prompts/list", "prompts", "name", ["one_greet".to_owned(), "two_greet".to_owned()]),
        ("resources/list", "resources", "uri", [SHARED.to_owned(), second(SHARED)]),
        (
            "resources/templates/list",
            "resourceTemplates",
            "uriTemplate",
            ["test://items/{id}".to_owned(), second("test://items/{id}")],
        ),
    ] {
        let answer = a.ask(method, json!({})).await;
        let listed: Vec<&Value> =
            answer["result"][kind].as_array().unwrap().iter().map(|item| &item[key]).collect();
        for name in expected {
            assert_eq!(listed.iter().filter(|listed| ***listed == name).count(), 1, "{name}: {answer}");
        }
    }
    for name in ["one", "two"] {
        assert_eq!(a.call(&format!("{name}_echo")).await.text().await, name);
        let prompt = a.ask("prompts/get", json!({"name": format!("{name}_greet")})).await;
        assert_eq!(prompt["result"]["messages"][0]["content"]["text"], name, "{prompt}");
        let reference = json!({"type": "ref/prompt", "name": format!("{name}_greet")});
        let argument = json!({"name": "x", "value": ""});
        let completed = a.ask("completion/complete", json!({"ref": reference, "argument": argument})).await;
        assert_eq!(completed["result"]["completion"]["values"][0], name, "{completed}");
    }
    for (uri, name) in [
        (SHARED.to_owned(), "one"),
        (second(SHARED), "two"),
        (ITEM.to_owned(), "one"),
        (second(ITEM), "two"),
        ("test://two/own".to_owned(), "two"),
    ] {
        let read = a.ask("resources/read", json!({"uri": uri})).await;
        assert_eq!(read["result"]["contents"][0], json!({"uri": uri, "text": name}), "{read}");
    }
}

#[tokio::test]
async fn what_nobody_offers_is_an_error_and_reaches_nobody() {
    let pair = Pair::start().await;
    let a = pair.client().await;
    let argument = json!({"name": "x", "value": ""});
    for (method, params, code) in [
        ("tools/call", json!({"name": "one_lost"}), -32602),
        ("tools/call", json!({"name": "echo-lost"}), -32602),
        ("prompts/get", json!({"name": "two_lost"}), -32602),
        ("prompts/get", json!({"name": "greet-lost"}), -32602),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/prompt", "name": "one_lost"}, "argument": argument}),
            -32602,
        ),
        ("resources/read", json!({"uri": "test://lost"}), -32002),
        ("resources/read", json!({"uri": "mcp-gateway://test/three/test://lost"}), -32002),
        ("resources/subscribe", json!({"uri": "test://lost"}), -32002),
        ("resources/unsubscribe", json!({"uri": "test://lost"}), -32002),
    ] {
        let answer = a.ask(method, params.clone()).await;
        assert_eq!(answer["error"]["code"], code, "{method} {params}: {answer}");
    }
    for puppet in [&pair.one, &pair.two] {
        let lost = puppet.seen(|seen| seen.message["params"].to_string().contains("lost"));
        assert!(lost.is_empty(), "{}: {lost:?}", puppet.name);
    }
}

#[tokio::test]
async fn what_is_announced_is_there() {
    let pair = Pair::start().await;
    let (_, opened) = crate::client::Client::open(&pair.setting.url(), json!({})).await;
    let announced = opened["capabilities"].as_object().unwrap();
    for capability in ["completions", "logging", "prompts", "resources", "tools"] {
        assert!(announced.contains_key(capability), "{capability}: {opened}");
    }
    assert_eq!(announced["resources"]["subscribe"], true, "{opened}");
    let instructions = opened["instructions"].as_str().unwrap();
    assert!(instructions.contains("Instructions of one."), "{instructions}");
    assert!(instructions.contains("Instructions of two."), "{instructions}");
}
