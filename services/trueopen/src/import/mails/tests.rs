//! The examples of the RFCs themselves.

use super::*;

/// RFC 3464, appendix E.1, with the returned mail of its text.
const BOUNCE: &str = "\
Date: Thu, 7 Jul 1994 17:16:05 -0400\r
From: Mail Delivery Subsystem <MAILER-DAEMON@CS.UTK.EDU>\r
Message-Id: <199407072116.RAA14128@CS.UTK.EDU>\r
Subject: Returned mail: Cannot send message for 5 days\r
To: <owner-info-mime@cs.utk.edu>\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=delivery-status;\r
      boundary=\"RAA14128.773615765/CS.UTK.EDU\"\r
\r
--RAA14128.773615765/CS.UTK.EDU\r
\r
The original message was received at Sat, 2 Jul 1994 17:10:28 -0400\r
from root@localhost\r
\r
--RAA14128.773615765/CS.UTK.EDU\r
content-type: message/delivery-status\r
\r
Reporting-MTA: dns; cs.utk.edu\r
\r
Original-Recipient: rfc822;louisl@larry.slip.umd.edu\r
Final-Recipient: rfc822;louisl@larry.slip.umd.edu\r
Action: failed\r
Status: 4.0.0\r
Diagnostic-Code: smtp; 426 connection timed out\r
Last-Attempt-Date: Thu, 7 Jul 2005 17:15:49 -0400\r
\r
--RAA14128.773615765/CS.UTK.EDU\r
content-type: message/rfc822\r
\r
Message-ID: <m-1@cs.utk.edu>\r
Subject: private\r
\r
[original message goes here]\r
\r
--RAA14128.773615765/CS.UTK.EDU--\r
";

/// RFC 5965, appendix B.1 and B.2.
const COMPLAINT: &str = "\
From: <abusedesk@example.com>\r
Date: Thu, 8 Mar 2005 17:40:36 EDT\r
Subject: FW: Earn money\r
To: <abuse@example.net>\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=feedback-report;\r
     boundary=\"part1_13d.2e68ed54_boundary\"\r
\r
--part1_13d.2e68ed54_boundary\r
Content-Type: text/plain; charset=\"US-ASCII\"\r
Content-Transfer-Encoding: 7bit\r
\r
This is an email abuse report for an email message received from IP\r
192.0.2.1 on Thu, 8 Mar 2005 14:00:00 EDT.\r
\r
--part1_13d.2e68ed54_boundary\r
Content-Type: message/feedback-report\r
\r
Feedback-Type: abuse\r
User-Agent: SomeGenerator/1.0\r
Version: 1\r
Original-Mail-From: <somesender@example.net>\r
Original-Rcpt-To: <user@example.com>\r
Arrival-Date: Tue, 08 Mar 2005 14:00:00 -0400\r
Reporting-MTA: dns; mail.example.com\r
Source-IP: 192.0.2.1\r
Removal-Recipient: user@example.com\r
\r
--part1_13d.2e68ed54_boundary\r
Content-Type: message/rfc822\r
Content-Disposition: inline\r
\r
From: <somesender@example.net>\r
Received: from mailserver.example.net (mailserver.example.net\r
     [192.0.2.1]) by example.com with ESMTP id M63d4137594e46;\r
     Tue, 08 Mar 2005 14:00:00 -0400\r
To: <Undisclosed Recipients>\r
Subject: Earn money\r
MIME-Version: 1.0\r
Content-type: text/plain\r
Message-ID: 8787KJKJ3K4J3K4J3K4J3.mail@example.net\r
Date: Thu, 02 Sep 2004 12:31:03 -0500\r
\r
Spam Spam Spam\r
\r
--part1_13d.2e68ed54_boundary--\r
";

fn read(mail: &str) -> Result<Vec<Submitted>, String> {
    events(mail.as_bytes(), &Reading::plain())
}

#[test]
fn the_rfcs_bounce_and_complaint_are_read() {
    let bounce = read(BOUNCE).unwrap().remove(0);
    assert_eq!((bounce.kind, bounce.message_id.as_str()), (DeliveryType::Bounced, "m-1@cs.utk.edu"));
    assert_eq!(
        (bounce.recipient_domain.as_str(), bounce.enhanced_code.as_deref()),
        ("larry.slip.umd.edu", Some("4.0.0"))
    );
    assert_eq!((bounce.smtp_code, bounce.at.to_string().as_str()), (Some(426), "2005-07-07T21:15:49.000Z"));
    let original = bounce.original.unwrap();
    assert!(!original.contains('@') && !original.contains("private"), "{original}");

    let complaint = read(COMPLAINT).unwrap().remove(0);
    assert_eq!(
        (complaint.kind, complaint.recipient_domain.as_str()),
        (DeliveryType::Complained, "example.com")
    );
    assert_eq!(complaint.message_id, "8787KJKJ3K4J3K4J3K4J3.mail@example.net");
    assert_eq!(complaint.at.to_string(), "2005-03-08T18:00:00.000Z");
}

#[test]
fn several_recipients_delays_headers_alone_and_what_is_no_report() {
    let several = BOUNCE.replacen("7 Jul 1994 17:16:05", "7 Jul 2005 17:16:05", 1).replacen(
        "Action: failed",
        "Action: delayed\r\nStatus: 4.2.2\r\n\r\nFinal-Recipient: rfc822;b@b.example\r\nRemote-MTA: dns; mx.b.example\r\nAction: failed",
        1,
    );
    let told = read(&several).unwrap();
    assert_eq!(told.iter().map(|told| told.kind.as_str()).collect::<Vec<_>>(), ["deferred", "bounced"]);
    assert_eq!(told[1].mx_host.as_deref(), Some("mx.b.example"));
    let headers = BOUNCE.replace("content-type: message/rfc822", "Content-Type: text/rfc822-headers");
    assert_eq!(read(&headers).unwrap()[0].message_id, "m-1@cs.utk.edu");
    let named = BOUNCE.replace("Subject: private", "X-Trueopen-Message-Id: m-9");
    assert_eq!(read(&named).unwrap()[0].message_id, "m-9");
    assert!(read("From: a@b.example\r\nSubject: hello\r\n\r\nhello\r\n").unwrap().is_empty());
    let (cut, _) = BOUNCE.split_once("content-type: message/rfc822").unwrap();
    assert!(read(cut).unwrap_err().contains("quotes no mail"));
    assert!(
        read(&BOUNCE.replace("Message-ID: <m-1@cs.utk.edu>\r\n", "")).unwrap_err().contains("Message-ID")
    );
    assert!(
        read(&COMPLAINT.replace("Feedback-Type: abuse", "Feedback-Type: auth-failure")).unwrap().is_empty()
    );
}
