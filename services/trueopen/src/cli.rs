//! The command line: what can be asked, and the help that says so.

mod mails;
mod parse;
mod stored;

use crate::verify::Report;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

pub(crate) use mails::*;
pub(crate) use stored::*;

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
    /// What is known of vendors: the signature files and the networks that their owners publish, what is in use, and how old
    /// it is
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
        /// One report alone, such as latency; may be given often. All if not given
        #[arg(long, value_name = "REPORT", value_parser = Report::NAMES)]
        report: Vec<String>,
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
    /// Let it read evidence too: client addresses, agents, headers, SMTP texts, originals
    #[arg(long)]
    pub(crate) evidence: bool,
    /// Its password; one is made and printed, this once, if not given
    #[arg(long, env = "TRUEOPEN_GRAFANA_PASSWORD", hide_env_values = true)]
    pub(crate) password: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MasterKeyCommand {
    /// Make a new master key for new tokens; the old ones still open old mail. Restart to take it into use
    Rotate,
    /// List the master keys by id and fingerprint
    List,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
