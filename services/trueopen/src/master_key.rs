//! The master key file: made at the first start, mode 600, checked against the data directory at every later one.

use aws_lc_rs::rand::SystemRandom;
use engagement::Timestamp;
use engagement::keys::{KEY_BYTES, KeyId, KeyRing, MasterKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const HEADER: &str = "\
# The master keys of trueopen. Whoever holds this file can make and open every token.
# Keep a copy in a safe place: without it, no link works in any mail that was sent.
";

/// Where the fingerprints of the keys stand that a data directory was used with.
const FINGERPRINTS: &str = "master.fingerprints";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    current: u8,
    key: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: u8,
    created_at: Timestamp,
    hex: String,
}

/// Why there are no usable master keys; each text says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MasterKeyError {
    #[error("the master key file {path} can't be {verb}: {reason}")]
    System { path: PathBuf, verb: &'static str, reason: String },
    #[error("the master key file {path} is wrong: {reason}")]
    Content { path: PathBuf, reason: String },
    #[error(
        "the master key file {path} can be read by others (mode {mode:o}): make it private with chmod 600"
    )]
    Open { path: PathBuf, mode: u32 },
    #[error(
        "the master key file {path} is missing, but {dir} was used before: put the file back, since without it no link in any sent mail works"
    )]
    Missing { path: PathBuf, dir: PathBuf },
    #[error(
        "wrong master key: key {id} in {path} is not the one that {dir} was used with, and links in sent mail would die: put the right file back"
    )]
    Wrong { path: PathBuf, dir: PathBuf, id: u8 },
    #[error("all 256 key ids are used")]
    Exhausted,
}

/// Reads the keys for a data directory; at its first use they are made.
pub(crate) fn load_or_create(path: &Path, dir: &Path) -> Result<KeyRing, MasterKeyError> {
    let known = fingerprints(dir)?;
    let file = match fs::metadata(path) {
        Ok(data) => read(path, data.permissions().mode())?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if !known.is_empty() {
                return Err(MasterKeyError::Missing { path: path.into(), dir: dir.into() });
            }
            let file = File { current: 1, key: vec![fresh(1)] };
            write(path, &file)?;
            file
        }
        Err(error) => return Err(system(path, "read", &error)),
    };
    let ring = ring(path, &file)?;
    remember(dir, path, &ring, known)?;
    Ok(ring)
}

/// Reads the keys without making any.
pub(crate) fn load(path: &Path) -> Result<KeyRing, MasterKeyError> {
    let data = fs::metadata(path).map_err(|e| system(path, "read", &e))?;
    ring(path, &read(path, data.permissions().mode())?)
}

/// Adds a key and makes it the one that seals; returns its id.
pub(crate) fn rotate(path: &Path) -> Result<u8, MasterKeyError> {
    let data = fs::metadata(path).map_err(|e| system(path, "read", &e))?;
    let mut file = read(path, data.permissions().mode())?;
    ring(path, &file)?;
    let id = (0..=255).find(|id| file.key.iter().all(|key| key.id < *id)).ok_or(MasterKeyError::Exhausted)?;
    file.key.push(fresh(id));
    file.current = id;
    write(path, &file)?;
    Ok(id)
}

fn read(path: &Path, mode: u32) -> Result<File, MasterKeyError> {
    if mode & 0o077 != 0 {
        return Err(MasterKeyError::Open { path: path.into(), mode: mode & 0o777 });
    }
    let text = fs::read_to_string(path).map_err(|e| system(path, "read", &e))?;
    // The parser's message may quote the file, and so a key: only where it is wrong is told.
    toml::from_str(&text).map_err(|error| {
        let line = error.span().map(|span| text[..span.start.min(text.len())].lines().count().max(1));
        let place = line.map_or_else(String::new, |line| format!(" near line {line}"));
        content(path, format!("it can't be parsed{place}"))
    })
}

fn ring(path: &Path, file: &File) -> Result<KeyRing, MasterKeyError> {
    let mut keys = Vec::new();
    for entry in &file.key {
        let bytes = unhex(&entry.hex)
            .ok_or_else(|| content(path, format!("key {} is not {} hex digits", entry.id, KEY_BYTES * 2)))?;
        keys.push(MasterKey::new(KeyId(entry.id), bytes));
    }
    KeyRing::new(keys, KeyId(file.current)).map_err(|e| content(path, e.to_string()))
}

fn write(path: &Path, file: &File) -> Result<(), MasterKeyError> {
    let text = toml::to_string(file).map_err(|e| content(path, e.to_string()))?;
    runtime::files::write_private(path, format!("{HEADER}{text}").as_bytes())
        .map_err(|e| system(path, "written", &e))
}

fn fresh(id: u8) -> Entry {
    let mut bytes = [0; KEY_BYTES];
    aws_lc_rs::rand::SecureRandom::fill(&SystemRandom::new(), &mut bytes)
        .expect("the system gives random bytes");
    let hex = bytes.iter().map(|b| format!("{b:02x}")).collect();
    Entry { id, created_at: Timestamp::from_clock(SystemTime::now()), hex }
}

fn unhex(text: &str) -> Option<[u8; KEY_BYTES]> {
    if text.len() != KEY_BYTES * 2 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; KEY_BYTES];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).ok()?;
    }
    Some(bytes)
}

/// The fingerprints by key id that a data directory was used with; none at its first use.
fn fingerprints(dir: &Path) -> Result<BTreeMap<u8, String>, MasterKeyError> {
    let path = dir.join(FINGERPRINTS);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(system(&path, "read", &error)),
    };
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    Ok(lines.filter_map(|(id, print)| Some((id.parse().ok()?, print.to_owned()))).collect())
}

fn remember(
    dir: &Path,
    path: &Path,
    ring: &KeyRing,
    mut known: BTreeMap<u8, String>,
) -> Result<(), MasterKeyError> {
    for (id, print) in &known {
        if ring.find(KeyId(*id)).is_none_or(|key| key.fingerprint() != *print) {
            return Err(MasterKeyError::Wrong { path: path.into(), dir: dir.into(), id: *id });
        }
    }
    let before = known.len();
    for key in ring.all() {
        known.entry(key.id().0).or_insert_with(|| key.fingerprint());
    }
    if known.len() == before {
        return Ok(());
    }
    let text: String = known.iter().map(|(id, print)| format!("{id} {print}\n")).collect();
    let file = dir.join(FINGERPRINTS);
    runtime::files::write_private(&file, text.as_bytes()).map_err(|e| system(&file, "written", &e))
}

fn system(path: &Path, verb: &'static str, error: &std::io::Error) -> MasterKeyError {
    MasterKeyError::System { path: path.into(), verb, reason: error.to_string() }
}

fn content(path: &Path, reason: String) -> MasterKeyError {
    MasterKeyError::Content { path: path.into(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_kept_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        let first = load_or_create(&path, dir.path()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = load_or_create(&path, dir.path()).unwrap();
        assert_eq!(first.current().bytes(), again.current().bytes());
        assert_eq!(rotate(&path).unwrap(), 2);
        let rotated = load_or_create(&path, dir.path()).unwrap();
        assert_eq!(rotated.current().id(), KeyId(2));
        assert_eq!(rotated.find(KeyId(1)).unwrap().bytes(), first.current().bytes());
    }

    #[test]
    fn a_wrong_missing_open_or_broken_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        load_or_create(&path, dir.path()).unwrap();
        let error = |path: &Path| load_or_create(path, dir.path()).unwrap_err().to_string();
        let good = fs::read_to_string(&path).unwrap();

        fs::remove_file(&path).unwrap();
        assert!(error(&path).contains("missing"), "{}", error(&path));
        write(&path, &File { current: 1, key: vec![fresh(1)] }).unwrap();
        assert!(error(&path).starts_with("wrong master key"), "{}", error(&path));
        fs::write(&path, good.replace("hex = \"", "hex = \"zz")).unwrap();
        assert!(error(&path).contains("key 1 is not 64 hex digits"), "{}", error(&path));
        fs::write(&path, good.replace("current", "currant")).unwrap();
        assert!(error(&path).contains("can't be parsed"), "{}", error(&path));
        fs::write(&path, &good).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(error(&path).contains("chmod 600"), "{}", error(&path));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(load_or_create(&path, dir.path()).is_ok());
    }
}
