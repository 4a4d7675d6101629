use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;

/// The headers that announce a load ahead of the reader.
const HEADERS: [&str; 4] = ["sec-purpose", "purpose", "x-purpose", "x-moz"];
/// How their values begin: `prefetch`, also as `prefetch;prerender` and the like, and Safari's `preview`.
const VALUES: [&str; 2] = ["prefetch", "preview"];

/// A browser or proxy that loads ahead of the reader and says so.
///
/// Evidence: `Sec-Purpose: prefetch` and its parameters (Fetch standard; Chromium `preloading_headers.cc`: every value
/// begins with `prefetch`; MDN, 2026-11), `Purpose: prefetch` in Chrome and Edge, `X-Moz: prefetch` in older Firefox
/// (MDN browser compatibility data, 2026-11; classification.md, the request itself).
///
/// Known false positives: a page that was prerendered and then shown makes no second request, so that reader's click is
/// counted as the browser's speculation.
pub(super) fn judge<'a>(facts: &Facts<'a>, _matched: &Matched<'a>) -> Option<Finding<'a>> {
    let header = announcing(facts)?;
    Some(Finding::general(
        Weight::Certain,
        "browser_prefetch",
        0.95,
        format!("header {header} says that nobody is looking yet"),
    ))
}

/// Whether the request says that it is made ahead of the reader.
pub(crate) fn ahead(facts: &Facts<'_>) -> bool {
    announcing(facts).is_some()
}

fn announcing(facts: &Facts<'_>) -> Option<&'static str> {
    // Most hits have none of them, and every verdict asks.
    if !facts.headers.keys().any(|name| HEADERS.contains(&name.as_str())) {
        return None;
    }
    let sent = HEADERS.into_iter().filter_map(|header| Some((header, facts.header(header)?)));
    let mut announcing = sent.filter(|(_, value)| VALUES.iter().any(|known| begins_with(value, known)));
    announcing.next().map(|(header, _)| header)
}

fn begins_with(value: &str, known: &str) -> bool {
    value.get(..known.len()).is_some_and(|start| start.eq_ignore_ascii_case(known))
}
