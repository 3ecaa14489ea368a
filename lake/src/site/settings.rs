//! The settings of a site as the owner gives them: names, values, defaults.

use serde::{Deserialize, Serialize};

/// Settings of one site. Empty lists restrict nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteSettings {
    /// 1 to 2147483647.
    pub id: i32,
    /// Shown to people.
    #[serde(default)]
    pub name: String,
    /// IANA zone whose midnights part the dates.
    #[serde(default = "utc")]
    pub timezone: String,
    /// ISO 4217.
    #[serde(default = "euro")]
    pub currency: String,
    /// The site's own hosts, without scheme, port and path.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Origins that may send hits, such as `https://shop.example`.
    #[serde(default)]
    pub allowed_origins: Vec<String>,
    /// Drop hits of hosts that are not in `hosts`.
    #[serde(default)]
    pub exclude_unknown_hosts: bool,
    /// Query parameters to remove from URLs; case does not matter.
    #[serde(default)]
    pub excluded_parameters: Vec<String>,
    /// Addresses, networks and IPv4 addresses ending in `*` whose hits are dropped.
    #[serde(default)]
    pub excluded_ips: Vec<String>,
    /// Parts of user agents (case does not matter), or `/regular expressions/`, whose hits are
    /// dropped.
    #[serde(default)]
    pub excluded_user_agents: Vec<String>,
    /// The same as in `excluded_ips`; these hits are kept and marked as a bot's.
    #[serde(default)]
    pub bot_ips: Vec<String>,
    /// The same as in `excluded_user_agents`, without minor versions; these hits are kept and marked
    /// as a bot's.
    #[serde(default)]
    pub bot_user_agents: Vec<String>,
    /// Hosts of referrers whose hits are dropped, those below them included.
    #[serde(default)]
    pub excluded_referrers: Vec<String>,
    /// Keep the fragment of URLs.
    #[serde(default)]
    pub keep_fragment: bool,
    /// Splits titles into levels.
    #[serde(default)]
    pub title_delimiter: String,
    /// How long a visitor is recognised without an id.
    #[serde(default)]
    pub identity: Identity,
    /// Signals that are honoured.
    #[serde(default = "gpc")]
    pub honour: Vec<Signal>,
    /// Where the country comes from when no header tells.
    #[serde(default)]
    pub country_fallback: CountryFallback,
    /// A website referrer begins a new visit.
    #[serde(default)]
    pub new_visit_on_referrer: bool,
    /// Orders and carts are counted.
    #[serde(default)]
    pub ecommerce: bool,
    /// Days that hits are kept.
    #[serde(default)]
    pub retention_days: Option<u32>,
    /// Site search by URL parameters.
    #[serde(default)]
    pub site_search: SiteSearch,
    /// Named parts of the site.
    #[serde(default)]
    pub sections: Vec<Section>,
    /// Named filters.
    #[serde(default)]
    pub segments: Vec<Segment>,
    /// Goals.
    #[serde(default)]
    pub goals: Vec<Goal>,
    /// Custom dimensions.
    #[serde(default)]
    pub dimensions: Vec<Dimension>,
}

/// How long a visitor is recognised without an id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// Until the site's midnight.
    #[default]
    Daily,
    /// Until Sunday's midnight.
    Weekly,
    /// Until the end of the month.
    Monthly,
    /// By the client's own id; by the day without one.
    FirstParty,
}

/// A signal of the browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Global Privacy Control.
    Gpc,
    /// Do Not Track.
    Dnt,
}

/// Where the country comes from when no header tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountryFallback {
    /// From nowhere.
    #[default]
    None,
    /// From the browser's time zone.
    Timezone,
    /// From the browser's language.
    Language,
}

/// Site search by URL parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SiteSearch {
    /// Whether page views with a keyword are searches.
    pub on: bool,
    /// Parameters of the keyword; the first of them that has a value counts.
    pub keyword: Vec<String>,
    /// Parameters of the category.
    pub category: Vec<String>,
}

impl Default for SiteSearch {
    fn default() -> Self {
        let keyword = ["q", "query", "s", "search", "searchword", "k", "keyword"];
        Self { on: true, keyword: keyword.map(str::to_owned).to_vec(), category: Vec::new() }
    }
}

/// A named part of the site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Path prefixes that belong to it.
    pub include: Vec<String>,
    /// Path prefixes that do not.
    #[serde(default)]
    pub exclude: Vec<String>,
}

/// A named filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// Its name.
    pub name: String,
    /// The filter, in the grammar of the metrics API, which checks it.
    pub filter: String,
}

/// Something that the owner wants visitors to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Goal {
    /// 1 to 2147483647.
    pub id: i32,
    /// Shown to people.
    pub name: String,
    /// What of a hit is looked at.
    #[serde(default, rename = "match")]
    pub matches: GoalMatch,
    /// How the pattern is meant.
    #[serde(default, rename = "type")]
    pub pattern_type: PatternType,
    /// What is looked for; empty for a goal that clients report by hand.
    #[serde(default)]
    pub pattern: String,
    /// Whether upper and lower case differ.
    #[serde(default)]
    pub case_sensitive: bool,
    /// One conversion a visit at most.
    #[serde(default = "yes")]
    pub once_per_visit: bool,
    /// Revenue of a conversion that brings none of its own.
    #[serde(default)]
    pub revenue: f64,
    /// The event's value is the revenue.
    #[serde(default)]
    pub event_value_as_revenue: bool,
}

/// What of a hit a goal looks at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoalMatch {
    /// Nothing: clients report it.
    #[default]
    Manual,
    /// The page's URL.
    Url,
    /// The page's title.
    Title,
    /// The URL of a download.
    Download,
    /// The URL of an outlink.
    Outlink,
    /// The event's category.
    EventCategory,
    /// The event's action.
    EventAction,
    /// The event's name.
    EventName,
}

/// How a pattern is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatternType {
    /// The text holds it.
    #[default]
    Contains,
    /// The text is it.
    Exact,
    /// The text starts with it.
    StartsWith,
    /// The regular expression matches a part of the text.
    Regex,
}

/// A custom dimension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dimension {
    /// 1 to 20.
    pub id: u8,
    /// Shown to people.
    pub name: String,
    /// What a value belongs to.
    #[serde(default)]
    pub scope: Scope,
    /// Values of an inactive dimension are not kept.
    #[serde(default = "yes")]
    pub active: bool,
}

/// What a dimension's value belongs to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The visit: the last value counts for all of it.
    Visit,
    /// The hit.
    #[default]
    Action,
}

fn utc() -> String {
    "UTC".to_owned()
}
fn euro() -> String {
    "EUR".to_owned()
}
fn gpc() -> Vec<Signal> {
    vec![Signal::Gpc]
}
const fn yes() -> bool {
    true
}
