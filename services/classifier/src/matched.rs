//! What the signatures and woothee say of one hit, looked up once for all rules.

use crate::agent::{Agent, Named};
use crate::data::Data;
use crate::facts::Facts;
use crate::learned::Learned;
use crate::policy::Policy;
use crate::signatures::{Family, Signature, Signatures};
use engagement::Kind;

/// What was looked up for one hit.
#[derive(Debug)]
pub struct Matched<'a> {
    signatures: &'a Signatures,
    kind: Kind,
    agent: Read<'a>,
    networks: Vec<&'a Signature>,
    asn: Option<u32>,
    policy: &'a Policy,
    learned: &'a Learned,
}

/// An agent that was read before, or for this hit alone.
#[derive(Debug)]
enum Read<'a> {
    Before(&'a Agent),
    Now(Box<Agent>),
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
        let agent = match facts.agent {
            Some(agent) if agent.is_read_by(signatures) && agent.is(facts.ua) => Read::Before(agent),
            _ => Read::Now(Box::new(Agent::read(facts.ua, signatures))),
        };
        let networks = signatures.around(facts.ip, asn, facts.kind);
        Self { signatures, kind: facts.kind, agent, networks, asn, policy, learned }
    }

    /// The autonomous system that announces the address, where that is known.
    #[must_use]
    pub fn asn(&self) -> Option<u32> {
        self.asn
    }

    /// The agent, as it was read.
    pub(crate) fn read(&self) -> &Agent {
        match &self.agent {
            Read::Before(agent) => agent,
            Read::Now(agent) => agent,
        }
    }

    /// The first signature of a family that the agent shows.
    #[must_use]
    pub fn agent(&self, family: Family) -> Option<&'a Signature> {
        self.agents().find(|signature| signature.family == family)
    }

    /// The first signature of a family that the address shows.
    #[must_use]
    pub fn network(&self, family: Family) -> Option<&'a Signature> {
        self.networks.iter().copied().find(|signature| signature.family == family)
    }

    /// All signatures that the agent shows at this endpoint, in the order of the files.
    pub fn agents(&self) -> impl Iterator<Item = &'a Signature> {
        let (signatures, kind) = (self.signatures, self.kind);
        let shown = self.read().shown().iter().map(|place| signatures.at(*place));
        shown.filter(move |signature| signature.endpoints.include(kind))
    }

    /// All signatures that the address shows at this endpoint, in the order of the files.
    #[must_use]
    pub fn networks(&self) -> &[&'a Signature] {
        &self.networks
    }

    /// The numbers that rules compare with.
    pub(crate) fn policy(&self) -> &'a Policy {
        self.policy
    }

    /// What was learned of recipient domains.
    pub(crate) fn learned(&self) -> &'a Learned {
        self.learned
    }

    /// Whether readers of a domain load images before they click, where that was learned.
    pub(crate) fn images(&self, domain: Option<&str>) -> Option<bool> {
        let readers = self.learned.domain(domain?)?.readers?;
        let percent = self.policy.readers_images_percent().unsigned_abs();
        Some(readers.with_image.saturating_mul(100) >= readers.clicks.saturating_mul(percent))
    }

    /// What woothee reads off the agent. Weak alone: it knows no mail proxies and few mail apps, and no answer is no
    /// sign of a machine.
    #[must_use]
    pub fn woothee(&self) -> Option<&Named> {
        self.read().says().named.as_ref()
    }
}
