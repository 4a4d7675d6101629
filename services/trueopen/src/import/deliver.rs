//! Events to the API, in batches; each answer says which of them it refused.

use crate::Failure;
use crate::cli::ImportArgs;
use crate::settings::{Settings, reachable};
use engagement::delivery::Submitted;
use reqwest::{Client, StatusCode, Url};
use std::time::Duration;

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(60);
/// How often a read once tries again; one that follows never gives up.
const TRIES: u32 = 5;
/// The longest pause between two tries.
const LONGEST: Duration = Duration::from_secs(30);

/// Hands events to the API.
pub(super) struct Deliverer {
    client: Client,
    url: Url,
    key: String,
    patient: bool,
}

#[derive(serde::Deserialize)]
struct Taken {
    accepted: u64,
    rejected: Vec<Rejected>,
}

/// An event that the API refused.
#[derive(serde::Deserialize)]
pub(super) struct Rejected {
    /// Its place in the batch, from 1.
    pub(super) line: usize,
    pub(super) error: String,
}

impl Deliverer {
    pub(super) fn new(settings: &Settings, args: &ImportArgs) -> Result<Self, Failure> {
        let base = match &args.api {
            Some(api) => api.trim_end_matches('/').to_owned(),
            None => format!("http://{}", reachable(settings.report.listen)),
        };
        let url = Url::parse(&format!("{base}/v1/accounts/{}/events", args.account))
            .map_err(|error| format!("--api {base}: {error}"))?;
        let key = match &args.key {
            Some(key) => key.clone(),
            None => {
                let path = settings.data_dir.join("admin.key");
                std::fs::read_to_string(&path)
                    .map_err(|error| format!("no --key, and {} can't be read: {error}", path.display()))?
                    .trim()
                    .to_owned()
            }
        };
        let client = Client::builder().timeout(LIMIT).redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { client, url, key, patient: args.follow })
    }

    /// Hands events over until the API has them; how many it took, and what it refused.
    pub(super) async fn deliver(&self, events: &[Submitted]) -> Result<(u64, Vec<Rejected>), Failure> {
        if events.is_empty() {
            return Ok((0, Vec::new()));
        }
        let mut body = Vec::new();
        for event in events {
            serde_json::to_writer(&mut body, event)?;
            body.push(b'\n');
        }
        let mut tries = 0;
        loop {
            let request = self.client.post(self.url.clone()).bearer_auth(&self.key).body(body.clone());
            let failure = match request.send().await {
                Ok(response) if response.status() == StatusCode::ACCEPTED => {
                    let taken: Taken = response.json().await?;
                    return Ok((taken.accepted, taken.rejected));
                }
                Ok(response) if !response.status().is_server_error() => {
                    let (status, text) = (response.status(), response.text().await.unwrap_or_default());
                    let text: String = text.chars().take(300).collect();
                    return Err(format!("the API refuses: {status} {text}").into());
                }
                Ok(response) => format!("the API answered {}", response.status()),
                Err(error) => format!("the API can't be reached: {}", error.without_url()),
            };
            tries += 1;
            if tries >= TRIES && !self.patient {
                return Err(format!("{failure}; what was read before is taken, begin again to go on").into());
            }
            tokio::time::sleep(LONGEST.min(Duration::from_millis(100 << tries.min(10)))).await;
        }
    }
}
