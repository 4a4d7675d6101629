//! What `up` prints once everything runs: where things are and how to try them.

use crate::Failure;
use crate::bootstrap::{DEMO, Welcome};
use engagement::Timestamp;
use engagement::keys::KeyRing;
use engagement::token::Link;
use reporting::mint::{Mail, Minter};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::SystemTime;

/// Where the sample click leads.
const DESTINATION: &str = "https://example.com/";

pub(super) struct Banner<'a> {
    pub(super) base_url: &'a str,
    pub(super) tracker: SocketAddr,
    pub(super) report: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) engine_url: &'a str,
    pub(super) data_dir: &'a Path,
    pub(super) welcome: &'a Welcome,
}

impl Banner<'_> {
    pub(super) fn text(&self, ring: &KeyRing) -> Result<String, Failure> {
        let mut text = format!(
            "\ntrueopen is up; Ctrl-C stops it\n\n  \
             tracker        http://{}\n  \
             reporting API  http://{}  (OpenAPI: /openapi.json)\n  \
             admin          http://{}  (/livez, /readyz, /metrics)\n  \
             ClickHouse     {}  (user default, password in {})\n  \
             data           {}\n",
            self.tracker,
            self.report,
            self.admin,
            self.engine_url,
            self.data_dir.join("clickhouse/engine.password").display(),
            self.data_dir.display(),
        );
        let Some(demo) = &self.welcome.demo else { return Ok(text) };
        let key_file = self.welcome.key_file.display();
        match &self.welcome.new_key {
            Some(key) => write!(
                text,
                "\n  account        {DEMO}\n  admin key      {key}\n                 (kept in {key_file})\n"
            )?,
            None => write!(text, "\n  account        {DEMO}\n  admin key      in {key_file}\n")?,
        }
        let mail = Mail {
            message_id: "message-1".to_owned(),
            campaign: "first-try".to_owned(),
            recipient_id: "recipient-1".to_owned(),
            recipient_domain: "example.org".to_owned(),
            sent_at: Timestamp::from_clock(SystemTime::now()),
        };
        let minter = Minter::new(ring, demo.number, None, self.base_url)?;
        let mail = minter.mail(&mail)?;
        let key = self.welcome.new_key.clone().unwrap_or_else(|| format!("$(cat {key_file})"));
        write!(
            text,
            "\nTry it: open these in a browser, then ask for the report\n\n  \
             pixel          {}\n  \
             click          {}\n\n  \
             curl -s -H \"Authorization: Bearer {key}\" http://{}/v1/accounts/{DEMO}/reports/summary\n  \
             curl -s -H \"Authorization: Bearer {key}\" http://{}/v1/accounts/{DEMO}/messages/message-1/timeline\n",
            mail.pixel()?,
            mail.click(Link::new(DESTINATION, 0, 1, None)?)?,
            self.report,
            self.report,
        )?;
        Ok(text)
    }
}
