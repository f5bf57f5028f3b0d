//! The scanner on what only some messages carry, and on ways into a value.

use super::*;

fn request(params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{params}}}"#)
}

#[test]
fn what_progress_logs_and_tasks_are_read_by_is_found() {
    let body = request(
        r#"{"task":{"ttl":1.0},"progressToken":"\u0061","level":"info","mode":"url","logger":null,"taskId":"t",
        "_meta":{"progressToken":7,"io.modelcontextprotocol/related-task":{"x":1,"taskId":"t\u0032"}}}"#,
    );
    let params = scan(body.as_bytes()).unwrap().params;
    let said = |text: Option<Text<'_>>| text.map(|text| text.value.into_owned());
    let spelled = |span: Option<Span>| span.map(|span| str::from_utf8(span.of(body.as_bytes())).unwrap());
    let spelled_id = |id: Option<Id<'_>>| spelled(id.unwrap().span_in(body.as_bytes()));
    assert_eq!(spelled(params.task), Some(r#"{"ttl":1.0}"#));
    assert_eq!(spelled(params.logger), Some("null"));
    assert_eq!(spelled_id(params.progress_token), Some(r#""\u0061""#));
    assert_eq!(spelled_id(params.meta.progress_token), Some("7"));
    assert_eq!(said(params.level).as_deref(), Some("info"));
    assert_eq!(said(params.mode).as_deref(), Some("url"));
    assert_eq!(said(params.meta.related_task).as_deref(), Some("t2"));
    assert_eq!(said(params.task_id).as_deref(), Some("t"));
}

#[test]
fn what_other_methods_may_use_in_another_way_is_no_fault() {
    for params in [
        r#"{"level":1,"mode":[],"logger":{}}"#,
        r#"{"_meta":{"io.modelcontextprotocol/related-task":7}}"#,
        r#"{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":7}}}"#,
    ] {
        let body = request(params);
        let params = scan(body.as_bytes()).unwrap().params;
        assert_eq!((params.level, params.mode, params.meta.related_task), (None, None, None));
    }
}

#[test]
fn an_id_is_found_in_its_own_body_only() {
    let body = r#"{"jsonrpc":"2.0","id": 17 ,"method":"ping"}"#;
    let id = scan(body.as_bytes()).unwrap().id.unwrap();
    assert_eq!(id.span_in(body.as_bytes()), Some(Span { start: 23, end: 25 }));
    let copy = body.to_owned();
    assert_eq!(id.span_in(copy.as_bytes()), None);
    assert_eq!(id.span_in(&body.as_bytes()[..24]), None);
    assert_eq!(id.span_in(&body.as_bytes()[24..]), None);
}

#[test]
fn values_are_found_by_the_way_that_leads_to_them() {
    use Step::{Each, Key};
    let json = br#" {"a":[{"u":1},{"u" : "x","v":[2]},[{"u":3}],4],"\u0061":[{"u":{}}],"b":{"u":5,"u":6},"u":null} "#;
    let found = |ways: &[&[Step]]| -> Vec<(usize, String)> {
        let spelled = |place: Place| (place.way, String::from_utf8(place.span.of(json).to_vec()).unwrap());
        places(json, ways).unwrap().into_iter().map(spelled).collect()
    };
    let expect = |ways: &[&[Step]], expected: &[(usize, &str)]| {
        assert!(
            found(ways).iter().map(|(way, text)| (*way, &**text)).eq(expected.iter().copied()),
            "{ways:?}"
        );
    };
    expect(&[&[Key("a"), Each, Key("u")]], &[(0, "1"), (0, "\"x\""), (0, "{}")]);
    expect(&[&[Key("b"), Key("u")], &[Key("u")]], &[(0, "5"), (0, "6"), (1, "null")]);
    expect(&[&[Key("a"), Each, Each, Key("u")], &[Key("a"), Each, Each]], &[(0, "3"), (1, "{\"u\":3}")]);
    expect(
        &[&[Each], &[Key("a"), Key("u")], &[Key("u"), Key("u")], &[]],
        &[(3, str::from_utf8(json).unwrap().trim())],
    );
    for broken in [&b"{\"a\":[{\"u\":1}"[..], b"{} {}", b"{\"a\":[1,]}", b"\xFF"] {
        assert!(places(broken, &[&[Key("a"), Each, Key("u")]]).is_err(), "{broken:?}");
    }
}

#[test]
fn a_place_says_what_its_string_does() {
    let body = br#"{"u":"\u0061b","n":1}"#;
    let at = |start, end| text(body, Span { start, end }).map(|text| (text.span, text.value.into_owned()));
    assert_eq!(at(5, 14), Some((Span { start: 5, end: 14 }, "ab".to_owned())));
    for (start, end) in [(19, 20), (5, 13), (5, 15), (4, 14), (90, 99)] {
        assert_eq!(at(start, end), None, "{start} to {end}");
    }
}
