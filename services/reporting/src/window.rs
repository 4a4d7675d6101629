//! What a report is asked for, read from the query. Every parameter that is unknown, given twice or out of its shape is
//! refused by name: a misspelt filter must never give a figure that looks filtered.

use crate::compare::Both;
use crate::problem::Problem;
use engagement::Timestamp;
use engagement::sources::Class;
use serde::Serialize;

/// The window where none is given.
const DEFAULT_DAYS: i64 = 30;
const DAY_MILLIS: i64 = 86_400_000;
/// The most bytes of a filter's value: a domain's (RFC 1035).
const FILTER_BYTES: usize = 253;

/// What a report is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    /// The first moment.
    pub(crate) from: Timestamp,
    /// The first moment past the end.
    pub(crate) to: Timestamp,
    pub(crate) cohort: Cohort,
    /// One campaign, or empty for all.
    pub(crate) campaign: String,
    /// One domain in lower case, or empty for all.
    pub(crate) recipient_domain: String,
    /// One provider, or empty for all.
    pub(crate) mailbox_provider: String,
    pub(crate) suppress: Suppression,
}

/// What is narrowed to; each is empty for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Narrowing {
    pub(crate) campaign: String,
    /// In lower case.
    pub(crate) recipient_domain: String,
    pub(crate) mailbox_provider: String,
}

/// A time that is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Span {
    /// The first moment.
    pub(crate) from: Timestamp,
    /// The first moment past the end.
    pub(crate) to: Timestamp,
}

/// Which messages a report counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cohort {
    /// What happened in the window.
    Event,
    /// All that ever happened to the messages sent in the window.
    Sent,
}

/// What a report leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Suppression {
    /// What the account's settings say now.
    Account,
    /// These classes.
    Classes(Vec<Class>),
}

/// What a breakdown groups by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    RecipientDomain,
    MailboxProvider,
    BounceReason,
    Campaign,
    Source,
    Client,
    Country,
    Link,
}

impl Window {
    /// Its time alone.
    pub(crate) const fn span(&self) -> Span {
        Span { from: self.from, to: self.to }
    }

    /// The window of the same length that ends where this one begins, with the same filters.
    fn before(&self) -> Result<Self, Problem> {
        let from = Timestamp::from_millis(self.from.millis() - self.to.since(self.from));
        let from = from.map_err(|_| {
            // A shorter window in its place would look like a loss.
            Problem::parameter("compare", "the window before would begin earlier than any time there is here")
        })?;
        Ok(Self { from, to: self.from, ..self.clone() })
    }
}

impl Cohort {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Sent => "sent",
        }
    }
}

impl By {
    const ALL: [Self; 8] = [
        Self::RecipientDomain,
        Self::MailboxProvider,
        Self::Campaign,
        Self::BounceReason,
        Self::Link,
        Self::Source,
        Self::Client,
        Self::Country,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::RecipientDomain => "recipient_domain",
            Self::MailboxProvider => "mailbox_provider",
            Self::BounceReason => "bounce_reason",
            Self::Campaign => "campaign",
            Self::Source => "source",
            Self::Client => "client",
            Self::Country => "country",
            Self::Link => "link",
        }
    }

    /// Whether it groups hits. The others group messages.
    pub(crate) const fn of_hits(self) -> bool {
        matches!(self, Self::Source | Self::Client | Self::Country)
    }
}

/// What latencies are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LatencyBy {
    All,
    RecipientDomain,
    MailboxProvider,
    Campaign,
}

impl LatencyBy {
    const ALL: [Self; 4] = [Self::All, Self::RecipientDomain, Self::MailboxProvider, Self::Campaign];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::All => "",
            Self::RecipientDomain => "recipient_domain",
            Self::MailboxProvider => "mailbox_provider",
            Self::Campaign => "campaign",
        }
    }
}

/// The query's pairs, taken one by one; what is left at the end is unknown.
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(crate) fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The value of a name.
    pub(crate) fn take(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let Some(at) = self.0.iter().position(|(found, _)| found == name) else { return Ok(None) };
        let (_, value) = self.0.remove(at);
        if self.0.iter().any(|(found, _)| found == name) {
            return Err(Problem::parameter(name, "is given twice"));
        }
        Ok(Some(value))
    }

    /// The value of a name as a time.
    pub(crate) fn time(&mut self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.take(name)? else { return Ok(None) };
        // A date alone is its midnight in UTC. A plus that was not percent-encoded arrives as a space.
        let written = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.replace(' ', "+") };
        Timestamp::parse(&written).map(Some).map_err(|error| Problem::parameter(name, &error.to_string()))
    }

    /// That nothing is left.
    pub(crate) fn end(&self) -> Result<(), Problem> {
        match self.0.first() {
            Some((name, _)) => Err(Problem::parameter(name, "is no parameter of this request")),
            None => Ok(()),
        }
    }

    /// What a breakdown groups by.
    pub(crate) fn by(&mut self) -> Result<By, Problem> {
        let value = self.take("by")?;
        let found = value.and_then(|value| By::ALL.into_iter().find(|by| by.as_str() == value));
        found.ok_or_else(|| {
            let names = By::ALL.map(By::as_str).join(", ");
            Problem::parameter("by", &format!("is one of {names}"))
        })
    }

    /// What latencies are grouped by: one row of all where nothing is named.
    pub(crate) fn latency_by(&mut self) -> Result<LatencyBy, Problem> {
        let value = self.take("by")?.unwrap_or_default();
        let found = LatencyBy::ALL.into_iter().find(|by| by.as_str() == value);
        found
            .ok_or_else(|| Problem::parameter("by", "is one of recipient_domain, mailbox_provider, campaign"))
    }

    /// The time that is asked about, with `now` as the end where none is given.
    pub(crate) fn span(&mut self, now: Timestamp) -> Result<Span, Problem> {
        let from = self.time("from")?;
        let to = self.time("to")?.unwrap_or(now);
        let from = from.unwrap_or_else(|| to.plus_millis(-DEFAULT_DAYS * DAY_MILLIS));
        if from >= to {
            return Err(Problem::parameter("from", "is not before `to`"));
        }
        Ok(Span { from, to })
    }

    /// The window, with `now` as the end where none is given.
    pub(crate) fn window(&mut self, now: Timestamp) -> Result<Window, Problem> {
        let Span { from, to } = self.span(now)?;
        let cohort = match self.take("cohort")?.as_deref() {
            None | Some("event") => Cohort::Event,
            Some("sent") => Cohort::Sent,
            Some(_) => return Err(Problem::parameter("cohort", "is `event` or `sent`")),
        };
        let Narrowing { campaign, recipient_domain, mailbox_provider } = self.narrowing()?;
        let suppress = self.suppression()?;
        Ok(Window { from, to, cohort, campaign, recipient_domain, mailbox_provider, suppress })
    }

    /// What the question is narrowed to.
    pub(crate) fn narrowing(&mut self) -> Result<Narrowing, Problem> {
        Ok(Narrowing {
            campaign: self.filter("campaign")?,
            recipient_domain: self.filter("recipient_domain")?.trim_end_matches('.').to_lowercase(),
            mailbox_provider: self.filter("mailbox_provider")?.to_lowercase(),
        })
    }

    /// The window, and with `compare` the one before.
    pub(crate) fn windows(&mut self, now: Timestamp) -> Result<Both<Window>, Problem> {
        let compare = match self.take("compare")?.as_deref() {
            None => false,
            Some("previous") => true,
            Some(_) => return Err(Problem::parameter("compare", "is `previous`")),
        };
        let now = self.window(now)?;
        let before = if compare { Some(now.before()?) } else { None };
        Ok(Both { now, before })
    }

    fn filter(&mut self, name: &str) -> Result<String, Problem> {
        let value = self.take(name)?.unwrap_or_default();
        if value.len() > FILTER_BYTES {
            return Err(Problem::parameter(name, "has more than 253 bytes"));
        }
        Ok(value)
    }

    fn suppression(&mut self) -> Result<Suppression, Problem> {
        let Some(text) = self.take("suppress")? else { return Ok(Suppression::Account) };
        match text.as_str() {
            "account" => return Ok(Suppression::Account),
            "none" => return Ok(Suppression::Classes(Vec::new())),
            "all" => return Ok(Suppression::Classes(Class::ALL.to_vec())),
            _ => {}
        }
        let named: Option<Vec<Class>> = text.split(',').map(|name| Class::parse(name.trim())).collect();
        let named = named.ok_or_else(|| {
            let names = Class::ALL.map(Class::as_str).join(", ");
            Problem::parameter("suppress", &format!("is account, none, all, or a list out of {names}"))
        })?;
        Ok(Suppression::Classes(Class::ALL.into_iter().filter(|class| named.contains(class)).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(query: &str) -> Result<Window, String> {
        let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let mut parameters = Parameters::new(pairs);
        let now = Timestamp::parse("2026-11-21T12:00:00Z").unwrap();
        let window = parameters.window(now);
        let said = |problem: Problem| serde_json::to_value(problem).unwrap()["detail"].to_string();
        let window = window.map_err(said)?;
        parameters.end().map_err(said)?;
        Ok(window)
    }

    fn time(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn the_default_is_the_last_thirty_days_as_the_account_wants_them() {
        let window = window("").unwrap();
        assert_eq!(window.to, time("2026-11-21T12:00:00Z"));
        assert_eq!(window.from, time("2026-10-22T12:00:00Z"));
        assert_eq!((window.cohort, window.suppress), (Cohort::Event, Suppression::Account));
        assert_eq!((window.campaign.as_str(), window.recipient_domain.as_str()), ("", ""));
    }

    #[test]
    fn values_are_read_as_they_are_written() {
        let read =
            window("from=2026-01-01&to=2026-02-01T01:00:00+01:00&recipient_domain=Example.ORG.").unwrap();
        assert_eq!((read.from, read.to), (time("2026-01-01T00:00:00Z"), time("2026-02-01T00:00:00Z")));
        assert_eq!(read.recipient_domain, "example.org");
        let classes = |query: &str| match window(query).unwrap().suppress {
            Suppression::Classes(classes) => classes,
            Suppression::Account => panic!("classes were named"),
        };
        assert_eq!(classes("suppress=none"), []);
        assert_eq!(classes("suppress=all"), Class::ALL);
        assert_eq!(classes("suppress=other,apple,other"), [Class::Apple, Class::Other]);
        assert_eq!(window("suppress=account").unwrap().suppress, Suppression::Account);
        assert_eq!(window("cohort=sent").unwrap().cohort, Cohort::Sent);
    }

    #[test]
    fn the_window_before_is_as_long_and_ends_where_this_one_begins() {
        let windows = |query: &str| {
            let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            let now = Timestamp::parse("2026-11-21T12:00:00Z").unwrap();
            let said = |problem: Problem| serde_json::to_value(problem).unwrap()["detail"].to_string();
            Parameters::new(pairs).windows(now).map_err(said)
        };
        let query = "from=2026-03-01&to=2026-03-03T00:00:00.001Z&cohort=sent&campaign=c";
        assert_eq!(windows(query).unwrap().before, None);
        let Both { now, before } = windows(&format!("{query}&compare=previous")).unwrap();
        let from = time("2026-02-26T23:59:59.999Z");
        assert_eq!(before, Some(Window { from, to: now.from, ..now }));
        assert!(windows("from=2000-01-02&to=2000-01-03&compare=previous").is_ok());
        for wrong in [
            "compare=",
            "compare=foo",
            "compare=previous&compare=previous",
            "compare=previous&from=2000-01-02&to=2000-01-04",
        ] {
            let error = windows(wrong).unwrap_err();
            assert!(error.starts_with("\"compare: "), "{wrong}: {error}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, named) in [
            ("from=yesterday", "from"),
            ("from=0001-01-01T00:00:00Z", "from"),
            ("to=9999-01-01T00:00:00Z", "to"),
            ("to=2026-02-30", "to"),
            ("from=2026-01-02&to=2026-01-01", "from"),
            ("from=2026-01-01&to=2026-01-01", "from"),
            ("from=2027-01-01", "from"),
            ("from=1%27%20OR%201=1--", "from"),
            ("suppress=mimecast", "suppress"),
            ("suppress=", "suppress"),
            ("suppress=none,apple", "suppress"),
            ("cohort=day", "cohort"),
            ("cohort=sent&cohort=event", "cohort"),
            ("recipient_domian=example.org", "recipient_domian"),
            ("from=2026-01-01&%27%3B=1", "';"),
        ] {
            let error = window(query).unwrap_err();
            assert!(error.starts_with(&format!("\"{named}: ")), "{query}: {error}");
        }
        assert!(window(&format!("campaign={}", "x".repeat(254))).unwrap_err().contains("campaign"));
    }
}
