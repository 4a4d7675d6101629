//! Messages of Amazon SNS and their signatures
//! (<https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>).
//!
//! The certificate is fetched from the URL that the message names, but only over HTTPS from a host of SNS itself, and it must
//! be SNS's by name, in its time, and lead to one of Amazon's roots ([`Chain`]); certificates are remembered. A subscription is confirmed only after its signature and its topic were
//! checked, by one request to such a host.

use super::chain::Chain;
use super::fetch::Fetch;
use super::{Refused, in_time, json, text};
use aws_lc_rs::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engagement::Timestamp;
use rustls_pki_types::CertificateDer;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use url::Url;
use webpki::EndEntityCert;

/// How many certificates are remembered; SNS has one a region, for a year.
const CERTIFICATES: usize = 64;

/// What a message of SNS is.
pub(crate) enum Message {
    /// An event of SES.
    Notification { id: String, message: String },
    /// The subscription of the topic waits to be confirmed at this URL.
    Confirmation(Url),
    /// Something else of SNS, such as the end of a subscription.
    Other,
}

/// Checks messages with the certificates of SNS.
pub(crate) struct Sns {
    fetch: Arc<dyn Fetch>,
    known: Mutex<HashMap<String, Arc<Chain>>>,
}

impl Sns {
    pub(crate) fn new(fetch: Arc<dyn Fetch>) -> Self {
        Self { fetch, known: Mutex::default() }
    }

    /// What a body says, after its signature, its topic and its time were checked.
    pub(crate) async fn read(&self, body: &[u8], topic: &str, now: Timestamp) -> Result<Message, Refused> {
        let told = json(body)?;
        if text(&told, "/TopicArn") != topic {
            return Err(Refused::Topic);
        }
        let url = ours(text(&told, "/SigningCertURL")).ok_or(Refused::CertificateUrl)?;
        if !url.path().ends_with(".pem") {
            return Err(Refused::CertificateUrl);
        }
        let chain = self.chain(&url, now).await?;
        chain.check(self.fetch.as_ref(), now)?;
        verify(&told, chain.own())?;
        let at = Timestamp::parse(text(&told, "/Timestamp")).map_err(|_| Refused::Malformed)?;
        in_time(at.millis(), now)?;
        Ok(match text(&told, "/Type") {
            "Notification" => Message::Notification {
                id: text(&told, "/MessageId").to_owned(),
                message: text(&told, "/Message").to_owned(),
            },
            "SubscriptionConfirmation" => {
                Message::Confirmation(ours(text(&told, "/SubscribeURL")).ok_or(Refused::CertificateUrl)?)
            }
            _ => Message::Other,
        })
    }

    /// Confirms a subscription.
    pub(crate) async fn confirm(&self, url: &Url) -> Result<(), Refused> {
        self.fetch.get(url).await.map(drop).map_err(|_| Refused::CertificateUnavailable)
    }

    async fn chain(&self, url: &Url, now: Timestamp) -> Result<Arc<Chain>, Refused> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(chain) = known().get(url.as_str()) {
            return Ok(Arc::clone(chain));
        }
        let pem = self.fetch.get(url).await.map_err(|_| Refused::CertificateUnavailable)?;
        let chain = Arc::new(Chain::read(&pem, self.fetch.as_ref(), now).await?);
        let mut known = known();
        if known.len() >= CERTIFICATES {
            known.clear();
        }
        known.insert(url.to_string(), Arc::clone(&chain));
        Ok(chain)
    }
}

/// A URL of SNS: `https://sns.REGION.amazonaws.com/…`, nothing else in it.
fn ours(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let host = url.host_str()?.to_owned();
    let region = host.strip_prefix("sns.")?;
    let region =
        region.strip_suffix(".amazonaws.com").or_else(|| region.strip_suffix(".amazonaws.com.cn"))?;
    let plain = !region.is_empty()
        && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let bare = url.username().is_empty() && url.password().is_none() && url.port().is_none();
    (url.scheme() == "https" && plain && bare).then_some(url)
}

/// The signature over the fields that SNS signs, in SNS's order.
fn verify(told: &Value, certificate: &CertificateDer<'_>) -> Result<(), Refused> {
    let fields: &[&str] = match text(told, "/Type") {
        "Notification" => &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
        "SubscriptionConfirmation" | "UnsubscribeConfirmation" => {
            &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        }
        _ => return Err(Refused::Malformed),
    };
    let mut signed = String::new();
    for field in fields {
        if let Some(value) = told.get(*field).and_then(Value::as_str) {
            signed.push_str(&format!("{field}\n{value}\n"));
        }
    }
    let signature = STANDARD.decode(text(told, "/Signature")).map_err(|_| Refused::Signature)?;
    let certificate = EndEntityCert::try_from(certificate).map_err(|_| Refused::Signature)?;
    let spki = certificate.subject_public_key_info();
    let verified = match text(told, "/SignatureVersion") {
        "1" => UnparsedPublicKey::new(&RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, spki.as_ref())
            .verify(signed.as_bytes(), &signature),
        "2" => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, spki.as_ref())
            .verify(signed.as_bytes(), &signature),
        _ => return Err(Refused::Signature),
    };
    verified.map_err(|_| Refused::Signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_sns_are_asked() {
        for good in
            ["https://sns.us-west-2.amazonaws.com/x.pem", "https://sns.cn-north-1.amazonaws.com.cn/x.pem"]
        {
            assert!(ours(good).is_some(), "{good}");
        }
        for bad in [
            "http://sns.us-west-2.amazonaws.com/x.pem",
            "https://sns.us-west-2.amazonaws.com.example/x.pem",
            "https://evil.example/sns.us-west-2.amazonaws.com/x.pem",
            "https://sns.us-west-2.amazonaws.com@evil.example/x.pem",
            "https://user@sns.us-west-2.amazonaws.com/x.pem",
            "https://sns.us-west-2.amazonaws.com:444/x.pem",
            "https://sns.evil.example.amazonaws.com/x.pem",
            "https://bucket.s3.amazonaws.com/x.pem",
            "https://sns.amazonaws.com.evil/x.pem",
            "https://169.254.169.254/latest/meta-data",
            "",
        ] {
            assert!(ours(bad).is_none(), "{bad}");
        }
    }
}
