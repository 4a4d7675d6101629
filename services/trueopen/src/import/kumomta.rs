//! KumoMTA's log: one JSON record a line (<https://docs.kumomta.com/reference/log_record/>). Its segments are compressed:
//! `zstdcat FILE… | trueopen import kumomta -`.

use super::format::{HEADER, Reading, Recent, domain, event};
use super::stamp;
use engagement::delivery::{DeliveryType, Submitted};
use serde_json::Value;

/// The events of a record; none for a record of another kind.
pub(super) fn line(line: &str, reading: &Reading, recent: &mut Recent) -> Result<Vec<Submitted>, String> {
    let told: Value =
        serde_json::from_str(line).map_err(|_| "not a JSON record: the line is cut or of another format")?;
    let text = |pointer: &str| told.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let kind = match text("/type") {
        "Reception" => DeliveryType::Sent,
        "Delivery" => DeliveryType::Delivered,
        "TransientFailure" => DeliveryType::Deferred,
        "Bounce" | "Expiration" | "AdminBounce" | "OOB" => DeliveryType::Bounced,
        "Feedback" => DeliveryType::Complained,
        "" => return Err("no type: the record is of another format".to_owned()),
        _ => return Ok(Vec::new()),
    };
    let time =
        [told.get("event_time"), told.get("timestamp")].into_iter().flatten().find_map(|time| match time {
            Value::Number(seconds) => stamp::seconds_since_1970(seconds.as_f64()?),
            Value::String(text) => stamp::loose(text, &reading.zone),
            _ => None,
        });
    let at = time.ok_or("the time can't be read")?;
    let message_id = reading.message_id(
        &message_id(&told)
            .ok_or("no message id: log the header Message-ID or the meta value trueopen_message_id")?,
    )?;
    // The content of a mail has no place in evidence.
    let mut kept = told.clone();
    for name in ["headers", "feedback_report", "meta"] {
        kept.as_object_mut().map(|fields| fields.remove(name));
    }
    let mut told_event = event(kind, message_id, at, &kept.to_string(), recent);
    let recipient = match told.get("recipient") {
        Some(Value::Array(several)) => several.first().and_then(Value::as_str).unwrap_or_default(),
        _ => text("/recipient"),
    };
    told_event.recipient_domain = domain(recipient);
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
        if text("/type") == "Expiration" {
            told_event.enhanced_code = Some("4.4.7".to_owned());
        }
        told_event.diagnostic =
            Some(text("/response/content")).filter(|text| !text.is_empty()).map(str::to_owned);
    }
    Ok(vec![told_event])
}

/// What the sender says, in meta or headers in any case; else the spool id.
fn message_id(told: &Value) -> Option<String> {
    if let Some(id) = told.pointer("/meta/trueopen_message_id").and_then(Value::as_str) {
        return Some(id.to_owned());
    }
    let headers = told.get("headers").and_then(Value::as_object);
    let header = |wanted: &str| {
        let found = headers?.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted))?.1;
        found.as_str().or_else(|| found.get(0)?.as_str()).map(str::to_owned)
    };
    header(HEADER).or_else(|| header("message-id")).or_else(|| told.get("id")?.as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The record of <https://docs.kumomta.com/reference/log_record/>, on one line.
    const RECORD: &str = r#"{"type":"Delivery","id":"1d98076abbbc11ed940250ebf67f93bd","sender":"user@sender.example.com","recipient":"user@recipient.example.com","queue":"campaign:tenant@domain","site":"source2->(alt1|alt2|alt3|alt4)?.gmail-smtp-in.l.google.com.","size":1047,"response":{"code":250,"enhanced_code":{"class":2,"subject":0,"detail":0},"content":"OK ids=8a5475ccbbc611eda12250ebf67f93bd","command":"."},"peer_address":{"name":"gmail-smtp-in.l.google.com.","addr":"142.251.2.27"},"timestamp":1678069691,"created":1678069691,"num_attempts":0,"bounce_classification":"Uncategorized","egress_pool":"pool0","egress_source":"source2","feedback_report":null,"meta":{},"headers":{},"delivery_protocol":"ESMTP","nodeid":"557f3ad4-2c8c-11ee-976e-782d7e12e173"}"#;

    fn read(text: &str) -> Result<Vec<Submitted>, String> {
        line(text, &Reading::plain(), &mut Recent::default())
    }

    #[test]
    fn the_published_record_is_read() {
        let told = read(RECORD).unwrap().remove(0);
        assert_eq!(
            (told.kind, told.message_id.as_str()),
            (DeliveryType::Delivered, "1d98076abbbc11ed940250ebf67f93bd")
        );
        assert_eq!(
            (told.mx_host.as_deref(), told.smtp_code),
            (Some("gmail-smtp-in.l.google.com"), Some(250))
        );
        assert_eq!(
            (told.enhanced_code.as_deref(), told.at.to_string().as_str()),
            (Some("2.0.0"), "2023-03-06T02:28:11.000Z")
        );
        assert!(!told.original.unwrap().contains('@'));
        for (from, to, kind) in [
            ("Delivery", "Bounce", Some("bounced")),
            ("Delivery", "TransientFailure", Some("deferred")),
            ("Delivery", "Expiration", Some("bounced")),
            ("Delivery", "Reception", Some("sent")),
            ("Delivery", "Feedback", Some("complained")),
            ("Delivery", "Delay", None),
        ] {
            let events = read(&RECORD.replacen(from, to, 1)).unwrap();
            assert_eq!(events.first().map(|told| told.kind.as_str()), kind, "{to}");
        }
        let named = RECORD.replace(r#""headers":{}"#, r#""headers":{"Message-ID":"<m-1@sender.example>"}"#);
        assert_eq!(read(&named).unwrap()[0].message_id, "m-1@sender.example");
        let meta = named.replace(r#""meta":{}"#, r#""meta":{"trueopen_message_id":"m-2"}"#);
        assert_eq!(read(&meta).unwrap()[0].message_id, "m-2");
        assert!(read(&RECORD[..200]).unwrap_err().contains("cut"));
        assert!(read("{}").unwrap_err().contains("type"));
    }
}
