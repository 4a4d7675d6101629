//! Rules over vendors' agents and networks: each with a hit, a near miss and its known false positive.

use crate::support::{BARRACUDA, CHROME, GMAIL_PREFETCH, GMAIL_PROXY, SAFARI, click, open};

const BARE: &str = "Mozilla/5.0";

#[test]
fn apple_mpp() {
    let plain = open(BARE).judged().automated("apple_mpp").by("apple_mpp").client("Apple Mail");
    let relay = open(BARE).asn(36183).judged().automated("apple_mpp");
    let elsewhere = open(BARE).asn(3320).judged().automated("apple_mpp");
    assert!(relay.confidence() > plain.confidence() && plain.confidence() > elsewhere.confidence());
    open(BARE).header("referer", "").judged().automated("apple_mpp");
    // Near misses: a click, a Referer, Apple's own network, anything behind or before the bare string.
    click(BARE).judged().unknown("unknown").by("bare_agent").silent("apple_mpp");
    open(BARE).header("referer", "https://mail.example/").judged().unknown("unknown").by("bare_agent");
    open(BARE).ip("17.58.1.2").judged().unknown("unknown").by("bare_agent");
    for agent in ["Mozilla/5.0 ", " Mozilla/5.0", "mozilla/5.0", "Mozilla/5.01", "Mozilla/5.0 (X11)"] {
        open(agent).judged().silent("apple_mpp").silent("bare_agent");
    }
    // Known false positive: a script under the same bare agent, which only its network makes less likely.
    assert!(open(BARE).asn(16276).judged().confidence() <= 0.6);
    // A person who browses through the same relay is none of this.
    click(SAFARI).asn(36183).judged().human("safari").silent("apple_mpp");
}

#[test]
fn bare_agent() {
    click(BARE).judged().unknown("unknown").by("bare_agent");
    // Near miss: where Apple's prefetch can be it, it is not this rule's.
    open(BARE).judged().automated("apple_mpp").silent("bare_agent");
    click("Mozilla/5.0 (compatible)").judged().silent("bare_agent");
    // What else it shows decides.
    click(BARE).ip("40.107.3.3").judged().automated("microsoft_safelinks").fired("bare_agent");
}

#[test]
fn google_proxy() {
    let plain = open(GMAIL_PROXY).judged().human("google_proxy").by("google_proxy").client("Gmail");
    let google = open(GMAIL_PROXY).ip("66.249.84.12").judged().human("google_proxy");
    let prefetch = open(GMAIL_PROXY).ip("66.249.89.12").judged().human("google_proxy");
    assert!(google.confidence() > plain.confidence() && plain.confidence() > prefetch.confidence());
    prefetch.silent("google_prefetch");
    let older = "Mozilla/5.0 (Windows; U; Windows NT 5.1; de; rv:1.9.0.7) Gecko/2009021910 Firefox/3.0.7 (via ggpht.com GoogleImageProxy)";
    open(older).judged().human("google_proxy");
    // Near misses: the same browser without the proxy's name, and the name with something behind it.
    open("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0").judged().silent("google_proxy");
    open(&format!("{GMAIL_PROXY} x")).judged().silent("google_proxy").fired("old_agent");
    // Known false positive: a borrowed agent. A HEAD or a scanner's network gives it away.
    open(GMAIL_PROXY)
        .ip("209.222.82.9")
        .judged()
        .automated("barracuda")
        .fired("gateway_network")
        .fired("google_proxy");
    open(GMAIL_PROXY).method("HEAD").judged().automated("head_request");
}

#[test]
fn google_prefetch() {
    let agent =
        open(GMAIL_PREFETCH).judged().automated("google_prefetch").by("google_prefetch").client("Gmail");
    let both = open(GMAIL_PREFETCH).ip("74.125.150.3").judged().automated("google_prefetch");
    let referer = open(GMAIL_PREFETCH).header("referer", "http://mail.google.com/").judged();
    let network = open(CHROME).ip("74.125.150.3").judged().automated("google_prefetch").fired("browser");
    assert!(both.confidence() > referer.confidence() && referer.confidence() > agent.confidence());
    assert!(agent.confidence() > network.confidence());
    // Near misses: a neighbouring range, a link, and the same Edge without the second Mozilla.
    open(CHROME).ip("74.125.152.3").judged().human("chrome").silent("google_prefetch");
    click(GMAIL_PREFETCH).judged().silent("google_prefetch");
    open(GMAIL_PREFETCH.trim_end_matches(" Mozilla/5.0"))
        .judged()
        .silent("google_prefetch")
        .fired("old_agent");
    // Known false positive: the image proxy from the prefetch's network is left to its own rule.
    open(GMAIL_PROXY).ip("74.125.150.3").judged().human("google_proxy").silent("google_prefetch");
}

#[test]
fn microsoft_network() {
    for ip in ["40.92.1.1", "40.107.255.255", "52.100.0.1", "104.47.127.1", "40.94.7.7", "2a01:111:f400::5"] {
        let judged = click(CHROME).ip(ip).judged().automated("microsoft_safelinks").by("microsoft_network");
        assert!(judged.confidence() > 0.95, "{ip}");
        // On the pixel the same address proves nothing, and takes the agent's word away.
        open(CHROME).ip(ip).judged().unknown("unknown").by("undecided").fired("microsoft_network");
    }
    // An IPv4 address as a socket for both families shows it.
    click(CHROME).ip("::ffff:40.107.1.1").judged().automated("microsoft_safelinks");
    // The mailboxes' ranges: probable on a link, nothing on the pixel.
    let mailboxes = click(CHROME).ip("40.99.4.4").judged().automated("microsoft_safelinks");
    assert!(mailboxes.confidence() < 0.95);
    open(CHROME).ip("52.97.1.1").judged().unknown("unknown").fired("microsoft_network");
    // Near misses: next to the ranges.
    for ip in ["40.91.255.255", "40.106.0.1", "52.104.0.1", "104.47.128.0", "2a01:111:f402::1"] {
        let judged = click(CHROME).ip(ip).judged().silent("microsoft_network");
        assert_ne!(judged.judgement.verdict.actor, engagement::Actor::Automated, "{ip}");
    }
    // Known false positive: a hosted desktop in Microsoft's cloud. Its click is not called automated.
    click(CHROME).asn(8075).judged().unknown("unknown").by("undecided").fired("microsoft_network");
    open(CHROME).asn(8075).judged().human("chrome").silent("microsoft_network");
}

#[test]
fn microsoft_quote() {
    click(CHROME).trailing("%27").judged().unknown("unknown").by("undecided").fired("microsoft_quote");
    click(CHROME).trailing("'").judged().unknown("unknown").fired("microsoft_quote");
    click(CHROME)
        .trailing("%27")
        .ip("40.107.1.1")
        .judged()
        .automated("microsoft_safelinks")
        .fired("microsoft_quote");
    // Near misses: something else behind the token, or the pixel.
    click(CHROME).trailing(")").judged().human("chrome").silent("microsoft_quote");
    click(CHROME).trailing("").judged().human("chrome").silent("microsoft_quote");
    open(CHROME).trailing("%27").judged().human("chrome").silent("microsoft_quote");
    // Known false positive: a program that takes the URL out of a text where it stands in quotes. It is no vendor's.
    click("SomeReader/1.0")
        .trailing("'")
        .judged()
        .unknown("unknown")
        .by("undecided")
        .fired("microsoft_quote");
}

#[test]
fn gateway_agent() {
    click(BARRACUDA).judged().automated("barracuda").by("gateway_agent").client("Barracuda");
    open(BARRACUDA).judged().automated("barracuda");
    // No false positive is known: nobody reads mail in it, whatever network it comes from.
    click(BARRACUDA).asn(22616).judged().automated("barracuda");
    // Near miss: the vendor's name in another program's agent.
    click("Reader of Barracuda Sentinel news").judged().unknown("unknown").silent("gateway_agent");
}

#[test]
fn gateway_network() {
    for ip in ["209.222.82.200", "35.157.190.230", "18.185.115.254", "3.24.133.129"] {
        click(CHROME).ip(ip).judged().automated("barracuda").by("gateway_network").fired("browser");
    }
    click(CHROME).asn(15324).judged().automated("barracuda");
    click(CHROME).asn(7583).judged().automated("symantec");
    // Near misses: next to the ranges, where anybody's machines are.
    click(CHROME).ip("209.222.83.1").judged().human("chrome").silent("gateway_network");
    for ip in ["35.157.191.0", "18.185.115.191", "3.24.133.127"] {
        click(CHROME).ip(ip).judged().unknown("unknown").silent("gateway_network").fired("data_centre");
    }
    // Known false positive: people behind a vendor's browser isolation are not called automated, nor are those behind
    // pure web proxies doubted (Zscaler, AS22616).
    click(CHROME).asn(22843).judged().unknown("unknown").fired("gateway_network");
    click(CHROME).asn(30031).judged().unknown("unknown").fired("gateway_network");
    click(CHROME).asn(22616).judged().human("chrome").silent("gateway_network").fired("web_proxy");
    // What is probable goes before another vendor's evidence on the same address.
    click(CHROME).ip("209.222.82.1").asn(22843).judged().automated("barracuda");
}

#[test]
fn webmail_proxy() {
    open("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html")
        .judged()
        .unknown("yahoo_proxy")
        .by("webmail_proxy")
        .client("Yahoo Mail");
    open("YahooMailProxy; https://senders.yahooinc.com/mail-proxy-servers").judged().unknown("yahoo_proxy");
    open("RamblerMail/6.0 (incompatible; ImageProxy/6.0)").judged().unknown("webmail_proxy");
    open("Mozilla/5.0 SeznamEmailProxy/2.0.174").judged().unknown("webmail_proxy").client("Seznam Email");
    // Known false positive of others: its odd browser part must not make it an impossible agent.
    open("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via secureurl.fwdcdn.com - mail.ukr.net proxy)")
        .judged()
        .unknown("webmail_proxy")
        .silent("impossible_agent");
    // Yahoo's own systems make it surer, others less sure.
    let yahoo = "YahooMailProxy; https://senders.yahooinc.com/mail-proxy-servers";
    let plain = open(yahoo).judged().unknown("yahoo_proxy");
    let elsewhere = open(yahoo).asn(3320).judged().unknown("yahoo_proxy");
    for asn in [10310, 26101, 36646, 36647, 34010, 24506] {
        let own = open(yahoo).asn(asn).judged().unknown("yahoo_proxy").by("webmail_proxy");
        assert!(own.confidence() > plain.confidence() && plain.confidence() > elsewhere.confidence());
        // An image for another agent from there: whether a reader looked, nobody can tell.
        open(CHROME).asn(asn).judged().unknown("unknown").fired("webmail_proxy").fired("browser");
        // Known false positive: Yahoo's staff browse from there; what they follow is theirs.
        click(CHROME).asn(asn).judged().human("chrome").silent("webmail_proxy");
    }
    // Near misses: a neighbouring system, and the name inside another agent.
    open(CHROME).asn(10311).judged().human("chrome").silent("webmail_proxy");
    open("Reader of YahooMailProxy; logs").judged().unknown("unknown").silent("webmail_proxy");
}

#[test]
fn data_centre() {
    // Evidence alone: the agent's word goes, and nothing is decided.
    for ip in ["3.5.140.9", "34.64.32.1"] {
        click(CHROME).ip(ip).judged().unknown("unknown").by("undecided").fired("data_centre");
        open(CHROME).ip(ip).judged().unknown("unknown").fired("data_centre");
    }
    click(SAFARI).asn(24940).judged().unknown("unknown").fired("data_centre");
    // Near misses: an operator of Apple's relay, a reader's provider.
    click(SAFARI).asn(13335).judged().human("safari").silent("data_centre");
    click(SAFARI).asn(54113).ip("3.5.140.9").judged().human("safari").silent("data_centre");
    click(CHROME).asn(3320).judged().human("chrome").silent("data_centre");
    // Proxies that fetch at a reader's word do so from data centres.
    open(GMAIL_PROXY).ip("34.64.32.1").judged().human("google_proxy").silent("data_centre");
    // A vendor that rents there is known by its own ranges.
    click(CHROME).ip("35.157.190.230").judged().automated("barracuda").silent("data_centre");
    // Known false positive: a person behind a company's tunnel or a virtual desktop: never called automated.
    click(CHROME).asn(16509).judged().unknown("unknown");
}

#[test]
fn web_proxy() {
    // People's own clicks through Zscaler and its like stay people's.
    for asn in [22616, 62044, 55256, 44444, 13150] {
        click(CHROME).asn(asn).judged().human("chrome").fired("web_proxy");
    }
    click(CHROME).ip("165.225.72.9").judged().human("chrome").fired("web_proxy").silent("data_centre");
    // Near miss: next to the range.
    click(CHROME).ip("165.225.76.9").judged().silent("web_proxy");
    // Known false positive, the vendor's own scanning: a sign of a machine still counts.
    click(CHROME).asn(22616).method("HEAD").judged().automated("head_request").fired("web_proxy");
    click("python-requests/2.32.3").asn(22616).judged().automated("http_library");
}
