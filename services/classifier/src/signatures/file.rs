//! One signature file: its shape, its checks, and errors that name file and line.

use super::agents;
use super::networks;
use super::{Certainty, Endpoints, Family, PatternKind, Signature, SignatureFile};
use crate::data::{Data, Name};
use engagement::sources;
use ipnetwork::IpNetwork;
use serde::Deserialize;
use toml::Spanned;

/// The most bytes of all agent patterns together; the shipped ones have 3,200. The automaton grows with them.
pub const MOST_PATTERN_BYTES: usize = 128 << 10;

/// What a signature file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileContents {
    /// The file's name.
    pub name: String,
    /// How many agent patterns.
    pub patterns: usize,
    /// How many ranges, lists and autonomous systems.
    pub networks: usize,
    /// The newest date of an entry, such as `2026-11` or `2026-11-21`; none where there is no entry.
    pub newest: Option<String>,
}

/// A signature file that was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{file}:{line}: {cause}")]
pub struct SignatureError {
    /// The file's name.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub cause: Cause,
}

/// What is wrong with a signature file.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Cause {
    /// Not TOML, a key that does not exist, one that is missing, or a value of the wrong type.
    #[error("{0}")]
    Shape(String),
    /// The id is not in `schema/sources.json`.
    #[error("unknown source id \"{0}\": schema/sources.json has the list")]
    UnknownSource(String),
    /// The source's actor is not the family's.
    #[error("source \"{0}\" is of another actor than the family speaks for")]
    WrongActor(String),
    /// Not a list among the data sets.
    #[error("there is no list \"{0}\" among the data sets: `trueopen signatures list` shows them")]
    UnknownList(String),
    /// Not a range in CIDR form.
    #[error("\"{0}\" is no range in CIDR form")]
    BadRange(String),
    /// Bits are set behind the prefix.
    #[error("\"{0}\" has bits set behind its prefix length")]
    LooseRange(String),
    /// So wide that it can only be a slip.
    #[error("\"{0}\" is wider than any vendor's network")]
    WideRange(String),
    /// Not an autonomous system that can announce anything.
    #[error("{0} is no autonomous system's number")]
    BadSystem(u32),
    /// The entry has neither a pattern, a range nor an autonomous system.
    #[error("the entry matches nothing: it has no pattern, range, list or autonomous system")]
    Empty,
    /// A pattern without text, which would match everything.
    #[error("an empty pattern matches everything")]
    EmptyPattern,
    /// The same pattern stands elsewhere, for the same endpoints.
    #[error("pattern \"{pattern}\" is in {file}:{line} already{}", advice(.file, *.shipped))]
    Repeated {
        /// The pattern.
        pattern: String,
        /// The file that has it.
        file: String,
        /// Its line there, from 1.
        line: usize,
        /// Whether the program ships with that file, and the refused one is an operator's.
        shipped: bool,
    },
    /// No public reference.
    #[error("the source is empty: name the public reference")]
    NoReference,
    /// Not a date.
    #[error("\"{0}\" is no date of the form 2026-05 or 2026-05-31")]
    BadDate(String),
    /// More entries than can be numbered.
    #[error("more than 65,535 entries in all files")]
    TooMany,
    /// More patterns than the automaton has room for.
    #[error("the patterns of all files are longer than {MOST_PATTERN_BYTES} bytes together")]
    LongPatterns,
    /// The patterns don't fit one automaton.
    #[error("the patterns can't be built: {0}")]
    Patterns(String),
}

impl SignatureError {
    pub(super) fn new(file: &str, line: usize, cause: Cause) -> Self {
        Self { file: file.to_owned(), line, cause }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// One line on what the file is about; for readers of the file only, but asked for.
    #[serde(rename = "about")]
    _about: String,
    #[serde(default)]
    agents: Vec<Spanned<AgentEntry>>,
    #[serde(default)]
    networks: Vec<Spanned<NetworkEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentEntry {
    family: Family,
    who: Spanned<String>,
    kind: PatternKind,
    patterns: Vec<Spanned<String>>,
    #[serde(default)]
    endpoints: Endpoints,
    certainty: Certainty,
    client: Option<String>,
    source: Spanned<String>,
    date: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NetworkEntry {
    family: Family,
    who: Spanned<String>,
    title: String,
    /// A data set that says more than the ranges here, which count while it is not at hand.
    list: Option<Spanned<String>>,
    #[serde(default)]
    ranges: Vec<Spanned<String>>,
    #[serde(default)]
    asns: Vec<Spanned<u32>>,
    #[serde(default)]
    endpoints: Endpoints,
    certainty: Certainty,
    source: Spanned<String>,
    date: Spanned<String>,
}

/// Collects what the files hold, one after the other.
pub(super) struct Reader<'a> {
    data: &'a Data,
    pub(super) entries: Vec<Signature>,
    pub(super) agents: agents::Builder,
    pub(super) networks: networks::Builder,
    pub(super) files: Vec<FileContents>,
    /// Where each entry stands: the place of its file, and the line.
    places: Vec<(usize, usize)>,
    pattern_bytes: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(data: &'a Data) -> Self {
        Self {
            data,
            entries: Vec::new(),
            agents: agents::Builder::default(),
            networks: networks::Builder::default(),
            files: Vec::new(),
            places: Vec::new(),
            pattern_bytes: 0,
        }
    }

    /// Reads one file into the shared structures.
    pub(super) fn read(&mut self, file: SignatureFile<'_>) -> Result<(), SignatureError> {
        let ends: Vec<usize> = file.text.match_indices('\n').map(|(at, _)| at).collect();
        let line = |offset| ends.partition_point(|end| *end < offset) + 1;
        let refuse = |(offset, cause)| SignatureError::new(file.name, line(offset), cause);
        let content: File = toml::from_str(file.text).map_err(|error| {
            refuse((error.span().map_or(0, |span| span.start), Cause::Shape(error.message().to_owned())))
        })?;
        self.files.push(FileContents {
            name: file.name.to_owned(),
            patterns: content.agents.iter().map(|entry| entry.get_ref().patterns.len()).sum(),
            networks: content.networks.iter().map(|entry| entry.get_ref().count()).sum(),
            newest: content.newest(),
        });
        for entry in content.agents {
            self.agents_of(entry, line).map_err(refuse)?;
        }
        for entry in content.networks {
            self.networks_of(entry, line).map_err(refuse)?;
        }
        Ok(())
    }

    fn agents_of(
        &mut self,
        entry: Spanned<AgentEntry>,
        line: impl Fn(usize) -> usize,
    ) -> Result<(), (usize, Cause)> {
        let start = entry.span().start;
        let entry = entry.into_inner();
        check_reference(&entry.source, &entry.date)?;
        if entry.patterns.is_empty() {
            return Err((start, Cause::Empty));
        }
        let who = check_who(&entry.who, entry.family)?;
        // One signature a pattern, so that the evidence says what stood in the agent.
        for pattern in entry.patterns {
            let (at, text) = (pattern.span().start, pattern.into_inner());
            if text.is_empty() {
                return Err((at, Cause::EmptyPattern));
            }
            self.pattern_bytes += text.len();
            if self.pattern_bytes > MOST_PATTERN_BYTES {
                return Err((at, Cause::LongPatterns));
            }
            let index = self.next_index().ok_or((at, Cause::TooMany))?;
            let shows = shows(entry.kind, &text);
            if !self.agents.add(entry.kind, &text, entry.endpoints, index) {
                return Err((at, self.repeated(text, &shows, entry.endpoints)));
            }
            let signature = Signature {
                family: entry.family,
                who,
                endpoints: entry.endpoints,
                certainty: entry.certainty,
                client: entry.client.clone(),
                shows,
            };
            self.push(signature, line(at));
        }
        Ok(())
    }

    fn networks_of(
        &mut self,
        entry: Spanned<NetworkEntry>,
        line: impl Fn(usize) -> usize,
    ) -> Result<(), (usize, Cause)> {
        let start = entry.span().start;
        let entry = entry.into_inner();
        check_reference(&entry.source, &entry.date)?;
        if entry.count() == 0 {
            return Err((start, Cause::Empty));
        }
        let list = entry.list.as_ref().map(check_list).transpose()?;
        let who = check_who(&entry.who, entry.family)?;
        let index = self.next_index().ok_or((start, Cause::TooMany))?;
        let published = list.and_then(|name| self.data.get(name));
        if let Some(published) = published {
            self.networks.add_all(published.ranges(), index);
        }
        for range in entry.ranges {
            let at = range.span().start;
            let range = check_range(range.get_ref()).map_err(|cause| (at, cause))?;
            if published.is_none() {
                self.networks.add_range(range, index);
            }
        }
        for asn in entry.asns {
            if *asn.get_ref() == 0 {
                return Err((asn.span().start, Cause::BadSystem(0)));
            }
            self.networks.add_system(*asn.get_ref(), index);
        }
        let signature = Signature {
            family: entry.family,
            who,
            endpoints: entry.endpoints,
            certainty: entry.certainty,
            client: None,
            shows: format!("address in {}", entry.title),
        };
        self.push(signature, line(start));
        Ok(())
    }

    fn next_index(&self) -> Option<u16> {
        u16::try_from(self.entries.len()).ok()
    }

    fn push(&mut self, signature: Signature, line: usize) {
        self.entries.push(signature);
        self.places.push((self.files.len() - 1, line));
    }

    /// Where a pattern that was refused as a repeat stands: an entry shows its kind and text.
    fn repeated(&self, pattern: String, shows: &str, endpoints: Endpoints) -> Cause {
        let same = |entry: &Signature| entry.shows == shows && entry.endpoints.overlap(endpoints);
        let (file, line) =
            self.entries.iter().position(same).map(|place| self.places[place]).unwrap_or_default();
        Cause::Repeated { pattern, file: self.files[file].name.clone(), line, shipped: false }
    }
}

impl File {
    fn newest(&self) -> Option<String> {
        let agents = self.agents.iter().map(|entry| entry.get_ref().date.get_ref());
        agents.chain(self.networks.iter().map(|entry| entry.get_ref().date.get_ref())).max().cloned()
    }
}

impl NetworkEntry {
    /// How many ranges, lists and autonomous systems it names.
    fn count(&self) -> usize {
        self.ranges.len() + self.asns.len() + usize::from(self.list.is_some())
    }
}

/// What an operator can do about a pattern that another file has.
fn advice(file: &str, shipped: bool) -> String {
    if shipped {
        format!(
            ", which the program ships with: leave it out, or replace that file whole by one of your own named {file}"
        )
    } else {
        String::new()
    }
}

fn shows(kind: PatternKind, text: &str) -> String {
    match kind {
        PatternKind::Exact => format!("user agent is exactly \"{text}\""),
        PatternKind::Prefix => format!("user agent begins with \"{text}\""),
        PatternKind::Suffix => format!("user agent ends with \"{text}\""),
        PatternKind::Contains => format!("user agent contains \"{text}\""),
    }
}

fn check_who(who: &Spanned<String>, family: Family) -> Result<&'static str, (usize, Cause)> {
    let id = who.get_ref();
    let Some(source) = sources::find(id) else {
        return Err((who.span().start, Cause::UnknownSource(id.clone())));
    };
    if family.actor().is_some_and(|actor| actor != source.actor) {
        return Err((who.span().start, Cause::WrongActor(id.clone())));
    }
    Ok(&source.id)
}

fn check_list(name: &Spanned<String>) -> Result<Name, (usize, Cause)> {
    let known = name.get_ref().parse().ok().filter(|name| !matches!(name, Name::Asn | Name::Country));
    known.ok_or_else(|| (name.span().start, Cause::UnknownList(name.get_ref().clone())))
}

fn check_reference(source: &Spanned<String>, date: &Spanned<String>) -> Result<(), (usize, Cause)> {
    if source.get_ref().trim().is_empty() {
        return Err((source.span().start, Cause::NoReference));
    }
    if !is_date(date.get_ref()) {
        return Err((date.span().start, Cause::BadDate(date.get_ref().clone())));
    }
    Ok(())
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let number = |part: &str, digits: usize, low: u16, high: u16| {
        part.len() == digits
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && part.parse().is_ok_and(|value: u16| (low..=high).contains(&value))
    };
    match parts.as_slice() {
        [year, month] => number(year, 4, 2000, 2099) && number(month, 2, 1, 12),
        [year, month, day] => number(year, 4, 2000, 2099) && number(month, 2, 1, 12) && number(day, 2, 1, 31),
        _ => false,
    }
}

fn check_range(text: &str) -> Result<IpNetwork, Cause> {
    let slash = text.contains('/');
    let range: IpNetwork =
        text.parse().ok().filter(|_| slash).ok_or_else(|| Cause::BadRange(text.to_owned()))?;
    if range.network() != range.ip() {
        return Err(Cause::LooseRange(text.to_owned()));
    }
    // The widest networks that vendors own whole are Apple's 17.0.0.0/8 and IPv6 allocations of /19.
    if range.prefix() < if range.is_ipv4() { 8 } else { 19 } {
        return Err(Cause::WideRange(text.to_owned()));
    }
    Ok(range)
}
