//! Golden cases: what goes in, what comes out. Tokens are opened and shown as what they hold.

use super::*;
use crate::mint::Mail;
use engagement::keys::{KeyId, KeyRing, MasterKey};
use engagement::{AccountNumber, Timestamp, token};

const BASE: &str = "https://t.example";
const PIXEL: &str =
    r#"<img src="{open}" width="1" height="1" alt="" style="display:block;width:1px;height:1px;border:0">"#;

fn ring() -> KeyRing {
    KeyRing::new(vec![MasterKey::new(KeyId(1), [9; 32])], KeyId(1)).unwrap()
}

fn run(html: &str, most: usize) -> Result<Instrumented, InstrumentError> {
    run_with(html, Options { most_links: most, trap: false })
}

fn run_with(html: &str, options: Options) -> Result<Instrumented, InstrumentError> {
    let ring = ring();
    let minter = Minter::new(&ring, AccountNumber(1), None, BASE).unwrap();
    let mail = Mail {
        message_id: "m".into(),
        campaign: "c".into(),
        recipient_id: "r".into(),
        recipient_domain: "example.org".into(),
        sent_at: Timestamp::parse("2026-11-21T08:00:00Z").unwrap(),
    };
    instrument(&minter, &minter.mail(&mail).unwrap(), html, options)
}

/// The tracked HTML, each tracking URL as `{open}` or `{index/count label destination}`, the pixel's tag as `{pixel}`.
fn shown(html: &str) -> String {
    let mut rest = run(html, 100).unwrap().html;
    let mut out = String::new();
    while let Some(at) = rest.find(&format!("{BASE}/")) {
        out.push_str(&rest[..at]);
        let tail = rest.split_off(at + BASE.len() + 3);
        let (parsed, _) = token::parse(&tail);
        let end =
            tail.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).unwrap_or(tail.len());
        match parsed.ok().and_then(|parsed| token::open_with_ring(&ring(), "t.example", &parsed).ok()) {
            Some(content) => match content.link {
                None => out.push_str("{open}"),
                Some(link) => out.push_str(&format!(
                    "{{{}/{} {} {}}}",
                    link.index,
                    link.count,
                    link.label.as_deref().unwrap_or("-"),
                    link.destination
                )),
            },
            None => out.push_str(&tail[..end]),
        }
        rest = tail[end..].to_owned();
    }
    out.push_str(&rest);
    out.replace(PIXEL, "{pixel}")
}

#[test]
fn links_and_pixel_are_put_in_and_the_rest_stays() {
    for (html, expected) in [
        // The pixel before </body>, or at the end.
        ("<html><body>Hi</body></html>", "<html><body>Hi{pixel}</body></html>"),
        ("<html><BODY>Hi</BODY ></html>\r\n", "<html><BODY>Hi{pixel}</BODY ></html>\r\n"),
        ("Hi", "Hi{pixel}"),
        ("", "{pixel}"),
        ("<body>a</body><body>b</body>", "<body>a</body><body>b{pixel}</body>"),
        ("<body>a<!-- </body> -->b</body>", "<body>a<!-- </body> -->b{pixel}</body>"),
        ("<body>open", "<body>open{pixel}"),
        // Every way to write an attribute keeps its own.
        (r#"<a href="https://a.example">x</a>"#, r#"<a href="{0/1 - https://a.example}">x</a>{pixel}"#),
        ("<A  HREF = 'http://a.example/'\n>x</A>", "<A  HREF = '{0/1 - http://a.example/}'\n>x</A>{pixel}"),
        ("<a href=https://a.example/b>x</a>", "<a href={0/1 - https://a.example/b}>x</a>{pixel}"),
        (
            r#"<map><area class=q href="https://a.example" data-x='"'></map>"#,
            r#"<map><area class=q href="{0/1 - https://a.example}" data-x='"'></map>{pixel}"#,
        ),
        // The first of two attributes is the one that browsers take.
        (
            r#"<a href="https://a.example" href="https://b.example">"#,
            r#"<a href="{0/1 - https://a.example}" href="https://b.example">{pixel}"#,
        ),
        // Entities are read as browsers read them in attributes.
        (
            r#"<a href="https://a.example/?a=1&amp;b=2&copy=3&#x26;d">"#,
            r#"<a href="{0/1 - https://a.example/?a=1&b=2&copy=3&d}">{pixel}"#,
        ),
        // The text of an absolute link is kept, but for what no URL may hold.
        ("<a href=' HTTPS://A.example/ü b '>", "<a href='{0/1 - https://a.example/%C3%BC%20b}'>{pixel}"),
        // Index and count are of tracked links only.
        (
            r#"<a href="https://a.example">1</a><a href="mailto:a@b.example">2</a><a href="https://c.example">3</a>"#,
            r#"<a href="{0/2 - https://a.example}">1</a><a href="mailto:a@b.example">2</a><a href="{1/2 - https://c.example}">3</a>{pixel}"#,
        ),
        // Labels.
        (
            r#"<a data-label="book" href="https://a.example"><a href="https://b.example" data-label=x data-trueopen-label=" caf&eacute; ">"#,
            r#"<a data-label="book" href="{0/2 book https://a.example}"><a href="{1/2 café https://b.example}" data-label=x data-trueopen-label=" caf&eacute; ">{pixel}"#,
        ),
        // The first base is in force, wherever it stands.
        (
            r#"<a href="x?y"><base href="https://b.example/p/"><base href="https://c.example/"><a href="//d.example/">"#,
            r#"<a href="{0/2 - https://b.example/p/x?y}"><base href="https://b.example/p/"><base href="https://c.example/"><a href="{1/2 - https://d.example/}">{pixel}"#,
        ),
        // Text that only looks like a tag.
        (
            r#"<style>a{b:"<a href='https://x.example'>"}</style><!--[if mso]><a href="https://y.example"><![endif]-->"#,
            r#"<style>a{b:"<a href='https://x.example'>"}</style><!--[if mso]><a href="https://y.example"><![endif]-->{pixel}"#,
        ),
        // Broken HTML.
        (r#"<td><a href="https://a.example"</td>"#, r#"<td><a href="{0/1 - https://a.example}"</td>{pixel}"#),
    ] {
        assert_eq!(shown(html), expected, "{html}");
    }
}

#[test]
fn what_is_no_link_of_ours_is_left_alone() {
    for href in [
        "mailto:jane@example.org",
        "tel:+491234",
        "sms:+49",
        "#top",
        "",
        "cid:logo",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://files.example",
        "/relative",
        "relative.html",
        "//no.base.example",
        "https:missing.example",
        "https://",
        "https://a.example/{{token}}",
        "{{ unsubscribe_url }}",
        "{% url %}",
        "https://a.example/{id}",
        "https://a.example/?id=${id}",
        "*|UNSUB|*",
        "[[link]]",
        "%%link%%",
        "https://a.example/?id=%recipient.id%",
        "https://a.example/<%= id %>",
    ] {
        let html = format!(r#"<p><a href="{href}">x</a></p>"#);
        assert_eq!(shown(&html), format!("{html}{{pixel}}"));
        assert_eq!(run(&html, 100).unwrap().left_alone, 1, "{href}");
    }
    let off = r#"<a data-trueopen="OFF" href="https://a.example">"#;
    assert_eq!(shown(off), format!("{off}{{pixel}}"));
    let percent = r#"<a href="https://a.example/?a=%20%41&b=50%">"#;
    assert!(shown(percent).contains("0/1"), "escapes are no placeholders");
}

#[test]
fn instrumenting_again_adds_a_pixel_and_no_second_redirect() {
    let once = run(r#"<body><a href="https://a.example">x</a></body>"#, 100).unwrap();
    let twice = run(&once.html, 100).unwrap();
    assert_eq!((twice.links.len(), twice.left_alone), (0, 1));
    assert!(twice.html.contains(&once.links[0].tracked_url));
}

#[test]
fn the_trap_is_put_in_where_nobody_can_reach_it() {
    let html = r#"<body>Hi <a href="https://a.example">x</a></BODY></html>"#;
    let plain = run(html, 9).unwrap();
    assert_eq!(plain.trap_url, None);
    assert!(!plain.html.contains("mso"), "only who asks for a trap gets one");

    let trapped = run_with(html, Options { most_links: 1, trap: true }).unwrap();
    let url = trapped.trap_url.clone().unwrap();
    let (parsed, _) = token::parse(url.strip_prefix(BASE).unwrap().strip_prefix("/c/").unwrap());
    let content = token::open_with_ring(&ring(), "t.example", &parsed.unwrap()).unwrap();
    assert_eq!((content.kind, content.message_id.as_str()), (engagement::Kind::Trap, "m"));
    assert_eq!(trapped.links.len(), 1, "it is none of the mail's links, and needs no room among them");

    // It stands between comments that Outlook obeys and others don't see, and everything else is as without it.
    let (before, rest) = trapped.html.split_once("<!--[if !mso]><!-->").unwrap();
    let (tag, after) = rest.split_once("<!--<![endif]-->").unwrap();
    assert!(
        before.ends_with("border:0\">") && after == "</BODY></html>",
        "behind the pixel: {}",
        trapped.html
    );
    assert!(tag.starts_with("<div hidden aria-hidden=\"true\" style=\"display:none;"), "{tag}");
    let link = &tag[tag.find("<a ").unwrap()..];
    assert!(link.starts_with(&format!("<a href=\"{url}\" tabindex=\"-1\" aria-hidden=\"true\"")), "{tag}");
    assert!(link.ends_with("></a></div>"), "no text that would show where styles are ignored: {tag}");
    assert_eq!(tag.matches("mso-hide:all").count(), 2, "{tag}");

    // Instrumented again, it is no link to track.
    let again = run_with(&trapped.html, Options { most_links: 9, trap: false }).unwrap();
    assert_eq!((again.links.len(), again.left_alone), (0, 2));
}

#[test]
fn the_links_are_listed_as_they_are_in_the_mail() {
    let done =
        run(r#"<a href="https://a.example" data-label="l"></a><a href="HTTP://b.example/x">"#, 100).unwrap();
    let listed: Vec<_> =
        done.links.iter().map(|link| (link.index, link.url.as_str(), link.label.as_deref())).collect();
    assert_eq!(listed, [(0, "https://a.example", Some("l")), (1, "http://b.example/x", None)]);
    assert!(done.links.iter().all(|link| done.html.contains(&link.tracked_url)));
    assert!(done.html.contains(&done.pixel_url));
}

#[test]
fn a_base_url_cannot_break_out_of_an_attribute() {
    let ring = ring();
    let minter = Minter::new(&ring, AccountNumber(1), None, "https://t.example/a&b'c").unwrap();
    let mail = Mail {
        message_id: "m".into(),
        campaign: String::new(),
        recipient_id: String::new(),
        recipient_domain: String::new(),
        sent_at: Timestamp::parse("2026-11-21T08:00:00Z").unwrap(),
    };
    let html = "<a href='https://a.example'>";
    let done = instrument(&minter, &minter.mail(&mail).unwrap(), html, Options { most_links: 9, trap: true })
        .unwrap()
        .html;
    assert!(done.starts_with("<a href='https://t.example/a&amp;b&apos;c/c/"), "{done}");
    assert!(!done.contains("a&b'c"), "nor out of the pixel or the trap: {done}");
}

#[test]
fn bounds_are_named() {
    let two = r#"<a href="https://a.example"><a href="https://b.example">"#;
    assert!(run(two, 2).is_ok());
    assert!(run(two, 1).unwrap_err().to_string().contains("2 links, 1 at most"));
    let label = format!(r#"<a href="https://a.example" data-label="{}">"#, "x".repeat(65));
    assert!(run(&label, 9).unwrap_err().to_string().contains("label of link 0 has 65 bytes"));
    let deep = "<div>".repeat(50_000) + two;
    assert_eq!(run(&deep, 9).unwrap().links.len(), 2);
}
