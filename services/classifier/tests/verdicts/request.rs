//! Rules over the request itself: each with a hit, a near miss and its known false positive.

use crate::support::{BARRACUDA, CHROME, GMAIL_PREFETCH, GMAIL_PROXY, SAFARI, click, of, open};
use engagement::Kind;

#[test]
fn head_request() {
    click(CHROME).method("HEAD").judged().automated("head_request").by("head_request").fired("browser");
    click(CHROME).method("head").judged().automated("head_request");
    // Near miss: a GET.
    click(CHROME).judged().human("chrome").silent("head_request");
    // Who it was is worth more than that it was a HEAD.
    click(BARRACUDA).method("HEAD").judged().automated("barracuda").by("gateway_agent").fired("head_request");
    // Known false positive: a program that asks before the reader's own GET; that GET is judged by itself.
    click(SAFARI).method("HEAD").judged().automated("head_request");
    click(SAFARI).judged().human("safari");
    // A proxy that fetches for readers sends no HEAD for one.
    open(GMAIL_PROXY).method("HEAD").judged().automated("head_request").fired("google_proxy");
}

#[test]
fn prefetch_header() {
    for (name, value) in [
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("sec-purpose", "Prefetch;anonymous-client-ip"),
        ("purpose", "prefetch"),
        ("x-purpose", "preview"),
        ("x-moz", " prefetch "),
    ] {
        click(CHROME).header(name, value).judged().automated("browser_prefetch").by("prefetch_header");
    }
    // Near misses: another purpose, an empty one, another header.
    for (name, value) in
        [("sec-purpose", "navigate"), ("purpose", ""), ("x-moz", "pre"), ("priority", "prefetch")]
    {
        click(CHROME).header(name, value).judged().human("chrome").silent("prefetch_header");
    }
    // Known false positive: a prerendered page that was shown makes no request of its own to tell it by.
    open(CHROME).header("sec-purpose", "prefetch;prerender").judged().automated("browser_prefetch");
}

#[test]
fn http_library() {
    for agent in [
        "python-requests/2.32.3",
        "python-httpx/0.28.1",
        "Python/3.12 aiohttp/3.11.2",
        "Java/17.0.2",
        "Apache-HttpClient/4.5.13 (Java/11.0.20)",
        "AHC/2.1",
        "Jetty/9.4.43.v20210629",
        "curl/8.5.0",
        "Go-http-client/2.0",
        "Wget/1.21.4",
    ] {
        click(agent).judged().automated("http_library").by("http_library").client("HTTP library");
    }
    // Near misses: the name elsewhere in the agent, and one that only begins alike.
    click("Javascript Reader/1.0").judged().unknown("unknown").silent("http_library");
    click("Reader (like curl/8)").judged().silent("http_library");
    // Known false positive: a mail app on a library's stack. Those known to be are not called libraries.
    open("okhttp/4.12.0").judged().unknown("generic_client").silent("http_library");
}

#[test]
fn declared_bot() {
    let headless = CHROME.replace("Chrome/", "HeadlessChrome/");
    click(&headless).judged().automated("declared_bot").by("declared_bot").client("Headless Chrome");
    click("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)")
        .judged()
        .automated("declared_bot");
    click("facebookexternalhit/1.1").judged().automated("declared_bot");
    // Ours has no pattern for this one, woothee's does.
    click("msnbot-media").judged().automated("declared_bot").client("msnbot");
    let preview = "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/534+ (KHTML, like Gecko) BingPreview/1.0b";
    open(preview).judged().automated("bing_preview").client("BingPreview").silent("webkit_bare");
    // Google's special crawlers carry no readers, whatever the agent says.
    click(CHROME).ip("66.249.89.7").judged().automated("declared_bot").fired("browser");
    click(CHROME).ip("66.249.88.7").judged().human("chrome");
    // Near misses: "bot" inside a word, and a link in the agent without the plus sign.
    click("Bottle Reader (http://reader.example)").judged().silent("declared_bot");
    // Known false positive: a telephone whose model ends in "bot".
    click("Mozilla/5.0 (Linux; Android 11; CUBOT NOTE 20 Build/RP1A) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36")
        .judged()
        .human("chrome")
        .silent("declared_bot");
}

#[test]
fn impossible_agent() {
    let twice = format!("{CHROME} Mozilla/5.0");
    let trident_on_mac = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15; Trident/7.0; rv:11.0) like Gecko";
    for agent in [&twice, trident_on_mac] {
        click(agent).judged().automated("impossible_agent").by("impossible_agent").fired("browser");
    }
    // Near misses: Internet Explorer 11 on Windows, and on a telephone whose agent names a Mac's parts.
    let explorer = "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko";
    click(explorer).judged().human("other_browser").silent("impossible_agent").silent("old_agent");
    let phone = "Mozilla/5.0 (Mobile; Windows Phone 8.1; Android 4.0; ARM; Trident/7.0; Touch; rv:11.0; IEMobile/11.0; NOKIA; Lumia 520) like iPhone OS 7_0_3 Mac OS X AppleWebKit/537 (KHTML, like Gecko) Mobile Safari/537";
    click(phone).judged().silent("impossible_agent");
    // Known false positive: an Internet Explorer whose registry held a whole second agent. It is old, no more.
    let nested = "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0; Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1) ; .NET4.0C)";
    click(nested).judged().human("other_browser").silent("impossible_agent").fired("old_agent");
    // Others that other signatures explain: Gmail's two, Outlook, and Windows Live Mail.
    open(GMAIL_PROXY).judged().human("google_proxy").silent("impossible_agent");
    open(GMAIL_PREFETCH).judged().automated("google_prefetch").silent("impossible_agent");
    open("Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 6.0; Trident/4.0; Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1) ; MSOffice 14)")
        .judged()
        .human("outlook")
        .silent("impossible_agent")
        .silent("old_agent");
    open("Outlook-Express/7.0 (MSIE 7.0; Windows NT 6.1; WOW64; Trident/7.0; TmstmpExt)")
        .judged()
        .human("mail_app")
        .client("Windows Live Mail");
    // On a link neither of Gmail's agents is known: an image proxy follows none, and Mozilla is there twice.
    click(GMAIL_PROXY).judged().automated("impossible_agent").silent("google_proxy");
    click(GMAIL_PREFETCH).judged().automated("impossible_agent").silent("google_prefetch");
}

#[test]
fn old_agent() {
    let old_chrome = CHROME.replace("Chrome/142", "Chrome/59");
    let xp = "Mozilla/5.0 (Windows NT 5.1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/49.0.2623.112 Safari/537.36";
    let vista = "Mozilla/5.0 (Windows NT 6.0; rv:52.0) Gecko/20100101 Firefox/52.0";
    let windows_2000 = "Mozilla/5.0 (Windows NT 5.0; rv:12.0) Gecko/20100101 Firefox/12.0";
    let explorer = "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0)";
    for (agent, browser) in [
        (old_chrome.as_str(), "chrome"),
        (xp, "chrome"),
        (vista, "firefox"),
        (windows_2000, "firefox"),
        (explorer, "other_browser"),
    ] {
        // Known false positive: a person on a machine that nobody may update. Alone it takes nobody's word away.
        click(agent).judged().human(browser).by("browser").fired("old_agent");
        // Beside one more sign of a machine it leaves nobody's word, and calls nobody a machine.
        click(agent).trailing("%27").judged().unknown("unknown").fired("old_agent");
    }
    // A program that sends an old string is known by what else it does.
    click(xp).method("HEAD").judged().automated("head_request").fired("old_agent");
    // Near misses: the oldest Chrome that is not called old, Windows 7, and Outlook, which says MSIE to this day.
    click(&CHROME.replace("Chrome/142", "Chrome/60")).judged().human("chrome").silent("old_agent");
    click(&CHROME.replace("NT 10.0", "NT 6.1")).judged().human("chrome").silent("old_agent");
    open("Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 6.1; Trident/4.0; Microsoft Outlook 14.0.7109; ms-office; MSOffice 14)")
        .judged()
        .human("outlook")
        .silent("old_agent");
    // Gmail's proxy says Windows XP of itself.
    open(GMAIL_PROXY).judged().human("google_proxy").silent("old_agent");
}

#[test]
fn empty_agent() {
    open("").judged().unknown("unknown").by("empty_agent").client("");
    open("  ").judged().unknown("unknown").by("empty_agent");
    // Near miss: an agent that says nothing we know.
    open("-").judged().unknown("unknown").by("undecided").silent("empty_agent");
    // Known false positive: a reader behind a proxy that strips it; so nothing calls it automated but what else it shows.
    click("").method("HEAD").judged().automated("head_request").fired("empty_agent");
}

#[test]
fn trap_link() {
    of(Kind::Trap, CHROME).judged().automated("scanner_trap").by("trap_link").fired("browser");
    of(Kind::Trap, BARRACUDA).judged().automated("scanner_trap").fired("gateway_agent");
    // Near miss: any other link.
    click(CHROME).judged().human("chrome").silent("trap_link");
    // Known false positive: a reader who follows every address in the source of the mail. It is called a scanner, which is
    // why the trap is opt-in.
    of(Kind::Trap, SAFARI).judged().automated("scanner_trap");
}

#[test]
fn one_click_unsubscribe() {
    for agent in ["python-requests/2.32.3", "", CHROME] {
        of(Kind::Unsubscribe, agent).method("POST").judged().unknown("unknown").by("one_click_unsubscribe");
    }
    let microsoft = of(Kind::Unsubscribe, CHROME).method("POST").ip("40.107.1.1").judged();
    microsoft.unknown("unknown").by("one_click_unsubscribe").fired("microsoft_network");
    // Known false positive: a scanner that fills in forms stays unknown, unless it says its own name.
    of(Kind::Unsubscribe, BARRACUDA)
        .method("POST")
        .judged()
        .automated("barracuda")
        .fired("one_click_unsubscribe");
    // Near misses: a GET of the page, which unsubscribes nobody, and a POST elsewhere.
    of(Kind::Unsubscribe, "python-requests/2.32.3").judged().automated("http_library");
    click("python-requests/2.32.3").method("POST").judged().automated("http_library");
}
