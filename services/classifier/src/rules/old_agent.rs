use super::explained;
use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;
use crate::signatures::Family;
use crate::words::{Word, Words};

/// A browser or a system that is years out of support, whose parts fit together.
///
/// Evidence: scanners send old strings: Chrome below 60 (2017), Windows XP or Vista, MSIE without `ms-office`
/// (classification.md, the request itself, and Microsoft: "old and varying"). How old a Chrome must be is
/// `old_chrome` of the policy; the systems are data, `signatures/old_systems.toml`.
///
/// Known false positives: people whose machines nobody may update, a hospital's first of all: 9 % of the NHS's visits
/// to OpenPrescribing came from Internet Explorer 8 and 9 in 2017 (bennettoxford/openprescribing#371), Cerner's health record
/// embedded no other browser than Internet Explorer until 2022 (cerner/fhir.cerner.com#857), and Edge's IE mode sends its
/// agent still. So it never decides, and a person's agent stands against it alone.
pub(super) fn judge<'a>(_facts: &Facts<'a>, matched: &Matched<'a>) -> Option<Finding<'a>> {
    if explained(matched) {
        return None;
    }
    let found = |evidence: &'a str| Some(Finding::general(Weight::Evidence, "unknown", 0.1, evidence));
    let oldest = matched.policy().old_chrome();
    let Old { chrome, msie } = matched.read().says().old;
    if chrome.is_some_and(|version| i64::from(version) < oldest) {
        return found("the agent says a Chrome of 2017 or before, as scanners say and machines that nobody updates");
    }
    if let Some(signature) = matched.agent(Family::OldSystem) {
        return found(&signature.shows);
    }
    if msie {
        return found("the agent says MSIE without ms-office, as scanners say and machines that nobody updates");
    }
    None
}

/// What an agent says that may be old.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Old {
    /// The major version of its Chrome, if it says one.
    chrome: Option<u32>,
    msie: bool,
}

impl Old {
    pub(crate) fn of(words: &Words) -> Self {
        Self { chrome: words.chrome, msie: words.say(Word::Msie) && !words.say(Word::MsOffice) }
    }
}
