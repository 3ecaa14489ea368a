//! Referrers: Wikimedia's cases, and hard cases of our own.

use lake::hit::{Campaign, Hit};

use super::shared;
use crate::enrich::source::Source;

/// The sites that Wikimedia counts as its own.
const WIKIMEDIA: [&str; 12] = [
    "wikipedia.org",
    "wiktionary.org",
    "wikibooks.org",
    "wikinews.org",
    "wikiquote.org",
    "wikisource.org",
    "wikiversity.org",
    "wikivoyage.org",
    "wikidata.org",
    "mediawiki.org",
    "wikimedia.org",
    "wikimediafoundation.org",
];

/// Their class as our channel; "unknown" is a referrer that is no URL of a public host.
fn channel_of(class: &str) -> &'static str {
    match class {
        "none" | "unknown" => "direct",
        "internal" => "internal",
        "external" => "website",
        "external (search engine)" => "search",
        "external (media sites)" => "social",
        "external (AI chatbot)" => "ai",
        other => panic!("a class without a channel: {other}"),
    }
}

fn referred(referrer: &str) -> Hit {
    let host = referrer.split_once("://").and_then(|(_, rest)| rest.split('/').next());
    let host = host.unwrap_or_default();
    let own = |site: &&str| {
        host.strip_suffix(*site).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    Hit {
        referrer: Some(referrer.to_owned()).filter(|referrer| !referrer.is_empty()),
        referrer_internal: WIKIMEDIA.iter().any(own),
        ..Hit::default()
    }
}

/// Description, referrer, class: the referrer may hold commas, the class has none of its own and
/// what follows it has `columns`.
fn cases(csv: &str, columns: usize) -> Vec<(&str, &'static str)> {
    csv.lines()
        .skip(1)
        .map(|line| {
            let (_, rest) = line.split_once(',').unwrap();
            let fields: Vec<&str> = rest.rsplitn(columns + 1, ',').collect();
            (*fields.last().unwrap(), channel_of(fields[columns - 1]))
        })
        .collect()
}

#[test]
fn wikimedias_cases_pass() {
    let files = [
        ("referer_test_data.csv", 3, 139),
        ("search_engine_test_data.csv", 3, 43),
        ("referer_classify_struct_test_data.csv", 2, 12),
    ];
    let mut wrong = 0;
    for (file, columns, count) in files {
        let Some(csv) = shared(&format!("corpora/wikimedia-refinery/{file}")) else { return };
        let cases = cases(&csv, columns);
        assert_eq!(cases.len(), count, "{file}");
        for (referrer, channel) in cases {
            // The older of the files calls a social network's app "external".
            let channel =
                if referrer == "android-app://m.facebook.com" { "social" } else { channel };
            let source = Source::of(&referred(referrer));
            if source.channel != channel {
                println!(
                    "{file}: {} ({:?}), not {channel}: {referrer}",
                    source.channel, source.source
                );
                wrong += 1;
            }
        }
    }
    assert_eq!(wrong, 0);
}

/// Referrer, channel, source, keyword.
type Case = (&'static str, &'static str, Option<&'static str>, Option<&'static str>);

const HARD: &[Case] = &[
    // Labels, not substrings.
    ("https://microsoft.com/", "website", Some("microsoft.com"), None),
    ("https://t.co/abc", "social", Some("Twitter"), None),
    ("https://at.co/abc", "website", Some("at.co"), None),
    ("https://fakex.com/", "website", Some("fakex.com"), None),
    ("https://x.com.evil.example/", "website", Some("x.com.evil.example"), None),
    (
        "https://facebook.com.phish.example/l.php",
        "website",
        Some("facebook.com.phish.example"),
        None,
    ),
    ("https://myfacebook.com/", "website", Some("myfacebook.com"), None),
    ("https://notgoogle.com/search?q=x", "website", Some("notgoogle.com"), None),
    ("https://google.example.com/search?q=x", "website", Some("google.example.com"), None),
    (
        "https://www.google.com.evil.example/?q=x",
        "website",
        Some("www.google.com.evil.example"),
        None,
    ),
    ("https://github.io/", "website", Some("github.io"), None),
    ("https://gist.github.com/x", "social", Some("GitHub"), None),
    (
        "https://redirect.example/?u=https://www.google.com/search?q=x",
        "website",
        Some("redirect.example"),
        None,
    ),
    // Countries, prefixes, case, ports, dots.
    ("https://www.google.co.uk/search?q=red+shoes", "search", Some("Google"), Some("red shoes")),
    ("https://www.google.com.au/url?sa=t&q=&esrc=s", "search", Some("Google"), None),
    ("https://google.de/", "search", Some("Google"), None),
    ("HTTPS://WWW.GOOGLE.COM/", "search", Some("Google"), None),
    ("https://www.google.com:443/", "search", Some("Google"), None),
    ("https://www.google.com./search?q=Dot", "search", Some("Google"), Some("dot")),
    ("https://uk.ask.com/web?q=why", "search", Some("Ask"), Some("why")),
    (
        "https://de.search.yahoo.com/search?p=hallo+welt",
        "search",
        Some("Yahoo!"),
        Some("hallo welt"),
    ),
    (
        "https://m.search.naver.com/search.naver?query=%ED%95%9C%EA%B5%AD",
        "search",
        Some("Naver"),
        Some("한국"),
    ),
    ("https://ru.pinterest.com/pin/1", "social", Some("Pinterest"), None),
    // Which search it was, hidden and several keywords, fragments, encodings.
    ("https://www.google.com/imgres?imgurl=x", "search", Some("Google Images"), None),
    ("https://www.google.com/search?q=Cat&tbm=isch", "search", Some("Google Images"), Some("cat")),
    ("https://www.google.com/#q=fragment", "search", Some("Google"), Some("fragment")),
    ("https://www.bing.com/images/search?q=x", "search", Some("Bing Images"), Some("x")),
    ("https://duckduckgo.com/", "search", Some("DuckDuckGo"), None),
    (
        "https://www.ecosia.org/search?method=index&q=B%C3%A4ume",
        "search",
        Some("Ecosia"),
        Some("bäume"),
    ),
    ("https://www.baidu.com/s?wd=%D6%D0%B9%FA", "search", Some("Baidu"), Some("中国")),
    ("https://www.bing.com/search?q=100%25+wool", "search", Some("Bing"), Some("100% wool")),
    ("https://www.bing.com/search?q=%E0%A4%A", "search", Some("Bing"), None),
    // What is beside an engine and is none.
    ("https://support.google.com/analytics/answer/1", "website", Some("support.google.com"), None),
    ("https://docs.google.com/document/d/1", "website", Some("docs.google.com"), None),
    ("https://www.researchgate.net/search?q=x", "website", Some("www.researchgate.net"), None),
    ("https://www.cnn.com/2026/world", "website", Some("www.cnn.com"), None),
    // Assistants before the engines and networks that they belong to.
    ("https://gemini.google.com/app", "ai", Some("Gemini"), None),
    ("https://copilot.microsoft.com/chats/1", "ai", Some("Copilot"), None),
    ("https://chatgpt.com/", "ai", Some("ChatGPT"), None),
    ("https://www.perplexity.ai/search/x", "ai", Some("Perplexity"), None),
    ("https://x.com/i/grok", "ai", Some("Grok"), None),
    ("https://x.com/i/grokking", "social", Some("Twitter"), None),
    // Mail, apps.
    ("https://mail.google.com/mail/u/0/", "email", Some("Gmail"), None),
    ("https://outlook.live.com/", "email", Some("Outlook.com"), None),
    ("https://deref-web.de/mail/client/x", "email", Some("Web.de Mail"), None),
    ("android-app://com.google.android.gm/", "email", Some("Gmail"), None),
    (
        "android-app://com.google.android.googlequicksearchbox/https/www.google.com",
        "search",
        Some("Google"),
        None,
    ),
    ("android-app://com.reddit.frontpage/", "social", Some("reddit"), None),
    ("android-app://com.example.reader", "website", Some("com.example.reader"), None),
    // Not a site.
    ("about:blank", "direct", None, None),
    ("/app/products/42", "direct", None, None),
    ("javascript:alert(1)", "direct", None, None),
    ("http://localhost:3000/", "direct", None, None),
    ("http://10.0.0.1/", "direct", None, None),
];

#[test]
fn hard_cases() {
    assert!(HARD.len() >= 40);
    let mut wrong = 0;
    for (referrer, channel, source, keyword) in HARD {
        let found = Source::of(&referred(referrer));
        let agrees = found.channel == *channel
            && found.source.as_deref() == *source
            && (found.keyword.as_deref() == *keyword || referrer.contains("%E0%A4%A"));
        if !agrees {
            println!("{referrer}: {found:?}");
            wrong += 1;
        }
    }
    assert_eq!(wrong, 0);
}

fn tagged(source: &str, medium: &str) -> Hit {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let campaign = Campaign {
        name: "spring".to_owned(),
        source: some(source),
        medium: some(medium),
        ..Campaign::default()
    };
    Hit { campaign: Some(campaign), ..Hit::default() }
}

#[test]
fn mediums_of_campaigns() {
    let cases = [
        ("google", "cpc", "paid_search"),
        ("facebook", "cpc", "paid_social"),
        ("fb", "paid", "paid_social"),
        ("x", "paid_social", "paid_social"),
        ("bing", "paid-search", "paid_search"),
        ("news.example", "display", "display"),
        ("news.example", "CPM", "display"),
        ("list", "email", "email"),
        ("list", "e-mail", "email"),
        ("facebook", "social", "campaign"),
        ("partner", "referral", "campaign"),
        ("partner", "", "campaign"),
        ("", "", "campaign"),
        ("partner", "tapestry", "campaign"),
    ];
    for (source, medium, channel) in cases {
        assert_eq!(Source::of(&tagged(source, medium)).channel, channel, "{source} {medium}");
    }
}

#[test]
fn click_ids() {
    let cases = [
        ("https://www.google.com/", "gclid", "paid_search", Some("Google")),
        ("", "gclid", "paid_search", Some("Google")),
        ("", "msclkid", "paid_search", Some("Bing")),
        ("https://l.facebook.com/", "fbclid", "social", Some("Facebook")),
        ("", "fbclid", "social", Some("Facebook")),
        ("https://t.co/x", "twclid", "paid_social", Some("Twitter")),
        ("https://blog.example/", "gclid", "website", Some("blog.example")),
        ("https://ad.doubleclick.net/x", "dclid", "display", Some("ad.doubleclick.net")),
        ("", "dclid", "display", Some("Google")),
        ("https://www.google.com/", "gbraid", "paid_search", Some("Google")),
        ("", "ttclid", "paid_social", Some("TikTok")),
        ("https://www.tiktok.com/", "ttclid", "paid_social", Some("TikTok")),
        ("https://www.linkedin.com/feed/", "li_fat_id", "paid_social", Some("LinkedIn")),
        ("", "rdt_cid", "paid_social", Some("reddit")),
        ("", "epik", "paid_social", Some("Pinterest")),
        ("", "sccid", "paid_social", Some("Snapchat")),
        ("", "ScCLid", "paid_social", Some("Snapchat")),
        ("https://news.example/", "tblci", "display", Some("news.example")),
        ("", "obclid", "display", Some("Outbrain")),
        // Carried on to another site's link, or of another network than the referrer.
        ("https://forum.example/", "li_fat_id", "website", Some("forum.example")),
        ("https://www.google.com/", "ttclid", "search", Some("Google")),
        ("https://www.google.com/", "unknown", "search", Some("Google")),
    ];
    for (referrer, click, channel, source) in cases {
        let hit = Hit { click_id: Some(click.to_owned()), ..referred(referrer) };
        let found = Source::of(&hit);
        assert_eq!(
            (found.channel, found.source.as_deref()),
            (channel, source),
            "{referrer} {click}"
        );
    }
}

#[test]
fn a_campaigns_keyword_falls_back_to_the_referrer() {
    let from = |referrer: &str, term: Option<&str>| {
        let campaign = Campaign {
            name: "spring".to_owned(),
            term: term.map(str::to_owned),
            ..Campaign::default()
        };
        let hit =
            Hit { campaign: Some(campaign), referrer: Some(referrer.to_owned()), ..Hit::default() };
        Source::of(&hit).keyword
    };
    assert_eq!(from("http://bing.com/search?q=whatever", Some("term")).as_deref(), Some("term"));
    assert_eq!(from("http://bing.com/search?q=whatever", None).as_deref(), Some("whatever"));
    assert_eq!(from("http://thing1.com/a", None).as_deref(), Some("thing1.com"));
    assert_eq!(
        from("http://googleads.g.doubleclick.net/pagead/ads?url=http%3A%2F%2Fwww.publisher.example%2F", None).as_deref(),
        Some("(adwords) www.publisher.example")
    );
}
