//! Every agent pattern in one automaton: one pass over the agent finds all of them.

use super::file::{Cause, SignatureError};
use super::{Endpoints, PatternKind};
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// Collects patterns until all files are read.
#[derive(Debug, Default)]
pub(super) struct Builder {
    texts: Vec<String>,
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone, Copy)]
struct Pattern {
    kind: PatternKind,
    endpoints: Endpoints,
    signature: u16,
}

/// The automaton and what each of its patterns stands for.
#[derive(Debug)]
pub(super) struct Agents {
    automaton: AhoCorasick,
    patterns: Vec<Pattern>,
}

impl Builder {
    /// Adds a pattern; `false` when the same one is there already for the same endpoints.
    pub(super) fn add(
        &mut self,
        kind: PatternKind,
        text: &str,
        endpoints: Endpoints,
        signature: u16,
    ) -> bool {
        let same = |pattern: &Pattern| pattern.kind == kind && pattern.endpoints.overlap(endpoints);
        let known =
            self.texts.iter().zip(&self.patterns).any(|(known, pattern)| known == text && same(pattern));
        if !known {
            self.texts.push(text.to_owned());
            self.patterns.push(Pattern { kind, endpoints, signature });
        }
        !known
    }

    /// The automaton over all patterns.
    pub(super) fn build(self) -> Result<Agents, SignatureError> {
        // Smaller than a DFA, which runs a tenth of a verdict longer for want of the cache that it fills (examples/verdicts.rs).
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&self.texts)
            .map_err(|error| SignatureError::new("all files", 0, Cause::Patterns(error.to_string())))?;
        Ok(Agents { automaton, patterns: self.patterns })
    }
}

impl Agents {
    /// Calls back with the signature of every pattern that the agent shows; the same one may come more than once.
    pub(super) fn find(&self, agent: &str, mut found: impl FnMut(u16)) {
        for hit in self.automaton.find_overlapping_iter(agent) {
            let pattern = self.patterns[hit.pattern().as_usize()];
            let fits = match pattern.kind {
                PatternKind::Exact => hit.start() == 0 && hit.end() == agent.len(),
                PatternKind::Prefix => hit.start() == 0,
                PatternKind::Suffix => hit.end() == agent.len(),
                PatternKind::Contains => true,
            };
            if fits {
                found(pattern.signature);
            }
        }
    }
}
