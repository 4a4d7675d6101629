//! KumoMTA's published records.

use super::*;

/// The record of <https://docs.kumomta.com/reference/log_record/>, on one line.
const RECORD: &str = r#"{"type":"Delivery","id":"1d98076abbbc11ed940250ebf67f93bd","sender":"user@sender.example.com","recipient":"user@recipient.example.com","queue":"campaign:tenant@domain","site":"source2->(alt1|alt2|alt3|alt4)?.gmail-smtp-in.l.google.com.","size":1047,"response":{"code":250,"enhanced_code":{"class":2,"subject":0,"detail":0},"content":"OK ids=8a5475ccbbc611eda12250ebf67f93bd","command":"."},"peer_address":{"name":"gmail-smtp-in.l.google.com.","addr":"142.251.2.27"},"timestamp":1678069691,"created":1678069691,"num_attempts":0,"bounce_classification":"Uncategorized","egress_pool":"pool0","egress_source":"source2","feedback_report":null,"meta":{},"headers":{},"delivery_protocol":"ESMTP","nodeid":"557f3ad4-2c8c-11ee-976e-782d7e12e173"}"#;

fn read(text: &str) -> Result<Vec<Submitted>, String> {
    line(text, &Reading::plain())
}

#[test]
fn the_published_record_is_read() {
    let told = read(RECORD).unwrap().remove(0);
    assert_eq!(
        (told.kind, told.message_id.as_str()),
        (DeliveryType::Delivered, "1d98076abbbc11ed940250ebf67f93bd")
    );
    assert_eq!((told.mx_host.as_deref(), told.smtp_code), (Some("gmail-smtp-in.l.google.com"), Some(250)));
    assert_eq!(
        (told.enhanced_code.as_deref(), told.at.to_string().as_str()),
        (Some("2.0.0"), "2023-03-06T02:28:11.000Z")
    );
    assert!(!told.original.unwrap().contains('@'));
    for (from, to, kind) in [
        ("Delivery", "Bounce", Some("bounced")),
        ("Delivery", "TransientFailure", Some("deferred")),
        ("Delivery", "Expiration", Some("bounced")),
        ("Delivery", "Delay", None),
        ("Delivery", "Rejection", None),
        // A mail that came in, as far as the record tells.
        ("Delivery", "Reception", None),
    ] {
        let events = read(&RECORD.replacen(from, to, 1)).unwrap();
        assert_eq!(events.first().map(|told| told.kind.as_str()), kind, "{to}");
    }
    let named = RECORD.replace(r#""headers":{}"#, r#""headers":{"Message-ID":"<m-1@sender.example>"}"#);
    assert_eq!(read(&named).unwrap()[0].message_id, "m-1@sender.example");
    let meta = named.replace(r#""meta":{}"#, r#""meta":{"trueopen_message_id":"m-2"}"#);
    assert_eq!(read(&meta).unwrap()[0].message_id, "m-2");
    // Only what the sender of ours put there tells that a mail which came in is one that goes out.
    assert!(read(&named.replacen("Delivery", "Reception", 1)).unwrap().is_empty());
    let sent = read(&meta.replacen("Delivery", "Reception", 1)).unwrap().remove(0);
    assert_eq!((sent.kind, sent.message_id.as_str()), (DeliveryType::Sent, "m-2"));
    let ours = RECORD.replace(r#""headers":{}"#, r#""headers":{"X-Trueopen-Message-Id":"m-3"}"#);
    assert_eq!(read(&ours.replacen("Delivery", "Reception", 1)).unwrap()[0].message_id, "m-3");
    // A log record on its way to a webhook is no mail.
    let hook = RECORD.replacen(r#""nodeid""#, r#""reception_protocol":"LogRecord","nodeid""#, 1);
    assert!(read(&hook).unwrap().is_empty());
    assert!(read(&RECORD[..200]).unwrap_err().contains("cut"));
    assert!(read("{}").unwrap_err().contains("type"));
}

/// The record of <https://docs.kumomta.com/userguide/configuration/fbl/>, which shows `feedback_report` alone, as KumoMTA writes it (its comments
/// left out, `null` for `nil`), within the fields of the mail that brought it.
const FEEDBACK: &str = r#"{"type":"Feedback","id":"b8a5475ccbbc611eda12250ebf67f93bd","sender":"","recipient":"reports@fbl.examplecorp.com","queue":"fbl.examplecorp.com","site":"","size":2047,"response":{"code":250,"enhanced_code":null,"content":""},"peer_address":{"name":"mail.example.com","addr":"192.0.2.8"},"timestamp":1678069691,"created":1678069691,"num_attempts":0,"bounce_classification":"Uncategorized","egress_pool":null,"egress_source":null,"feedback_report":{"feedback_type":"abuse","user_agent":"SomeGenerator/1.0","version":"1","arrival_date":"2005-03-08T18:00:00Z","incidents":null,"original_envelope_id":null,"original_mail_from":"<somesender@example.net>","reporting_mta":{"mta_type":"dns","name":"mail.example.com"},"source_ip":"192.0.2.1","authentication_results":["mail.example.com; spf=fail smtp.mail=somesender@example.com"],"original_rcpto_to":["<user@example.com>"],"reported_domain":["example.net"],"reported_uri":["http://example.net/earn_money.html","mailto:user@example.com"],"extensions":{"removal-recipient":["user@example.com"]},"original_message":"From: <somesender@example.net>\nReceived: from mailserver.example.net (mailserver.example.net\n    [192.0.2.1]) by example.com with ESMTP id M63d4137594e46;\n    Tue, 08 Mar 2005 14:00:00 -0400\nX-KumoRef: eyJfQF8iOiJcXF8vIiwicmVjaXBpZW50IjoidGVzdEBleGFtcGxlLmNvbSJ9\nTo: <Undisclosed Recipients>\nSubject: Earn money\nMIME-Version: 1.0\nContent-type: text/plain\nMessage-ID: 8787KJKJ3K4J3K4J3K4J3.mail@example.net\nDate: Thu, 02 Sep 2004 12:31:03 -0500\n\nSpam Spam Spam\nSpam Spam Spam\nSpam Spam Spam\nSpam Spam Spam\n","supplemental_trace":{"recipient":"test@example.org"}},"meta":{"trueopen_message_id":"of-the-report"},"headers":{"Message-ID":"<report@example.com>"},"delivery_protocol":null,"reception_protocol":"ESMTP","nodeid":"557f3ad4-2c8c-11ee-976e-782d7e12e173"}"#;

#[test]
fn a_complaint_is_about_the_mail_that_its_report_quotes() {
    let told = read(FEEDBACK).unwrap().remove(0);
    assert_eq!((told.kind, told.recipient_domain.as_str()), (DeliveryType::Complained, "example.com"));
    assert_eq!(told.message_id, "8787KJKJ3K4J3K4J3K4J3.mail@example.net");
    // Nothing of the mail, its addresses and links.
    let original = told.original.unwrap();
    for absent in ["@", "Spam", "earn_money", "of-the-report", "trace", "8787"] {
        assert!(!original.contains(absent), "{absent} in {original}");
    }
    assert!(original.contains("SomeGenerator/1.0"), "{original}");
    let id = |record: &str| read(record).map(|mut told| told.remove(0).message_id);
    let ours = FEEDBACK.replace(r"Subject: Earn money", r"X-Trueopen-Message-Id: m-5");
    assert_eq!(id(&ours).unwrap(), "m-5");
    let traced =
        ours.replace(r#""supplemental_trace":{"#, r#""supplemental_trace":{"trueopen_message_id":"m-6","#);
    assert_eq!(id(&traced).unwrap(), "m-6");
    let unknown = FEEDBACK.replace(r"Message-ID: 8787KJKJ3K4J3K4J3K4J3.mail@example.net\n", "");
    assert!(id(&unknown).unwrap_err().contains("quotes no Message-ID"));
    let without =
        FEEDBACK.replace(r#""original_rcpto_to":["<user@example.com>"]"#, r#""original_rcpto_to":[]"#);
    assert_eq!(read(&without).unwrap()[0].recipient_domain, "example.org");
    let opted_out = FEEDBACK.replace(r#""feedback_type":"abuse""#, r#""feedback_type":"opt-out""#);
    assert_eq!(read(&opted_out).unwrap()[0].kind, DeliveryType::Unsubscribed);
    let authentication = FEEDBACK.replace(r#""feedback_type":"abuse""#, r#""feedback_type":"auth-failure""#);
    assert!(read(&authentication).unwrap().is_empty());
}

/// As `log_disposition` of KumoMTA makes it of a bounce: all that names a mail is the bounce's own.
#[test]
fn a_bounce_that_came_as_a_mail_is_refused_with_what_to_do() {
    let bounce = RECORD
        .replacen("Delivery", "OOB", 1)
        .replace(r#""headers":{}"#, r#""headers":{"Message-ID":"<bounce@x.example>"}"#);
    let refused = read(&bounce).unwrap_err();
    assert!(refused.contains("trueopen import mail") && !refused.contains("bounce@"), "{refused}");
    let quoting = bounce.replace(
        r#""feedback_report":null"#,
        r#""feedback_report":{"original_message":"Message-ID: <m-1@sender.example>\n\n"}"#,
    );
    let told = read(&quoting).unwrap().remove(0);
    assert_eq!((told.kind, told.message_id.as_str()), (DeliveryType::Bounced, "m-1@sender.example"));
    assert_eq!(told.recipient_domain, "recipient.example.com");
}
