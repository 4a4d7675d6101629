//! Judging a file of hits: NDJSON in, verdicts as NDJSON out, in input order. No server, no clock.

use crate::facts::Facts;
use crate::message::{Kept, Message, Revised};
use crate::neighbours::{Neighbours, neighbours};
use crate::ruleset::Ruleset;
use crate::window::{Identified, Seen};
use engagement::{AccountNumber, Kind, Neighbour, Signal, Timestamp, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, Read, Write};
use std::net::IpAddr;

/// The longest line that is read, in bytes. A longer one is a bad line, and reading goes on behind it.
const LINE_LIMIT: usize = 1 << 20;

/// What came of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FileSummary {
    /// Lines that were judged.
    pub ok: u64,
    /// Lines that were not, by number from 1, with the reason. They have no output line.
    pub bad: Vec<(u64, String)>,
}

/// One input line. Fields that are not named here are allowed and ignored.
#[derive(Deserialize)]
struct Line {
    event_id: String,
    kind: Kind,
    received_at: Timestamp,
    #[serde(default)]
    account: Option<String>,
    message_id: String,
    #[serde(default)]
    recipient_id: String,
    link_index: Option<u16>,
    link_count: Option<u16>,
    sent_at: Option<Timestamp>,
    delivered_at: Option<Timestamp>,
    recipient_domain: Option<String>,
    method: String,
    ip: Option<IpAddr>,
    #[serde(default)]
    ua: Option<String>,
    #[serde(default)]
    headers: Option<BTreeMap<String, String>>,
    trailing: Option<String>,
}

/// A line in a message's window: in the order of its event id, and of its place in the file where that repeats.
struct FileHit {
    id: (String, usize),
    line: Line,
    headers: BTreeMap<String, String>,
}

impl Identified for FileHit {
    type Id = (String, usize);
    fn id(&self) -> &Self::Id {
        &self.id
    }
}

impl Kept for FileHit {
    fn facts<'a>(&'a self, _seen: &Seen) -> Facts<'a> {
        self.own_facts()
    }
}

impl FileHit {
    fn own_facts(&self) -> Facts<'_> {
        let line = &self.line;
        Facts {
            sent_at: line.sent_at,
            delivered_at: line.delivered_at,
            recipient_domain: line.recipient_domain.as_deref(),
            link_index: line.link_index,
            link_count: line.link_count,
            method: &line.method,
            ip: line.ip,
            ua: line.ua.as_deref().unwrap_or_default(),
            headers: &self.headers,
            trailing: line.trailing.as_deref(),
            ..Facts::of(line.kind, line.received_at)
        }
    }
}

/// One output line.
#[derive(Serialize)]
struct Judged<'a> {
    event_id: &'a str,
    #[serde(flatten)]
    verdict: &'a Verdict,
}

/// Judges every line of a file of hits and writes a verdict for each good one, in input order, as it stands at the end
/// of the file: each message's hits are judged in the order of (received_at, event_id), whatever order their lines have,
/// and then again by what the hits of other messages of the same account show.
/// A bad line is noted with its number and reason and stops nothing; empty lines are skipped. The whole file is held in
/// memory.
///
/// # Errors
/// Only when the input can't be read or the output can't be written.
pub fn classify_file(
    mut input: impl BufRead,
    mut output: impl Write,
    ruleset: &Ruleset,
) -> Result<FileSummary, io::Error> {
    let mut summary = FileSummary::default();
    let mut messages: HashMap<(Option<String>, String), Vec<FileHit>> = HashMap::new();
    let mut lines = 0;
    let mut line = Vec::new();
    let mut number = 0;
    while read_line(&mut input, &mut line)? {
        number += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        match read_hit(&line, lines) {
            Ok(hit) => {
                let message = (hit.line.account.clone(), hit.line.message_id.clone());
                messages.entry(message).or_default().push(hit);
                lines += 1;
            }
            Err(reason) => summary.bad.push((number, reason)),
        }
    }

    let mut judged: Vec<Vec<u8>> = vec![Vec::new(); lines];
    let mut accounts: HashMap<Option<String>, AccountNumber> = HashMap::new();
    let mut records = Vec::new();
    let mut live = HashMap::new();
    for ((account, message_id), hits) in messages {
        let next = u32::try_from(accounts.len()).unwrap_or(u32::MAX);
        let account = *accounts.entry(account).or_insert(AccountNumber(next));
        let message = judge_message(account, hits, ruleset, &mut records, &mut judged)?;
        live.insert((account, message_id), message);
    }
    for signal in signals(records, ruleset) {
        let message = live.get_mut(&(signal.account_number, signal.message_id.clone()));
        let Some(message) = message else { continue };
        let mut written = Ok(());
        message.signal(&signal, ruleset, |revised| note(&revised, &mut judged, &mut written));
        written?;
    }
    for line in &judged {
        output.write_all(line)?;
        output.write_all(b"\n")?;
        summary.ok += 1;
    }
    output.flush()?;
    Ok(summary)
}

/// Judges the hits of one message in their order, and adds the records that they make for their neighbours.
fn judge_message(
    account: AccountNumber,
    mut hits: Vec<FileHit>,
    ruleset: &Ruleset,
    records: &mut Vec<Neighbour>,
    judged: &mut [Vec<u8>],
) -> Result<Message<FileHit>, io::Error> {
    hits.sort_by(|left, right| (left.line.received_at, &left.id).cmp(&(right.line.received_at, &right.id)));
    let mut message = Message::default();
    let mut written = Ok(());
    for hit in hits {
        let seen = ruleset.see(&hit.own_facts());
        let line = &hit.line;
        let domain = line.recipient_domain.as_deref().unwrap_or_default();
        records.extend(neighbours(account, &line.message_id, &line.recipient_id, domain, &seen));
        message.hit(seen, hit, ruleset, |revised| note(&revised, judged, &mut written));
    }
    written.map(|()| message)
}

/// What the hits of all messages show of each other at the end; what was known before is left out.
fn signals(mut records: Vec<Neighbour>, ruleset: &Ruleset) -> impl Iterator<Item = Signal> {
    records.sort_by_key(|record| record.received_at);
    let mut neighbours = Neighbours::new(usize::MAX);
    let mut signals = BTreeMap::new();
    for record in &records {
        neighbours.take(record, ruleset, |signal| {
            let about = (signal.message_id.clone(), signal.account_number.0);
            signals.insert((about, signal.second, signal.fact, signal.address), signal);
        });
    }
    signals.into_values()
}

/// Writes a verdict where its line belongs.
fn note(revised: &Revised<'_, FileHit>, judged: &mut [Vec<u8>], written: &mut Result<(), io::Error>) {
    let (event_id, place) = &revised.kept.id;
    let said = Judged { event_id, verdict: &revised.judgement.verdict };
    match serde_json::to_vec(&said) {
        Ok(line) => judged[*place] = line,
        Err(error) => *written = Err(error.into()),
    }
}

/// Reads the next line without its end; `false` at the end of the input. Of a line that is too long, one byte more than
/// the limit is kept and the rest is skipped.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool, io::Error> {
    line.clear();
    let limit = LINE_LIMIT as u64 + 1;
    if input.by_ref().take(limit).read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() > LINE_LIMIT {
        input.skip_until(b'\n')?;
    }
    Ok(true)
}

fn read_hit(line: &[u8], place: usize) -> Result<FileHit, String> {
    if line.len() > LINE_LIMIT {
        return Err(format!("longer than {LINE_LIMIT} bytes"));
    }
    let mut line: Line = serde_json::from_slice(line).map_err(|error| brief(error.to_string()))?;
    let headers = line.headers.take().unwrap_or_default();
    let headers = headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    Ok(FileHit { id: (line.event_id.clone(), place), line, headers })
}

/// A parser's message, cut: it may quote the whole of what it could not read.
pub(crate) fn brief(mut message: String) -> String {
    const LONGEST: usize = 200;
    if message.len() > LONGEST {
        message.truncate(message.floor_char_boundary(LONGEST));
        message.push('…');
    }
    message
}
