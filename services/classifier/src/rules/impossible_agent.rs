use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;
use crate::signatures::Family;

/// The oldest Chrome that a person is taken to run.
const OLDEST_CHROME: u32 = 60;

/// Families whose own strings are as odd as a forged one, and known for it.
const EXPLAINED: [Family; 5] = [
    Family::GoogleImageProxy,
    Family::GooglePrefetch,
    Family::WebmailProxy,
    Family::MailApp,
    Family::Gateway,
];

/// A user agent that no real client sends any more, or ever did.
///
/// Evidence: `Mozilla/` twice, Trident on a Mac, Chrome below 60 (2017), Windows XP, Vista or 2000, and MSIE
/// without `ms-office` (classification.md, the request itself, 2026-11). The dead systems are data:
/// `signatures/dead_systems.toml`.
///
/// Known false positives: a person on a machine that should long be gone, such as a hospital's Windows XP, or an old
/// Android web view; so it is never certain. Gmail's proxy says Windows NT 5.1 and its prefetch Chrome 42 with Mozilla
/// twice, and Windows Live Mail says MSIE: their own signatures explain that, and this rule is then silent.
pub(super) fn judge<'a>(facts: &Facts<'a>, matched: &Matched<'a>) -> Option<Finding<'a>> {
    let agent = facts.ua;
    if EXPLAINED.iter().any(|family| matched.agent(*family).is_some()) {
        return None;
    }
    let found = |confidence, evidence: &'a str| {
        Some(Finding::general(Weight::Probable, "impossible_agent", confidence, evidence))
    };
    if agent.rfind("Mozilla/").is_some_and(|place| place > 0 && agent[..place].contains("Mozilla/")) {
        return found(0.95, "the agent says Mozilla/ twice");
    }
    if agent.contains("Trident/") && agent.contains("Macintosh") {
        return found(0.95, "the agent says Trident on a Mac");
    }
    if chrome_version(agent).is_some_and(|version| version < OLDEST_CHROME) {
        return found(0.85, "the agent says a Chrome below 60, from before 2017-07");
    }
    if let Some(signature) = matched.agent(Family::DeadSystem) {
        return found(0.85, &signature.shows);
    }
    if agent.contains("MSIE ") && !agent.contains("ms-office") {
        return found(0.85, "the agent says MSIE without ms-office");
    }
    None
}

/// The major version behind `Chrome/`, if there is one.
fn chrome_version(agent: &str) -> Option<u32> {
    let (_, behind) = agent.split_once("Chrome/")?;
    let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
    behind[..digits].parse().ok()
}
