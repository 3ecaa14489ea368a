//! Search engines, social networks, AI assistants and web mail, found by the host of a referrer.
//!
//! `data/own.json` before `data/referrers.json`. Hosts are looked up label by label in maps that
//! are built once; nothing is compared by substring (microsoft.com is not t.co).

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::referrer::Referrer;

mod engine;

/// What a referrer's host turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A search engine and the keyword, lower case, where it tells one.
    Engine(String, Option<String>),
    /// A social network.
    Network(&'static str),
    /// An AI assistant.
    Assistant(&'static str),
    /// Web mail.
    Mail(&'static str),
}

/// What the host is known as; `None` for any other site.
pub(super) fn place(referrer: &Referrer<'_>) -> Option<Place> {
    if let Some(name) = SITES.assistants.find(referrer) {
        return Some(Place::Assistant(name));
    }
    if let Some(name) = SITES.mails.find(referrer) {
        return Some(Place::Mail(name));
    }
    if let Some((name, keyword)) = SITES.engines.find(referrer) {
        return Some(Place::Engine(name, keyword));
    }
    if let Some(name) = SITES.networks.find(referrer) {
        return Some(Place::Network(name));
    }
    engine::predicted(referrer).map(|keyword| Place::Engine(referrer.host.clone(), keyword))
}

/// Whether a campaign's source names a social network: `facebook`, `Facebook.com`.
pub(super) fn is_network(source: &str) -> bool {
    let source = source.trim().to_lowercase();
    SITES.network_names.contains(&source)
        || Referrer::parse(&format!("https://{source}"))
            .is_some_and(|referrer| SITES.networks.find(&referrer).is_some())
}

/// Reads the lists now, where it has not been done yet.
pub(super) fn prepare() {
    LazyLock::force(&SITES);
}

static SITES: LazyLock<Sites> = LazyLock::new(Sites::load);

#[derive(Deserialize)]
struct Data {
    engines: Vec<engine::Entry>,
    networks: Vec<Named>,
    assistants: Vec<Named>,
    mails: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
    hosts: Vec<String>,
}

struct Sites {
    engines: engine::Engines,
    networks: Domains,
    /// Lower case.
    network_names: std::collections::HashSet<String>,
    assistants: Domains,
    mails: Domains,
}

impl Sites {
    #[expect(clippy::expect_used, reason = "the lists are compiled in; every test reads them")]
    fn load() -> Self {
        let mut lists =
            [include_str!("../../data/own.json"), include_str!("../../data/referrers.json")].map(
                |json| {
                    serde_json::from_str::<Data>(json).expect("data/*.json is what refresh writes")
                },
            );
        let mut take = |part: fn(&mut Data) -> &mut Vec<Named>| -> Vec<Named> {
            lists.iter_mut().flat_map(|data| std::mem::take(part(data))).collect()
        };
        let networks = take(|data| &mut data.networks);
        let assistants = take(|data| &mut data.assistants);
        let mails = take(|data| &mut data.mails);
        let names = networks.iter().map(|network| network.name.to_lowercase());
        // What campaigns are tagged with rather than with the network's full name.
        let short = ["fb", "ig", "x", "insta", "meta", "li"].map(str::to_owned);
        Self {
            network_names: names.chain(short).collect(),
            networks: Domains::new(networks),
            assistants: Domains::new(assistants),
            mails: Domains::new(mails),
            engines: engine::Engines::new(lists.into_iter().flat_map(|data| data.engines)),
        }
    }
}

/// Names by domain: a host counts for the longest listed domain that it is, or is below, whose
/// path (mostly none) the referrer's begins with.
struct Domains(HashMap<String, Vec<(String, String)>>);

impl Domains {
    fn new(entries: Vec<Named>) -> Self {
        let mut domains: HashMap<String, Vec<(String, String)>> = HashMap::new();
        for Named { name, hosts } in entries {
            for listed in hosts {
                let (host, path) = split(&listed);
                let paths = domains.entry(host.to_owned()).or_default();
                paths.push((path.to_owned(), name.clone()));
            }
        }
        Self(domains)
    }

    fn find(&self, referrer: &Referrer<'_>) -> Option<&str> {
        let mut domain = referrer.host.as_str();
        loop {
            let paths = self.0.get(domain).into_iter().flatten();
            let mut fitting = paths.filter(|(path, _)| below(referrer.path, path));
            if let Some((_, name)) = fitting.next() {
                return Some(name);
            }
            domain = domain.split_once('.')?.1;
        }
    }
}

/// A listed site as host and path: `x.com/i/grok`.
fn split(listed: &str) -> (&str, &str) {
    listed.find('/').and_then(|at| listed.split_at_checked(at)).unwrap_or((listed, ""))
}

/// Whether a path is the listed one or below it, by whole segments.
fn below(path: &str, listed: &str) -> bool {
    let listed = listed.trim_end_matches('/');
    path.strip_prefix(listed).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        || listed.is_empty()
}
