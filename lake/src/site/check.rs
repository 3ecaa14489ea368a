//! What the types of settings do not rule out.

use std::collections::HashSet;
use std::hash::Hash;

use jiff::tz::TimeZone;

use super::SiteError;
use super::error::refused;
use super::pattern::{self, Pattern};
use super::ready::network;
use super::settings::{GoalMatch, SiteSettings};
use crate::filter::Filter;
use crate::limits::{MAX_DIMENSIONS, MAX_ID_BYTES, MAX_RETENTION_DAYS};
use crate::user_agent;

type Checked = Result<(), SiteError>;

impl SiteSettings {
    pub(super) fn check(&self) -> Checked {
        if self.id < 1 {
            return Err(refused("id", &self.id, ""));
        }
        if self.name.len() > MAX_ID_BYTES {
            return Err(refused("name", &self.name, "too long"));
        }
        if TimeZone::get(&self.timezone).is_err() {
            return Err(refused("timezone", &self.timezone, "no such zone"));
        }
        let is_currency = self.currency.len() == 3
            && self.currency.bytes().all(|letter| letter.is_ascii_uppercase());
        if !is_currency {
            return Err(refused("currency", &self.currency, ""));
        }
        if let Some(days) = self.retention_days
            && !(1..=MAX_RETENTION_DAYS).contains(&days)
        {
            return Err(refused("retention_days", &days, ""));
        }
        self.check_lists()?;
        self.check_sections()?;
        self.check_goals()?;
        self.check_dimensions()
    }

    fn check_lists(&self) -> Checked {
        each("hosts", &self.hosts, |host| if is_host(host) { Ok(()) } else { Err(String::new()) })?;
        each("allowed_origins", &self.allowed_origins, is_origin)?;
        each("excluded_parameters", &self.excluded_parameters, is_parameter)?;
        each("site_search.keyword", &self.site_search.keyword, is_parameter)?;
        each("site_search.category", &self.site_search.category, is_parameter)?;
        for (name, addresses) in [("excluded_ips", &self.excluded_ips), ("bot_ips", &self.bot_ips)]
        {
            each(name, addresses, |text| network(text).map(|_| ()).ok_or_else(String::new))?;
        }
        each("excluded_referrers", &self.excluded_referrers, |host| {
            if is_host(without_scheme(host)) { Ok(()) } else { Err(String::new()) }
        })?;
        check_user_agents("excluded_user_agents", &self.excluded_user_agents)?;
        check_user_agents("bot_user_agents", &self.bot_user_agents)?;
        each("bot_user_agents", &self.bot_user_agents, is_kept)
    }

    fn check_sections(&self) -> Checked {
        let prefix = |path: &str| {
            if path.starts_with('/') { Ok(()) } else { Err("it does not begin with /".to_owned()) }
        };
        let mut names = HashSet::new();
        for (at, section) in self.sections.iter().enumerate() {
            named(&format!("sections[{at}].name"), &section.name)?;
            once(&mut names, &section.name, &format!("sections[{at}].name"))?;
            let include = format!("sections[{at}].include");
            if section.include.is_empty() {
                return Err(refused(&include, &section.include, "it is empty"));
            }
            each(&include, &section.include, prefix)?;
            each(&format!("sections[{at}].exclude"), &section.exclude, prefix)?;
        }
        let mut names = HashSet::new();
        for (at, segment) in self.segments.iter().enumerate() {
            named(&format!("segments[{at}].name"), &segment.name)?;
            once(&mut names, &segment.name, &format!("segments[{at}].name"))?;
            if segment.filter.trim().is_empty() {
                let path = format!("segments[{at}].filter");
                return Err(refused(&path, &segment.filter, "it is empty"));
            }
        }
        Ok(())
    }

    /// Asked when settings are put; what is stored already must not stop a site's hits.
    pub(super) fn check_segments(&self) -> Checked {
        for (at, segment) in self.segments.iter().enumerate() {
            Filter::parse(&segment.filter).map_err(|error| {
                refused(&format!("segments[{at}].filter"), &segment.filter, &error.to_string())
            })?;
        }
        Ok(())
    }

    fn check_goals(&self) -> Checked {
        let mut ids = HashSet::new();
        for (at, goal) in self.goals.iter().enumerate() {
            let path = |key: &str| format!("goals[{at}].{key}");
            if goal.id < 1 {
                return Err(refused(&path("id"), &goal.id, ""));
            }
            once(&mut ids, &goal.id, &path("id"))?;
            named(&path("name"), &goal.name)?;
            if !(goal.revenue.is_finite() && goal.revenue >= 0.0) {
                return Err(refused(&path("revenue"), &goal.revenue, ""));
            }
            if goal.matches != GoalMatch::Manual {
                if goal.pattern.is_empty() {
                    return Err(refused(&path("pattern"), &goal.pattern, "it is empty"));
                }
                Pattern::of_goal(goal).map_err(|error| {
                    refused(&path("pattern"), &goal.pattern, &error.to_string())
                })?;
            }
        }
        Ok(())
    }

    fn check_dimensions(&self) -> Checked {
        let mut ids = HashSet::new();
        for (at, dimension) in self.dimensions.iter().enumerate() {
            let path = format!("dimensions[{at}].id");
            if !(1..=MAX_DIMENSIONS).contains(&dimension.id) {
                return Err(refused(&path, &dimension.id, ""));
            }
            once(&mut ids, &dimension.id, &path)?;
            named(&format!("dimensions[{at}].name"), &dimension.name)?;
        }
        Ok(())
    }
}

fn check_user_agents(path: &str, entries: &[String]) -> Checked {
    each(path, entries, |entry| {
        pattern::of_user_agent(entry)
            .and_then(|expression| pattern::set(&[expression]))
            .map(|_| ())
            .map_err(|error| error.to_string())
    })?;
    // Each alone may be small enough and all together too large.
    pattern::of_user_agents(entries)
        .map(|_| ())
        .map_err(|error| refused(path, &entries, &error.to_string()))
}

/// A part of a user agent that the table cannot hold would mark nothing.
fn is_kept(entry: &str) -> Result<(), String> {
    let kept = user_agent::stored(entry);
    if entry.starts_with('/') || kept == entry {
        return Ok(());
    }
    Err(format!("only the major of a version is kept: write {kept:?}"))
}

fn each(path: &str, entries: &[String], fits: impl Fn(&str) -> Result<(), String>) -> Checked {
    for (at, entry) in entries.iter().enumerate() {
        fits(entry).map_err(|why| refused(&format!("{path}[{at}]"), entry, &why))?;
    }
    Ok(())
}

fn named(path: &str, name: &str) -> Checked {
    if name.trim().is_empty() || name.len() > MAX_ID_BYTES {
        return Err(refused(path, &name, ""));
    }
    Ok(())
}

fn once<T: Hash + Eq + Clone + std::fmt::Debug>(
    seen: &mut HashSet<T>,
    value: &T,
    path: &str,
) -> Checked {
    if seen.insert(value.clone()) { Ok(()) } else { Err(refused(path, value, "given twice")) }
}

/// A host name or an address, and nothing else. Names beyond ASCII are left as they are.
fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.chars().all(|letter| {
                letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_') || !letter.is_ascii()
            })
    };
    text.parse::<std::net::IpAddr>().is_ok() || text.split('.').all(label)
}

fn is_origin(text: &str) -> Result<(), String> {
    let Some((scheme, rest)) = text.split_once("://") else { return Err("no scheme".to_owned()) };
    if scheme.is_empty() || !scheme.bytes().all(|letter| letter.is_ascii_alphanumeric()) {
        return Err("no scheme".to_owned());
    }
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !rest.ends_with(']') => (host, port),
        _ => (rest, "0"),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if port.parse::<u16>().is_err() || !is_host(host) {
        return Err("after the scheme only a host and a port may stand".to_owned());
    }
    Ok(())
}

fn is_parameter(name: &str) -> Result<(), String> {
    if name.trim().is_empty() || name.contains(['=', '&', '?', '#']) {
        return Err("no name of a parameter".to_owned());
    }
    Ok(())
}

/// `https://host` as `host`.
pub(super) fn without_scheme(text: &str) -> &str {
    text.split_once("://").map_or(text, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::super::SiteSettings;

    fn refusal(settings: &str) -> String {
        SiteSettings::parse(settings).unwrap_err().to_string()
    }

    #[test]
    fn an_unknown_key_at_any_depth_is_refused_with_the_nearest_right_name() {
        for (settings, said) in [
            (r#"{"id":1,"bot_useragents":[]}"#, "did you mean bot_user_agents?"),
            (r#"{"id":1,"time_zone":"UTC"}"#, "unknown key time_zone; did you mean timezone?"),
            (
                r#"{"id":1,"goals":[{"id":1,"name":"x","patern":"y"}]}"#,
                "unknown key goals[0].patern; did you mean pattern?",
            ),
            (
                r#"{"id":1,"site_search":{"keywords":[]}}"#,
                "unknown key site_search.keywords; did you mean keyword?",
            ),
            (
                r#"{"id":1,"dimensions":[{"id":1,"name":"x"},{"idd":2}]}"#,
                "unknown key dimensions[1].idd; did you mean id?",
            ),
        ] {
            assert!(refusal(settings).ends_with(said), "{}", refusal(settings));
        }
    }

    #[test]
    fn an_error_names_the_key_the_value_and_what_is_allowed() {
        for (settings, said) in [
            (r#"{"id":0}"#, "id is 0; allowed: 1 to 2147483647"),
            (r#"{"id":2147483648}"#, "id is 2147483648; allowed: 1 to 2147483647"),
            (r#"{"name":"x"}"#, "id is missing; allowed: 1 to 2147483647"),
            (r#"{"id":1,"timezone":"Mars/Base"}"#, r#"timezone is "Mars/Base" (no such zone)"#),
            (r#"{"id":1,"identity":"x"}"#, r#"identity is "x"; allowed: daily, weekly"#),
            (r#"{"id":1,"honour":["gpc","x"]}"#, r#"honour[1] is "x"; allowed: a list of gpc"#),
            (r#"{"id":1,"currency":"eur"}"#, r#"currency is "eur"; allowed: three capital"#),
            (r#"{"id":1,"retention_days":0}"#, "retention_days is 0; allowed: null, or 1"),
            (r#"{"id":1,"hosts":["a.example:8080"]}"#, r#"hosts[0] is "a.example:8080""#),
            (r#"{"id":1,"hosts":["a.example/x"]}"#, "without scheme, port and path"),
            (r#"{"id":1,"allowed_origins":["https://a/x"]}"#, "allowed_origins[0] is"),
            (r#"{"id":1,"excluded_ips":["x"]}"#, r#"excluded_ips[0] is "x"; allowed: addresses"#),
            (r#"{"id":1,"excluded_user_agents":["/(/"]}"#, "excluded_user_agents[0] is"),
            (r#"{"id":1,"excluded_user_agents":["/(a{1000}){1000}/"]}"#, "no regular expression"),
            (r#"{"id":1,"bot_ips":["192.0.2.0/33"]}"#, r#"bot_ips[0] is "192.0.2.0/33"; allowed"#),
            (r#"{"id":1,"bot_user_agents":["x"," "]}"#, "bot_user_agents[1] is"),
            (r#"{"id":1,"bot_user_agents":["/(/"]}"#, "bot_user_agents[0] is"),
            (
                r#"{"id":1,"bot_user_agents":["Uptime/2.1"]}"#,
                r#"only the major of a version is kept: write "Uptime/2""#,
            ),
            (
                r#"{"id":1,"goals":[{"id":1,"name":"x","match":"urll","pattern":"y"}]}"#,
                r#"goals[0].match is "urll"; allowed: manual, url"#,
            ),
            (
                r#"{"id":1,"goals":[{"id":1,"name":"x","match":"url"}]}"#,
                r#"goals[0].pattern is """#,
            ),
            (
                r#"{"id":1,"goals":[{"id":1,"name":"x","match":"url","type":"regex","pattern":"("}]}"#,
                r#"goals[0].pattern is "(""#,
            ),
            (
                r#"{"id":1,"goals":[{"id":1,"name":"x"},{"id":1,"name":"y"}]}"#,
                "goals[1].id is 1 (given twice)",
            ),
            (r#"{"id":1,"goals":[{"id":1}]}"#, "goals[0].name is missing"),
            (
                r#"{"id":1,"dimensions":[{"id":21,"name":"x"}]}"#,
                "dimensions[0].id is 21; allowed: 1 to 20",
            ),
            (r#"{"id":1,"dimensions":[{"id":1,"name":"x"},{"id":1,"name":"y"}]}"#, "given twice"),
            (
                r#"{"id":1,"sections":[{"name":"n","include":["news"]}]}"#,
                r#"sections[0].include[0] is "news""#,
            ),
            (r#"{"id":1,"sections":[{"name":"n","include":[]}]}"#, "sections[0].include is []"),
            (
                r#"{"id":1,"segments":[{"name":"a","filter":"x==1"},{"name":"a","filter":"y==1"}]}"#,
                "segments[1].name is",
            ),
            (r#"{"id":1,"ecommerce":"yes"}"#, r#"ecommerce is "yes"; allowed: true or false"#),
            ("[]", "allowed: an object"),
            ("{", "no JSON"),
        ] {
            assert!(refusal(settings).contains(said), "{settings}: {}", refusal(settings));
        }
    }

    #[test]
    fn what_is_allowed_comes_back_as_it_was() {
        let whole = r#"{"id":2147483647,"name":"Shop","timezone":"Europe/Berlin","currency":"EUR",
        "hosts":["shop.example","münchen.example","xn--mnchen-3ya.example","192.0.2.1"],
        "allowed_origins":["https://shop.example","http://127.0.0.1:8080","http://[::1]:80"],
        "excluded_ips":["192.0.2.*","2001:db8::/32"],"excluded_user_agents":["bot","/^x/i"],
        "bot_ips":["198.51.100.7"],"bot_user_agents":["Uptime/2","/^Monitor\\//"],
        "excluded_referrers":["https://spam.example"],"retention_days":400,
        "sections":[{"name":"news","include":["/news"],"exclude":["/news/old"]}],
        "segments":[{"name":"uk","filter":"country==GB"}],
        "goals":[{"id":1,"name":"Order","match":"url","type":"contains","pattern":"/thanks",
        "case_sensitive":false,"once_per_visit":true,"revenue":0,"event_value_as_revenue":false}],
        "dimensions":[{"id":20,"name":"Plan","scope":"visit","active":true}]}"#;
        let settings = SiteSettings::parse(whole).unwrap();
        let shown = serde_json::to_string(&settings).unwrap();
        assert_eq!(SiteSettings::parse(&shown).unwrap(), settings);
    }
}
