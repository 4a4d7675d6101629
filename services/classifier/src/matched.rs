//! What the signatures and woothee say of one hit, looked up once for all rules.

use crate::facts::Facts;
use crate::signatures::{Family, Shown, Signature, Signatures};
use woothee::parser::{Parser, WootheeResult};

/// What was looked up for one hit.
#[derive(Debug)]
pub struct Matched<'a> {
    shown: Shown<'a>,
    browser: Option<WootheeResult<'a>>,
}

impl<'a> Matched<'a> {
    pub(crate) fn new(signatures: &'a Signatures, facts: &Facts<'a>) -> Self {
        let browser = if facts.ua.is_empty() { None } else { Parser::new().parse(facts.ua) };
        Self { shown: signatures.shown(facts), browser }
    }

    /// The first signature of a family that the agent shows.
    #[must_use]
    pub fn agent(&self, family: Family) -> Option<&'a Signature> {
        self.shown.agents.iter().copied().find(|signature| signature.family == family)
    }

    /// The first signature of a family that the address shows.
    #[must_use]
    pub fn network(&self, family: Family) -> Option<&'a Signature> {
        self.shown.networks.iter().copied().find(|signature| signature.family == family)
    }

    /// All signatures that the agent shows, in the order of the files.
    #[must_use]
    pub fn agents(&self) -> &[&'a Signature] {
        &self.shown.agents
    }

    /// All signatures that the address shows, in the order of the files.
    #[must_use]
    pub fn networks(&self) -> &[&'a Signature] {
        &self.shown.networks
    }

    /// What woothee reads off the agent. Weak alone: it knows no mail proxies and few mail apps, and no answer is no
    /// sign of a machine.
    #[must_use]
    pub fn woothee(&self) -> Option<&WootheeResult<'a>> {
        self.browser.as_ref()
    }
}
