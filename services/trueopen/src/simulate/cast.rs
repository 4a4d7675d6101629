//! Who takes part: mailbox providers, recipient domains, and the programs that fetch pixels and links. Data, and nothing
//! that decides. Agents and networks are those of the signatures in `services/classifier/signatures`, which name their
//! sources; business domains are under `.example` (RFC 2606), so nobody's.

/// Who takes a domain's mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Provider {
    Gmail,
    GoogleWorkspace,
    Microsoft365,
    OutlookCom,
    Icloud,
    Yahoo,
    /// A gateway in front of a business' mailboxes.
    Barracuda,
    OwnServer,
}

/// Each provider's share in a thousand recipients: consumers first, as newsletters have them.
pub(super) const SHARES: [(Provider, u64); 8] = [
    (Provider::Gmail, 330),
    (Provider::OutlookCom, 110),
    (Provider::Icloud, 90),
    (Provider::Yahoo, 80),
    (Provider::Microsoft365, 190),
    (Provider::GoogleWorkspace, 80),
    (Provider::Barracuda, 70),
    (Provider::OwnServer, 50),
];

const FIRST: [&str; 20] = [
    "alder", "birch", "cedar", "delta", "ember", "fjord", "granite", "harbor", "iris", "juniper", "kestrel",
    "linden", "maple", "north", "ocean", "poplar", "quartz", "river", "summit", "tundra",
];
const SECOND: [&str; 15] = [
    "works", "clinic", "labs", "bank", "school", "foods", "energy", "press", "legal", "travel", "care",
    "tools", "media", "motors", "garden",
];

/// A recipient's domain and the host that takes its mail; `pick` is any number.
pub(super) fn domain(provider: Provider, pick: u64) -> (String, String) {
    let of = |names: &[&str]| names[usize::try_from(pick).unwrap_or(0) % names.len()].to_owned();
    let business = || {
        // 300 names, each always at the same provider: the provider is the name's first part.
        let count = FIRST.len() as u64 * SECOND.len() as u64;
        let place = match provider {
            Provider::Microsoft365 => pick % 150,
            Provider::GoogleWorkspace => 150 + pick % 60,
            Provider::Barracuda => 210 + pick % 50,
            _ => 260 + pick % 40,
        } % count;
        let place = usize::try_from(place).unwrap_or(0);
        format!("{}-{}", FIRST[place % FIRST.len()], SECOND[place / FIRST.len()])
    };
    match provider {
        Provider::Gmail => ("gmail.com".to_owned(), "gmail-smtp-in.l.google.com".to_owned()),
        Provider::OutlookCom => {
            let domain = of(&["outlook.com", "hotmail.com", "live.com"]);
            let host = format!("{}.olc.protection.outlook.com", domain.replace('.', "-"));
            (domain, host)
        }
        Provider::Icloud => (of(&["icloud.com", "me.com"]), "mx01.mail.icloud.com".to_owned()),
        Provider::Yahoo => (of(&["yahoo.com", "ymail.com", "aol.com"]), "mta5.am0.yahoodns.net".to_owned()),
        Provider::Microsoft365 => {
            let name = business();
            (format!("{name}.example"), format!("{name}-example.mail.protection.outlook.com"))
        }
        Provider::GoogleWorkspace => (format!("{}.example", business()), "aspmx.l.google.com".to_owned()),
        Provider::Barracuda => {
            (format!("{}.example", business()), "d300001a.ess.barracudanetworks.com".to_owned())
        }
        Provider::OwnServer => {
            let domain = format!("{}.example", business());
            let host = format!("mail.{domain}");
            (domain, host)
        }
    }
}

/// A program that fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Visitor {
    /// What the closing table calls it.
    pub(super) name: &'static str,
    pub(super) agent: &'static str,
    /// The first three parts of its addresses.
    pub(super) network: &'static str,
    /// Whether it comes by itself, soon after delivery, and not when a person reads.
    pub(super) by_itself: bool,
}

pub(super) const APPLE: Visitor =
    Visitor { name: "Apple's prefetch", agent: "Mozilla/5.0", network: "172.224.226", by_itself: true };
pub(super) const GOOGLE_PROXY: Visitor = Visitor {
    name: "readers by Gmail's image proxy",
    agent: "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    network: "66.249.84",
    by_itself: false,
};
pub(super) const GOOGLE_PREFETCH: Visitor = Visitor {
    name: "Gmail's prefetch",
    agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 \
            Safari/537.36 Edge/12.246 Mozilla/5.0",
    network: "66.249.92",
    by_itself: true,
};
pub(super) const YAHOO: Visitor = Visitor {
    name: "Yahoo's image proxy",
    agent: "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
    network: "203.0.113",
    by_itself: false,
};
pub(super) const BARRACUDA: Visitor = Visitor {
    name: "Barracuda's scanner",
    agent: "Barracuda Sentinel (EE)",
    network: "209.222.82",
    by_itself: true,
};
pub(super) const MICROSOFT: Visitor = Visitor {
    name: "Microsoft's scanner",
    agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 \
            Safari/537.36 Edg/130.0.0.0",
    network: "40.94.20",
    by_itself: true,
};
pub(super) const LIBRARY: Visitor =
    Visitor { name: "a script", agent: "python-requests/2.32.3", network: "198.51.100", by_itself: true };

/// People by what they read with, each with its share in a hundred.
pub(super) const READERS: [(Visitor, u64); 5] = [
    (
        Visitor {
            name: "readers with Chrome",
            agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 \
                    Safari/537.36",
            network: "203.0.113",
            by_itself: false,
        },
        40,
    ),
    (IPHONE, 20),
    (
        Visitor {
            name: "readers with Outlook",
            agent: "Mozilla/4.0 (compatible; ms-office; MSOffice 16)",
            network: "192.0.2",
            by_itself: false,
        },
        20,
    ),
    (
        Visitor {
            name: "readers with Thunderbird",
            agent: "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.4.0",
            network: "192.0.2",
            by_itself: false,
        },
        8,
    ),
    (
        Visitor {
            name: "readers with Firefox",
            agent: "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
            network: "203.0.113",
            by_itself: false,
        },
        12,
    ),
];
/// A reader on a telephone: the browser that follows links out of Apple's Mail.
pub(super) const IPHONE: Visitor = Visitor {
    name: "readers with an iPhone",
    agent: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
            Version/18.1 Mobile/15E148 Safari/604.1",
    network: "198.51.100",
    by_itself: false,
};

/// The mail's links: where they lead and what reports call them.
pub(super) const LINKS: [(&str, &str); 4] = [
    ("https://shop.example/autumn", "offer"),
    ("https://shop.example/pricing", "pricing"),
    ("https://shop.example/security", "security"),
    ("https://shop.example/about", "about"),
];
