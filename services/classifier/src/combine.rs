//! How findings become a verdict: the one place that weighs rules against each other.
//!
//! 1. What is certain goes before what is probable, and both before what is only evidence or an agent's own claim.
//! 2. Among equals, a signature that names who it was goes before a rule about a kind of client; then the surer one;
//!    then the order of the table of rules.
//! 3. Where nothing certain decides, nor anything probable that says human or machine, evidence and the first claim are
//!    added up as log-odds, with the weights of `policy.toml`. A sum past `automated_from` is a machine, named by the
//!    heaviest piece of evidence that names one. A probable "can't be told" is outweighed by such a sum.
//!    A mail gateway's own network names the vendor before what its hits did together says that it was some scanner.
//! 4. An agent's claim to be a person's client stands while the sum is at most `human_to`: alone it stands, beside a sign
//!    of a machine it does not, and the hit is unknown.
//! 5. Evidence of one kind decides nothing alone.
//! 6. Every finding becomes a reason, the deciding one first. Where a sum decides, or nothing does, a reason says so.

use crate::finding::{Finding, Weight};
use crate::policy::{Policy, is_machine};
use engagement::{Actor, Reason, Verdict, sources};
use std::fmt::Write as _;

/// The reason's name where no finding decides.
pub(crate) const UNDECIDED: &str = "undecided";
/// The reason's name where evidence decides together.
pub(crate) const TOGETHER: &str = "together";
/// The source where no finding decides.
const UNKNOWN: &str = "unknown";
/// The rule that knows a gateway vendor's network.
const VENDOR: &str = "gateway_network";
/// A sum of evidence is never surer than this.
const SUREST_SUM: f64 = 0.98;

/// What decides.
enum Decided {
    /// The finding that ranks first.
    First,
    /// The sum of the evidence, in favour of this source.
    Sum(&'static str, f64),
    /// Nothing.
    Nothing,
}

/// The verdict over all findings of one hit, at revision 1.
pub(crate) fn combine(mut findings: Vec<Finding<'_>>, policy: &Policy, ruleset: &str) -> Verdict {
    // The sort is stable: what is equal stays in the order of the table.
    findings.sort_by(|left, right| right.outranks(left));
    let mut reasons = Vec::with_capacity(findings.len() + 1);

    let (actor, source, confidence) = match (decide(&findings, policy), findings.first()) {
        (Decided::First, Some(first)) => (actor_of(first.source), first.source, first.confidence),
        (Decided::Sum(source, sum), _) => {
            let confidence = (1.0 / (1.0 + (-sum).exp())).min(SUREST_SUM);
            reasons.push(together(&findings, policy, source, confidence));
            (actor_of(source), source, confidence)
        }
        (Decided::First | Decided::Nothing, _) => {
            reasons.push(undecided(&findings));
            (Actor::Unknown, UNKNOWN, 0.0)
        }
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

fn decide(findings: &[Finding<'_>], policy: &Policy) -> Decided {
    let Some(first) = findings.first() else { return Decided::Nothing };
    let tells = actor_of(first.source) != Actor::Unknown;
    if first.weight == Weight::Certain || (first.weight == Weight::Probable && tells) {
        return Decided::First;
    }
    let sum: f64 = weighed(findings, policy).map(|(_, log_odds)| log_odds).sum();
    if sum >= policy.automated_from()
        && let Some(source) = heaviest(findings, policy)
    {
        return Decided::Sum(source, sum);
    }
    match first.weight {
        Weight::Probable => Decided::First,
        Weight::Claim if sum <= policy.human_to() => Decided::First,
        _ => Decided::Nothing,
    }
}

/// The findings that are added up, with what each adds. Of several claims only the first counts: one agent makes them.
fn weighed<'a, 'b>(
    findings: &'b [Finding<'a>],
    policy: &'b Policy,
) -> impl Iterator<Item = (&'b Finding<'a>, f64)> + Clone {
    let claim = findings.iter().find(|finding| finding.weight == Weight::Claim);
    let evidence = findings.iter().filter(|finding| finding.weight == Weight::Evidence);
    claim.into_iter().chain(evidence).map(|finding| (finding, policy.log_odds(finding)))
}

/// The machine that the heaviest evidence names, if any names one: when it came, for instance, names nobody.
fn heaviest(findings: &[Finding<'_>], policy: &Policy) -> Option<&'static str> {
    let machines = weighed(findings, policy).filter(|(finding, _)| is_machine(finding.source));
    if let Some((vendor, _)) = machines.clone().find(|(finding, _)| finding.rule == VENDOR) {
        return Some(vendor.source);
    }
    let mut heaviest: Option<(&'static str, f64)> = None;
    for (finding, log_odds) in machines {
        if heaviest.is_none_or(|(_, most)| log_odds > most) {
            heaviest = Some((finding.source, log_odds));
        }
    }
    heaviest.map(|(source, _)| source)
}

/// Whether a finding casts doubt on an agent's claim to be a person's client.
pub(crate) fn doubts(finding: &Finding<'_>) -> bool {
    finding.weight == Weight::Evidence && is_machine(finding.source)
}

/// The sum, written out: what was added up, the heaviest first.
fn together(findings: &[Finding<'_>], policy: &Policy, source: &'static str, confidence: f64) -> Reason {
    let mut parts: Vec<(&str, f64)> =
        weighed(findings, policy).map(|(finding, log_odds)| (finding.rule, log_odds)).collect();
    parts.sort_by(|left, right| right.1.abs().total_cmp(&left.1.abs()));
    let sum: f64 = parts.iter().map(|(_, log_odds)| log_odds).sum();
    let mut evidence = format!("log-odds {sum:+.1} for a machine, {:.1} asked for:", policy.automated_from());
    for (rule, log_odds) in parts {
        // Writing to a String can't fail.
        let _ = write!(evidence, " {rule} {log_odds:+.1}");
    }
    Reason { rule: TOGETHER.into(), source: source.into(), confidence: three_decimals(confidence), evidence }
}

fn undecided(findings: &[Finding<'_>]) -> Reason {
    let evidence = match findings.first().map(|finding| finding.weight) {
        None => "no rule knows this agent, address or request",
        Some(Weight::Claim) => {
            "the agent is a person's, but there is evidence of a machine; one request can't settle it"
        }
        Some(_) => "there is evidence, but none that decides alone",
    };
    Reason { rule: UNDECIDED.into(), source: UNKNOWN.into(), confidence: 0.0, evidence: evidence.into() }
}

fn reason(finding: Finding<'_>) -> Reason {
    Reason {
        rule: finding.rule.into(),
        source: finding.source.into(),
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
        Finding { rule, source, level: "", weight, scope, confidence: 0.5, evidence: "seen".into() }
    }

    fn combine(findings: Vec<Finding<'_>>, ruleset: &str) -> Verdict {
        super::combine(findings, &Policy::builtin(), ruleset)
    }

    fn rules(verdict: &Verdict) -> Vec<&str> {
        verdict.reasons.iter().map(|reason| reason.rule.as_ref()).collect()
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

    #[test]
    fn what_neighbours_show_goes_before_a_claim_and_before_what_cannot_be_told() {
        let many = Finding { rule: "burst", ..Finding::neighbours("scanner_burst", "many", 0.97, "seen") };
        let several =
            Finding { rule: "burst", ..Finding::neighbours("scanner_burst", "several", 0.85, "seen") };
        let order = Finding { rule: "burst_order", ..Finding::neighbours("scanner_burst", "", 0.6, "seen") };
        let claim = finding("browser", "chrome", Weight::Claim, Scope::General);
        let dark = finding("generic_client", "generic_client", Weight::Probable, Scope::General);
        let named = finding("google_proxy", "google_proxy", Weight::Probable, Scope::Specific);

        let verdict = combine(vec![claim.clone(), many.clone()], "r");
        assert_eq!((verdict.actor, verdict.source.as_str()), (Actor::Automated, "scanner_burst"));
        assert_eq!((rules(&verdict), verdict.confidence), (vec![TOGETHER, "browser", "burst"], 0.98));
        assert_eq!(
            verdict.reasons[0].evidence,
            "log-odds +4.0 for a machine, 3.0 asked for: burst +6.0 browser -2.0"
        );

        // Three links at once leave room for doubt; three in the order of the mail do not.
        let verdict = combine(vec![claim.clone(), several.clone()], "r");
        assert_eq!((verdict.actor, rules(&verdict)[0]), (Actor::Unknown, UNDECIDED));
        let verdict = combine(vec![claim.clone(), several, order], "r");
        assert_eq!((verdict.actor, verdict.confidence), (Actor::Automated, 0.953));

        assert_eq!(combine(vec![dark.clone(), many.clone()], "r").actor, Actor::Automated);
        assert_eq!(combine(vec![dark], "r").source, "generic_client");
        assert_eq!(combine(vec![named, many], "r").source, "google_proxy");
    }

    #[test]
    fn a_vendors_network_names_the_burst_that_came_from_it() {
        let many = Finding { rule: "burst", ..Finding::neighbours("scanner_burst", "many", 0.97, "seen") };
        let network = finding(VENDOR, "proofpoint", Weight::Evidence, Scope::Specific);
        let shared = finding("data_centre", "data_centre", Weight::Evidence, Scope::General);
        assert_eq!(combine(vec![many.clone(), network.clone()], "r").source, "proofpoint");
        assert_eq!(combine(vec![many, shared], "r").source, "scanner_burst");
        assert_eq!(combine(vec![network], "r").actor, Actor::Unknown, "alone it decides nothing");
    }

    #[test]
    fn what_weighs_little_changes_nothing_alone() {
        let soon = Finding {
            rule: "since_delivery",
            level: "first_minute",
            ..finding("since_delivery", "unknown", Weight::Evidence, Scope::General)
        };
        let claim = finding("browser", "chrome", Weight::Claim, Scope::General);
        assert_eq!(combine(vec![claim, soon.clone()], "r").actor, Actor::Human);
        assert_eq!(combine(vec![soon], "r").actor, Actor::Unknown);
    }
}
