//! Which URIs a template stands for.

use proptest::prelude::*;

use crate::routing::{template::UriTemplate, uri::MAX_URI};

fn matches(template: &str, uri: &str) -> bool {
    UriTemplate::parse(template).unwrap_or_else(|| panic!("{template}")).matches(uri)
}

#[test]
fn a_template_matches_what_it_expands_to() {
    // RFC 6570 section 3.2, with its own variables
    for (template, uri) in [
        ("{var}", "value"),
        ("{hello}", "Hello%20World%21"),
        ("map?{x,y}", "map?1024,768"),
        ("{x,hello,y}", "1024,Hello%20World%21,768"),
        ("{var:3}", "val"),
        ("{var:30}", "value"),
        ("{list}", "red,green,blue"),
        ("{keys*}", "semi=%3B,dot=.,comma=%2C"),
        ("{+path}/here", "/foo/bar/here"),
        ("here?ref={+path}", "here?ref=/foo/bar"),
        ("up{+path}{var}/here", "up/foo/barvalue/here"),
        ("{+path:6}/here", "/foo/b/here"),
        ("{#x,hello,y}", "#1024,Hello%20World!,768"),
        ("foo{#empty}", "foo#"),
        ("foo{#undef}", "foo"),
        ("www{.dom*}", "www.example.com"),
        ("X{.x,y}", "X.1024.768"),
        ("{/who}", "/fred"),
        ("{/var,x}/here", "/value/1024/here"),
        ("{/list*,path:4}", "/red/green/blue/%2Ffoo"),
        ("{;x,y,empty}", ";x=1024;y=768;empty"),
        ("{;hello:5}", ";hello=Hello"),
        ("{?x,y}", "?x=1024&y=768"),
        ("{?undef}", ""),
        ("?fixed=yes{&x}", "?fixed=yes&x=1024"),
        ("file:///{+path}", "file:///a/b/c.txt"),
        ("file:///{a}/{b}.md", "file:///x/y.z.md"),
        ("test://template/{id}/data", "test://template/123/data"),
        ("{word:1}", "%C3%A9"),
        ("x/{a}/y/{b}", "x/y/y/y"),
        ("{+a}/x/{b}", "/x/y/x/z"),
        ("db://{table}", "db://a:b@c"),
        ("plain", "plain"),
        ("", ""),
    ] {
        assert!(matches(template, uri), "{template} {uri}");
    }
}

#[test]
fn a_template_does_not_match_what_it_never_expands_to() {
    for (template, uri) in [
        ("{var}", "a/b"),
        ("{var}", "a?b"),
        ("{var:3}", "valu"),
        ("{word:1}", "%C3%A9%C3%A9"),
        ("www{.dom}", "www/x"),
        ("{/who}", "fred"),
        ("{/who}", "/a/b"),
        ("a{?x}", "a&x=1"),
        ("a{?x}", "a?x=1#y"),
        ("a{#x}", "ax"),
        ("file:///{+path}", "file://a"),
        ("file:///{a}/x", "file:///a/b/x"),
        ("test://t/{id}/data", "test://t/1/data/"),
        ("plain", "plainer"),
        ("plain", "plai"),
        ("", "x"),
    ] {
        assert!(!matches(template, uri), "{template} {uri}");
    }
}

#[test]
fn what_is_no_template_is_told_apart() {
    for wrong in [
        "{", "}", "a}b", "{}", "{+}", "{a{b}}", "{=x}", "{!x}", "{|x}", "{a b}", "{a:0}", "{a:x}", "{a:9*}",
        "{a,}",
    ] {
        assert_eq!(UriTemplate::parse(wrong), None, "{wrong}");
    }
    assert!(UriTemplate::parse(&"{a}".repeat(UriTemplate::MAX_EXPRESSIONS)).is_some());
    assert_eq!(UriTemplate::parse(&"{a}".repeat(UriTemplate::MAX_EXPRESSIONS + 1)), None);
    assert_eq!(UriTemplate::parse(&"a".repeat(UriTemplate::MAX_BYTES + 1)), None);
    assert!(matches("{+x}", &"a".repeat(MAX_URI)) && !matches("{+x}", &"a".repeat(MAX_URI + 1)));
}

/// The slow way, from the definition: some split of the URI gives each part its own.
fn could_be(template: &str, uri: &str) -> bool {
    let Some((literal, rest)) = template.split_once('{') else { return template == uri };
    let Some(uri) = uri.strip_prefix(literal) else { return false };
    let (expression, rest) = rest.split_once('}').unwrap();
    (0..=uri.len()).any(|end| {
        let (value, after) = uri.split_at(end);
        let without = |excluded: &str| !value.contains(|letter| excluded.contains(letter));
        let takes = match expression.as_bytes()[0] {
            b'+' => true,
            b'#' => value.is_empty() || value.starts_with('#'),
            b'/' => {
                value.is_empty()
                    || value.strip_prefix('/').is_some_and(|value| !value.contains(['/', '?', '#']))
            }
            b'?' => value.is_empty() || value.starts_with('?') && without("#"),
            _ => {
                without("/?#")
                    && expression.split_once(':').is_none_or(|(_, most)| end <= most.parse().unwrap())
            }
        };
        takes && could_be(rest, after)
    })
}

proptest! {
    #[test]
    fn the_fast_matcher_agrees_with_the_definition(
        template in r"([a/?]|\{[+#/?]?x\}|\{x:2\}){0,6}",
        uri in "[a/?#]{0,9}",
    ) {
        prop_assert_eq!(matches(&template, &uri), could_be(&template, &uri), "{} {}", template, uri);
    }

    #[test]
    fn any_text_can_be_read_and_matched(template: String, braces in r"[{}+#./;?&*:,a0é]{0,20}", uri: String) {
        for text in [template, braces] {
            let _: Option<bool> = UriTemplate::parse(&text).map(|template| template.matches(&uri));
        }
    }
}

#[test]
fn a_uri_that_climbs_is_no_templates() {
    for uri in ["f:/a/../b", "f:/a/..", "f:/a/%2E%2e/b", "f:/a/..%2Fb", "f:/a\\..\\b", "../x"] {
        assert!(crate::routing::uri::climbs(uri), "{uri}");
    }
    for uri in ["f:/a/...", "f:/a..b/c", "f:/a/.b", "f:/a?b=.."] {
        assert!(!crate::routing::uri::climbs(uri), "{uri}");
    }
}
