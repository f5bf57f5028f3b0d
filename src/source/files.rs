//! The files that a configuration names: read once a load, remembered by digest so that a change is noticed.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{SHA256, digest};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use secrecy::SecretString;

use crate::{
    credentials::{MAX_CREDENTIAL_BYTES, credential},
    routing::ServerSpec,
};

/// Largest configuration file, in bytes.
pub const MAX_FILE_BYTES: u64 = 16 << 20;

/// What every file that was looked at held; `None`: could not be read.
pub(super) type Seen = BTreeMap<PathBuf, Option<[u8; 32]>>;

/// The files of one load.
#[derive(Default)]
pub(super) struct Files {
    seen: Seen,
    credentials: HashMap<PathBuf, Result<SecretString, String>>,
    bundles: HashMap<PathBuf, Result<(), String>>,
}

impl Files {
    /// The configuration file itself.
    pub(super) fn document(&mut self, path: &Path) -> Result<String, String> {
        self.read(path, MAX_FILE_BYTES).and_then(text)
    }

    /// The credential in the file at `path`.
    pub(super) fn credential(&mut self, path: &Path) -> Result<SecretString, String> {
        if let Some(known) = self.credentials.get(path) {
            return known.clone();
        }
        // Some more, for the blank space around it.
        let read = self.read(path, 2 * MAX_CREDENTIAL_BYTES as u64).and_then(text);
        let shown = path.display();
        let read = read.map_err(|why| format!("{shown} {why}"));
        let read = read.and_then(|text| credential(&text).map_err(|bad| format!("{shown}: {bad}")));
        self.credentials.insert(path.to_owned(), read.clone());
        read
    }

    /// Checks that the file at `path` has certificates that a TLS client can trust.
    pub(super) fn ca_bundle(&mut self, path: &Path) -> Result<(), String> {
        if let Some(known) = self.bundles.get(path) {
            return known.clone();
        }
        let read = self.read(path, ServerSpec::MAX_CA_BUNDLE).and_then(|bytes| certificates(&bytes));
        let read = read.map_err(|why| format!("{} {why}", path.display()));
        self.bundles.insert(path.to_owned(), read.clone());
        read
    }

    pub(super) fn into_seen(self) -> Seen {
        self.seen
    }

    fn read(&mut self, path: &Path, limit: u64) -> Result<Vec<u8>, String> {
        let read = read_limited(path, limit);
        self.seen.insert(path.to_owned(), read.as_ref().ok().map(|bytes| fingerprint(bytes)));
        read
    }
}

/// Whether any of the files holds something else than it did.
pub(super) fn changed(seen: &Seen) -> bool {
    seen.iter().any(|(path, before)| {
        read_limited(path, MAX_FILE_BYTES).ok().map(|bytes| fingerprint(&bytes)) != *before
    })
}

fn text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|_not_text| "is not UTF-8 text".to_owned())
}

fn certificates(pem: &[u8]) -> Result<(), String> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_not_pem| "is not PEM".to_owned())?;
        store.add(certificate).map_err(|_unusable| "has a certificate that cannot be read".to_owned())?;
    }
    if store.is_empty() { Err("has no certificate".to_owned()) } else { Ok(()) }
}

fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let shown = |error: &io::Error| {
        if error.kind() == io::ErrorKind::NotFound {
            "does not exist".to_owned()
        } else if error.kind() == io::ErrorKind::PermissionDenied {
            "may not be read by this user".to_owned()
        } else {
            format!("cannot be read ({error})")
        }
    };
    // Looked at before it is opened: to open a pipe is to wait for who writes it.
    let metadata = path.metadata().map_err(|error| shown(&error))?;
    if !metadata.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes));
    let read = read.map_err(|error| shown(&error))?;
    if read as u64 > limit {
        return Err(format!("is larger than {limit} bytes"));
    }
    Ok(bytes)
}

fn fingerprint(bytes: &[u8]) -> [u8; 32] {
    let mut fingerprint = [0; 32];
    for (to, from) in fingerprint.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
        *to = *from;
    }
    fingerprint
}
