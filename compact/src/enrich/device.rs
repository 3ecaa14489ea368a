//! Device, system, browser and bot mark of a user agent, by the tokens that decide.

/// Bytes of the user agent that the table keeps.
const MAX_STORED_BYTES: usize = 256;

/// What a user agent says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// desktop, mobile, tablet, tv, console or other.
    pub device: Option<String>,
    /// Brand.
    pub brand: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Operating system.
    pub os: Option<String>,
    /// Its version.
    pub os_version: Option<String>,
    /// Browser.
    pub browser: Option<String>,
    /// Its major version.
    pub browser_version: Option<String>,
    /// Why it is held to be a bot.
    pub bot_reason: Option<String>,
    /// The user agent, versions cut to the major, at most 256 bytes.
    pub user_agent: Option<String>,
}

/// Words that only programs have in their names.
const BOT_WORDS: [&str; 22] = [
    "bot",
    "crawl",
    "spider",
    "slurp",
    "curl/",
    "wget",
    "python",
    "java/",
    "libwww",
    "httpclient",
    "go-http",
    "scrapy",
    "headless",
    "phantom",
    "monitor",
    "feed",
    "fetch",
    "scan",
    "preview",
    "validator",
    "facebookexternalhit",
    "archiver",
];

/// Token before the version, and the browser it tells; the first that is found counts.
const BROWSERS: [(&str, &str); 12] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("Edge/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Opera/", "Opera"),
    ("MSIE ", "Internet Explorer"),
    ("Version/", "Safari"),
];

/// Token, and the system it tells; the first that is found counts.
const SYSTEMS: [(&str, &str); 8] = [
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iPadOS"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
];

impl Device {
    pub(super) fn of(user_agent: &str) -> Self {
        let lower = user_agent.to_ascii_lowercase();
        let bot = BOT_WORDS.iter().any(|word| lower.contains(word));
        let browser = BROWSERS.iter().find_map(|(token, name)| {
            let (_, after) = user_agent.split_once(token)?;
            Some((*name, digits(after)))
        });
        let os =
            SYSTEMS.iter().find(|(token, _)| user_agent.contains(token)).map(|(_, name)| *name);
        Self {
            device: Some(form(&lower, os, bot).to_owned()),
            os: os.map(str::to_owned),
            browser: browser.map(|(name, _)| name.to_owned()),
            browser_version: browser
                .map(|(_, version)| version.to_owned())
                .filter(|version| !version.is_empty()),
            bot_reason: bot.then(|| "user_agent".to_owned()),
            user_agent: Some(stored(user_agent)),
            ..Self::default()
        }
    }
}

fn form(lower: &str, os: Option<&str>, bot: bool) -> &'static str {
    let has = |word: &str| lower.contains(word);
    match os {
        _ if has("smart-tv") || has("smarttv") || has("appletv") || has("hbbtv") => "tv",
        _ if has("playstation") || has("xbox") || has("nintendo") => "console",
        _ if has("ipad") || has("tablet") || (has("android") && !has("mobile")) => "tablet",
        _ if has("mobile") || has("iphone") => "mobile",
        None => "other",
        Some(_) if bot => "other",
        Some(_) => "desktop",
    }
}

fn digits(text: &str) -> &str {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// Versions cut to the major (`5.0.1` becomes `5`), at most 256 bytes.
fn stored(user_agent: &str) -> String {
    let mut out = String::with_capacity(user_agent.len().min(MAX_STORED_BYTES));
    let mut in_version = false;
    let mut minor = false;
    for letter in user_agent.chars() {
        if letter.is_ascii_digit() {
            in_version = true;
        } else if in_version && matches!(letter, '.' | '_') {
            minor = true;
        } else {
            in_version = false;
            minor = false;
        }
        if !minor {
            if out.len() + letter.len_utf8() > MAX_STORED_BYTES {
                break;
            }
            out.push(letter);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_desktop_browser_is_known() {
        let device = Device::of(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.6099.130 Safari/537.36",
        );
        assert_eq!(device.device.as_deref(), Some("desktop"));
        assert_eq!(
            (device.browser.as_deref(), device.browser_version.as_deref()),
            (Some("Chrome"), Some("120"))
        );
        assert_eq!(device.bot_reason, None);
        assert_eq!(
            device.user_agent.as_deref(),
            Some(
                "Mozilla/5 (Windows NT 10; Win64; x64) AppleWebKit/537 (KHTML, like Gecko) Chrome/120 Safari/537"
            )
        );
    }

    #[test]
    fn a_crawler_is_marked() {
        let device =
            Device::of("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)");
        assert_eq!(device.bot_reason.as_deref(), Some("user_agent"));
    }

    #[test]
    fn what_is_stored_is_at_most_256_bytes() {
        for (length, stored_bytes) in [(255, 255), (256, 256), (257, 256)] {
            assert_eq!(stored(&"x".repeat(length)).len(), stored_bytes);
        }
    }
}
