//! The command line: what can be asked, and the help that says so.

use clap::{Args, Parser, Subcommand};
use classifier::data::Name;
use std::net::IpAddr;
use std::path::PathBuf;

/// Tells a bulk sender which of its mails real people opened and clicked.
#[derive(Debug, Parser)]
#[command(name = "trueopen", version, about, propagate_version = true, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// TOML file with settings; `trueopen config` shows all of them with the values in force
    #[arg(long, global = true, value_name = "FILE", env = "TRUEOPEN_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Where keys, journal and embedded database lie
    #[arg(long, global = true, value_name = "DIR", env = "TRUEOPEN_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Override one setting, such as `--set tracker.listen=127.0.0.1:8081`; may be given often
    #[arg(long, global = true, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) set: Vec<(String, String)>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything in one place: tracker, classifier, loader, reporting API and an embedded ClickHouse
    Up,
    /// Run the tracker alone: pixel, redirect and unsubscribe server, its journal forwarded to Kafka
    Track,
    /// Run the classifier alone, from Kafka to Kafka
    Classify,
    /// Run the loader alone, from Kafka into the ClickHouse that the settings name
    Load,
    /// Run the reporting API alone, over the ClickHouse that the settings name
    Report,
    /// Bring the ClickHouse schema up to date: forward only, safe to repeat. Where kafka.brokers are named, check the
    /// topics, and make what is missing if kafka.create_topics allows it
    Migrate,
    /// Accounts: whose mails are tracked
    #[command(subcommand)]
    Account(AccountCommand),
    /// API keys of an account
    #[command(subcommand)]
    Key(KeyCommand),
    /// An account's settings: what its reports leave out, how long evidence is kept, its tracking host
    #[command(subcommand)]
    Settings(SettingsCommand),
    /// Users of a ClickHouse server that read and never write, for Grafana; over one account where wanted
    #[command(subcommand)]
    GrafanaUser(GrafanaUserCommand),
    /// Master keys, under which every token is sealed
    #[command(subcommand)]
    MasterKey(MasterKeyCommand),
    /// Print a pixel URL, or with --to a click URL
    Link(LinkArgs),
    /// Rewrite the links of a mail's HTML and add the pixel: standard input to standard output
    Instrument(InstrumentArgs),
    /// Say who made a hit with these properties, and why
    Explain(ExplainArgs),
    /// Judge a file of hits (NDJSON) and print the verdicts; needs no server
    ClassifyFile {
        /// The file; `-` reads standard input
        file: PathBuf,
    },
    /// The networks that their owners publish: what is in use, and how old it is
    #[command(subcommand)]
    Signatures(SignaturesCommand),
    /// Hand what mail servers write to the API as delivery events: logs of Postfix, KumoMTA and PowerMTA, bounce and complaint
    /// mails; once or following, restartable without doubling
    Import(ImportArgs),
    /// Make up a campaign and play it against a running system, so that reports show figures
    Simulate(SimulateArgs),
    /// Recount the reports from the raw events and compare; fails when something differs
    Verify {
        /// The account; all if not given
        #[arg(long)]
        account: Option<String>,
    },
    /// Records that no stage could use: look at them, put them back
    #[command(subcommand)]
    Deadletter(DeadLetterCommand),
    /// Learn from stored events when recipient domains' links are scanned: print what is new, and write it down for review
    Learn(LearnArgs),
    /// Judge stored events again with today's rules, as higher revisions; a running `up` or `classify` does the work.
    /// Ctrl-C stops it, the same command goes on
    Reclassify(ReclassifyArgs),
    /// Print the settings in force, secrets masked
    Config,
    /// Run the embedded ClickHouse engine; `up` starts this by itself
    #[command(hide = true)]
    Engine,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Create an account
    Create {
        /// Its name: a-z, 0-9, - and _
        account: String,
    },
    /// List all accounts
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Create a key and print it; it is shown this once
    Create {
        /// The account it belongs to
        #[arg(long)]
        account: String,
        /// What it may do: reports:read, events:write, settings:write, admin; may be given often
        #[arg(long = "scope", required = true, value_name = "SCOPE")]
        scopes: Vec<String>,
        /// A note for people
        #[arg(long, default_value = "")]
        label: String,
    },
    /// List an account's keys, without the keys themselves
    List {
        /// The account
        #[arg(long)]
        account: String,
    },
    /// Revoke a key: it is dead within ten seconds
    Revoke {
        /// The account
        #[arg(long)]
        account: String,
        /// The key's id, as `key list` shows it
        id: uuid::Uuid,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum SettingsCommand {
    /// Print an account's settings as JSON
    Get {
        /// The account
        #[arg(long)]
        account: String,
    },
    /// Change settings: the fields given change, the others stay
    Set {
        /// The account
        #[arg(long)]
        account: String,
        /// JSON such as '{"suppress":{"apple":false}}'
        json: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum GrafanaUserCommand {
    /// Make a user, or make it anew
    Create(GrafanaUserCreate),
    /// Take a user away
    Drop {
        /// Its name at the server
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct GrafanaUserCreate {
    /// Its name at the server: a-z, 0-9, - and _
    pub(crate) name: String,
    /// The account that it is held to by row policies; without it the user reads all accounts
    #[arg(long)]
    pub(crate) account: Option<String>,
    /// Let it read evidence too: client addresses, agents, headers, SMTP texts
    #[arg(long)]
    pub(crate) evidence: bool,
    /// Its password; one is made and printed, this once, if not given
    #[arg(long, env = "TRUEOPEN_GRAFANA_PASSWORD", hide_env_values = true)]
    pub(crate) password: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetterCommand {
    /// List dead letters, oldest first; their content is shown by --show alone
    List(DeadLetterList),
    /// Put the original bytes back onto the topic they came from, each letter once
    Replay(DeadLetterReplay),
}

#[derive(Debug, Args)]
pub(crate) struct DeadLetterList {
    #[command(flatten)]
    pub(crate) filter: DeadLetterFilter,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    /// Show the content too, and all of the reason: it may tell who opened what
    #[arg(long)]
    pub(crate) show: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DeadLetterReplay {
    #[command(flatten)]
    pub(crate) filter: DeadLetterFilter,
    /// Every letter that was not replayed yet
    #[arg(long)]
    pub(crate) all: bool,
    /// Those that were replayed before too
    #[arg(long)]
    pub(crate) again: bool,
}

/// Which dead letters are meant.
#[derive(Debug, Args)]
pub(crate) struct DeadLetterFilter {
    /// Those with this id, as `list` shows it; may be given often
    #[arg(long, value_name = "ID")]
    pub(crate) id: Vec<String>,
    /// Those whose reason, as `list` shows it, contains this
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Those that came from this topic
    #[arg(long)]
    pub(crate) topic: Option<String>,
    /// Those that were set aside since then: a time (RFC 3339), or a span before now such as 2h or 3d
    #[arg(long, value_parser = since, value_name = "TIME")]
    pub(crate) since: Option<Since>,
}

impl DeadLetterFilter {
    pub(crate) fn is_empty(&self) -> bool {
        self.id.is_empty() && self.reason.is_none() && self.topic.is_none() && self.since.is_none()
    }
}

/// A point in time, or a span before now.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Since {
    At(engagement::Timestamp),
    Span(i64),
}

impl Since {
    pub(crate) fn before(self, now: engagement::Timestamp) -> engagement::Timestamp {
        match self {
            Self::At(time) => time,
            Self::Span(millis) => now.plus_millis(millis.saturating_neg()),
        }
    }
}

fn since(text: &str) -> Result<Since, String> {
    let time = engagement::Timestamp::parse(text).map(Since::At);
    time.or_else(|error| span(text).map(Since::Span).map_err(|span| format!("{error}; or {span}")))
}

#[derive(Debug, Subcommand)]
pub(crate) enum SignaturesCommand {
    /// List the data sets with date, age, rows, source and licence
    List,
    /// Take new data sets into use. One that is damaged, or has lost more than half of its rows, is refused, and the last
    /// good one stays
    Update(SignaturesUpdateArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SignaturesUpdateArgs {
    /// The data sets, such as asn or apple_relay; all that are to be had if none is given
    pub(crate) names: Vec<Name>,
    /// The file of one data set (given twice where it comes in two parts), or a folder of such files; without it they are
    /// fetched from their owners
    #[arg(long, value_name = "PATH")]
    pub(crate) from: Vec<PathBuf>,
    /// The day that the data are of, where they don't say it; today if not given
    #[arg(long, value_name = "2026-05-31")]
    pub(crate) date: Option<String>,
    /// Another folder to install into than `signatures` in the data directory
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MasterKeyCommand {
    /// Make a new master key for new tokens; the old ones still open old mail. Restart to take it into use
    Rotate,
    /// List the master keys by id and fingerprint
    List,
}

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
    /// The files; for mails an mbox, a Maildir or single mails. `-` reads standard input
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
    /// KumoMTA's log records, uncompressed
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

#[derive(Debug, Args)]
pub(crate) struct LearnArgs {
    /// Events from this time on (RFC 3339); 30 days before --to if not given
    #[arg(long)]
    pub(crate) from: Option<String>,
    /// And before this one; now if not given
    #[arg(long)]
    pub(crate) to: Option<String>,
    /// Take what was learned last, and reviewed, into use
    #[arg(long, conflicts_with_all = ["from", "to"])]
    pub(crate) apply: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReclassifyArgs {
    /// Events from this time on (RFC 3339)
    #[arg(long)]
    pub(crate) from: String,
    /// And before this one
    #[arg(long)]
    pub(crate) to: String,
    /// The account; all if not given
    #[arg(long)]
    pub(crate) account: Option<String>,
    /// Only print what would change, by account and source
    #[arg(long)]
    pub(crate) dry_run: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected 'Name: value'")?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

/// A span such as `40s`, `1500ms`, `5m` or `2h`, in milliseconds.
fn span(text: &str) -> Result<i64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "ms" => 1,
        "s" | "" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err("expected a number and ms, s, m, h or d".to_owned()),
    };
    let number: i64 = number.parse().map_err(|_| "expected a number and ms, s, m, h or d")?;
    number.checked_mul(factor).ok_or_else(|| "too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn spans_have_units() {
        assert_eq!(span("40s"), Ok(40_000));
        assert_eq!(span("1500ms"), Ok(1500));
        assert_eq!(span("2h"), Ok(7_200_000));
        assert!(span("soon").is_err() && span("4w").is_err() && span("99999999999999999d").is_err());
    }
}
