//! A judgement as text for people.

use crate::facts::Facts;
use crate::ruleset::Judgement;
use engagement::{Actor, sources};
use std::fmt::Write;

/// The judgement on one hit as a few lines of text: who made it, how sure that is, what would suppress it, and every
/// reason, the deciding one first.
#[must_use]
pub fn explain(facts: &Facts<'_>, judgement: &Judgement) -> String {
    let verdict = &judgement.verdict;
    let source = sources::find(&verdict.source);
    let title = source.map_or("", |source| source.title.as_str());
    let sure = match verdict.actor {
        Actor::Unknown if verdict.confidence == 0.0 => String::new(),
        _ => format!(", {} sure", percent(verdict.confidence)),
    };
    let suppressed = match verdict.class() {
        Some(class) => format!("left out by the class \"{}\"", class.as_str()),
        None => "never left out".to_owned(),
    };
    let client = if judgement.client.is_empty() { "none known" } else { &judgement.client };

    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = writeln!(text, "{} of {}: {}{sure}", verdict.actor.as_str(), facts.kind.as_str(), title);
    let _ = writeln!(text, "  source   {}, {suppressed}", verdict.source);
    let _ = writeln!(text, "  client   {client}");
    let _ = writeln!(text, "  ruleset  {}", verdict.ruleset);
    let _ = writeln!(text, "because");
    for reason in &verdict.reasons {
        let _ = writeln!(
            text,
            "  {:>5}  {:<20}  {:<20}  {}",
            percent(reason.confidence),
            reason.rule,
            reason.source,
            reason.evidence
        );
    }
    text
}

fn percent(confidence: f64) -> String {
    format!("{:.0} %", confidence * 100.0)
}
