//! The one thing that webhooks ask of the internet: SNS's certificates and confirmations. Tests bring their own.

use rustls_pki_types::CertificateDer;
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

/// Gets documents, and knows whom to believe.
pub trait Fetch: Send + Sync {
    /// The body of a URL that answers 200; no redirect is followed. HTTPS alone, but for certificates of Amazon's own
    /// authorities, which are published over HTTP and prove themselves.
    fn get<'a>(&'a self, url: &'a Url) -> Fetched<'a>;

    /// The roots that SNS's certificates lead to: Amazon's, as Mozilla lists them.
    fn roots(&self) -> Vec<CertificateDer<'static>> {
        let amazon = |root: &&CertificateDer<'static>| {
            let named = |name: &[u8]| root.windows(name.len()).any(|part| part == name);
            named(b"Amazon Root CA") || named(b"Starfield Services Root")
        };
        webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().filter(amazon).cloned().collect()
    }
}

/// Whether a URL is where Amazon's authorities publish their certificates.
pub(crate) fn of_amazons_authorities(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.host_str().is_some_and(|host| host.ends_with(".amazontrust.com"))
        && (url.username().is_empty() && url.password().is_none() && url.port().is_none())
}

/// Over the internet, certificates checked.
#[derive(Debug, Default)]
pub struct Internet {
    client: std::sync::OnceLock<reqwest::Client>,
}

impl Fetch for Internet {
    fn get<'a>(&'a self, url: &'a Url) -> Fetched<'a> {
        Box::pin(async move {
            if url.scheme() != "https" && !of_amazons_authorities(url) {
                return Err(FetchError);
            }
            let failed = |error: reqwest::Error| {
                // The URL is one of SNS's; without it the error names no account.
                tracing::warn!(error = %error.without_url(), "a document of SNS can't be fetched");
                FetchError
            };
            // Made when it is needed first: most installations never do.
            let client = match self.client.get() {
                Some(client) => client,
                None => {
                    let builder = reqwest::Client::builder().timeout(LIMIT);
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
