use super::explained;
use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;
use crate::words::{Word, Words};
use engagement::Kind;

/// A user agent that no client ever sent: parts that were never together. One that is only old is `old_agent`'s.
///
/// Evidence: `Mozilla/` twice, Trident on a Mac (classification.md, the request itself, 2026-11): Trident was Windows' own.
/// An image proxy's agent on a link: it fetches images (classification.md, Google).
///
/// Known false positives: Internet Explorer, whose registry could hold a whole second agent, which it then sent inside its
/// parentheses (`…; Mozilla/4.0 (compatible; MSIE 6.0; …) ; …`, with Outlook's among HaraldWalker/user-agent-utils'
/// BrowserTest): so a second one counts outside of parentheses only. Gmail's prefetch says Mozilla twice, and other
/// mail programs send odd strings of their own: their own signatures explain that, and this rule is then silent.
pub(super) fn judge<'a>(facts: &Facts<'a>, matched: &Matched<'a>) -> Option<Finding<'a>> {
    if explained(matched) {
        return None;
    }
    let found = |confidence, evidence: &'a str| {
        Some(Finding::general(Weight::Probable, "impossible_agent", confidence, evidence))
    };
    let Impossible { mozilla_twice, trident_on_a_mac } = matched.read().says().impossible;
    if mozilla_twice {
        return found(0.95, "the agent says Mozilla/ twice");
    }
    if trident_on_a_mac {
        return found(0.95, "the agent says Trident on a Mac");
    }
    if facts.kind != Kind::Open && facts.ua.ends_with("GoogleImageProxy)") {
        return found(0.85, "the agent of Gmail's image proxy, on a link");
    }
    None
}

/// What an agent says that can't be true.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Impossible {
    mozilla_twice: bool,
    trident_on_a_mac: bool,
}

impl Impossible {
    pub(crate) fn of(words: &Words) -> Self {
        Self {
            mozilla_twice: words.mozilla_twice,
            trident_on_a_mac: words.say(Word::Trident) && words.say(Word::Macintosh),
        }
    }
}
