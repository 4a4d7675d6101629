//! Why a message was refused: a reason out of a closed list, and the class that it counts as.
//!
//! The enhanced code decides first (RFC 3463 and IANA's registry), then the SMTP code (RFC 5321), then words in the text;
//! what none of them tells, the mail provider's own verdict does where there is one ([`told`]), else it is `undetermined`,
//! which is an answer. A code that names only the class, such as 5.7.1, leaves
//! the finer reason to the words, within that class. Codes that are not given by themselves are read off the text. All
//! of it is data: `schema/bounce-reasons.json` is the closed list, `data/bounces.json` says what codes and words mean,
//! `data/verdicts.json` what providers' verdicts do.

mod codes;
mod verdicts;

use aho_corasick::AhoCorasick;
use codes::{Enhanced, Pattern};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;
pub use verdicts::{told, verdicts_version};

/// How a refusal for good counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BounceClass {
    /// No such mailbox or domain: never send again.
    Hard,
    /// Mailbox full, mail too large, policy of the moment.
    Soft,
    /// Reputation, spam, authentication: the sender is refused, not the mailbox.
    Block,
    /// Nothing tells.
    Undetermined,
}

impl BounceClass {
    /// The name in tables and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
            Self::Block => "block",
            Self::Undetermined => "undetermined",
        }
    }
}

/// A finer reason.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BounceReason {
    /// The id in tables and answers.
    pub id: String,
    /// What a refusal for good with this reason counts as.
    pub class: BounceClass,
    /// One line for people.
    pub title: String,
}

/// Class and reason of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// How it counts, were it for good.
    pub class: BounceClass,
    /// Why: an id of [`reasons`].
    pub reason: &'static str,
}

/// What the receiving server said, each part where it is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Said<'a> {
    /// The enhanced status code.
    pub enhanced_code: Option<&'a str>,
    /// The SMTP reply code.
    pub smtp_code: Option<u16>,
    /// The text, which may hold both codes.
    pub diagnostic: Option<&'a str>,
    /// What the mail provider makes of it, see [`told`]; asked when the rest says nothing.
    pub verdict: Option<Refusal>,
}

/// The reason of what nothing explains.
pub const UNDETERMINED: &str = "undetermined";

/// Every reason there is.
#[must_use]
pub fn reasons() -> &'static [BounceReason] {
    &REASONS
}

/// The version of the data behind [`classify`].
#[must_use]
pub fn data_version() -> &'static str {
    &DATA.version
}

/// Class and reason of a refusal from what the receiving server said.
#[must_use]
pub fn classify(said: &Said<'_>) -> Refusal {
    let text = said.diagnostic.unwrap_or_default().to_lowercase();
    let given = said.enhanced_code.and_then(Enhanced::parse);
    let read = Enhanced::within(&text);
    let smtp = said.smtp_code.filter(|code| *code >= 400).or_else(|| codes::smtp_within(&text));
    let decided = given
        .and_then(|code| by_enhanced(code, &text))
        .or_else(|| read.and_then(|code| by_enhanced(code, &text)))
        .or_else(|| smtp.and_then(|code| by_smtp(code, &text)))
        .or_else(|| by_words(&text, None))
        .map(named)
        .or(said.verdict)
        .unwrap_or_else(|| named(UNDETERMINED));
    let temporary = given.or(read).map_or(smtp.is_some_and(|code| code < 500), |code| code.class == 4);
    // A temporary code on a message that was given up: it never got in at that time, which says nothing for ever.
    let class = match decided.class {
        BounceClass::Hard if temporary => BounceClass::Soft,
        BounceClass::Undetermined if temporary => BounceClass::Soft,
        class => class,
    };
    Refusal { class, ..decided }
}

fn named(id: &str) -> Refusal {
    let reason = REASONS.iter().find(|reason| reason.id == id).unwrap_or(&REASONS[REASONS.len() - 1]);
    Refusal { class: reason.class, reason: &reason.id }
}

#[derive(Deserialize)]
struct ReasonFile {
    reasons: Vec<BounceReason>,
}

#[derive(Deserialize)]
struct Data {
    version: String,
    exceptions: Vec<Exception>,
    enhanced: Vec<EnhancedRule>,
    smtp: Vec<SmtpRule>,
    texts: Vec<TextRule>,
}

/// A code together with words.
#[derive(Deserialize)]
struct Exception {
    code: Pattern,
    words: Vec<String>,
    reason: String,
}

#[derive(Deserialize)]
struct EnhancedRule {
    code: Pattern,
    reason: String,
    #[serde(default)]
    refine: bool,
}

#[derive(Deserialize)]
struct SmtpRule {
    code: u16,
    reason: String,
    #[serde(default)]
    refine: bool,
    #[serde(default)]
    any: bool,
}

#[derive(Deserialize)]
struct TextRule {
    reason: String,
    words: Vec<String>,
}

/// All words in one automaton, and the text rule of each.
struct Words {
    automaton: AhoCorasick,
    rule_of: Vec<usize>,
}

static REASONS: LazyLock<Vec<BounceReason>> = LazyLock::new(|| {
    let file: ReasonFile = serde_json::from_str(include_str!("../../../schema/bounce-reasons.json"))
        .expect("schema/bounce-reasons.json is checked by a test");
    file.reasons
});

static DATA: LazyLock<Data> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../data/bounces.json"))
        .expect("data/bounces.json is checked by a test")
});

static WORDS: LazyLock<Words> = LazyLock::new(|| {
    let rules = || DATA.texts.iter().enumerate();
    let words = || rules().flat_map(|(rule, text)| text.words.iter().map(move |word| (rule, word)));
    let automaton = AhoCorasick::new(words().map(|(_, word)| word)).expect("a few hundred short words fit");
    Words { automaton, rule_of: words().map(|(rule, _)| rule).collect() }
});

fn by_enhanced(code: Enhanced, text: &str) -> Option<&'static str> {
    let said = |exception: &&Exception| {
        exception.code.covers(code) && exception.words.iter().any(|word| text.contains(word.as_str()))
    };
    if let Some(exception) = DATA.exceptions.iter().find(said) {
        return Some(&exception.reason);
    }
    // The registry's own entries stand before those of a whole subject.
    let rule = DATA.enhanced.iter().find(|rule| rule.code.covers(code))?;
    Some(if rule.refine { refined(&rule.reason, text) } else { &rule.reason })
}

/// 550 and 554 have no rule: the text decides them.
fn by_smtp(code: u16, text: &str) -> Option<&'static str> {
    let rule = DATA.smtp.iter().find(|rule| rule.code == code)?;
    if rule.any {
        return Some(by_words(text, None).unwrap_or(&rule.reason));
    }
    Some(if rule.refine { refined(&rule.reason, text) } else { &rule.reason })
}

/// A finer reason of the same class, where words name one.
fn refined(reason: &'static str, text: &str) -> &'static str {
    by_words(text, class_of(reason)).unwrap_or(reason)
}

/// The first group of words of which one is found, of one class or of any.
fn by_words(text: &str, class: Option<BounceClass>) -> Option<&'static str> {
    let found = WORDS.automaton.find_overlapping_iter(text).map(|found| WORDS.rule_of[found.pattern()]);
    let fits = |rule: &usize| class.is_none() || class_of(&DATA.texts[*rule].reason) == class;
    found.filter(fits).min().map(|rule| DATA.texts[rule].reason.as_str())
}

fn class_of(reason: &str) -> Option<BounceClass> {
    REASONS.iter().find(|known| known.id == reason).map(|known| known.class)
}

#[cfg(test)]
mod tests;
