//! Messages of a given length.

use super::gateway::TOOL;

/// A tool call with one long string.
pub(super) fn call(bytes: usize) -> Vec<u8> {
    filled(bytes, "x")
}

/// The same in letters of two and three bytes.
pub(super) fn not_ascii(bytes: usize) -> Vec<u8> {
    filled(bytes, "é漢字")
}

/// A tool call with many short keys and values.
pub(super) fn members(bytes: usize) -> Vec<u8> {
    let (start, end) = around();
    let mut arguments = String::from(r#""first":0"#);
    for at in 0.. {
        let member = format!(r#", "key{at}": {{"a":[1,-2.5,true],"b":"v{at}"}}"#);
        if start.len() + arguments.len() + member.len() + end.len() > bytes {
            break;
        }
        arguments.push_str(&member);
    }
    [start, arguments, end].concat().into_bytes()
}

/// One event with the answer to a call.
pub(super) fn event(bytes: usize) -> Vec<u8> {
    let start = r#"event: message
data: {"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":""#;
    let end = "\"}]}}\n\n";
    let text = "x".repeat(bytes.saturating_sub(start.len() + end.len()));
    [start, &text, end].concat().into_bytes()
}

fn around() -> (String, String) {
    let start = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{TOOL}","arguments":{{"#
    );
    (start, "}}}".to_owned())
}

fn filled(bytes: usize, with: &str) -> Vec<u8> {
    let (start, end) = around();
    let (key, close) = (r#""text":""#, "\"");
    let left = bytes.saturating_sub(start.len() + key.len() + close.len() + end.len());
    let text = with.repeat(left / with.len());
    [&*start, key, &text, close, &end].concat().into_bytes()
}
