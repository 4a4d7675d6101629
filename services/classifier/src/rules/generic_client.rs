use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;
use crate::signatures::Family;

/// A stack that mail apps and readerless fetches share.
///
/// Evidence: okhttp, CFNetwork, Dalvik and `Microsoft Office/16.0 (…)` can be a mail app or a fetch without a reader
/// (classification.md, the request itself, 2026-11); the new Outlook fetches links itself, beside the reader's browser
/// (next-auth #1840). Each pattern's source stands in `signatures/generic_clients.toml`.
///
/// Known false positives: people in mail apps that load images through them. That is why the answer is unknown.
pub(super) fn judge<'a>(_facts: &Facts<'a>, matched: &Matched<'a>) -> Option<Finding<'a>> {
    let signature = matched.agent(Family::Generic)?;
    Some(Finding::general(Weight::Probable, signature.who, 0.9, signature.shows.as_str()))
}
