//! Goals: which of them a hit reaches, as a pure function of the hit's fields.
//!
//! A hit meets the goals in force when it is first merged; what it reached is kept in its row
//! (column `goals`), so later settings change nothing of the past. A hit whose site's settings
//! cannot be read meets none yet: its column stays null, until a merge can read them. Knows no visit: whether a goal
//! counts once a visit is for [`crate::visits`] to apply.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::hit::Kind;
use crate::site::{Goal, GoalMatch, Pattern, SiteError, read_sites};
use crate::store::StoreRef;

/// One goal, its pattern compiled.
#[derive(Debug, Clone)]
struct Ready {
    goal: Goal,
    /// None where the goal looks at nothing.
    pattern: Option<Pattern>,
}

/// A goal that a hit reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reached {
    /// The goal.
    pub goal: i32,
    /// It counts each time, not once a visit.
    pub each: bool,
    /// Its revenue, in the site's currency.
    pub revenue: f64,
}

/// The fields of a hit at which goals look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Candidate<'a> {
    /// What it is.
    pub kind: Kind,
    /// Kind goal: the goal.
    pub goal: Option<i32>,
    /// Host of the page.
    pub host: Option<&'a str>,
    /// Path of the page.
    pub path: Option<&'a str>,
    /// Query of the page.
    pub query: Option<&'a str>,
    /// Title of the page.
    pub title: Option<&'a str>,
    /// URL of download or outlink.
    pub target: Option<&'a str>,
    /// Category of the event.
    pub event_category: Option<&'a str>,
    /// Action of the event.
    pub event_action: Option<&'a str>,
    /// Name of the event.
    pub event_name: Option<&'a str>,
    /// Value of the event.
    pub event_value: Option<f64>,
}

/// The goals in force, by site.
#[derive(Debug, Clone, Default)]
pub struct Goals {
    of_site: BTreeMap<i32, Vec<Ready>>,
    unread: BTreeSet<i32>,
}

impl Goals {
    /// The goals of all sites. Those of a site whose settings are not what they should be are
    /// [`Goals::unread`], so that one site does not stop the others; the log says so.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn in_force(store: &StoreRef) -> Result<Self, SiteError> {
        let mut goals = Self::default();
        for (id, site) in read_sites(store).await? {
            match site {
                Ok(site) => goals.add(id, &site.settings.goals),
                Err(error) => {
                    tracing::error!(
                        site = id,
                        "the settings of site {id} cannot be read, and its hits meet its goals when they can: {error}"
                    );
                    goals.unread.insert(id);
                }
            }
        }
        Ok(goals)
    }

    /// Sites whose goals are not known, because their settings cannot be read.
    #[must_use]
    pub const fn unread(&self) -> &BTreeSet<i32> {
        &self.unread
    }

    /// Adds a site's goals. Settings refuse a pattern that does not compile; one all the same is
    /// reached by nothing.
    pub fn add(&mut self, site: i32, goals: &[Goal]) {
        if !goals.is_empty() {
            self.of_site.insert(site, goals.iter().cloned().map(Ready::new).collect());
        }
    }

    /// Whether the site has any.
    #[must_use]
    pub fn has(&self, site: i32) -> bool {
        self.of_site.contains_key(&site)
    }

    /// The goals that a hit of the site reaches. A hit that itself is a goal reaches that one, so
    /// that its settings are known.
    #[must_use]
    pub fn reached(&self, site: i32, hit: &Candidate<'_>) -> Vec<Reached> {
        let of = self.of_site.get(&site).map(Vec::as_slice).unwrap_or_default();
        of.iter().filter(|goal| goal.is_reached(hit)).map(|goal| goal.reached(hit)).collect()
    }
}

impl Ready {
    fn new(goal: Goal) -> Self {
        let looks = goal.matches != GoalMatch::Manual && !goal.pattern.is_empty();
        let pattern = looks.then(|| Pattern::of_goal(&goal)).and_then(Result::ok);
        Self { goal, pattern }
    }

    fn is_reached(&self, hit: &Candidate<'_>) -> bool {
        let text = match (self.goal.matches, hit.kind) {
            (GoalMatch::Manual, Kind::Goal) => return hit.goal == Some(self.goal.id),
            (GoalMatch::Url, Kind::Pageview) => return self.matches_url(hit),
            (GoalMatch::Title, Kind::Pageview) => hit.title,
            (GoalMatch::Download, Kind::Download) | (GoalMatch::Outlink, Kind::Outlink) => {
                hit.target
            }
            (GoalMatch::EventCategory, Kind::Event) => hit.event_category,
            (GoalMatch::EventAction, Kind::Event) => hit.event_action,
            (GoalMatch::EventName, Kind::Event) => hit.event_name,
            _ => None,
        };
        text.is_some_and(|text| self.matches(text))
    }

    /// The scheme is not kept, so a pattern may name either, or begin with the host or the path.
    fn matches_url(&self, hit: &Candidate<'_>) -> bool {
        let Some(path) = hit.path else { return false };
        let mut url = format!("https://{}{path}", hit.host.unwrap_or_default());
        if let Some(query) = hit.query {
            let _ = write!(url, "?{query}");
        }
        let plain = url.replacen("https", "http", 1);
        let scheme = "https://".len();
        let from_host = url.get(scheme..).unwrap_or_default();
        let from_path = from_host.get(hit.host.map_or(0, str::len)..).unwrap_or_default();
        [url.as_str(), plain.as_str(), from_host, from_path].iter().any(|url| self.matches(url))
    }

    fn matches(&self, text: &str) -> bool {
        self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
    }

    fn reached(&self, hit: &Candidate<'_>) -> Reached {
        let of_event = hit.event_value.filter(|_| self.goal.event_value_as_revenue);
        Reached {
            goal: self.goal.id,
            each: !self.goal.once_per_visit,
            revenue: of_event.unwrap_or(self.goal.revenue),
        }
    }
}

/// The text of the column `goals`: `ID=REVENUE`, with `+` after the id of a goal that counts each
/// time, parted by spaces; empty when none was reached.
#[must_use]
pub fn to_text(reached: &[Reached]) -> String {
    let mut text = String::new();
    for one in reached {
        let space = if text.is_empty() { "" } else { " " };
        let each = if one.each { "+" } else { "" };
        let _ = write!(text, "{space}{}{each}={}", one.goal, one.revenue);
    }
    text
}

/// Reads what [`to_text`] wrote; what is unreadable is left out.
#[must_use]
pub fn from_text(text: &str) -> Vec<Reached> {
    let one = |part: &str| {
        let (goal, revenue) = part.split_once('=')?;
        let each = goal.ends_with('+');
        let goal = goal.trim_end_matches('+').parse().ok()?;
        Some(Reached { goal, each, revenue: revenue.parse().ok()? })
    };
    text.split(' ').filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn goals(mut goal: serde_json::Value) -> Goals {
        goal["name"] = "a goal".into();
        let mut goals = Goals::default();
        goals.add(1, &[serde_json::from_value(goal).unwrap()]);
        goals
    }

    fn page<'a>(path: &'a str, title: &'a str) -> Candidate<'a> {
        Candidate {
            kind: Kind::Pageview,
            host: Some("shop.example"),
            path: Some(path),
            query: Some("a=b"),
            title: Some(title),
            ..Candidate::default()
        }
    }

    fn is_reached(goal: serde_json::Value, hit: &Candidate<'_>) -> bool {
        !goals(goal).reached(1, hit).is_empty()
    }

    #[test]
    fn urls_are_compared_with_and_without_scheme_and_host() {
        let hit = page("/store/Purchase.htm", "x");
        for (compare, pattern, reached) in [
            ("contains", "/store/purchase", true),
            ("contains", "b=a", false),
            ("exact", "http://shop.example/store/purchase.htm?a=b", true),
            ("exact", "https://shop.example/store/purchase.htm?a=b", true),
            ("exact", "/store/purchase.htm?a=b", true),
            ("exact", "/store/purchase.htm", false),
            ("starts_with", "/store", true),
            ("starts_with", "shop.example/store", true),
            ("starts_with", "/purchase", false),
            ("regex", r"(.*)store\/purchase\.(.*)", true),
            ("regex", "^/store/[a-z]+[.]htm", true),
            ("regex", "(", false),
            ("contains", ".*", false),
            ("contains", "", false),
        ] {
            let goal = json!({"id": 2, "match": "url", "type": compare, "pattern": pattern});
            assert_eq!(is_reached(goal, &hit), reached, "{compare} {pattern}");
        }
        let cased = json!({"id": 2, "match": "url", "pattern": "purchase", "case_sensitive": true});
        assert!(!is_reached(cased, &hit));
    }

    #[test]
    fn a_goal_looks_at_its_kind_of_hit_only() {
        let title = json!({"id": 2, "match": "title", "pattern": "music"});
        assert!(is_reached(title.clone(), &page("/", "All Music")));
        assert!(!is_reached(title, &Candidate { kind: Kind::Event, ..page("/", "All Music") }));
        let event = Candidate {
            kind: Kind::Event,
            event_category: Some("Video"),
            event_value: Some(3.5),
            ..Candidate::default()
        };
        let goal = json!({"id": 3, "match": "event_category", "pattern": "video", "revenue": 8,
            "once_per_visit": false, "event_value_as_revenue": true});
        let reached = goals(goal).reached(1, &event);
        assert_eq!(reached, [Reached { goal: 3, each: true, revenue: 3.5 }]);
        let by_hand = Candidate { kind: Kind::Goal, goal: Some(4), ..Candidate::default() };
        assert!(is_reached(json!({"id": 4, "match": "manual"}), &by_hand));
        assert!(!is_reached(json!({"id": 5, "match": "manual"}), &by_hand));
    }

    proptest! {
        #[test]
        fn what_was_reached_survives_its_text(
            reached in prop::collection::vec((1..i32::MAX, any::<bool>(), -1e9..1e9_f64), 0..4)
        ) {
            let reached: Vec<Reached> = reached
                .into_iter()
                .map(|(goal, each, revenue)| Reached { goal, each, revenue })
                .collect();
            prop_assert_eq!(from_text(&to_text(&reached)), reached);
        }
    }
}
