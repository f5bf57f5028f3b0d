//! YAML text to a tree of JSON values that remembers where each one stood.

use std::{borrow::Cow, collections::HashMap, collections::HashSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput};
use serde_json::{Map, Number, Value};

use super::problem::{Place, Position, Problems, Step};

/// Most values in a file, those that aliases repeat included.
const MAX_NODES: usize = 1_000_000;
/// Deepest nesting.
const MAX_DEPTH: usize = 32;

/// One value. Has no `Debug`: it may be a secret.
#[derive(Clone)]
pub(super) struct Node {
    at: Position,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<Member>),
}

#[derive(Clone)]
struct Member {
    key: String,
    at: Position,
    value: Node,
}

impl Node {
    /// Reads one YAML document; JSON is YAML. `None`: not even a tree, and `problems` says why.
    pub(super) fn parse(text: &str, problems: &mut Problems) -> Option<Self> {
        let mut builder =
            Builder { parser: Parser::new_from_str(text), problems, anchors: HashMap::new(), nodes: 0 };
        match builder.document() {
            Ok(root) => Some(root),
            Err(Stop { at, message, fix }) => {
                problems.add(at, &Place::default(), message, fix);
                None
            }
        }
    }

    /// The tree without its positions.
    pub(super) fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Kind::Map(members) => Value::Object(
                members
                    .iter()
                    .map(|member| (member.key.clone(), member.value.to_value()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// Where `place` stands, or what comes nearest around it.
    pub(super) fn position(&self, place: &Place) -> Position {
        self.nearest(place).0.at
    }

    pub(super) fn has(&self, place: &Place) -> bool {
        self.nearest(place).1
    }

    /// Where the name of a field of `parent` stands.
    pub(super) fn key_position(&self, parent: &Place, name: &str) -> Position {
        let (node, found) = self.nearest(parent);
        let member = node.member(name).filter(|_| found);
        member.map_or(node.at, |member| member.at)
    }

    /// The value at `place`, or the last one on the way there that exists; and whether it is the one.
    fn nearest(&self, place: &Place) -> (&Self, bool) {
        let mut node = self;
        for step in place.steps() {
            let inner = match (step, &node.kind) {
                (Step::Item(index), Kind::List(items)) => items.get(*index),
                (Step::Field(name), _) => node.member(name).map(|member| &member.value),
                (Step::Item(_), Kind::Scalar(_) | Kind::Map(_)) => None,
            };
            match inner {
                Some(inner) => node = inner,
                None => return (node, false),
            }
        }
        (node, true)
    }

    fn member(&self, name: &str) -> Option<&Member> {
        match &self.kind {
            Kind::Map(members) => members.iter().find(|member| member.key == name),
            Kind::Scalar(_) | Kind::List(_) => None,
        }
    }

    fn size(&self) -> usize {
        1 + match &self.kind {
            Kind::Scalar(_) => 0,
            Kind::List(items) => items.iter().map(Self::size).sum(),
            Kind::Map(members) => members.iter().map(|member| member.value.size()).sum::<usize>(),
        }
    }
}

/// Why there is no tree.
struct Stop {
    at: Position,
    message: String,
    fix: &'static str,
}

struct Builder<'a> {
    parser: Parser<'a, StrInput<'a>>,
    problems: &'a mut Problems,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

impl<'a> Builder<'a> {
    fn document(&mut self) -> Result<Node, Stop> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::Nothing | Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(_) if root.is_some() => {
                    return Err(stop(
                        span.start,
                        "a second document begins",
                        "keep one configuration in one file",
                    ));
                }
                Event::DocumentStart(_) => {
                    let (event, span) = self.next()?;
                    root = Some(self.node(event, span, 0)?);
                }
                Event::Alias(_)
                | Event::Scalar(..)
                | Event::SequenceStart(..)
                | Event::SequenceEnd
                | Event::MappingStart(..)
                | Event::MappingEnd => return Err(out_of_place(span.start)),
            }
        }
        let empty = || Node { at: Position { line: 1, column: 1 }, kind: Kind::Map(Vec::new()) };
        // A file of comments is a mapping without fields: what is missing is said by name.
        Ok(root.filter(|root| !matches!(root.kind, Kind::Scalar(Value::Null))).unwrap_or_else(empty))
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Stop> {
        let syntax = |at, why: &str| Stop {
            at,
            message: format!("not YAML: {why}"),
            fix: "repair the syntax here or just above",
        };
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(syntax(position(*error.marker()), error.info())),
            None => Err(syntax(Position::default(), "the file ends too early")),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Stop> {
        if depth > MAX_DEPTH {
            return Err(stop(
                span.start,
                "is nested too deeply",
                "nothing in a configuration needs more than 32 levels",
            ));
        }
        self.count(1, span)?;
        let at = position(span.start);
        let (kind, anchor) = match event {
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node = node.ok_or_else(|| {
                    stop(span.start, "an alias stands inside its own anchor", "write the value out")
                })?;
                self.count(node.size(), span)?;
                return Ok(node);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = style != ScalarStyle::Plain || tag.is_some_and(|tag| tag.suffix == "str");
                (Kind::Scalar(if is_text { Value::from(text.into_owned()) } else { plain(text) }), anchor)
            }
            Event::SequenceStart(anchor, _) => (Kind::List(self.items(depth)?), anchor),
            Event::MappingStart(anchor, _) => (Kind::Map(self.members(depth)?), anchor),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => return Err(out_of_place(span.start)),
        };
        let node = Node { at, kind };
        if anchor > 0 {
            self.count(node.size(), span)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Node>, Stop> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn members(&mut self, depth: usize) -> Result<Vec<Member>, Stop> {
        let (mut members, mut seen) = (Vec::new(), HashSet::new());
        loop {
            let (event, span) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Ok(members),
                Event::Scalar(key, ..) => key.into_owned(),
                Event::Nothing
                | Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(_)
                | Event::DocumentEnd
                | Event::Alias(_)
                | Event::SequenceStart(..)
                | Event::SequenceEnd
                | Event::MappingStart(..) => {
                    return Err(stop(span.start, "the name of a field is not text", "write `name: value`"));
                }
            };
            let (event, value) = self.next()?;
            let value = self.node(event, value, depth + 1)?;
            let at = position(span.start);
            if seen.insert(key.clone()) {
                members.push(Member { key, at, value });
            } else {
                let place = Place::default().field(key);
                self.problems.add(at, &place, "is written twice", "keep one of the two");
            }
        }
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err(stop(
                span.start,
                "the file has more than 1000000 values, aliases counted",
                "split it, or write less",
            ));
        }
        Ok(())
    }
}

/// A scalar without quotes (YAML 1.2 JSON schema): null, a boolean, a number as JSON writes them, else text.
fn plain(text: Cow<'_, str>) -> Value {
    match &*text {
        "" | "~" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        other => match other.parse::<Number>() {
            Ok(number) => Value::Number(number),
            Err(_text) => Value::from(text.into_owned()),
        },
    }
}

fn position(marker: Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

fn stop(at: Marker, message: &str, fix: &'static str) -> Stop {
    Stop { at: position(at), message: message.to_owned(), fix }
}

fn out_of_place(at: Marker) -> Stop {
    stop(at, "not YAML: something stands out of place", "repair the syntax here or just above")
}
