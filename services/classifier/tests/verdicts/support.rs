//! Building a hit in a line, and asking what fired.

use classifier::{Facts, Judgement, Ruleset};
use engagement::{Actor, Kind, Timestamp};
use std::collections::BTreeMap;
use std::sync::LazyLock;

pub(crate) static RULESET: LazyLock<Ruleset> = LazyLock::new(Ruleset::builtin);

pub(crate) const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
pub(crate) const SAFARI: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15";
pub(crate) const GMAIL_PROXY: &str =
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
pub(crate) const GMAIL_PREFETCH: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0";
pub(crate) const BARRACUDA: &str = "Barracuda Sentinel (EE)";

/// A hit under construction.
pub(crate) struct Hit {
    kind: Kind,
    ua: String,
    ip: Option<String>,
    asn: Option<u32>,
    method: &'static str,
    headers: BTreeMap<String, String>,
    trailing: Option<String>,
}

pub(crate) fn open(ua: &str) -> Hit {
    of(Kind::Open, ua)
}

pub(crate) fn click(ua: &str) -> Hit {
    of(Kind::Click, ua)
}

pub(crate) fn of(kind: Kind, ua: &str) -> Hit {
    let headers = BTreeMap::new();
    // An address of which nothing is known, as most readers' are.
    let ip = Some("198.51.100.20".to_owned());
    Hit { kind, ua: ua.to_owned(), ip, asn: None, method: "GET", headers, trailing: None }
}

impl Hit {
    pub(crate) fn ip(mut self, ip: &str) -> Self {
        self.ip = Some(ip.to_owned());
        self
    }

    pub(crate) fn asn(mut self, asn: u32) -> Self {
        self.asn = Some(asn);
        self
    }

    pub(crate) fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn trailing(mut self, text: &str) -> Self {
        self.trailing = Some(text.to_owned());
        self
    }

    /// The judgement of the built-in ruleset.
    pub(crate) fn judged(&self) -> Judged {
        self.judged_by(&RULESET)
    }

    pub(crate) fn judged_by(&self, ruleset: &Ruleset) -> Judged {
        let received = Timestamp::parse("2026-11-02T09:00:00Z").unwrap();
        let facts = Facts {
            method: self.method,
            ip: self.ip.as_deref().map(|ip| ip.parse().unwrap()),
            asn: self.asn,
            ua: &self.ua,
            headers: &self.headers,
            trailing: self.trailing.as_deref(),
            ..Facts::of(self.kind, received)
        };
        Judged { judgement: ruleset.judge(&facts), about: format!("{} {:?}", self.kind.as_str(), self.ua) }
    }
}

/// A judgement with what to say when it is not the expected one.
pub(crate) struct Judged {
    pub(crate) judgement: Judgement,
    about: String,
}

impl Judged {
    #[track_caller]
    pub(crate) fn is(self, actor: Actor, source: &str) -> Self {
        let verdict = &self.judgement.verdict;
        let found = (verdict.actor, verdict.source.as_str());
        assert_eq!(found, (actor, source), "{}: {:?}", self.about, verdict.reasons);
        self
    }

    #[track_caller]
    pub(crate) fn human(self, source: &str) -> Self {
        self.is(Actor::Human, source)
    }

    #[track_caller]
    pub(crate) fn automated(self, source: &str) -> Self {
        self.is(Actor::Automated, source)
    }

    #[track_caller]
    pub(crate) fn unknown(self, source: &str) -> Self {
        self.is(Actor::Unknown, source)
    }

    /// The deciding rule.
    #[track_caller]
    pub(crate) fn by(self, rule: &str) -> Self {
        assert_eq!(self.judgement.verdict.reasons[0].rule, rule, "{}", self.about);
        self
    }

    #[track_caller]
    pub(crate) fn fired(self, rule: &str) -> Self {
        assert!(self.rules().contains(&rule), "{} did not fire on {}: {:?}", rule, self.about, self.rules());
        self
    }

    #[track_caller]
    pub(crate) fn silent(self, rule: &str) -> Self {
        assert!(!self.rules().contains(&rule), "{} fired on {}", rule, self.about);
        self
    }

    #[track_caller]
    pub(crate) fn client(self, client: &str) -> Self {
        assert_eq!(self.judgement.client, client, "{}", self.about);
        self
    }

    pub(crate) fn confidence(&self) -> f64 {
        self.judgement.verdict.confidence
    }

    pub(crate) fn rules(&self) -> Vec<&str> {
        self.judgement.verdict.reasons.iter().map(|reason| reason.rule.as_ref()).collect()
    }
}
