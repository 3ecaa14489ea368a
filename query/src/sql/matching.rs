//! The hits that match: of sites that are asked the same together, with what must be known of their
//! visits first.

use lake::filter::{Condition, Filter, Reach};

use super::build::Shape;
use super::clock::{hour, weekday};
use super::condition::{OF_VISIT, Values, filtered};
use super::text::Sql;
use super::time::Time;
use super::{OfSite, Unsaid};
use crate::dimension::{Dimension, Origin};
use crate::metric::{Distinct, Sum};
use crate::plan::Plan;
use crate::question::{Bots, Paths, Question};

/// The order of a visit's hits, as the merge has it, and the same from the end.
const IN_ORDER: &str = "ts, CASE WHEN position IS NOT NULL THEN received_at END NULLS FIRST, coalesce(position, 0), hit_id";
const FROM_THE_END: &str = "ts DESC, CASE WHEN position IS NOT NULL THEN received_at END DESC NULLS LAST, coalesce(position, 0) DESC, hit_id DESC";
const IS_PAGE: &str = "kind IN ('pageview', 'search')";

/// Sites that are asked the same.
pub(super) struct Alike {
    sites: Vec<i32>,
    parts: Parts,
}

/// What is asked of a site, all but which it is.
#[derive(PartialEq)]
struct Parts {
    dates: Sql,
    /// By name: what is selected of matching hits.
    columns: Vec<(Sql, Sql)>,
    /// Conditions of matching hits.
    tests: Vec<Sql>,
    /// What must be known of visits.
    of_visits: Vec<(Sql, Sql)>,
    /// Whether the first and last page of a visit must be known.
    pages: bool,
}

/// The sites by what they are asked.
pub(super) fn alike(sites: &[OfSite<'_>]) -> Result<Vec<Alike>, Unsaid> {
    let mut alike: Vec<Alike> = Vec::new();
    for site in sites {
        let parts = Parts::of(site, sites.len() > 1)?;
        match alike.iter_mut().find(|known| known.parts == parts) {
            Some(known) => known.sites.push(site.plan.site),
            None => alike.push(Alike { sites: vec![site.plan.site], parts }),
        }
    }
    Ok(alike)
}

impl Alike {
    /// The matching hits of these sites; what they are found in comes to stand among the `named`.
    pub(super) fn matching(
        self,
        name: &dyn Fn(&'static str) -> Sql,
        named: &mut Vec<(Sql, Sql)>,
    ) -> Sql {
        let parts = self.parts;
        let sites = Sql::join(self.sites.into_iter().map(|site| Sql::whole(site.into())), ", ");
        let mut tests = vec![Sql::fill("site IN ({})", &[&sites]), parts.dates];
        let mut from = Sql::of("hits");
        let mut layer = |from: &mut Sql, tests: &mut Vec<Sql>, base, columns: Vec<(Sql, Sql)>| {
            let columns = selected(columns);
            let found = Sql::fill("SELECT *, {}\nFROM {}{}", &[&columns, from, &where_all(tests)]);
            tests.clear();
            *from = name(base);
            named.push((name(base), found));
        };
        if parts.pages {
            layer(&mut from, &mut tests, "pages", pages());
        }
        if !parts.of_visits.is_empty() {
            layer(&mut from, &mut tests, "visits", parts.of_visits);
        }
        tests.extend(parts.tests);
        let columns = selected(parts.columns);
        Sql::fill("SELECT {}\nFROM {}{}", &[&columns, &from, &where_all(&tests)])
    }
}

fn selected(columns: Vec<(Sql, Sql)>) -> Sql {
    let column = |(name, value): (Sql, Sql)| {
        if name == value { name } else { Sql::fill("{} AS {}", &[&value, &name]) }
    };
    Sql::join(columns.into_iter().map(column), ",\n  ")
}

fn where_all(tests: &[Sql]) -> Sql {
    match tests {
        [] => Sql::of(""),
        tests => Sql::fill("\nWHERE {}", &[&Sql::join(tests.iter().cloned(), "\n  AND ")]),
    }
}

fn pages() -> Vec<(Sql, Sql)> {
    let page = |name, order| {
        let number = Sql::fill(
            "row_number() OVER (PARTITION BY site, dt, visit_id, {} ORDER BY {}) = 1",
            &[&Sql::of(IS_PAGE), &Sql::of(order)],
        );
        let page = Sql::of(IS_PAGE);
        (Sql::of(name), Sql::fill("visit_id IS NOT NULL AND {} AND {}", &[&page, &number]))
    };
    vec![page("first_page", IN_ORDER), page("last_page", FROM_THE_END)]
}

impl Parts {
    fn of(site: &OfSite<'_>, several_sites: bool) -> Result<Self, Unsaid> {
        let (plan, question) = (site.plan, site.question);
        let shape = Shape::of(site);
        let time = Time::of(site)?;
        let hit = Sql::of("ts");
        let day = time.day(&hit);
        let hour = time.clock.as_ref().map(|clock| hour(&clock.local(&hit)));
        let values = Values { section_depth: plan.section_depth, hour, weekday: weekday(&day) };
        let mut of_visits = Vec::new();
        let mut tests: Vec<Sql> = tests(question, plan);
        if shape.by_moment {
            tests.push(time.seen(plan, &shape));
        }
        for filter in &plan.filters {
            let filtered = filtered(filter, &values, of_visits.len())?;
            for known in filtered.of_visits {
                of_visits.push((Sql::numbered("v", of_visits.len()), known));
            }
            tests.push(filtered.of_row);
        }
        if plan.sums.contains(&Sum::Converted) {
            let converted =
                Sql::fill("bool_or(coalesce(is_conversion, FALSE)) {}", &[&Sql::of(OF_VISIT)]);
            of_visits.push((Sql::of("converted"), converted));
        }
        let pages = plan.sums.iter().any(|sum| matches!(sum, Sum::Entries | Sum::Exits))
            || plan.filters.iter().flat_map(Filter::conditions).any(looks_at_pages);
        let columns = columns(plan, &shape, &time, &values, several_sites);
        let dates = dates(site);
        Ok(Self { dates, columns, tests, of_visits, pages })
    }
}

fn looks_at_pages(condition: &Condition) -> bool {
    matches!(condition.reach, Reach::FirstPage | Reach::LastPage)
}

/// The partitions, of which there is no hole.
fn dates(site: &OfSite<'_>) -> Sql {
    match (site.partitions.first(), site.partitions.last()) {
        (Some(first), Some(last)) => {
            Sql::fill("dt BETWEEN {} AND {}", &[&Sql::partition(*first), &Sql::partition(*last)])
        }
        _ => Sql::of("FALSE"),
    }
}

fn tests(question: &Question, plan: &Plan) -> Vec<Sql> {
    let bots = match question.bots {
        Bots::Exclude => Some(Sql::of("bot_reason IS NULL")),
        Bots::Only => Some(Sql::of("bot_reason IS NOT NULL")),
        Bots::Include => None,
    };
    let kind = plan.by.iter().find_map(|dimension| dimension.kind);
    let kind = kind.map(|kind| Sql::fill("kind = {}", &[&Sql::text(kind.name())]));
    let section = question.section.as_ref().map(in_section);
    bots.into_iter().chain(kind).chain(section).collect()
}

fn in_section(paths: &Paths) -> Sql {
    let below = |prefix: &String| {
        let (itself, below) = (Sql::text(prefix), Sql::pattern("", &format!("{prefix}/"), "%"));
        Sql::fill("path = {} OR path LIKE {} ESCAPE '!'", &[&itself, &below])
    };
    let list = |prefixes: &[String]| Sql::join(prefixes.iter().map(below), " OR ");
    match (paths.include(), paths.exclude()) {
        ([], _) => Sql::of("FALSE"),
        (include, []) => Sql::fill("({})", &[&list(include)]),
        (include, exclude) => Sql::fill("({}) AND NOT ({})", &[&list(include), &list(exclude)]),
    }
}

/// What is selected of matching hits: where they fall, values of dimensions, and what is counted.
fn columns(
    plan: &Plan,
    shape: &Shape,
    time: &Time,
    values: &Values,
    several_sites: bool,
) -> Vec<(Sql, Sql)> {
    let (hit, visit) = (Sql::of("ts"), Sql::of("visit_start"));
    let mut columns = Vec::new();
    let mut add = |name: &'static str, value: Sql| columns.push((Sql::of(name), value));
    if shape.timed {
        add("time_of_hit", time.bucket(&hit));
    }
    if shape.by_part {
        if shape.timed {
            add("time_of_visit", time.bucket(&visit));
        }
        add("hit_is_inside", time.inside(&hit));
        add("visit_is_inside", Sql::fill("visit_id IS NOT NULL AND {}", &[&time.inside(&visit)]));
    }
    if plan.distincts.iter().any(|distinct| distinct.daily) {
        add("day", time.day(&hit));
    }
    if plan.sums.iter().any(is_of_visit) {
        let site = if several_sites { "CAST(site AS varchar(10)) || ' ' || " } else { "" };
        add("visit", Sql::fill("{}dt || ' ' || visit_id", &[&Sql::of(site)]));
    }
    for (at, dimension) in plan.by.iter().enumerate() {
        columns.push((Sql::numbered("d", at), in_group(dimension, values)));
    }
    let kept = kept(plan, several_sites).into_iter().map(|name| (Sql::of(name), Sql::of(name)));
    columns.extend(kept);
    if columns.is_empty() {
        columns.push((Sql::of("site"), Sql::of("site")));
    }
    columns
}

/// A dimension's value among rows that have its kind already.
fn in_group(dimension: &Dimension, values: &Values) -> Sql {
    match dimension.origin {
        Origin::Text(column) | Origin::Number(column) => Sql::of(column),
        _ => values.of_dimension(dimension),
    }
}

fn is_of_visit(sum: &Sum) -> bool {
    !matches!(sum, Sum::Hits(_) | Sum::Amount(..) | Sum::Having(..))
}

/// Columns that metrics look at, each once.
fn kept(plan: &Plan, several_sites: bool) -> Vec<&'static str> {
    let mut kept: Vec<&'static str> = plan.distincts.iter().flat_map(Distinct::columns).collect();
    for sum in &plan.sums {
        match sum {
            Sum::Entries => kept.extend(["first_page", "path"]),
            Sum::Exits => kept.extend(["last_page", "path"]),
            Sum::Converted => kept.push("converted"),
            sum => kept.extend(sum.columns().into_iter().filter(|column| *column != "is_entry")),
        }
    }
    if several_sites && !plan.distincts.is_empty() {
        kept.push("site");
    }
    kept.sort_unstable();
    kept.dedup();
    kept
}
