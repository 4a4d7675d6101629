//! Dead letters as a person sees them: what each is, its id, and what of it may be shown.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engagement::{DeadLetter, Replayed, Timestamp, from_wire};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use stream::Found;

/// Bytes of the hash that an id shows: among a million letters two are alike once in 37 million places.
const ID_BYTES: usize = 8;

/// One dead letter, without the content.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub(super) id: String,
    /// When it was written onto the dead-letter topic.
    pub(super) set_aside_at: Option<Timestamp>,
    /// When it was last put back.
    pub(super) replayed_at: Option<Timestamp>,
    /// Bytes of the original that are there.
    bytes: usize,
    /// How often it was written.
    times: u32,
    /// As it was written; `original_base64` empty.
    letter: DeadLetter,
}

/// A record of the dead-letter topic.
pub(super) enum Opened {
    /// A letter with its original bytes.
    Letter(Letter, Vec<u8>),
    /// A note that one was put back.
    Note(Replayed),
}

/// What a record of the dead-letter topic is; `None` for one that this program can't read.
pub(super) fn open(found: &Found) -> Option<Opened> {
    let record = found.record.as_ref().ok()?;
    if let Ok(note) = from_wire::<Replayed>(&record.payload) {
        return Some(Opened::Note(note));
    }
    let mut letter = from_wire::<DeadLetter>(&record.payload).ok()?;
    let original = STANDARD.decode(std::mem::take(&mut letter.original_base64)).ok()?;
    let letter = Letter {
        id: id(&letter, &original),
        set_aside_at: found.appended_ms.and_then(|millis| Timestamp::from_millis(millis).ok()),
        replayed_at: None,
        bytes: original.len(),
        times: 1,
        letter,
    };
    Some(Opened::Letter(letter, original))
}

/// The same for the same record, however often it was set aside.
fn id(letter: &DeadLetter, original: &[u8]) -> String {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(letter.topic.as_bytes());
    hash.update(&[0]);
    hash.update(&letter.partition.to_be_bytes());
    hash.update(&letter.offset.to_be_bytes());
    hash.update(original);
    hash.finish().as_ref()[..ID_BYTES].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All letters of a place, each once.
#[derive(Default)]
pub(super) struct Shelf {
    letters: BTreeMap<String, Letter>,
    /// When each was put back; a note may be found before its letter.
    notes: BTreeMap<String, Timestamp>,
    /// Records that are no letters of ours.
    pub(super) unreadable: u64,
}

impl Shelf {
    pub(super) fn take(&mut self, found: &Found) {
        match open(found) {
            None => self.unreadable += 1,
            Some(Opened::Note(note)) => {
                let at = self.notes.entry(note.replayed_id.clone()).or_insert(note.replayed_at);
                *at = (*at).max(note.replayed_at);
                if let Some(letter) = self.letters.get_mut(&note.replayed_id) {
                    letter.replayed_at = Some(*at);
                }
            }
            Some(Opened::Letter(mut letter, _)) => match self.letters.get_mut(&letter.id) {
                Some(known) => {
                    known.times += 1;
                    known.set_aside_at = known.set_aside_at.min(letter.set_aside_at);
                }
                None => {
                    letter.replayed_at = self.notes.get(&letter.id).copied();
                    self.letters.insert(letter.id.clone(), letter);
                }
            },
        }
    }

    /// In the order in which they were set aside.
    pub(super) fn by_time(&self) -> impl Iterator<Item = &Letter> {
        let mut letters: Vec<_> = self.letters.values().collect();
        letters.sort_by_key(|letter| (letter.set_aside_at, letter.letter.partition, letter.letter.offset));
        letters.into_iter()
    }
}

impl Letter {
    /// The topic that the record was on.
    pub(super) fn topic(&self) -> &str {
        &self.letter.topic
    }

    /// The reason, without what it quotes of the record.
    pub(super) fn reason(&self) -> String {
        masked(&self.letter.reason)
    }

    /// How many bytes the original had, if only its first ones were kept.
    pub(super) fn cut_from(&self) -> Option<usize> {
        let (_, rest) = self.letter.reason.rsplit_once("(the first bytes of ")?;
        rest.strip_suffix(')')?.parse().ok().filter(|whole| *whole > self.bytes)
    }

    /// The note that it was put back.
    pub(super) fn note(&self, replayed_at: Timestamp) -> Replayed {
        Replayed {
            letter: DeadLetter { reason: "replayed".to_owned(), ..self.letter.clone() },
            replayed_id: self.id.clone(),
            replayed_at,
        }
    }

    /// One line for a terminal.
    pub(super) fn line(&self) -> String {
        let time = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), |time| time.to_string());
        let place = format!("{}/{}/{}", self.letter.topic, self.letter.partition, self.letter.offset);
        let mut line = format!(
            "{:<24}  {}  {}  {} bytes  {}",
            time(self.set_aside_at),
            self.id,
            escaped(&place),
            self.bytes,
            escaped(&self.reason())
        );
        if self.times > 1 {
            let _ = write!(line, "  (written {} times)", self.times);
        }
        if self.replayed_at.is_some() {
            let _ = write!(line, "  (replayed {})", time(self.replayed_at));
        }
        line
    }

    /// The same for programs.
    pub(super) fn json(&self) -> Value {
        json!({
            "id": self.id,
            "set_aside_at": self.set_aside_at,
            "at": self.letter.at,
            "reason": self.reason(),
            "topic": self.letter.topic,
            "partition": self.letter.partition,
            "offset": self.letter.offset,
            "bytes": self.bytes,
            "cut_from": self.cut_from(),
            "times": self.times,
            "replayed_at": self.replayed_at,
        })
    }

    /// With the whole reason and the original bytes, for who asked for them.
    pub(super) fn shown(&self, original: &[u8], as_json: bool) -> String {
        if as_json {
            let mut value = self.json();
            value["reason"] = json!(self.letter.reason);
            value["original_base64"] = json!(STANDARD.encode(original));
            return value.to_string();
        }
        let content = match std::str::from_utf8(original) {
            Ok(text) => escaped(text),
            Err(_) => format!("base64 {}", STANDARD.encode(original)),
        };
        format!("{}\n  reason   {}\n  content  {content}", self.line(), escaped(&self.letter.reason))
    }
}

/// A text of strangers on a terminal: no control character is sent to it.
fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect()
}

/// A parser's words up to where they may quote what it could not read, and the place at their end. Names of our own
/// fields that are missing or there twice stay.
fn masked(reason: &str) -> String {
    let mut from = 0;
    let quote = loop {
        let Some(index) = reason[from..].find(['"', '`']).map(|index| index + from) else {
            return reason.to_owned();
        };
        let is_ours =
            ["missing field ", "duplicate field "].iter().any(|words| reason[..index].ends_with(words));
        let end = reason[index + 1..].find('`').filter(|_| is_ours && reason.as_bytes()[index] == b'`');
        match end {
            Some(length) => from = index + length + 2,
            None => break index,
        }
    };
    let place = reason.rfind(" at line ").filter(|at| *at > quote).map_or("", |at| &reason[at..]);
    let is_place = place.chars().all(|c| c.is_ascii_digit() || " atlinecoumfrsbyh()".contains(c));
    format!("{}…{}", &reason[..quote], if is_place { place } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use engagement::{Hit, to_wire};
    use stream::Record;

    fn found(reason: &str, offset: u64, original: &[u8], at: i64) -> Found {
        let letter = DeadLetter {
            v: DeadLetter::VERSION,
            reason: reason.to_owned(),
            topic: "engagement.raw".to_owned(),
            partition: 1,
            offset,
            at: None,
            original_base64: STANDARD.encode(original),
        };
        let record = Record { key: b"k".to_vec(), payload: to_wire(&letter).into() };
        Found { partition: 0, offset, appended_ms: Some(1_793_610_000_000 + at), record: Ok(record) }
    }

    #[test]
    fn a_letter_written_twice_is_one_and_a_note_belongs_to_its_letter() {
        let mut shelf = Shelf::default();
        shelf.take(&found("bad", 7, b"one", 5));
        shelf.take(&found("bad", 7, b"one", 9));
        shelf.take(&found("bad", 8, b"one", 3));
        let letters: Vec<_> = shelf.by_time().cloned().collect();
        assert_eq!(letters.iter().map(|letter| letter.times).collect::<Vec<_>>(), [1, 2]);
        let at = Timestamp::parse("2026-11-21T09:00:00Z").unwrap();
        let note = Record { key: b"k".to_vec(), payload: to_wire(&letters[1].note(at)).into() };
        shelf.take(&Found { partition: 0, offset: 9, appended_ms: None, record: Ok(note) });
        let replayed: Vec<_> = shelf.by_time().map(|letter| letter.replayed_at).collect();
        assert_eq!(replayed, [None, Some(at)]);
        shelf.take(&Found {
            record: Ok(Record { key: vec![], payload: "{}".into() }),
            ..found("", 0, b"", 0)
        });
        assert_eq!(shelf.unreadable, 1);
    }

    #[test]
    fn nothing_of_the_content_stands_in_a_line() {
        for payload in [
            r#"{"v":1,"event_id":"jane@example.org"}"#,
            r#"{"v":1,"event_id":5}"#,
            r#"{"v":"jane@example.org"}"#,
            r#"{"v":1,"kind":"ja`ne@example.org","event_id":"019340f0-0000-7000-8000-000000000001"}"#,
        ] {
            let reason = from_wire::<Hit>(payload.as_bytes()).unwrap_err().to_string();
            let Some(Opened::Letter(letter, original)) = open(&found(&reason, 1, payload.as_bytes(), 0))
            else {
                panic!("a letter")
            };
            for shown in [letter.line(), letter.json().to_string()] {
                assert!(!shown.contains("ne@example"), "{shown}");
                assert!(shown.contains("not a readable record"), "{shown}");
            }
            assert!(letter.shown(&original, false).contains(payload));
            assert!(letter.shown(&original, true).contains(&STANDARD.encode(payload)));
        }
        assert_eq!(
            masked("x: missing field `v` at line 1 column 2"),
            "x: missing field `v` at line 1 column 2"
        );
        assert_eq!(
            masked("invalid type: string \"a\", expected u32 at line 1 column 8"),
            "invalid type: string … at line 1 column 8"
        );
        assert_eq!(masked("string \"a at line jane\""), "string …");
        assert_eq!(escaped("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
    }

    #[test]
    fn a_cut_letter_says_so() {
        let of = |reason: &str| match open(&found(reason, 1, b"12345", 0)) {
            Some(Opened::Letter(letter, _)) => letter.cut_from(),
            _ => panic!("a letter"),
        };
        assert_eq!(of("too long (the first bytes of 900)"), Some(900));
        assert_eq!(of("too long"), None);
        assert_eq!(of("says (the first bytes of 5)"), None, "all of them are there");
    }
}
