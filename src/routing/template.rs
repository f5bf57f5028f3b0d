//! Which URIs a template (RFC 6570) can become.
//!
//! As readers of servers match, not as strictly as a writer must expand: a variable is any text that does not leave
//! its part of the URI, and the names in a query are not compared. What decides in the end is the server itself.

use super::uri::MAX_URI;

/// A template, read once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UriTemplate {
    /// A literal first and last, and between each two expressions.
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Box<[u8]>),
    /// `{...}`; nothing where its variables are not defined.
    Expression {
        /// What stands before the first value.
        lead: Option<u8>,
        takes: Takes,
        /// Characters that a value is cut to.
        most: Option<usize>,
    },
}

/// The bytes that an expression can become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    /// All but `/`, `?` and `#`.
    Segment,
    /// All but `?` and `#`.
    Path,
    /// All but `#`.
    Query,
    All,
}

impl Takes {
    fn takes(self, byte: u8) -> bool {
        match self {
            Self::Segment => !matches!(byte, b'/' | b'?' | b'#'),
            Self::Path => !matches!(byte, b'?' | b'#'),
            Self::Query => byte != b'#',
            Self::All => true,
        }
    }
}

impl UriTemplate {
    /// Longest template that is read, in bytes.
    pub(super) const MAX_BYTES: usize = 1024;
    /// Expressions in one template.
    pub(super) const MAX_EXPRESSIONS: usize = 16;

    /// Reads a template of any level; `None`: not a template, or over a limit.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() > Self::MAX_BYTES {
            return None;
        }
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((literal, after)) = rest.split_once('{') {
            let (expression, after) = after.split_once('}')?;
            parts.extend([literal_part(literal)?, expression_part(expression)?]);
            rest = after;
        }
        parts.push(literal_part(rest)?);
        let expressions = parts.iter().filter(|part| matches!(part, Part::Expression { .. })).count();
        (expressions <= Self::MAX_EXPRESSIONS).then_some(Self { parts })
    }

    /// Whether `uri` can be what the template became. Takes time in the length of `uri` for each part.
    pub(super) fn matches(&self, uri: &str) -> bool {
        let Some((Part::Literal(first), others)) = self.parts.split_first() else { return false };
        let Some(uri) = uri.as_bytes().strip_prefix(&**first).filter(|_| uri.len() <= MAX_URI) else {
            return false;
        };
        let mut ends = vec![false; uri.len() + 1];
        if let Some(start) = ends.first_mut() {
            *start = true;
        }
        for part in others {
            ends = part.ends(uri, &ends);
        }
        ends.last().is_some_and(|end| *end)
    }
}

impl Part {
    /// Where this part can end in `uri` when it begins at one of `starts`.
    fn ends(&self, uri: &[u8], starts: &[bool]) -> Vec<bool> {
        match self {
            Self::Literal(literal) if literal.is_empty() => starts.to_vec(),
            Self::Literal(literal) => {
                let mut ends = vec![false; starts.len()];
                for at in starts.iter().enumerate().filter_map(|(at, start)| start.then_some(at)) {
                    if uri.get(at..).is_some_and(|rest| rest.starts_with(literal))
                        && let Some(end) = ends.get_mut(at + literal.len())
                    {
                        *end = true;
                    }
                }
                ends
            }
            Self::Expression { lead: None, takes, most } => runs(uri, starts, *takes, *most),
            Self::Expression { lead: Some(lead), takes, most } => {
                let led = std::iter::once(false)
                    .chain(uri.iter().zip(starts).map(|(byte, start)| *start && byte == lead));
                let ends = runs(uri, &led.collect::<Vec<_>>(), *takes, *most);
                ends.iter().zip(starts).map(|(end, start)| *end || *start).collect()
            }
        }
    }
}

/// Where a run of bytes can end that begins at one of `starts` and has `most` characters.
fn runs(uri: &[u8], starts: &[bool], takes: Takes, most: Option<usize>) -> Vec<bool> {
    // characters since the nearest start; absent: no run goes on here
    let mut length: Option<usize> = None;
    let step = |(at, start): (usize, &bool)| {
        let before = at.checked_sub(1).and_then(|before| uri.get(before).map(|byte| (before, *byte)));
        length = match (length, before) {
            _ if *start => Some(0),
            (Some(length), Some((at, byte))) if takes.takes(byte) => {
                Some(length + usize::from(begins_character(uri, at)))
            }
            (Some(_) | None, _) => None,
        };
        length.is_some_and(|length| most.is_none_or(|most| length <= most))
    };
    starts.iter().enumerate().map(step).collect()
}

/// Whether a character begins at that byte: `%C3%A9` is one, as it was before it was encoded.
fn begins_character(uri: &[u8], at: usize) -> bool {
    let is_percent = |at: Option<usize>| at.and_then(|at| uri.get(at)) == Some(&b'%');
    let follows = matches!(uri.get(at + 1), Some(b'8' | b'9' | b'a' | b'b' | b'A' | b'B'));
    let is_continued = match uri.get(at) {
        Some(b'%') => follows,
        Some(0x80..0xC0) => true,
        Some(_) | None => false,
    };
    !is_continued && !is_percent(at.checked_sub(1)) && !is_percent(at.checked_sub(2))
}

/// A literal, which may be empty; `None`: a brace that closes nothing.
fn literal_part(literal: &str) -> Option<Part> {
    (!literal.contains('}')).then(|| Part::Literal(literal.as_bytes().into()))
}

/// The inside of `{...}` (RFC 6570 section 2.2).
fn expression_part(inside: &str) -> Option<Part> {
    let (lead, takes, variables) = match inside.as_bytes().first()? {
        b'+' => (None, Takes::All, inside.get(1..)?),
        b'#' => (Some(b'#'), Takes::All, inside.get(1..)?),
        lead @ (b'.' | b';') => (Some(*lead), Takes::Segment, inside.get(1..)?),
        b'/' => (Some(b'/'), Takes::Segment, inside.get(1..)?),
        lead @ (b'?' | b'&') => (Some(*lead), Takes::Query, inside.get(1..)?),
        _ => (None, Takes::Segment, inside),
    };
    let (mut several, mut most) = (variables.contains(','), None);
    for variable in variables.split(',') {
        let (name, cut) = match variable.split_once(':') {
            Some((name, cut)) => (name, Some(cut.parse().ok().filter(|cut| (1..10_000).contains(cut))?)),
            None => (variable, None),
        };
        let (name, explodes) = name.strip_suffix('*').map_or((name, false), |name| (name, true));
        if !is_name(name) || explodes && cut.is_some() {
            return None;
        }
        several |= explodes;
        most = cut;
    }
    let is_named = matches!(lead, Some(b';' | b'?' | b'&'));
    Some(Part::Expression {
        lead,
        takes: if several && lead == Some(b'/') { Takes::Path } else { takes },
        most: most.filter(|_| !several && !is_named),
    })
}

fn is_name(name: &str) -> bool {
    // `-` is not in the RFC, but in the templates that servers write
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'%' | b'-');
    !name.is_empty() && name.bytes().all(plain)
}
