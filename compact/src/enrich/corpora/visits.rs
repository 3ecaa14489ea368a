//! Recorded visits: type, name and keyword that a Matomo gave to the referrer of each visit's first
//! request.
//!
//! Ingest's part (campaign parameters, own hosts) is done here in few lines, for these files alone.

use std::collections::HashMap;

use lake::hit::{Campaign, Hit};
use serde_json::Value;

use super::shared;
use crate::enrich::source::Source;

const FILES: [&str; 6] = [
    "OneVisitorTwoVisits",
    "VisitsInDifferentTimezones",
    "SomeVisitsCampaignsNotHeuristics",
    "ReferrersApi",
    "ThreeVisitsWithCustomEvents",
    "OneVisitSeveralPageViews",
];

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

type Params = HashMap<String, String>;

fn requests(file: &Value) -> Vec<Params> {
    let pairs = |list: &Value| -> Params {
        let pairs = list.as_array().unwrap().iter();
        pairs.map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
    };
    let requests = file["requests"].as_array().unwrap().iter();
    requests
        .flat_map(|request| match request["requests"].as_array() {
            Some(bulk) => bulk.iter().map(pairs).collect(),
            None => vec![pairs(&request["params"])],
        })
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What ingest makes of a request, as far as the source is concerned.
fn hit(params: &Params, own_hosts: &[String]) -> Hit {
    let url = params["url"].as_str();
    let (page, fragment) = url.split_once('#').unwrap_or((url, ""));
    let (_, query) = page.split_once('?').unwrap_or((page, ""));
    let parameter = |names: &[&str]| {
        let of = |part: &str| {
            names.iter().find_map(|name| {
                let pair =
                    part.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
                pair.map(|value| value.replace('+', " ").to_lowercase())
                    .filter(|value| !value.is_empty())
            })
        };
        of(query).or_else(|| of(fragment))
    };
    let campaign = parameter(&NAMES).map(|name| Campaign {
        name,
        term: parameter(&TERMS),
        ..Campaign::default()
    });
    let host = |url: &str| url.split('/').nth(2).unwrap_or_default().to_owned();
    let referrer = params.get("urlref").filter(|referrer| !referrer.is_empty()).cloned();
    let from = referrer.as_deref().map(host);
    Hit {
        referrer_internal: from.is_some_and(|from| from == host(url) || own_hosts.contains(&from)),
        referrer,
        campaign,
        ..Hit::default()
    }
}

/// As Matomo names it: type, name, keyword.
fn as_matomo(hit: &Hit) -> (&'static str, Option<String>, Option<String>) {
    let source = Source::of(hit);
    let campaign = hit.campaign.as_ref().map(|campaign| campaign.name.clone()).or(source.campaign);
    match source.channel {
        _ if campaign.is_some() => ("campaign", campaign, source.keyword),
        "direct" | "internal" => ("direct", None, None),
        "search" => ("search", source.source, source.keyword),
        "social" => ("social", source.source, None),
        _ => ("website", source.referrer_host, None),
    }
}

#[test]
fn referrers_of_recorded_visits_agree() {
    let (mut agreed, mut all) = (0, 0);
    for name in FILES {
        let Some(json) = shared(&format!("matomo-replay/{name}.json")) else { continue };
        let file: Value = serde_json::from_str(&json).unwrap();
        let sites = file["sites"].as_array().unwrap().iter();
        let own_hosts: Vec<String> = sites
            .flat_map(|site| site["urls"].as_array().cloned().unwrap_or_default())
            .map(|url| text(&url).split('/').nth(2).unwrap_or_default().to_owned())
            .collect();
        let requests = requests(&file);
        let mut used = vec![false; requests.len()];
        for visit in file["expected"]["visits"].as_array().unwrap() {
            let (site, id) = (text(&visit["idsite"]), text(&visit["idvisitor"]));
            let (first, last) = (text(&visit["first_action"]), text(&visit["last_action"]));
            let expected = (
                text(&visit["referrer_type"]),
                visit["referrer_name"].as_str().map(str::to_owned),
                visit["referrer_keyword"].as_str().map(str::to_owned),
            );
            // Visits stand in the order of the requests that began them; the recorded id is not
            // always the one sent.
            let begins = |sent: bool| {
                let fits = |params: &Params| {
                    params["idsite"] == site
                        && params["cdt"] == first
                        && (!sent || params.get("_id").is_some_and(|sent| *sent == id))
                };
                (0..requests.len()).find(|&at| !used[at] && fits(&requests[at]))
            };
            let Some(begin) = begins(true).or_else(|| begins(false)) else {
                panic!("{name}: no request begins visit {}", visit["visit"]);
            };
            used[begin] = true;
            // The first that is not direct gives a direct visit its referrer.
            let later = requests[begin..].iter().filter(|params| {
                params.get("_id") == requests[begin].get("_id")
                    && params["idsite"] == site
                    && (first.as_str()..=last.as_str()).contains(&params["cdt"].as_str())
            });
            let mut sources = later.map(|params| as_matomo(&hit(params, &own_hosts)));
            let one = sources.next();
            let found = match &one {
                Some(("direct", ..)) => sources.find(|(kind, ..)| *kind != "direct").or(one),
                _ => one,
            };
            let found = found.map(|(kind, name, keyword)| (kind.to_owned(), name, keyword));
            all += 1;
            agreed += u32::from(found.as_ref() == Some(&expected));
            if found.as_ref() != Some(&expected) {
                println!("{name}: visit {}: {found:?}, recorded {expected:?}", visit["visit"]);
            }
        }
    }
    if all == 0 {
        // Each file that is not here was said to be skipped.
        return;
    }
    println!("recorded visits: {agreed} of {all} agree");
    assert!(agreed * 100 >= all * 99);
}
