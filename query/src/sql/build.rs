//! The parts of the text: the hits that match, the cells that they are counted in, the answer.

use lake::filter::{Condition, Filter, Reach};

use super::clock::{Clock, hour, weekday};
use super::condition::{OF_VISIT, Values, filtered};
use super::measure::{self, Cells, NTH_OF_VIEW, NTH_OF_VISIT};
use super::place::{self, Answer};
use super::text::Sql;
use super::{OfSite, Unsaid};
use crate::calendar::Interval;
use crate::dimension::{Dimension, Origin};
use crate::metric::{Distinct, Sum};
use crate::plan::{Plan, needs_hours};
use crate::question::{Bots, Paths, Question};

/// The order of a visit's hits, as the merge has it, and the same from the end.
const IN_ORDER: &str = "ts, CASE WHEN position IS NOT NULL THEN received_at END NULLS FIRST, coalesce(position, 0), hit_id";
const FROM_THE_END: &str = "ts DESC, CASE WHEN position IS NOT NULL THEN received_at END DESC NULLS LAST, coalesce(position, 0) DESC, hit_id DESC";
const IS_PAGE: &str = "kind IN ('pageview', 'search')";

/// The whole text.
pub(super) fn question(asked: &[OfSite<'_>], compared: &[OfSite<'_>]) -> Result<Sql, Unsaid> {
    let Some(first) = asked.first() else { return Ok(Sql::of("")) };
    let mut named = Vec::new();
    let mut answers = vec![range(asked, "asked", &mut named)?];
    if !compared.is_empty() {
        answers.push(range(compared, "compared", &mut named)?);
    }
    let shape = Shape::of(first);
    let answer = Answer { question: first.question, keys: shape.keys(), timed: shape.timed };
    let then = place::answer(&answer, answers, &mut named);
    Ok(Sql::with(&named, &then))
}

/// What all parts of a question have in common.
struct Shape {
    /// There are buckets of time.
    timed: bool,
    dimensions: usize,
    /// The time of a hit, not its partition, decides whether it is one of the dates.
    by_moment: bool,
    /// A hit and its visit may fall into different buckets.
    by_part: bool,
    of_visit: bool,
    of_view: bool,
}

impl Shape {
    fn of(site: &OfSite<'_>) -> Self {
        let (plan, question) = (site.plan, site.question);
        let has = |wanted: fn(&Sum) -> bool| plan.sums.iter().any(wanted);
        let by_moment = question.tz.is_some();
        Self {
            timed: plan.by_time,
            dimensions: plan.by.len(),
            by_moment,
            by_part: plan.by_visit && (by_moment || question.interval == Interval::Hour),
            of_visit: has(measure::adds_up_visits),
            of_view: has(|sum| matches!(sum, Sum::Scrolled | Sum::ScrolledViews)),
        }
    }

    /// Names of the values of dimensions within the text.
    fn keys(&self) -> Vec<Sql> {
        (0..self.dimensions).map(|at| Sql::numbered("k", at)).collect()
    }

    /// The columns that tell rows of an answer apart.
    fn group(&self) -> Vec<Sql> {
        let time = self.timed.then(|| Sql::of("time"));
        [Sql::of("cell")].into_iter().chain(time).chain(self.keys()).collect()
    }

    /// The cells that each hit is counted in.
    fn cells(&self) -> &'static [&'static str] {
        match (self.timed, self.dimensions > 0) {
            (false, false) => &["total"],
            (true, true) => &["total", "combination", "row"],
            _ => &["total", "row"],
        }
    }
}

/// The answer over one range of dates; what it needs comes to stand among the `named`.
fn range(
    sites: &[OfSite<'_>],
    dates: &'static str,
    named: &mut Vec<(Sql, Sql)>,
) -> Result<Sql, Unsaid> {
    let suffix = if dates == "asked" { "" } else { "_compared" };
    let name = |base: &'static str| Sql::fill("{}{}", &[&Sql::of(base), &Sql::of(suffix)]);
    let Some(first) = sites.first() else { return Ok(Sql::of("")) };
    let shape = Shape::of(first);
    let alike = alike(sites)?;
    let several = alike.len() > 1;
    let mut matching = Vec::new();
    for (at, of) in alike.into_iter().enumerate() {
        let numbered = |base: &'static str| match several {
            true => Sql::fill("{}_{}", &[&name(base), &Sql::whole(i64::try_from(at).unwrap_or(0))]),
            false => name(base),
        };
        matching.push(of.matching(&numbered, named));
    }
    named.push((name("matching"), Sql::join(matching, "\nUNION ALL\n")));
    let cells = cells(&shape, name("matching"));
    named.push((name("cells"), cells));
    let mut from = name("cells");
    if let Some(counted) = nth(&shape, &from) {
        named.push((name("marked"), counted));
        from = name("marked");
    }
    let aggregate = Cells { by_part: shape.by_part, several_sites: sites.len() > 1 };
    let metrics =
        first.question.metrics.iter().map(|metric| {
            Sql::fill("{} AS {}", &[&aggregate.metric(metric), &Sql::of(metric.name)])
        });
    let group = Sql::join(shape.group(), ", ");
    let metrics = Sql::join(metrics, ",\n  ");
    Ok(Sql::fill(
        "SELECT {} AS dates, {},\n  {}\nFROM {}\nGROUP BY {}",
        &[&Sql::text(dates), &group, &metrics, &from, &group],
    ))
}

/// Every matching hit once for each of its cells.
fn cells(shape: &Shape, matching: Sql) -> Sql {
    let mut columns = vec![Sql::of("m.*"), Sql::of("c.cell")];
    let mut cells: Vec<Sql> = shape.cells().iter().copied().map(Sql::text).collect();
    let mut names = Sql::of("cell");
    let mut hidden = Sql::of("");
    if shape.timed {
        let time = if shape.by_part {
            "CASE WHEN c.cell = 'row' THEN CASE c.part WHEN 'hit' THEN m.time_of_hit ELSE m.time_of_visit END END AS time"
        } else {
            "CASE WHEN c.cell = 'row' THEN m.time_of_hit END AS time"
        };
        columns.push(Sql::of(time));
    }
    for (at, key) in shape.keys().iter().enumerate() {
        let value = Sql::numbered("d", at);
        columns.push(Sql::fill("CASE WHEN c.cell <> 'total' THEN m.{} END AS {}", &[&value, key]));
    }
    if shape.by_part {
        columns.push(Sql::of("c.part"));
        names = Sql::of("cell, part");
        let parts = ["hit", "visit"].map(Sql::text);
        cells = cells
            .iter()
            .flat_map(|cell| parts.each_ref().map(|part| Sql::fill("{}, {}", &[cell, part])))
            .collect();
        hidden = Sql::of(
            "\nWHERE CASE c.part WHEN 'hit' THEN m.hit_is_inside ELSE m.visit_is_inside END",
        );
    }
    let cells = Sql::join(cells.iter().map(|cell| Sql::fill("({})", &[cell])), ", ");
    let columns = Sql::join(columns, ", ");
    Sql::fill(
        "SELECT {}\nFROM {} AS m CROSS JOIN (VALUES {}) AS c ({}){}",
        &[&columns, &matching, &cells, &names, &hidden],
    )
}

/// Marks of which of a visit's, or a page view's, rows within a cell is its first; where needed.
fn nth(shape: &Shape, from: &Sql) -> Option<Sql> {
    let part = shape.by_part.then(|| Sql::of("part"));
    let group = || Sql::join(shape.group().into_iter().chain(part.clone()), ", ");
    let visit = shape.of_visit.then(|| {
        let name = Sql::of(NTH_OF_VISIT);
        Sql::fill("row_number() OVER (PARTITION BY {}, visit) AS {}", &[&group(), &name])
    });
    let view = shape.of_view.then(|| {
        let name = Sql::of(NTH_OF_VIEW);
        Sql::fill(
            "row_number() OVER (PARTITION BY {}, visit, page_view ORDER BY scroll_percent DESC NULLS LAST) AS {}",
            &[&group(), &name],
        )
    });
    let marks: Vec<Sql> = visit.into_iter().chain(view).collect();
    (!marks.is_empty())
        .then(|| Sql::fill("SELECT *, {}\nFROM {}", &[&Sql::join(marks, ", "), from]))
}

/// Sites that are asked the same.
struct Alike {
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
fn alike(sites: &[OfSite<'_>]) -> Result<Vec<Alike>, Unsaid> {
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
    fn matching(self, name: &dyn Fn(&'static str) -> Sql, named: &mut Vec<(Sql, Sql)>) -> Sql {
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

/// How times become days and buckets.
struct Time {
    interval: Interval,
    by_moment: bool,
    span_us: (i64, i64),
    /// Where local time is asked for.
    clock: Option<Clock>,
}

impl Time {
    fn of(site: &OfSite<'_>) -> Result<Self, Unsaid> {
        let question = site.question;
        let by_moment = question.tz.is_some();
        let by_day = site.plan.distincts.iter().any(|distinct| distinct.daily)
            || question.interval != Interval::None
            || site.plan.needs_moments();
        let hours = needs_hours(question) || question.interval == Interval::Hour;
        let needed = hours || by_moment && by_day;
        let clock = match &site.zone {
            _ if !needed => None,
            Some(zone) => Some(Clock::new(zone, (question.from, question.to))?),
            None => return Err(Unsaid::ZoneChanged),
        };
        let span_us = site.plan.calendar.span_us().unwrap_or_default();
        Ok(Self { interval: question.interval, by_moment, span_us, clock })
    }

    /// The local date of a column.
    fn day(&self, column: &Sql) -> Sql {
        match self.clock.as_ref().filter(|_| self.by_moment) {
            Some(clock) => Sql::fill("CAST({} AS date)", &[&clock.local(column)]),
            None => Sql::of("CAST(dt AS date)"),
        }
    }

    /// The name of the bucket of a column.
    fn bucket(&self, column: &Sql) -> Sql {
        let day = self.day(column);
        let first = |unit: &'static str| {
            Sql::fill(
                "CAST(CAST(date_trunc({}, {}) AS date) AS varchar(10))",
                &[&Sql::text(unit), &day],
            )
        };
        match (self.interval, &self.clock) {
            (Interval::Hour, Some(clock)) => clock.hour_name(column),
            (Interval::Week | Interval::Month | Interval::Year, _) => first(self.interval.name()),
            _ if self.by_moment => Sql::fill("CAST({} AS varchar(10))", &[&day]),
            _ => Sql::of("dt"),
        }
    }

    /// Whether a column lies within the dates.
    fn inside(&self, column: &Sql) -> Sql {
        if !self.by_moment {
            return Sql::of("TRUE");
        }
        let (start, end) = (Sql::moment(self.span_us.0), Sql::moment(self.span_us.1));
        Sql::fill("{} >= {} AND {} < {}", &[column, &start, column, &end])
    }

    /// Which rows can be in the answer at all: those of a visit that begins within the dates, too,
    /// but where each row must have an hour or a day of its own.
    fn seen(&self, plan: &Plan, shape: &Shape) -> Sql {
        let hit = self.inside(&Sql::of("ts"));
        if !shape.by_part || plan.needs_moments() {
            return hit;
        }
        Sql::fill("({} OR {})", &[&hit, &self.inside(&Sql::of("visit_start"))])
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
