//! Prompts, resources, templates and what servers say of themselves: merged for clients, asked of each server.

use crate::fake::{Fake, event_stream, json_response, result, tool};
use crate::gateway::{Gateway, eventually, server, spec, virtual_server};
use axum::response::IntoResponse;
use mcp_gateway::broker::ItemKind;
use mcp_gateway::routing::Limits;
use serde_json::{Value, json};

const ALL: &str = r#"{"capabilities":{"tools":{},"prompts":{"listChanged":true},"resources":{"subscribe":true},"completions":{}}}"#;

fn prompt(name: &str) -> String {
    json!({"name": name, "arguments": [{"name": "x", "required": true}]}).to_string()
}

fn resource(uri: &str) -> String {
    json!({"name": "r", "uri": uri, "size": 1}).to_string()
}

fn template(uri: &str) -> String {
    json!({"name": "t", "uriTemplate": uri}).to_string()
}

/// A server with one item of each kind that carry `name`.
async fn full(name: &str) -> Fake {
    let fake = Fake::start(&[&tool(name, "")]).await;
    fake.set_info(serde_json::from_str(ALL).unwrap());
    fake.set_items("prompts", &[&prompt(name)]);
    fake.set_items("resources", &[&resource(&format!("file:///{name}"))]);
    fake.set_items("resourceTemplates", &[&template(&format!("{name}://{{+path}}"))]);
    fake
}

/// The answer to a list method without a session.
async fn page(gateway: &Gateway, method: &str, cursor: Option<&Value>) -> Value {
    let params = cursor.map_or_else(|| json!({}), |cursor| json!({"cursor": cursor}));
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    gateway.list(gateway.post(&message)).await
}

#[tokio::test]
async fn all_lists_of_all_servers_are_merged() {
    let (one, two) = (full("one").await, full("two").await);
    let gateway = Gateway::start(spec(&[server("a", &one.url, "a_"), server("b", &two.url, "")])).await;
    gateway.wait_for_list("tools/list", &["a_one", "two"]).await;
    gateway.wait_for_list("prompts/list", &["a_one", "two"]).await;
    gateway.wait_for_list("resources/list", &["file:///one", "file:///two"]).await;
    gateway.wait_for_list("resources/templates/list", &["one://{+path}", "two://{+path}"]).await;
    let prompts = page(&gateway, "prompts/list", None).await;
    assert_eq!(prompts["result"]["prompts"][0], serde_json::from_str::<Value>(&prompt("a_one")).unwrap());
    let status = gateway.status("a");
    assert_eq!((status.tools, status.prompts, status.resources, status.resource_templates), (1, 1, 1, 1));
    assert!(status.rejected.is_empty() && status.conflicts.is_empty());
}

#[tokio::test]
async fn every_list_is_paged() {
    let fake = full("one").await;
    fake.set_items("prompts", &["c", "a", "b"].map(prompt).each_ref().map(String::as_str));
    fake.set_items("resources", &["r:c", "r:a", "r:b"].map(resource).each_ref().map(String::as_str));
    let templates = ["t:{c}", "t:{a}", "t:{b}"].map(template);
    fake.set_items("resourceTemplates", &templates.each_ref().map(String::as_str));
    let mut pages = spec(&[server("a", &fake.url, "")]);
    pages.limits = Limits { page: 2, ..pages.limits };
    let gateway = Gateway::start(pages).await;
    eventually("the server", async || gateway.status("a").resource_templates == 3).await;
    for (method, member, key) in [
        ("prompts/list", "prompts", "name"),
        ("resources/list", "resources", "uri"),
        ("resources/templates/list", "resourceTemplates", "uriTemplate"),
    ] {
        let first = page(&gateway, method, None).await;
        let second = page(&gateway, method, Some(&first["result"]["nextCursor"])).await;
        let count = |page: &Value| page["result"][member].as_array().unwrap().len();
        assert_eq!((count(&first), count(&second)), (2, 1), "{first} {second}");
        assert!(first["result"][member][0][key].as_str().unwrap().contains('a'), "{first}");
        assert!(second["result"][member][0][key].as_str().unwrap().contains('c'), "{second}");
        assert_eq!(second["result"].get("nextCursor"), None);
        assert_eq!(page(&gateway, method, Some(&json!("?"))).await["error"]["code"], -32602);
    }
}

#[tokio::test]
async fn lists_need_a_session_where_the_configuration_says_so() {
    let fake = full("one").await;
    let mut strict = spec(&[server("a", &fake.url, "")]);
    strict.require_session = true;
    let gateway = Gateway::start(strict).await;
    eventually("the server", async || gateway.status("a").reachable).await;
    let session = gateway.initialize("2025-11-25").await;
    for method in ["tools/list", "prompts/list", "resources/list", "resources/templates/list"] {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method}).to_string();
        assert_eq!(gateway.post(&message).send().await.unwrap().status(), 400, "{method}");
        let list = gateway.list(gateway.post(&message).header("mcp-session-id", &session)).await;
        assert!(list["result"].is_object(), "{list}");
    }
}

#[tokio::test]
async fn a_virtual_server_shows_its_own_prompts_and_resources() {
    let (one, two) = (full("one").await, full("two").await);
    let mut named = spec(&[server("a", &one.url, "a_"), server("b", &two.url, "")]);
    let mut chosen = virtual_server("chosen", &["two"]);
    chosen.prompts = Some(vec!["a_one".to_owned(), "gone".to_owned()]);
    chosen.resources = Some(vec!["file:///one".to_owned(), "two://{+path}".to_owned(), "x:y".to_owned()]);
    named.virtual_servers = vec![chosen];
    let gateway = Gateway::start(named).await;
    gateway.wait_for_list("prompts/list", &["a_one", "two"]).await;
    let list = async |method: &str| {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method}).to_string();
        gateway.list(gateway.post(&message).header("x-mcp-virtualserver", "chosen")).await["result"].clone()
    };
    assert_eq!(list("prompts/list").await["prompts"].as_array().unwrap().len(), 1);
    assert_eq!(list("resources/list").await["resources"][0]["uri"], "file:///one");
    let templates = list("resources/templates/list").await;
    assert_eq!(templates["resourceTemplates"][0]["uriTemplate"], "two://{+path}");
    let status = gateway.broker.status();
    let chosen = &status.virtual_servers[0];
    assert_eq!(
        (&chosen.missing_prompts[..], &chosen.missing_resources[..]),
        (&["gone".to_owned()][..], &["x:y".to_owned()][..])
    );
}

#[tokio::test]
async fn a_bad_item_is_rejected_and_the_rest_of_its_list_stays() {
    let fake = full("one").await;
    let good = ["p".to_owned(), "q".to_owned()].map(|name| prompt(&name));
    fake.set_items("prompts", &[&good[0], r#"{"name":"bad","arguments":{}}"#, &good[1], &good[0]]);
    fake.set_items("resources", &[&resource("r:1"), r#"{"name":"r","uri":"a\nb"}"#]);
    fake.set_items("resourceTemplates", &[&template("t:{1"), &template("t:{2}")]);
    let gateway = Gateway::start(spec(&[server("a", &fake.url, "")])).await;
    gateway.wait_for_list("prompts/list", &["p", "q"]).await;
    gateway.wait_for_list("resources/list", &["r:1"]).await;
    gateway.wait_for_list("resources/templates/list", &["t:{2}"]).await;
    let rejected = gateway.status("a").rejected;
    let shown: Vec<_> = rejected.iter().map(|item| (item.kind, item.name.as_str())).collect();
    let expected = [
        (ItemKind::Prompt, "bad"),
        (ItemKind::Prompt, "p"),
        (ItemKind::Resource, "a\u{FFFD}b"),
        (ItemKind::ResourceTemplate, "t:{1"),
    ];
    assert_eq!(shown, expected);
    assert!(rejected[0].reason.contains("invalid type: map"), "{}", rejected[0].reason);
    let shown = serde_json::to_value(&rejected[3]).unwrap();
    assert_eq!(shown["kind"], "resourceTemplate");
}

#[tokio::test]
async fn two_prompts_of_one_name_are_a_conflict_and_two_resources_of_one_uri_are_not() {
    let (one, two) = (full("same").await, full("same").await);
    let gateway = Gateway::start(spec(&[server("a", &one.url, "a_"), server("n/b", &two.url, "a_")])).await;
    eventually("both", async || gateway.status("n/b").conflicts.len() == 2).await;
    gateway.wait_for_list("prompts/list", &["a_same"]).await;
    gateway.wait_for_list("resources/list", &["file:///same", "mcp-gateway://n/b/file:///same"]).await;
    let status = gateway.status("n/b");
    let kinds: Vec<_> =
        status.conflicts.iter().map(|clash| (clash.kind, &*clash.name, &*clash.owner)).collect();
    assert_eq!(kinds, [(ItemKind::Tool, "a_same", "a"), (ItemKind::Prompt, "a_same", "a")]);
    assert_eq!((status.tools, status.prompts, status.resources), (0, 0, 1));
}

#[tokio::test]
async fn a_change_of_any_list_is_taken_in() {
    let fake = full("one").await;
    let gateway = Gateway::start(spec(&[server("a", &fake.url, "")])).await;
    gateway.wait_for_list("prompts/list", &["one"]).await;
    eventually("the list that the stream's begin calls for", async || {
        fake.count("resources/templates/list") == 2
    })
    .await;
    fake.set_items("prompts", &[&prompt("fresh")]);
    fake.announce_change_of("prompts");
    gateway.wait_for_list("prompts/list", &["fresh"]).await;
    fake.set_items("resources", &[&resource("r:fresh")]);
    fake.announce_change_of("resources");
    gateway.wait_for_list("resources/list", &["r:fresh"]).await;
    fake.set_items("resourceTemplates", &[]);
    fake.announce_change_of("resources");
    gateway.wait_for_list("resources/templates/list", &[]).await;
    assert_eq!(fake.count("initialize"), 1);
}

#[tokio::test]
async fn only_announced_lists_are_asked_for_and_one_that_is_not_there_is_empty() {
    let (plain, partly) = (Fake::start(&[&tool("t", "")]).await, full("p").await);
    partly.set_fault(|seen| {
        let error = format!(
            r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32601,"message":"no"}}}}"#,
            seen.body["id"]
        );
        (seen.method() == "resources/templates/list").then(|| json_response(200, &error))
    });
    let gateway = Gateway::start(spec(&[server("a", &plain.url, ""), server("b", &partly.url, "")])).await;
    gateway.wait_for_list("resources/list", &["file:///p"]).await;
    gateway.wait_for_list("tools/list", &["p", "t"]).await;
    assert!(gateway.listed("resources/templates/list").await.is_empty());
    assert_eq!((gateway.status("b").rejected.len(), gateway.status("b").last_error), (0, None));
    let asked: Vec<_> = ["prompts/list", "resources/list", "resources/templates/list"]
        .map(|method| plain.count(method))
        .into();
    assert_eq!(asked, [0, 0, 0]);
}

#[tokio::test]
async fn a_list_that_breaks_a_rule_costs_no_other_and_its_last_good_one_stays() {
    let fake = full("one").await;
    let gateway = Gateway::start(spec(&[server("a", &fake.url, "")])).await;
    gateway.wait_for_list("resources/list", &["file:///one"]).await;
    eventually("the event stream", async || fake.streams() == 1).await;
    let many = vec![resource("r:x"); 10_001].join(",");
    fake.set_fault(move |seen| {
        (seen.method() == "resources/list").then(|| result(seen, &format!(r#"{{"resources":[{many}]}}"#)))
    });
    fake.set_items("prompts", &[&prompt("fresh")]);
    fake.announce_change_of("prompts");
    gateway.wait_for_list("prompts/list", &["fresh"]).await;
    let status = gateway.status("a");
    assert!(status.reachable && status.rejected.len() == 1, "{status:?}");
    assert_eq!(status.rejected[0].kind, ItemKind::Resource);
    assert!(status.rejected[0].reason.contains("more than 10000 resources"), "{status:?}");
    assert_eq!(gateway.listed("resources/list").await, ["file:///one"]);
}

#[tokio::test]
async fn what_is_announced_is_what_the_servers_can_do() {
    let gateway = Gateway::start(spec(&[])).await;
    let nothing = gateway.initialized().await;
    assert_eq!(nothing["capabilities"], json!({"tools": {"listChanged": true}}));
    assert_eq!(nothing.get("instructions"), None);
    let (one, two) = (full("one").await, Fake::start(&[&tool("two", "")]).await);
    two.set_info(json!({"capabilities": {"logging": {}, "tools": {}}}));
    let both = spec(&[server("a", &one.url, ""), server("b", &two.url, "")]);
    gateway.apply(both);
    gateway.wait_for_list("tools/list", &["one", "two"]).await;
    let result = gateway.initialized().await;
    let expected = json!({
        "tools": {"listChanged": true},
        "prompts": {"listChanged": true},
        "resources": {"subscribe": true, "listChanged": true},
        "completions": {},
        "logging": {},
    });
    assert_eq!(result["capabilities"], expected);
    assert_eq!(result["serverInfo"], json!({"name": "mcp-gateway", "version": env!("CARGO_PKG_VERSION")}));
    gateway.apply(spec(&[server("b", &two.url, "")]));
    gateway.wait_for_list("tools/list", &["two"]).await;
    let less = json!({"tools": {"listChanged": true}, "logging": {}});
    assert_eq!(gateway.initialized().await["capabilities"], less);
}

#[tokio::test]
async fn a_server_that_comes_back_can_do_something_else() {
    let fake = full("one").await;
    let gateway = Gateway::start(spec(&[server("a", &fake.url, "")])).await;
    gateway.wait_for_list("prompts/list", &["one"]).await;
    eventually("the event stream", async || fake.streams() == 1).await;
    fake.set_info(json!({"capabilities": {"tools": {}, "logging": {}}, "instructions": "I am new."}));
    fake.lose_session("fake-session-2");
    fake.announce_change();
    gateway.wait_for_list("prompts/list", &[]).await;
    gateway.wait_for_list("resources/templates/list", &[]).await;
    let result = gateway.initialized().await;
    assert_eq!(result["capabilities"], json!({"tools": {"listChanged": true}, "logging": {}}));
    assert!(result["instructions"].as_str().unwrap().ends_with("\n## a\nI am new.\n"), "{result}");
}

#[tokio::test]
async fn instructions_of_all_servers_in_scope_are_merged_and_bounded() {
    let (one, two) = (full("one").await, full("two").await);
    one.set_info(json!({"capabilities": {}, "instructions": "First\u{1b}.\n# Then"}));
    two.set_info(json!({"capabilities": {}, "instructions": "y".repeat(9000)}));
    let mut named = spec(&[server("n/a", &one.url, "a_"), server("b", &two.url, "")]);
    named.virtual_servers = vec![virtual_server("only", &["a_one"])];
    let gateway = Gateway::start(named).await;
    gateway.wait_for_list("tools/list", &["a_one", "two"]).await;
    let all = gateway.initialized().await["instructions"].as_str().unwrap().to_owned();
    let section = "\n## n/a (tools begin with a_)\nFirst\u{FFFD}.\n### Then\n";
    assert!(all.contains(section) && all.contains("\n## b\ny"), "{all}");
    let (_, of_b) = all.split_once("\n## b\n").unwrap();
    assert_eq!(of_b, "y".repeat(4096) + "\n");
    let message = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {}}});
    let request = gateway.post(&message.to_string()).header("x-mcp-virtualserver", "only");
    let only = gateway.list(request).await["result"]["instructions"].as_str().unwrap().to_owned();
    assert!(only.ends_with(section) && !only.contains("## b"), "{only}");
}

#[tokio::test]
async fn what_a_server_says_of_its_streams_is_remembered_until_it_connects_again() {
    let fake = full("one").await;
    let gateway = Gateway::start(spec(&[server("a", &fake.url, "")])).await;
    eventually("the event stream", async || fake.streams() == 1).await;
    gateway.wait_for_list("tools/list", &["one"]).await;
    let streams = || (gateway.status("a").offers_stream, gateway.status("a").has_event_ids);
    assert_eq!(streams(), (true, false));
    fake.set_fault(|seen| {
        let refuse = || http::StatusCode::METHOD_NOT_ALLOWED.into_response();
        let body = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"tools":[]}}}}"#, seen.body["id"]);
        match seen.method() {
            "tools/list" if seen.header("mcp-session-id") == Some("fake-session-2") => {
                Some(event_stream(format!("id: 7\ndata: {body}\n\n")))
            }
            _ => (seen.verb == "GET").then(refuse),
        }
    });
    fake.lose_session("fake-session-2");
    fake.announce_change();
    eventually("no stream, but ids", async || streams() == (false, true)).await;
    fake.clear_fault();
    let again = server("a", &fake.url, "again_");
    gateway.apply(spec(&[again]));
    gateway.wait_for_list("tools/list", &["again_one"]).await;
    eventually("a stream without ids", async || streams() == (true, false)).await;
}
