//! What is asked about what is stored: dead letters, data sets of networks, judging and learning again.

use super::parse::{Since, since};
use clap::{Args, Subcommand};
use classifier::data::Name;
use std::path::PathBuf;

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

#[derive(Debug, Subcommand)]
pub(crate) enum SignaturesCommand {
    /// List the data sets with date, age, rows, source and licence, and the signature files with date and entries
    List,
    /// Check signature files of your own as they would be read beside those that are in place; needs no server
    Check(SignaturesCheckArgs),
    /// Take new data sets into use. One that is damaged, or has lost more than half of its rows, is refused, and the last
    /// good one stays
    Update(SignaturesUpdateArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SignaturesCheckArgs {
    /// The files, named as they shall be named in place
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Put them in place if none is refused: a running system takes them into use within seconds
    #[arg(long)]
    pub(crate) apply: bool,
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
