//! How the past comes in. The tracker stamps a hit with the moment at which it arrives, and must; what a mail provider's
//! webhook tells of has the provider's time. So earlier mailings are told as SparkPost would tell of them, proven by a
//! secret that is put for it and taken back at the end. Where the account takes SparkPost's webhooks already, nothing is
//! touched and there is no past.
//!
//! Their hits come long after their windows are closed, as such hits always do: their verdicts carry the reason `late`, and
//! are judged again with all their neighbours once the system has seen an hour more of hits. That is left as it is, for it
//! is true of them; it changes few verdicts, since those of one message are together when they come.

use super::cast::LINKS;
use super::earlier::{Earlier, Visit};
use super::plan::{Mail, Target};
use super::play::{Player, unreachable};
use crate::Failure;
use engagement::Timestamp;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const PATH: &str = "webhooks/sparkpost";
const USER: &str = "simulate";
/// The most events of one request, as a provider's batches have.
const BATCH: usize = 1000;

/// The secret that is in force while the past is told.
pub(super) struct Webhook {
    password: String,
}

impl Player {
    /// Has the account take SparkPost's webhooks; or says why there will be no past.
    pub(super) async fn begin_webhook(&self) -> Result<Result<Webhook, String>, Failure> {
        let listed = self.request(Method::GET, "webhooks").await?.send().await;
        let Some(listed) = self.allowed(listed).await? else { return Ok(Err(not_allowed())) };
        let taken = listed["webhooks"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one["provider"] == "sparkpost"));
        if taken {
            return Ok(Err(format!(
                "the account takes SparkPost's webhooks, and its secret is not ours to replace (if a run that was cut \
                 off left it: DELETE /v1/accounts/{}/{PATH})",
                self.account
            )));
        }
        let mut bytes = [0; 16];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "the system gave no random bytes")?;
        let password: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let put = json!({"secret": format!("{USER}:{password}"), "opens_and_clicks": true});
        let answer = self.request(Method::PUT, PATH).await?.json(&put).send().await;
        Ok(self.allowed(answer).await?.map(|_| Webhook { password }).ok_or_else(not_allowed))
    }

    /// Takes the secret back: whatever happened, no door stays open that nobody asked for.
    pub(super) async fn end_webhook(&self) -> Result<(), Failure> {
        let answer = self.request(Method::DELETE, PATH).await?.send().await;
        self.answered(answer).await?;
        Ok(())
    }

    /// Tells of the opens and clicks of some mails, the oldest first. `midnight` is what their times are told from; `run` tells
    /// this run's hits from those of another.
    pub(super) async fn tell(
        &self,
        webhook: &Webhook,
        mails: &[Earlier],
        midnight: Timestamp,
        run: Timestamp,
    ) -> Result<(), Failure> {
        let mut visits: Vec<_> =
            mails.iter().flat_map(|one| one.visits.iter().map(|visit| (&one.mail, visit))).collect();
        visits.sort_by_key(|(_, visit)| visit.at);
        let events: Vec<_> = visits
            .iter()
            .enumerate()
            .map(|(place, (mail, visit))| {
                event(mail, visit, midnight, &format!("{}-{}-{place}", run.millis(), mail.message_id))
            })
            .collect();
        for batch in events.chunks(BATCH) {
            self.wait(1).await;
            let url = self.api.join(&format!("/v1/accounts/{}/{PATH}", self.account))?;
            let request = self.client.post(url).basic_auth(USER, Some(&webhook.password));
            let answer: Value = self.answered(request.json(batch).send().await).await?.json().await?;
            if answer["hits"] != batch.len() {
                return Err(format!(
                    "of {} opens and clicks of the past {} were taken",
                    batch.len(),
                    answer["hits"]
                )
                .into());
            }
        }
        Ok(())
    }

    /// The answer of the API; `None` where the key may not.
    async fn allowed(&self, answer: reqwest::Result<reqwest::Response>) -> Result<Option<Value>, Failure> {
        let answer = answer.map_err(|error| unreachable("the reporting API", &self.api, &error))?;
        if answer.status() == StatusCode::FORBIDDEN {
            return Ok(None);
        }
        Ok(Some(self.answered(Ok(answer)).await?.json().await?))
    }
}

fn not_allowed() -> String {
    "the key may not put a webhook's secret (it needs settings:write)".to_owned()
}

/// An open or a click in SparkPost's words.
fn event(mail: &Mail, visit: &Visit, midnight: Timestamp, id: &str) -> Value {
    let (kind, link) = match visit.hit.target {
        Target::Link(place) => ("click", LINKS.get(place)),
        _ => ("open", None),
    };
    let visitor = visit.hit.visitor;
    json!({"msys": {"track_event": {
        "type": kind, "event_id": id, "message_id": mail.message_id, "initial_pixel": false,
        "injection_time": midnight.plus_millis(-1000 * mail.age_seconds), "timestamp": midnight.plus_millis(visit.at),
        "ip_address": format!("{}.{}", visitor.network, visit.hit.host), "user_agent": visitor.agent,
        "rcpt_to": format!("recipient@{}", mail.domain),
        "rcpt_meta": {"trueopen_message_id": mail.message_id, "trueopen_campaign": mail.campaign, "trueopen_recipient_id": mail.recipient_id},
        "target_link_url": link.map(|(url, _)| url), "target_link_name": link.map(|(_, label)| label)
    }}})
}
