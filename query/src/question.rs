//! A question, checked: what is asked, of which dates, by what.
//!
//! `read` makes one of texts, once; knows no row.

mod compare;
mod cursor;
mod dates;
mod parameters;
mod read;
mod spans;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use lake::filter::Filter;
use lake::site::{Section, Segment};

pub use cursor::Cursor;
pub(crate) use dates::dates;
#[cfg(test)]
pub(crate) use dates::{DEFAULT_DAYS, PERIODS};
pub use parameters::{Parameters, Refused};
pub(crate) use spans::spans;

use crate::calendar::Interval;
use crate::dimension::Dimension;
use crate::metric::Metric;

/// Every parameter.
pub const PARAMETERS: [&str; 23] = [
    "sites",
    "metrics",
    "from",
    "to",
    "period",
    "date",
    "interval",
    "by",
    "section",
    "section_depth",
    "filter",
    "segment",
    "tz",
    "bots",
    "compare",
    "order",
    "limit",
    "offset",
    "cursor",
    "format",
    "explain",
    "redirect",
    "engine",
];
pub(crate) const DEFAULT_METRICS: [&str; 3] = ["pageviews", "visits", "visitors"];

/// Which hits by the mark of bots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bots {
    /// People alone.
    Exclude,
    /// All.
    Include,
    /// Bots alone.
    Only,
}

impl Bots {
    /// The names in questions; the first is the default.
    pub const NAMES: [(&'static str, Self); 3] =
        [("exclude", Self::Exclude), ("include", Self::Include), ("only", Self::Only)];
}

/// What the numbers are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// The dates directly before.
    Previous,
    /// The same dates a year earlier.
    Year,
}

impl Compare {
    /// The names in questions.
    pub const NAMES: [(&'static str, Self); 2] =
        [("previous", Self::Previous), ("year", Self::Year)];

    /// The name in questions.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Previous => "previous",
            Self::Year => "year",
        }
    }
}

/// The form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// CSV.
    Csv,
    /// A stream of Arrow's IPC format.
    Arrow,
}

impl Format {
    /// The names in questions; the first is the default.
    pub const NAMES: [(&'static str, Self); 3] =
        [("json", Self::Json), ("csv", Self::Csv), ("arrow", Self::Arrow)];

    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        }
    }
}

/// Who reads the hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// The scan, or Athena where that would be too much for one function.
    Auto,
    /// This program.
    Scan,
    /// Athena, over what is merged.
    Athena,
}

impl Engine {
    /// The names in questions; the first is the default.
    pub const NAMES: [(&'static str, Self); 3] =
        [("auto", Self::Auto), ("scan", Self::Scan), ("athena", Self::Athena)];
}

/// What rows are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The bucket of time.
    Time,
    /// The metric with this place in the question.
    Metric(usize),
    /// The dimension with this place in the question.
    Dimension(usize),
}

/// The order of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub key: Key,
    /// From the largest.
    pub descending: bool,
}

/// Paths that belong to a part of the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    include: Vec<String>,
    exclude: Vec<String>,
}

impl Paths {
    fn new(include: &[String], exclude: &[String]) -> Self {
        let prefix = |path: &String| path.trim_end_matches('/').to_owned();
        Self {
            include: include.iter().map(prefix).collect(),
            exclude: exclude.iter().map(prefix).collect(),
        }
    }

    /// Prefixes without the last slash; one of them holds a path that belongs.
    pub(crate) fn include(&self) -> &[String] {
        &self.include
    }

    /// And none of these.
    pub(crate) fn exclude(&self) -> &[String] {
        &self.exclude
    }

    /// `/news` holds `/news` and `/news/x`, not `/newsletter`.
    #[must_use]
    pub fn hold(&self, path: &str) -> bool {
        let below = |prefix: &String| {
            let rest = path.strip_prefix(prefix.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.include.iter().any(below) && !self.exclude.iter().any(below)
    }
}

/// A question that can be answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The sites.
    pub sites: Vec<i32>,
    /// The metrics, in the order asked.
    pub metrics: Vec<&'static Metric>,
    /// First date.
    pub from: Date,
    /// Last date.
    pub to: Date,
    /// The length of the buckets.
    pub interval: Interval,
    /// The dimensions, in the order asked.
    pub by: Vec<&'static Dimension>,
    /// The part of the site that is asked about.
    pub section: Option<Paths>,
    /// Levels of the path in `by=section`.
    pub section_depth: usize,
    /// Which hits count: all of these filters must hold, each by itself.
    pub filters: Vec<Filter>,
    /// The zone, where it is not the site's.
    pub tz: Option<TimeZone>,
    /// Which hits by the mark of bots.
    pub bots: Bots,
    /// What the numbers are compared with.
    pub compare: Option<Compare>,
    /// The order of the rows, where it is asked for.
    pub order: Option<Order>,
    /// Combinations of values at most; without dimensions: rows.
    pub limit: usize,
    /// Combinations (rows) left out at the beginning.
    pub offset: usize,
    /// The row after which the answer begins.
    pub cursor: Option<Cursor>,
    /// The form of the answer.
    pub format: Format,
    /// The answer says what it took.
    pub explain: bool,
    /// Who reads the hits.
    pub engine: Engine,
}

/// What of the site a question must know.
pub struct Surroundings<'a> {
    /// The sites that are asked about.
    pub sites: &'a [i32],
    /// Today in a zone; in the site's without one.
    pub today: &'a (dyn Fn(Option<&TimeZone>) -> Date + Sync),
    /// The site's named sections.
    pub sections: &'a [Section],
    /// Its named filters.
    pub segments: &'a [Segment],
}

#[cfg(test)]
mod tests;
