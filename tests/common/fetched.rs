//! Where the fetched peers are: what their variable says, else the cache that `tests/setup/fetch` fills.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// The path of a thing that `tests/setup/fetch` knows by `name` (`envoy`, `envoy-1.36`, `python`, `redis`, ...).
///
/// Never fetches: a test must not wait for a registry. Panics with the line that says how to get what is missing.
pub fn fetched(name: &str) -> PathBuf {
    static KNOWN: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = known.get(name) {
        return path.clone();
    }
    let fetch = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/setup/fetch");
    let output = Command::new("python3")
        .arg(fetch)
        .args(["--present", name])
        .output()
        .expect("python3 is not on PATH: the suite needs Python 3.10 or newer");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}", said.trim());
    let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    known.insert(name.to_owned(), path.clone());
    path
}

/// A file below `tests/peers`.
pub fn peer(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(file)
}
