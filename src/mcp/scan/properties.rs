//! Properties of the scanner, held against `serde_json`.
//!
//! The two agree on which texts are JSON, with these differences:
//! - nesting: the scanner stops at [`MAX_DEPTH`], as `serde_json` does when it builds values;
//! - numbers too large for a double and halves of surrogate pairs in values that are passed over are JSON by
//!   RFC 8259 and are sent on as they are; `serde_json` takes them too, unless it is to build a value of them;
//! - a half of a surrogate pair is refused where the scanner decodes it.

use std::fmt::Write as _;

use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::*;

/// Texts that are nearly JSON: pieces of it in any order.
fn nearly_json() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"", "\\", "\"\"", "\"a\":", "\"\\u0061\":", "1", "-", "0", "1.5", "e", "E+2", "true",
            "null", "false", "[]", "{}", " ", "\n", "\\u12", "\\ud800", "\u{1}", "\u{FEFF}", "\"id\":", "\"params\":{",
        ]).prop_map(str::to_owned),
        1 => "\"[^\"\\\\]{0,12}\"",
        1 => any::<f64>().prop_map(|number| number.to_string()),
        1 => ".{0,3}",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a-z\"\\\\\n]{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..5)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Writes a string as JSON with the characters `escape` says (in turn) as `\u` escapes.
fn spelled(text: &str, escape: &[bool]) -> String {
    let mut written = String::from("\"");
    for (letter, &escape) in text.chars().zip(escape.iter().cycle()) {
        if escape || letter < ' ' || letter == '"' || letter == '\\' {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                write!(written, "\\u{unit:04X}").unwrap();
            }
        } else {
            written.push(letter);
        }
    }
    written + "\""
}

fn seed() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(vec![
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a_b","arguments":{"x":[1,-2.5e3,"\u00e9"]}}}"#,
        r#"{"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"é"},"_meta":{"progressToken":"x"}},"jsonrpc":"2.0","id":"a"}"#,
        r#"{"jsonrpc":"2.0","id":"\ud83d\ude00","result":{"content":[{"type":"text","text":"a\nb"}]}}"#,
    ])
    .prop_map(|seed| seed.as_bytes().to_vec())
}

proptest! {
    #[test]
    fn any_bytes_are_judged_without_panic(body: Vec<u8>) {
        drop((scan(&body), members(&body), elements(&body, 3), places(&body, &[&[Step::Each, Step::Key("a")]])));
    }

    #[test]
    fn a_changed_message_is_judged_without_panic(
        mut body in seed(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0usize..3), 1..6),
    ) {
        for (place, byte, how) in changes {
            let at = place.index(body.len());
            match how {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ => body.truncate(at.max(1)),
            }
        }
        match scan(&body) {
            Ok(_) => prop_assert!(is_json(str::from_utf8(&body).unwrap())),
            Err(error) => prop_assert!(error.at <= body.len()),
        }
    }

    #[test]
    fn the_scanner_and_serde_json_agree_on_what_is_json(text in nearly_json()) {
        let array = format!("[{text}]");
        prop_assert_eq!(elements(array.as_bytes(), usize::MAX).is_ok(), is_json(&array), "{}", array);
        if scan(text.as_bytes()).is_ok() {
            prop_assert!(is_json(&text));
        }
    }

    #[test]
    fn every_value_serde_json_writes_is_passed_over_whole(value in value(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let body = format!(r#"{{"jsonrpc":"2.0","method":"a","x":0,"params":{{"arguments":{text}}}}}"#);
        let message = scan(body.as_bytes()).unwrap();
        prop_assert_eq!(message.params.arguments.unwrap().of(body.as_bytes()), text.as_bytes());
        for (end, _) in text.char_indices() {
            let cut = format!("[{}]", text.get(..end).unwrap());
            prop_assert_eq!(elements(cut.as_bytes(), 9).is_ok(), is_json(&cut), "{}", cut);
        }
    }

    #[test]
    fn decoded_values_equal_those_of_serde_json(
        texts in prop::array::uniform6(prop_oneof![any::<String>(), "[a-zé/_\"\\\\]{0,20}"]),
        escape in prop::collection::vec(any::<bool>(), 1..5),
        number: i64,
    ) {
        let [method, id, name, uri, cursor, token] = texts.map(|text| spelled(&text, &escape));
        let body = format!(
            r#"{{"id":{id},"method":{method},"jsonrpc":"2.0","params":{{"name":{name},"uri":{uri},"cursor":{cursor},
            "requestId":{number},"_meta":{{"progressToken":{token}}}}}}}"#
        );
        let expected: Value = serde_json::from_str(&body).unwrap();
        let message = scan(body.as_bytes()).unwrap();
        let read = |id: Option<Id<'_>>| serde_json::from_slice::<Value>(id.unwrap().as_bytes()).unwrap();
        let said = |text: Option<Text<'_>>| text.unwrap().value.into_owned();
        prop_assert_eq!(
            json!({
                "id": read(message.id), "method": said(message.method), "jsonrpc": "2.0",
                "params": {
                    "name": said(message.params.name), "uri": said(message.params.uri),
                    "cursor": said(message.params.cursor), "requestId": read(message.params.request_id),
                    "_meta": {"progressToken": read(message.params.meta.progress_token)},
                },
            }),
            expected
        );
    }

    #[test]
    fn members_are_those_of_serde_json(object in prop::collection::btree_map(any::<String>(), value(), 0..6), escape: bool) {
        let written: Vec<String> =
            object.iter().map(|(key, value)| format!("{} : {value}", spelled(key, &[escape]))).collect();
        let text = format!("{{{}}}", written.join(" , "));
        let found = members(text.as_bytes()).unwrap();
        prop_assert_eq!(found.len(), object.len());
        for ((key, span), (expected, value)) in found.iter().zip(&object) {
            prop_assert_eq!(key, expected);
            let value = value.to_string();
            prop_assert_eq!(span.of(text.as_bytes()), value.as_bytes());
        }
    }

    #[test]
    fn a_renamed_tool_is_all_that_changes(name in ".{1,20}", new in ".{0,20}", arguments in value()) {
        let call = |name: &str| format!(
            "{{\"jsonrpc\":\"2.0\" , \"id\":1,\"method\":\"tools/call\",\"params\":{{\"x\":1.0,\"name\":{},\"arguments\":{arguments}}}}}",
            spelled(name, &[false]),
        );
        let body = call(&name);
        let span = scan(body.as_bytes()).unwrap().params.name.unwrap().span;
        let spliced = crate::mcp::splice::splice(body.as_bytes(), span, spelled(&new, &[false]).as_bytes());
        prop_assert_eq!(spliced, call(&new).into_bytes());
    }
}

#[test]
fn every_byte_in_every_place_is_judged_as_serde_json_does() {
    let sample = br#"[{"a" : [1,-20.5e+3,true,"\u00e9\n\\ padding"],"b":{}},null , false,0]"#;
    for at in 0..sample.len() {
        for byte in 0..=u8::MAX {
            for width in [0, 1] {
                let mut text = sample.to_vec();
                text.splice(at..at + width, [byte]);
                let json = str::from_utf8(&text).is_ok_and(is_json);
                assert_eq!(elements(&text, 9).is_ok(), json, "{}", text.escape_ascii());
            }
        }
    }
}

#[test]
fn serde_json_reads_as_deep_as_the_scanner() {
    for depth in [MAX_DEPTH, MAX_DEPTH + 1] {
        let text = "[".repeat(depth - 1) + &"]".repeat(depth - 1);
        let body = format!(r#"{{"jsonrpc":"2.0","method":"a","x":{text}}}"#);
        assert_eq!(scan(body.as_bytes()).is_ok(), serde_json::from_str::<Value>(&body).is_ok(), "{depth}");
    }
}

#[test]
fn what_only_a_value_of_serde_json_cannot_hold_is_sent_on() {
    for text in ["1e999", "-1E+400", r#""\ud800""#, r#"{"\udfff":1}"#] {
        let body = format!(r#"{{"jsonrpc":"2.0","method":"a","x":{text}}}"#);
        assert!(scan(body.as_bytes()).is_ok() && is_json(&body), "{text}");
        assert!(serde_json::from_str::<Value>(&body).is_err(), "{text}");
    }
}
