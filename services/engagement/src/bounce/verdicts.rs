//! What mail providers' own words for a refusal mean: `data/verdicts.json`, with the page that says so.

use super::{BounceClass, REASONS, Refusal, UNDETERMINED};
use serde::Deserialize;
use std::sync::LazyLock;

#[derive(Deserialize)]
struct File {
    version: String,
    providers: Vec<Provider>,
}

#[derive(Deserialize)]
struct Provider {
    provider: String,
    verdicts: Vec<Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    said: String,
    class: Option<BounceClass>,
    reason: Option<String>,
}

static FILE: LazyLock<File> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../data/verdicts.json"))
        .expect("data/verdicts.json is checked by a test")
});

/// What a provider's own words for a refusal mean. The finest word comes first; the first that is known decides.
#[must_use]
pub fn told(provider: &str, words: &[&str]) -> Option<Refusal> {
    let known = FILE.providers.iter().find(|known| known.provider == provider)?;
    let verdict = |word: &&str| known.verdicts.iter().find(|verdict| verdict.said.eq_ignore_ascii_case(word));
    words.iter().find_map(verdict).and_then(Verdict::refusal)
}

/// The version of the data behind [`told`].
#[must_use]
pub fn verdicts_version() -> &'static str {
    &FILE.version
}

impl Verdict {
    fn refusal(&self) -> Option<Refusal> {
        let id = self.reason.as_deref().unwrap_or(UNDETERMINED);
        let reason = REASONS.iter().find(|known| known.id == id)?;
        Some(Refusal { class: self.class.unwrap_or(reason.class), reason: &reason.id })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Said, classify};
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_verdict_is_of_the_closed_list_and_said_once() {
        assert!(!verdicts_version().is_empty());
        for known in &FILE.providers {
            let said: BTreeSet<_> =
                known.verdicts.iter().map(|verdict| verdict.said.to_lowercase()).collect();
            assert_eq!(said.len(), known.verdicts.len(), "{} says a word twice", known.provider);
            for verdict in &known.verdicts {
                let whole =
                    verdict.refusal().is_some() && (verdict.class.is_some() || verdict.reason.is_some());
                assert!(whole, "{} {}", known.provider, verdict.said);
            }
        }
    }

    #[test]
    fn a_provider_is_asked_last_and_the_finest_word_first() {
        let asked = |enhanced_code, smtp_code, diagnostic, verdict| {
            let refusal = classify(&Said { enhanced_code, smtp_code, diagnostic, verdict });
            (refusal.class.as_str(), refusal.reason)
        };
        let postmark = told("postmark", &["HardBounce"]);
        let silent = Some("Test bounce details");
        assert_eq!(asked(None, None, silent, None), ("undetermined", "undetermined"));
        assert_eq!(asked(None, None, silent, postmark), ("hard", "no_such_user"));
        // A code or a text knows better.
        assert_eq!(asked(Some("5.2.2"), None, silent, postmark), ("soft", "mailbox_full"));
        assert_eq!(asked(None, Some(552), silent, postmark), ("soft", "mailbox_full"));
        assert_eq!(
            asked(None, None, Some("blocked using zen.spamhaus.org"), postmark),
            ("block", "reputation")
        );
        // One that says «for now» is not for ever, whatever the provider makes of it.
        assert_eq!(asked(Some("4.0.0"), None, silent, postmark), ("soft", "no_such_user"));
        let general = told("ses", &["Permanent/General", "Permanent"]);
        assert_eq!(asked(Some("5.0.0"), Some(550), None, general), ("hard", "undetermined"));
        assert_eq!(told("ses", &["Permanent/Newer", "Permanent"]).unwrap().class, BounceClass::Hard);
        assert_eq!(told("sendgrid", &["Unclassified", "blocked"]).unwrap().class, BounceClass::Block);
        assert_eq!(told("sparkpost", &["60"]), None);
        assert_eq!(told("nobody", &["bounce"]), None);
    }
}
