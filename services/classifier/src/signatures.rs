//! What is publicly known of vendors: agents and networks, read from data files and matched all at once.
//!
//! A file is data, never code: patterns and ranges with the source that states them and its date. A file with an error
//! is refused whole, with its name and line. Which family a signature belongs to says which rule reads it.

mod agents;
mod file;
mod networks;
mod own;

pub use file::{Cause, FileContents, MOST_PATTERN_BYTES, SignatureError};
pub(crate) use own::{blame, over};

use crate::data::Data;
use agents::Agents;
use engagement::{Actor, Kind};
use networks::Networks;
use serde::Deserialize;
use smallvec::SmallVec;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

/// A signature file: its name for error messages, and its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureFile<'a> {
    /// The name, such as `barracuda.toml`.
    pub name: &'a str,
    /// The TOML.
    pub text: &'a str,
}

/// What a signature is about, and so which rule reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// A mail gateway or link scanner, by its own agent or its own network.
    Gateway,
    /// The agent of Apple Mail Privacy Protection.
    ApplePrefetch,
    /// Apple's own network, which the relay never leaves from.
    AppleOwn,
    /// The operators of Apple's relay egress.
    RelayEgress,
    /// Gmail's image proxy.
    GoogleImageProxy,
    /// Gmail's prefetch, and the network of Google's special crawlers.
    GooglePrefetch,
    /// Google's own network.
    GoogleOwn,
    /// Microsoft's mail filtering, from where nobody reads.
    MicrosoftFiltering,
    /// Microsoft's mail service, from where readers' images are loaded too.
    MicrosoftMail,
    /// The rest of Microsoft's network, hosted desktops included.
    MicrosoftCloud,
    /// A webmail's image proxy of which nobody says when it fetches.
    WebmailProxy,
    /// The networks that such a proxy fetches from.
    WebmailOwn,
    /// A WebKit agent that names no program.
    WebkitBare,
    /// A stack that mail apps and readerless fetches share.
    Generic,
    /// A program that says it is one.
    DeclaredBot,
    /// An HTTP library.
    HttpLibrary,
    /// An operating system that is out of support.
    OldSystem,
    /// A mail app that people read in.
    MailApp,
    /// A browser that woothee takes for another one.
    Browser,
    /// A place where machines are rented, and people's corporate networks and tunnels leave too.
    DataCentre,
    /// A web proxy or browser isolation through which people's own clicks go.
    WebProxy,
}

impl Family {
    /// The actor that a source of this family must have, where the family speaks for the source's actor.
    const fn actor(self) -> Option<Actor> {
        match self {
            Self::Gateway | Self::DeclaredBot | Self::HttpLibrary => Some(Actor::Automated),
            Self::ApplePrefetch | Self::GooglePrefetch | Self::MicrosoftFiltering => Some(Actor::Automated),
            Self::MicrosoftMail | Self::MicrosoftCloud | Self::RelayEgress => Some(Actor::Automated),
            Self::GoogleImageProxy | Self::MailApp | Self::Browser => Some(Actor::Human),
            Self::WebmailProxy | Self::WebmailOwn | Self::WebkitBare | Self::Generic => Some(Actor::Unknown),
            Self::DataCentre => Some(Actor::Automated),
            Self::WebProxy | Self::OldSystem => Some(Actor::Unknown),
            Self::AppleOwn | Self::GoogleOwn => None,
        }
    }
}

/// Which hits a signature speaks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoints {
    /// All of them.
    #[default]
    Any,
    /// The pixel only.
    Open,
    /// Whatever is followed: click, unsubscribe and trap.
    Click,
}

impl Endpoints {
    pub(crate) const fn include(self, kind: Kind) -> bool {
        match self {
            Self::Any => true,
            Self::Open => matches!(kind, Kind::Open),
            Self::Click => !matches!(kind, Kind::Open),
        }
    }

    /// Whether a hit could be of both.
    fn overlap(self, other: Self) -> bool {
        self == other || self == Self::Any || other == Self::Any
    }
}

/// How much a signature says on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// Nobody else is known to show it.
    Certain,
    /// Others show it now and then.
    Probable,
    /// It decides nothing alone.
    Evidence,
}

/// How a pattern must lie in the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatternKind {
    /// It is the whole agent.
    Exact,
    /// It begins the agent.
    Prefix,
    /// It ends the agent.
    Suffix,
    /// It is anywhere in the agent.
    Contains,
}

/// One entry of a file: agents or networks that say the same thing.
#[derive(Debug)]
pub struct Signature {
    /// Which rule reads it.
    pub family: Family,
    /// Whom it speaks for: an id from `schema/sources.json`.
    pub who: &'static str,
    /// Which hits it speaks about.
    pub endpoints: Endpoints,
    /// How much it says alone.
    pub certainty: Certainty,
    /// The client family it names, if it names one.
    pub client: Option<String>,
    /// What to tell people of it, such as `address in Microsoft 365 mail filtering`.
    pub shows: String,
}

/// All signatures, ready to match.
#[derive(Debug)]
pub(crate) struct Signatures {
    /// No others in this process have it.
    number: u64,
    entries: Vec<Signature>,
    agents: Agents,
    networks: Networks,
    files: Vec<FileContents>,
}

impl Signatures {
    /// Reads all files; the lists that they name are among the data sets, or not at hand.
    pub(crate) fn load(files: &[SignatureFile<'_>], data: &Data) -> Result<Self, SignatureError> {
        let mut reader = file::Reader::new(data);
        for file in files {
            reader.read(*file)?;
        }
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let file::Reader { entries, agents, networks, files, .. } = reader;
        Ok(Self { number, entries, agents: agents.build()?, networks: networks.build(), files })
    }

    /// What each file holds, in their order.
    pub(crate) fn files(&self) -> &[FileContents] {
        &self.files
    }

    /// What tells these signatures from others in this process.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The signature at a place.
    pub(crate) fn at(&self, place: u16) -> &Signature {
        &self.entries[usize::from(place)]
    }

    /// The places of the signatures that an agent shows, whatever the endpoint, in the order of the files: what is shown
    /// does not depend on where in the agent it stands.
    pub(crate) fn shown_by(&self, agent: &str) -> SmallVec<[u16; 4]> {
        let mut shown = SmallVec::new();
        self.agents.find(agent, |place| add(place, &mut shown));
        shown
    }

    /// The signatures that an address or its autonomous system shows at an endpoint, in the order of the files.
    pub(crate) fn around(&self, ip: Option<IpAddr>, asn: Option<u32>, kind: Kind) -> Vec<&Signature> {
        let mut shown = SmallVec::new();
        self.networks.find(ip, asn, |place| add(place, &mut shown));
        let shown = shown.into_iter().map(|place| self.at(place));
        shown.filter(|signature| signature.endpoints.include(kind)).collect()
    }
}

/// Adds a place to those that ascend, once.
fn add(place: u16, into: &mut SmallVec<[u16; 4]>) {
    if let Err(before) = into.binary_search(&place) {
        into.insert(before, place);
    }
}
