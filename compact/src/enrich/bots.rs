//! Which user agents are programs, by the lists in `data/bots.json`: isbot decides,
//! crawler-user-agents names.
//!
//! Knows only the stored form of a user agent (versions cut, at most 256 bytes), because history
//! is marked again from it. docs/decisions/lists.md says how well the lists do.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use regex_filtered::{Options, Regexes};
use serde::Deserialize;

/// The lists and their versions, as written into every object that holds marks.
pub const BOTS_VERSION: &str = include_str!("../../data/bots.version");

/// Reason of a hit that nothing of a browser came with: no user agent, client hints, screen, user
/// or client id.
pub const NO_USER_AGENT: &str = "no_user_agent";

/// Reason of a hit whose client hints name a browser without a window.
pub const HEADLESS: &str = "headless";

/// Reason of a hit whose address one of the site's own rules names (`bot_ips`).
pub const SITE_IP: &str = "site:ip";

/// Reason of a hit whose user agent one of the site's own rules names (`bot_user_agents`), and that
/// nothing else marks.
pub const SITE_USER_AGENT: &str = "site:user_agent";

/// Why a user agent, in the form that the column `user_agent` keeps, is held to be a program's.
///
/// `list:<crawler>` where the list names it (`list:googlebot`), else `pattern:<word>` after the
/// general pattern that it matches (`pattern:spider`). Letters, digits and hyphens, at most 40.
#[must_use]
pub fn bot_reason(stored_user_agent: &str) -> Option<&'static str> {
    LISTS.reason(stored_user_agent)
}

static LISTS: LazyLock<Lists> = LazyLock::new(Lists::load);

/// Compiles the lists now, where it has not been done yet.
pub(super) fn prepare() {
    LazyLock::force(&LISTS);
}

/// The mark that today's lists and the site's rules give a row of history; for marking history
/// again. `by_site` says whether the site's rules mark the user agent; none where they are not known.
///
/// Marks that did not come from the user agent stay.
#[must_use]
pub fn mark_again<'a>(
    stored_user_agent: Option<&str>,
    old_reason: Option<&'a str>,
    by_site: Option<bool>,
) -> Option<&'a str> {
    if matches!(old_reason, Some(SITE_IP | NO_USER_AGENT | HEADLESS)) {
        return old_reason;
    }
    let marked_by_site = by_site.unwrap_or(old_reason == Some(SITE_USER_AGENT));
    let listed = stored_user_agent.and_then(bot_reason);
    listed.or_else(|| marked_by_site.then_some(SITE_USER_AGENT))
}

#[derive(Deserialize)]
struct Data {
    patterns: Vec<Pattern>,
    names: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Pattern {
    name: String,
    pattern: String,
    /// What the pattern must not be part of: stands for look-around, which the regexes lack.
    unless: Option<String>,
}

/// The reason that patterns without a word in them give.
const NAMELESS: &str = "pattern:shape";

struct Lists {
    patterns: Regexes,
    /// By pattern: its reason, and whether only its first group counts.
    reasons: Vec<(String, bool)>,
    names: AhoCorasick,
    /// By name: its reason.
    named: Vec<String>,
}

impl Lists {
    #[expect(clippy::expect_used, reason = "the lists are compiled in; every test reads them")]
    fn load() -> Self {
        let data: Data = serde_json::from_str(include_str!("../../data/bots.json"))
            .expect("data/bots.json is what data/refresh writes");
        let mut options = Options::new();
        options.case_insensitive(true);
        let mut patterns = regex_filtered::Builder::new();
        let mut reasons = Vec::with_capacity(data.patterns.len());
        for Pattern { name, pattern, unless } in data.patterns {
            let whole = match &unless {
                Some(unless) => format!("{unless}|({pattern})"),
                None => pattern,
            };
            patterns = patterns.push_opt(&whole, &options).expect("patterns are checked by tests");
            reasons.push((format!("pattern:{name}"), unless.is_some()));
        }
        let (texts, names): (Vec<_>, Vec<_>) = data.names.into_iter().unzip();
        Self {
            patterns: patterns.build().expect("patterns are checked by tests"),
            reasons,
            names: AhoCorasick::new(texts).expect("1,500 short texts fit"),
            named: names.into_iter().map(|name| format!("list:{name}")).collect(),
        }
    }

    fn reason(&self, user_agent: &str) -> Option<&str> {
        let matching = self.patterns.matching(user_agent).filter_map(|(at, regex)| {
            let (reason, grouped) = self.reasons.get(at)?;
            let counts =
                !grouped || regex.captures_iter(user_agent).any(|found| found.get(1).is_some());
            counts.then_some(reason.as_str())
        });
        // A pattern with a word in it says more than one of mere form.
        let pattern = matching.min_by_key(|reason| *reason == NAMELESS)?;
        // The longest name is the most specific: Googlebot-Image before Googlebot.
        let name = self
            .names
            .find_overlapping_iter(user_agent)
            .max_by_key(|found| (found.len(), std::cmp::Reverse(found.pattern())));
        let named = name.and_then(|found| self.named.get(found.pattern().as_usize()));
        Some(named.map_or(pattern, String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crawlers_are_named_and_browsers_are_not_marked() {
        let cases = [
            (
                "Mozilla/5 (compatible; Googlebot/2; +http://www.google.com/bot.html)",
                Some("list:googlebot"),
            ),
            ("Googlebot-Image/1", Some("list:googlebot-image")),
            ("curl/8", Some("list:curl")),
            ("SomeSpider (home-made)", Some("pattern:spider")),
            ("Mozilla/5 (X11; Linux x86_64; rv:128) Gecko/20100101 Firefox/128", None),
            ("Mozilla/5 (Linux; U; Android 9; CUBOT X19) Chrome/120 Mobile Safari/537", None),
        ];
        for (user_agent, reason) in cases {
            assert_eq!(bot_reason(user_agent), reason, "{user_agent}");
        }
    }

    #[test]
    fn what_did_not_come_from_the_user_agent_stays_when_history_is_marked_again() {
        let chrome = Some("Mozilla/5 (X11; Linux x86_64) Chrome/120 Safari/537");
        for by_site in [None, Some(false), Some(true)] {
            assert_eq!(mark_again(chrome, Some(HEADLESS), by_site), Some(HEADLESS));
            assert_eq!(mark_again(chrome, Some(SITE_IP), by_site), Some(SITE_IP));
            assert_eq!(mark_again(None, Some(NO_USER_AGENT), by_site), Some(NO_USER_AGENT));
            assert_eq!(mark_again(Some("curl/8"), None, by_site), Some("list:curl"));
        }
        assert_eq!(mark_again(chrome, Some("list:gone"), Some(false)), None);
    }

    #[test]
    fn a_sites_rules_mark_history_as_they_are_now_and_leave_it_where_they_are_not_known() {
        let chrome = Some("Mozilla/5 (X11; Linux x86_64) Chrome/120 Safari/537");
        for (old, by_site, now) in [
            (None, Some(true), Some(SITE_USER_AGENT)),
            (Some("list:gone"), Some(true), Some(SITE_USER_AGENT)),
            (Some(SITE_USER_AGENT), Some(true), Some(SITE_USER_AGENT)),
            (Some(SITE_USER_AGENT), Some(false), None),
            (Some(SITE_USER_AGENT), None, Some(SITE_USER_AGENT)),
            (None, None, None),
        ] {
            assert_eq!(mark_again(chrome, old, by_site), now, "{old:?} {by_site:?}");
        }
        assert_eq!(mark_again(Some("curl/8"), Some(SITE_USER_AGENT), None), Some("list:curl"));
    }

    #[test]
    fn reasons_have_the_documented_form() {
        let lists = Lists::load();
        let all = lists.reasons.iter().map(|(reason, _)| reason).chain(&lists.named);
        for reason in all {
            let (kind, name) = reason.split_once(':').unwrap();
            assert!(matches!(kind, "list" | "pattern"), "{reason}");
            assert!((2..=40).contains(&name.len()), "{reason}");
            assert!(
                name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'),
                "{reason}"
            );
        }
        assert!(BOTS_VERSION.starts_with("isbot "));
    }
}
