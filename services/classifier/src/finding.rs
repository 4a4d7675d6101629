//! What one rule found in one hit.

use crate::signatures::{Certainty, Signature};
use std::borrow::Cow;

/// How much a finding may decide. Later ones outrank earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Recorded, and it casts doubt on a claim, but decides nothing alone.
    Evidence,
    /// What the agent says of itself: it decides only when nothing speaks against it.
    Claim,
    /// Others show the same now and then.
    Probable,
    /// Nobody else is known to show it.
    Certain,
}

/// Whether a finding names who it was, or only what kind of client. Between equals the one that names wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// A kind of client, such as an HTTP library.
    General,
    /// A vendor or service by its own signature.
    Specific,
}

/// What one rule found.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding<'a> {
    /// The rule's name; the table of rules fills it in.
    pub rule: &'static str,
    /// Whom it speaks for: an id from `schema/sources.json`.
    pub source: &'static str,
    /// Which of the rule's levels it is, where its weight depends on one; else empty.
    pub level: &'static str,
    /// How much it may decide.
    pub weight: Weight,
    /// Whether it names who it was.
    pub scope: Scope,
    /// How sure the rule alone is that it was this source, 0 to 1.
    pub confidence: f64,
    /// What it saw, for people; never an address, a token or the agent as sent.
    pub evidence: Cow<'a, str>,
}

impl<'a> Finding<'a> {
    /// A finding that names its source.
    pub(crate) fn specific(
        weight: Weight,
        source: &'static str,
        confidence: f64,
        evidence: impl Into<Cow<'a, str>>,
    ) -> Self {
        Self {
            rule: "",
            level: "",
            source,
            weight,
            scope: Scope::Specific,
            confidence,
            evidence: evidence.into(),
        }
    }

    /// A finding about the kind of client only.
    pub(crate) fn general(
        weight: Weight,
        source: &'static str,
        confidence: f64,
        evidence: impl Into<Cow<'a, str>>,
    ) -> Self {
        Self { scope: Scope::General, ..Self::specific(weight, source, confidence, evidence) }
    }

    /// What a signature says of itself, as a finding that names its source.
    pub(crate) fn signature(signature: &'a Signature) -> Self {
        let (weight, confidence) = match signature.certainty {
            Certainty::Certain => (Weight::Certain, 0.98),
            Certainty::Probable => (Weight::Probable, 0.85),
            Certainty::Evidence => (Weight::Evidence, 0.5),
        };
        Self::specific(weight, signature.who, confidence, signature.shows.as_str())
    }

    /// The same, about the kind of client only.
    pub(crate) fn about_kind(self) -> Self {
        Self { scope: Scope::General, ..self }
    }

    /// What a hit's neighbours show: evidence, whose weight the policy knows by rule and level.
    pub(crate) fn neighbours(
        source: &'static str,
        level: &'static str,
        confidence: f64,
        evidence: &'static str,
    ) -> Self {
        Self { level, ..Self::general(Weight::Evidence, source, confidence, evidence) }
    }

    /// What a hit's neighbours show for certain.
    pub(crate) fn certain_neighbours(source: &'static str, confidence: f64, evidence: &'static str) -> Self {
        Self::specific(Weight::Certain, source, confidence, evidence)
    }

    /// What ranks findings: how much they decide, whether they name, how sure they are.
    pub(crate) fn outranks(&self, other: &Self) -> std::cmp::Ordering {
        (self.weight, self.scope)
            .cmp(&(other.weight, other.scope))
            .then(self.confidence.total_cmp(&other.confidence))
    }
}
