//! What is taken and what is refused, and why.

use super::*;

fn fault(body: &str) -> (Fault, usize) {
    let error = scan(body.as_bytes()).expect_err(body);
    (error.fault, error.at)
}

/// A request whose `params` are these.
fn request(params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#)
}

/// The key with its first letter in upper case.
fn capital(key: &str) -> String {
    let mut letters = key.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

fn nested(depth: usize) -> String {
    let inside = depth - 2; // the message and `params`
    request(&format!(r#"{{"arguments":{}{}}}"#, "[".repeat(inside), "]".repeat(inside)))
}

#[test]
fn a_tool_call_is_read() {
    let body =
        br#" { "jsonrpc":"2.0", "id": "a\u0062" ,"method":"tools/call","x":[{}],"params": {"name":"g\u005fa",
        "arguments":{"name":1,"name":2},"_meta":{"progressToken":-5,"traceparent":"t",
        "io.modelcontextprotocol/protocolVersion":"2026-07-28"}}} "#;
    let message = scan(body).unwrap();
    assert_eq!(message.kind, Kind::Request);
    let id = message.id.unwrap();
    assert_eq!((id.as_str(), &*id.canonical()), (r#""a\u0062""#, "\"ab"));
    assert_eq!(message.method.unwrap().value, "tools/call");
    let params = message.params;
    let name = params.name.unwrap();
    assert_eq!((name.span.of(body), &*name.value), (&br#""g\u005fa""#[..], "g_a"));
    assert_eq!(params.arguments.unwrap().of(body), br#"{"name":1,"name":2}"#);
    assert_eq!(params.meta.progress_token.unwrap().as_bytes(), b"-5");
    assert_eq!(params.meta.protocol_version.unwrap().value, "2026-07-28");
    for object in [params.span.unwrap(), params.meta.span.unwrap()] {
        assert!(object.of(body).starts_with(b"{") && object.of(body).ends_with(b"}"));
    }
}

#[test]
fn every_member_the_gateway_needs_is_found() {
    let body = request(
        r#"{"uri":"u","ref":{"type":"ref/prompt","name":"n","uri":"v","x":0},"cursor":"","protocolVersion":"p",
        "requestId":7,"taskId":"t","unknown":null}"#,
    );
    let params = scan(body.as_bytes()).unwrap().params;
    let said = |text: Option<Text<'_>>| text.unwrap().value.into_owned();
    let reference = params.reference.unwrap();
    assert_eq!(
        [said(params.uri), said(params.cursor), said(params.protocol_version), said(params.task_id)],
        ["u", "", "p", "t"]
    );
    assert_eq!([said(reference.kind), said(reference.name), said(reference.uri)], ["ref/prompt", "n", "v"]);
    assert_eq!(params.request_id.unwrap().as_str(), "7");
}

#[test]
fn messages_are_told_apart_by_their_members() {
    for (body, kind) in [
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, Kind::Request),
        (r#"{"method":"ping","params":{},"jsonrpc":"2.0","id":0}"#, Kind::Request),
        (r#"{"\u006asonrpc":"2\u002e0","\u0069d":-0,"method":""}"#, Kind::Request),
        (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, Kind::Notification),
        (r#"{"jsonrpc":"2.0","id":"","result":{"params":{},"id":1,"id":2}}"#, Kind::Result),
        (r#"{"jsonrpc":"2.0","id":99999999999999999999999,"error":{"code":1}}"#, Kind::Error),
        (r#"{"jsonrpc":"2.0","error":{"code":1}}"#, Kind::Error),
    ] {
        let message = scan(body.as_bytes()).unwrap();
        assert_eq!(message.kind, kind, "{body}");
        assert_eq!(message.outcome.is_some(), matches!(kind, Kind::Result | Kind::Error), "{body}");
    }
}

#[test]
fn what_is_not_one_message_is_refused() {
    for (body, expected) in [
        ("", (Fault::Empty, 0)),
        (" \r\n\t", (Fault::Empty, 4)),
        ("\u{FEFF}{}", (Fault::ByteOrderMark, 0)),
        ("[]", (Fault::Batch, 0)),
        (r#" [{"jsonrpc":"2.0","method":"a"}]"#, (Fault::Batch, 1)),
        ("1", (Fault::NotAnObject, 0)),
        ("null", (Fault::NotAnObject, 0)),
        (r#""{}""#, (Fault::NotAnObject, 0)),
        ("nul", (Fault::Syntax, 0)),
        ("{", (Fault::Syntax, 1)),
        ("{}", (Fault::NotJsonRpc2, 0)),
        (r#"{"jsonrpc":"1.0","method":"a"}"#, (Fault::NotJsonRpc2, 11)),
        (r#"{"jsonrpc":2.0,"method":"a"}"#, (Fault::NotJsonRpc2, 11)),
        (r#"{"method":"a"}"#, (Fault::NotJsonRpc2, 0)),
        (r#"{"jsonrpc":"2.0"}"#, (Fault::NotAMessage, 0)),
        (r#"{"jsonrpc":"2.0","id":1}"#, (Fault::NotAMessage, 0)),
        (r#"{"jsonrpc":"2.0","id":1,"result":1,"error":1}"#, (Fault::NotAMessage, 0)),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","result":1}"#, (Fault::NotAMessage, 0)),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","error":1}"#, (Fault::NotAMessage, 0)),
        (r#"{"jsonrpc":"2.0","id":1,"params":{},"result":1}"#, (Fault::NotAMessage, 0)),
        (r#"{"jsonrpc":"2.0","result":1}"#, (Fault::BadId, 0)),
        (r#"{"jsonrpc":"2.0","method":"a"}{}"#, (Fault::TrailingBytes, 30)),
        ("{\"jsonrpc\":\"2.0\",\"method\":\"a\"}\0", (Fault::TrailingBytes, 30)),
        (r#"{"jsonrpc":"2.0","method":1}"#, (Fault::BadMethod, 26)),
        (r#"{"jsonrpc":"2.0","method":null}"#, (Fault::BadMethod, 26)),
    ] {
        assert_eq!(fault(body), expected, "{body:?}");
    }
    for id in ["null", "1.0", "1e3", "-1E3", "{}", "[1]", "true"] {
        assert_eq!(
            fault(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"a"}}"#)),
            (Fault::BadId, 22),
            "{id}"
        );
    }
}

#[test]
fn params_of_the_wrong_type_are_refused() {
    for params in [
        "[]",
        "null",
        "1",
        r#""""#,
        r#"{"name":1}"#,
        r#"{"uri":null}"#,
        r#"{"ref":"x"}"#,
        r#"{"ref":{"name":[]}}"#,
        r#"{"ref":{"type":1}}"#,
        r#"{"ref":{"uri":1}}"#,
        r#"{"cursor":null}"#,
        r#"{"protocolVersion":20250326}"#,
        r#"{"requestId":1.5}"#,
        r#"{"requestId":null}"#,
        r#"{"taskId":1}"#,
        r#"{"progressToken":1.5}"#,
        r#"{"_meta":[]}"#,
        r#"{"_meta":{"progressToken":null}}"#,
        r#"{"_meta":{"progressToken":0.5}}"#,
        r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":1}}"#,
    ] {
        assert_eq!(fault(&request(params)).0, Fault::BadParams, "{params}");
    }
}

#[test]
fn a_repeated_key_is_refused_wherever_it_is_read() {
    for body in [
        r#"{"jsonrpc":"2.0","method":"a","method":"a"}"#,
        r#"{"jsonrpc":"2.0","method":"a","m\u0065thod":"a"}"#,
        r#"{"jsonrpc":"2.0","x":1,"x":1,"method":"a"}"#,
        &request(r#"{"name":"a","name":"a"}"#),
        &request(r#"{"name":"a","\u006e\u0061me":"a"}"#),
        &request(r#"{"arguments":{},"arguments":{}}"#),
        &request(r#"{"":1,"":2}"#),
        &request(r#"{"\u00e9":1,"é":2}"#),
        &request(r#"{"\ud83d\ude00":1,"😀":2}"#),
        &request(r#"{"ref":{"name":"a","name":"b"}}"#),
        &request(r#"{"_meta":{"progressToken":1,"progressToken":1}}"#),
        &request(r#"{"_meta":{"other":1,"o\u0074her":1}}"#),
        &request(r#"{"_meta":{"io.modelcontextprotocol/new":1,"io.modelcontextprotocol/New":1}}"#),
    ] {
        assert_eq!(fault(body).0, Fault::RepeatedKey, "{body}");
    }
}

#[test]
fn a_key_that_looks_like_a_protocol_key_is_refused_at_its_level() {
    let (top, params, reference, meta) = (
        ["jsonrpc", "id", "method", "params", "result", "error"],
        [
            "name",
            "uri",
            "ref",
            "_meta",
            "arguments",
            "cursor",
            "protocolVersion",
            "requestId",
            "task",
            "taskId",
            "progressToken",
            "inputResponses",
            "requestState",
        ],
        ["type", "name", "uri"],
        ["progressToken", "io.modelcontextprotocol/protocolVersion", "io.modelcontextprotocol/logLevel"],
    );
    let top = top.map(|key| (key, r#"{"jsonrpc":"2.0","method":"a","KEY":1}"#.to_owned()));
    let params = params.map(|key| (key, request(r#"{"KEY":1}"#)));
    let reference = reference.map(|key| (key, request(r#"{"ref":{"KEY":1}}"#)));
    let meta = meta.map(|key| (key, request(r#"{"_meta":{"KEY":1}}"#)));
    for (key, body) in top.into_iter().chain(params).chain(reference).chain(meta) {
        let mut variants = vec![key.to_uppercase(), capital(key), key.replace('s', "\u{17F}")];
        variants.extend([key.replace('k', "\u{212A}"), key.replace('o', "O"), key.replace('e', "\\u0045")]);
        variants.push(key.replace('s', "\\u017f"));
        variants.extend([format!("{key}\\u0000"), format!("{key}\\u0000x")]);
        for variant in variants.iter().filter(|&variant| variant != key) {
            assert_eq!(fault(&body.replace("KEY", variant)).0, Fault::LookalikeKey, "{variant}");
        }
    }
    for key in [
        "IO.modelcontextprotocol/x",
        "io.modelConte\\u0058tprotocol/y",
        "io.modelcontextprotocol\\u002Fz\\u0041",
    ] {
        let body = request(&format!(r#"{{"_meta":{{"{key}":1}}}}"#));
        assert_eq!(scan(body.as_bytes()).is_err(), !key.ends_with("z\\u0041"), "{key}");
    }
}

#[test]
fn keys_the_protocol_does_not_have_are_left_alone() {
    for params in [
        r#"{"Names":1,"nam":1,"jsonrpc":1,"METHOD":1,"Type":1,"loGGer":1,"ñame":1,"N\u0430me":1}"#,
        r#"{"arguments":{"name":1,"Name":2,"NAME":3,"name":4}}"#,
        r#"{"_meta":{"Name":1,"traceparent":1,"io.modelcontextprotocol":1,"com.example/Name":1,"com.example/name":1}}"#,
        r#"{"capabilities":{"a":1,"a":2},"clientInfo":{"Name":1}}"#,
    ] {
        let body = request(params);
        assert!(scan(body.as_bytes()).is_ok(), "{params}");
    }
}

#[test]
fn depth_and_members_have_limits() {
    assert!(scan(nested(MAX_DEPTH).as_bytes()).is_ok());
    let after_others = nested(MAX_DEPTH).replace("{\"arguments", "{\"ref\":{},\"_meta\":{},\"arguments");
    assert!(scan(after_others.as_bytes()).is_ok(), "what was closed before does not count");
    assert_eq!(fault(&nested(MAX_DEPTH + 1)).0, Fault::TooDeep);
    assert_eq!(fault(&nested(100_000)).0, Fault::TooDeep);
    let with = |count: usize| {
        let members: Vec<String> = (0..count).map(|n| format!(r#""k{n}":{n}"#)).collect();
        request(&format!("{{{}}}", members.join(",")))
    };
    assert!(scan(with(MAX_MEMBERS).as_bytes()).is_ok());
    assert_eq!(fault(&with(MAX_MEMBERS + 1)).0, Fault::TooManyMembers);
}

#[test]
fn broken_json_is_refused_in_values_that_are_passed_over_too() {
    for value in [
        "",
        "01",
        "-",
        "-01",
        "1.",
        ".5",
        "1.e3",
        "1e",
        "1e+",
        "+1",
        "0x10",
        "1_0",
        "NaN",
        "Infinity",
        "tru",
        "True",
        "nulll",
        "'a'",
        "\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\u123\"",
        "\"a\nb\"",
        "\"a\0b\"",
        "\"\u{1F}\"",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,]",
        "[1 2]",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "[}",
        "{\"a\":1]",
        "[1}",
        "1 //x",
        "/**/1",
        "1\u{C}",
        "1\u{A0}",
        "\u{2028}1",
    ] {
        assert_eq!(fault(&request(&format!(r#"{{"arguments":{value}}}"#))).0, Fault::Syntax, "{value:?}");
        assert_eq!(elements(format!("[{value}]").as_bytes(), 9).is_ok(), value.is_empty(), "{value:?}");
    }
}

#[test]
fn half_a_surrogate_pair_is_refused_where_it_would_be_decoded() {
    for half in [r"\ud800", r"\udc00", r"\ud800x", r"\ud800\n", r"\ud800\ud800", r"\udc00\ud800", r"x\uDBFF"]
    {
        let decoded = request(&format!(r#"{{"name":"{half}"}}"#));
        assert_eq!(fault(&decoded).0, Fault::LoneSurrogate, "{half}");
        let key = request(&format!(r#"{{"{half}":1}}"#));
        assert_eq!(fault(&key).0, Fault::LoneSurrogate, "{half}");
        let passed_over = request(&format!(r#"{{"arguments":"{half}"}}"#));
        assert!(scan(passed_over.as_bytes()).is_ok(), "{half}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_refused_anywhere() {
    for bytes in [&b"\xFF"[..], b"\xC0\x80", b"\xED\xA0\x80", b"\xF4\x90\x80\x80", b"\xE2\x82", b"\x80"] {
        let body =
            [br#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"arguments":""#, bytes, b"\"}}"].concat();
        let error = scan(&body).unwrap_err();
        assert_eq!((error.fault, error.at, error.id), (Fault::NotUtf8, 60, Id::parse("1")));
    }
}

#[test]
fn an_error_names_the_request_where_its_id_can_be_read() {
    for (body, id) in [
        (r#"{"id":"a","jsonrpc":"1.0","method":"x"}"#, Some("\"a\"")),
        (r#"{"method":1,"params":{"id":2},"jsonrpc":"2.0","id":7}"#, Some("7")),
        (r#"{"params":[],"\u0069d":7}"#, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"method":"x"} x"#, Some("7")),
        (r#"{"jsonrpc":"2.0","id":7,"method":"x","#, Some("7")),
        ("\u{FEFF}{\"id\":7}", Some("7")),
        (r#"{"jsonrpc":"2.0","ID":8,"id":7,"method":"x"}"#, Some("7")),
        (r#"{"id":7,"id":7}"#, None),
        (r#"{"id":7,"x":1,"\u0069d":8}"#, None),
        (r#"{"id":null,"method":"x"}"#, None),
        (r#"{"id":1.5}"#, None),
        (r#"{"x":,"id":7}"#, None),
        (r#"[{"id":7}]"#, None),
        (r#"{"ID":7}"#, None),
    ] {
        assert_eq!(scan(body.as_bytes()).unwrap_err().id.map(|id| id.as_str()), id, "{body}");
    }
}

#[test]
fn members_and_elements_are_found_with_their_places() {
    let object = br#" {"name":"a","inputSchema":{"x":[1,2]},"\u0061":null} "#;
    let found: Vec<_> =
        members(object).unwrap().into_iter().map(|(key, value)| (key, value.of(object))).collect();
    let expected: [(&str, &[u8]); 3] =
        [("name", b"\"a\""), ("inputSchema", br#"{"x":[1,2]}"#), ("a", b"null")];
    assert!(found.iter().map(|(key, value)| (&**key, *value)).eq(expected));

    let array = b"[ 1 , [2,3] ,{}]";
    let found: Vec<_> = elements(array, 3).unwrap().into_iter().map(|value| value.of(array)).collect();
    assert_eq!(found, [&b"1"[..], b"[2,3]", b"{}"]);
    assert_eq!(elements(b"[]", 0).unwrap(), []);

    assert_eq!(elements(array, 2).unwrap_err().fault, Fault::TooManyElements);
    assert_eq!(elements(b"{}", 2).unwrap_err().fault, Fault::Syntax);
    assert_eq!(members(b"[]").unwrap_err().fault, Fault::NotAnObject);
    assert_eq!(members(br#"{"a":1,"\u0061":2}"#).unwrap_err().fault, Fault::RepeatedKey);
    assert_eq!(members(b"{} {}").unwrap_err().fault, Fault::TrailingBytes);
    assert_eq!(members(b"{\"\xFF\":1}").unwrap_err().fault, Fault::NotUtf8);
}

#[test]
fn an_id_is_a_string_or_an_integer() {
    for token in ["0", "-1", "18446744073709551616", r#""""#, r#""é\n""#] {
        assert_eq!(Id::parse(token).unwrap().as_str(), token);
    }
    for token in ["", "1.0", "1e1", "01", "null", "1 ", " 1", "\"a", "a", "{}", "1,\"x\":2"] {
        assert_eq!(Id::parse(token), None, "{token}");
    }
    let canonical = |token| Id::parse(token).unwrap().canonical();
    assert_eq!(canonical(r#""1""#), canonical(r#""\u0031""#));
    assert_ne!(canonical(r#""1""#), canonical("1"));
}
