//! Postfix's log (`postfix/smtp`, `cleanup`, `qmgr`, `local`, `virtual`, `lmtp`, `pipe`, `error`, `bounce`), as syslog, rsyslog or
//! postlogd write it. The queue id leads from a delivery to its Message-ID. Postfix's own mails (empty sender) are left out.

use super::format::{Reading, Recent, domain, enhanced, event, smtp_code};
use super::stamp;
use engagement::Timestamp;
use engagement::delivery::{DeliveryType, Submitted};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many mails in the queue are remembered; beyond it those whose ids come first are forgotten, and their deliveries are
/// reported as lines without a message id.
const QUEUED: usize = 500_000;

/// What is known of the mails in the queue.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Postfix {
    queue: BTreeMap<String, Queued>,
    recent: Recent,
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Queued {
    message_id: String,
    /// Whether it was told that the mail was sent.
    sent: bool,
    /// Postfix's own: a bounce or a notice.
    own: bool,
    /// The domains that it was deferred for last.
    deferred: Vec<String>,
}

impl Postfix {
    /// The events of a line; none where it is about something else.
    pub(super) fn line(
        &mut self,
        line: &str,
        reading: &Reading,
        reference: Timestamp,
    ) -> Result<Vec<Submitted>, String> {
        let Some(at_program) = line.find(" postfix") else { return Ok(Vec::new()) };
        let Some((program, text)) = line[at_program + 1..].split_once(": ") else { return Ok(Vec::new()) };
        let daemon = program.rsplit('/').next().unwrap_or_default().split('[').next().unwrap_or_default();
        let Some((id, text)) = text.split_once(": ").filter(|(id, _)| is_queue_id(id)) else {
            return Ok(Vec::new());
        };
        match daemon {
            "cleanup" => self.cleanup(id, text),
            "qmgr" | "oqmgr" => {
                let (at, _) =
                    stamp::syslog(line, &reading.zone, reference).ok_or("the time can't be read")?;
                return self.manager(id, text, at, line, reading);
            }
            _ if text.starts_with("to=<") => {
                let (at, _) =
                    stamp::syslog(line, &reading.zone, reference).ok_or("the time can't be read")?;
                return self.delivery(id, text, at, line, reading);
            }
            _ => {}
        }
        Ok(Vec::new())
    }

    fn cleanup(&mut self, id: &str, text: &str) {
        let Some(message_id) = text.strip_prefix("message-id=") else { return };
        if self.queue.len() >= QUEUED {
            self.queue.pop_first();
        }
        self.queue.insert(id.to_owned(), Queued { message_id: message_id.to_owned(), ..Queued::default() });
    }

    /// A mail became active, expired or left.
    fn manager(
        &mut self,
        id: &str,
        text: &str,
        at: Timestamp,
        line: &str,
        reading: &Reading,
    ) -> Result<Vec<Submitted>, String> {
        if text == "removed" {
            self.queue.remove(id);
            return Ok(Vec::new());
        }
        let Some(queued) = self.queue.get_mut(id) else { return Ok(Vec::new()) };
        if text.starts_with("from=<>") {
            queued.own = true;
        }
        if queued.own {
            return Ok(Vec::new());
        }
        let message_id = reading.message_id(&queued.message_id)?;
        if text.contains("status=expired") {
            let expired = std::mem::take(&mut queued.deferred).into_iter().map(|domain| {
                let mut told = event(DeliveryType::Bounced, message_id.clone(), at, line, &mut self.recent);
                told.recipient_domain = domain;
                told.enhanced_code = Some("4.4.7".to_owned());
                told.diagnostic = Some("message expired in the queue".to_owned());
                told
            });
            return Ok(expired.collect());
        }
        if !text.ends_with("(queue active)") || std::mem::replace(&mut queued.sent, true) {
            return Ok(Vec::new());
        }
        Ok(vec![event(DeliveryType::Sent, message_id, at, line, &mut self.recent)])
    }

    /// `to=<a@b>, relay=mx.b[192.0.2.1]:25, delay=1, delays=…, dsn=2.0.0, status=sent (250 2.0.0 Ok)`
    fn delivery(
        &mut self,
        id: &str,
        text: &str,
        at: Timestamp,
        line: &str,
        reading: &Reading,
    ) -> Result<Vec<Submitted>, String> {
        let (_, status) =
            text.split_once(", status=").ok_or("a delivery without a status: the line is cut")?;
        let (status, why) = status.split_once(' ').ok_or("the status ends early: the line is cut")?;
        let kind = match status {
            "sent" => DeliveryType::Delivered,
            "deferred" => DeliveryType::Deferred,
            "bounced" => DeliveryType::Bounced,
            // An address that was only verified, or mail that was thrown away by a filter.
            _ => return Ok(Vec::new()),
        };
        let why = why
            .strip_prefix('(')
            .and_then(|why| why.strip_suffix(')'))
            .ok_or("the status ends early: the line is cut")?;
        let queued = self.queue.get_mut(id).ok_or(
            "no message-id was logged for this queue id: begin with the log in which the mail came in",
        )?;
        if queued.own {
            return Ok(Vec::new());
        }
        let message_id = reading.message_id(&queued.message_id)?;
        let recipient =
            text.strip_prefix("to=<").and_then(|rest| rest.split_once('>')).map_or("", |(to, _)| to);
        let field =
            |name: &str| text.split_once(name).map(|(_, rest)| rest.split(", ").next().unwrap_or_default());
        let mut told = event(kind, message_id, at, line, &mut self.recent);
        told.recipient_domain = domain(recipient);
        let relay = field(", relay=").unwrap_or_default();
        told.mx_host =
            relay.split_once('[').map(|(host, _)| host.to_owned()).filter(|host| host.contains('.'));
        told.enhanced_code = field(", dsn=").and_then(enhanced);
        let said = why.split_once(" said: ").map_or(why, |(_, said)| said);
        told.smtp_code = smtp_code(said);
        told.diagnostic = Some(why.to_owned());
        if kind == DeliveryType::Deferred && !queued.deferred.contains(&told.recipient_domain) {
            queued.deferred.push(told.recipient_domain.clone());
        } else if kind != DeliveryType::Deferred {
            queued.deferred.retain(|domain| *domain != told.recipient_domain);
        }
        Ok(vec![told])
    }
}

/// A short id of hexadecimal digits, or a long one of letters and digits without vowels.
fn is_queue_id(text: &str) -> bool {
    text.len() >= 6
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && text.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After the examples of <https://www.postfix.org/DEBUG_README.html> and the texts of Postfix 3.10.
    const LOG: &str = "\
2026-11-20T10:00:00.100000+00:00 mail postfix/pickup[11]: 4ZqS2L0x1Fz4w0: uid=1000 from=<news@sender.example>
2026-11-20T10:00:00.110000+00:00 mail postfix/cleanup[12]: 4ZqS2L0x1Fz4w0: message-id=<m-1@sender.example>
2026-11-20T10:00:00.120000+00:00 mail postfix/qmgr[13]: 4ZqS2L0x1Fz4w0: from=<news@sender.example>, size=432, nrcpt=1 (queue active)
2026-11-20T10:00:01.500000+00:00 mail postfix/smtp[14]: 4ZqS2L0x1Fz4w0: to=<jane@clinic.example>, relay=aspmx.l.google.com[192.0.2.26]:25, delay=1.4, delays=0.01/0.01/1/0.4, dsn=2.0.0, status=sent (250 2.0.0 OK  1763632801 a1-20020 - gsmtp)
2026-11-20T10:00:01.510000+00:00 mail postfix/qmgr[13]: 4ZqS2L0x1Fz4w0: removed
Nov 20 10:01:00 mail postfix/cleanup[12]: 7D2FA1C0B2: message-id=<m-2@sender.example>
Nov 20 10:01:00 mail postfix/qmgr[13]: 7D2FA1C0B2: from=<news@sender.example>, size=432, nrcpt=1 (queue active)
Nov 20 10:01:02 mail postfix/smtp[14]: 7D2FA1C0B2: to=<joe@full.example>, orig_to=<joe>, relay=mx.full.example[192.0.2.27]:25, delay=2, delays=0/0/1/1, dsn=4.2.2, status=deferred (host mx.full.example[192.0.2.27] said: 452 4.2.2 <joe@full.example> mailbox full (in reply to RCPT TO command))
Nov 20 10:06:02 mail postfix/qmgr[13]: 7D2FA1C0B2: from=<news@sender.example>, size=432, nrcpt=1 (queue active)
Nov 25 10:01:02 mail postfix/qmgr[13]: 7D2FA1C0B2: from=<news@sender.example>, status=expired, returned to sender
Nov 25 10:01:02 mail postfix/cleanup[12]: 8E3FA1C0B3: message-id=<20261125100102.8E3FA1C0B3@mail>
Nov 25 10:01:02 mail postfix/bounce[15]: 7D2FA1C0B2: sender non-delivery notification: 8E3FA1C0B3
Nov 25 10:01:02 mail postfix/qmgr[13]: 8E3FA1C0B3: from=<>, size=2500, nrcpt=1 (queue active)
Nov 25 10:01:03 mail postfix/smtp[14]: 8E3FA1C0B3: to=<news@sender.example>, relay=mx.sender.example[192.0.2.1]:25, delay=1, delays=0/0/1/0, dsn=2.0.0, status=sent (250 ok)
Nov 25 10:02:00 mail postfix/cleanup[12]: 9F3FA1C0B3: message-id=<m-3@sender.example>
Nov 25 10:02:03 mail postfix/error[14]: 9F3FA1C0B3: to=<x@nosuch.example>, relay=none, delay=1, delays=0/0/1/0, dsn=5.4.4, status=bounced (Host or domain name not found. Name service error for name=nosuch.example type=AAAA: Host not found)
Nov 25 10:02:04 mail dovecot: imap-login: 9F3FA1C0B3: to=<x@nosuch.example>, status=sent (x)
Nov 25 10:02:04 mail postfix/smtpd[14]: connect from unknown[192.0.2.77]
";

    fn read(postfix: &mut Postfix, line: &str) -> Result<Vec<Submitted>, String> {
        postfix.line(line, &Reading::plain(), Timestamp::parse("2026-11-26T00:00:00Z").unwrap())
    }

    #[test]
    fn a_delivery_finds_its_message_by_the_queue_id() {
        let mut postfix = Postfix::default();
        let events: Vec<_> = LOG.lines().flat_map(|line| read(&mut postfix, line).unwrap()).collect();
        let told: Vec<_> = events
            .iter()
            .map(|told| {
                (
                    told.kind.as_str(),
                    told.message_id.as_str(),
                    told.recipient_domain.as_str(),
                    told.mx_host.as_deref(),
                    told.smtp_code,
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("sent", "m-1@sender.example", "", None, None),
                ("delivered", "m-1@sender.example", "clinic.example", Some("aspmx.l.google.com"), Some(250)),
                ("sent", "m-2@sender.example", "", None, None),
                ("deferred", "m-2@sender.example", "full.example", Some("mx.full.example"), Some(452)),
                ("bounced", "m-2@sender.example", "full.example", None, None),
                ("bounced", "m-3@sender.example", "nosuch.example", None, None),
            ]
        );
        assert_eq!(events[1].at.to_string(), "2026-11-20T10:00:01.500Z");
        assert_eq!(events[3].at.to_string(), "2026-11-20T10:01:02.000Z");
        assert_eq!(
            (events[4].enhanced_code.as_deref(), events[5].enhanced_code.as_deref()),
            (Some("4.4.7"), Some("5.4.4"))
        );
        assert!(events.iter().all(|told| !told.original.as_ref().unwrap().contains('@')));
        // Read again from its start, the ids are the same.
        let mut again = Postfix::default();
        let ids: Vec<_> =
            LOG.lines().flat_map(|line| read(&mut again, line).unwrap()).map(|told| told.event_id).collect();
        assert_eq!(ids, events.into_iter().map(|told| told.event_id).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_cut_or_unknown_is_said_and_stops_nothing() {
        let mut postfix = Postfix::default();
        let whole = LOG.lines().nth(3).unwrap();
        assert!(read(&mut postfix, whole).unwrap_err().contains("no message-id"));
        read(&mut postfix, LOG.lines().nth(1).unwrap()).unwrap();
        for cut in [&whole[..whole.len() - 10], whole.split(", status").next().unwrap()] {
            assert!(read(&mut postfix, cut).unwrap_err().contains("cut"), "{cut}");
        }
        let broken = whole.replacen("2026-11-20", "2026-13-20", 1);
        assert!(read(&mut postfix, &broken).unwrap_err().contains("time"));
        // Two recipients of one domain in one moment are two events, and the same two when read again.
        let ids = |postfix: &mut Postfix| {
            ["jane", "john"]
                .map(|name| read(postfix, &whole.replace("jane", name)).unwrap().remove(0).event_id)
        };
        let kept = postfix.clone();
        let first = ids(&mut postfix);
        assert_ne!(first[0], first[1]);
        let stored = serde_json::to_string(&kept).unwrap();
        assert_eq!(ids(&mut serde_json::from_str(&stored).unwrap()), first);
    }
}
