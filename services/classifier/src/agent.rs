//! An agent, and what can be read off it alone: the same for every hit that shows it.

use crate::client;
use crate::hash::hasher;
use crate::rules::{Impossible, Old};
use crate::signatures::Signatures;
use crate::words::Words;
use smallvec::SmallVec;
use std::hash::{Hash, Hasher};
use std::sync::OnceLock;
use woothee::parser::Parser;

/// An agent as a ruleset reads it. Whoever judges many hits keeps it beside them ([`crate::Facts::agent`]), for most hits
/// show an agent that was shown before, and reading it is most of a verdict's cost.
#[derive(Debug)]
pub struct Agent {
    text: Box<str>,
    number: OnceLock<u64>,
    /// Which signatures it was read by.
    read_by: u64,
    /// The places of those that it shows, whatever the endpoint, in the order of the files.
    shown: SmallVec<[u16; 4]>,
    says: OnceLock<Says>,
}

/// What its text says, read when first asked for.
#[derive(Debug)]
pub(crate) struct Says {
    /// What woothee reads off it, if anything.
    pub(crate) named: Option<Named>,
    /// The kind of device that it says it is.
    pub(crate) device: &'static str,
    /// What can't be true of it.
    pub(crate) impossible: Impossible,
    /// What is old of it.
    pub(crate) old: Old,
}

/// What woothee reads off an agent.
#[derive(Debug)]
pub struct Named {
    /// The client's name, such as `Chrome`.
    pub name: Box<str>,
    /// What kind of client it is, such as `pc` or `crawler`.
    pub category: Box<str>,
}

impl Agent {
    pub(crate) fn read(text: &str, signatures: &Signatures) -> Self {
        Self {
            text: text.into(),
            number: OnceLock::new(),
            read_by: signatures.number(),
            shown: signatures.shown_by(text),
            says: OnceLock::new(),
        }
    }

    /// The agent as it was sent.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is this one.
    pub(crate) fn is(&self, text: &str) -> bool {
        // Most often it is the very text that is asked about.
        std::ptr::eq(&*self.text, text) || *self.text == *text
    }

    /// A number that is the same for the same text within one process.
    pub(crate) fn number_of(text: &str) -> u64 {
        let mut hasher = hasher();
        text.hash(&mut hasher);
        hasher.finish()
    }

    /// The same of this agent.
    pub(crate) fn number(&self) -> u64 {
        *self.number.get_or_init(|| Self::number_of(&self.text))
    }

    /// Whether it was read by these signatures. What others read says nothing here.
    pub(crate) fn is_read_by(&self, signatures: &Signatures) -> bool {
        self.read_by == signatures.number()
    }

    /// The places of the signatures that it shows.
    pub(crate) fn shown(&self) -> &[u16] {
        &self.shown
    }

    /// What its text says.
    pub(crate) fn says(&self) -> &Says {
        self.says.get_or_init(|| Says::of(&self.text))
    }
}

impl Says {
    fn of(text: &str) -> Self {
        let found = if text.is_empty() { None } else { Parser::new().parse(text) };
        let words = Words::of(text);
        Self {
            named: found.map(|found| Named { name: found.name.into(), category: found.category.into() }),
            device: client::device_said(&words),
            impossible: Impossible::of(&words),
            old: Old::of(&words),
        }
    }
}

/// The same text is the same agent, whoever read it.
impl PartialEq for Agent {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Agent {}

impl Hash for Agent {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.text.hash(hasher);
    }
}
