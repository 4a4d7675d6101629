//! Judging a file of hits: NDJSON in, verdicts as NDJSON out, in input order. No server, no clock.

use crate::facts::Facts;
use crate::ruleset::Ruleset;
use engagement::{Kind, Timestamp, Verdict};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
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
struct Line<'a> {
    #[serde(borrow)]
    event_id: Cow<'a, str>,
    kind: Kind,
    received_at: Timestamp,
    /// Asked for, so that a file stays usable when rules over a message's neighbours read it.
    #[serde(rename = "message_id")]
    _message_id: Cow<'a, str>,
    link_index: Option<u16>,
    link_count: Option<u16>,
    sent_at: Option<Timestamp>,
    delivered_at: Option<Timestamp>,
    recipient_domain: Option<Cow<'a, str>>,
    method: Cow<'a, str>,
    ip: Option<IpAddr>,
    #[serde(default)]
    ua: Option<Cow<'a, str>>,
    #[serde(default)]
    headers: Option<BTreeMap<String, String>>,
    trailing: Option<Cow<'a, str>>,
}

/// One output line.
#[derive(Serialize)]
struct Judged<'a> {
    event_id: &'a str,
    #[serde(flatten)]
    verdict: &'a Verdict,
}

/// Judges every line of a file of hits and writes a verdict for each good one, in input order. A bad line is noted with
/// its number and reason and stops nothing; empty lines are skipped.
///
/// # Errors
/// Only when the input can't be read or the output can't be written.
pub fn classify_file(
    mut input: impl BufRead,
    mut output: impl Write,
    ruleset: &Ruleset,
) -> Result<FileSummary, io::Error> {
    let mut summary = FileSummary::default();
    let mut line = Vec::new();
    let mut number = 0;
    while read_line(&mut input, &mut line)? {
        number += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        match judge_line(&line, ruleset) {
            Ok(judged) => {
                output.write_all(&judged)?;
                output.write_all(b"\n")?;
                summary.ok += 1;
            }
            Err(reason) => summary.bad.push((number, reason)),
        }
    }
    output.flush()?;
    Ok(summary)
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

fn judge_line(line: &[u8], ruleset: &Ruleset) -> Result<Vec<u8>, String> {
    if line.len() > LINE_LIMIT {
        return Err(format!("longer than {LINE_LIMIT} bytes"));
    }
    let line: Line<'_> = serde_json::from_slice(line).map_err(|error| brief(error.to_string()))?;
    let headers: BTreeMap<String, String> = line
        .headers
        .unwrap_or_default()
        .into_iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    let facts = Facts {
        sent_at: line.sent_at,
        delivered_at: line.delivered_at,
        recipient_domain: line.recipient_domain.as_deref(),
        link_index: line.link_index,
        link_count: line.link_count,
        method: &line.method,
        ip: line.ip,
        ua: line.ua.as_deref().unwrap_or_default(),
        headers: &headers,
        trailing: line.trailing.as_deref(),
        ..Facts::of(line.kind, line.received_at)
    };
    let judgement = ruleset.judge(&facts);
    serde_json::to_vec(&Judged { event_id: &line.event_id, verdict: &judgement.verdict })
        .map_err(|error| error.to_string())
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
