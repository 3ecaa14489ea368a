//! Step URL clean-up (matomo.md 3.6): host, path and query; campaign and click id taken out.

use lake::hit::{Campaign, Kind};
use lake::limits::{MAX_REFERRER_BYTES, MAX_TEXT_BYTES};
use lake::site::Site;
use percent_encoding::percent_decode_str;

use super::cut;
use crate::draft::{Draft, Drop};

const NAMES: [&str; 8] = [
    "pk_cpn",
    "pk_campaign",
    "piwik_campaign",
    "mtm_campaign",
    "matomo_campaign",
    "utm_campaign",
    "utm_source",
    "utm_medium",
];
const TERMS: [&str; 7] =
    ["pk_kwd", "pk_keyword", "piwik_kwd", "mtm_kwd", "mtm_keyword", "matomo_kwd", "utm_term"];
const SOURCES: [&str; 3] = ["utm_source", "mtm_source", "pk_source"];
const MEDIUMS: [&str; 3] = ["utm_medium", "mtm_medium", "pk_medium"];
const CONTENTS: [&str; 3] = ["utm_content", "mtm_content", "pk_content"];
const CLICK_IDS: [&str; 7] = ["gclid", "fbclid", "msclkid", "twclid", "wbraid", "gbraid", "yclid"];
const REMOVED: [&str; 11] = [
    "ignore_referrer",
    "ignore_referer",
    "fb_xd_fragment",
    "fb_comment_id",
    "phpsessid",
    "jsessionid",
    "sessionid",
    "aspsessionid",
    "doing_wp_cron",
    "sid",
    "pk_vid",
];

pub(super) fn clean(draft: &mut Draft, site: &Site) -> Result<(), Drop> {
    let url = draft.url.take().map(|url| url.replace(['\n', '\r', '\0'], "")).unwrap_or_default();
    let parts = Parts::of(url.trim());
    let mut taken: Vec<(String, String)> = std::mem::take(&mut draft.parameters);
    let excluded = &site.settings.excluded_parameters;
    let search = &site.settings.site_search;
    let mut kept = Vec::new();
    let mut in_url = Vec::new();
    for pair in parts.query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = name.to_ascii_lowercase();
        if is_removed(&name) || excluded.iter().any(|excluded| excluded.eq_ignore_ascii_case(&name))
        {
            in_url.push((name, decoded(value)));
        } else if search.on
            && draft.hit.kind == Kind::Pageview
            && search.keyword.contains(&name)
            && !value.is_empty()
            && draft.hit.search_term.is_none()
        {
            draft.hit.search_term = cut(&decoded(value), MAX_TEXT_BYTES);
        } else if draft.hit.search_term.is_some() && search.category.contains(&name) {
            draft.hit.search_category = cut(&decoded(value), MAX_TEXT_BYTES);
        } else {
            kept.push(pair);
        }
    }
    if draft.hit.kind == Kind::Pageview && draft.hit.search_term.is_some() {
        draft.hit.kind = Kind::Search;
    }
    let in_fragment = parts.fragment.split('&').filter_map(|pair| pair.split_once('='));
    in_url.extend(in_fragment.map(|(name, value)| (name.to_ascii_lowercase(), decoded(value))));
    in_url.append(&mut taken);
    draft.hit.campaign = campaign(&in_url);
    draft.hit.click_id = in_url
        .iter()
        .find(|(name, _)| CLICK_IDS.contains(&name.as_str()))
        .map(|(name, _)| name.clone());
    let host = parts.host.or_else(|| site.settings.hosts.first().cloned());
    let own = |host: &str| site.settings.hosts.iter().any(|own| own.eq_ignore_ascii_case(host));
    if site.settings.exclude_unknown_hosts
        && !site.settings.hosts.is_empty()
        && !host.as_deref().is_some_and(own)
    {
        return Err(Drop::Excluded);
    }
    let mut query = kept.join("&");
    if site.settings.keep_fragment && !parts.fragment.is_empty() {
        query = format!("{query}#{}", parts.fragment);
    }
    draft.hit.path = cut(parts.path, MAX_TEXT_BYTES);
    draft.hit.query = cut(&query, MAX_TEXT_BYTES);
    let referrer = draft.referrer.take().unwrap_or_default();
    let from = host_of(&referrer);
    draft.hit.referrer_internal =
        from.as_deref().is_some_and(|from| own(from) || host.as_deref() == Some(from));
    draft.hit.referrer = cut(&referrer, MAX_REFERRER_BYTES);
    draft.hit.host = host;
    draft.hit.title = draft.hit.title.take().and_then(|title| cut(&title, MAX_TEXT_BYTES));
    draft.hit.target = draft.hit.target.take().and_then(|target| cut(&target, MAX_TEXT_BYTES));
    Ok(())
}

fn is_removed(name: &str) -> bool {
    let lists: [&[&str]; 7] = [&NAMES, &TERMS, &SOURCES, &MEDIUMS, &CONTENTS, &CLICK_IDS, &REMOVED];
    lists.iter().any(|list| list.contains(&name))
}

fn campaign(parameters: &[(String, String)]) -> Option<Campaign> {
    let of = |names: &[&str]| {
        names.iter().find_map(|name| {
            let (_, value) = parameters
                .iter()
                .find(|(given, value)| given == name && !value.trim().is_empty())?;
            cut(&value.to_lowercase(), MAX_TEXT_BYTES)
        })
    };
    Some(Campaign {
        name: of(&NAMES)?,
        source: of(&SOURCES),
        medium: of(&MEDIUMS),
        term: of(&TERMS),
        content: of(&CONTENTS),
    })
}

fn decoded(value: &str) -> String {
    percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned()
}

struct Parts<'a> {
    host: Option<String>,
    path: &'a str,
    query: &'a str,
    fragment: &'a str,
}

impl<'a> Parts<'a> {
    fn of(url: &'a str) -> Self {
        let (url, fragment) = url.split_once('#').unwrap_or((url, ""));
        let (rest, query) = url.split_once('?').unwrap_or((url, ""));
        let Some((_, rest)) = rest.split_once("://") else {
            return Self { host: None, path: rest, query, fragment };
        };
        let end = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        Self {
            host: host(authority),
            path: if path.is_empty() { "/" } else { path },
            query,
            fragment,
        }
    }
}

/// The host of a URL, lower case, without user and port.
pub(super) fn host_of(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    host(rest.split(['/', '?', '#']).next()?)
}

fn host(authority: &str) -> Option<String> {
    let authority = authority.rsplit('@').next()?;
    let host = match authority.strip_prefix('[') {
        Some(six) => six.split(']').next()?,
        None => authority.split(':').next()?,
    };
    cut(&host.to_lowercase(), MAX_TEXT_BYTES)
}
