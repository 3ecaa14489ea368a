//! The one table of metrics: what each is called, how it is summed, and so which columns it needs.
//!
//! Definitions: docs/DEFINITIONS.md. Knows no question and no row; [`crate::count`] does the sums.

use lake::columns::{TIMINGS, Type, find};
use lake::hit::Kind;

/// Which rows: of one of these kinds (none named: of any), with or without a value in a column. A
/// flag that is not set is no value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hits {
    /// The kinds.
    pub kinds: &'static [Kind],
    /// A column, and whether it must have a value (true) or must not.
    pub with: Option<(&'static str, bool)>,
}

/// Something that is added up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sum {
    /// Hits.
    Hits(Hits),
    /// Columns added up over hits, times a factor.
    Amount(&'static [Hits], &'static [&'static str], f64),
    /// Hits that have a value in one of the columns.
    Having(Hits, &'static [&'static str]),
    /// Visits that have at least one such hit, once in each bucket of a hit.
    Unique(Hits),
    /// Visits, each with the number in a column of the visit (none: 1).
    Visits(Option<&'static str>),
    /// Visits with a conversion.
    Converted,
    /// Visits whose first page is the row.
    Entries,
    /// Visits whose last page is the row.
    Exits,
    /// How far page views were scrolled at the furthest, 0 to 1, added up.
    Scrolled,
    /// Page views that said how far they were scrolled.
    ScrolledViews,
}

/// Different values that are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distinct {
    /// The column of the values.
    pub column: &'static str,
    /// Only rows with this text in this column.
    pub with: Option<(&'static str, &'static str)>,
    /// Counted for each day and then added up.
    pub daily: bool,
}

/// How a metric comes about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measure {
    /// A sum.
    Sum(Sum),
    /// A number of different values.
    Distinct(Distinct),
    /// A sum by another; no value over zero.
    Ratio(Sum, Sum),
}

/// One metric.
#[derive(Debug, PartialEq)]
pub struct Metric {
    /// The name in questions and answers.
    pub name: &'static str,
    /// How it comes about.
    pub measure: Measure,
}

impl Metric {
    /// The metric with this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        METRICS.iter().find(|metric| metric.name == name)
    }

    /// Whether its values are whole numbers.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        match self.measure {
            Measure::Distinct(_) => true,
            Measure::Ratio(..) | Measure::Sum(Sum::Scrolled) => false,
            Measure::Sum(Sum::Amount(_, columns, factor)) => {
                let double = |name: &&str| find(name).is_some_and(|it| it.kind == Type::Double);
                (factor - 1.0).abs() < f64::EPSILON && !columns.iter().any(double)
            }
            Measure::Sum(_) => true,
        }
    }

    /// Whether it is exact only as long as a visitor is recognised.
    #[must_use]
    pub fn is_bound_to_identity(&self) -> bool {
        match self.measure {
            Measure::Distinct(distinct) => distinct.column == "visitor_id" && !distinct.daily,
            _ => false,
        }
    }
}

impl Hits {
    fn columns(&self) -> impl Iterator<Item = &'static str> + use<> {
        let kind = (!self.kinds.is_empty()).then_some("kind");
        kind.into_iter().chain(self.with.map(|(column, _)| column))
    }
}

impl Sum {
    /// The columns that it needs of a row.
    #[must_use]
    pub fn columns(&self) -> Vec<&'static str> {
        match *self {
            Self::Hits(hits) => hits.columns().collect(),
            Self::Unique(hits) => hits.columns().chain(["is_entry"]).collect(),
            Self::Amount(of, columns, _) => {
                of.iter().flat_map(Hits::columns).chain(columns.iter().copied()).collect()
            }
            Self::Having(hits, columns) => hits.columns().chain(columns.iter().copied()).collect(),
            Self::Visits(column) => column.into_iter().chain(["is_entry"]).collect(),
            Self::Converted => vec!["is_entry", "is_conversion"],
            Self::Entries | Self::Exits => vec!["is_entry", "kind", "path"],
            Self::Scrolled | Self::ScrolledViews => vec!["is_entry", "page_view", "scroll_percent"],
        }
    }
}

impl Sum {
    /// What the sum is multiplied by; at the end, so that whole numbers add up exactly.
    #[must_use]
    pub const fn factor(&self) -> f64 {
        match self {
            Self::Amount(_, _, factor) => *factor,
            Self::Scrolled => 0.01,
            _ => 1.0,
        }
    }
}

impl Distinct {
    /// The columns that it needs of a row.
    #[must_use]
    pub fn columns(&self) -> Vec<&'static str> {
        [self.column].into_iter().chain(self.with.map(|(column, _)| column)).collect()
    }
}

const fn of(kinds: &'static [Kind]) -> Hits {
    Hits { kinds, with: None }
}

/// Rows that the merge added are conversions, and no hits.
const HIT: Hits = Hits { kinds: &[], with: Some(("is_derived", false)) };
const PAGEVIEW: Hits = of(&[Kind::Pageview]);
const DOWNLOAD: Hits = of(&[Kind::Download]);
const OUTLINK: Hits = of(&[Kind::Outlink]);
const EVENT: Hits = of(&[Kind::Event]);
const SEARCH: Hits = of(&[Kind::Search]);
const PAGE: Hits = of(&[Kind::Pageview, Kind::Search]);
const CONVERSION: Hits = Hits { kinds: &[], with: Some(("is_conversion", true)) };
const IMPRESSION: Hits =
    Hits { kinds: &[Kind::Content], with: Some(("content_interaction", false)) };
const INTERACTION: Hits =
    Hits { kinds: &[Kind::Content], with: Some(("content_interaction", true)) };
/// Carts are no conversions.
const ORDER: Hits = Hits { kinds: &[Kind::Order], with: Some(("is_conversion", true)) };
/// Seconds in a millisecond.
const MS: f64 = 0.001;
const VISITS: Sum = Sum::Visits(None);
const ACTIONS: Sum = Sum::Visits(Some("visit_actions"));
const BOUNCES: Sum = Sum::Visits(Some("is_bounce"));
const DURATION: Sum = Sum::Visits(Some("visit_duration_s"));
const TIME_ON_PAGE: Sum = Sum::Amount(&[PAGE], &["time_on_page_s"], 1.0);

const fn sum(name: &'static str, sum: Sum) -> Metric {
    Metric { name, measure: Measure::Sum(sum) }
}

const fn ratio(name: &'static str, part: Sum, whole: Sum) -> Metric {
    Metric { name, measure: Measure::Ratio(part, whole) }
}

const fn distinct(
    name: &'static str,
    column: &'static str,
    with: Option<(&'static str, &'static str)>,
    daily: bool,
) -> Metric {
    Metric { name, measure: Measure::Distinct(Distinct { column, with, daily }) }
}

/// Every metric that is answered.
pub static METRICS: &[Metric] = &[
    sum("hits", Sum::Hits(HIT)),
    sum("pageviews", Sum::Hits(PAGEVIEW)),
    sum("unique_pageviews", Sum::Unique(PAGEVIEW)),
    sum("downloads", Sum::Hits(DOWNLOAD)),
    sum("unique_downloads", Sum::Unique(DOWNLOAD)),
    sum("outlinks", Sum::Hits(OUTLINK)),
    sum("unique_outlinks", Sum::Unique(OUTLINK)),
    sum("events", Sum::Hits(EVENT)),
    sum("unique_events", Sum::Unique(EVENT)),
    sum("searches", Sum::Hits(SEARCH)),
    sum("unique_searches", Sum::Unique(SEARCH)),
    sum("impressions", Sum::Hits(IMPRESSION)),
    sum("unique_impressions", Sum::Unique(IMPRESSION)),
    sum("interactions", Sum::Hits(INTERACTION)),
    sum("unique_interactions", Sum::Unique(INTERACTION)),
    sum("conversions", Sum::Hits(CONVERSION)),
    sum("orders", Sum::Hits(ORDER)),
    sum("visits", VISITS),
    distinct("visitors", "visitor_id", None, false),
    distinct("visitor_days", "visitor_id", None, true),
    distinct("new_visitors", "visitor_id", Some(("visitor_type", "new")), false),
    distinct("returning_visitors", "visitor_id", Some(("visitor_type", "returning")), false),
    distinct("users", "user_id", None, false),
    sum("actions", ACTIONS),
    ratio("actions_per_visit", ACTIONS, VISITS),
    sum("bounces", BOUNCES),
    ratio("bounce_rate", BOUNCES, VISITS),
    sum("visit_duration", DURATION),
    ratio("avg_visit_duration", DURATION, VISITS),
    sum("entries", Sum::Entries),
    sum("exits", Sum::Exits),
    ratio("exit_rate", Sum::Exits, Sum::Unique(PAGEVIEW)),
    sum("time_on_page", TIME_ON_PAGE),
    ratio("avg_time_on_page", TIME_ON_PAGE, Sum::Hits(PAGEVIEW)),
    sum("converted_visits", Sum::Converted),
    ratio("conversion_rate", Sum::Converted, VISITS),
    sum("revenue", Sum::Amount(&[CONVERSION], &["revenue"], 1.0)),
    sum("event_value", Sum::Amount(&[EVENT], &["event_value"], 1.0)),
    sum("engaged_time", Sum::Amount(&[HIT], &["engaged_ms"], MS)),
    ratio("scroll_depth", Sum::Scrolled, Sum::ScrolledViews),
    ratio("avg_load_time", Sum::Amount(&[PAGEVIEW], &TIMINGS, MS), Sum::Having(PAGEVIEW, &TIMINGS)),
];
