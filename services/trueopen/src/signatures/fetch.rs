//! Fetching a data set from where its owner publishes it, whole and within bounds.

use classifier::data::{DataError, DataSet, Name, Part};
use futures_util::StreamExt as _;
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, StatusCode, Url};
use std::time::Duration;

/// What a fetch may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// How long, from the first byte to the last.
    pub(crate) time: Duration,
    /// How many bytes a part may have; the largest known one has 24 MB.
    pub(crate) bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { time: Duration::from_secs(180), bytes: 64 << 20 }
    }
}

/// Why a data set could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("no place to fetch it from is known: give a file, or name one in signatures.urls")]
    NoPlace,
    #[error("{url}: {error}")]
    Http { url: String, error: String },
    #[error("{url} answered {status}")]
    Status { url: String, status: StatusCode },
    #[error("{url} sends more than {limit} bytes")]
    TooLong { url: String, limit: usize },
    #[error("{url}: {error}")]
    Content { url: String, error: DataError },
}

/// Fetches all parts of a data set and reads them. `date` is its day where it names none itself.
pub(crate) async fn fetch(
    name: Name,
    urls: &[String],
    date: &str,
    bounds: Bounds,
) -> Result<DataSet, FetchError> {
    let [first, ..] = urls else { return Err(FetchError::NoPlace) };
    let build = Client::builder()
        .user_agent(concat!("trueopen/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(bounds.time.min(Duration::from_secs(10)))
        .timeout(bounds.time)
        .redirect(Policy::custom(|attempt| {
            if same_owner(&attempt) {
                attempt.follow()
            } else {
                attempt.error("it leads to another owner's server")
            }
        }))
        .build();
    let client = build.map_err(|error| http(first, &error))?;
    let mut bodies = Vec::with_capacity(urls.len());
    for url in urls {
        bodies.push(body(&client, url, bounds.bytes).await?);
    }
    let shape = name.entry().shape;
    let parts: Vec<Part<'_>> = bodies.iter().map(|bytes| Part { shape, bytes }).collect();
    let from = urls.join(" and ");
    DataSet::read(name, &parts, &from, date).map_err(|error| FetchError::Content { url: from.clone(), error })
}

/// A body that ends before its announced length is an error of the HTTP client's.
async fn body(client: &Client, url: &str, limit: usize) -> Result<Vec<u8>, FetchError> {
    let response = client.get(url).send().await.map_err(|error| http(url, &error))?;
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status { url: url.to_owned(), status: response.status() });
    }
    let mut body = Vec::new();
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| http(url, &error))?;
        if body.len() + piece.len() > limit {
            return Err(FetchError::TooLong { url: url.to_owned(), limit });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// A few redirects are followed on the owner's own host, and never from HTTPS to plain HTTP.
fn same_owner(attempt: &Attempt<'_>) -> bool {
    let Some(first) = attempt.previous().first() else { return false };
    let host = |url: &Url| url.host_str().map(|host| host.trim_start_matches("www.").to_owned());
    let secure = first.scheme() != "https" || attempt.url().scheme() == "https";
    attempt.previous().len() <= 3
        && secure
        && host(first) == host(attempt.url())
        && first.port_or_known_default() == attempt.url().port_or_known_default()
}

/// What the HTTP client says, with what lies behind it.
fn http(url: &str, error: &reqwest::Error) -> FetchError {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    FetchError::Http { url: url.to_owned(), error: text }
}
