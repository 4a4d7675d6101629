//! What is asked about mails and hits: links, a verdict on one hit, logs in, a campaign played.

use super::parse::{header, span};
use clap::Args;
use std::net::IpAddr;
use std::path::PathBuf;

/// What identifies a message, for `link` and `instrument`.
#[derive(Debug, Args)]
pub(crate) struct MessageArgs {
    /// The account
    #[arg(long)]
    pub(crate) account: String,
    /// Your id of the message: one mail to one recipient
    #[arg(long)]
    pub(crate) message: String,
    /// Your campaign
    #[arg(long, default_value = "")]
    pub(crate) campaign: String,
    /// Your id of the recipient, never an address
    #[arg(long, default_value = "")]
    pub(crate) recipient: String,
    /// The domain of the recipient's address
    #[arg(long, default_value = "")]
    pub(crate) recipient_domain: String,
    /// When the mail is sent (RFC 3339); now if not given
    #[arg(long)]
    pub(crate) sent_at: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct LinkArgs {
    #[command(flatten)]
    pub(crate) message: MessageArgs,
    /// Where the click leads; without it a pixel URL is printed
    #[arg(long)]
    pub(crate) to: Option<String>,
    /// A label for the link
    #[arg(long, requires = "to")]
    pub(crate) label: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct InstrumentArgs {
    #[command(flatten)]
    pub(crate) message: MessageArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The user agent
    #[arg(long, default_value = "")]
    pub(crate) ua: String,
    /// The client's address
    #[arg(long)]
    pub(crate) ip: Option<IpAddr>,
    /// The HTTP method
    #[arg(long, default_value = "GET")]
    pub(crate) method: String,
    /// What was asked for: open, click, unsubscribe or trap
    #[arg(long, default_value = "open")]
    pub(crate) kind: String,
    /// A request header as 'Name: value'; may be given often
    #[arg(long = "header", value_name = "'K: V'", value_parser = header)]
    pub(crate) headers: Vec<(String, String)>,
    /// How long after delivery the hit came, such as 40s, 5m or 2h
    #[arg(long, value_parser = span, value_name = "TIME")]
    pub(crate) after_delivery: Option<i64>,
    /// What trailed the token in the URL, such as %27
    #[arg(long)]
    pub(crate) trailing: Option<String>,
    /// Print the verdict as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// What the files hold
    #[arg(value_enum)]
    pub(crate) format: ImportFormat,
    /// The files; for kumomta also the folder of its log, for mails an mbox, a Maildir or single mails. `-` reads standard input
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Go on reading what is added, across rotation, until Ctrl-C
    #[arg(long)]
    pub(crate) follow: bool,
    /// Your message id is what stands before the @ of the Message-ID; without this it is all of it, without brackets
    #[arg(long)]
    pub(crate) local_part: bool,
    /// The time zone of times without one
    #[arg(long, default_value = "UTC")]
    pub(crate) tz: String,
    /// The account
    #[arg(long, default_value = crate::bootstrap::DEMO)]
    pub(crate) account: String,
    /// A key with the scope events:write; admin.key in the data directory if not given
    #[arg(long, env = "TRUEOPEN_KEY", hide_env_values = true)]
    pub(crate) key: Option<String>,
    /// The reporting API; where the settings say it listens if not given
    #[arg(long, value_name = "URL")]
    pub(crate) api: Option<String>,
    /// Where it is kept how far files were read; import/ACCOUNT-FORMAT.json in the data directory if not given
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
}

/// What files to import hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ImportFormat {
    /// Postfix's log, by syslog or postlogd
    Postfix,
    /// KumoMTA's log records: a folder of segments, or single ones, compressed or not
    Kumomta,
    /// PowerMTA's accounting files, CSV
    Powermta,
    /// Bounces (RFC 3464) and complaints (RFC 5965)
    Mail,
}

impl ImportFormat {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Postfix => "postfix",
            Self::Kumomta => "kumomta",
            Self::Powermta => "powermta",
            Self::Mail => "mail",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// How many mails, each to one recipient
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) recipients: u64,
    /// The same seed makes the same campaign
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// The account
    #[arg(long, default_value = crate::bootstrap::DEMO)]
    pub(crate) account: String,
    /// The most requests a second
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) rate: u32,
    /// A key with the scope events:write; admin.key in the data directory if not given
    #[arg(long, env = "TRUEOPEN_KEY", hide_env_values = true)]
    pub(crate) key: Option<String>,
    /// The reporting API; where the settings say it listens if not given
    #[arg(long, value_name = "URL")]
    pub(crate) api: Option<String>,
    /// The tracker; where the settings say it listens if not given. Loopback or the configured one only
    #[arg(long, value_name = "URL")]
    pub(crate) tracker: Option<String>,
}
