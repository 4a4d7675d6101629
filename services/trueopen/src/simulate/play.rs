//! Plays the plans: earlier mailings by the API alone, the campaign of now by the API and the tracker.

use super::cast::LINKS;
use super::earlier::{self, Earlier};
use super::plan::{Hit, Mail, Target, campaign, mail};
use super::played::{Past, Played};
use super::target::{base, forwarded_by};
use super::trap::{self, Traps};
use super::webhook::Webhook;
use crate::cli::SimulateArgs;
use crate::settings::Settings;
use crate::{Failure, output};
use engagement::Timestamp;
use engagement::keys::KeyRing;
use futures_util::{StreamExt as _, stream};
use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::json;
use std::sync::OnceLock;
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

/// A campaign against one system.
pub(super) struct Player {
    pub(super) client: Client,
    pub(super) api: Url,
    tracker: Url,
    key: String,
    pub(super) account: String,
    /// The master key of this machine, if it has one.
    ring: Option<KeyRing>,
    /// Where traps come from, once a mail showed it.
    traps: OnceLock<Traps>,
    forwarded: Result<ForwardedHeader, String>,
    pace: Mutex<tokio::time::Interval>,
}

/// The part of the API's answer that is used.
#[derive(Deserialize)]
struct Urls {
    pixel_url: String,
    links: Vec<Link>,
    unsubscribe_url: String,
    trap: Option<Trap>,
}

#[derive(Deserialize)]
struct Trap {
    url: String,
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
            ring: settings.ring().ok(),
            traps: OnceLock::new(),
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

    /// Where the console is.
    pub(super) fn console_url(&self) -> &str {
        self.api.as_str()
    }

    /// Plays everything: what was, then what is.
    pub(super) async fn play(&self, recipients: u64, seed: u64) -> Result<Played, Failure> {
        let mut played = Played { past: self.past(recipients, seed).await?, ..Played::default() };
        for first in (0..recipients).step_by(usize::try_from(BATCH)?) {
            let mails: Vec<Mail> =
                (first..recipients.min(first + BATCH)).map(|number| mail(seed, number)).collect();
            let now = Timestamp::from_clock(SystemTime::now());
            self.hand_in(mails.iter(), now).await?;
            let mut visits = stream::iter(&mails).map(|mail| self.visit(mail, now)).buffered(AT_ONCE);
            while let Some(refused) = visits.next().await {
                played.refused += refused?;
            }
            drop(visits);
            played.note(&mails, *self.traps.get_or_init(|| Traps::None));
            let done = first + mails.len() as u64;
            let hits: u64 = played.hits.values().sum();
            output::progress(&format!("{done} of {recipients} mails, {hits} hits"));
        }
        Ok(played)
    }

    /// The mailings of the weeks before, where the account may be told of them.
    async fn past(&self, recipients: u64, seed: u64) -> Result<Past, Failure> {
        let webhook = match self.begin_webhook().await? {
            Ok(webhook) => webhook,
            Err(why) => return Ok(Past::LeftOut(why)),
        };
        let told = tokio::select! {
            told = self.mailings(&webhook, recipients, seed) => told,
            _ = tokio::signal::ctrl_c() => Err("stopped".into()),
        };
        let ended = self.end_webhook().await;
        let past = told?;
        ended?;
        Ok(past)
    }

    async fn mailings(&self, webhook: &Webhook, recipients: u64, seed: u64) -> Result<Past, Failure> {
        let now = Timestamp::from_clock(SystemTime::now());
        let midnight = now.plus_millis(-now.millis().rem_euclid(86_400_000));
        let (of_each, mut past) = (earlier::mails(recipients), Past::default());
        for mailing in 0..earlier::DAYS_AGO.len() {
            for first in (0..of_each).step_by(usize::try_from(BATCH)?) {
                let numbers = first..of_each.min(first + BATCH);
                let mails: Vec<Earlier> =
                    numbers.map(|number| earlier::earlier(seed, mailing, number)).collect();
                self.hand_in(mails.iter().map(|one| &one.mail), midnight).await?;
                self.tell(webhook, &mails, midnight, now).await?;
                past.note(&mails);
                let done = first + mails.len() as u64;
                output::progress(&format!("earlier mailing {}: {done} of {of_each} mails", mailing + 1));
            }
        }
        Ok(past)
    }

    /// Tells what became of the mails on their way; `now` is what their ages are told from.
    async fn hand_in(&self, mails: impl Iterator<Item = &Mail>, now: Timestamp) -> Result<(), Failure> {
        let mut lines = String::new();
        for mail in mails {
            let sent = now.plus_millis(-mail.age_seconds * 1000);
            for (index, told) in mail.deliveries.iter().enumerate() {
                let line = json!({
                    "type": told.kind, "message_id": mail.message_id, "campaign": mail.campaign,
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
    async fn visit(&self, mail: &Mail, now: Timestamp) -> Result<u64, Failure> {
        if mail.hits.is_empty() {
            return Ok(0);
        }
        let links: Vec<_> = LINKS.iter().map(|(url, label)| json!({"url": url, "label": label})).collect();
        let wanted = json!({
            "message_id": mail.message_id, "campaign": mail.campaign, "recipient_id": mail.recipient_id,
            "recipient_domain": mail.domain, "sent_at": now.plus_millis(-mail.age_seconds * 1000), "links": links
        });
        let request = self.request(Method::POST, "links").await?;
        let mut urls: Urls = self.answered(request.json(&wanted).send().await).await?.json().await?;
        let traps = self.complete(&mut urls)?;
        let hits = mail.hits.iter().filter(|hit| hit.target != Target::Trap || traps != Traps::None);
        // The hits of one mail follow each other at once, as a scanner's do; the pace is kept between mails.
        self.wait(mail.hits.len()).await;
        let mut refused = 0;
        for hit in hits {
            refused += u64::from(!self.hit(&urls, hit).await?);
        }
        Ok(refused)
    }

    /// Sees to it that the mail has a trap, where that can be; every mail's comes from where the first one's did.
    fn complete(&self, urls: &mut Urls) -> Result<Traps, Failure> {
        if urls.trap.is_some() {
            return Ok(*self.traps.get_or_init(|| Traps::OfAccount));
        }
        let pixel: Url = urls.pixel_url.parse()?;
        let made = self.ring.as_ref().and_then(|ring| trap::make(ring, &pixel));
        let traps = if made.is_some() { Traps::MadeHere } else { Traps::None };
        urls.trap = made.map(|url| Trap { url: url.into() });
        Ok(*self.traps.get_or_init(|| traps))
    }

    /// One hit; whether the tracker answered as it should.
    async fn hit(&self, urls: &Urls, hit: &Hit) -> Result<bool, Failure> {
        let minted = match hit.target {
            Target::Pixel => &urls.pixel_url,
            Target::Link(index) => {
                &urls.links.get(index).ok_or("the API gave fewer links than it was asked for")?.tracked_url
            }
            Target::Unsubscribe => &urls.unsubscribe_url,
            Target::Trap => &urls.trap.as_ref().ok_or("a mail has no trap, though the first had one")?.url,
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
            Target::Pixel | Target::Unsubscribe | Target::Trap => StatusCode::OK,
        };
        Ok(answer.status() == expected)
    }

    pub(super) async fn request(&self, method: Method, what: &str) -> Result<RequestBuilder, Failure> {
        self.wait(1).await;
        let url = self.api.join(&format!("/v1/accounts/{}/{what}", self.account))?;
        Ok(self.client.request(method, url).bearer_auth(&self.key))
    }

    /// The answer of the API, if it is a good one.
    pub(super) async fn answered(&self, answer: reqwest::Result<Response>) -> Result<Response, Failure> {
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
    pub(super) async fn wait(&self, requests: usize) {
        let mut pace = self.pace.lock().await;
        for _ in 0..requests {
            pace.tick().await;
        }
    }
}

pub(super) fn unreachable(what: &str, url: &Url, error: &reqwest::Error) -> String {
    let reason = if error.is_connect() { "nothing answers there" } else { "no answer came" };
    format!("{what} at {url}: {reason}; is `trueopen up` running?")
}
