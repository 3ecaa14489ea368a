//! Search engines: which host is one, and the keyword that its URL tells (matomo.md 3.4, 5).

use std::borrow::Cow;
use std::collections::HashMap;

use encoding_rs::Encoding;
use lake::limits::MAX_KEYWORD_CHARS;
use percent_encoding::percent_decode_str;
use regex::Regex;
use serde::Deserialize;

use super::{below, split};
use crate::enrich::referrer::Referrer;

/// One entry of the list.
#[derive(Deserialize)]
pub(super) struct Entry {
    name: String,
    /// Hosts; `{}` stands for a country, a path may follow.
    hosts: Vec<String>,
    /// Parameters that hold the keyword; `/regex/` finds it in path and query.
    keyword: Vec<String>,
    /// Paths with query, or `/regex/` of them, where the engine hides the keyword.
    #[serde(default)]
    hidden: Vec<String>,
    /// Encodings of the keyword besides UTF-8.
    #[serde(default)]
    charsets: Vec<String>,
}

pub(super) struct Engine {
    name: String,
    keyword: Vec<Keyword>,
    hidden: Vec<Hidden>,
    charsets: Vec<&'static Encoding>,
}

enum Keyword {
    Parameter(String),
    Regex(Regex),
}

enum Hidden {
    Everywhere,
    Exactly(String),
    Regex(Regex),
}

/// Engines by host: to each host (with `{}` for a country) its paths, longest first.
pub(super) struct Engines {
    engines: Vec<Engine>,
    hosts: HashMap<String, Vec<(String, usize)>>,
}

impl Engines {
    pub(super) fn new(entries: impl Iterator<Item = Entry>) -> Self {
        let mut hosts: HashMap<String, Vec<(String, usize)>> = HashMap::new();
        let mut engines = Vec::new();
        for entry in entries {
            for listed in &entry.hosts {
                let (host, path) = split(listed);
                let paths = hosts.entry(host.to_lowercase()).or_default();
                paths.push((path.to_owned(), engines.len()));
                // Stable: of two entries for one host and path the first counts.
                paths.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
            }
            engines.push(Engine::new(entry));
        }
        Self { engines, hosts }
    }

    /// The engine's name and the keyword. A page of an engine that neither tells a keyword nor is
    /// known to hide one is a page like any other.
    pub(super) fn find(&self, referrer: &Referrer<'_>) -> Option<(String, Option<String>)> {
        let engine = candidates(&referrer.host).into_iter().find_map(|host| {
            let paths = self.hosts.get(&host)?;
            let (_, at) = paths.iter().find(|(path, _)| below(referrer.path, path))?;
            self.engines.get(*at)
        })?;
        let keyword = engine.keyword(referrer);
        (keyword.is_some() || engine.hides_keyword(referrer))
            .then(|| (engine.name_of(referrer), keyword))
    }
}

/// The names under which a host may be listed: itself, without `www.` and the like, and both with
/// the country as `{}`.
fn candidates(host: &str) -> Vec<String> {
    let bare = without_prefix(host);
    let mut names = vec![host.to_owned()];
    if bare != host {
        names.push(bare.to_owned());
    }
    names.extend(with_country_last(bare));
    names.extend(with_country_first(bare));
    if bare != host {
        names.extend(with_country_last(host));
        names.extend(with_country_first(host));
    }
    names
}

/// Without `www.`, `www2.`, `m.` or `search.`, as long as a domain remains.
fn without_prefix(host: &str) -> &str {
    let Some((label, rest)) = host.split_once('.') else { return host };
    let digits = label.trim_start_matches('w');
    let www = label.starts_with('w') && digits.bytes().all(|byte| byte.is_ascii_digit());
    if rest.contains('.') && (www || label == "m" || label == "search") { rest } else { host }
}

fn is_country(label: &str) -> bool {
    label.len() == 2 && label.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// `google.de` and `google.co.uk` as `google.{}`.
fn with_country_last(host: &str) -> Option<String> {
    let (rest, country) = host.rsplit_once('.')?;
    if !is_country(country) {
        return None;
    }
    let rest = match rest.rsplit_once('.') {
        Some((shorter, "com" | "co" | "net" | "org" | "edu" | "it")) => shorter,
        _ => rest,
    };
    Some(format!("{rest}.{{}}"))
}

/// `uk.ask.com` as `{}.ask.com`.
fn with_country_first(host: &str) -> Option<String> {
    let (country, rest) = host.split_once('.')?;
    (is_country(country) && rest.contains('.')).then(|| format!("{{}}.{rest}"))
}

impl Engine {
    fn new(entry: Entry) -> Self {
        let keyword = entry.keyword.into_iter().filter(|name| !name.trim().is_empty());
        Self {
            name: entry.name,
            keyword: keyword
                .map(|name| delimited(&name).map_or(Keyword::Parameter(name), Keyword::Regex))
                .collect(),
            hidden: entry
                .hidden
                .into_iter()
                .map(|path| match path.as_str() {
                    "/.*/" => Hidden::Everywhere,
                    "/^$/" => Hidden::Exactly(String::new()),
                    _ => delimited(&path).map_or(Hidden::Exactly(path), Hidden::Regex),
                })
                .collect(),
            charsets: entry
                .charsets
                .iter()
                .filter_map(|name| match name.as_str() {
                    // PHP's name for what everyone else calls Shift_JIS.
                    "ms932" => Some(encoding_rs::SHIFT_JIS),
                    name => Encoding::for_label(name.as_bytes()),
                })
                .collect(),
        }
    }

    fn keyword(&self, referrer: &Referrer<'_>) -> Option<String> {
        let raw = self.keyword.iter().find_map(|keyword| match keyword {
            Keyword::Parameter(name) => referrer.parameter(name),
            Keyword::Regex(regex) => {
                Some(regex.captures(referrer.path_and_query)?.get(1)?.as_str())
            }
        });
        decode(raw?, &self.charsets)
    }

    fn hides_keyword(&self, referrer: &Referrer<'_>) -> bool {
        self.hidden.iter().any(|hidden| match hidden {
            Hidden::Everywhere => true,
            Hidden::Exactly(path) => path == referrer.path_and_query,
            Hidden::Regex(regex) => regex.is_match(referrer.path_and_query),
        })
    }

    /// Google says by a parameter which of its searches it was.
    fn name_of(&self, referrer: &Referrer<'_>) -> String {
        let kind = if self.name == "Google" { referrer.parameter("tbm") } else { None };
        match kind {
            Some("isch") => "Google Images".to_owned(),
            Some("vid") => "Google Video".to_owned(),
            Some("shop") => "Google Shopping".to_owned(),
            _ => self.name.clone(),
        }
    }
}

/// The regex between the slashes of `/regex/`; `None` where it is a plain text.
fn delimited(text: &str) -> Option<Regex> {
    let inner = text.strip_prefix('/')?.strip_suffix('/').filter(|inner| !inner.is_empty())?;
    Regex::new(&inner.replace(r"\/", "/")).ok()
}

/// A keyword decoded: UTF-8 where it is that, else the first listed encoding that fits, else as
/// much as can be read; trimmed, lower case, at most [`MAX_KEYWORD_CHARS`].
pub(super) fn decode(raw: &str, charsets: &[&'static Encoding]) -> Option<String> {
    let spaced = raw.replace('+', " ");
    let bytes: Vec<u8> = percent_decode_str(&spaced).collect();
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(not_utf8) => {
            let bytes = not_utf8.as_bytes();
            let mut fitting = charsets.iter().filter_map(|charset| {
                charset.decode_without_bom_handling_and_without_replacement(bytes)
            });
            fitting
                .next()
                .map_or_else(|| String::from_utf8_lossy(bytes).into_owned(), Cow::into_owned)
        }
    };
    let keyword: String = text.trim().to_lowercase().chars().take(MAX_KEYWORD_CHARS).collect();
    (!keyword.is_empty()).then_some(keyword)
}

/// Parameters in which nearly every engine puts the keyword.
const USUAL: [&str; 4] = ["q", "query", "p", "text"];

/// An engine that no list knows, by its name: a label that ends in `-search`, or one with `search`
/// in it (`research...` apart) beside a keyword. The keyword, where there is one.
pub(super) fn predicted(referrer: &Referrer<'_>) -> Option<Option<String>> {
    let (labels, _) = referrer.host.rsplit_once('.')?;
    let keyword = USUAL.iter().find_map(|name| decode(referrer.parameter(name)?, &[]));
    let search = |label: &str| {
        label.ends_with("-search")
            || (keyword.is_some() && label.contains("search") && !label.starts_with("research"))
    };
    labels.split('.').any(search).then_some(keyword)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_looked_up_with_its_country_left_open() {
        assert_eq!(
            candidates("www.google.co.uk"),
            ["www.google.co.uk", "google.co.uk", "google.{}", "www.google.{}"]
        );
        assert_eq!(candidates("uk.ask.com"), ["uk.ask.com", "{}.ask.com"]);
        assert_eq!(candidates("t.co"), ["t.co", "t.{}"]);
        assert_eq!(candidates("localhost"), ["localhost"]);
    }

    #[test]
    fn what_looks_like_a_regex_is_one() {
        #[derive(Deserialize)]
        struct Lists {
            engines: Vec<Entry>,
        }
        for json in
            [include_str!("../../../data/own.json"), include_str!("../../../data/referrers.json")]
        {
            for entry in serde_json::from_str::<Lists>(json).unwrap().engines {
                let texts = entry.keyword.iter().chain(&entry.hidden);
                for text in texts
                    .filter(|text| text.len() > 1 && text.starts_with('/') && text.ends_with('/'))
                {
                    assert!(delimited(text).is_some(), "{}: {text}", entry.name);
                }
                let known = |name: &&String| {
                    *name != "ms932" && Encoding::for_label(name.as_bytes()).is_none()
                };
                assert_eq!(entry.charsets.iter().find(known), None, "{}", entry.name);
            }
        }
    }

    #[test]
    fn keywords_are_decoded_by_charset() {
        assert_eq!(decode("Red+Sho%C3%A9s", &[]).as_deref(), Some("red shoés"));
        let chinese = Encoding::for_label(b"gb2312").unwrap();
        assert_eq!(decode("%D6%D0%B9%FA", &[chinese]).as_deref(), Some("中国"));
        assert_eq!(decode("%FFabc", &[]).as_deref(), Some("\u{fffd}abc"));
        assert_eq!(decode("+%20", &[]), None);
    }

    #[test]
    fn keywords_are_cut() {
        for (length, kept) in [(254, 254), (255, 255), (256, 255)] {
            assert_eq!(decode(&"x".repeat(length), &[]).unwrap().len(), kept);
        }
    }
}
