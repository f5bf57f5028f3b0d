//! One mistake in a configuration file: where, what, and what to do.

use std::{borrow::Cow, fmt};

use serde::Serialize;

/// Most problems that are reported at once; the last one counts the rest.
pub const MAX_PROBLEMS: usize = 100;

/// A mistake, or something that looks like one. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// From 1; 0 when the whole file is meant.
    pub line: usize,
    /// From 1, in characters; 0 when the whole file is meant.
    pub column: usize,
    /// `servers[3].url`; empty when the whole file is meant.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "{}:{}: ", self.line, self.column)?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}; {}", self.message, self.fix)
    }
}

/// A position in the file; both from 1, 0 for the whole file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// Where a value stands in the document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Field(Cow<'static, str>),
    Item(usize),
}

impl Place {
    pub(super) fn field(&self, name: impl Into<Cow<'static, str>>) -> Self {
        self.then(Step::Field(name.into()))
    }

    pub(super) fn item(&self, index: usize) -> Self {
        self.then(Step::Item(index))
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    fn then(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if index == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Item(item) => write!(f, "[{item}]")?,
            }
        }
        Ok(())
    }
}

/// Problems in the order found, no more than [`MAX_PROBLEMS`] of them kept.
#[derive(Debug, Default)]
pub(super) struct Problems {
    kept: Vec<Problem>,
    more: usize,
}

impl Problems {
    pub(super) fn add(
        &mut self,
        at: Position,
        place: &Place,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        if self.kept.len() >= MAX_PROBLEMS {
            self.more += 1;
            return;
        }
        let (message, fix) = (message.into(), fix.into());
        self.kept.push(Problem { line: at.line, column: at.column, path: place.to_string(), message, fix });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// In the order of the file.
    pub(super) fn sorted(mut self) -> Vec<Problem> {
        self.kept.sort_by_key(|problem| (problem.line, problem.column));
        if self.more > 0 {
            self.kept.push(Problem {
                line: 0,
                column: 0,
                path: String::new(),
                message: format!("there are {} more problems", self.more),
                fix: "repair these first".to_owned(),
            });
        }
        self.kept
    }
}
