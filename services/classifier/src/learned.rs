//! What was learned of recipient domains from stored events: when their links are scanned, and whether their readers load
//! images. A file that people review before it is part of the ruleset; its text is hashed into the version.
//!
//! Nothing in it is about a person: a domain is in it only with so many messages and readers that no habit of one shows,
//! and a file that says otherwise is refused. An error names its line.

mod find;

pub use find::{BINS, Counted, bin_edge_ms};

use crate::file::brief;
use crate::policy::Policy;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use toml::Spanned;

/// The version of the file's shape.
const VERSION: u32 = 1;
/// The longest time after the delivery that is learned, in milliseconds.
const LONGEST_MS: i64 = 86_400_000;
/// The most domains in a file; each takes about 200 bytes.
pub const MOST_DOMAINS: usize = 20_000;

/// A learned file that was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{file}:{line}: {reason}")]
pub struct LearnedError {
    /// The file's name.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub reason: String,
}

/// When a domain's links are scanned, and by how many readers they are followed then.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// From so many milliseconds after the delivery on.
    pub from_ms: i64,
    /// Until so many.
    pub to_ms: i64,
    /// Messages whose links a machine followed first in that time.
    pub scanned: u64,
    /// Messages whose links a person followed first in that time.
    pub people: u64,
}

/// How many clicks of a domain's readers had an image load before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Readers {
    /// Messages that a person clicked in.
    pub clicks: u64,
    /// Those of them with an image load in the half hour before the click.
    pub with_image: u64,
}

/// What is known of one domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Habits {
    /// Messages to the domain that were looked at.
    pub messages: u64,
    /// When its links are scanned, earliest first; empty where no such time stands out.
    pub scans: Vec<Band>,
    /// How its readers load images; absent where too few of them clicked.
    pub readers: Option<Readers>,
}

/// What was learned of all domains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learned {
    domains: BTreeMap<String, Habits>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "about")]
    _about: String,
    version: Spanned<u32>,
    #[serde(rename = "from")]
    _from: String,
    #[serde(rename = "to")]
    _to: String,
    #[serde(default)]
    domains: Vec<Spanned<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Spanned<String>,
    messages: Spanned<u64>,
    #[serde(default)]
    scans: Vec<Spanned<Band>>,
    readers: Option<Spanned<Readers>>,
}

/// So many messages a domain has at least of which anything is learned, and a tenth as many readers.
#[must_use]
pub fn least_messages() -> u64 {
    Policy::builtin().learn_messages().unsigned_abs()
}

/// How long before a click an image load counts, in milliseconds: as far as the rule over it looks.
#[must_use]
pub fn window_ms() -> i64 {
    Policy::builtin().window_ms()
}

impl Learned {
    /// Reads a file; `name` is what errors call it.
    ///
    /// # Errors
    /// [`LearnedError`] names the line and what is wrong there.
    pub fn read(name: &str, text: &str) -> Result<Self, LearnedError> {
        let policy = Policy::builtin();
        let refuse = |offset: usize, reason: String| LearnedError {
            file: name.to_owned(),
            line: text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1,
            reason,
        };
        let file: File = toml::from_str(text).map_err(|error| {
            refuse(error.span().map_or(0, |span| span.start), brief(error.message().to_owned()))
        })?;
        if *file.version.get_ref() != VERSION {
            let reason =
                format!("version {} of the file, this program reads {VERSION}", file.version.get_ref());
            return Err(refuse(file.version.span().start, reason));
        }
        let mut domains = BTreeMap::new();
        for entry in file.domains {
            let start = entry.span().start;
            let Entry { name, messages, scans, readers } = entry.into_inner();
            if domains.len() >= MOST_DOMAINS {
                return Err(refuse(start, format!("more than {MOST_DOMAINS} domains")));
            }
            check_entry(&name, &messages, &scans, readers.as_ref(), &policy)
                .map_err(|(offset, reason)| refuse(offset, reason))?;
            let habits = Habits {
                messages: messages.into_inner(),
                scans: scans.into_iter().map(Spanned::into_inner).collect(),
                readers: readers.map(Spanned::into_inner),
            };
            let at = name.span().start;
            if domains.insert(name.into_inner(), habits).is_some() {
                return Err(refuse(at, "the domain was given before".to_owned()));
            }
        }
        Ok(Self { domains })
    }

    /// What was counted of domains, as far as it shows a habit. `counted` are the domains of at least so many messages and
    /// readers as the policy asks for.
    #[must_use]
    pub fn of(counted: impl IntoIterator<Item = (String, Counted)>) -> Self {
        let policy = Policy::builtin();
        let mut domains: BTreeMap<String, Habits> = counted
            .into_iter()
            .filter_map(|(name, counted)| Some((name, find::habits(&counted, &policy)?)))
            .collect();
        if domains.len() > MOST_DOMAINS {
            // Those with the most messages stay.
            let mut sizes: Vec<u64> = domains.values().map(|habits| habits.messages).collect();
            sizes.sort_unstable_by(|left, right| right.cmp(left));
            let least = sizes[MOST_DOMAINS - 1];
            domains.retain(|_, habits| habits.messages >= least);
            while domains.len() > MOST_DOMAINS {
                domains.pop_last();
            }
        }
        Self { domains }
    }

    /// The text of the file that says it; `from` and `to` are the times between which events were looked at.
    #[must_use]
    pub fn text(&self, from: &str, to: &str) -> String {
        let mut text = format!(
            "about = \"When recipient domains' links are scanned after the delivery, and how many of their readers' clicks had \
             an image load in the half hour before, learned by `trueopen learn` from stored events.\"\nversion = {VERSION}\nfrom = \"{from}\"\n\
             to = \"{to}\"\n"
        );
        for (name, habits) in &self.domains {
            // Writing to a String can't fail.
            let _ = write!(text, "\n[[domains]]\nname = \"{name}\"\nmessages = {}\n", habits.messages);
            if !habits.scans.is_empty() {
                text.push_str("scans = [\n");
                for Band { from_ms, to_ms, scanned, people } in &habits.scans {
                    let _ = writeln!(
                        text,
                        "  {{ from_ms = {from_ms}, to_ms = {to_ms}, scanned = {scanned}, people = {people} }},"
                    );
                }
                text.push_str("]\n");
            }
            if let Some(Readers { clicks, with_image }) = habits.readers {
                let _ = writeln!(text, "readers = {{ clicks = {clicks}, with_image = {with_image} }}");
            }
        }
        text
    }

    /// What is known of a domain, which is in lower case.
    #[must_use]
    pub fn domain(&self, name: &str) -> Option<&Habits> {
        self.domains.get(name)
    }

    /// The time in which a domain's links are scanned that this many milliseconds after the delivery lie in.
    pub(crate) fn band(&self, domain: &str, after_ms: i64) -> Option<&Band> {
        let bands = &self.domain(domain)?.scans;
        bands.iter().find(|band| (band.from_ms..band.to_ms).contains(&after_ms))
    }

    /// How many domains there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.domains.len()
    }

    /// Whether nothing was learned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty()
    }

    /// What differs from `before`, one line a domain, for a person who reviews it.
    #[must_use]
    pub fn changes(&self, before: &Self) -> Vec<String> {
        let names: std::collections::BTreeSet<&String> =
            self.domains.keys().chain(before.domains.keys()).collect();
        let line = |name: &String| match (before.domains.get(name), self.domains.get(name)) {
            (None, Some(now)) => Some(format!("+ {name}: {}", now.shown())),
            (Some(then), None) => Some(format!("- {name}: {}", then.shown())),
            (Some(then), Some(now)) if then != now => {
                Some(format!("~ {name}: {}; before: {}", now.shown(), then.shown()))
            }
            _ => None,
        };
        names.into_iter().filter_map(line).collect()
    }
}

impl Habits {
    fn shown(&self) -> String {
        let mut parts = vec![format!("{} messages", self.messages)];
        for band in &self.scans {
            let Band { scanned, people, .. } = band;
            parts
                .push(format!("scanned {} ({scanned} of them, {people} people's clicks then)", band.shown()));
        }
        if let Some(Readers { clicks, with_image }) = self.readers {
            parts.push(format!("{with_image} of {clicks} readers' clicks after an image load"));
        }
        parts.join(", ")
    }
}

impl Band {
    /// The time, for people.
    pub(crate) fn shown(&self) -> String {
        let tenths = |ms: i64| format!("{}.{}", ms / 1000, ms % 1000 / 100);
        format!("{} to {} s after the delivery", tenths(self.from_ms), tenths(self.to_ms))
    }
}

fn check_entry(
    name: &Spanned<String>,
    messages: &Spanned<u64>,
    scans: &[Spanned<Band>],
    readers: Option<&Spanned<Readers>>,
    policy: &Policy,
) -> Result<(), (usize, String)> {
    let text = name.get_ref();
    let is_domain = !text.is_empty()
        && text.len() <= 253
        && !text.ends_with('.')
        && text.chars().all(|c| (c.is_alphanumeric() && !c.is_uppercase()) || "-._".contains(c));
    if !is_domain {
        return Err((name.span().start, "the name is no domain in lower case".to_owned()));
    }
    let all = *messages.get_ref();
    let least = policy.learn_messages().unsigned_abs();
    if all < least {
        let reason = format!("{all} messages, where habits are those of people below {least}");
        return Err((messages.span().start, reason));
    }
    let mut end = 0;
    for band in scans {
        let Band { from_ms, to_ms, scanned, .. } = band.get_ref();
        let reason = if from_ms >= to_ms || *to_ms > LONGEST_MS {
            format!("{from_ms} to {to_ms} ms is no time within a day after the delivery")
        } else if *from_ms < end {
            "the times are not in order, or overlap".to_owned()
        } else if *scanned == 0 || *scanned > all {
            format!("{scanned} scanned of {all} messages")
        } else {
            end = *to_ms;
            continue;
        };
        return Err((band.span().start, reason));
    }
    match readers {
        Some(readers) if readers.get_ref().with_image > readers.get_ref().clicks => {
            Err((readers.span().start, "more image loads than clicks".to_owned()))
        }
        _ => Ok(()),
    }
}
