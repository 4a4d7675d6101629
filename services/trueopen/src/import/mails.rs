//! Mails that tell of mails: bounces (RFC 3464) and complaints (RFC 5965), out of an mbox, a Maildir or single files.
//!
//! The message is named by `X-Trueopen-Message-Id` or Message-ID of the mail that is quoted. A mail that is neither a bounce nor a
//! complaint is left alone; one that names no message is reported.

use super::deliver::Deliverer;
use super::format::{HEADER, Reading, Recent, domain, enhanced, event, smtp_code};
use super::state::State;
use super::{Done, refuse};
use crate::Failure;
use crate::cli::ImportArgs;
use engagement::Timestamp;
use engagement::delivery::{DeliveryType, Submitted};
use mail_parser::{Message, MessageParser, MimeHeaders as _, PartType};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The most bytes of a mail; a larger one is refused by number.
const MAIL_BYTES: usize = 16 * 1024 * 1024;

/// Reads every mail of the files.
pub(super) async fn import(
    args: &ImportArgs,
    reading: &Reading,
    state: &mut State,
    deliverer: &Deliverer,
    done: &mut Done,
) -> Result<(), Failure> {
    loop {
        for file in &args.files {
            if file.is_dir() {
                for (name, path) in maildir(file)? {
                    if !state.mails.contains(&name) {
                        let mail =
                            std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                        one(&path, 1, &mail, reading, state, deliverer, done).await?;
                        state.mails.insert(name);
                        state.save()?;
                    }
                }
            } else {
                mbox(file, reading, state, deliverer, done).await?;
            }
        }
        if !args.follow {
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(super::POLL) => {}
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}

/// The mails of an mbox from where the last import stopped; a file without `From ` lines is one mail.
async fn mbox(
    path: &Path,
    reading: &Reading,
    state: &mut State,
    deliverer: &Deliverer,
    done: &mut Done,
) -> Result<(), Failure> {
    let path = std::path::absolute(path)?;
    let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let position = state.files.get(&path).cloned().unwrap_or_default();
    // One that became shorter is another one.
    let (start, mut number) = match usize::try_from(position.offset) {
        Ok(offset) if offset <= bytes.len() => (offset, position.lines),
        _ => (0, 0),
    };
    for mail in split(&bytes[start..]) {
        number += 1;
        one(&path, number, mail, reading, state, deliverer, done).await?;
    }
    let position = state.files.entry(path).or_default();
    position.offset = bytes.len() as u64;
    position.lines = number;
    state.save()
}

async fn one(
    path: &Path,
    number: u64,
    mail: &[u8],
    reading: &Reading,
    state: &mut State,
    deliverer: &Deliverer,
    done: &mut Done,
) -> Result<(), Failure> {
    done.read += 1;
    let events = match events(mail, reading, &mut state.recent) {
        Ok(events) => events,
        Err(reason) => {
            refuse(done, path, number, &reason);
            return Ok(());
        }
    };
    let (taken, rejected) = deliverer.deliver(&events).await?;
    done.events += taken;
    for rejected in rejected {
        refuse(done, path, number, &rejected.error);
    }
    Ok(())
}

/// The mails of a Maildir's `new` and `cur`, or of a folder of files, by names that stay when a mail moves.
fn maildir(folder: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    let mut mails = BTreeMap::new();
    let parts = [folder.join("new"), folder.join("cur")];
    let folders: Vec<&Path> =
        if parts[0].is_dir() { parts.iter().map(PathBuf::as_path).collect() } else { vec![folder] };
    for folder in folders {
        for entry in std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
            let path = entry?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|_| path.is_file())
            else {
                continue;
            };
            mails.insert(name.split(':').next().unwrap_or(name).to_owned(), path.clone());
        }
    }
    Ok(mails.into_iter().collect())
}

/// The mails of an mbox.
fn split(bytes: &[u8]) -> Vec<&[u8]> {
    let mut starts: Vec<usize> = Vec::new();
    if bytes.starts_with(b"From ") {
        starts.push(0);
    }
    starts.extend(
        bytes.windows(6).enumerate().filter(|(_, window)| *window == b"\nFrom ").map(|(at, _)| at + 1),
    );
    if starts.is_empty() {
        return if bytes.iter().all(u8::is_ascii_whitespace) { Vec::new() } else { vec![bytes] };
    }
    let ends = starts.iter().skip(1).copied().chain(std::iter::once(bytes.len()));
    let mails = starts.iter().zip(ends).map(|(start, end)| &bytes[*start..end]);
    // Past the `From ` line itself.
    mails
        .map(|mail| mail.iter().position(|byte| *byte == b'\n').map_or(mail, |line| &mail[line + 1..]))
        .collect()
}

/// The events of a mail; none where it is an ordinary one.
fn events(mail: &[u8], reading: &Reading, recent: &mut Recent) -> Result<Vec<Submitted>, String> {
    if mail.len() > MAIL_BYTES {
        return Err(format!("the mail has more than {MAIL_BYTES} bytes"));
    }
    let message = MessageParser::default().parse(mail).ok_or("not a mail")?;
    let status = part(&message, "delivery-status");
    let feedback = part(&message, "feedback-report");
    if status.is_none() && feedback.is_none() {
        return Ok(Vec::new());
    }
    let quoted =
        quoted(&message).ok_or("the mail quotes no mail: nothing tells which message it is about")?;
    let header = |name: &str| quoted.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let id = header(HEADER).or_else(|| header("message-id"));
    let id = id.ok_or("the quoted mail has no Message-ID: nothing tells which message it is about")?;
    let message_id = reading.message_id(id)?;
    let date = message.date().and_then(|date| Timestamp::from_millis(date.to_timestamp() * 1000).ok());
    if let Some(report) = feedback {
        let fields = fields(&report);
        // Others than abuse, such as auth-failure, are no recipient's doing.
        let abuse = ["abuse", "fraud", "virus", "opt-out", "opt-out-list", "other"];
        let kind = match field(&fields, "feedback-type").to_ascii_lowercase() {
            kind if kind.starts_with("opt-out") => DeliveryType::Unsubscribed,
            kind if abuse.contains(&kind.as_str()) => DeliveryType::Complained,
            _ => return Ok(Vec::new()),
        };
        let at = time(field(&fields, "arrival-date")).or(date).ok_or("the mail has no date")?;
        let mut told = event(kind, message_id, at, &report, recent);
        let to = [field(&fields, "original-rcpt-to"), field(&fields, "removal-recipient")];
        told.recipient_domain = domain(to.into_iter().find(|to| !to.is_empty()).unwrap_or_default());
        return Ok(vec![told]);
    }
    let report = status.unwrap_or_default();
    let mut groups = report
        .replace("\r\n", "\n")
        .split("\n\n")
        .map(fields)
        .filter(|group| !group.is_empty())
        .collect::<Vec<_>>();
    if groups.len() < 2 {
        return Err("the delivery status names no recipient: the mail is cut".to_owned());
    }
    let about = groups.remove(0);
    let mut events = Vec::new();
    for group in groups {
        let kind = match field(&group, "action").to_ascii_lowercase().as_str() {
            "failed" => DeliveryType::Bounced,
            "delayed" => DeliveryType::Deferred,
            "delivered" | "relayed" => DeliveryType::Delivered,
            _ => continue,
        };
        let at =
            [field(&group, "last-attempt-date"), field(&about, "arrival-date")].into_iter().find_map(time);
        let at = at.or(date).ok_or("the mail has no date")?;
        let mut told = event(kind, message_id.clone(), at, &written(&group), recent);
        let to = [field(&group, "final-recipient"), field(&group, "original-recipient")];
        told.recipient_domain = domain(to.into_iter().find(|to| !to.is_empty()).unwrap_or_default());
        let host = field(&group, "remote-mta");
        let host = host.split_once(';').map_or(host, |(_, host)| host).trim();
        told.mx_host = Some(host).filter(|host| host.contains('.')).map(str::to_owned);
        told.enhanced_code = enhanced(field(&group, "status"));
        let diagnostic = field(&group, "diagnostic-code");
        told.smtp_code = smtp_code(diagnostic);
        told.diagnostic = Some(diagnostic).filter(|text| !text.is_empty()).map(str::to_owned);
        events.push(told);
    }
    Ok(events)
}

/// The text of the first part of a type `message/SUBTYPE`.
fn part(message: &Message<'_>, subtype: &str) -> Option<String> {
    let found = message.parts.iter().find(|part| {
        part.content_type().is_some_and(|kind| {
            kind.c_type.eq_ignore_ascii_case("message")
                && kind.c_subtype.as_ref().is_some_and(|found| found.eq_ignore_ascii_case(subtype))
        })
    })?;
    Some(String::from_utf8_lossy(found.contents()).into_owned())
}

/// The headers of the mail that is quoted, whole or in part.
fn quoted(message: &Message<'_>) -> Option<Vec<(String, String)>> {
    for part in &message.parts {
        if let PartType::Message(inner) = &part.body {
            return Some(fields(&String::from_utf8_lossy(inner.raw_message())));
        }
        let kind = part.content_type().and_then(|kind| kind.c_subtype.as_deref());
        if kind.is_some_and(|kind| {
            kind.eq_ignore_ascii_case("rfc822-headers") || kind.eq_ignore_ascii_case("rfc822")
        }) {
            return Some(fields(&String::from_utf8_lossy(part.contents())));
        }
    }
    None
}

/// The fields of a block, names in lower case, folded lines joined; it ends with an empty line.
fn fields(block: &str) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in block.lines().take_while(|line| !line.trim_end().is_empty()) {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    fields
}

fn field<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()).unwrap_or_default()
}

fn written(fields: &[(String, String)]) -> String {
    fields.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n")
}

/// A date of RFC 5322.
fn time(text: &str) -> Option<Timestamp> {
    let time = jiff::fmt::rfc2822::parse(text.split(" (").next()?.trim()).ok()?;
    Timestamp::from_millis(time.timestamp().as_millisecond()).ok()
}

#[cfg(test)]
mod tests;
