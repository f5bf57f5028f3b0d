//! Bodies in pieces: what goes on, when, and that the cuts change nothing.

use proptest::prelude::*;

use super::{
    message_tests::{ALL, origin},
    *,
};
use crate::exchange::tests::PlainTokens;

const ELICITATION: &str = r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}}"#;
const ELICITATION_CHANGED: &str =
    r#"{"jsonrpc":"2.0","id":"Request|7|mcp-test/github|1","method":"elicitation/create","params":{}}"#;

fn stream(bits: u32, has_event_ids: bool) -> Rewriter {
    Rewriter::new(origin(bits, has_event_ids), Form::EventStream)
}

/// The whole body, cut after each of `cuts` bytes in turn (the last size to the end).
fn fed(rewriter: &mut Rewriter, body: &[u8], cuts: &[usize]) -> Rewritten {
    let (mut all, mut rest) = (Rewritten::default(), body);
    let mut sizes = cuts.iter().copied().chain(std::iter::repeat(cuts.last().copied().unwrap_or(usize::MAX)));
    loop {
        let piece;
        (piece, rest) = rest.split_at(sizes.next().unwrap().max(1).min(rest.len()));
        let Rewritten { body, refused } = rewriter.piece(piece, rest.is_empty(), &PlainTokens);
        all.body.extend(body);
        all.refused.extend(refused);
        if rest.is_empty() {
            return all;
        }
    }
}

fn whole(mut rewriter: Rewriter, body: &str) -> (String, Vec<Vec<u8>>) {
    let Rewritten { body, refused } = fed(&mut rewriter, body.as_bytes(), &[]);
    (String::from_utf8(body).unwrap(), refused)
}

#[test]
fn events_that_need_no_change_go_on_byte_for_byte() {
    for body in [
        "",
        "\n",
        ": hello\r\n\r\nretry:5\r\nid: 9\r\ndata:\r\n\r\n:\n\n",
        "\u{FEFF}event: message\rdata: {\"jsonrpc\":\"2.0\",\r: in between\rdata:\"id\":1,\"result\":{}}\r\rdata: x",
        "other: 1\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n\n\n",
    ] {
        assert_eq!(whole(stream(0, false), body), (body.to_owned(), vec![]));
    }
}

#[test]
fn only_the_data_of_a_changed_event_is_written_anew() {
    let (first, rest) = ELICITATION.split_at(17);
    let (first_changed, rest_changed) = ELICITATION_CHANGED.split_at(17);
    for (body, expected) in [
        (
            format!("event: message\r\nid: 7\r\ndata: {ELICITATION}\r\nretry: 5\r\n\r\n"),
            format!("event: message\r\nid: 7\r\ndata: {ELICITATION_CHANGED}\r\nretry: 5\r\n\r\n"),
        ),
        (
            format!("data:{first}\rx: y\rdata: {rest}\r\r"),
            format!("data: {first_changed}\rdata: {rest_changed}\rx: y\r\r"),
        ),
        (format!("\u{FEFF}data: {ELICITATION}\n\n"), format!("\u{FEFF}data: {ELICITATION_CHANGED}\n\n")),
        (format!("data: {ELICITATION}"), format!("data: {ELICITATION_CHANGED}\n")),
    ] {
        assert_eq!(whole(stream(ALL, false), &body), (expected, vec![]));
    }
}

#[test]
fn the_events_of_a_server_that_numbers_them_get_aliases() {
    let body = "id: 0\ndata:\n\n: x\nid\ndata: x\n\nid:a b\r\nevent: ping\r\n\r\nid: a\0b\n\nretry: 1\n\n";
    let expected = "id: Event|7|mcp-test/github|0\ndata:\n\n: x\nid\ndata: x\n\n\
                    id: Event|7|mcp-test/github|a b\r\nevent: ping\r\n\r\nid: a\0b\n\nretry: 1\n\n";
    assert_eq!(whole(stream(0, true), body), (expected.to_owned(), vec![]));
    assert_eq!(whole(stream(0, false), body), (body.to_owned(), vec![]));
}

#[test]
fn a_refused_request_leaves_its_place_in_the_stream() {
    let body = format!("data: 1\n\nid: 3\ndata: {ELICITATION}\n\ndata: {ELICITATION}\n\ndata: 2\n\n");
    let (body, refused) = whole(stream(0, true), &body);
    assert_eq!(body, "data: 1\n\nid: Event|7|mcp-test/github|3\ndata: \n\ndata: 2\n\n");
    assert_eq!(refused.len(), 2);
    assert!(refused.iter().all(|answer| answer.starts_with(br#"{"jsonrpc":"2.0","id":1,"error":"#)));
}

#[test]
fn nothing_but_an_event_under_way_is_held_back() {
    let mut rewriter = stream(ALL, false);
    let mut went_on =
        |piece: &str| String::from_utf8(rewriter.piece(piece.as_bytes(), false, &PlainTokens).body).unwrap();
    assert_eq!(went_on(": keep"), ": keep");
    assert_eq!(went_on("-alive\n"), "-alive\n");
    assert_eq!(went_on("\n:\n"), "\n:\n");
    assert_eq!(went_on("data: 1\n"), "");
    assert_eq!(went_on("\nda"), "data: 1\n\n");
    assert_eq!(went_on("ta: 2\r\r"), "data: 2\r\r");
    assert_eq!(went_on("\n"), "\n");
    assert_eq!(went_on(":\n"), ":\n");
}

#[test]
fn requests_without_an_answer_are_remembered_up_to_a_limit() {
    let alias = |id: usize| format!("Request|7|mcp-test/github|{id}");
    let ping = |id: usize| format!("data: {{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\"}}\n\n");
    let mut rewriter = stream(0, false);
    let cancelled = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}"#;
    let body = format!("{}{}{}{}data: {cancelled}\n\n", ping(1), ping(2), ping(3), ping(1));
    fed(&mut rewriter, body.as_bytes(), &[7]);
    assert_eq!(rewriter.open_requests(), [alias(3), alias(1)]);
    let body: String = (100..100 + MAX_OPEN_REQUESTS).map(ping).collect();
    fed(&mut rewriter, body.as_bytes(), &[100]);
    assert!(rewriter.open_requests().iter().cloned().eq((100..100 + MAX_OPEN_REQUESTS).map(alias)));
    assert!(!rewriter.saw_response());
    fed(&mut rewriter, b"data: {\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{}}\n\n", &[]);
    assert!(rewriter.saw_response());
}

#[test]
fn a_json_body_goes_on_when_it_is_whole() {
    let json = |bits| Rewriter::new(origin(bits, true), Form::Json);
    let mut rewriter = json(0);
    let body = br#" {"jsonrpc":"2.0","id":1,"result":{"taskId":"t"}}"#;
    assert_eq!(rewriter.piece(&body[..9], false, &PlainTokens), Rewritten::default());
    let changed = rewriter.piece(&body[9..], true, &PlainTokens).body;
    assert_eq!(changed, br#" {"jsonrpc":"2.0","id":1,"result":{"taskId":"Task|7|mcp-test/github|t"}}"#);
    assert!(rewriter.saw_response());
    assert_eq!(whole(json(0), "data: x"), ("data: x".to_owned(), vec![]));
    assert_eq!(whole(json(ALL), ELICITATION), (ELICITATION_CHANGED.to_owned(), vec![]));
    let (body, refused) = whole(json(0), ELICITATION);
    assert_eq!((&*body, refused.len()), ("", 1));
}

#[test]
fn an_event_over_the_limit_goes_on_as_it_comes() {
    let image = "x".repeat(5 * MAX_HELD_EVENT);
    let result = |image: &str| {
        format!(
            "event: message\r\nid: 1\r\ndata: {{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"{image}\"}}\r\nid: 2\r\n\r\n"
        )
    };
    let body = format!("{}id: 3\ndata: {ELICITATION}\n\n", result(&image));
    let expected = format!(
        "{}id: Event|7|mcp-test/github|3\ndata: {ELICITATION_CHANGED}\n\n",
        result(&image).replace("id: 1\r", "id: Event|7|mcp-test/github|1\r"),
    );
    for cuts in [&[][..], &[70_001]] {
        let mut rewriter = stream(ALL, true);
        let done = fed(&mut rewriter, body.as_bytes(), cuts);
        assert!(done.body == expected.as_bytes(), "cut by {cuts:?}");
        assert_eq!((done.refused.len(), rewriter.open_requests().len()), (0, 1));
    }
}

#[test]
fn an_event_that_just_fits_is_still_read() {
    let event = format!("data: {ELICITATION}\n\n");
    let (mut fits, mut too_long) = (stream(0, false), stream(0, false));
    fits.limit = event.len();
    too_long.limit = event.len() - 1;
    assert_eq!(fed(&mut fits, event.as_bytes(), &[]).refused.len(), 1);
    let done = fed(&mut too_long, event.as_bytes(), &[9]);
    assert_eq!((done.body, done.refused.len()), (event.into_bytes(), 0));
    let comment = vec![b':'; MAX_HELD_EVENT + 1];
    assert_eq!(fed(&mut stream(0, false), &comment, &[70_000]).body, comment);
}

#[test]
fn nothing_is_held_of_what_is_over_the_limit() {
    for (form, first) in [(Form::EventStream, "data: 123"), (Form::Json, r#"{"a":"123"#)] {
        let mut rewriter = Rewriter::new(origin(ALL, true), form);
        rewriter.limit = 9;
        assert_eq!(rewriter.piece(first.as_bytes(), false, &PlainTokens).body, b"");
        assert_eq!(rewriter.piece(b"4", false, &PlainTokens).body, [first.as_bytes(), b"4"].concat());
        for piece in ["5", "678901234567890", "}"] {
            assert_eq!(rewriter.piece(piece.as_bytes(), false, &PlainTokens).body, piece.as_bytes());
        }
        assert_eq!(rewriter.piece(b"", true, &PlainTokens), Rewritten::default());
    }
}

#[test]
fn a_json_body_over_the_limit_goes_on_as_it_comes() {
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"taskId":"{}"}}}}"#, "x".repeat(MAX_HELD_JSON));
    for cuts in [&[][..], &[70_001]] {
        let done = fed(&mut Rewriter::new(origin(0, false), Form::Json), body.as_bytes(), cuts);
        assert!(done.body == body.as_bytes() && done.refused.is_empty(), "cut by {cuts:?}");
    }
}

/// Lines that make up events, and what is nearly one.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(String::new()),
        2 => Just(format!("data: {ELICITATION}")),
        2 => "(id|data|event|retry|x)?:? ?[a-c0-9]{0,4}",
        1 => Just(r#"data:{"jsonrpc":"2.0","id":"#.to_owned()),
        1 => Just(r#"data: 7,"method":"ping"}"#.to_owned()),
        1 => Just(r#"data: {"jsonrpc":"2.0","id":1,"result":{"taskId":"t"}}"#.to_owned()),
        1 => Just(": x".to_owned()),
        1 => Just("\u{FEFF}".to_owned()),
    ]
}

proptest! {
    #[test]
    fn how_a_body_is_cut_changes_nothing(
        lines in prop::collection::vec(line(), 0..16),
        ends in prop::collection::vec(prop::sample::select(vec!["\n", "\r", "\r\n"]), 16),
        cuts in prop::collection::vec(1usize..30, 1..9),
        bits in prop::sample::select(vec![0, ALL]),
        has_event_ids: bool,
        limit in prop::sample::select(vec![1, 2, 9, 40, 80, MAX_HELD_EVENT]),
    ) {
        let body: String = lines.iter().zip(ends).flat_map(|(line, end)| [line, end]).collect();
        let run = |cuts: &[usize]| {
            let mut rewriter = stream(bits, has_event_ids);
            rewriter.limit = limit;
            let done = fed(&mut rewriter, body.as_bytes(), cuts);
            (done, rewriter.open_requests().to_vec(), rewriter.saw_response())
        };
        prop_assert_eq!(run(&cuts), run(&[]));
    }

    #[test]
    fn events_that_fit_are_rewritten_whatever_stands_between_them(
        lens in prop::collection::vec(0usize..200, 1..6),
        limit in 70usize..120,
        cuts in prop::collection::vec(1usize..30, 1..9),
    ) {
        let event = format!("data: {ELICITATION}\n\n");
        let long = |len: &usize| format!("x: {}\ndata: {}\n\n", "y".repeat(*len), "z".repeat(*len));
        let mut rewriter = stream(ALL, false);
        rewriter.limit = limit.max(event.len());
        let between: Vec<String> = lens.iter().map(long).collect();
        let body: String = between.iter().flat_map(|long| [long, &event]).map(String::as_str).collect();
        let changed = format!("data: {ELICITATION_CHANGED}\n\n");
        let expected: String = between.iter().flat_map(|long| [long, &changed]).map(String::as_str).collect();
        let done = fed(&mut rewriter, body.as_bytes(), &cuts);
        prop_assert_eq!(String::from_utf8(done.body).unwrap(), expected);
    }

    #[test]
    fn any_bytes_go_on_as_they_are(
        body: Vec<u8>,
        cuts in prop::collection::vec(1usize..9, 1..9),
        limit in prop::sample::select(vec![1, 5, MAX_HELD_EVENT]),
    ) {
        for form in [Form::EventStream, Form::Json] {
            let mut rewriter = Rewriter::new(origin(0, false), form);
            rewriter.limit = limit;
            prop_assert_eq!(&fed(&mut rewriter, &body, &cuts).body, &body);
        }
    }
}
