//! Rules and signatures together, under one version: what judges a hit.

use crate::agent::Agent;
use crate::client;
use crate::combine::{combine, doubts};
use crate::data::Data;
use crate::facts::Facts;
use crate::learned::{Learned, LearnedError};
use crate::matched::Matched;
use crate::neighbours;
use crate::policy::{self, Policy};
use crate::rules::{RULES, findings};
use crate::signatures::{self, FileContents, SignatureError, SignatureFile, Signatures};
use crate::window::{Marks, Seen, WINDOW_RULES};
use aws_lc_rs::digest;
use engagement::{Classified, Hit, Traits, Verdict, sources};
use std::sync::atomic::{AtomicU64, Ordering};

/// The version of everything that no hash covers: the release of the rules and the version of woothee (0.13). A change
/// of woothee raises it.
const RULES_VERSION: &str = "2026.11.2";

/// Beside the rules and the data, these decide.
const DECIDING_CODE: [&str; 20] = [
    include_str!("agent.rs"),
    include_str!("client.rs"),
    include_str!("combine.rs"),
    include_str!("facts.rs"),
    include_str!("finding.rs"),
    include_str!("learned.rs"),
    include_str!("matched.rs"),
    include_str!("message.rs"),
    include_str!("message/deliveries.rs"),
    include_str!("rules.rs"),
    include_str!("signatures/agents.rs"),
    include_str!("signatures/networks.rs"),
    include_str!("window.rs"),
    include_str!("window/crowd.rs"),
    include_str!("window/folded.rs"),
    include_str!("window/marks.rs"),
    include_str!("window/seen.rs"),
    include_str!("window/told.rs"),
    include_str!("words.rs"),
    policy::BUILTIN,
];

macro_rules! builtin {
    ($($name:literal),* $(,)?) => {
        /// The signature files that the program ships with.
        pub const BUILTIN_FILES: &[SignatureFile<'static>] = &[$(SignatureFile {
            name: $name,
            text: include_str!(concat!("../signatures/", $name)),
        }),*];
    };
}

builtin! {
    "apple.toml",
    "barracuda.toml",
    "browsers.toml",
    "data_centres.toml",
    "declared_bots.toml",
    "gateways.toml",
    "generic_clients.toml",
    "google.toml",
    "http_libraries.toml",
    "mail_apps.toml",
    "microsoft.toml",
    "old_systems.toml",
    "web_proxies.toml",
    "webmail_proxies.toml",
}

/// The judgement on one hit.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// Who made it, at revision 1.
    pub verdict: Verdict,
    /// The client family that the agent names; empty when none is known.
    pub client: String,
    /// What the client is, beyond its family.
    pub traits: Traits,
}

impl Judgement {
    /// The event that is written: the hit with its judgement.
    #[must_use]
    pub fn classified(self, hit: Hit) -> Classified {
        Classified {
            hit,
            client: self.client,
            traits: self.traits,
            verdict: self.verdict,
            reclassified: false,
        }
    }
}

/// Rules and signatures under one version. It never changes: other data is another ruleset.
#[derive(Debug)]
pub struct Ruleset {
    signatures: Signatures,
    data: Data,
    policy: Policy,
    learned: Learned,
    version: String,
    number: u64,
}

/// A number that no ruleset of this process had before.
fn next_number() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(1);
    LAST.fetch_add(1, Ordering::Relaxed)
}

impl Ruleset {
    /// The ruleset that the program ships with.
    #[must_use]
    pub fn builtin() -> Self {
        Self::with(Data::shipped())
    }

    /// The signatures that the program ships with, over these data sets.
    #[must_use]
    pub fn with(data: Data) -> Self {
        Self::load(BUILTIN_FILES, data).expect("the built-in signature files are checked by a test")
    }

    /// The ruleset over these signature files and the data sets that the program ships with.
    ///
    /// # Errors
    /// [`SignatureError`] names the file, the line and what is wrong there.
    pub fn from_files(files: &[SignatureFile<'_>]) -> Result<Self, SignatureError> {
        Self::load(files, Data::shipped())
    }

    /// The ruleset over an operator's own signature files, these data sets, and the signature files that the program ships
    /// with: one of the same name as a shipped file takes its place, the others add to them in their order. No two may have
    /// the same name.
    ///
    /// # Errors
    /// [`SignatureError`] names the file, the line and what is wrong there; of two files with the same pattern the
    /// operator's.
    pub fn with_own(own: &[SignatureFile<'_>], data: Data) -> Result<Self, SignatureError> {
        let files = signatures::over(BUILTIN_FILES, own);
        Self::load(&files, data).map_err(|error| signatures::blame(error, own))
    }

    fn load(files: &[SignatureFile<'_>], data: Data) -> Result<Self, SignatureError> {
        let version = version(files, &data);
        let signatures = Signatures::load(files, &data)?;
        Ok(Self {
            signatures,
            data,
            policy: Policy::builtin(),
            learned: Learned::default(),
            version,
            number: next_number(),
        })
    }

    /// What its signature files hold, in the order in which they are read.
    #[must_use]
    pub fn files(&self) -> &[FileContents] {
        self.signatures.files()
    }

    /// The data sets behind it.
    #[must_use]
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The same with what was learned of recipient domains, from the text of a learned file; `name` is what errors call it.
    ///
    /// # Errors
    /// [`LearnedError`] names the line and what is wrong there.
    pub fn with_learned(self, name: &str, text: &str) -> Result<Self, LearnedError> {
        let learned = Learned::read(name, text)?;
        let version = hashed(&[&self.version, text]);
        Ok(Self { learned, version, number: next_number(), ..self })
    }

    /// What was learned of recipient domains.
    #[must_use]
    pub fn learned(&self) -> &Learned {
        &self.learned
    }

    /// The version, such as `2026.11.1-0123456789ab`: the release of the rules, and a hash over the signature data, the
    /// rules' own text and the actors of the sources. The same version judges the same hit the same way.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Judges one hit by what it alone shows.
    #[must_use]
    pub fn judge(&self, facts: &Facts<'_>) -> Judgement {
        self.judge_among(facts, Marks::default())
    }

    /// Judges one hit by what it and its neighbours show.
    #[must_use]
    pub fn judge_among(&self, facts: &Facts<'_>, marks: Marks) -> Judgement {
        let matched = self.matched(facts);
        let mut findings = findings(facts, &matched);
        if marks != Marks::default() {
            let doubted = findings.iter().any(doubts);
            findings.extend(marks.findings(doubted));
        }
        let verdict = combine(findings, &self.policy, &self.version);
        let country = facts.ip.and_then(|ip| self.data.country(ip));
        let traits = Traits {
            asn: matched.asn(),
            country: country.map(|letters| letters.map(char::from).iter().collect()).unwrap_or_default(),
            device: client::device(&matched).to_owned(),
            mail_app: client::mail_app(&matched, &verdict.source).to_owned(),
        };
        Judgement { verdict, client: client::family(&matched).to_owned(), traits }
    }

    /// Reads an agent, for whoever judges many hits that show it.
    #[must_use]
    pub fn agent(&self, text: &str) -> Agent {
        Agent::read(text, &self.signatures)
    }

    /// What tells this ruleset from others in this process.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Whether an agent was read by this ruleset's signatures.
    pub(crate) fn has_read(&self, agent: &Agent) -> bool {
        agent.is_read_by(&self.signatures)
    }

    /// What the rules over neighbours see of a hit.
    #[must_use]
    pub fn see(&self, facts: &Facts<'_>) -> Seen {
        Seen::new(facts, &self.matched(facts))
    }

    /// How far back and ahead a hit's neighbours may lie, in milliseconds: so long may its verdict be revised.
    #[must_use]
    pub fn window_ms(&self) -> i64 {
        self.policy.window_ms()
    }

    /// How far apart the hits of two messages may lie to show something of each other, in milliseconds.
    #[must_use]
    pub fn reach_ms(&self) -> i64 {
        crate::again::reach_ms(&self.policy)
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    fn matched<'a>(&'a self, facts: &Facts<'a>) -> Matched<'a> {
        Matched::new(&self.signatures, &self.data, &self.policy, &self.learned, facts)
    }

    /// A hit with its first verdict.
    #[must_use]
    pub fn classify(&self, hit: Hit) -> Classified {
        self.judge(&Facts::from(&hit)).classified(hit)
    }
}

/// The version over all that decides; each part goes in with its length, so that no two sets of parts hash alike.
fn version(files: &[SignatureFile<'_>], data: &Data) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let mut add = |part| parts.push(part);
    for file in files {
        add(file.name);
        add(file.text);
    }
    for set in data.all() {
        add(set.about().name.as_str());
        add(set.hash());
    }
    for rule in RULES {
        add(rule.name);
        add(rule.text);
    }
    for rule in WINDOW_RULES {
        add(rule.name);
        add(rule.text);
    }
    DECIDING_CODE.into_iter().chain(neighbours::DECIDING_CODE).for_each(&mut add);
    for source in sources::all() {
        add(&source.id);
        add(source.actor.as_str());
    }
    hashed(&parts)
}

/// The version that a hash over these parts makes.
fn hashed(parts: &[&str]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let hash = context.finish();
    let hex: String = hash.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("{RULES_VERSION}-{hex}")
}
