//! KumoMTA's log: one JSON record a line (<https://docs.kumomta.com/reference/log_record/>).
//!
//! Three kinds of record carry the id, headers and meta of a mail that came in, not of one that was sent. `Feedback` is a complaint: the mail
//! it is about is quoted in `feedback_report`. `OOB` is a bounce that came as a mail: as KumoMTA writes it, it says nothing of the mail it
//! is about, so it is refused with what to do. `Reception` may be either, so it counts only with what the sender of ours put there.

use super::format::{HEADER, Reading, Recent, domain, event};
use super::{mails, stamp};
use engagement::delivery::{DeliveryType, Submitted};
use serde_json::{Map, Value};

/// The meta value that names a message, in the log's `meta` and in a trace header's `include_meta_names`.
const META: &str = "trueopen_message_id";

/// The events of a record; none for a record of another kind.
pub(super) fn line(line: &str, reading: &Reading) -> Result<Vec<Submitted>, String> {
    let told: Value =
        serde_json::from_str(line).map_err(|_| "not a JSON record: the line is cut or of another format")?;
    let text = |pointer: &str| told.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let record = text("/type");
    let kind = match record {
        "Reception" => DeliveryType::Sent,
        "Delivery" => DeliveryType::Delivered,
        "TransientFailure" => DeliveryType::Deferred,
        "Bounce" | "Expiration" | "AdminBounce" | "OOB" => DeliveryType::Bounced,
        "Feedback" => match mails::complaint(text("/feedback_report/feedback_type")) {
            Some(kind) => kind,
            None => return Ok(Vec::new()),
        },
        "" => return Err("no type: the record is of another format".to_owned()),
        _ => return Ok(Vec::new()),
    };
    // A record on its way to a webhook (`configure_log_hook`) is queued and logged as a mail is, and is none.
    if text("/reception_protocol") == "LogRecord" {
        return Ok(Vec::new());
    }
    let named = match record {
        "Feedback" => Some(quoted(&told).ok_or(
            "the report quotes no Message-ID and no trace header has trueopen_message_id: nothing tells which message it is about",
        )?),
        "OOB" => Some(quoted(&told).ok_or(
            "an OOB record does not tell which message bounced: give the bounces themselves to `trueopen import mail` \
             (log_oob = \"LogThenRelay\" to a mailbox)",
        )?),
        "Reception" => match of_the_sender(&told) {
            Some(id) => Some(id),
            None => return Ok(Vec::new()),
        },
        _ => of_the_sender(&told)
            .or_else(|| header(&told, "message-id"))
            .or_else(|| told.get("id")?.as_str().map(str::to_owned)),
    };
    let message_id = reading.message_id(
        &named.ok_or("no message id: log the header Message-ID or the meta value trueopen_message_id")?,
    )?;
    let time =
        [told.get("event_time"), told.get("timestamp")].into_iter().flatten().find_map(|time| match time {
            Value::Number(seconds) => stamp::seconds_since_1970(seconds.as_f64()?),
            Value::String(text) => stamp::loose(text, &reading.zone),
            _ => None,
        });
    let at = time.ok_or("the time can't be read")?;
    // Its spool id is in it, so that no two records look the same.
    let mut told_event = event(kind, message_id, at, &kept(&told).to_string(), &mut Recent::default());
    told_event.recipient_domain = domain(recipient(&told, record));
    if matches!(kind, DeliveryType::Delivered | DeliveryType::Deferred | DeliveryType::Bounced) {
        let host = text("/peer_address/name").trim_end_matches('.');
        told_event.mx_host = Some(host).filter(|host| host.contains('.')).map(str::to_owned);
        let code =
            told.pointer("/response/code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
        told_event.smtp_code = code.filter(|code| (200..600).contains(code));
        let part = |name| told.pointer(&format!("/response/enhanced_code/{name}")).and_then(Value::as_u64);
        if let (Some(class), Some(subject), Some(detail)) = (part("class"), part("subject"), part("detail")) {
            told_event.enhanced_code = Some(format!("{class}.{subject}.{detail}"));
        }
        if record == "Expiration" {
            told_event.enhanced_code = Some("4.4.7".to_owned());
        }
        told_event.diagnostic =
            Some(text("/response/content")).filter(|text| !text.is_empty()).map(str::to_owned);
    }
    Ok(vec![told_event])
}

/// What the sender says, in meta or in a header of ours.
fn of_the_sender(told: &Value) -> Option<String> {
    let meta = told.get("meta").and_then(|meta| meta.get(META)).and_then(Value::as_str).map(str::to_owned);
    meta.or_else(|| header(told, HEADER))
}

/// A logged header, in any case.
fn header(told: &Value, wanted: &str) -> Option<String> {
    let headers = told.get("headers")?.as_object()?;
    let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted))?.1;
    found.as_str().or_else(|| found.get(0)?.as_str()).map(str::to_owned)
}

/// What the mail that a report quotes says of itself: KumoMTA's own trace header, else its headers.
fn quoted(told: &Value) -> Option<String> {
    let report = told.get("feedback_report")?;
    let traced = report.pointer(&format!("/supplemental_trace/{META}")).and_then(Value::as_str);
    if let Some(id) = traced.filter(|id| !id.is_empty()) {
        return Some(id.to_owned());
    }
    mails::named(&mails::fields(report.get("original_message")?.as_str()?)).map(str::to_owned)
}

/// To whom the mail went that a record is about.
fn recipient<'a>(told: &'a Value, record: &str) -> &'a str {
    let places: &[&str] = match record {
        "Feedback" => &[
            "/feedback_report/original_rcpto_to",
            "/feedback_report/supplemental_trace/recipient",
            "/feedback_report/extensions/removal-recipient",
        ],
        _ => &["/recipient"],
    };
    let found = places.iter().filter_map(|place| told.pointer(place)).find_map(|found| match found {
        Value::Array(several) => several.first()?.as_str(),
        one => one.as_str(),
    });
    found.unwrap_or_default()
}

/// The record without the mail's content, which has no place in evidence; of a report what it says of itself.
fn kept(told: &Value) -> Value {
    let mut kept = told.clone();
    if let Some(fields) = kept.as_object_mut() {
        for name in ["headers", "meta"] {
            fields.remove(name);
        }
        if let Some(Value::Object(report)) = fields.remove("feedback_report") {
            let plain = ["feedback_type", "user_agent", "version", "arrival_date", "reporting_mta"];
            let report: Map<_, _> =
                report.into_iter().filter(|(name, _)| plain.contains(&name.as_str())).collect();
            fields.insert("feedback_report".to_owned(), Value::Object(report));
        }
    }
    kept
}

#[cfg(test)]
mod tests;
