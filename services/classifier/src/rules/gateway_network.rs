use crate::facts::Facts;
use crate::finding::Finding;
use crate::matched::Matched;
use crate::signatures::{Certainty, Family};

/// An address in a mail gateway vendor's network.
///
/// Evidence: the signature's source, in the vendor's file.
///
/// Known false positives: the vendor's own staff reading mail at work; a vendor that isolates people's browsers in the
/// same network. Networks of vendors that do (Proofpoint, Mimecast) are evidence only, and those of pure web proxies
/// (Zscaler, Netskope, Menlo and the like) are left to `web_proxy` (classification.md, what matters most, point 3).
pub(super) fn judge<'a>(_facts: &Facts<'a>, matched: &Matched<'a>) -> Option<Finding<'a>> {
    let ours = matched.networks().iter().filter(|signature| signature.family == Family::Gateway);
    // One vendor's evidence must not hide what another's network makes probable.
    let strongest = ours.min_by_key(|signature| match signature.certainty {
        Certainty::Certain => 0,
        Certainty::Probable => 1,
        Certainty::Evidence => 2,
    })?;
    Some(Finding::signature(strongest))
}
