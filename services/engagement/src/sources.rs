//! The closed list of sources, read from `schema/sources.json` at compile time.

use crate::verdict::Actor;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// A suppression class: what an account chooses to leave out of its figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Apple Mail Privacy Protection.
    Apple,
    /// Gmail's prefetch.
    Google,
    /// Mail-security gateways, bursts, fan-out, traps.
    Scanners,
    /// Every other automated source.
    Other,
}

impl Class {
    /// All classes, in the order in which answers list them.
    pub const ALL: [Self; 4] = [Self::Apple, Self::Google, Self::Scanners, Self::Other];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apple => "apple",
            Self::Google => "google",
            Self::Scanners => "scanners",
            Self::Other => "other",
        }
    }

    /// The class of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }
}

/// One source of hits.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The id in verdicts, reports and settings.
    pub id: String,
    /// Who stands behind it.
    pub actor: Actor,
    /// What suppresses it; `None` for human and unknown sources, which nothing suppresses.
    pub class: Option<Class>,
    /// Whether it hides if a person read the mail.
    pub masked: bool,
    /// One line for people.
    pub title: String,
}

#[derive(Deserialize)]
struct File {
    sources: Vec<Source>,
}

static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let file: File = serde_json::from_str(include_str!("../../../schema/sources.json"))
        .expect("schema/sources.json is checked by a test");
    file.sources
});

/// Every source there is.
#[must_use]
pub fn all() -> &'static [Source] {
    &SOURCES
}

/// The same by their ids: a verdict asks for several.
static BY_ID: LazyLock<HashMap<&'static str, &'static Source>> =
    LazyLock::new(|| all().iter().map(|source| (source.id.as_str(), source)).collect());

/// The source of an id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Source> {
    BY_ID.get(id).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_automated_source_has_a_class_and_no_other_has_one() {
        for source in all() {
            assert_eq!(source.class.is_some(), source.actor == Actor::Automated, "{}", source.id);
            assert!(!source.masked || source.actor == Actor::Automated, "{}", source.id);
        }
    }

    #[test]
    fn ids_are_unique_and_fit_a_label() {
        let mut ids: Vec<_> = all().iter().map(|source| source.id.as_str()).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count);
        assert!(ids.iter().all(|id| id.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
        assert_eq!(find("google_proxy").map(|source| source.actor), Some(Actor::Human));
        assert!(find("nobody").is_none());
    }
}
