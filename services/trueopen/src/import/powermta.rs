//! PowerMTA's accounting files: CSV (RFC 4180) with a header that names the columns. The message id is the column
//! `header_X-Trueopen-Message-Id` or `header_Message-Id` (of `record-fields delivery header_Message-Id`), else `envId`.

use super::format::{HEADER, Reading, Recent, domain, enhanced, event, smtp_code};
use super::stamp;
use engagement::delivery::{DeliveryType, Submitted};

/// The events of a row; none for the header, which sets the columns, and for a row of another kind.
pub(super) fn line(
    line: &str,
    columns: &mut Vec<String>,
    reading: &Reading,
    recent: &mut Recent,
) -> Result<Vec<Submitted>, String> {
    let cells = cells(line)?;
    if cells.first().is_some_and(|cell| cell == "type") {
        *columns = cells.iter().map(|name| name.to_ascii_lowercase()).collect();
        return Ok(Vec::new());
    }
    if columns.is_empty() {
        return Err("no header came before: a file begins with `type,…`".to_owned());
    }
    if cells.len() != columns.len() {
        return Err(format!(
            "{} columns where the header has {}: the line is cut",
            cells.len(),
            columns.len()
        ));
    }
    let cell = |name: &str| {
        let at = columns.iter().position(|column| column == name);
        at.map(|at| cells[at].trim()).unwrap_or_default()
    };
    let kind = match cell("type") {
        "r" => DeliveryType::Sent,
        "d" => DeliveryType::Delivered,
        "t" | "tq" => DeliveryType::Deferred,
        "b" | "rb" => DeliveryType::Bounced,
        "f" => DeliveryType::Complained,
        _ => return Ok(Vec::new()),
    };
    let at = stamp::loose(cell("timelogged"), &reading.zone).ok_or("timeLogged can't be read")?;
    let named = [format!("header_{HEADER}"), "header_message-id".to_owned(), "envid".to_owned()];
    let id = named.iter().map(|name| cell(name)).find(|id| !id.is_empty());
    let id = id.ok_or("no message id: record the field header_Message-Id or envId")?;
    let mut told = event(kind, reading.message_id(id)?, at, line, recent);
    told.recipient_domain = domain(cell("rcpt"));
    let campaign = cell("jobid");
    told.campaign =
        (!campaign.is_empty() && campaign.len() <= engagement::token::ID_BYTES).then(|| campaign.to_owned());
    let host = cell("dsnmta").split([' ', '(']).next().unwrap_or_default();
    told.mx_host = Some(host).filter(|host| host.contains('.')).map(str::to_owned);
    told.enhanced_code = enhanced(cell("dsnstatus"));
    told.smtp_code = smtp_code(cell("dsndiag"));
    told.diagnostic = Some(cell("dsndiag")).filter(|text| !text.is_empty()).map(str::to_owned);
    Ok(vec![told])
}

fn cells(line: &str) -> Result<Vec<String>, String> {
    if line.matches('"').count() % 2 == 1 {
        return Err("a quote is not closed: the line is cut".to_owned());
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
    match reader.records().next() {
        Some(Ok(record)) => Ok(record.iter().map(str::to_owned).collect()),
        _ => Err("not a row of CSV".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file of the PowerMTA guide (11.2.9 Encoding), with the columns that a message id and a reason need.
    const FILE: &str = r#"type,timeLogged,orig,rcpt,dlvSourceIp,bounceCat,dsnStatus,dsnDiag,dsnMta,jobId,header_Message-Id
d,1178807903,orig@port25.com,user1@domain.com,10.0.0.1,,2.0.0 (success),smtp;250 2.0.0 OK,mx.domain.com (192.0.2.1),job1,<m-1@port25.com>
b,2012-03-05 11:53:49+0100,orig@port25.com,user3@domain.com,,policy-related,5.7.1 (delivery not authorized),"smtp;550 5.7.1 ""spam"", blocked <user3@domain.com>",mx.domain.com (192.0.2.1),,<m-3@port25.com>
t,1178807915,orig@port25.com,user4@domain.com,,quota-issues,4.2.2,smtp;452 full,,,<m-4@port25.com>
rs,1178807915,orig@port25.com,user4@domain.com,,,,,,,<m-4@port25.com>"#;

    #[test]
    fn the_guides_file_is_read() {
        let (mut columns, mut recent) = (Vec::new(), Recent::default());
        let mut read = |text: &str| line(text, &mut columns, &Reading::plain(), &mut recent);
        assert!(read("d,1178807903,a,b").unwrap_err().contains("header"));
        let events: Vec<_> = FILE.lines().flat_map(|text| read(text).unwrap()).collect();
        let told: Vec<_> = events
            .iter()
            .map(|told| (told.kind.as_str(), told.message_id.as_str(), told.smtp_code))
            .collect();
        assert_eq!(
            told,
            [
                ("delivered", "m-1@port25.com", Some(250)),
                ("bounced", "m-3@port25.com", Some(550)),
                ("deferred", "m-4@port25.com", Some(452)),
            ]
        );
        assert_eq!(
            (events[0].mx_host.as_deref(), events[0].campaign.as_deref()),
            (Some("mx.domain.com"), Some("job1"))
        );
        assert_eq!(events[1].at.to_string(), "2012-03-05T10:53:49.000Z");
        assert_eq!(events[1].enhanced_code.as_deref(), Some("5.7.1"));
        assert!(!events[1].original.as_ref().unwrap().contains('@'));
        let row = FILE.lines().nth(2).unwrap();
        assert!(read(&row[..60]).unwrap_err().contains("cut"));
        assert!(read(&row[..150]).unwrap_err().contains("quote"));
    }
}
