//! Names and types of a file against its JSON Schema: every mistake, and a document from what is left.

use std::sync::LazyLock;

use jsonschema::{
    JsonType, Validator,
    error::{TypeKind, ValidationErrorKind},
    paths::LocationSegment,
};
use schemars::Schema;
use serde_json::Value;

use super::{
    document::{Document, schema},
    problem::{Place, Problems, Step},
    tree::Node,
};

/// The names and the validator made of them; without one nothing is valid (a mistake of ours, which tests find).
static SCHEMA: LazyLock<(Schema, Option<Validator>)> = LazyLock::new(|| {
    let schema = schema();
    let validator = jsonschema::draft202012::new(schema.as_value()).ok();
    (schema, validator)
});

/// Reads `root` as a document. What has the wrong name or type is a problem and left out, so that the rest can
/// be checked further.
pub(super) fn document(root: &Node, problems: &mut Problems) -> Document {
    let (schema, validator) = &*SCHEMA;
    let mut value = root.to_value();
    let mut wrong = Vec::new();
    for error in validator.iter().flat_map(|validator| validator.iter_errors(&value)) {
        let place = place(error.instance_path().iter());
        if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() {
            let known = fields(schema, &place);
            for name in unexpected {
                let field = place.field(name.clone());
                let fix = suggest(name, &known);
                problems.add(root.key_position(&place, name), &field, "is not the name of a field here", fix);
                wrong.push(field);
            }
        } else if let Some((message, fix)) = describe(error.kind(), error.instance(), at(schema, &place)) {
            problems.add(root.position(&place), &place, message, fix);
            wrong.extend((!matches!(error.kind(), ValidationErrorKind::Required { .. })).then_some(place));
        }
    }
    for place in &wrong {
        blank(&mut value, place);
    }
    let read = validator.as_ref().and_then(|_| serde_json::from_value(value).ok());
    read.unwrap_or_else(|| {
        problems.add(
            root.position(&Place::default()),
            &Place::default(),
            "cannot be read",
            "compare it with `check --schema`",
        );
        Document::default()
    })
}

/// What is wrong and what to do; never the value itself, which may be a secret. `None`: said better later.
#[allow(clippy::wildcard_enum_match_arm, reason = "our schema uses few of the keywords")]
fn describe(kind: &ValidationErrorKind, found: &Value, rule: Option<&Value>) -> Option<(String, String)> {
    match kind {
        ValidationErrorKind::Required { property } => {
            let name = property.as_str()?;
            Some((format!("`{name}` is missing"), format!("add `{name}: ...`")))
        }
        ValidationErrorKind::Type { kind } => {
            let wanted = match kind {
                TypeKind::Single(one) => word(*one).to_owned(),
                TypeKind::Multiple(some) => some.iter().map(word).collect::<Vec<_>>().join(" or "),
            };
            let example = rule
                .filter(|rule| rule.get("pattern").is_some())
                .and_then(|rule| rule.get("default")?.as_str());
            let fix = match (found, example) {
                (_, Some(example)) => format!("write for example `{example}`"),
                (Value::Null, None) => "write a value, or remove the field".to_owned(),
                (Value::Bool(_) | Value::Number(_), None) if wanted.contains("text") => {
                    "put it in quotes".to_owned()
                }
                (
                    Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_),
                    None,
                ) => {
                    format!("write {wanted}")
                }
            };
            Some((format!("must be {wanted}, not {}", found_word(found)), fix))
        }
        ValidationErrorKind::Enum { options } => {
            let options: Vec<&str> =
                options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            Some((format!("must be one of {}", options.join(", ")), "choose one of them".to_owned()))
        }
        ValidationErrorKind::Minimum { limit } => Some(bound("at least", limit)),
        ValidationErrorKind::Maximum { limit } => Some(bound("at most", limit)),
        other => match other.keyword() {
            "pattern" => None,
            keyword => {
                Some((format!("breaks the rule `{keyword}`"), "compare it with `check --schema`".to_owned()))
            }
        },
    }
}

fn bound(which: &str, limit: &Value) -> (String, String) {
    (format!("must be {which} {limit}"), format!("write a number of {which} {limit}"))
}

fn word(kind: JsonType) -> &'static str {
    match kind {
        JsonType::String => "text",
        JsonType::Integer => "a whole number",
        JsonType::Number => "a number",
        JsonType::Boolean => "true or false",
        JsonType::Array => "a list",
        JsonType::Object => "fields (`name: value`)",
        JsonType::Null => "nothing",
    }
}

fn found_word(found: &Value) -> &'static str {
    match found {
        Value::Null => "empty",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "fields",
    }
}

/// The names that the schema knows at `place`.
fn fields<'s>(schema: &'s Schema, place: &Place) -> Vec<&'s str> {
    let properties = at(schema, place).and_then(|rule| rule.get("properties")?.as_object());
    properties.into_iter().flat_map(|known| known.keys().map(String::as_str)).collect()
}

/// The rule for `place`.
fn at<'s>(schema: &'s Schema, place: &Place) -> Option<&'s Value> {
    let root = schema.as_value();
    let resolve = |rule: &'s Value| match rule.get("$ref").and_then(Value::as_str) {
        Some(reference) => root.pointer(reference.trim_start_matches('#')),
        None => Some(rule),
    };
    place.steps().iter().try_fold(root, |rule, step| {
        resolve(match step {
            Step::Field(name) => rule.get("properties")?.get(&**name)?,
            Step::Item(_) => rule.get("items")?,
        })
    })
}

/// Least similarity (Jaro-Winkler) of a name that is suggested.
const SIMILAR: f64 = 0.75;

fn suggest(name: &str, known: &[&str]) -> String {
    let plain = |text: &str| text.replace(['_', '-'], "").to_ascii_lowercase();
    let name = plain(name);
    let likeness = |known: &&str| {
        let known = plain(known);
        let inside = name.len() > 2 && (known.contains(&name) || name.contains(&known));
        // what lacks a letter or two is nearer than what is a part of a long name
        let alike = strsim::jaro_winkler(&name, &known);
        if inside { alike.max(SIMILAR) } else { alike }
    };
    match known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b))) {
        Some(nearest) if likeness(nearest) >= SIMILAR => format!("did you mean `{nearest}`?"),
        Some(_) | None => format!("remove it, or use one of {}", known.join(", ")),
    }
}

fn place<'p>(segments: impl Iterator<Item = LocationSegment<'p>>) -> Place {
    segments.fold(Place::default(), |place, segment| match segment {
        LocationSegment::Property(name) => place.field(name.into_owned()),
        LocationSegment::Index(index) => place.item(index),
    })
}

/// Removes a field; leaves null for an item, so that those after it keep their index.
fn blank(value: &mut Value, place: &Place) {
    let Some((last, way)) = place.steps().split_last() else {
        *value = Value::Object(serde_json::Map::new());
        return;
    };
    let parent = way.iter().try_fold(value, |at, step| match step {
        Step::Field(name) => at.get_mut(&**name),
        Step::Item(index) => at.get_mut(*index),
    });
    match (parent, last) {
        (Some(Value::Object(fields)), Step::Field(name)) => {
            fields.shift_remove(&**name);
        }
        (Some(Value::Array(items)), Step::Item(index)) => {
            items.get_mut(*index).map(Value::take);
        }
        (_, _) => {}
    }
}
