//! From a mail's HTML to tracked HTML. No HTTP, no clock: the API and the command line both call this.
//!
//! lol_html reads where things stand, and only the values of tracked `href`s are replaced and the pixel put in, with the
//! trap where one is asked for: every other byte stays as it was. What is left alone: anything but http and https, fragments, template placeholders (their
//! value is not known yet), links that are tracking URLs already, links marked `data-trueopen="off"`, and what stands in
//! comments, conditional ones for Outlook among them.

use crate::mint::{MailMinter, MintError, Minter};
use engagement::token::{ID_BYTES, Link};
use lol_html::{HtmlRewriter, Settings, element, end_tag};
use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use url::Url;

/// What template languages mark their placeholders with, beside braces and `%name%`.
const PLACEHOLDERS: &[&str] = &["<%", "*|", "[[", "%%"];

/// What an instrumented mail gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The most links that are tracked; a mail with more is refused.
    pub most_links: usize,
    /// Whether the mail gets a link that no reader can see.
    pub trap: bool,
}

/// Tracked HTML and what was tracked in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instrumented {
    /// The mail's HTML with tracked links and the pixel.
    pub html: String,
    /// The URL of the pixel that was put in.
    pub pixel_url: String,
    /// The URL of the link that no reader can see, if one was put in.
    pub trap_url: Option<String>,
    /// The links that were rewritten, in the order of the mail.
    pub links: Vec<TrackedLink>,
    /// How many links were left as they were.
    pub left_alone: usize,
}

/// A link that was rewritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackedLink {
    /// Which link of the mail, from 0.
    pub index: u16,
    /// Where it leads.
    pub url: String,
    /// Its label.
    pub label: Option<String>,
    /// The URL in its place.
    pub tracked_url: String,
}

/// Why HTML was not instrumented.
#[derive(Debug, thiserror::Error)]
pub enum InstrumentError {
    /// More links than a mail may have.
    #[error("the mail has {found} links, {most} at most")]
    TooManyLinks {
        /// The links that would be tracked.
        found: usize,
        /// The bound.
        most: usize,
    },
    /// A label is too long.
    #[error("the label of link {index} has {bytes} bytes, {most} at most", most = ID_BYTES)]
    Label {
        /// Which link that would be tracked, from 0.
        index: usize,
        /// Its label's bytes.
        bytes: usize,
    },
    /// The parser gave up.
    #[error("the HTML can't be read: {0}")]
    Html(String),
    /// A URL could not be made.
    #[error(transparent)]
    Mint(#[from] MintError),
}

/// A link as it stands in the HTML.
struct Found {
    /// The bytes of the attribute's value, without quotes.
    value: Range<usize>,
    href: String,
    label: Option<String>,
    off: bool,
}

/// What the parser saw.
#[derive(Default)]
struct Outline {
    links: Vec<Found>,
    base: Option<String>,
    /// Where the last `</body>` starts.
    body_end: Option<usize>,
}

/// Rewrites a mail's links and adds its pixel, and the trap where that is wanted, before the last `</body>` or at the end.
///
/// # Errors
/// [`InstrumentError`] says what is out of its bounds.
pub fn instrument(
    minter: &Minter<'_>,
    mail: &MailMinter<'_>,
    html: &str,
    options: Options,
) -> Result<Instrumented, InstrumentError> {
    let outline = outline(html)?;
    let base = outline.base.as_deref().and_then(|base| Url::parse(base.trim()).ok());
    let all = outline.links.len();
    // Only what becomes a link is counted: each token says how many links its mail has.
    let tracked: Vec<(Found, String)> = outline
        .links
        .into_iter()
        .filter_map(|found| destination(minter, base.as_ref(), &found).map(|url| (found, url)))
        .collect();
    let too_many = || InstrumentError::TooManyLinks { found: tracked.len(), most: options.most_links };
    let count = u16::try_from(tracked.len()).map_err(|_| too_many())?;
    if tracked.len() > options.most_links {
        return Err(too_many());
    }
    let left_alone = all - tracked.len();
    let mut edits = Vec::with_capacity(tracked.len() + 2);
    let mut links = Vec::with_capacity(tracked.len());
    for (index, (found, url)) in (0_u16..).zip(tracked) {
        let bytes = found.label.as_ref().map_or(0, String::len);
        if bytes > ID_BYTES {
            return Err(InstrumentError::Label { index: index.into(), bytes });
        }
        let link = Link::new(&url, index, count, found.label.clone()).map_err(MintError::from)?;
        let url = link.destination.clone();
        let tracked_url = mail.click(link)?;
        edits.push((found.value, escape(&tracked_url)));
        links.push(TrackedLink { index, url, label: found.label, tracked_url });
    }
    let pixel_url = mail.pixel()?;
    let end = outline.body_end.unwrap_or(html.len());
    edits.push((end..end, pixel_tag(&pixel_url)));
    let trap_url = options.trap.then(|| mail.trap()).transpose()?;
    edits.extend(trap_url.as_deref().map(|url| (end..end, trap_tag(url))));
    Ok(Instrumented { html: splice(html, edits), pixel_url, trap_url, links, left_alone })
}

fn outline(html: &str) -> Result<Outline, InstrumentError> {
    let outline = Rc::new(RefCell::new(Outline::default()));
    let (links, bases, ends) = (Rc::clone(&outline), Rc::clone(&outline), Rc::clone(&outline));
    let settings = Settings::new()
        .append_element_content_handler(element!("a[href], area[href]", move |element| {
            let href = element.attributes().iter().find(|attribute| attribute.name() == "href");
            if let Some((href, at)) =
                href.and_then(|href| Some((href.value(), href.value_source_location()?)))
            {
                let text = |name| element.get_attribute(name).map(|value| unescape(&value));
                let label = text("data-trueopen-label").or_else(|| text("data-label"));
                links.borrow_mut().links.push(Found {
                    value: at.bytes(),
                    href: unescape(&href),
                    label: label.map(|label| label.trim().to_owned()).filter(|label| !label.is_empty()),
                    off: text("data-trueopen").is_some_and(|value| value.trim().eq_ignore_ascii_case("off")),
                });
            }
            Ok(())
        }))
        .append_element_content_handler(element!("base[href]", move |element| {
            // The first one counts, as in browsers.
            let mut outline = bases.borrow_mut();
            if outline.base.is_none() {
                outline.base = element.get_attribute("href").map(|href| unescape(&href));
            }
            Ok(())
        }))
        .append_element_content_handler(element!("body", move |element| {
            let ends = Rc::clone(&ends);
            element.on_end_tag(end_tag!(move |end| {
                ends.borrow_mut().body_end = Some(end.source_location().bytes().start);
                Ok(())
            }))
        }));
    // Mails are written badly, and a refused mail is worse than a guess at a stray tag's meaning.
    let mut rewriter = HtmlRewriter::new(settings.with_strict(false), |_: &[u8]| {});
    rewriter.write(html.as_bytes()).map_err(|error| InstrumentError::Html(error.to_string()))?;
    rewriter.end().map_err(|error| InstrumentError::Html(error.to_string()))?;
    Ok(outline.take())
}

/// Where a link leads, if it is one to track.
fn destination(minter: &Minter<'_>, base: Option<&Url>, found: &Found) -> Option<String> {
    let href = found.href.trim();
    if found.off || href.is_empty() || href.starts_with('#') || holds_placeholder(href) {
        return None;
    }
    let url = match Url::parse(href) {
        Ok(url) => url,
        Err(url::ParseError::RelativeUrlWithoutBase) => base?.join(href).ok()?,
        Err(_) => return None,
    };
    // As the sender wrote it where that is absolute: some servers sign the exact text.
    let text = if Url::parse(href).is_ok() { href.to_owned() } else { url.to_string() };
    let text = Link::new(&text, 0, 1, None).ok()?.destination;
    (!minter.is_tracking_url(&url)).then_some(text)
}

/// Whether a destination is not known yet. In doubt it isn't: an untracked link still leads where it should, and a
/// sealed placeholder leads nowhere. A plain URL holds neither braces nor a `%` before anything but two hex digits.
fn holds_placeholder(href: &str) -> bool {
    let braces = href.find('{').is_some_and(|at| href[at..].contains('}'));
    let named = href.match_indices('%').any(|(at, _)| {
        let rest = &href[at + 1..];
        let escape = rest.len() >= 2 && rest.bytes().take(2).all(|b| b.is_ascii_hexdigit());
        let name = rest.find('%').map(|end| &rest[..end]).unwrap_or_default();
        !escape && !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    });
    braces || named || PLACEHOLDERS.iter().any(|mark| href.contains(mark))
}

fn splice(html: &str, mut edits: Vec<(Range<usize>, String)>) -> String {
    // In the order of the text; stable, so that what starts at one place keeps its order.
    edits.sort_by_key(|(range, _)| range.start);
    let added: usize = edits.iter().map(|(_, text)| text.len()).sum();
    let mut out = String::with_capacity(html.len() + added);
    let mut from = 0;
    for (range, text) in edits {
        out.push_str(&html[from..range.start]);
        out.push_str(&text);
        from = range.end;
    }
    out.push_str(&html[from..]);
    out
}

fn pixel_tag(url: &str) -> String {
    // Not hidden: some clients don't load what can't be seen.
    format!(
        r#"<img src="{}" width="1" height="1" alt="" style="display:block;width:1px;height:1px;border:0">"#,
        escape(url)
    )
}

/// The link that no reader can see, hear or reach, for a program that follows all there are.
///
/// Mail clients take away attributes and styles as they like, so each thing that hides it stands by itself: the box is not
/// rendered (`hidden`, `display:none`), has no height, and is not announced (`aria-hidden`); the link is out of the order of
/// the Tab key (`tabindex`) and has no text, so that nothing shows where styles are ignored. Outlook, which renders as Word
/// does, skips what stands between the conditional comments, and `mso-hide` is its own word for not rendered.
#[must_use]
pub fn trap_tag(url: &str) -> String {
    let hidden = "display:none;max-height:0;overflow:hidden;font-size:0;line-height:0;mso-hide:all";
    format!(
        r#"<!--[if !mso]><!--><div hidden aria-hidden="true" style="{hidden}"><a href="{}" tabindex="-1" aria-hidden="true" style="{hidden}"></a></div><!--<![endif]-->"#,
        escape(url)
    )
}

fn unescape(value: &str) -> String {
    htmlize::unescape_attribute(value).into_owned()
}

/// Safe in a value between either quotes, or none.
fn escape(text: &str) -> String {
    htmlize::escape_all_quotes(text).into_owned()
}

#[cfg(test)]
mod tests;
