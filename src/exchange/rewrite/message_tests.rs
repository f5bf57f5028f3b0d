//! One message in, one outcome out; aliases are those of readable tokens.

use serde_json::{Value, json};

use super::{
    answer::{LOOKUP, MAX_EDITS, MAX_LOOKED_UP, URIS},
    *,
};
use crate::{
    exchange::tests::PlainTokens,
    mcp::{ClientCapabilities as C, scan::places},
    routing::{Discovered, ObjectName, Primitive, compile, fixture},
};

/// The server `mcp-test/github`, for a client that announced `bits`.
pub(super) fn origin(bits: u32, has_event_ids: bool) -> Origin {
    let mut catalogue = fixture::catalogue();
    let name = ObjectName::parse("mcp-test/github").unwrap();
    let found = Discovered { has_event_ids, ..(*catalogue.servers[&name]).clone() };
    catalogue.servers.insert(name, Arc::new(found));
    let snapshot = Arc::new(compile(&fixture::spec(), &catalogue).0);
    Origin {
        server: Arc::clone(snapshot.server("mcp-test/github").unwrap()),
        snapshot,
        session: SessionId([7; 16]),
        client: C(bits),
        rewrites_uris: true,
        rewrites_tasks: true,
    }
}

pub(super) const ALL: u32 = C::ROOTS | C::SAMPLING | C::ELICITATION_FORM | C::ELICITATION_URL | C::TASKS;

/// What the message becomes; the same text where it goes on as it is.
fn rewritten(message: &str) -> String {
    match origin(ALL, false).rewrite(message.as_bytes(), &PlainTokens) {
        Outcome::Same => message.to_owned(),
        Outcome::Changed(changed) => String::from_utf8(changed).unwrap(),
        Outcome::Refused(answer) => panic!("{message} is refused: {}", answer.escape_ascii()),
    }
}

fn is_same(message: &str) -> bool {
    origin(ALL, false).rewrite(message.as_bytes(), &PlainTokens) == Outcome::Same
}

#[test]
fn a_request_gets_aliases_for_what_the_client_repeats_and_keeps_every_other_byte() {
    for (message, expected) in [
        (
            r#"{"jsonrpc":"2.0","id":0,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":"Request|7|mcp-test/github|0","method":"ping"}"#,
        ),
        (
            r#" {"method":"roots/list", "params" : {"_meta":{"progressToken": "\u0061","x":1.0}},"id" :"é","jsonrpc":"2.0"}"#,
            r#" {"method":"roots/list", "params" : {"_meta":{"progressToken": "Progress|7|mcp-test/github|\"\\u0061\"","x":1.0}},"id" :"Request|7|mcp-test/github|\"é\"","jsonrpc":"2.0"}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":-3,"method":"elicitation/create","params":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}}}"#,
            r#"{"jsonrpc":"2.0","id":"Request|7|mcp-test/github|-3","method":"elicitation/create","params":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"Task|7|mcp-test/github|t"}}}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"the client's own"}}"#,
            r#"{"jsonrpc":"2.0","id":"Request|7|mcp-test/github|1","method":"tasks/get","params":{"taskId":"the client's own"}}"#,
        ),
    ] {
        assert_eq!(rewritten(message), expected);
    }
}

#[test]
fn an_alias_opens_to_what_the_server_wrote() {
    let token = r#""a\"\u00e9|""#;
    let message = rewritten(&format!(r#"{{"jsonrpc":"2.0","id":{token},"method":"ping"}}"#));
    let message: Value = serde_json::from_str(&message).unwrap();
    let alias = PlainTokens.open_alias(AliasKind::Request, message["id"].as_str().unwrap()).unwrap();
    let server = "mcp-test/github".into();
    assert_eq!(alias, Alias { session: SessionId([7; 16]), server, original: token.into() });
}

#[test]
fn a_request_goes_on_only_where_the_client_announced_it() {
    let elicitation = |mode: &str| format!(r#""elicitation/create","params":{{{mode}}}"#);
    for (request, needed) in [
        (r#""ping""#.to_owned(), Some(0)),
        (elicitation(""), Some(C::ELICITATION_FORM)),
        (elicitation(r#""mode":"form""#), Some(C::ELICITATION_FORM)),
        (elicitation(r#""mode":"url""#), Some(C::ELICITATION_URL)),
        (elicitation(r#""mode":"other""#), None),
        (r#""sampling/createMessage","params":{"tools":[]}"#.to_owned(), Some(C::SAMPLING)),
        (r#""roots/list""#.to_owned(), Some(C::ROOTS)),
        (r#""tasks/get""#.to_owned(), Some(C::TASKS)),
        (r#""tasks/result""#.to_owned(), Some(C::TASKS)),
        (r#""tasks/list""#.to_owned(), None),
        (r#""tasks/cancel""#.to_owned(), Some(C::TASKS)),
        (r#""tools/call""#.to_owned(), None),
        (r#""example/own""#.to_owned(), None),
    ] {
        let message = format!(r#"{{"jsonrpc":"2.0","id":"\u0061","method":{request}}}"#);
        let outcome = |bits| origin(bits, false).rewrite(message.as_bytes(), &PlainTokens);
        let goes_on = |bits| matches!(outcome(bits), Outcome::Changed(_));
        assert_eq!(goes_on(ALL), needed.is_some(), "{message}");
        assert_eq!(goes_on(needed.unwrap_or(ALL)), needed.is_some(), "{message}");
        let Some(without) = needed.map_or(Some(ALL), |needed| (needed != 0).then_some(ALL & !needed)) else {
            continue;
        };
        let Outcome::Refused(answer) = outcome(without) else { panic!("{message} goes on") };
        assert!(
            answer.starts_with(br#"{"jsonrpc":"2.0","id":"\u0061","error":{"code":-32601,"#),
            "{message}"
        );
        assert!(serde_json::from_slice::<Value>(&answer).is_ok());
    }
}

#[test]
fn a_log_message_says_which_server_it_is_from() {
    for (params, expected) in [
        (r#"{ "level":"info","data":1}"#, r#"{"logger":"mcp-test/github", "level":"info","data":1}"#),
        (r#"{"logger":"db","data":1e0}"#, r#"{"logger":"mcp-test/github/db","data":1e0}"#),
        (r#"{"data":1,"logger":"a\"b"}"#, r#"{"data":1,"logger":"mcp-test/github/a\"b"}"#),
        (r#"{"logger":""}"#, r#"{"logger":"mcp-test/github"}"#),
        (r#"{"logger":null}"#, r#"{"logger":"mcp-test/github"}"#),
        ("{ }", r#"{"logger":"mcp-test/github" }"#),
    ] {
        let message =
            |params| format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{params}}}"#);
        assert_eq!(rewritten(&message(params)), message(expected));
    }
    assert!(is_same(r#"{"jsonrpc":"2.0","method":"notifications/message"}"#));
}

#[test]
fn notifications_name_requests_and_tasks_by_their_aliases() {
    for (message, expected) in [
        (
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"1","reason":"x"}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"Request|7|mcp-test/github|\"1\"","reason":"x"}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"t","status":"working"}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"Task|7|mcp-test/github|t","status":"working"}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1,"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1,"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"Task|7|mcp-test/github|t"}}}}"#,
        ),
    ] {
        assert_eq!(rewritten(message), expected);
    }
}

#[test]
fn what_is_not_the_servers_own_goes_on_as_it_is() {
    for message in [
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"x","progress":0.5}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/elicitation/complete","params":{"elicitationId":"e"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32042,"message":"x","data":{"elicitations":[{"elicitationId":"e"}]}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"taskId"}],"structuredContent":{"taskId":"t"}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":7}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"taskId":7,"tasks":{},"task":"x"}}"#,
        "",
        "[]",
        "not JSON",
        r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#,
    ] {
        assert!(is_same(message), "{message}");
    }
}

#[test]
fn tasks_of_a_result_are_named_by_their_aliases_where_they_are_asked_for() {
    let result = |task: &str| {
        json!({
            "taskId": task, "task": {"taskId": task, "ttl": 1}, "tasks": [{"taskId": task}, {"taskId": task}],
            "_meta": {"io.modelcontextprotocol/related-task": {"taskId": task}},
            "content": [{"taskId": "t"}], "other": {"taskId": "t"},
        })
    };
    let message = json!({"jsonrpc": "2.0", "id": 1, "result": result("t")}).to_string();
    let changed: Value = serde_json::from_str(&rewritten(&message)).unwrap();
    assert_eq!(changed["result"], result("Task|7|mcp-test/github|t"));
    let origin = Origin { rewrites_tasks: false, ..origin(ALL, false) };
    assert_eq!(origin.rewrite(message.as_bytes(), &PlainTokens), Outcome::Same);
}

#[test]
fn a_result_without_end_costs_no_more_than_a_long_one() {
    let tasks = vec![json!({"taskId": "t"}); MAX_EDITS + 1];
    let changed = rewritten(&json!({"jsonrpc": "2.0", "id": 1, "result": {"tasks": tasks}}).to_string());
    assert_eq!(changed.matches("Task|7|").count(), MAX_EDITS);
    assert_eq!(changed.matches(r#""taskId":"t""#).count(), 1);
}

#[test]
fn uris_without_end_are_not_all_looked_up() {
    let uri = "mcp-gateway://x";
    let most = MAX_LOOKED_UP / (uri.len() + LOOKUP);
    let contents = vec![json!({"uri": uri}); most + 1];
    let changed =
        rewritten(&json!({"jsonrpc": "2.0", "id": 1, "result": {"contents": contents}}).to_string());
    assert_eq!(changed.matches("mcp-gateway://mcp-test/github/mcp-gateway://x").count(), most);
    assert_eq!(changed.matches(r#"{"uri":"mcp-gateway://x"}"#).count(), 1);
}

#[test]
fn the_resources_a_result_names_are_found_wherever_they_stand() {
    let content = |uri: &str| {
        json!([
            {"type": "text", "text": "x"},
            {"type": "resource_link", "uri": uri},
            {"type": "resource", "resource": {"uri": uri, "text": "x"}},
        ])
    };
    let result = json!({
        "content": content("1"),
        "messages": [
            {"role": "user", "content": {"type": "resource", "resource": {"uri": "2"}}},
            {"role": "user", "content": {"type": "resource_link", "uri": "3"}},
            {"role": "user", "content": content("4")},
        ],
        "contents": [{"uri": "5"}],
        "structuredContent": {"uri": "0", "content": [{"uri": "0"}]}, "uri": "0",
    })
    .to_string();
    let found = places(result.as_bytes(), &URIS).unwrap();
    let mut found: Vec<_> = found.iter().map(|place| place.span.of(result.as_bytes())).collect();
    found.sort_unstable();
    assert_eq!(found, [&br#""1""#[..], br#""1""#, br#""2""#, br#""3""#, br#""4""#, br#""4""#, br#""5""#]);
}

#[test]
fn a_uri_that_would_lead_to_another_server_is_made_to_lead_back() {
    let mut catalogue = fixture::catalogue();
    for found in catalogue.servers.values_mut() {
        let resource = fixture::item(Primitive::Resource, "test://both");
        *found = Arc::new(Discovered { resources: vec![resource], ..(**found).clone() });
    }
    let snapshot = Arc::new(compile(&fixture::spec(), &catalogue).0);
    let of = |server: &str, message: &str| {
        let server = Arc::clone(snapshot.server(server).unwrap());
        let origin = Origin { server, snapshot: Arc::clone(&snapshot), ..origin(ALL, false) };
        match origin.rewrite(message.as_bytes(), &PlainTokens) {
            Outcome::Same => message.to_owned(),
            Outcome::Changed(changed) => String::from_utf8(changed).unwrap(),
            Outcome::Refused(_) => panic!("{message} is refused"),
        }
    };
    let read = |uri: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"contents":[{{"uri":{uri},"text":"x"}}]}}}}"#)
    };
    let updated = |uri: &str| {
        format!(r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":{uri}}}}}"#)
    };
    let (upstream, exposed) = (r#""test:\/\/both""#, r#""mcp-gateway://mcp-test/time/test://both""#);
    for message in [&read as &dyn Fn(&str) -> String, &updated] {
        assert_eq!(of("mcp-test/github", &message(upstream)), message(upstream));
        assert_eq!(of("mcp-test/time", &message(upstream)), message(exposed));
        assert_eq!(
            of("mcp-test/time", &message(r#""https://example.com/x""#)),
            message(r#""https://example.com/x""#)
        );
    }
}

#[test]
fn a_client_without_a_session_gets_aliases_of_its_own_kind() {
    let origin = Origin { session: SessionId([0; 16]), ..origin(ALL, false) };
    let message = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let Outcome::Changed(changed) = origin.rewrite(message, &PlainTokens) else { panic!("it is the same") };
    assert_eq!(changed, br#"{"jsonrpc":"2.0","id":"Request|0|mcp-test/github|1","method":"ping"}"#);
}
