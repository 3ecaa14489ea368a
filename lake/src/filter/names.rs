//! The one table of names that filters know: ours, which look at each hit, and Matomo's, which
//! select visits. Where both have a name (`city`, `dimension1`), it is ours.

use super::error::FilterError;
use crate::hit::Kind;
use crate::nearest::nearest;

/// Before one of our names: visits that have such a hit.
pub const VISITED: &str = "visited_";

/// Which rows a condition looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The row that is counted.
    Hit,
    /// The first row of its visit.
    FirstHit,
    /// The first page view or search of its visit.
    FirstPage,
    /// The last page view or search of its visit.
    LastPage,
    /// All rows of its visit: one must meet the condition, whatever others meet.
    AnyHit,
    /// All rows of its visit: one row must meet all conditions of this reach.
    SameHit,
}

/// What value a row has for a name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Source {
    /// That of the dimension with the name of the condition.
    Dimension,
    /// A column of text.
    Text(&'static str),
    /// A column of ids, 16 hex digits.
    Id(&'static str),
    /// A column of numbers; yes is 1, no is 0.
    Number(&'static str),
    /// A column of text under the names of others: (ours, theirs).
    Renamed(&'static str, &'static [(&'static str, &'static str)]),
    /// The first of two columns of text that has a value.
    Either(&'static str, &'static str),
    /// A column of URLs, without scheme and `www.`.
    Url(&'static str),
    /// Two columns that together are a URL without scheme, without `www.`.
    UrlOf(&'static str, &'static str),
    /// Host, path and query, without `www.`.
    PageUrl,
    /// The target of downloads and outlinks, else as [`Source::PageUrl`].
    ActionUrl,
    /// The hour in a column of seconds since midnight.
    HourOf(&'static str),
    /// How many hits of a kind the visit has.
    Count(Kind),
    /// Whether the visit converted: 1 or 0.
    Converted,
}

/// One name.
#[derive(Debug, PartialEq)]
pub struct Name {
    /// As it is written.
    pub name: &'static str,
    /// Which rows it looks at.
    pub reach: Reach,
    /// What value they have.
    pub source: Source,
    /// Only rows of these kinds have a value; none named: all.
    pub kinds: &'static [Kind],
    /// Compared as a number, where the source is a dimension.
    number: bool,
}

impl Name {
    /// Whether its values are numbers.
    #[must_use]
    pub const fn is_number(&self) -> bool {
        match self.source {
            Source::Dimension => self.number,
            Source::Number(_) | Source::HourOf(_) | Source::Count(_) | Source::Converted => true,
            _ => false,
        }
    }

    /// Whether `visited_` may stand before it. Hours and days depend on the zone of the question,
    /// in which a visit's hits may lie outside of it.
    #[must_use]
    pub fn may_be_visited(&self) -> bool {
        self.reach == Reach::Hit && !matches!(self.name, "hour_of_day" | "weekday")
    }
}

const fn dimension(name: &'static str, number: bool) -> Name {
    Name { name, reach: Reach::Hit, source: Source::Dimension, kinds: &[], number }
}

const fn of(reach: Reach, name: &'static str, kinds: &'static [Kind], source: Source) -> Name {
    Name { name, reach, source, kinds, number: false }
}

/// Ours, of a column that has the name.
const fn text(name: &'static str) -> Name {
    of(Reach::Hit, name, &[], Source::Text(name))
}

/// Ours, of a column of numbers.
const fn number(name: &'static str, column: &'static str) -> Name {
    of(Reach::Hit, name, &[], Source::Number(column))
}

/// Matomo's, of the visit.
const fn visit(name: &'static str, source: Source) -> Name {
    of(Reach::FirstHit, name, &[], source)
}

/// Matomo's, of its actions.
const fn action(name: &'static str, kinds: &'static [Kind], source: Source) -> Name {
    of(Reach::SameHit, name, kinds, source)
}

const PAGES: &[Kind] = &[Kind::Pageview, Kind::Search];
const ACTIONS: &[Kind] =
    &[Kind::Pageview, Kind::Search, Kind::Download, Kind::Outlink, Kind::Event];
const DEVICES: &[(&str, &str)] = &[("mobile", "smartphone"), ("car", "car browser")];
const TYPES: &[(&str, &str)] = &[
    ("ai", "website"),
    ("email", "campaign"),
    ("paid_search", "campaign"),
    ("paid_social", "campaign"),
    ("display", "campaign"),
];
const KINDS: &[(&str, &str)] = &[
    ("pageview", "pageviews"),
    ("content", "contents"),
    ("search", "sitesearches"),
    ("event", "events"),
    ("outlink", "outlinks"),
    ("download", "downloads"),
];

/// Every name.
pub static NAMES: &[Name] = &[
    dimension("page", false),
    dimension("title", false),
    dimension("host", false),
    dimension("section", false),
    dimension("entry_page", false),
    dimension("exit_page", false),
    dimension("download", false),
    dimension("outlink", false),
    dimension("channel", false),
    dimension("source", false),
    dimension("keyword", false),
    dimension("referrer", false),
    dimension("campaign", false),
    dimension("campaign_source", false),
    dimension("campaign_medium", false),
    dimension("campaign_term", false),
    dimension("campaign_content", false),
    dimension("country", false),
    dimension("region", false),
    dimension("city", false),
    dimension("language", false),
    dimension("device", false),
    dimension("brand", false),
    dimension("model", false),
    dimension("os", false),
    dimension("os_version", false),
    dimension("browser", false),
    dimension("browser_version", false),
    dimension("screen", false),
    dimension("event_category", false),
    dimension("event_action", false),
    dimension("event_name", false),
    dimension("search_term", false),
    dimension("content", false),
    dimension("goal", true),
    dimension("hour_of_day", true),
    dimension("weekday", true),
    dimension("site", true),
    dimension("visitor_type", false),
    dimension("duration_band", false),
    dimension("actions_band", false),
    dimension("dimension1", false),
    dimension("dimension2", false),
    dimension("dimension3", false),
    dimension("dimension4", false),
    dimension("dimension5", false),
    dimension("dimension6", false),
    dimension("dimension7", false),
    dimension("dimension8", false),
    dimension("dimension9", false),
    dimension("dimension10", false),
    dimension("dimension11", false),
    dimension("dimension12", false),
    dimension("dimension13", false),
    dimension("dimension14", false),
    dimension("dimension15", false),
    dimension("dimension16", false),
    dimension("dimension17", false),
    dimension("dimension18", false),
    dimension("dimension19", false),
    dimension("dimension20", false),
    text("kind"),
    text("path"),
    text("query"),
    text("target"),
    text("search_category"),
    text("content_piece"),
    text("order_id"),
    text("user_id"),
    text("referrer_path"),
    number("event_value", "event_value"),
    number("search_results", "search_results"),
    number("revenue", "revenue"),
    number("time_on_page", "time_on_page_s"),
    number("scroll_percent", "scroll_percent"),
    number("status", "status"),
    number("visit_duration", "visit_duration_s"),
    number("visit_actions", "visit_actions"),
    number("visit_pageviews", "visit_pageviews"),
    visit("countryCode", Source::Text("country")),
    visit("regionCode", Source::Text("region")),
    visit("languageCode", Source::Text("language")),
    visit("deviceType", Source::Renamed("device", DEVICES)),
    visit("deviceBrand", Source::Text("brand")),
    visit("deviceModel", Source::Text("model")),
    visit("operatingSystemName", Source::Text("os")),
    visit("operatingSystemVersion", Source::Text("os_version")),
    visit("browserName", Source::Text("browser")),
    visit("browserVersion", Source::Text("browser_version")),
    visit("resolution", Source::Text("screen")),
    visit("referrerType", Source::Renamed("channel", TYPES)),
    visit("referrerName", Source::Either("campaign", "source")),
    visit("referrerKeyword", Source::Text("keyword")),
    visit("referrerUrl", Source::UrlOf("referrer_host", "referrer_path")),
    visit("visitorType", Source::Text("visitor_type")),
    visit("visitorId", Source::Id("visitor_id")),
    visit("visitId", Source::Id("visit_id")),
    visit("visitDuration", Source::Number("visit_duration_s")),
    visit("visitLocalHour", Source::HourOf("local_time_s")),
    visit("actions", Source::Number("visit_actions")),
    visit("searches", Source::Count(Kind::Search)),
    visit("events", Source::Count(Kind::Event)),
    visit("visitConverted", Source::Converted),
    of(Reach::AnyHit, "userId", &[], Source::Text("user_id")),
    of(Reach::AnyHit, "visitConvertedGoalId", &[Kind::Goal], Source::Number("goal_id")),
    of(Reach::AnyHit, "orderId", &[Kind::Order], Source::Text("order_id")),
    of(Reach::AnyHit, "revenueOrder", &[Kind::Order], Source::Number("revenue")),
    of(Reach::FirstPage, "entryPageUrl", &[], Source::PageUrl),
    of(Reach::FirstPage, "entryPageTitle", &[], Source::Text("title")),
    of(Reach::LastPage, "exitPageUrl", &[], Source::PageUrl),
    of(Reach::LastPage, "exitPageTitle", &[], Source::Text("title")),
    action("pageUrl", PAGES, Source::PageUrl),
    action("pageTitle", PAGES, Source::Text("title")),
    action("downloadUrl", &[Kind::Download], Source::Url("target")),
    action("outlinkUrl", &[Kind::Outlink], Source::Url("target")),
    action("actionUrl", ACTIONS, Source::ActionUrl),
    action("actionType", &[], Source::Renamed("kind", KINDS)),
    action("siteSearchKeyword", &[Kind::Search], Source::Text("search_term")),
    action("siteSearchCategory", &[Kind::Search], Source::Text("search_category")),
    action("siteSearchCount", &[Kind::Search], Source::Number("search_results")),
    action("eventUrl", &[Kind::Event], Source::PageUrl),
    action("eventCategory", &[Kind::Event], Source::Text("event_category")),
    action("eventAction", &[Kind::Event], Source::Text("event_action")),
    action("eventName", &[Kind::Event], Source::Text("event_name")),
    action("eventValue", &[Kind::Event], Source::Number("event_value")),
    action("contentName", &[Kind::Content], Source::Text("content_name")),
    action("contentPiece", &[Kind::Content], Source::Text("content_piece")),
    action("contentTarget", &[Kind::Content], Source::Text("target")),
    action("contentInteraction", &[Kind::Content], Source::Text("content_interaction")),
];

/// Names of Matomo that ask for what is not kept here, and what comes near.
const NOT_KEPT: &[(&str, &str)] = &[
    ("countryName", "countryCode"),
    ("continentCode", "countryCode"),
    ("browserCode", "browserName"),
    ("browserEngine", "browserName"),
    ("operatingSystemCode", "operatingSystemName"),
    ("latitude", "city"),
    ("longitude", "city"),
    ("visitIp", "visitorId"),
    ("fingerprint", "visitorId"),
    ("profilable", "userId"),
    ("interactions", "actions"),
    ("visitCount", "visitorType"),
    ("daysSinceFirstVisit", "visitorType"),
    ("daysSinceLastVisit", "visitorType"),
    ("daysSinceLastEcommerceOrder", "visitorType"),
    ("secondsSinceFirstVisit", "visitorType"),
    ("secondsSinceLastVisit", "visitorType"),
    ("secondsSinceLastEcommerceOrder", "visitorType"),
    ("visitConvertedGoalName", "visitConvertedGoalId"),
    ("visitEcommerceStatus", "orderId"),
    ("revenueAbandonedCart", "revenueOrder"),
    ("productSku", "orderId"),
    ("productName", "orderId"),
    ("productCategory", "orderId"),
    ("productPrice", "revenueOrder"),
    ("productViewSku", "pageUrl"),
    ("productViewName", "pageUrl"),
    ("productViewCategory", "pageUrl"),
    ("productViewPrice", "pageUrl"),
    ("visitServerHour", "hour_of_day"),
    ("visitStartServerHour", "hour_of_day"),
    ("visitStartServerMinute", "hour_of_day"),
    ("visitEndServerHour", "hour_of_day"),
    ("visitEndServerMinute", "hour_of_day"),
    ("visitEndServerSecond", "hour_of_day"),
    ("visitEndServerDayOfWeek", "weekday"),
    ("visitEndServerDayOfMonth", "weekday"),
    ("visitEndServerDayOfYear", "weekday"),
    ("visitEndServerWeekOfYear", "weekday"),
    ("visitEndServerMonth", "weekday"),
    ("visitEndServerQuarter", "weekday"),
    ("visitEndServerYear", "weekday"),
    ("visitEndServerDate", "weekday"),
    ("visitLocalMinute", "visitLocalHour"),
    ("actionServerHour", "hour_of_day"),
    ("actionServerMinute", "hour_of_day"),
];

/// The name, and which rows it looks at.
pub(super) fn find(written: &str) -> Option<(&'static Name, Reach)> {
    let known = |wanted: &str| NAMES.iter().find(|name| name.name == wanted);
    if let Some(name) = known(written) {
        return Some((name, name.reach));
    }
    let name = known(written.strip_prefix(VISITED)?).filter(|name| name.may_be_visited())?;
    Some((name, Reach::AnyHit))
}

/// The refusal of a name that is none.
pub(super) fn unknown(written: &str, at: usize) -> FilterError {
    let allowed: Vec<&'static str> = NAMES.iter().map(|name| name.name).collect();
    let near = NOT_KEPT.iter().find(|(name, _)| *name == written).map(|(_, near)| *near);
    let (why, near) = match near {
        Some(near) => (
            format!("{written} is a name of Matomo that is not answered here; {near} comes near"),
            near,
        ),
        None => {
            let (prefix, bare) = match written.strip_prefix(VISITED) {
                Some(bare) => (VISITED, bare),
                None => ("", written),
            };
            let fits = |name: &&Name| prefix.is_empty() || name.may_be_visited();
            let near = nearest(bare, NAMES.iter().filter(fits).map(|name| name.name));
            let suggestion = near.map(|near| format!("{prefix}{near}"));
            let hint = suggestion.as_ref().map(|near| format!("; did you mean {near}?"));
            let why = format!("{written} is not known here{}", hint.unwrap_or_default());
            return FilterError { allowed, suggestion, ..FilterError::new(at, written, why) };
        }
    };
    FilterError { allowed, suggestion: Some(near.to_owned()), ..FilterError::new(at, written, why) }
}
