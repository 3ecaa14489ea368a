//! The parts of the text: the hits that match, the cells that they are counted in, the answer.

use super::matching::alike;
use super::measure::{self, Cells, NTH_OF_VIEW, NTH_OF_VISIT};
use super::place::{self, Answer};
use super::text::Sql;
use super::{OfSite, Unsaid};
use crate::calendar::Interval;
use crate::metric::Sum;

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
pub(super) struct Shape {
    /// There are buckets of time.
    pub(super) timed: bool,
    dimensions: usize,
    /// The time of a hit, not its partition, decides whether it is one of the dates.
    pub(super) by_moment: bool,
    /// A hit and its visit may fall into different buckets.
    pub(super) by_part: bool,
    of_visit: bool,
    of_view: bool,
}

impl Shape {
    pub(super) fn of(site: &OfSite<'_>) -> Self {
        let (plan, question) = (site.plan, site.question);
        let has = |wanted: fn(&Sum) -> bool| plan.sums.iter().any(wanted);
        let by_moment = question.tz.is_some();
        Self {
            timed: plan.by_time,
            dimensions: plan.by.len(),
            by_moment,
            by_part: has(measure::falls_with_its_visit)
                && (by_moment || question.interval == Interval::Hour),
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
        // Any row will do, as all have the visit's values; Spark wants an order none the less.
        Sql::fill(
            "row_number() OVER (PARTITION BY {}, visit ORDER BY visit) AS {}",
            &[&group(), &name],
        )
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
