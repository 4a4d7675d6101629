//! The one thing that webhooks ask of the internet: SNS's certificates and confirmations. Tests bring their own.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use url::Url;

/// The most bytes of an answer.
const MOST_BYTES: usize = 64 * 1024;
/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(10);

/// The answer of a fetch, or why there is none.
pub type Fetched<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, FetchError>> + Send + 'a>>;

/// The answer can't be had. The log says why where it happens.
#[derive(Debug, thiserror::Error)]
#[error("no answer")]
pub struct FetchError;

/// Gets a document over HTTPS.
pub trait Fetch: Send + Sync {
    /// The body of a URL that answers 200; no redirect is followed.
    fn get<'a>(&'a self, url: &'a Url) -> Fetched<'a>;
}

/// Over the internet, certificates checked.
#[derive(Debug, Default)]
pub struct Internet {
    client: std::sync::OnceLock<reqwest::Client>,
}

impl Fetch for Internet {
    fn get<'a>(&'a self, url: &'a Url) -> Fetched<'a> {
        Box::pin(async move {
            let failed = |error: reqwest::Error| {
                // The URL is one of SNS's; without it the error names no account.
                tracing::warn!(error = %error.without_url(), "a document of SNS can't be fetched");
                FetchError
            };
            // Made when it is needed first: most installations never do.
            let client = match self.client.get() {
                Some(client) => client,
                None => {
                    let builder = reqwest::Client::builder().https_only(true).timeout(LIMIT);
                    let client =
                        builder.redirect(reqwest::redirect::Policy::none()).build().map_err(failed)?;
                    self.client.get_or_init(|| client)
                }
            };
            let mut response = client.get(url.clone()).send().await.map_err(failed)?;
            if response.status() != reqwest::StatusCode::OK {
                return Err(FetchError);
            }
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(failed)? {
                body.extend_from_slice(&chunk);
                if body.len() > MOST_BYTES {
                    return Err(FetchError);
                }
            }
            Ok(body)
        })
    }
}
