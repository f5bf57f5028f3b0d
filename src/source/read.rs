//! One configuration file to one `Spec`, or every mistake in it.

use std::path::Path;

use super::{
    build::{self, Findings},
    files::{Files, Seen},
    problem::{Place, Position, Problem, Problems},
    structure,
    tree::Node,
};
use crate::routing::{PublicHost, Spec};

/// What takes the place of a value in the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// In place of `publicHost`; empty: what the file says.
    pub public_hosts: Vec<PublicHost>,
}

/// A good configuration.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub spec: Spec,
    /// What is legal and seldom meant.
    pub warnings: Vec<Problem>,
}

/// Reads the configuration file at `path` and the files that it names; relative ones start from its folder.
pub fn read(path: &Path, overrides: &Overrides) -> Result<Loaded, Vec<Problem>> {
    Attempt::new(path, overrides).outcome
}

/// Reads a configuration that is no file. It can name none either: there is no folder to find them in.
pub fn read_text(text: &str, overrides: &Overrides) -> Result<Loaded, Vec<Problem>> {
    let (mut files, mut problems, mut warnings) =
        (Files::default(), Problems::default(), Problems::default());
    let spec = meaning(text, None, overrides, &mut files, &mut problems, &mut warnings);
    outcome(spec, problems, warnings)
}

/// One reading, and the files it looked at.
pub(super) struct Attempt {
    pub(super) outcome: Result<Loaded, Vec<Problem>>,
    pub(super) seen: Seen,
}

impl Attempt {
    pub(super) fn new(path: &Path, overrides: &Overrides) -> Self {
        let (mut files, mut problems, mut warnings) =
            (Files::default(), Problems::default(), Problems::default());
        let spec = spec(path, overrides, &mut files, &mut problems, &mut warnings);
        Self { outcome: outcome(spec, problems, warnings), seen: files.into_seen() }
    }
}

fn outcome(spec: Option<Spec>, problems: Problems, warnings: Problems) -> Result<Loaded, Vec<Problem>> {
    match spec.filter(|_| problems.is_empty()) {
        Some(spec) => Ok(Loaded { spec, warnings: warnings.sorted() }),
        None => Err(problems.sorted()),
    }
}

fn spec(
    path: &Path,
    overrides: &Overrides,
    files: &mut Files,
    problems: &mut Problems,
    warnings: &mut Problems,
) -> Option<Spec> {
    let mut whole_file = |message: String| {
        problems.add(
            Position::default(),
            &Place::default(),
            message,
            "name a YAML or JSON file that can be read",
        );
    };
    // Envoy and the broker may run in another folder than this process was started in.
    let absolute =
        std::path::absolute(path).map_err(|error| whole_file(format!("has no place ({error})"))).ok()?;
    let text = files.document(path).map_err(&mut whole_file).ok()?;
    let folder = absolute.parent().unwrap_or(&absolute);
    meaning(&text, Some(folder), overrides, files, problems, warnings)
}

fn meaning(
    text: &str,
    folder: Option<&Path>,
    overrides: &Overrides,
    files: &mut Files,
    problems: &mut Problems,
    warnings: &mut Problems,
) -> Option<Spec> {
    let root = Node::parse(text, problems)?;
    let document = structure::document(&root, problems);
    let mut findings = Findings { root: &root, folder, files, problems, warnings };
    Some(build::spec(document, &overrides.public_hosts, &mut findings))
}
