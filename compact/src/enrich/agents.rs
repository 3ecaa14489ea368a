//! Browser, system and device that a user agent names, by uap-core's regexes
//! (`data/user_agents.json`).
//!
//! The regexes are compiled once a process, at the first user agent or when the process asks for
//! it while it starts. Knows the list's names, not ours.

use std::borrow::Cow;
use std::sync::LazyLock;

use ua_parser::{Extractor, Regexes};

/// What uap-core says; `None` where nothing matches.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Agent<'a> {
    pub(super) browser: Option<Cow<'a, str>>,
    pub(super) browser_version: Option<&'a str>,
    pub(super) os: Option<Cow<'a, str>>,
    /// Major and minor.
    pub(super) os_version: Option<String>,
    pub(super) device: Option<Cow<'a, str>>,
    pub(super) brand: Option<Cow<'a, str>>,
    pub(super) model: Option<Cow<'a, str>>,
}

static EXTRACTOR: LazyLock<Extractor<'static>> = LazyLock::new(load);

#[expect(clippy::expect_used, reason = "the list is compiled in; every test reads it")]
fn load() -> Extractor<'static> {
    let regexes: Regexes<'static> =
        serde_json::from_str(include_str!("../../data/user_agents.json"))
            .expect("data/user_agents.json is what data/refresh writes");
    Extractor::try_from(regexes).expect("the regexes are checked by tests")
}

/// Compiles the regexes now, where it has not been done yet.
pub(super) fn prepare() {
    LazyLock::force(&EXTRACTOR);
}

/// Looks at a user agent.
pub(super) fn agent(user_agent: &str) -> Agent<'_> {
    let (browser, os, device) = EXTRACTOR.extract(user_agent);
    let mut agent = Agent::default();
    if let Some(found) = browser {
        agent.browser = Some(found.family);
        agent.browser_version = found.major;
    }
    if let Some(found) = os {
        agent.os_version = found.major.map(|major| match found.minor {
            Some(minor) => format!("{major}.{minor}"),
            None => major.into_owned(),
        });
        agent.os = Some(found.os);
    }
    if let Some(found) = device {
        agent.device = Some(found.device);
        agent.brand = found.brand;
        agent.model = found.model;
    }
    agent
}
