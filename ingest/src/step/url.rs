//! Step URL clean-up (matomo.md 3.6): host, path and query; campaign, click id and site search
//! taken out.

use std::borrow::Cow;

use lake::hit::Kind;
use lake::limits::{MAX_ID_BYTES, MAX_RAW_URL_BYTES, MAX_REFERRER_BYTES, MAX_TEXT_BYTES};
use lake::site::Site;

use super::campaign::{self, Role};
use super::query::Query;
use crate::draft::{Draft, Drop};
use crate::text::{cut, cut_owned, lower, tidy};

pub(super) fn clean(draft: &mut Draft, site: &Site) -> Result<(), Drop> {
    let raw = draft.url.take().unwrap_or_default();
    let raw = raw.get(..raw.floor_char_boundary(MAX_RAW_URL_BYTES)).unwrap_or_default();
    let raw = tidy(raw);
    let (before, fragment) = raw.split_once('#').unwrap_or((&raw, ""));
    let before = without_matrix(before);
    let parts = Parts::of(&before);
    let host = parts.host.or_else(|| {
        let own = site.settings.hosts.first().filter(|_| !raw.is_empty());
        own.map(|host| lower(host).into_owned())
    });
    if site.settings.exclude_unknown_hosts
        && !site.settings.hosts.is_empty()
        && !host.as_deref().is_some_and(|host| site.is_own_host(host))
    {
        return Err(Drop::Excluded);
    }
    let mut query = Query::read(parts.query);
    let mut of_fragment = Query::read(if fragment.contains('=') { fragment } else { "" });
    let ignores_referrer = take_campaign(draft, &mut query, &mut of_fragment, site);
    take_search(draft, &mut query, &mut of_fragment, site);
    set_page(draft, &parts.path, (&query, &of_fragment, fragment), site);
    referrer(draft, host.as_deref(), ignores_referrer, site);
    draft.hit.host = host;
    Ok(())
}

/// Takes out what does not belong to the page; whether the referrer is to be ignored.
fn take_campaign(
    draft: &mut Draft,
    query: &mut Query<'_>,
    fragment: &mut Query<'_>,
    site: &Site,
) -> bool {
    let charset = draft.charset;
    let mut ignores_referrer = false;
    let mut taken = |query: &mut Query<'_>| {
        let (mut campaign, mut click_id) = (Vec::new(), None);
        query.retain(|parameter| {
            let name = lower(parameter.name);
            match Role::of(&name) {
                Role::Kept => return !site.removes_parameter(&name),
                Role::Campaign => {
                    campaign.push((name.into_owned(), parameter.decoded(charset).into_owned()));
                }
                Role::ClickId(id) => click_id = click_id.or(Some(id)),
                Role::IgnoreReferrer => ignores_referrer |= parameter.value == Some("1"),
                Role::Removed => {}
            }
            false
        });
        (campaign, click_id)
    };
    let (in_query, clicked) = taken(query);
    let (in_fragment, clicked_in_fragment) = taken(fragment);
    draft.hit.click_id = clicked.or(clicked_in_fragment).map(str::to_owned);
    let beside = std::mem::take(&mut draft.parameters);
    if !ignores_referrer {
        draft.hit.campaign = campaign::of(&in_query)
            .or_else(|| campaign::of(&in_fragment))
            .or_else(|| campaign::of(&beside));
    }
    ignores_referrer
}

/// A page view with a keyword of the site search is a search, and its parameters go.
fn take_search<'a>(
    draft: &mut Draft,
    query: &mut Query<'a>,
    fragment: &mut Query<'a>,
    site: &Site,
) {
    if draft.hit.kind != Kind::Pageview {
        return;
    }
    let charset = draft.charset;
    let found = |names: &[String], bytes: usize| {
        names.iter().find_map(|name| {
            let parameters = query.iter().chain(fragment.iter());
            let mut same = parameters.filter(|parameter| lower(parameter.name) == name.as_str());
            same.find_map(|parameter| cut(&parameter.decoded(charset), bytes))
                .map(|text| (name.clone(), text))
        })
    };
    let Some((keyword, term)) = found(site.search_keywords(), MAX_TEXT_BYTES) else { return };
    let category = found(site.search_categories(), MAX_ID_BYTES);
    let count = found(&["search_count".to_owned()], MAX_ID_BYTES);
    draft.hit.kind = Kind::Search;
    draft.hit.search_term = Some(term);
    draft.hit.search_results =
        count.and_then(|(_, count)| count.parse().ok()).filter(|count: &i32| *count >= 0);
    let (of_category, category) = category.unzip();
    draft.hit.search_category = category;
    for query in [query, fragment] {
        query.retain(|parameter| {
            let name = lower(parameter.name);
            *name != *keyword && Some(&*name) != of_category.as_deref()
        });
    }
}

/// Path and query; a kept fragment ends what there is of them.
fn set_page(
    draft: &mut Draft,
    path: &str,
    (query, of_fragment, fragment): (&Query<'_>, &Query<'_>, &str),
    site: &Site,
) {
    let mut path = Cow::Borrowed(path);
    let mut query = query.text(draft.charset);
    let fragment = if fragment.contains('=') {
        Cow::Owned(of_fragment.text(draft.charset))
    } else {
        Cow::Borrowed(fragment)
    };
    if site.settings.keep_fragment && !fragment.is_empty() {
        let last = if query.is_empty() { path.to_mut() } else { &mut query };
        last.push('#');
        last.push_str(&fragment);
    }
    draft.hit.path = cut(&path, MAX_TEXT_BYTES);
    draft.hit.query = cut_owned(query, MAX_TEXT_BYTES);
}

fn referrer(draft: &mut Draft, host: Option<&str>, ignored: bool, site: &Site) {
    let Some(referrer) = draft.referrer.take().filter(|_| !ignored) else { return };
    draft.hit.referrer_internal = host_of(&referrer)
        .is_some_and(|from| site.is_own_host(&from) || host == Some(from.as_str()));
    draft.hit.referrer = cut_owned(referrer, MAX_REFERRER_BYTES);
}

/// Matrix parameters as a query: `/a;b=1;c=2` is `/a?b=1&c=2`.
fn without_matrix(url: &str) -> Cow<'_, str> {
    let (Some(semicolon), question) = (url.find(';'), url.find('?')) else { return url.into() };
    if question.is_some_and(|question| question < semicolon) {
        return url.into();
    }
    let (path, matrix) = url.split_at(semicolon);
    let parameters = matrix.get(1..).unwrap_or_default().replacen('?', ";", 1).replace(';', "&");
    format!("{path}?{parameters}").into()
}

struct Parts<'a> {
    host: Option<String>,
    path: Cow<'a, str>,
    query: &'a str,
}

impl<'a> Parts<'a> {
    fn of(url: &'a str) -> Self {
        let (rest, query) = url.split_once('?').unwrap_or((url, ""));
        let absolute = rest.split_once("://").filter(|(scheme, _)| !scheme.contains('/'));
        let Some(rest) = absolute.map(|(_, rest)| rest).or_else(|| rest.strip_prefix("//")) else {
            let path = match rest {
                "" => Cow::Borrowed(""),
                path if path.starts_with('/') => path.into(),
                path => format!("/{path}").into(),
            };
            return Self { host: None, path, query };
        };
        let end = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let path = if path.is_empty() { "/" } else { path };
        Self { host: host(authority), path: path.into(), query }
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
    cut(&lower(host), MAX_TEXT_BYTES)
}

#[cfg(test)]
mod tests;
