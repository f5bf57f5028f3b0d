//! Changes some spans of a body and leaves every other byte as it was sent.

use smallvec::SmallVec;

use super::scan::{Text, first_char};

/// A range of bytes in a body: `start` is the first one, `end` the one after the last.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    /// These bytes of `body`; empty where the span is not inside it.
    pub fn of<'a>(&self, body: &'a [u8]) -> &'a [u8] {
        body.get(self.start..self.end).unwrap_or_default()
    }

    pub fn len(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The body with `span` replaced. A span that is not inside the body replaces nothing.
pub fn splice(body: &[u8], span: Span, replacement: &[u8]) -> Vec<u8> {
    let (Some(before), Some(after)) = (body.get(..span.start), body.get(span.end.max(span.start)..)) else {
        return body.to_vec();
    };
    let mut spliced = Vec::with_capacity(before.len() + replacement.len() + after.len());
    spliced.extend_from_slice(before);
    spliced.extend_from_slice(replacement);
    spliced.extend_from_slice(after);
    spliced
}

/// What of a body is replaced, and by what. The body itself is not in it: whoever has it writes it out in pieces,
/// straight to where it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Edits(SmallVec<[(Span, Vec<u8>); 1]>);

impl Edits {
    /// Nothing is replaced: the body is as it came.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts `new` in the place of `span`. Where spans overlap the one that begins first is replaced, the shorter one
    /// of two; one that is not inside the body replaces nothing.
    pub fn replace(&mut self, span: Span, new: Vec<u8>) {
        let order = |span: &Span| (span.start, span.end);
        let at = self.0.partition_point(|(other, _)| order(other) <= order(&span));
        self.0.insert(at, (span, new));
    }

    /// The edited `body`, in pieces.
    pub fn pieces<'a>(&'a self, body: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + Clone {
        let rest = (Span { start: body.len(), end: body.len() }, &b""[..]);
        let edits = self.0.iter().map(|(span, new)| (*span, &**new)).chain([rest]);
        let mut done = 0;
        let around = move |(span, new): (Span, &'a [u8])| {
            let end = span.end.max(span.start);
            let before = body.get(done..span.start).filter(|_| end <= body.len())?;
            done = end;
            Some([before, new])
        };
        edits.filter_map(around).flatten()
    }

    /// Length of the edited `body`.
    pub fn len(&self, body: &[u8]) -> usize {
        self.pieces(body).map(<[u8]>::len).sum()
    }

    /// The edited `body`, in one piece.
    pub fn apply(&self, body: &[u8]) -> Vec<u8> {
        let mut edited = Vec::with_capacity(self.len(body));
        self.pieces(body).for_each(|piece| edited.extend_from_slice(piece));
        edited
    }
}

impl Extend<(Span, Vec<u8>)> for Edits {
    fn extend<I: IntoIterator<Item = (Span, Vec<u8>)>>(&mut self, edits: I) {
        edits.into_iter().for_each(|(span, new)| self.replace(span, new));
    }
}

impl FromIterator<(Span, Vec<u8>)> for Edits {
    fn from_iter<I: IntoIterator<Item = (Span, Vec<u8>)>>(edits: I) -> Self {
        let mut all = Self::default();
        all.extend(edits);
        all
    }
}

/// Where `prefix` stands inside the string `text`, however it is escaped; none if the string does not start with it.
///
/// `text` was read from `body`.
pub fn prefix_span(body: &[u8], text: &Text<'_>, prefix: &str) -> Option<Span> {
    let start = text.span.start + 1;
    let inner = str::from_utf8(body.get(start..text.span.end.checked_sub(1)?)?).ok()?;
    let mut len = 0;
    for letter in prefix.chars() {
        let (first, bytes) = first_char(inner.get(len..)?)?;
        if first != letter {
            return None;
        }
        len += bytes;
    }
    Some(Span { start, end: start + len })
}

/// The body with `prefix` taken off the string `text`, every other byte unchanged; none if the string does not
/// start with it. `text` was read from `body`.
pub fn without_prefix(body: &[u8], text: &Text<'_>, prefix: &str) -> Option<Vec<u8>> {
    prefix_span(body, text, prefix).map(|span| splice(body, span, b""))
}

/// The body with `prefix` put before what the string `text` says, every other byte unchanged.
pub fn with_prefix(body: &[u8], text: &Text<'_>, prefix: &str) -> Vec<u8> {
    let at = text.span.start + 1;
    let mut escaped = Vec::with_capacity(prefix.len());
    push_escaped(&mut escaped, prefix);
    splice(body, Span { start: at, end: at }, &escaped)
}

/// `text` as a JSON string, with the quotes.
pub fn quoted(text: &str) -> Vec<u8> {
    let mut json = Vec::with_capacity(text.len() + 2);
    json.push(b'"');
    push_escaped(&mut json, text);
    json.push(b'"');
    json
}

/// What RFC 8259 section 7 says must be escaped is, and nothing else.
fn push_escaped(json: &mut Vec<u8>, text: &str) {
    for &byte in text.as_bytes() {
        match byte {
            b'"' | b'\\' => json.extend([b'\\', byte]),
            0..0x20 => json.extend(format!("\\u{byte:04x}").bytes()),
            _ => json.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mcp::scan::scan;

    fn call(name: &str) -> Vec<u8> {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{name},"arguments":{{}}}}}}"#
        )
        .into_bytes()
    }

    fn stripped(name: &str, prefix: &str) -> Option<String> {
        let body = call(name);
        let text = scan(&body).unwrap().params.name.unwrap();
        without_prefix(&body, &text, prefix).map(|body| {
            let text = scan(&body).unwrap().params.name.unwrap();
            String::from_utf8(text.span.of(&body).to_vec()).unwrap()
        })
    }

    #[test]
    fn a_prefix_is_taken_off_however_it_is_escaped() {
        for (name, prefix, left) in [
            (r#""github_get_me""#, "github_", Some(r#""get_me""#)),
            (r#""\u0067ithub_get\u005fme""#, "github_", Some(r#""get\u005fme""#)),
            (r#""github\u005F""#, "github_", Some(r#""""#)),
            (r#""a\/b""#, "a/", Some(r#""b""#)),
            (r#""\ud83d\ude00_x""#, "\u{1F600}_", Some(r#""x""#)),
            (r#""é_x""#, "é_", Some(r#""x""#)),
            (r#""x""#, "", Some(r#""x""#)),
            (r#""github-get_me""#, "github_", None),
            (r#""github""#, "github_", None),
            (r#""""#, "github_", None),
        ] {
            assert_eq!(stripped(name, prefix).as_deref(), left, "{name} without {prefix}");
        }
    }

    #[test]
    fn a_span_outside_the_body_changes_nothing() {
        for (start, end) in [(4, 5), (2, 9), (usize::MAX, usize::MAX)] {
            assert_eq!(splice(b"abc", Span { start, end }, b"x"), b"abc");
            assert_eq!(Span { start, end }.of(b"abc"), b"");
        }
        assert_eq!(splice(b"abc", Span { start: 2, end: 1 }, b"x"), b"abxc");
        let edit = |start, end| (Span { start, end }, b"x".to_vec());
        let edited = |edits: [(Span, Vec<u8>); 4]| Edits::from_iter(edits).apply(b"abc");
        assert_eq!(edited([edit(9, 10), edit(2, 9), edit(1, 2), edit(0, 2)]), b"xc");
        let (far, odd) = (edit(usize::MAX, usize::MAX), edit(4, 2));
        assert_eq!(edited([far, edit(3, 3), odd, edit(1, 1)]), b"axbcx");
        assert_eq!(Edits::default().apply(b"abc"), b"abc");
    }

    #[test]
    fn every_ascii_character_is_quoted_so_that_it_reads_back() {
        let text: String = ('\0'..='\u{7F}').collect();
        assert_eq!(serde_json::from_slice::<String>(&quoted(&text)).unwrap(), text);
    }

    proptest! {
        #[test]
        fn a_splice_changes_only_its_span(body: Vec<u8>, a: prop::sample::Index, b: prop::sample::Index, new: Vec<u8>) {
            let (a, b) = (a.index(body.len() + 1), b.index(body.len() + 1));
            let span = Span { start: a.min(b), end: a.max(b) };
            let spliced = splice(&body, span, &new);
            prop_assert_eq!(spliced.len(), body.len() - span.len() + new.len());
            prop_assert_eq!(&spliced[..span.start], &body[..span.start]);
            prop_assert_eq!(&spliced[span.start..span.start + new.len()], &new[..]);
            prop_assert_eq!(&spliced[span.start + new.len()..], &body[span.end..]);
        }

        #[test]
        fn many_edits_at_once_are_the_same_edits_one_by_one_from_the_end(
            body: Vec<u8>,
            ends in prop::collection::btree_set(0usize..40, 0..8),
            new: [Vec<u8>; 4],
        ) {
            let ends: Vec<usize> = ends.into_iter().filter(|end| *end <= body.len()).collect();
            let spans = ends.chunks_exact(2).map(|pair| Span { start: pair[0], end: pair[1] });
            let mut edits: Vec<_> = spans.zip(new).collect();
            let one_by_one = edits.iter().rev().fold(body.clone(), |body, (span, new)| splice(&body, *span, new));
            edits.reverse();
            let edits = Edits::from_iter(edits);
            prop_assert_eq!(edits.len(&body), one_by_one.len());
            prop_assert_eq!(edits.apply(&body), one_by_one);
        }

        #[test]
        fn a_prefix_put_on_comes_off_again(prefix: String, name: String) {
            let json = serde_json::to_string(&name).unwrap();
            let body = call(&json);
            let prefixed = with_prefix(&body, &scan(&body).unwrap().params.name.unwrap(), &prefix);
            let text = scan(&prefixed).unwrap().params.name.unwrap();
            prop_assert_eq!(&*text.value, format!("{prefix}{name}"));
            prop_assert_eq!(without_prefix(&prefixed, &text, &prefix), Some(body));
        }

        #[test]
        fn a_quoted_text_is_read_back(text: String) {
            prop_assert_eq!(serde_json::from_slice::<String>(&quoted(&text)).unwrap(), text);
        }
    }
}
