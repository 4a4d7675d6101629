//! Mails that tell of mails: bounces (RFC 3464) and complaints (RFC 5965).
//!
//! The message is named by `X-Trueopen-Message-Id` or Message-ID of the mail that is quoted. A mail that is neither a bounce nor a
//! complaint is left alone; one that names no message is reported.

use super::format::{HEADER, Reading, Recent, domain, enhanced, event, smtp_code};
use engagement::Timestamp;
use engagement::delivery::{DeliveryType, Submitted};
use mail_parser::{Message, MessageParser, MimeHeaders as _, PartType};

/// The events of a mail; none where it is an ordinary one.
pub(super) fn events(mail: &[u8], reading: &Reading) -> Result<Vec<Submitted>, String> {
    // Of this mail alone: a mailbox is written anew when mails are removed, and what is read again then is the same.
    let mut recent = Recent::default();
    let message = MessageParser::default().parse(mail).ok_or("not a mail")?;
    let status = part(&message, "delivery-status");
    let feedback = part(&message, "feedback-report");
    if status.is_none() && feedback.is_none() {
        return Ok(Vec::new());
    }
    let quoted =
        quoted(&message).ok_or("the mail quotes no mail: nothing tells which message it is about")?;
    let id =
        named(&quoted).ok_or("the quoted mail has no Message-ID: nothing tells which message it is about")?;
    let message_id = reading.message_id(id)?;
    let date = message.date().and_then(|date| Timestamp::from_millis(date.to_timestamp() * 1000).ok());
    if let Some(report) = feedback {
        let fields = fields(&report);
        let Some(kind) = complaint(field(&fields, "feedback-type")) else { return Ok(Vec::new()) };
        let at = time(field(&fields, "arrival-date")).or(date).ok_or("the mail has no date")?;
        let mut told = event(kind, message_id, at, &report, &mut recent);
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
        let mut told = event(kind, message_id.clone(), at, &written(&group), &mut recent);
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

/// What a report's feedback type (RFC 5965, 7.3) says; nothing where it is no recipient's doing, such as auth-failure.
pub(super) fn complaint(feedback_type: &str) -> Option<DeliveryType> {
    match feedback_type.to_ascii_lowercase().as_str() {
        "opt-out" | "opt-out-list" => Some(DeliveryType::Unsubscribed),
        "abuse" | "fraud" | "virus" | "other" => Some(DeliveryType::Complained),
        _ => None,
    }
}

/// What names a message among its headers.
pub(super) fn named(headers: &[(String, String)]) -> Option<&str> {
    [HEADER, "message-id"].into_iter().map(|name| field(headers, name)).find(|id| !id.is_empty())
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
pub(super) fn fields(block: &str) -> Vec<(String, String)> {
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
