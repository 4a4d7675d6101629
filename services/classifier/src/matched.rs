//! What the signatures and woothee say of one hit, looked up once for all rules.

use crate::data::Data;
use crate::facts::Facts;
use crate::learned::Learned;
use crate::policy::Policy;
use crate::signatures::{Family, Shown, Signature, Signatures};
use std::cell::OnceCell;
use woothee::parser::{Parser, WootheeResult};

/// What was looked up for one hit.
#[derive(Debug)]
pub struct Matched<'a> {
    shown: Shown<'a>,
    asn: Option<u32>,
    agent: &'a str,
    browser: OnceCell<Option<WootheeResult<'a>>>,
    policy: &'a Policy,
    learned: &'a Learned,
}

impl<'a> Matched<'a> {
    pub(crate) fn new(
        signatures: &'a Signatures,
        data: &Data,
        policy: &'a Policy,
        learned: &'a Learned,
        facts: &Facts<'a>,
    ) -> Self {
        let asn = facts.asn.or_else(|| data.asn(facts.ip?));
        let shown = signatures.shown(facts, asn);
        Self { shown, asn, agent: facts.ua, browser: OnceCell::new(), policy, learned }
    }

    /// The autonomous system that announces the address, where that is known.
    #[must_use]
    pub fn asn(&self) -> Option<u32> {
        self.asn
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

    /// The numbers that rules compare with.
    pub(crate) fn policy(&self) -> &'a Policy {
        self.policy
    }

    /// What was learned of recipient domains.
    pub(crate) fn learned(&self) -> &'a Learned {
        self.learned
    }

    /// What woothee reads off the agent. Weak alone: it knows no mail proxies and few mail apps, and no answer is no
    /// sign of a machine.
    #[must_use]
    pub fn woothee(&self) -> Option<&WootheeResult<'a>> {
        let parse = || if self.agent.is_empty() { None } else { Parser::new().parse(self.agent) };
        self.browser.get_or_init(parse).as_ref()
    }
}
