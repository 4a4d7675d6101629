//! Destinations that are taken down at once: a local file, read again when it changes.

use crate::BuildError;
use arc_swap::ArcSwap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tracing::{info, warn};

/// How often the file's time of change is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The list in force.
#[derive(Clone, Default)]
pub(crate) struct Takedown {
    path: Option<PathBuf>,
    entries: Arc<ArcSwap<Vec<String>>>,
}

impl Takedown {
    /// Reads the list; no path means that nothing is taken down.
    pub(crate) fn read(path: Option<PathBuf>) -> Result<Self, BuildError> {
        let list = Self { path, entries: Arc::default() };
        if let Some(path) = &list.path {
            let entries = read(path).map_err(|e| BuildError::Takedown {
                path: path.display().to_string(),
                reason: e.to_string(),
            })?;
            list.entries.store(Arc::new(entries));
        }
        Ok(list)
    }

    /// Whether a destination is on the list, by its host (and hosts below it) or by the start of its URL.
    pub(crate) fn lists(&self, destination: &str) -> bool {
        let entries = self.entries.load();
        if entries.is_empty() {
            return false;
        }
        let destination = destination.to_ascii_lowercase();
        let rest = destination.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
        let authority = authority.rsplit('@').next().unwrap_or_default();
        let host = authority.split(':').next().unwrap_or_default().trim_end_matches('.');
        entries.iter().any(|entry| {
            if entry.contains("://") {
                destination.starts_with(entry)
            } else {
                host == entry || host.strip_suffix(entry.as_str()).is_some_and(|below| below.ends_with('.'))
            }
        })
    }
}

/// Reads the list again whenever its file changes; a file that can't be read leaves the last good list in force.
pub(crate) async fn watch(list: Takedown) {
    let Some(path) = list.path.clone() else { return };
    let mut seen = changed(&path);
    let mut failing = false;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = changed(&path);
        if now == seen && now.is_some() {
            continue;
        }
        match read(&path) {
            Ok(entries) => {
                info!(entries = entries.len(), "takedown list read again");
                list.entries.store(Arc::new(entries));
                (seen, failing) = (now, false);
            }
            Err(error) if !failing => {
                warn!(%error, "takedown list can't be read, the last good one stays in force");
                failing = true;
            }
            Err(_) => {}
        }
    }
}

fn changed(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|data| data.modified()).ok()
}

fn read(path: &Path) -> std::io::Result<Vec<String>> {
    let text = std::fs::read_to_string(path)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(|line| line.trim_end_matches('.').to_ascii_lowercase()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_prefixes_are_taken_down() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        std::fs::write(&path, "# abused\nevil.example\nhttps://shared.example/bad/\n").unwrap();
        let list = Takedown::read(Some(path)).unwrap();
        for listed in [
            "https://evil.example/x",
            "http://www.EVIL.example:8080",
            "https://user@evil.example?x",
            "https://evil.example.",
            "https://shared.example/bad/page",
        ] {
            assert!(list.lists(listed), "{listed}");
        }
        for free in ["https://notevil.example/", "https://evil.example.org/", "https://shared.example/good"] {
            assert!(!list.lists(free), "{free}");
        }
        assert!(Takedown::read(Some(folder.path().join("none"))).is_err());
    }
}
