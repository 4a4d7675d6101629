use super::*;
use crate::hit::Kind;
use crate::keys::{KeyId, MasterKey};
use crate::time::Timestamp;
use proptest::prelude::*;

const HOST: &str = "t.example.com";

fn ring() -> KeyRing {
    KeyRing::new(vec![MasterKey::new(KeyId(0), [7; 32]), MasterKey::new(KeyId(1), [9; 32])], KeyId(1))
        .unwrap()
}

fn click(message_id: &str, destination: &str) -> Content {
    Content {
        kind: Kind::Click,
        message_id: message_id.to_owned(),
        recipient_id: "r".repeat(16),
        campaign: "c".repeat(16),
        recipient_domain: "d".repeat(24) + ".org",
        sent_at: Timestamp::parse("2026-11-21T09:30:05Z").unwrap(),
        link: Some(Link::new(destination, 2, 5, None).unwrap()),
    }
}

fn pixel(message_id: &str) -> Content {
    Content { kind: Kind::Open, link: None, ..click(message_id, "https://example.com/") }
}

fn nonce() -> Nonce {
    Nonce::from_random([3; 12])
}

fn open_text(text: &str, host: &str) -> Result<Content, OpenError> {
    let (parsed, trail) = parse(text);
    assert_eq!(trail, "");
    open_with_ring(&ring(), host, &parsed?)
}

#[test]
fn sizes_leave_room_for_the_host_within_a_line_of_a_mail() {
    let pixel = mint(&ring(), AccountNumber(1), Some(HOST), &pixel(&"m".repeat(16)), nonce()).unwrap();
    let destination = format!("https://example.com/{}", "x".repeat(40));
    assert_eq!(destination.len(), 60);
    let click =
        mint(&ring(), AccountNumber(1), Some(HOST), &click(&"m".repeat(16), &destination), nonce()).unwrap();
    // With a base of 25 characters such as `https://t.example.com/o/` the whole URL keeps to 180 and 260.
    assert!(pixel.len() <= 155, "{}", pixel.len());
    assert!(click.len() <= 235, "{}", click.len());
}

#[test]
fn a_uuid_takes_sixteen_bytes_and_comes_back_as_it_was() {
    let lower = "0190a3d2-7a4b-7c3e-9f10-2233445566aa";
    let text = mint(&ring(), AccountNumber(1), None, &pixel(lower), nonce()).unwrap();
    assert_eq!(open_text(&text, HOST).unwrap().message_id, lower);
    let short = mint(&ring(), AccountNumber(1), None, &pixel(&"m".repeat(16)), nonce()).unwrap();
    assert_eq!(text.len(), short.len());
    let upper = lower.to_uppercase();
    let text = mint(&ring(), AccountNumber(1), None, &pixel(&upper), nonce()).unwrap();
    assert_eq!(open_text(&text, HOST).unwrap().message_id, upper);
}

#[test]
fn what_trails_is_cut_and_handed_back() {
    let text = mint(&ring(), AccountNumber(1), None, &pixel("m"), nonce()).unwrap();
    for (suffix, trail) in
        [("", ""), (".gif", ""), ("%27", "%27"), (".gif%27", "%27"), (">", ">"), ("=", "=")]
    {
        let segment = format!("{text}{suffix}");
        let (parsed, rest) = parse(&segment);
        assert_eq!(rest, trail);
        assert!(open_with_ring(&ring(), HOST, &parsed.unwrap()).is_ok());
    }
}

#[test]
fn retired_keys_still_open_and_missing_ones_do_not() {
    let retired = KeyRing::new(vec![MasterKey::new(KeyId(0), [7; 32])], KeyId(0)).unwrap();
    let text = mint(&retired, AccountNumber(1), None, &pixel("m"), nonce()).unwrap();
    assert!(open_text(&text, HOST).is_ok());
    let foreign = KeyRing::new(vec![MasterKey::new(KeyId(9), [1; 32])], KeyId(9)).unwrap();
    let text = mint(&foreign, AccountNumber(1), None, &pixel("m"), nonce()).unwrap();
    assert_eq!(open_text(&text, HOST), Err(OpenError::UnknownKey(9)));
    let wrong = KeyRing::new(vec![MasterKey::new(KeyId(1), [1; 32])], KeyId(1)).unwrap();
    let text = mint(&wrong, AccountNumber(1), None, &pixel("m"), nonce()).unwrap();
    assert_eq!(open_text(&text, HOST), Err(OpenError::Seal));
}

#[test]
fn a_bound_token_opens_on_its_host_alone_in_any_case() {
    let text = mint(&ring(), AccountNumber(1), Some(HOST), &pixel("m"), nonce()).unwrap();
    assert!(open_text(&text, "T.Example.COM").is_ok());
    for host in ["", "example.com", "x.example.com", "t.example.com.evil.org"] {
        assert_eq!(open_text(&text, host), Err(OpenError::Seal), "{host}");
    }
}

#[test]
fn only_http_destinations_make_a_link() {
    for bad in [
        "javascript:alert(1)",
        "ftp://example.com/",
        "//example.com/",
        "example.com",
        "mailto:a@b.c",
        "data:text/html,x",
        "https:/example.com",
        "https://",
        "",
        "http:\\\\example.com",
    ] {
        assert_eq!(Link::new(bad, 0, 1, None), Err(ContentError::Destination), "{bad}");
    }
    for (given, kept) in [
        ("HTTPS://Example.com/A?b=c#d", "https://Example.com/A?b=c#d"),
        ("  http://example.com ", "http://example.com"),
        ("https://exämple.com/ä b", "https://xn--exmple-cua.com/%C3%A4%20b"),
    ] {
        assert_eq!(Link::new(given, 0, 1, None).unwrap().destination, kept);
    }
    assert!(
        matches!(Link::new("https://x.y/\r\nSet-Cookie:a", 0, 1, None), Ok(link) if !link.destination.contains('\n'))
    );
}

#[test]
fn addresses_and_overlong_parts_are_refused_by_name() {
    let with = |change: fn(&mut Content)| {
        let mut content = pixel("m");
        change(&mut content);
        mint(&ring(), AccountNumber(1), None, &content, nonce()).unwrap_err().to_string()
    };
    assert!(with(|c| c.recipient_id = "jane@example.org".into()).contains("recipient_id"));
    assert!(with(|c| c.campaign = "c".repeat(65)).contains("campaign has 65 bytes, 64 at most"));
    assert!(with(|c| c.message_id.clear()).contains("message_id"));
    assert!(with(|c| c.recipient_domain = "a b".into()).contains("recipient_domain"));
}

/// The format stands still: these vectors were written once and every later version must open them.
#[test]
fn golden_vectors_open() {
    #[derive(serde::Deserialize)]
    struct Vector {
        token: String,
        key_id: u8,
        master_hex: String,
        account: u32,
        host: Option<String>,
        nonce_hex: String,
        kind: Kind,
        message_id: String,
        recipient_id: String,
        campaign: String,
        recipient_domain: String,
        sent_at: Timestamp,
        destination: Option<String>,
        link_index: Option<u16>,
        link_count: Option<u16>,
        label: Option<String>,
    }
    let unhex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    };
    let vectors: Vec<Vector> =
        serde_json::from_str(include_str!("../../../../schema/token-vectors.json")).unwrap();
    assert!(vectors.len() >= 4);
    for vector in vectors {
        let id = KeyId(vector.key_id);
        let master = MasterKey::new(id, unhex(&vector.master_hex).try_into().unwrap());
        let ring = KeyRing::new(vec![master], id).unwrap();
        let content = Content {
            kind: vector.kind,
            message_id: vector.message_id,
            recipient_id: vector.recipient_id,
            campaign: vector.campaign,
            recipient_domain: vector.recipient_domain,
            sent_at: vector.sent_at,
            link: vector.destination.map(|destination| {
                Link::new(
                    &destination,
                    vector.link_index.unwrap(),
                    vector.link_count.unwrap(),
                    vector.label.clone(),
                )
                .unwrap()
            }),
        };
        let nonce = Nonce::from_random(unhex(&vector.nonce_hex).try_into().unwrap());
        let host = vector.host.as_deref();
        let minted = mint(&ring, AccountNumber(vector.account), host, &content, nonce).unwrap();
        assert_eq!(minted, vector.token);
        let (parsed, _) = parse(&vector.token);
        assert_eq!(open_with_ring(&ring, host.unwrap_or("any.example"), &parsed.unwrap()), Ok(content));
    }
}

fn any_content() -> impl Strategy<Value = Content> {
    let text = |most: usize| {
        prop::collection::vec(prop::char::range(' ', 'ÿ'), 0..most / 2).prop_map(String::from_iter)
    };
    let id = move || text(ID_BYTES).prop_map(|s| s.replace('@', "a"));
    let link =
        ("[a-z0-9./?=&%-]{1,200}", 0..300_u16, 1..300_u16, prop::option::of(text(ID_BYTES)), any::<bool>())
            .prop_map(|(rest, index, more, label, https)| Link {
                destination: format!("http{}://{rest}", if https { "s" } else { "" }),
                index,
                count: index + more,
                label,
            });
    let head = (id(), id(), id(), "[a-z0-9.-]{0,60}", 946_684_800..4_102_444_799_i64);
    (head, prop::option::of(link), 0..3_usize).prop_map(
        |((message, recipient_id, campaign, domain, second), link, kind)| Content {
            kind: if link.is_some() {
                Kind::Click
            } else {
                [Kind::Open, Kind::Unsubscribe, Kind::Trap][kind]
            },
            message_id: format!("m{}", &message),
            recipient_id,
            campaign,
            recipient_domain: domain,
            sent_at: Timestamp::from_millis(second * 1000).unwrap(),
            link,
        },
    )
}

proptest! {
    #[test]
    fn what_was_sealed_opens_the_same(content in any_content(), account: u32, nonce: [u8; 12], bound: bool) {
        let host = bound.then_some(HOST);
        let text = mint(&ring(), AccountNumber(account), host, &content, Nonce::from_random(nonce)).unwrap();
        prop_assert_eq!(open_text(&text, HOST), Ok(content));
    }

    #[test]
    fn any_character_changed_is_refused(content in any_content(), at: prop::sample::Index, to in "[A-Za-z0-9_-]") {
        let text = mint(&ring(), AccountNumber(300), None, &content, nonce()).unwrap();
        let at = at.index(text.len());
        prop_assume!(text[at..=at] != to);
        let changed = format!("{}{to}{}", &text[..at], &text[at + 1..]);
        prop_assert!(open_text(&changed, HOST).is_err());
    }

    #[test]
    fn anything_cut_or_added_is_refused(content in any_content(), at: prop::sample::Index, added in "[A-Za-z0-9_-]{1,9}") {
        let text = mint(&ring(), AccountNumber(300), None, &content, nonce()).unwrap();
        prop_assert!(open_text(&text[..at.index(text.len())], HOST).is_err());
        prop_assert!(open_text(&text[at.index(text.len() - 1) + 1..], HOST).is_err());
        let at = at.index(text.len() + 1);
        let longer = format!("{}{added}{}", &text[..at], &text[at..]);
        prop_assert!(open_text(&longer, HOST).is_err());
    }

    #[test]
    fn no_token_opens_as_another_accounts(content in any_content(), account in 0..100_u32, other in 0..100_u32) {
        prop_assume!(account != other);
        let text = mint(&ring(), AccountNumber(account), None, &content, nonce()).unwrap();
        let (parsed, _) = parse(&text);
        let mut parsed = parsed.unwrap();
        // Even with the prefix rewritten to name the other account.
        parsed.prefix.account = AccountNumber(other);
        prop_assert_eq!(open_with_ring(&ring(), HOST, &parsed), Err(OpenError::Seal));
    }

    #[test]
    fn no_bound_token_opens_elsewhere(content in any_content(), host in "[a-z.]{0,20}", unbind: bool) {
        prop_assume!(host != HOST);
        let text = mint(&ring(), AccountNumber(1), Some(HOST), &content, nonce()).unwrap();
        let (parsed, _) = parse(&text);
        let mut parsed = parsed.unwrap();
        parsed.prefix.host_bound = !unbind;
        prop_assert_eq!(open_with_ring(&ring(), &host, &parsed), Err(OpenError::Seal));
    }

    #[test]
    fn junk_never_panics(junk in "\\PC{0,300}") {
        let (parsed, _) = parse(&junk);
        if let Ok(parsed) = parsed {
            prop_assert!(open_with_ring(&ring(), HOST, &parsed).is_err());
        }
    }
}
