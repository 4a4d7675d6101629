//! What can be asked of a report, and how it is shown where an answer is wrong.

use super::clock::Interval;
use engagement::Timestamp;
use engagement::sources::Class;
use std::fmt;

/// A report, with what is particular to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Report {
    Summary,
    Breakdown(By),
    /// Buckets of an interval in a time zone.
    Timeseries(Interval, &'static str),
    Latency(By),
    /// Days by the calendar of a time zone.
    Visits(&'static str),
    Machines(By),
    AfterDelivery,
    Corrections,
    /// Hours by the clock of a time zone.
    Hours(&'static str),
    Refusals,
    DeliveryTimes,
}

impl Report {
    /// The names of all reports, as the API has them.
    pub(crate) const NAMES: [&'static str; 11] = [
        "summary",
        "breakdown",
        "timeseries",
        "latency",
        "visits",
        "machines",
        "after-delivery",
        "corrections",
        "hours",
        "refusals",
        "delivery-times",
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Summary => "summary",
            Self::Breakdown(_) => "breakdown",
            Self::Timeseries(..) => "timeseries",
            Self::Latency(_) => "latency",
            Self::Visits(_) => "visits",
            Self::Machines(_) => "machines",
            Self::AfterDelivery => "after-delivery",
            Self::Corrections => "corrections",
            Self::Hours(_) => "hours",
            Self::Refusals => "refusals",
            Self::DeliveryTimes => "delivery-times",
        }
    }

    /// Whether suppression has a say in it.
    pub(super) const fn is_suppressible(self) -> bool {
        matches!(self, Self::Summary | Self::Breakdown(_) | Self::Timeseries(..))
    }

    const fn by(self) -> By {
        match self {
            Self::Breakdown(by) | Self::Latency(by) | Self::Machines(by) => by,
            _ => By::All,
        }
    }
}

/// What a report groups by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    All,
    RecipientDomain,
    MailboxProvider,
    Campaign,
    BounceReason,
    Source,
    Client,
    Country,
    Link,
    /// Source and recipient domain.
    Both,
}

impl By {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::All => "",
            Self::RecipientDomain => "recipient_domain",
            Self::MailboxProvider => "mailbox_provider",
            Self::Campaign => "campaign",
            Self::BounceReason => "bounce_reason",
            Self::Source => "source",
            Self::Client => "client",
            Self::Country => "country",
            Self::Link => "link",
            Self::Both => "both",
        }
    }
}

/// The messages that a report is held to; what is empty holds it to nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) campaign: String,
    pub(super) recipient_domain: String,
    pub(super) mailbox_provider: String,
}

/// A question to one report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) report: Report,
    /// The first moment, in milliseconds.
    pub(super) from: i64,
    /// The first moment past the end.
    pub(super) to: i64,
    pub(super) sent_cohort: bool,
    pub(super) suppress: Vec<Class>,
    pub(super) filter: Filter,
}

impl Question {
    pub(super) const fn covers(&self, at: i64) -> bool {
        self.from <= at && at < self.to
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |at| Timestamp::from_millis(at).map_or("the end of time".to_owned(), |at| at.to_string());
        let cohort = if self.sent_cohort { "sent" } else { "event" };
        write!(f, "{} cohort={cohort} from {} to {}", self.report.name(), time(self.from), time(self.to))?;
        if self.report.is_suppressible() {
            let classes: Vec<&str> = self.suppress.iter().map(|class| class.as_str()).collect();
            write!(
                f,
                " suppress={}",
                if classes.is_empty() { "none".to_owned() } else { classes.join(",") }
            )?;
        }
        match self.report {
            Report::Timeseries(interval, zone) => write!(f, " interval={} tz={zone}", interval.as_str())?,
            Report::Visits(zone) | Report::Hours(zone) => write!(f, " tz={zone}")?,
            _ => {}
        }
        let by = self.report.by().as_str();
        for (name, value) in [
            ("campaign", self.filter.campaign.as_str()),
            ("recipient_domain", &self.filter.recipient_domain),
            ("mailbox_provider", &self.filter.mailbox_provider),
            ("by", by),
        ] {
            if !value.is_empty() {
                write!(f, " {name}={value}")?;
            }
        }
        Ok(())
    }
}
