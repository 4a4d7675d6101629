use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;
use crate::signatures::Family;
use engagement::Kind;

/// A Microsoft address, which means a scanner on a link and nothing on the pixel.
///
/// Evidence: Safe Links redirects the reader's own browser, so a click out of Microsoft's mail network is not the
/// reader's (warmbly #412); the ranges are Microsoft 365's endpoint sets 9 and 10 for mail filtering and set 1 for
/// mailboxes (Microsoft 365 endpoints, 2026-05), and 40.94.0.0/16, where scanners were seen (gophish #2646,
/// opencollective #3656). On the pixel the same networks load images for readers of Outlook on the web
/// (classification.md, what matters most, point 2).
///
/// Known false positives: a hosted desktop clicks from Microsoft's cloud, so the rest of AS8075 is evidence only. The
/// mailbox ranges are probable, not certain, because they carry readers' requests for images. A POST that unsubscribes
/// is what Outlook.com's own servers send for a reader.
pub(super) fn judge<'a>(facts: &Facts<'a>, matched: &Matched<'a>) -> Option<Finding<'a>> {
    let click = facts.kind != Kind::Open && !facts.unsubscribes();
    let (family, weight, confidence) = if matched.network(Family::MicrosoftFiltering).is_some() {
        let (weight, confidence) = if click { (Weight::Certain, 0.97) } else { (Weight::Evidence, 0.5) };
        (Family::MicrosoftFiltering, weight, confidence)
    } else if matched.network(Family::MicrosoftMail).is_some() {
        let (weight, confidence) = if click { (Weight::Probable, 0.85) } else { (Weight::Evidence, 0.3) };
        (Family::MicrosoftMail, weight, confidence)
    } else {
        (Family::MicrosoftCloud, Weight::Evidence, 0.4)
    };
    let signature = matched.network(family)?;
    let what = if click {
        "on a link: Safe Links would have sent the reader's own browser"
    } else {
        "which proves nothing here: scanners and readers' requests both come from there"
    };
    let evidence = format!("{}, {what}", signature.shows);
    Some(Finding::specific(weight, signature.who, confidence, evidence))
}
