//! The one table of dimensions: what each is called and where its values come from.
//!
//! Knows no question and no row; [`crate::count`] looks the values up.

use lake::hit::Kind;

/// Where the values of a dimension come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A column of text.
    Text(&'static str),
    /// A column of whole numbers.
    Number(&'static str),
    /// A column of whole numbers, in bands: each its last number and its name; the last is open.
    Band(&'static str, &'static [(i32, &'static str)]),
    /// Path and query.
    Page,
    /// The first levels of the path, as many as the question says.
    Section,
    /// 0 to 23, local time of the hit.
    HourOfDay,
    /// 1 (Monday) to 7, local date of the hit.
    Weekday,
    /// The site's id.
    Site,
}

/// One dimension.
#[derive(Debug, PartialEq, Eq)]
pub struct Dimension {
    /// The name in questions and answers.
    pub name: &'static str,
    /// Where its values come from.
    pub origin: Origin,
    /// Only hits of this kind have it; the question is about them alone.
    pub kind: Option<Kind>,
}

const fn text(name: &'static str, column: &'static str) -> Dimension {
    Dimension { name, origin: Origin::Text(column), kind: None }
}

/// A column that has the name of the dimension.
const fn column(name: &'static str) -> Dimension {
    text(name, name)
}

const fn of_kind(kind: Kind, name: &'static str, column: &'static str) -> Dimension {
    Dimension { name, origin: Origin::Text(column), kind: Some(kind) }
}

const fn other(name: &'static str, origin: Origin) -> Dimension {
    Dimension { name, origin, kind: None }
}

/// Seconds, by matomo.md 4.2 (`getNumberOfVisitsPerVisitDuration`).
const DURATIONS: &[(i32, &str)] = &[
    (10, "0-10"),
    (30, "11-30"),
    (60, "31-60"),
    (120, "61-120"),
    (240, "121-240"),
    (420, "241-420"),
    (600, "421-600"),
    (900, "601-900"),
    (1800, "901-1800"),
    (i32::MAX, "1801+"),
];
/// Actions, by matomo.md 4.2 (`getNumberOfVisitsPerPage`).
const ACTIONS: &[(i32, &str)] = &[
    (0, "0"),
    (1, "1"),
    (2, "2"),
    (3, "3"),
    (4, "4"),
    (5, "5"),
    (7, "6-7"),
    (10, "8-10"),
    (14, "11-14"),
    (20, "15-20"),
    (i32::MAX, "21+"),
];

/// Every dimension that is answered.
pub static DIMENSIONS: &[Dimension] = &[
    other("page", Origin::Page),
    column("title"),
    column("host"),
    other("section", Origin::Section),
    text("entry_page", "entry_path"),
    text("exit_page", "exit_path"),
    of_kind(Kind::Download, "download", "target"),
    of_kind(Kind::Outlink, "outlink", "target"),
    column("channel"),
    column("source"),
    column("keyword"),
    text("referrer", "referrer_host"),
    column("campaign"),
    column("campaign_source"),
    column("campaign_medium"),
    column("campaign_term"),
    column("campaign_content"),
    column("country"),
    column("region"),
    column("city"),
    column("language"),
    column("device"),
    column("brand"),
    column("model"),
    column("os"),
    column("os_version"),
    column("browser"),
    column("browser_version"),
    column("screen"),
    of_kind(Kind::Event, "event_category", "event_category"),
    of_kind(Kind::Event, "event_action", "event_action"),
    of_kind(Kind::Event, "event_name", "event_name"),
    of_kind(Kind::Search, "search_term", "search_term"),
    of_kind(Kind::Content, "content", "content_name"),
    Dimension { name: "goal", origin: Origin::Number("goal_id"), kind: Some(Kind::Goal) },
    other("hour_of_day", Origin::HourOfDay),
    other("weekday", Origin::Weekday),
    other("site", Origin::Site),
    column("visitor_type"),
    other("duration_band", Origin::Band("visit_duration_s", DURATIONS)),
    other("actions_band", Origin::Band("visit_actions", ACTIONS)),
    column("dimension1"),
    column("dimension2"),
    column("dimension3"),
    column("dimension4"),
    column("dimension5"),
    column("dimension6"),
    column("dimension7"),
    column("dimension8"),
    column("dimension9"),
    column("dimension10"),
    column("dimension11"),
    column("dimension12"),
    column("dimension13"),
    column("dimension14"),
    column("dimension15"),
    column("dimension16"),
    column("dimension17"),
    column("dimension18"),
    column("dimension19"),
    column("dimension20"),
];

impl Dimension {
    /// The dimension with this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        DIMENSIONS.iter().find(|dimension| dimension.name == name)
    }

    /// Whether its values are whole numbers.
    #[must_use]
    pub const fn is_number(&self) -> bool {
        matches!(
            self.origin,
            Origin::Number(_) | Origin::HourOfDay | Origin::Weekday | Origin::Site
        )
    }

    /// The columns that it needs of a row.
    #[must_use]
    pub fn columns(&self) -> Vec<&'static str> {
        let mut columns = match self.origin {
            Origin::Text(column) | Origin::Number(column) | Origin::Band(column, _) => vec![column],
            Origin::Page => vec!["path", "query"],
            Origin::Section => vec!["path"],
            Origin::HourOfDay | Origin::Weekday | Origin::Site => Vec::new(),
        };
        columns.extend(self.kind.map(|_| "kind"));
        columns
    }
}

/// The first levels of a path: `/news` of `/news/x` at depth 1; the root is `/`.
#[must_use]
pub fn section_of(path: &str, depth: usize) -> &str {
    let mut ends = path.match_indices('/').map(|(at, _)| at).filter(|at| *at > 0);
    let cut = ends.nth(depth.saturating_sub(1)).unwrap_or(path.len());
    path.get(..cut).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{METRICS, Measure};

    #[test]
    fn a_section_is_the_first_levels_of_the_path() {
        let cases =
            [("/", "/"), ("/a", "/a"), ("/a/", "/a"), ("/a/b/c", "/a"), ("x", "x"), ("", "")];
        for (path, section) in cases {
            assert_eq!(section_of(path, 1), section, "{path}");
        }
        assert_eq!(section_of("/a/b/c", 2), "/a/b");
        assert_eq!(section_of("/a/b", 5), "/a/b");
    }

    #[test]
    fn every_dimension_can_be_filtered_by() {
        use lake::filter::{NAMES, Source};
        let by_dimension = NAMES.iter().filter(|name| name.source == Source::Dimension);
        let names: Vec<&str> = by_dimension.map(|name| name.name).collect();
        let dimensions: Vec<&str> = DIMENSIONS.iter().map(|dimension| dimension.name).collect();
        assert_eq!(names, dimensions);
        for dimension in DIMENSIONS {
            let name = NAMES.iter().find(|name| name.name == dimension.name).unwrap();
            assert_eq!(name.is_number(), dimension.is_number(), "{}", dimension.name);
        }
    }

    #[test]
    fn every_column_is_one_of_the_table() {
        let of_dimensions = DIMENSIONS.iter().flat_map(Dimension::columns);
        let of_metrics = METRICS.iter().flat_map(|metric| match metric.measure {
            Measure::Sum(sum) => sum.columns(),
            Measure::Distinct(distinct) => distinct.columns(),
            Measure::Ratio(part, whole) => [part.columns(), whole.columns()].concat(),
        });
        for column in of_dimensions.chain(of_metrics) {
            assert!(lake::columns::find(column).is_some(), "{column}");
        }
    }
}
