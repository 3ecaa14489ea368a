//! What append works out of a hit: device, bot mark, channel; by the lists in `data/`.
//!
//! Knows no file and no visit. The lists, their versions and how well they do:
//! docs/decisions/lists.md.

mod agents;
mod bots;
#[cfg(test)]
mod corpora;
mod device;
mod form;
mod hints;
mod referrer;
mod sites;
mod source;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use lake::hit::{Hit, SiteBot};
use lake::limits::MAX_CACHED_USER_AGENTS;

pub use bots::{
    BOTS_VERSION, HEADLESS, NO_USER_AGENT, SITE_IP, SITE_USER_AGENT, bot_reason, mark_again,
};
pub use device::Device;
pub use source::Source;

/// Devices and sources of hits; shared by all batches of a process.
#[derive(Debug, Default)]
pub struct Enricher {
    devices: Mutex<HashMap<String, Arc<Device>>>,
}

impl Enricher {
    /// Reads and compiles the lists now rather than at the first hit; for a process that starts.
    pub fn prepare() {
        agents::prepare();
        bots::prepare();
        sites::prepare();
    }

    /// What user agent and client hints say; looked at once, then remembered.
    pub fn device(&self, user_agent: Option<&str>, client_hints: Option<&str>) -> Arc<Device> {
        let user_agent = user_agent.unwrap_or_default();
        let key = match client_hints {
            None if user_agent.is_empty() => return Arc::default(),
            None => Cow::Borrowed(user_agent),
            Some(hints) => Cow::Owned(format!("{user_agent}\n{hints}")),
        };
        if let Some(device) = self.remembered().get(&*key) {
            return Arc::clone(device);
        }
        // Not under the lock: other batches go on meanwhile, and twice gives the same.
        let device = Arc::new(Device::of(user_agent, client_hints));
        let mut devices = self.remembered();
        if devices.len() >= MAX_CACHED_USER_AGENTS {
            devices.clear();
        }
        devices.insert(key.into_owned(), Arc::clone(&device));
        device
    }

    /// What a hit's own referrer and campaign say.
    #[must_use]
    pub fn source(&self, hit: &Hit) -> Source {
        Source::of(hit)
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Device>>> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a hit is held to be a bot's: an authenticated client's word (Matomo's `bots=1`) before all
/// else, then the site's rule on addresses, the lists, the absence of all that a browser sends, and
/// last the site's rule on user agents. What history cannot be judged by again is never hidden by
/// that rule, so that it can be taken back.
#[must_use]
pub fn reason_of(hit: &Hit, device: &Device) -> Option<&'static str> {
    if hit.not_a_bot {
        return None;
    }
    let silent = device.user_agent.is_none()
        && hit.client_hints.is_none()
        && hit.screen.is_none()
        && hit.client_id.is_none()
        && hit.user_id.is_none();
    if hit.site_bot == Some(SiteBot::Ip) {
        return Some(SITE_IP);
    }
    let by_site = hit.site_bot == Some(SiteBot::UserAgent);
    device
        .bot_reason
        .or_else(|| silent.then_some(NO_USER_AGENT))
        .or_else(|| by_site.then_some(SITE_USER_AGENT))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_a_stranger_sends_has_a_channel_and_a_form(
            referrer in "(https?|android-app)://[a-zé0-9.:@%_-]{0,30}[/?#]{0,2}[ -~é]{0,60}|.{0,60}",
            user_agent in ".{0,120}",
            hints in prop::option::of("[{}\\[\\]\":,a-z0-9. ]{0,60}"),
        ) {
            let hit = Hit { referrer: Some(referrer), ..Hit::default() };
            let source = Source::of(&hit);
            prop_assert!(!source.channel.is_empty());
            prop_assert_eq!(source.channel == "direct", source.source.is_none());
            let device = Device::of(&user_agent, hints.as_deref());
            prop_assert!(device.device.is_some());
            prop_assert!(device.user_agent.is_none_or(|kept| kept.len() <= 256));
        }
    }

    #[test]
    fn a_user_agent_is_looked_at_once() {
        let enricher = Enricher::default();
        let first = enricher.device(Some("curl/8.5.0"), None);
        assert!(Arc::ptr_eq(&first, &enricher.device(Some("curl/8.5.0"), None)));
        let hinted = enricher.device(Some("curl/8.5.0"), Some("{}"));
        assert!(!Arc::ptr_eq(&first, &hinted));
        assert!(Arc::ptr_eq(&hinted, &enricher.device(Some("curl/8.5.0"), Some("{}"))));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let enricher = Enricher::default();
        let remember = |from: usize, to: usize| {
            for number in from..to {
                let device = Arc::new(Device::default());
                enricher.remembered().insert(number.to_string(), device);
            }
        };
        remember(0, MAX_CACHED_USER_AGENTS - 1);
        enricher.device(Some("curl/1"), None);
        assert_eq!(enricher.remembered().len(), MAX_CACHED_USER_AGENTS);
        enricher.device(Some("curl/1"), None);
        assert_eq!(enricher.remembered().len(), MAX_CACHED_USER_AGENTS);
        enricher.device(Some("curl/2"), None);
        assert_eq!(enricher.remembered().len(), 1);
    }

    #[test]
    fn only_a_hit_with_nothing_of_a_browser_lacks_its_user_agent() {
        let bare = Hit::default();
        assert_eq!(reason_of(&bare, &Device::default()), Some(NO_USER_AGENT));
        let told = Hit { not_a_bot: true, ..Hit::default() };
        assert_eq!(reason_of(&told, &Device::default()), None);
        let by_rule = Hit { site_bot: Some(SiteBot::UserAgent), ..Hit::default() };
        assert_eq!(reason_of(&by_rule, &Device::default()), Some(NO_USER_AGENT));
        let with_screen = Hit { screen: Some("1024x768".to_owned()), ..Hit::default() };
        assert_eq!(reason_of(&with_screen, &Device::default()), None);
    }

    #[test]
    fn an_address_of_the_sites_rules_comes_before_the_lists_and_a_user_agent_after_them() {
        const FIREFOX: &str =
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
        let of = |user_agent: &str, site_bot, not_a_bot| {
            let hit = Hit {
                user_agent: Some(user_agent.to_owned()),
                site_bot,
                not_a_bot,
                ..Hit::default()
            };
            reason_of(&hit, &Enricher::default().device(Some(user_agent), None))
        };
        let (ip, by_agent) = (Some(SiteBot::Ip), Some(SiteBot::UserAgent));
        assert_eq!(of("curl/8.5", ip, false), Some(SITE_IP));
        assert_eq!(of("curl/8.5", by_agent, false), Some("list:curl"));
        assert_eq!(of(FIREFOX, by_agent, false), Some(SITE_USER_AGENT));
        for rule in [ip, by_agent] {
            assert_eq!(of(FIREFOX, rule, true), None, "the client's word");
        }
    }
}
