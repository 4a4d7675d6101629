//! Plays a plan: links and delivery events by the API, hits by the tracker.

use super::cast::LINKS;
use super::plan::{Hit, Mail, Target, mail};
use super::target::{base, forwarded_by};
use crate::cli::SimulateArgs;
use crate::settings::Settings;
use crate::{Failure, output};
use engagement::Timestamp;
use futures_util::{StreamExt as _, stream};
use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};
use tokio::sync::Mutex;
use tokio::time::MissedTickBehavior;
use tracker::ForwardedHeader;

/// Mails that are handed in together.
const BATCH: u64 = 100;
/// Requests on their way at once.
const AT_ONCE: usize = 8;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a run did.
#[derive(Debug, Default)]
pub(super) struct Played {
    pub(super) domains: BTreeSet<String>,
    pub(super) deliveries: BTreeMap<String, u64>,
    pub(super) hits: BTreeMap<String, u64>,
    pub(super) silent: u64,
    /// Requests that the tracker answered otherwise than it should.
    pub(super) refused: u64,
}

/// A campaign against one system.
pub(super) struct Player {
    client: Client,
    api: Url,
    tracker: Url,
    key: String,
    account: String,
    forwarded: Result<ForwardedHeader, String>,
    pace: Mutex<tokio::time::Interval>,
}

/// The part of the API's answer that is used.
#[derive(Deserialize)]
struct Urls {
    pixel_url: String,
    links: Vec<Link>,
    unsubscribe_url: String,
}

#[derive(Deserialize)]
struct Link {
    tracked_url: String,
}

impl Player {
    pub(super) fn new(settings: &Settings, args: &SimulateArgs) -> Result<Self, Failure> {
        let tracker = base("tracker", args.tracker.as_deref(), settings.tracker.listen)?;
        let key = match &args.key {
            Some(key) => key.clone(),
            None => {
                let path = settings.data_dir.join("admin.key");
                std::fs::read_to_string(&path).map_err(|error| {
                    format!("{} can't be read ({error}): give a key with --key", path.display())
                })?
            }
        };
        let mut pace = tokio::time::interval(Duration::from_secs(1) / args.rate);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            // No proxy of the environment, no redirect: nobody but the target is asked.
            client: Client::builder().no_proxy().redirect(Policy::none()).timeout(PATIENCE).build()?,
            api: base("api", args.api.as_deref(), settings.report.listen)?,
            forwarded: forwarded_by(settings, &tracker),
            tracker,
            key: key.trim().to_owned(),
            account: args.account.clone(),
            pace: Mutex::new(pace),
        })
    }

    /// Why all hits will come from one address, if they will.
    pub(super) fn one_address(&self) -> Option<&str> {
        self.forwarded.as_ref().err().map(String::as_str)
    }

    /// Where the campaign's figures are.
    pub(super) fn report_url(&self, seed: u64) -> String {
        let account = &self.account;
        format!("{}v1/accounts/{account}/reports/summary?campaign={}", self.api, campaign(seed))
    }

    /// Plays the whole campaign.
    pub(super) async fn play(&self, recipients: u64, seed: u64) -> Result<Played, Failure> {
        let mut played = Played::default();
        for first in (0..recipients).step_by(usize::try_from(BATCH)?) {
            let mails: Vec<Mail> =
                (first..recipients.min(first + BATCH)).map(|number| mail(seed, number)).collect();
            let now = Timestamp::from_clock(SystemTime::now());
            self.hand_in(&mails, seed, now).await?;
            let mut visits = stream::iter(&mails).map(|mail| self.visit(mail, seed, now)).buffered(AT_ONCE);
            while let Some(refused) = visits.next().await {
                played.refused += refused?;
            }
            drop(visits);
            played.note(&mails);
            let done = first + mails.len() as u64;
            let hits: u64 = played.hits.values().sum();
            output::progress(&format!("{done} of {recipients} mails, {hits} hits"));
        }
        Ok(played)
    }

    /// Tells what became of the mails on their way.
    async fn hand_in(&self, mails: &[Mail], seed: u64, now: Timestamp) -> Result<(), Failure> {
        let mut lines = String::new();
        for mail in mails {
            let sent = now.plus_millis(-mail.age_seconds * 1000);
            for (index, told) in mail.deliveries.iter().enumerate() {
                let line = json!({
                    "type": told.kind, "message_id": mail.message_id, "campaign": campaign(seed),
                    "at": sent.plus_millis(told.after_seconds * 1000), "recipient_id": mail.recipient_id,
                    "recipient_domain": mail.domain, "mx_host": mail.mx_host, "smtp_code": told.smtp_code,
                    "enhanced_code": told.enhanced_code, "diagnostic": told.diagnostic,
                    // The campaign played again replaces what it told the first time.
                    "event_id": format!("{}-{index}", mail.message_id)
                });
                lines += &format!("{line}\n");
            }
        }
        let request = self.request(Method::POST, "events").await?;
        let answer = request.header("content-type", "application/x-ndjson").body(lines).send().await;
        let answer: serde_json::Value = self.answered(answer).await?.json().await?;
        match answer["rejected"].as_array().and_then(|rejected| rejected.first()) {
            Some(line) => Err(format!("a delivery event was refused: {}", line["error"]).into()),
            None => Ok(()),
        }
    }

    /// All hits on one mail, one after another; how many were not answered as they should be.
    async fn visit(&self, mail: &Mail, seed: u64, now: Timestamp) -> Result<u64, Failure> {
        if mail.hits.is_empty() {
            return Ok(0);
        }
        let links: Vec<_> = LINKS.iter().map(|(url, label)| json!({"url": url, "label": label})).collect();
        let wanted = json!({
            "message_id": mail.message_id, "campaign": campaign(seed), "recipient_id": mail.recipient_id,
            "recipient_domain": mail.domain, "sent_at": now.plus_millis(-mail.age_seconds * 1000), "links": links
        });
        let request = self.request(Method::POST, "links").await?;
        let urls: Urls = self.answered(request.json(&wanted).send().await).await?.json().await?;
        // The hits of one mail follow each other at once, as a scanner's do; the pace is kept between mails.
        self.wait(mail.hits.len()).await;
        let mut refused = 0;
        for hit in &mail.hits {
            refused += u64::from(!self.hit(&urls, hit).await?);
        }
        Ok(refused)
    }

    /// One hit; whether the tracker answered as it should.
    async fn hit(&self, urls: &Urls, hit: &Hit) -> Result<bool, Failure> {
        let minted = match hit.target {
            Target::Pixel => &urls.pixel_url,
            Target::Link(index) => {
                &urls.links.get(index).ok_or("the API gave fewer links than it was asked for")?.tracked_url
            }
            Target::Unsubscribe => &urls.unsubscribe_url,
        };
        let minted: Url = minted.parse()?;
        // The link's own host goes into a header alone: what is asked is the target.
        let mut url = self.tracker.clone();
        url.set_path(minted.path());
        let mut host = minted.host_str().unwrap_or_default().to_owned();
        if let Some(port) = minted.port() {
            host += &format!(":{port}");
        }
        let method = Method::from_bytes(hit.method.as_bytes())?;
        let mut request = self.client.request(method, url).header("host", HeaderValue::from_str(&host)?);
        request = request.header("user-agent", hit.visitor.agent);
        let address = format!("{}.{}", hit.visitor.network, hit.host);
        match self.forwarded {
            Ok(ForwardedHeader::XForwardedFor) => request = request.header("x-forwarded-for", address),
            Ok(ForwardedHeader::Forwarded) => request = request.header("forwarded", format!("for={address}")),
            Err(_) => {}
        }
        if hit.method == "POST" {
            let form = "application/x-www-form-urlencoded";
            request = request.header("content-type", form).body("List-Unsubscribe=One-Click");
        }
        let answer =
            request.send().await.map_err(|error| unreachable("the tracker", &self.tracker, &error))?;
        let expected = match hit.target {
            Target::Link(_) => StatusCode::FOUND,
            Target::Pixel | Target::Unsubscribe => StatusCode::OK,
        };
        Ok(answer.status() == expected)
    }

    async fn request(&self, method: Method, what: &str) -> Result<RequestBuilder, Failure> {
        self.wait(1).await;
        let url = self.api.join(&format!("/v1/accounts/{}/{what}", self.account))?;
        Ok(self.client.request(method, url).bearer_auth(&self.key))
    }

    /// The answer of the API, if it is a good one.
    async fn answered(&self, answer: reqwest::Result<Response>) -> Result<Response, Failure> {
        let answer = answer.map_err(|error| unreachable("the reporting API", &self.api, &error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let problem: serde_json::Value = answer.json().await.unwrap_or_default();
        Err(format!("the reporting API answered {status}: {}", problem["detail"].as_str().unwrap_or(""))
            .into())
    }

    /// Waits until so many more requests may be made.
    async fn wait(&self, requests: usize) {
        let mut pace = self.pace.lock().await;
        for _ in 0..requests {
            pace.tick().await;
        }
    }
}

impl Played {
    fn note(&mut self, mails: &[Mail]) {
        for mail in mails {
            self.domains.insert(mail.domain.clone());
            self.silent += u64::from(mail.hits.is_empty());
            for told in &mail.deliveries {
                *self.deliveries.entry(told.name.to_owned()).or_default() += 1;
            }
            for hit in &mail.hits {
                let what = match (hit.target, hit.method) {
                    (Target::Unsubscribe, "POST") => "unsubscribed".to_owned(),
                    (Target::Unsubscribe, _) => "looked at the unsubscribe page".to_owned(),
                    (Target::Pixel, method) => format!("pixel, {method}"),
                    (Target::Link(_), method) => format!("links, {method}"),
                };
                *self.hits.entry(format!("{}: {what}", hit.visitor.name)).or_default() += 1;
            }
        }
    }
}

fn campaign(seed: u64) -> String {
    format!("simulated-{seed}")
}

fn unreachable(what: &str, url: &Url, error: &reqwest::Error) -> String {
    let reason = if error.is_connect() { "nothing answers there" } else { "no answer came" };
    format!("{what} at {url}: {reason}; is `trueopen up` running?")
}
