//! Fuzz targets as plain functions: a fixed number of changed inputs each, the same ones in every run.
//!
//! To add a target: a function `(run, &[u8]) -> Result<(), String>` that says which promise an input breaks, its seeds,
//! and a test that calls [`run`].

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/catalogue.rs"]
mod catalogue;
mod exchange;
mod rewrite;

use mcp_gateway::mcp::scan::{self, Kind, Text};
use mcp_gateway::mcp::splice;
use mcp_gateway::mcp::sse::{Event, Parser};
use serde::de::IgnoredAny;

/// Inputs for each target.
const RUNS: u64 = 200_000;
/// Changes to a seed, at most.
const MAX_CHANGES: usize = 8;

#[test]
fn the_scanner_keeps_its_promises() {
    run(
        |_, body| scanner(body),
        &[
            br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"github_get_me","arguments":{"a":[1,-2.5e3,null]}}}"#,
            br#"{"method":"tools/call","params":{"_meta":{"progressToken":"t","io.modelcontextprotocol/protocolVersion":"2026-07-28"},"name":"\u0067ithub_\ud83d\ude00"},"jsonrpc":"2.0","id":"a\n"}"#,
            br#"{"jsonrpc":"2.0","id":2,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"github_x"},"argument":{"name":"n","value":"v"}}}"#,
            br#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7,"reason":"\u00e9"}}"#,
            "{\"jsonrpc\":\"2.0\",\"id\":-0,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"\u{e9}\u{1F600}\"}]}}".as_bytes(),
        ],
        &[
            "\"", "\\", "{", "}", "[", "]", ",", ":", "\\u0061", "\\ud800", "null", "1e9", "-", "\"id\":1,", "\"Name\":1,",
            "\"name\":\"x\",", "\u{212A}", "\u{FEFF}", "\n", "[[[[[[[[[[[[[[[[",
        ],
    );
}

#[test]
fn the_event_reader_keeps_its_promises() {
    run(
        |_, body| sse(body),
        &[
            b"event: message\nid: 1\ndata: {\"jsonrpc\":\"2.0\"}\n\n",
            b"\xEF\xBB\xBF: hello\r\n\r\nid: 7\r\ndata:\r\n\r\nretry: 10\rdata: a\rdata: b\r\r",
        ],
        &["\r", "\n", "\r\n", ":", "data", "data: ", "id: ", "retry: 1", "\n\n", "\0", "\u{FEFF}"],
    );
}

#[test]
fn the_exchange_keeps_its_promises() {
    run(
        exchange::keeps_its_promises,
        &[
            br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"github_get_me"}}"#,
            br#"{"jsonrpc":"2.0","id":"b","method":"tools/call","params":{"arguments":{"name":"now"},"name":"now"}}"#,
            br#"{"jsonrpc":"2.0","id":3,"method":"initialize","params":{"protocolVersion":"2025-06-18"}}"#,
            br#"{"jsonrpc":"2.0","id":4,"method":"tools/list"}"#,
            br#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#,
            br#"{"jsonrpc":"2.0","id":"Request|7|mcp-test/github|5","result":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"Task|7|mcp-test/github|t"}}}}"#,
            br#"{"jsonrpc":"2.0","id":"Request|0|mcp-test/time|5","error":{"code":1,"message":"x"}}"#,
            br#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"Progress|7|mcp-test/time|1","progress":1}}"#,
            br#"{"jsonrpc":"2.0","id":5,"method":"tasks/get","params":{"taskId":"Task|7|mcp-test/github|t"}}"#,
        ],
        &[
            "|7|", "|0|", "|8|", "Task|", "Progress|", "mcp-test/time", ",\"task\":{}","\"github_", "\"now\"", "tools/call", "\"id\":1,", "{", "}", "\\u0067", "                                        "],
    );
    assert_eq!(exchange::not_seen(), Vec::<&str>::new());
}

#[test]
fn the_rewriter_keeps_its_promises() {
    run(
        |_, body| rewrite::keeps_its_promises(body),
        &[
            br#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{"_meta":{"progressToken":2}}}"#,
            b"id: 1\ndata:\n\n: x\r\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"elicitation/create\"}\r\n\r\ndata: {}\n\n",
            b"data: {\"jsonrpc\":\"2.0\",\ndata: \"method\":\"notifications/message\",\ndata: \"params\":{\"data\":1}}\nretry: 1\n\n",
            br#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"uri":"a"}],"tasks":[{"taskId":"t"}],"task":{"taskId":"t"}}}"#,
        ],
        &[
            "\r", "\n", "\r\n", "\n\n", "data: ", "id: 2", ":", "\"id\":1,", "\"method\":\"ping\",", "{", "}", "[", "]", "\"", "\u{FEFF}",
            "data: {\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"sampling/createMessage\"}\n\n",
            "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":1}}\n\n",
        ],
    );
}

/// What the scanner takes is JSON, every part it names is where it says, and taking a prefix off changes nothing
/// else.
fn scanner(body: &[u8]) -> Result<(), String> {
    if let Ok(members) = scan::members(body) {
        check(members.iter().all(|(_, span)| is_json(span.of(body))), "a member is no value")?;
    }
    let message = match scan::scan(body) {
        Ok(message) => message,
        Err(error) => return check(error.at <= body.len(), "the fault is outside the body"),
    };
    check(is_json(body), "taken, but not JSON")?;
    let (id, method) = (message.id.is_some(), message.method.is_some());
    let parts = match message.kind {
        Kind::Request => id && method,
        Kind::Notification => !id && method,
        Kind::Result => id && !method,
        Kind::Error => !method,
    };
    check(parts, "the kind does not fit the parts")?;
    let params = &message.params;
    let reference = params.reference.as_ref();
    let texts = [
        message.method.as_ref(),
        params.name.as_ref(),
        params.uri.as_ref(),
        params.cursor.as_ref(),
        reference.and_then(|reference| reference.name.as_ref()),
    ];
    texts.into_iter().flatten().try_for_each(|text| says(body, text))?;
    let Some(name) = &params.name else { return Ok(()) };
    match (splice::without_prefix(body, name, "github_"), name.value.strip_prefix("github_")) {
        (None, None) => Ok(()),
        (Some(body), Some(rest)) => match scan::scan(&body) {
            Ok(message) => {
                check(message.params.name.is_some_and(|name| name.value == rest), "the wrong name is left")
            }
            Err(error) => Err(format!("the prefix broke the message: {error}")),
        },
        (None, Some(_)) | (Some(_), None) => Err("the prefix was misread".to_owned()),
    }
}

fn says(body: &[u8], text: &Text<'_>) -> Result<(), String> {
    let expected: String = serde_json::from_slice(text.span.of(body)).map_err(|error| error.to_string())?;
    check(expected == text.value, "a text is decoded wrongly")
}

/// How a stream is cut does not change its events.
fn sse(stream: &[u8]) -> Result<(), String> {
    let read = |size: usize| -> (Vec<Event>, bool) {
        let (mut parser, mut events) = (Parser::with_limit(64), Vec::new());
        for mut chunk in stream.chunks(size) {
            loop {
                match parser.next(&mut chunk) {
                    Ok(Some(event)) => events.push(event),
                    Ok(None) => break,
                    Err(_) => return (events, true),
                }
            }
        }
        (events, false)
    };
    let whole = read(stream.len().max(1));
    [1, 2, 3, 7].into_iter().try_for_each(|size| check(read(size) == whole, "cutting the stream changed it"))
}

fn is_json(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

fn check(holds: bool, promise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(promise.to_owned()) }
}

/// Calls `target` with [`RUNS`] inputs made from `seeds`, each with its number; `pieces` are strings worth putting in.
fn run(target: fn(u64, &[u8]) -> Result<(), String>, seeds: &[&[u8]], pieces: &[&str]) {
    for run in 0..RUNS {
        let input = changed(&mut fastrand::Rng::with_seed(run), seeds, pieces);
        let outcome = std::panic::catch_unwind(|| target(run, &input));
        let broken = outcome.unwrap_or_else(|_| Err("it panicked".to_owned()));
        assert_eq!(broken, Ok(()), "run {run}: {}", input.escape_ascii());
    }
}

fn changed(random: &mut fastrand::Rng, seeds: &[&[u8]], pieces: &[&str]) -> Vec<u8> {
    let mut input = random.choice(seeds).map(|seed| seed.to_vec()).unwrap_or_default();
    for _ in 0..random.usize(0..=MAX_CHANGES) {
        let at = random.usize(0..=input.len());
        let end = (at + random.usize(0..8)).min(input.len());
        match random.u8(0..6) {
            0 => _ = input.splice(at..end, []),
            1 => _ = input.splice(at..end, [random.u8(..)]),
            2 => input.truncate(at),
            3 => {
                let piece = input.get(at..end).unwrap_or_default().to_vec();
                let to = random.usize(0..=input.len());
                input.splice(to..to, piece);
            }
            _ => _ = input.splice(at..at, random.choice(pieces).copied().unwrap_or_default().bytes()),
        }
    }
    input
}
