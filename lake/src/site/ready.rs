//! A site as every hit needs it: lists as sets, patterns compiled, zones looked up.

use std::borrow::Cow;
use std::collections::HashSet;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use regex::RegexSet;

use super::SiteError;
use super::check::without_scheme;
use super::pattern;
use super::settings::{Identity, SiteSettings};
use super::stored::Stored;
use crate::hit::SiteBot;
use crate::limits::MAX_DIMENSIONS;
use crate::user_agent;

/// Settings with everything parsed that a hit needs; made once when the site is read.
#[derive(Debug)]
pub struct Site {
    /// As the owner gave them.
    pub settings: SiteSettings,
    zones: Vec<(i64, TimeZone)>,
    identities: Vec<(i64, Identity)>,
    networks: Vec<IpNet>,
    user_agents: RegexSet,
    bot_networks: Vec<IpNet>,
    bot_user_agents: RegexSet,
    hosts: HashSet<String>,
    origins: HashSet<String>,
    parameters: HashSet<String>,
    keywords: Vec<String>,
    categories: Vec<String>,
    spammers: HashSet<String>,
    goals: HashSet<i32>,
    /// Bit `n` stands for dimension `n`.
    dimensions: u32,
}

impl Site {
    pub(super) fn new(stored: Stored) -> Result<Self, SiteError> {
        let settings = SiteSettings::from_value(&stored.settings)?;
        let zone = |(from, name): (i64, String)| Some((from, TimeZone::get(&name).ok()?));
        let refused = |error: pattern::PatternError| SiteError::Refused(error.to_string());
        Ok(Self {
            zones: stored.zones.into_iter().filter_map(zone).collect(),
            identities: stored.identities,
            networks: networks(&settings.excluded_ips),
            user_agents: pattern::of_user_agents(&settings.excluded_user_agents)
                .map_err(refused)?,
            bot_networks: networks(&settings.bot_ips),
            bot_user_agents: pattern::of_user_agents(&settings.bot_user_agents).map_err(refused)?,
            hosts: lower(&settings.hosts),
            origins: lower(&settings.allowed_origins),
            parameters: lower(&settings.excluded_parameters),
            keywords: lower(&settings.site_search.keyword),
            categories: lower(&settings.site_search.category),
            spammers: settings
                .excluded_referrers
                .iter()
                .map(|host| without_scheme(host).to_lowercase())
                .collect(),
            goals: settings.goals.iter().map(|goal| goal.id).collect(),
            dimensions: kept_dimensions(&settings),
            settings,
        })
    }

    fn zone_ref(&self, ts_ms: i64) -> &TimeZone {
        static UTC: TimeZone = TimeZone::UTC;
        let in_force = self.zones.iter().rev().find(|(from, _)| *from <= ts_ms);
        in_force.or(self.zones.first()).map_or(&UTC, |(_, zone)| zone)
    }

    /// The zone in force at a time.
    #[must_use]
    pub fn zone_at(&self, ts_ms: i64) -> TimeZone {
        self.zone_ref(ts_ms).clone()
    }

    /// Each `identity` that hits of a time or later may have: what held then, and whatever came
    /// after, because a late hit has the one that holds when it comes. The shortest where what held
    /// is not known.
    pub fn identities_since(&self, ts_ms: i64) -> impl Iterator<Item = Identity> {
        let unknown = self.identities.first().is_none_or(|(from, _)| *from > ts_ms);
        let ends = self.identities.iter().skip(1).map(|(from, _)| *from).chain([i64::MAX]);
        let held = self.identities.iter().zip(ends).filter(move |(_, end)| *end > ts_ms);
        unknown.then_some(Identity::Daily).into_iter().chain(held.map(|((_, it), _)| *it))
    }

    /// The site's local date of a time.
    #[must_use]
    pub fn local_date(&self, ts_ms: i64) -> Date {
        let instant = jiff::Timestamp::from_millisecond(ts_ms).unwrap_or_default();
        self.zone_ref(ts_ms).to_datetime(instant).date()
    }

    /// Whether hits of this address are dropped.
    #[must_use]
    pub fn excludes(&self, address: IpAddr) -> bool {
        holds(&self.networks, address)
    }

    /// Whether hits of this user agent are dropped.
    #[must_use]
    pub fn excludes_user_agent(&self, user_agent: &str) -> bool {
        !self.user_agents.is_empty() && self.user_agents.is_match(user_agent)
    }

    /// The site's rule by which a hit of this address and user agent is a bot's. The user agent is
    /// judged in the form that the table keeps, so that the rule can be applied to history.
    #[must_use]
    pub fn bot_rule(&self, address: Option<IpAddr>, user_agent: Option<&str>) -> Option<SiteBot> {
        if address.is_some_and(|address| holds(&self.bot_networks, address)) {
            return Some(SiteBot::Ip);
        }
        let judged = !self.bot_user_agents.is_empty()
            && self.is_bot_user_agent(&user_agent::stored(user_agent.unwrap_or_default()));
        judged.then_some(SiteBot::UserAgent)
    }

    /// Whether hits of this user agent, in the form that the table keeps, are a bot's by the site's
    /// own rules.
    #[must_use]
    pub fn is_bot_user_agent(&self, stored_user_agent: &str) -> bool {
        !self.bot_user_agents.is_empty() && self.bot_user_agents.is_match(stored_user_agent)
    }

    /// Whether pages of this origin may send hits.
    #[must_use]
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.origins.is_empty() || self.origins.contains(lowered(origin).as_ref())
    }

    /// Whether the host, in lower case, is one of the site's own.
    #[must_use]
    pub fn is_own_host(&self, host: &str) -> bool {
        self.hosts.contains(host)
    }

    /// Whether hits that come from this host, in lower case, are dropped.
    #[must_use]
    pub fn is_spam_host(&self, host: &str) -> bool {
        if self.spammers.is_empty() || host.is_empty() {
            return false;
        }
        let below = host.match_indices('.').filter_map(|(at, _)| host.get(at + 1..));
        std::iter::once(host).chain(below).any(|host| self.spammers.contains(host))
    }

    /// Whether the query parameter, in lower case, is removed from URLs.
    #[must_use]
    pub fn removes_parameter(&self, name: &str) -> bool {
        self.parameters.contains(name)
    }

    /// Parameters of the search keyword in order, lower case; none where search is off.
    #[must_use]
    pub fn search_keywords(&self) -> &[String] {
        if self.settings.site_search.on { &self.keywords } else { &[] }
    }

    /// Parameters of the search category in order, lower case.
    #[must_use]
    pub fn search_categories(&self) -> &[String] {
        &self.categories
    }

    /// Whether values of this custom dimension are kept: all where none is set up, else the
    /// active ones.
    #[must_use]
    pub const fn keeps_dimension(&self, number: u8) -> bool {
        number <= MAX_DIMENSIONS && self.dimensions & (1 << number) != 0
    }

    /// Whether the goal can be reached: any where none is set up.
    #[must_use]
    pub fn knows_goal(&self, id: i32) -> bool {
        id > 0 && (self.goals.is_empty() || self.goals.contains(&id))
    }
}

fn networks(entries: &[String]) -> Vec<IpNet> {
    entries.iter().filter_map(|text| network(text)).collect()
}

fn holds(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

fn lower<L: FromIterator<String>>(texts: &[String]) -> L {
    texts.iter().map(|text| text.to_lowercase()).collect()
}

/// Lower case without a copy where it is already.
fn lowered(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|letter| letter.is_ascii_uppercase() || !letter.is_ascii()) {
        text.to_lowercase().into()
    } else {
        text.into()
    }
}

fn kept_dimensions(settings: &SiteSettings) -> u32 {
    if settings.dimensions.is_empty() {
        return u32::MAX;
    }
    let active = settings.dimensions.iter().filter(|dimension| dimension.active);
    active.fold(0, |bits, dimension| bits | 1_u32.checked_shl(dimension.id.into()).unwrap_or(0))
}

/// The addresses that an entry of `excluded_ips` or `bot_ips` means: an address, a network, or an IPv4
/// address whose last parts are `*`, as Matomo writes them.
pub(super) fn network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical().into());
    }
    if let Ok(network) = text.parse() {
        return Some(network);
    }
    let parts: Vec<&str> = text.split('.').collect();
    let fixed = parts.iter().take_while(|part| **part != "*").count();
    if parts.len() != 4 || !parts.iter().skip(fixed).all(|part| *part == "*") {
        return None;
    }
    let address: std::net::Ipv4Addr = text.replace('*', "0").parse().ok()?;
    let bits = u8::try_from(fixed * 8).ok()?;
    Some(IpNet::V4(Ipv4Net::new(address, bits).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(settings: &str) -> Site {
        let settings: serde_json::Value = serde_json::from_str(settings).unwrap();
        Site::new(Stored {
            settings,
            zones: vec![(i64::MIN, "UTC".to_owned())],
            identities: Vec::new(),
        })
        .unwrap()
    }

    #[test]
    fn addresses_networks_and_wildcards_exclude() {
        let site = site(
            r#"{"id":1,"excluded_ips":["192.0.2.7","198.51.*.*","2001:db8::/32","203.0.113.0/25"]}"#,
        );
        for (address, excluded) in [
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("198.51.0.1", true),
            ("198.52.0.1", false),
            ("::ffff:198.51.3.4", true),
            ("2001:db8::1", true),
            ("2001:db9::1", false),
            ("203.0.113.127", true),
            ("203.0.113.128", false),
        ] {
            assert_eq!(site.excludes(address.parse().unwrap()), excluded, "{address}");
        }
        for bad in ["1.*.3.4", "1.2.3", "1.2.*", "*", "x", "1.2.3.256", "1.2.3.4/33"] {
            assert_eq!(network(bad), None, "{bad}");
        }
        assert!(network("*.*.*.*").is_some());
    }

    #[test]
    fn user_agents_go_by_part_or_expression() {
        let site = site(r#"{"id":1,"excluded_user_agents":["headless","/^curl\\/\\d/"]}"#);
        for (user_agent, excluded) in
            [("x HeadlessChrome y", true), ("curl/8", true), ("a curl/8", false), ("", false)]
        {
            assert_eq!(site.excludes_user_agent(user_agent), excluded, "{user_agent}");
        }
    }

    #[test]
    fn bots_of_the_sites_own_go_by_address_or_by_what_is_kept_of_the_user_agent() {
        let site = site(
            r#"{"id":1,"bot_ips":["192.0.2.*"],"bot_user_agents":["uptime/2","/^Monitor\\/\\d+$/"]}"#,
        );
        for (address, user_agent, rule) in [
            (Some("192.0.2.7"), Some("Firefox"), Some(SiteBot::Ip)),
            (Some("::ffff:192.0.2.7"), Some("Uptime/2.1"), Some(SiteBot::Ip)),
            (Some("192.0.3.7"), Some("x Uptime/2.1.7 y"), Some(SiteBot::UserAgent)),
            (None, Some("Monitor/4.5.6"), Some(SiteBot::UserAgent)),
            (None, Some("monitor/4"), None),
            (None, Some("Uptime/3"), None),
            (None, None, None),
        ] {
            let address = address.map(|address| address.parse().unwrap());
            assert_eq!(site.bot_rule(address, user_agent), rule, "{user_agent:?}");
        }
    }

    #[test]
    fn spam_goes_by_label_not_by_part() {
        let site = site(r#"{"id":1,"excluded_referrers":["t.co","https://Spam.example"]}"#);
        for (host, spam) in [
            ("t.co", true),
            ("a.b.t.co", true),
            ("microsoft.co", false),
            ("not.co", false),
            ("spam.example", true),
            ("", false),
        ] {
            assert_eq!(site.is_spam_host(host), spam, "{host}");
        }
    }

    #[test]
    fn empty_lists_restrict_nothing() {
        let open = site(r#"{"id":1}"#);
        assert!(open.knows_goal(7) && open.keeps_dimension(20) && open.allows_origin("null"));
        assert!(!open.knows_goal(0) && !open.keeps_dimension(21));
        let set = site(
            r#"{"id":1,"allowed_origins":["https://Shop.example"],"goals":[{"id":2,"name":"x"}],
            "dimensions":[{"id":1,"name":"a"},{"id":2,"name":"b","active":false}]}"#,
        );
        assert!(set.knows_goal(2) && !set.knows_goal(1));
        assert!(set.keeps_dimension(1) && !set.keeps_dimension(2) && !set.keeps_dimension(3));
        assert!(set.allows_origin("https://shop.example") && !set.allows_origin("null"));
    }
}
