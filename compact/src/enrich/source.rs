//! Channel and source of a hit's own referrer and campaign (matomo.md 3.4).
//!
//! Hosts are matched by label, never by substring: microsoft.com is not t.co.

use lake::hit::Hit;

/// What a hit's own referrer and campaign say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// direct, internal, search, social, ai, email, campaign, paid_search, paid_social, display or
    /// website.
    pub channel: &'static str,
    /// Engine, network, campaign source or host.
    pub source: Option<String>,
    /// Keyword, lower-cased.
    pub keyword: Option<String>,
    /// Host of the referrer, lower case.
    pub referrer_host: Option<String>,
    /// Path of the referrer.
    pub referrer_path: Option<String>,
}

/// Second-level names of search engines, whatever the country, and their keyword parameter.
const ENGINES: [(&str, &str, &str); 11] = [
    ("google", "Google", "q"),
    ("bing", "Bing", "q"),
    ("yahoo", "Yahoo!", "p"),
    ("duckduckgo", "DuckDuckGo", "q"),
    ("yandex", "Yandex", "text"),
    ("baidu", "Baidu", "wd"),
    ("ecosia", "Ecosia", "q"),
    ("qwant", "Qwant", "q"),
    ("startpage", "Startpage", "query"),
    ("seznam", "Seznam", "q"),
    ("naver", "Naver", "query"),
];

/// Domains of social networks.
const NETWORKS: [(&str, &str); 16] = [
    ("facebook.com", "Facebook"),
    ("instagram.com", "Instagram"),
    ("twitter.com", "X"),
    ("x.com", "X"),
    ("t.co", "X"),
    ("linkedin.com", "LinkedIn"),
    ("lnkd.in", "LinkedIn"),
    ("reddit.com", "Reddit"),
    ("youtube.com", "YouTube"),
    ("pinterest.com", "Pinterest"),
    ("tiktok.com", "TikTok"),
    ("vk.com", "VKontakte"),
    ("xing.com", "XING"),
    ("news.ycombinator.com", "Hacker News"),
    ("bsky.app", "Bluesky"),
    ("mastodon.social", "Mastodon"),
];

/// Domains of AI assistants.
const ASSISTANTS: [(&str, &str); 7] = [
    ("chatgpt.com", "ChatGPT"),
    ("chat.openai.com", "ChatGPT"),
    ("perplexity.ai", "Perplexity"),
    ("claude.ai", "Claude"),
    ("gemini.google.com", "Gemini"),
    ("copilot.microsoft.com", "Copilot"),
    ("chat.mistral.ai", "Mistral"),
];

/// Domains of web mail.
const MAILS: [(&str, &str); 4] = [
    ("mail.google.com", "Gmail"),
    ("outlook.live.com", "Outlook"),
    ("mail.yahoo.com", "Yahoo! Mail"),
    ("mail.proton.me", "Proton Mail"),
];

impl Source {
    pub(super) fn of(hit: &Hit) -> Self {
        let (host, path, query) = hit.referrer.as_deref().map(split).unwrap_or_default();
        let mut found = Self {
            channel: "direct",
            source: None,
            keyword: None,
            referrer_host: (!host.is_empty()).then(|| host.clone()),
            referrer_path: (!path.is_empty()).then(|| path.to_owned()),
        };
        if let Some(campaign) = &hit.campaign {
            let network = of_domain(&host, &NETWORKS).is_some();
            found.channel = of_medium(campaign.medium.as_deref().unwrap_or_default(), network);
            found.source = campaign.source.clone().or_else(|| found.referrer_host.clone());
            found.keyword.clone_from(&campaign.term);
        } else if host.is_empty() {
        } else if hit.referrer_internal {
            found.channel = "internal";
        } else if let Some(name) = of_domain(&host, &ASSISTANTS) {
            (found.channel, found.source) = ("ai", Some(name.to_owned()));
        } else if let Some(name) = of_domain(&host, &MAILS) {
            (found.channel, found.source) = ("email", Some(name.to_owned()));
        } else if let Some((name, parameter)) = engine(&host) {
            let paid = hit.click_id.as_deref().is_some_and(|id| id != "fbclid");
            (found.channel, found.source) =
                (if paid { "paid_search" } else { "search" }, Some(name.to_owned()));
            found.keyword = keyword(query, parameter);
        } else if let Some(name) = of_domain(&host, &NETWORKS) {
            (found.channel, found.source) = ("social", Some(name.to_owned()));
        } else {
            (found.channel, found.source) = ("website", Some(host));
        }
        found
    }
}

fn of_medium(medium: &str, network: bool) -> &'static str {
    match medium {
        "cpc" | "ppc" | "paid" | "paidsearch" if network => "paid_social",
        "paidsocial" | "paid_social" | "paid-social" => "paid_social",
        "cpc" | "ppc" | "paidsearch" | "paid_search" | "paid-search" => "paid_search",
        "display" | "banner" | "cpm" => "display",
        "email" | "e-mail" | "newsletter" => "email",
        _ => "campaign",
    }
}

/// Host (lower case, without port), path and query of a URL.
fn split(url: &str) -> (String, &str, &str) {
    let Some((scheme, rest)) = url.split_once("://") else { return Default::default() };
    if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https" | "android-app") {
        return Default::default();
    }
    let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    (host, path, query)
}

/// The name whose domain the host is, or is below.
fn of_domain(host: &str, domains: &[(&str, &'static str)]) -> Option<&'static str> {
    let below = |domain: &str| {
        host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    domains.iter().find(|(domain, _)| below(domain)).map(|(_, name)| *name)
}

/// An engine by the label before its country: google.co.uk, www.google.com.au.
fn engine(host: &str) -> Option<(&'static str, &'static str)> {
    let labels: Vec<&str> = host.split('.').collect();
    ENGINES.iter().find_map(|(label, name, parameter)| {
        let at = labels.iter().rposition(|found| found == label)?;
        let endings = labels.get(at + 1..)?;
        let short = endings.iter().all(|ending| ending.len() <= 3);
        (short && (1..=2).contains(&endings.len())).then_some((*name, *parameter))
    })
}

fn keyword(query: &str, parameter: &str) -> Option<String> {
    let value =
        query.split('&').find_map(|pair| pair.strip_prefix(parameter)?.strip_prefix('='))?;
    let spaced = value.replace('+', " ");
    let text =
        percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().trim().to_lowercase();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(referrer: &str) -> (&'static str, Option<String>) {
        let source = Source::of(&Hit { referrer: Some(referrer.to_owned()), ..Hit::default() });
        (source.channel, source.source)
    }

    #[test]
    fn hosts_are_matched_by_label() {
        assert_eq!(channel("https://www.google.co.uk/search?q=x").0, "search");
        assert_eq!(channel("https://t.co/abc"), ("social", Some("X".to_owned())));
        assert_eq!(
            channel("https://microsoft.com/"),
            ("website", Some("microsoft.com".to_owned()))
        );
        assert_eq!(channel("https://google.example.com/").0, "website");
        assert_eq!(channel("https://gemini.google.com/app").0, "ai");
        assert_eq!(channel("not a url").0, "direct");
    }

    #[test]
    fn a_keyword_is_decoded_and_lower_cased() {
        let hit = Hit {
            referrer: Some("http://www.bing.com/search?q=Red+Sho%C3%A9s".to_owned()),
            ..Hit::default()
        };
        assert_eq!(Source::of(&hit).keyword.as_deref(), Some("red shoés"));
    }
}
