//! Tokens that signed a webhook, each with the hash of the body that came with it.
//!
//! They outlive a restart in two files, the newer of which takes the older's place when it is full, so that neither grows
//! past [`TOKENS`] lines. Written without a sync: a power cut may forget the last ones, a restart forgets none. Another
//! process has its own. A file that can't be read or written is said once and costs no webhook.

use super::{hex, unhex};
use engagement::Timestamp;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tracing::warn;

/// How many tokens are remembered, about 20 MB; beyond it the oldest are forgotten, and the time of the signature alone guards
/// them.
const TOKENS: usize = 250_000;
/// How long one is remembered: longer than its signature is good.
const KEPT_MILLIS: i64 = 10 * 3_600_000;

/// Half of a SHA-256.
pub(super) type Hash = [u8; 16];

/// Tokens that were seen.
#[derive(Default)]
pub(crate) struct Seen(Mutex<Tokens>);

#[derive(Default)]
struct Tokens {
    body_of: HashMap<Hash, Hash>,
    order: VecDeque<(i64, Hash)>,
    kept: Option<Kept>,
}

/// The newer file, written to.
struct Kept {
    path: PathBuf,
    file: File,
    lines: usize,
}

impl Seen {
    /// The tokens that the files at a path hold, and those to come.
    pub(crate) fn open(path: &Path, now: Timestamp) -> Self {
        let mut tokens = Tokens::default();
        let opened = [older(path), path.to_owned()].iter().try_fold(0, |_, file| tokens.load(file, now));
        match opened.and_then(|lines| Kept::open(path.to_owned(), lines)) {
            Ok(kept) => tokens.kept = Some(kept),
            Err(error) => {
                warn!(%error, path = %path.display(), "tokens of webhooks are not kept: a restart forgets them");
            }
        }
        Self(Mutex::new(tokens))
    }

    /// Whether a token is new, or came with this very body before.
    pub(super) fn allows(&self, token: Hash, body: Hash, now: Timestamp) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = seen.body_of.get(&token) {
            return *before == body;
        }
        seen.remember(now.millis(), token, body);
        let Some(kept) = &mut seen.kept else { return true };
        if let Err(error) = kept.write(now.millis(), &token, &body) {
            warn!(%error, path = %kept.path.display(), "tokens of webhooks are no longer kept: a restart forgets them");
            seen.kept = None;
        }
        true
    }
}

impl Tokens {
    fn remember(&mut self, at: i64, token: Hash, body: Hash) {
        if self.body_of.insert(token, body).is_none() {
            self.order.push_back((at, token));
        }
        while let Some((oldest, token)) = self.order.front().copied()
            && (self.order.len() > TOKENS || oldest < at - KEPT_MILLIS)
        {
            self.order.pop_front();
            self.body_of.remove(&token);
        }
    }

    /// Takes in a file's lines and says how many there are. One that was cut off is none.
    fn load(&mut self, path: &Path, now: Timestamp) -> std::io::Result<usize> {
        let text = match std::fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error),
        };
        for (at, token, body) in text.lines().filter_map(line) {
            if at >= now.millis() - KEPT_MILLIS {
                self.remember(at, token, body);
            }
        }
        Ok(text.lines().count())
    }
}

impl Kept {
    fn open(path: PathBuf, lines: usize) -> std::io::Result<Self> {
        let mut file = File::options().create(true).append(true).open(&path)?;
        // Ends a line that was cut off, so that it spoils no other.
        file.write_all(b"\n")?;
        Ok(Self { path, file, lines: lines + 1 })
    }

    fn write(&mut self, at: i64, token: &Hash, body: &Hash) -> std::io::Result<()> {
        if self.lines >= TOKENS {
            std::fs::rename(&self.path, older(&self.path))?;
            *self = Self::open(self.path.clone(), 0)?;
        }
        self.lines += 1;
        self.file.write_all(format!("{at} {} {}\n", hex(token), hex(body)).as_bytes())
    }
}

fn older(path: &Path) -> PathBuf {
    path.with_extension("older")
}

fn line(line: &str) -> Option<(i64, Hash, Hash)> {
    let mut words = line.split(' ');
    let at = words.next()?.parse().ok()?;
    let mut hash = || unhex(words.next()?)?.try_into().ok();
    Some((at, hash()?, hash()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_outlive_a_restart_but_not_their_time() {
        let folder = std::env::temp_dir().join(format!("trueopen-seen-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("webhook-tokens");
        let at = |hours: i64| Timestamp::from_millis(1_800_000_000_000 + hours * 3_600_000).unwrap();
        let seen = Seen::open(&path, at(0));
        assert!(seen.allows([1; 16], [1; 16], at(0)) && seen.allows([2; 16], [2; 16], at(5)));
        drop(seen);
        // Cut off in the middle of a line.
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("1800000000000 0101");
        std::fs::write(&path, text).unwrap();
        let seen = Seen::open(&path, at(6));
        assert!(!seen.allows([1; 16], [9; 16], at(6)), "the same token with another body");
        assert!(seen.allows([1; 16], [1; 16], at(6)) && seen.allows([3; 16], [3; 16], at(6)));
        drop(seen);
        let seen = Seen::open(&path, at(11));
        assert!(seen.allows([1; 16], [9; 16], at(11)), "its signature is too old by then");
        assert!(!seen.allows([2; 16], [9; 16], at(11)) && !seen.allows([3; 16], [9; 16], at(11)));
        drop(seen);
        // A full file becomes the older one, which is read first.
        let mut kept = Kept::open(path.clone(), TOKENS).unwrap();
        kept.write(at(11).millis(), &[4; 16], &[4; 16]).unwrap();
        assert!(std::fs::metadata(&path).unwrap().len() < 100);
        let seen = Seen::open(&path, at(11));
        assert!([2, 3, 4].iter().all(|token| !seen.allows([*token; 16], [9; 16], at(11))));
        // What can't be kept is taken all the same.
        let nowhere = Seen::open(&folder.join("missing/webhook-tokens"), at(0));
        assert!(nowhere.allows([1; 16], [1; 16], at(0)) && !nowhere.allows([1; 16], [2; 16], at(0)));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
