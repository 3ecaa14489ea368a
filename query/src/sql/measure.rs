//! Metrics as aggregates over the cells of an answer.
//!
//! A row of the cells is a matching hit in one cell; where a hit and its visit may fall into
//! different buckets it is there twice, as `part` says.

use lake::columns::{Type, find};

use super::condition::kind_list;
use super::text::Sql;
use crate::metric::{Distinct, Hits, Measure, Metric, Sum};

/// How cells are aggregated.
#[derive(Clone, Copy)]
pub(super) struct Cells {
    /// Rows say whether they stand for the hit or for its visit.
    pub(super) by_part: bool,
    /// There are several sites, each with visitors and users of its own.
    pub(super) several_sites: bool,
}

/// The name of the column that tells a visit's first row within a cell.
pub(super) const NTH_OF_VISIT: &str = "nth_of_visit";
/// And a page view's furthest scrolled.
pub(super) const NTH_OF_VIEW: &str = "nth_of_view";
/// Of the rows of a cell those that stand for hits, where visits fall elsewhere.
const OF_HITS: &str = "part = 'hit'";

impl Cells {
    /// The value of a metric.
    pub(super) fn metric(self, metric: &Metric) -> Sql {
        match &metric.measure {
            Measure::Sum(sum) => self.scaled(sum),
            Measure::Distinct(distinct) => self.distinct(distinct),
            Measure::Ratio(part, whole) => Sql::fill(
                "CAST({} AS double) / nullif({}, 0)",
                &[&self.scaled(part), &self.sum(whole)],
            ),
        }
    }

    fn scaled(self, sum: &Sum) -> Sql {
        let factor = sum.factor();
        if (factor - 1.0).abs() < f64::EPSILON {
            return self.sum(sum);
        }
        Sql::fill("CAST({} AS double) * {}", &[&self.sum(sum), &Sql::double(factor)])
    }

    fn sum(self, sum: &Sum) -> Sql {
        let part = if falls_with_its_visit(sum) { "part = 'visit'" } else { OF_HITS };
        let of = |template, pieces: &[&Sql], tests| self.filtered(part, template, pieces, tests);
        match sum {
            Sum::Hits(hits) => of("count(*)", &[], vec![test(hits)]),
            Sum::Amount(hits, columns, _) => {
                let amount = Sql::join(columns.iter().map(or_zero), " + ");
                let tests = Sql::join(hits.iter().map(test), " OR ");
                let tests = if hits.len() > 1 { Sql::fill("({})", &[&tests]) } else { tests };
                of("coalesce(sum({}){}, 0)", &[&amount], vec![tests])
            }
            Sum::Having(hits, columns) => {
                let names = Sql::join(columns.iter().copied().map(Sql::of), ", ");
                let has = Sql::fill("coalesce({}) IS NOT NULL", &[&names]);
                of("count(*)", &[], vec![test(hits), has])
            }
            Sum::Unique(hits) => of("count(DISTINCT visit)", &[], vec![test(hits)]),
            Sum::Visits(None) => of("count(DISTINCT visit)", &[], Vec::new()),
            Sum::Visits(Some(column)) => {
                if is_flag(column) {
                    return of("count(DISTINCT visit)", &[], vec![Sql::of(column)]);
                }
                let first = Sql::fill("{} = 1", &[&Sql::of(NTH_OF_VISIT)]);
                of("coalesce(sum({}){}, 0)", &[&Sql::of(column)], vec![first])
            }
            Sum::Converted => of("count(DISTINCT visit)", &[], vec![Sql::of("converted")]),
            Sum::Entries => of("count(*)", &[], vec![Sql::of("first_page"), has_path()]),
            Sum::Exits => of("count(*)", &[], vec![Sql::of("last_page"), has_path()]),
            Sum::Scrolled => {
                of("coalesce(sum({}){}, 0)", &[&Sql::of("scroll_percent")], furthest())
            }
            Sum::ScrolledViews => {
                let mut tests = furthest();
                tests.push(Sql::of("scroll_percent IS NOT NULL"));
                of("count(*)", &[], tests)
            }
        }
    }

    fn distinct(self, distinct: &Distinct) -> Sql {
        let mut value = Sql::of(distinct.column);
        if self.several_sites {
            value = Sql::fill("CAST(site AS varchar(10)) || ' ' || {}", &[&value]);
        }
        if distinct.daily {
            value = Sql::fill("CAST(day AS varchar(10)) || ' ' || {}", &[&value]);
        }
        let with = distinct
            .with
            .map(|(column, text)| Sql::fill("{} = {}", &[&Sql::of(column), &Sql::text(text)]));
        self.filtered(OF_HITS, "count(DISTINCT {}){}", &[&value], with.into_iter().collect())
    }

    /// The aggregate with its condition, which stands where the template has a place left, or behind.
    fn filtered(
        self,
        part: &'static str,
        template: &'static str,
        pieces: &[&Sql],
        tests: Vec<Sql>,
    ) -> Sql {
        let part = self.by_part.then(|| Sql::of(part));
        let tests: Vec<Sql> =
            part.into_iter().chain(tests).filter(|test| !test.is_nothing()).collect();
        let filter = if tests.is_empty() {
            Sql::of("")
        } else {
            Sql::fill(" FILTER (WHERE {})", &[&Sql::join(tests, " AND ")])
        };
        if pieces.is_empty() {
            return Sql::fill("{}{}", &[&Sql::of(template), &filter]);
        }
        let with_filter: Vec<&Sql> = pieces.iter().copied().chain([&filter]).collect();
        Sql::fill(template, &with_filter)
    }
}

/// Whether it falls in the bucket of the visit's first hit, however the scan counts it.
pub(super) const fn falls_with_its_visit(sum: &Sum) -> bool {
    matches!(sum, Sum::Visits(_) | Sum::Converted | Sum::Entries | Sum::Exits)
}

/// Whether each visit must be added up once a cell.
pub(super) fn adds_up_visits(sum: &Sum) -> bool {
    matches!(sum, Sum::Visits(Some(column)) if !is_flag(column))
}

fn is_flag(column: &str) -> bool {
    find(column).is_some_and(|column| column.kind == Type::Bool)
}

fn or_zero(column: &&'static str) -> Sql {
    Sql::fill("coalesce({}, 0)", &[&Sql::of(column)])
}

fn has_path() -> Sql {
    Sql::of("path IS NOT NULL")
}

/// Of each page view of a visit the row that was scrolled the furthest.
fn furthest() -> Vec<Sql> {
    vec![Sql::of("visit IS NOT NULL"), Sql::fill("{} = 1", &[&Sql::of(NTH_OF_VIEW)])]
}

/// Which rows; nothing where all are meant. A flag that is not set is no value.
fn test(hits: &Hits) -> Sql {
    let kinds = match hits.kinds {
        [] => None,
        [kind] => Some(Sql::fill("kind = {}", &[&Sql::text(kind.name())])),
        kinds => Some(Sql::fill("kind IN ({})", &[&kind_list(kinds)])),
    };
    let with = hits.with.map(|(column, present)| {
        let flag = is_flag(column);
        let column = Sql::of(column);
        match (flag, present) {
            (true, true) => column,
            (true, false) => Sql::fill("NOT coalesce({}, FALSE)", &[&column]),
            (false, true) => Sql::fill("{} IS NOT NULL", &[&column]),
            (false, false) => Sql::fill("{} IS NULL", &[&column]),
        }
    });
    Sql::join(kinds.into_iter().chain(with), " AND ")
}
