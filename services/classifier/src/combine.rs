//! How findings become a verdict: the one place that weighs rules against each other.
//!
//! 1. What is certain goes before what is probable, and both before what an agent says of itself.
//! 2. Among equals, a signature that names who it was goes before a rule about a kind of client; then the surer one;
//!    then the order of the table of rules.
//! 3. An agent's own claim to be a person's client decides only when nothing is found against it: evidence of a machine
//!    beside it leaves the hit undecided, for one request can't settle that.
//! 4. Evidence decides nothing alone.
//! 5. Every finding becomes a reason, the deciding one first. Where none decides, a reason says so.

use crate::finding::{Finding, Weight};
use engagement::{Actor, Reason, Verdict, sources};

/// The reason's name where no finding decides.
pub(crate) const UNDECIDED: &str = "undecided";
/// The source where no finding decides.
const UNKNOWN: &str = "unknown";

/// The verdict over all findings of one hit, at revision 1.
pub(crate) fn combine(mut findings: Vec<Finding<'_>>, ruleset: &str) -> Verdict {
    // The sort is stable: what is equal stays in the order of the table.
    findings.sort_by(|left, right| right.outranks(left));
    let mut reasons = Vec::with_capacity(findings.len() + 1);

    let decided = match findings.first() {
        Some(first) if first.weight >= Weight::Probable => true,
        Some(first) => first.weight == Weight::Claim && !findings.iter().any(doubts),
        None => false,
    };
    let (actor, source, confidence) = if let (true, Some(first)) = (decided, findings.first()) {
        (actor_of(first.source), first.source, first.confidence)
    } else {
        reasons.push(undecided(&findings));
        (Actor::Unknown, UNKNOWN, 0.0)
    };
    reasons.extend(findings.into_iter().map(reason));

    Verdict {
        actor,
        source: source.to_owned(),
        confidence: three_decimals(confidence),
        reasons,
        ruleset: ruleset.to_owned(),
        revision: 1,
    }
}

/// Whether a finding casts doubt on an agent's claim to be a person's client.
fn doubts(finding: &Finding<'_>) -> bool {
    finding.weight == Weight::Evidence && actor_of(finding.source) == Actor::Automated
}

fn undecided(findings: &[Finding<'_>]) -> Reason {
    let evidence = match findings.first().map(|finding| finding.weight) {
        None => "no rule knows this agent, address or request",
        Some(Weight::Claim) => {
            "the agent is a person's, but there is evidence of a machine; one request can't settle it"
        }
        Some(_) => "there is evidence, but none that decides alone",
    };
    Reason {
        rule: UNDECIDED.to_owned(),
        source: UNKNOWN.to_owned(),
        confidence: 0.0,
        evidence: evidence.to_owned(),
    }
}

fn reason(finding: Finding<'_>) -> Reason {
    Reason {
        rule: finding.rule.to_owned(),
        source: finding.source.to_owned(),
        confidence: three_decimals(finding.confidence),
        evidence: finding.evidence.into_owned(),
    }
}

fn actor_of(source: &str) -> Actor {
    sources::find(source).map_or(Actor::Unknown, |source| source.actor)
}

fn three_decimals(confidence: f64) -> f64 {
    (confidence * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Scope;

    fn finding(rule: &'static str, source: &'static str, weight: Weight, scope: Scope) -> Finding<'static> {
        Finding { rule, source, weight, scope, confidence: 0.5, evidence: "seen".into() }
    }

    fn rules(verdict: &Verdict) -> Vec<&str> {
        verdict.reasons.iter().map(|reason| reason.rule.as_str()).collect()
    }

    #[test]
    fn certain_goes_before_probable_and_a_name_before_a_kind() {
        let verdict = combine(
            vec![
                finding("kind", "http_library", Weight::Probable, Scope::General),
                finding("name", "google_proxy", Weight::Probable, Scope::Specific),
                finding("sure", "head_request", Weight::Certain, Scope::General),
            ],
            "r",
        );
        assert_eq!((verdict.actor, verdict.source.as_str()), (Actor::Automated, "head_request"));
        assert_eq!(rules(&verdict), ["sure", "name", "kind"]);
    }

    #[test]
    fn the_surer_goes_first_and_then_the_order_of_the_table() {
        let mut second = finding("second", "cisco", Weight::Probable, Scope::Specific);
        let first = finding("first", "sophos", Weight::Probable, Scope::Specific);
        let verdict = combine(vec![first.clone(), second.clone()], "r");
        assert_eq!(rules(&verdict), ["first", "second"]);
        second.confidence = 0.6;
        let verdict = combine(vec![first, second], "r");
        assert_eq!((rules(&verdict), verdict.confidence), (vec!["second", "first"], 0.6));
    }

    #[test]
    fn a_claim_decides_only_where_nothing_doubts_it() {
        let claim = finding("browser", "chrome", Weight::Claim, Scope::General);
        let doubt = finding("doubt", "microsoft_safelinks", Weight::Evidence, Scope::Specific);
        let harmless = finding("harmless", "google_proxy", Weight::Evidence, Scope::Specific);

        let verdict = combine(vec![claim.clone(), harmless], "r");
        assert_eq!((verdict.actor, verdict.source.as_str()), (Actor::Human, "chrome"));

        let verdict = combine(vec![claim, doubt], "r");
        assert_eq!((verdict.actor, verdict.source.as_str()), (Actor::Unknown, "unknown"));
        assert_eq!(rules(&verdict), [UNDECIDED, "browser", "doubt"]);
    }

    #[test]
    fn evidence_alone_and_nothing_at_all_decide_nothing() {
        let doubt = finding("doubt", "microsoft_safelinks", Weight::Evidence, Scope::Specific);
        let verdict = combine(vec![doubt], "r");
        assert_eq!((verdict.actor, verdict.confidence), (Actor::Unknown, 0.0));
        assert_eq!(rules(&verdict), [UNDECIDED, "doubt"]);

        let verdict = combine(Vec::new(), "r");
        assert_eq!(rules(&verdict), [UNDECIDED]);
        assert_eq!((verdict.revision, verdict.ruleset.as_str()), (1, "r"));
    }
}
