//! The numbers that decide: thresholds and weights, read from `policy.toml`, each with where it comes from.

use crate::finding::{Finding, Weight};
use crate::neighbours::NEIGHBOURS_HOLD_MS;
use engagement::{Actor, sources};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The file that the program ships with.
pub(crate) const BUILTIN: &str = include_str!("../policy.toml");

/// Why a policy file is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolicyError {
    /// Not TOML, a key that does not exist, or one that is missing.
    #[error("{0}")]
    Shape(#[from] toml::de::Error),
    /// A number without a reason for it.
    #[error("{0} says nothing of where it comes from")]
    NoSource(&'static str),
    /// A window shorter than what rules look back over.
    #[error("the window is shorter than what {0} looks back over")]
    ShortWindow(&'static str),
    /// Neighbours are held shorter than what a count reaches over.
    #[error("neighbours are held shorter than what {0} reaches over")]
    ShortHold(&'static str),
    /// Levels that do not rise.
    #[error("fanout_few_readers, fanout_several_readers and fanout_many_readers must rise")]
    Levels,
    /// A weight that is no finite number.
    #[error("the weight of {0} is no finite number")]
    BadWeight(String),
    /// No hit could ever be undecided, or a person's.
    #[error("the sums that decide must have room for doubt between them")]
    NoDoubt,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "about")]
    _about: String,
    thresholds: Thresholds,
    decide: Decide,
    weights: BTreeMap<String, Weighed>,
}

/// A number with its source.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sourced {
    value: u32,
    source: String,
    date: String,
}

/// A weight and the reason for it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Weighed {
    value: f64,
    why: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Decide {
    automated_from: Weighed,
    human_to: Weighed,
}

macro_rules! thresholds {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What rules compare with. Lengths of time are in milliseconds unless the name says minutes.
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Thresholds { $($name: Sourced),* }

        impl Policy {
            $($(#[$doc])* pub(crate) fn $name(&self) -> i64 { i64::from(self.thresholds.$name.value) })*
        }

        impl Thresholds {
            fn check(&self) -> Result<(), PolicyError> {
                for (name, number) in [$((stringify!($name), &self.$name)),*] {
                    if number.source.trim().is_empty() || number.date.trim().is_empty() {
                        return Err(PolicyError::NoSource(name));
                    }
                }
                Ok(())
            }
        }
    };
}

thresholds! {
    /// How long a verdict may be revised.
    window_minutes,
    /// So many hits of a message are looked at together; the oldest leave first.
    window_hits,
    /// What counts as at once.
    burst_span_ms,
    /// So many links at once are a machine's.
    burst_many_links,
    /// So many links at once are hardly a person's.
    burst_several_links,
    /// How long one address and agent are taken to be one client.
    same_client_minutes,
    /// How near the trap a client is the trap's own.
    trap_client_ms,
    /// How near the trap another client is suspect.
    trap_neighbour_ms,
    /// How near two clients of one link belong together.
    two_clients_ms,
    /// The least time between opening and clicking.
    opened_before_ms,
    /// The most time between opening and clicking.
    opened_before_minutes,
    /// When most scanners come.
    first_minute_ms,
    /// When most other scanners come.
    first_minutes_ms,
    /// How far before the delivery clocks can't explain a hit.
    before_delivery_ms,
    /// How near a scan an unsubscribe is suspect.
    suspect_ms,
    /// How many seconds before and after a hit its neighbours in other messages are counted.
    fanout_reach_seconds,
    /// So many readers that one address touched are worth noting.
    fanout_few_readers,
    /// So many are hardly one home.
    fanout_several_readers,
    /// So many are hardly one office.
    fanout_many_readers,
    /// So many readers of a domain who load images show that its readers do.
    images_readers,
    /// How many minutes before and after a click they are counted.
    images_reach_minutes,
    /// The first Chrome that is not called old.
    old_chrome,
    /// So many messages, and a tenth as many readers, a domain has at least of which anything is learned.
    learn_messages,
    /// So many clicks show a habit at least.
    learn_clicks,
    /// Of so many in a hundred of a domain's clicks an image was loaded before where its readers load images.
    readers_images_percent,
    /// So many in a hundred of a domain's scans lie in a time that is learned.
    scan_share_percent,
    /// So many times as many scans as people's clicks lie in it.
    scan_people_times,
}

/// Thresholds and weights. It never changes: other numbers are another ruleset.
#[derive(Debug)]
pub(crate) struct Policy {
    thresholds: Thresholds,
    decide: Decide,
    weights: BTreeMap<String, Weighed>,
    /// The same by rule, with what each of its levels weighs: a verdict asks for several.
    log_odds: BTreeMap<String, Vec<(String, f64)>>,
}

impl Policy {
    /// The policy that the program ships with.
    pub(crate) fn builtin() -> Self {
        Self::read(BUILTIN).expect("the built-in policy is checked by a test")
    }

    /// Reads a policy.
    ///
    /// # Errors
    /// [`PolicyError`] says what is wrong with it.
    pub(crate) fn read(text: &str) -> Result<Self, PolicyError> {
        let File { thresholds, decide, weights, .. } = toml::from_str(text)?;
        thresholds.check()?;
        let mut log_odds: BTreeMap<String, Vec<(String, f64)>> = BTreeMap::new();
        for (name, weight) in &weights {
            let (rule, level) = name.split_once('.').unwrap_or((name, ""));
            log_odds.entry(rule.to_owned()).or_default().push((level.to_owned(), weight.value));
        }
        let policy = Self { thresholds, decide, weights, log_odds };
        policy.check()?;
        Ok(policy)
    }

    fn check(&self) -> Result<(), PolicyError> {
        // What a rule looks back over, and the burst that this may hang on, must still be there.
        let window = self.window_ms() - 2 * self.burst_span_ms();
        for (name, back) in [
            ("same_client_minutes", self.same_client_minutes() * 60_000),
            ("opened_before_minutes", self.opened_before_minutes() * 60_000),
            ("trap_client_ms", self.trap_client_ms()),
            ("trap_neighbour_ms", self.trap_neighbour_ms()),
            ("two_clients_ms", self.two_clients_ms()),
        ] {
            if back > window {
                return Err(PolicyError::ShortWindow(name));
            }
        }
        for (name, reach) in [
            ("fanout_reach_seconds", self.fanout_reach_seconds() * 1000),
            ("images_reach_minutes", self.images_reach_minutes() * 60_000),
        ] {
            if 2 * reach > NEIGHBOURS_HOLD_MS {
                return Err(PolicyError::ShortHold(name));
            }
        }
        let levels =
            [0, self.fanout_few_readers(), self.fanout_several_readers(), self.fanout_many_readers()];
        if !levels.is_sorted_by(|lower, higher| lower < higher) {
            return Err(PolicyError::Levels);
        }
        if self.decide.automated_from.value <= self.decide.human_to.value.max(0.0)
            || self.decide.human_to.value >= 0.0
        {
            return Err(PolicyError::NoDoubt);
        }
        let decide = [("decide", &self.decide.automated_from), ("decide", &self.decide.human_to)];
        let weights = self.weights.iter().map(|(name, weight)| (name.as_str(), weight));
        for (name, weight) in decide.into_iter().chain(weights) {
            if !weight.value.is_finite() || weight.why.trim().is_empty() {
                return Err(PolicyError::BadWeight(name.to_owned()));
            }
        }
        Ok(())
    }

    /// How long a verdict may be revised, in milliseconds.
    pub(crate) fn window_ms(&self) -> i64 {
        self.window_minutes() * 60_000
    }

    /// The sum of log-odds from which a hit is a machine's.
    pub(crate) fn automated_from(&self) -> f64 {
        self.decide.automated_from.value
    }

    /// The sum of log-odds up to which a claim to be a person's client stands.
    pub(crate) fn human_to(&self) -> f64 {
        self.decide.human_to.value
    }

    /// What a finding adds to the log-odds that a machine made the hit.
    pub(crate) fn log_odds(&self, finding: &Finding<'_>) -> f64 {
        let named = self.weight_of(finding.rule, finding.level);
        let general = |name| self.weight_of(name, "").unwrap_or_default();
        match (named, finding.weight) {
            (Some(weight), _) => weight,
            (None, Weight::Claim) => general("claim"),
            (None, Weight::Evidence) if is_machine(finding.source) => general("evidence"),
            (None, _) => 0.0,
        }
    }

    /// What a rule weighs: whatever the level, or else at this one.
    fn weight_of(&self, rule: &str, level: &str) -> Option<f64> {
        // The weight without a level is the first: names are in order.
        let levels = self.log_odds.get(rule)?;
        levels.iter().find(|(of, _)| of.is_empty() || of == level).map(|(_, weight)| *weight)
    }

    /// The names of all weights, for tests.
    #[cfg(test)]
    pub(crate) fn weight_names(&self) -> impl Iterator<Item = &str> {
        self.weights.keys().map(String::as_str)
    }
}

/// Whether a source is a machine.
pub(crate) fn is_machine(source: &str) -> bool {
    sources::find(source).is_some_and(|source| source.actor == Actor::Automated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::RULES;
    use crate::window::WINDOW_RULES;

    #[test]
    fn a_verdict_is_provisional_for_as_long_as_its_window_is_open() {
        assert_eq!(Policy::builtin().window_ms(), engagement::verdict::PROVISIONAL_MS);
    }

    #[test]
    fn every_weight_belongs_to_a_rule() {
        for name in Policy::builtin().weight_names() {
            let rule = name.split('.').next().unwrap_or_default();
            let known = RULES.iter().any(|known| known.name == rule)
                || WINDOW_RULES.iter().any(|known| known.name == rule)
                || ["claim", "evidence"].contains(&name);
            assert!(known, "{name} is the weight of no rule");
        }
    }

    #[test]
    fn a_policy_that_makes_no_sense_is_refused() {
        let refused = |from: &str, to: &str| {
            assert!(BUILTIN.contains(from), "{from}");
            Policy::read(&BUILTIN.replacen(from, to, 1)).unwrap_err().to_string()
        };
        assert!(refused("value = 30\n", "value = 15\n").contains("opened_before_minutes"));
        assert!(
            refused("source = \"warmbly: 600 s for probable networks\"", "source = \" \"")
                .contains("same_client")
        );
        assert!(refused("value = 3.0", "value = -2.0").contains("doubt"));
        assert!(refused("value = 6.0", "value = inf").contains("burst.many"));
        let shape = refused("[thresholds.burst_span_ms]", "[thresholds.burst_spam_ms]");
        assert!(shape.contains("burst_spam_ms") && shape.contains("line"), "{shape}");
    }
}
