//! The table of rules. Each rule is one file: what it looks for, the evidence for it with its source, and the false
//! positives that are known. A rule sees one hit's facts and what was looked up for them, and says what it found.

use crate::facts::Facts;
use crate::finding::Finding;
use crate::matched::Matched;
use crate::signatures::Family;

/// One rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The name that reasons carry.
    pub name: &'static str,
    /// What it finds in a hit, if anything.
    pub judge: for<'a> fn(&Facts<'a>, &Matched<'a>) -> Option<Finding<'a>>,
    /// Its source text, which the ruleset's version hashes: a changed rule can't go by an old version.
    pub(crate) text: &'static str,
}

macro_rules! table {
    ($($name:ident),* $(,)?) => {
        $(mod $name;)*

        /// Every rule, in the order in which equal findings are listed.
        pub const RULES: &[Rule] = &[$(Rule {
            name: stringify!($name),
            judge: $name::judge,
            text: include_str!(concat!("rules/", stringify!($name), ".rs")),
        }),*];
    };
}

table! {
    // What the request itself gives away.
    one_click_unsubscribe,
    trap_link,
    head_request,
    prefetch_header,
    http_library,
    declared_bot,
    // Who it is, by name.
    gateway_agent,
    gateway_network,
    microsoft_network,
    microsoft_quote,
    apple_mpp,
    google_prefetch,
    google_proxy,
    webmail_proxy,
    web_proxy,
    data_centre,
    // What can't be told.
    webkit_bare,
    generic_client,
    bare_agent,
    empty_agent,
    // What can't be true.
    impossible_agent,
    // What is hardly so.
    old_agent,
    // What the agent says it is.
    mail_app,
    browser,
    // When it came.
    since_delivery,
    since_sending,
    scan_time,
}

pub(crate) use impossible_agent::Impossible;
pub(crate) use old_agent::Old;
pub(crate) use prefetch_header::ahead;

/// Families whose own strings are as odd as a forged one, and known for it: the rules over odd agents leave them alone.
const EXPLAINED: [Family; 5] = [
    Family::GoogleImageProxy,
    Family::GooglePrefetch,
    Family::WebmailProxy,
    Family::MailApp,
    Family::Gateway,
];

/// Whether a signature of its own explains what is odd about an agent.
fn explained(matched: &Matched<'_>) -> bool {
    EXPLAINED.iter().any(|family| matched.agent(*family).is_some())
}

/// What all rules find in one hit, in the order of the table.
pub(crate) fn findings<'a>(facts: &Facts<'a>, matched: &Matched<'a>) -> Vec<Finding<'a>> {
    let found = |rule: &Rule| Some(Finding { rule: rule.name, ..(rule.judge)(facts, matched)? });
    // Few hits show more, and most show several.
    let mut findings = Vec::with_capacity(8);
    findings.extend(RULES.iter().filter_map(found));
    findings
}
