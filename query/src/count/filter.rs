//! Which rows of a batch a filter selects (`lake::filter`): each condition is worked out once for
//! each code of a dictionary, and what asks for visits by a look at all rows of each.
//!
//! Groups are bits: a row is selected where the bits of its own conditions, of its visit and of one
//! hit of its visit together are all. The batch must hold whole visits where the filter asks for
//! visits.

use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use lake::filter::{Condition, Filter, Reach, Source, without_scheme};
use lake::hit::Kind;

use super::columns::{Codes, Flags, Numbers, ints, texts};
use super::places::Places;
use super::prepared::kinds;
use crate::calendar::Place;
use crate::dimension::{Dimension, Origin, section_of};
use crate::fast::HashMap;
use crate::plan::Plan;

/// One bit for each group.
type Groups = u128;

/// Takes the mark from rows that the filter does not select.
pub(super) fn apply(
    batch: &RecordBatch,
    plan: &Plan,
    places: &Places,
    filter: &Filter,
    selected: &mut [bool],
) -> Result<(), ArrowError> {
    let source = Rows { batch, plan, places };
    let mut held = Vec::new();
    for (group, conditions) in filter.groups.iter().enumerate() {
        for condition in conditions {
            held.push(Held { group: 1 << group, condition, rows: source.rows(condition)? });
        }
    }
    if !asks_for_visits(filter) {
        for group in held.chunk_by(|left, right| left.group == right.group) {
            keep_any(group, selected);
        }
        return Ok(());
    }
    let all = held.iter().fold(0, |all, held| all | held.group);
    let own = |row: usize| bits(&held, |it| it.condition.reach == Reach::Hit && it.at(row));
    let pages = of_kinds(batch, &[Kind::Pageview, Kind::Search])?;
    for (rows, is_visit) in visits(batch)? {
        let visit = if is_visit { of_visit(&held, &rows, &pages) } else { 0 };
        let hits = if is_visit { of_hits(&held, &rows) } else { Vec::new() };
        for row in rows {
            let Some(selected) = selected.get_mut(row).filter(|it| **it) else { continue };
            let missing = all & !(own(row) | visit);
            *selected = missing == 0 || hits.iter().any(|hit| hit & missing == missing);
        }
    }
    Ok(())
}

/// Takes the mark from rows of which no condition of a group holds.
fn keep_any(group: &[Held<'_>], selected: &mut [bool]) {
    match group {
        [one] => {
            selected.iter_mut().zip(&one.rows).for_each(|(selected, holds)| *selected &= holds)
        }
        _ => {
            for (row, selected) in selected.iter_mut().enumerate() {
                *selected &= group.iter().any(|held| held.at(row));
            }
        }
    }
}

/// Whether a filter must see all rows of a visit.
pub(crate) fn asks_for_visits(filter: &Filter) -> bool {
    filter.conditions().any(|condition| condition.reach != Reach::Hit)
}

/// Takes a column and whether a text meets what is asked of it.
pub(crate) type Show<'a> = dyn FnMut(&str, &dyn Fn(Option<&str>) -> bool) + 'a;

/// Shows each group that one column of text decides: the column, and whether a text meets it.
pub(crate) fn each_required(filter: &Filter, show: &mut Show<'_>) {
    for group in &filter.groups {
        let Some(column) = group.first().and_then(text_column) else { continue };
        if group.iter().all(|condition| text_column(condition) == Some(column)) {
            show(column, &|text| group.iter().any(|condition| condition.holds_of_text(text)));
        }
    }
}

/// The column of text that alone decides a condition on a hit.
fn text_column(condition: &Condition) -> Option<&'static str> {
    let column = match condition.name.source {
        Source::Text(column) => Some(column),
        Source::Dimension => match Dimension::find(condition.name.name)?.origin {
            Origin::Text(column) => Some(column),
            _ => None,
        },
        _ => None,
    };
    column.filter(|_| condition.reach == Reach::Hit)
}

/// The columns that a condition needs of a row.
pub(crate) fn columns(condition: &Condition) -> Vec<&'static str> {
    let dimension = || Dimension::find(condition.name.name).map(Dimension::columns);
    let mut columns = match condition.name.source {
        Source::Dimension => dimension().unwrap_or_default(),
        Source::Text(it) | Source::Id(it) | Source::Number(it) | Source::Url(it) => vec![it],
        Source::Renamed(it, _) | Source::HourOf(it) => vec![it],
        Source::Either(left, right) | Source::UrlOf(left, right) => vec![left, right],
        Source::PageUrl => vec!["host", "path", "query"],
        Source::ActionUrl => vec!["kind", "host", "path", "query", "target"],
        Source::Count(_) => vec!["kind"],
        Source::Converted => vec!["is_conversion"],
    };
    if condition.reach != Reach::Hit {
        columns.extend(["is_entry", "kind"]);
    }
    columns.extend((!condition.name.kinds.is_empty()).then_some("kind"));
    columns
}

/// A condition, by row of the batch.
struct Held<'a> {
    group: Groups,
    condition: &'a Condition,
    /// Whether it holds of the row; of counts: whether the row counts.
    rows: Vec<bool>,
}

impl Held<'_> {
    fn at(&self, row: usize) -> bool {
        self.rows.get(row).copied().unwrap_or_default()
    }

    fn any(&self, rows: &Range<usize>) -> bool {
        self.rows.get(rows.clone()).is_some_and(|rows| rows.contains(&true))
    }

    /// Whether it holds of the visit of these rows; false where it looks at one hit.
    fn of_visit(&self, rows: &Range<usize>, pages: &[bool]) -> bool {
        let (condition, number) = (self.condition, |number| Some(f64::from(number)));
        let is_page = |row: &usize| pages.get(*row).copied().unwrap_or_default();
        let of_page = |page: Option<usize>| match page {
            Some(row) => self.at(row),
            None => of_nothing(condition),
        };
        match (condition.reach, condition.name.source) {
            (Reach::Hit | Reach::SameHit, _) => false,
            (Reach::FirstHit, Source::Converted) => {
                condition.holds_of_number(number(u32::from(self.any(rows))))
            }
            (Reach::FirstHit, Source::Count(_)) => {
                let count = rows.clone().filter(|row| self.at(*row)).count();
                condition.holds_of_number(number(u32::try_from(count).unwrap_or(u32::MAX)))
            }
            (Reach::FirstHit, _) => self.at(rows.start),
            (Reach::FirstPage, _) => of_page(rows.clone().find(is_page)),
            (Reach::LastPage, _) => of_page(rows.clone().rev().find(is_page)),
            (Reach::AnyHit, _) => self.any(rows) != condition.none,
        }
    }
}

fn bits(held: &[Held<'_>], holds: impl Fn(&Held<'_>) -> bool) -> Groups {
    held.iter().fold(0, |bits, it| if holds(it) { bits | it.group } else { bits })
}

fn of_visit(held: &[Held<'_>], rows: &Range<usize>, pages: &[bool]) -> Groups {
    bits(held, |it| it.of_visit(rows, pages))
}

/// The different bits of a visit's hits.
fn of_hits(held: &[Held<'_>], rows: &Range<usize>) -> Vec<Groups> {
    let mut different = Vec::new();
    if held.iter().any(|it| it.condition.reach == Reach::SameHit) {
        for row in rows.clone() {
            let hit = bits(held, |it| it.condition.reach == Reach::SameHit && it.at(row));
            if hit != 0 && !different.contains(&hit) {
                different.push(hit);
            }
        }
    }
    different
}

fn of_nothing(condition: &Condition) -> bool {
    if condition.name.is_number() {
        condition.holds_of_number(None)
    } else {
        condition.holds_of_text(None)
    }
}

/// The rows of each visit; a row of none stands alone.
fn visits(batch: &RecordBatch) -> Result<Vec<(Range<usize>, bool)>, ArrowError> {
    let entries = Flags::of(batch, "is_entry")?;
    let mut visits: Vec<(Range<usize>, bool)> = Vec::new();
    for row in 0..batch.num_rows() {
        match (entries.get(row), visits.last_mut()) {
            (Some(false), Some((rows, true))) => rows.end = row + 1,
            (entry, _) => visits.push((row..row + 1, entry.is_some())),
        }
    }
    Ok(visits)
}

fn of_kinds(batch: &RecordBatch, wanted: &[Kind]) -> Result<Vec<bool>, ArrowError> {
    let wanted = kinds(wanted);
    let is_wanted = |name: Option<&str>| {
        name.and_then(Kind::parse).is_some_and(|kind| kinds(&[kind]) & wanted != 0)
    };
    Ok(by_text(&Codes::of(batch, "kind")?, is_wanted))
}

/// Something for each row, worked out once a code.
fn by_text(codes: &Codes<'_>, test: impl Fn(Option<&str>) -> bool) -> Vec<bool> {
    let mut rows = vec![true; codes.rows()];
    codes.keep(&codes.test(test), &mut rows);
    rows
}

/// The same of several columns, once for each combination of codes.
fn by_texts<const N: usize>(
    batch: &RecordBatch,
    names: [&str; N],
    test: impl Fn([Option<&str>; N]) -> bool,
) -> Result<Vec<bool>, ArrowError> {
    let columns = names.iter().map(|name| Codes::of(batch, name));
    let columns: Vec<Codes<'_>> = columns.collect::<Result<_, _>>()?;
    let mut known: HashMap<[usize; N], bool> = HashMap::default();
    let mut last = ([usize::MAX; N], false);
    let mut of_row = |row: usize| {
        // Null is 0, codes come after it.
        let mut codes = [0; N];
        for (code, column) in codes.iter_mut().zip(&columns) {
            *code = column.code(row).map_or(0, |code| code + 1);
        }
        if last.0 != codes {
            let holds = *known.entry(codes).or_insert_with(|| {
                let mut texts = [None; N];
                for ((text, code), column) in texts.iter_mut().zip(codes).zip(&columns) {
                    *text = code.checked_sub(1).and_then(|code| column.text(code));
                }
                test(texts)
            });
            last = (codes, holds);
        }
        last.1
    };
    Ok((0..batch.num_rows()).map(&mut of_row).collect())
}

/// The rows whose values are compared.
struct Rows<'a> {
    batch: &'a RecordBatch,
    plan: &'a Plan,
    places: &'a Places,
}

impl Rows<'_> {
    /// By row: whether the condition holds of its value; for counts: whether the row counts.
    fn rows(&self, condition: &Condition) -> Result<Vec<bool>, ArrowError> {
        let dimension = match condition.name.source {
            Source::Dimension => Dimension::find(condition.name.name),
            _ => None,
        };
        let mut rows = match dimension {
            Some(dimension) => self.of_dimension(condition, dimension.origin)?,
            None => self.of_source(condition)?,
        };
        let own = dimension.and_then(|dimension| dimension.kind);
        let wanted = own.as_slice().iter().chain(condition.name.kinds).copied();
        let wanted: Vec<Kind> = wanted.collect();
        if !wanted.is_empty() {
            let nothing = of_nothing(condition);
            for (holds, is_wanted) in rows.iter_mut().zip(of_kinds(self.batch, &wanted)?) {
                *holds = if is_wanted { *holds } else { nothing };
            }
        }
        Ok(rows)
    }

    fn of_source(&self, condition: &Condition) -> Result<Vec<bool>, ArrowError> {
        let of = |text: Option<&str>| condition.holds_of_text(text);
        let joined = |parts: [Option<&str>; 3]| of(url(parts).as_deref());
        match condition.name.source {
            Source::Dimension => Ok(vec![false; self.batch.num_rows()]),
            Source::Text(column) => self.text(column, of),
            Source::Id(column) => {
                let ids = texts(self.batch, column)?;
                Ok(ids.iter().map(of).collect())
            }
            Source::Number(column) => self.numbers(column, |number| number, condition),
            Source::HourOf(column) => {
                self.numbers(column, |second| (second / 3600.0).floor(), condition)
            }
            Source::Renamed(column, names) => self.text(column, |text| {
                let renamed = names.iter().find(|(ours, _)| text == Some(*ours));
                of(renamed.map(|(_, theirs)| *theirs).or(text))
            }),
            Source::Either(left, right) => {
                by_texts(self.batch, [left, right], |[left, right]| of(left.or(right)))
            }
            Source::Url(column) => self.text(column, |text| of(text.map(without_scheme))),
            Source::UrlOf(host, path) => {
                by_texts(self.batch, [host, path], |[host, path]| joined([host, path, None]))
            }
            Source::PageUrl => by_texts(self.batch, ["host", "path", "query"], joined),
            Source::ActionUrl => {
                let columns = ["kind", "target", "host", "path", "query"];
                by_texts(self.batch, columns, |[kind, target, host, path, query]| match kind {
                    Some("download" | "outlink") => of(target.map(without_scheme)),
                    _ => joined([host, path, query]),
                })
            }
            Source::Count(kind) => of_kinds(self.batch, &[kind]),
            Source::Converted => {
                let flags = Flags::of(self.batch, "is_conversion")?;
                let flag = |row| flags.get(row).unwrap_or_default();
                Ok((0..self.batch.num_rows()).map(flag).collect())
            }
        }
    }

    fn of_dimension(&self, condition: &Condition, of: Origin) -> Result<Vec<bool>, ArrowError> {
        let text = |text: Option<&str>| condition.holds_of_text(text);
        let at = |number: &dyn Fn(Place) -> i8| {
            let holds = |row| {
                let place = self.places.at(row);
                condition.holds_of_number(place.map(|place| f64::from(number(place))))
            };
            (0..self.batch.num_rows()).map(holds).collect()
        };
        match of {
            Origin::Text(column) => self.text(column, text),
            Origin::Number(column) => self.numbers(column, |number| number, condition),
            Origin::Section => {
                let depth = self.plan.section_depth;
                self.text("path", |path| text(path.map(|path| section_of(path, depth))))
            }
            Origin::Page => by_texts(self.batch, ["path", "query"], |parts| match parts {
                [Some(path), Some(query)] => text(Some(&format!("{path}?{query}"))),
                [path, _] => text(path),
            }),
            Origin::Band(column, bands) => {
                let numbers = ints(self.batch, column)?;
                let band = |number: i32| bands.get(bands.partition_point(|it| it.0 < number));
                let holds = |number: Option<i32>| text(number.and_then(band).map(|it| it.1));
                Ok(numbers.iter().map(holds).collect())
            }
            Origin::HourOfDay => Ok(at(&|place| place.hour)),
            Origin::Weekday => Ok(at(&|place| self.plan.calendar.weekday(place.day))),
            Origin::Site => {
                let holds = condition.holds_of_number(Some(f64::from(self.plan.site)));
                Ok(vec![holds; self.batch.num_rows()])
            }
        }
    }

    fn text(
        &self,
        column: &str,
        test: impl Fn(Option<&str>) -> bool,
    ) -> Result<Vec<bool>, ArrowError> {
        Ok(by_text(&Codes::of(self.batch, column)?, test))
    }

    fn numbers(
        &self,
        column: &str,
        of: impl Fn(f64) -> f64,
        condition: &Condition,
    ) -> Result<Vec<bool>, ArrowError> {
        let numbers = Numbers::of(self.batch, column)?;
        let holds = |row| condition.holds_of_number(numbers.get(row).map(&of));
        Ok((0..self.batch.num_rows()).map(holds).collect())
    }
}

/// Host, path and query as one; none where there is neither host nor path.
fn url([host, path, query]: [Option<&str>; 3]) -> Option<String> {
    let host = host.map(without_scheme);
    host.or(path)?;
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Some(format!("{}{}{query}", host.unwrap_or_default(), path.unwrap_or_default()))
}
