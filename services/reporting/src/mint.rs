//! From a mail to its tracking URLs. No HTTP, no clock: the API and the command line both call this.
//!
//! A URL is the account's base URL (or the server's default one), `/o/`, `/c/` or `/u/`, and a token. Where the account has
//! its own base URL the tokens are bound to that host and open on no other.

use engagement::keys::KeyRing;
use engagement::token::{self, Content, ContentError, DayKey, Link, Nonce};
use engagement::{AccountNumber, Kind, Timestamp};
use serde::Serialize;
use url::Url;

/// The path of each kind of URL, as the tracker serves them.
const OPEN: &str = "/o/";
const CLICK: &str = "/c/";
const UNSUBSCRIBE: &str = "/u/";

/// What `List-Unsubscribe-Post` says (RFC 8058).
const ONE_CLICK: &str = "List-Unsubscribe=One-Click";

/// One mail to one recipient, as the sender names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The sender's id of the message, 1 to 64 bytes.
    pub message_id: String,
    /// The campaign, at most 64 bytes; may be empty.
    pub campaign: String,
    /// The sender's id of the recipient, never an address; at most 64 bytes, may be empty.
    pub recipient_id: String,
    /// The domain of the recipient's address; may be empty.
    pub recipient_domain: String,
    /// When the mail is sent.
    pub sent_at: Timestamp,
}

/// Why no URL was made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// A part of the mail or of a link is out of its bounds.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The base URL is no absolute http or https URL with a host.
    #[error("the tracking base URL is not an absolute http or https URL with a host")]
    BaseUrl,
    /// The system gives no random bytes.
    #[error("the system gave no random bytes")]
    Random,
}

/// Makes the URLs of one account.
#[derive(Debug, Clone)]
pub struct Minter<'a> {
    ring: &'a KeyRing,
    account: AccountNumber,
    /// Without a slash at the end.
    base: String,
    bound_host: Option<String>,
    /// Every base that URLs of this account may start with.
    own_bases: Vec<Url>,
}

/// Makes the URLs of one mail.
#[derive(Debug)]
pub struct MailMinter<'a> {
    minter: &'a Minter<'a>,
    mail: &'a Mail,
    key: DayKey,
}

/// The values of the two headers that let a mailbox provider unsubscribe a reader (RFC 2369, RFC 8058).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct UnsubscribeHeaders {
    /// The value of `List-Unsubscribe`.
    #[serde(rename = "List-Unsubscribe")]
    pub list_unsubscribe: String,
    /// The value of `List-Unsubscribe-Post`.
    #[serde(rename = "List-Unsubscribe-Post")]
    pub list_unsubscribe_post: String,
}

impl<'a> Minter<'a> {
    /// A minter for an account. `tracking_base_url` is the account's own, to whose host its tokens are bound;
    /// `default_base_url` is the server's, for accounts without one.
    ///
    /// # Errors
    /// [`MintError::BaseUrl`] when the base URL in force can't start a tracking URL.
    pub fn new(
        ring: &'a KeyRing,
        account: AccountNumber,
        tracking_base_url: Option<&str>,
        default_base_url: &str,
    ) -> Result<Self, MintError> {
        let base = tracking_base_url.unwrap_or(default_base_url).trim_end_matches('/').to_owned();
        let parsed = parse_base(&base).ok_or(MintError::BaseUrl)?;
        let bound_host = tracking_base_url.and(parsed.host_str().map(bare_host));
        let mut own_bases = vec![parsed];
        own_bases.extend(parse_base(default_base_url));
        Ok(Self { ring, account, base, bound_host, own_bases })
    }

    /// The minter of one mail. Checks the mail.
    ///
    /// # Errors
    /// [`MintError::Content`] names the part that is out of its bounds.
    pub fn mail(&'a self, mail: &'a Mail) -> Result<MailMinter<'a>, MintError> {
        let key = DayKey::derive(&self.ring.current().account(self.account), mail.sent_at.day());
        let minter = MailMinter { minter: self, mail, key };
        minter.content(Kind::Open, None).check()?;
        Ok(minter)
    }

    /// Whether a URL is a tracking URL already, of this account's base or of the default one.
    #[must_use]
    pub fn is_tracking_url(&self, url: &Url) -> bool {
        self.own_bases.iter().any(|base| {
            let rest = url.path().strip_prefix(base.path().trim_end_matches('/'));
            base.host_str() == url.host_str()
                && base.port_or_known_default() == url.port_or_known_default()
                && rest.is_some_and(is_token_path)
        })
    }
}

impl MailMinter<'_> {
    /// The URL of the pixel.
    ///
    /// # Errors
    /// [`MintError`] when a part is out of its bounds or no random bytes were had; the same in the functions below.
    pub fn pixel(&self) -> Result<String, MintError> {
        self.url(OPEN, &self.content(Kind::Open, None))
    }

    /// The URL that leads to a link's destination.
    ///
    /// # Errors
    /// As [`MailMinter::pixel`].
    pub fn click(&self, link: Link) -> Result<String, MintError> {
        self.url(CLICK, &self.content(Kind::Click, Some(link)))
    }

    /// The URL of the link that no reader can see. It looks like any link's, and leads nowhere.
    ///
    /// # Errors
    /// As [`MailMinter::pixel`].
    pub fn trap(&self) -> Result<String, MintError> {
        self.url(CLICK, &self.content(Kind::Trap, None))
    }

    /// The URL of the unsubscribe page.
    ///
    /// # Errors
    /// As [`MailMinter::pixel`].
    pub fn unsubscribe(&self) -> Result<String, MintError> {
        self.url(UNSUBSCRIBE, &self.content(Kind::Unsubscribe, None))
    }

    fn content(&self, kind: Kind, link: Option<Link>) -> Content {
        Content {
            kind,
            message_id: self.mail.message_id.clone(),
            recipient_id: self.mail.recipient_id.clone(),
            campaign: self.mail.campaign.clone(),
            // As delivery events bring it, so that both count under one domain.
            recipient_domain: self.mail.recipient_domain.trim_end_matches('.').to_lowercase(),
            sent_at: self.mail.sent_at,
            link,
        }
    }

    fn url(&self, path: &str, content: &Content) -> Result<String, MintError> {
        let mut nonce = [0; 12];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| MintError::Random)?;
        let host = self.minter.bound_host.as_deref();
        let token = token::seal(&self.key, host, content, Nonce::from_random(nonce))?;
        Ok(format!("{}{path}{token}", self.minter.base))
    }
}

impl UnsubscribeHeaders {
    /// The headers for an unsubscribe URL.
    #[must_use]
    pub fn new(unsubscribe_url: &str) -> Self {
        Self { list_unsubscribe: format!("<{unsubscribe_url}>"), list_unsubscribe_post: ONE_CLICK.to_owned() }
    }
}

fn parse_base(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

/// A host as the tracker compares it: lower case, without the root's dot.
fn bare_host(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

fn is_token_path(path: &str) -> bool {
    [OPEN, CLICK, UNSUBSCRIBE]
        .iter()
        .filter_map(|start| path.strip_prefix(start))
        .any(|segment| token::parse(segment).0.is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use engagement::keys::{KeyId, MasterKey};

    fn ring() -> KeyRing {
        KeyRing::new(vec![MasterKey::new(KeyId(1), [7; 32])], KeyId(1)).unwrap()
    }

    fn mail() -> Mail {
        Mail {
            message_id: "m-1".into(),
            campaign: "winter".into(),
            recipient_id: "r-1".into(),
            recipient_domain: "Clinic.Example.".into(),
            sent_at: Timestamp::parse("2026-11-21T08:00:00Z").unwrap(),
        }
    }

    fn opened(url: &str, base: &str, path: &str, host: &str) -> Content {
        let token = url.strip_prefix(base).unwrap().strip_prefix(path).unwrap();
        token::open_with_ring(&ring(), host, &token::parse(token).0.unwrap()).unwrap()
    }

    #[test]
    fn urls_open_to_what_they_were_made_of() {
        let (ring, mail) = (ring(), mail());
        let minter = Minter::new(&ring, AccountNumber(3), None, "http://localhost:8080/").unwrap();
        let urls = minter.mail(&mail).unwrap();
        let base = "http://localhost:8080";
        let open = opened(&urls.pixel().unwrap(), base, "/o/", "anything.example");
        assert_eq!((open.kind, open.message_id.as_str()), (Kind::Open, "m-1"));
        assert_eq!(open.recipient_domain, "clinic.example");
        let link = Link::new("https://example.org/a?b=1", 2, 5, Some("book".into())).unwrap();
        let click = opened(&urls.click(link.clone()).unwrap(), base, "/c/", "anything.example");
        assert_eq!(click.link, Some(link));
        let unsubscribe = opened(&urls.unsubscribe().unwrap(), base, "/u/", "anything.example");
        assert_eq!(unsubscribe.kind, Kind::Unsubscribe);
        let trap = opened(&urls.trap().unwrap(), base, "/c/", "anything.example");
        assert_eq!((trap.kind, trap.message_id.as_str(), trap.link), (Kind::Trap, "m-1", None));
    }

    #[test]
    fn an_accounts_own_host_binds_its_tokens() {
        let (ring, mail) = (ring(), mail());
        let own = Some("https://Track.Clinic.example:8443/t");
        let minter = Minter::new(&ring, AccountNumber(3), own, "http://localhost").unwrap();
        let pixel = minter.mail(&mail).unwrap().pixel().unwrap();
        let base = "https://Track.Clinic.example:8443/t";
        assert_eq!(opened(&pixel, base, "/o/", "track.clinic.example").message_id, "m-1");
        let token = pixel.rsplit('/').next().unwrap();
        assert!(token::open_with_ring(&ring, "localhost", &token::parse(token).0.unwrap()).is_err());
    }

    #[test]
    fn what_is_out_of_bounds_is_named() {
        let ring = ring();
        let minter = Minter::new(&ring, AccountNumber(1), None, "https://t.example").unwrap();
        let refused = |change: fn(&mut Mail)| {
            let mut mail = mail();
            change(&mut mail);
            minter.mail(&mail).map(|_| ()).unwrap_err().to_string()
        };
        assert!(refused(|mail| mail.message_id.clear()).contains("message_id"));
        assert!(refused(|mail| mail.campaign = "c".repeat(65)).contains("campaign"));
        assert!(refused(|mail| mail.recipient_id = "jane@example.org".into()).contains("recipient_id"));
        assert!(refused(|mail| mail.recipient_domain = "a b".into()).contains("recipient_domain"));
        for bad in ["", "t.example", "ftp://t.example", "javascript:alert(1)"] {
            assert!(
                matches!(Minter::new(&ring, AccountNumber(1), None, bad), Err(MintError::BaseUrl)),
                "{bad}"
            );
        }
    }

    #[test]
    fn tracking_urls_are_known_again() {
        let (ring, mail) = (ring(), mail());
        let own = Some("https://track.clinic.example/t/");
        let minter = Minter::new(&ring, AccountNumber(3), own, "https://default.example").unwrap();
        let pixel = minter.mail(&mail).unwrap().pixel().unwrap();
        let default = Minter::new(&ring, AccountNumber(3), None, "https://default.example").unwrap();
        let old = default.mail(&mail).unwrap().unsubscribe().unwrap();
        let is = |text: &str| minter.is_tracking_url(&Url::parse(text).unwrap());
        assert!(is(&pixel) && is(&old));
        assert!(is(&pixel.replace("https:", "http:").replace(".example/", ".example:443/")));
        assert!(!is("https://track.clinic.example/t/o/about-us"));
        assert!(!is("https://track.clinic.example/t/"));
        assert!(!is(&pixel.replace("track.", "www.")));
    }

    #[test]
    fn the_headers_are_ready_to_paste() {
        let headers = UnsubscribeHeaders::new("https://t.example/u/abc");
        assert_eq!(
            serde_json::to_value(headers).unwrap(),
            serde_json::json!({
                "List-Unsubscribe": "<https://t.example/u/abc>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"
            })
        );
    }
}
