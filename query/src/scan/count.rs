//! Counting rows (DESIGN section 5): a hit metric falls in the bucket of the hit, a visit metric
//! in that of the visit's first hit; a visit counts once for each value that one of its hits has.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Int32Type, TimestampMicrosecondType};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use lake::hit::Id64;
use lake::site::Section;

use super::{Counted, Key};
use crate::question::Question;

/// What of a date is counted, and how it is bucketed.
pub(super) struct Filter<'a> {
    site: i32,
    zone: TimeZone,
    include: Vec<String>,
    exclude: Vec<String>,
    question: &'a Question,
}

impl<'a> Filter<'a> {
    pub(super) fn new(
        site: i32,
        zone: TimeZone,
        sections: &[Section],
        question: &'a Question,
    ) -> Self {
        let (include, exclude) = match &question.section {
            None => (Vec::new(), Vec::new()),
            Some(name) => match sections.iter().find(|section| section.name == *name) {
                Some(section) => (section.include.clone(), section.exclude.clone()),
                None => (vec![name.clone()], Vec::new()),
            },
        };
        Self { site, zone, include, exclude, question }
    }

    /// `/news` holds `/news` and `/news/x`, not `/newsletter`.
    fn in_section(&self, path: Option<&str>) -> bool {
        let below = |prefix: &String| {
            let prefix = prefix.trim_end_matches('/');
            let path = path.unwrap_or_default().split('?').next().unwrap_or_default();
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.include.is_empty()
            || (path.is_some() && self.include.iter().any(below) && !self.exclude.iter().any(below))
    }

    fn bucket(&self, dt: Date, ts_us: i64) -> String {
        match self.question.interval {
            "hour" => {
                let at = jiff::Timestamp::from_microsecond(ts_us)
                    .unwrap_or_default()
                    .to_zoned_datetime(self.zone.clone());
                at.strftime("%Y-%m-%dT%H:00:00%:z").to_string()
            }
            "day" => dt.to_string(),
            "week" => {
                let days = i64::from(dt.weekday().to_monday_zero_offset());
                dt.checked_sub(jiff::SignedDuration::from_hours(24 * days))
                    .unwrap_or(dt)
                    .to_string()
            }
            "month" => dt.first_of_month().to_string(),
            "year" => dt.first_of_year().to_string(),
            _ => String::new(),
        }
    }
}

/// The columns that are counted.
struct Columns<'a> {
    site: &'a [i32],
    ts: &'a [i64],
    kind: &'a ArrayRef,
    path: &'a ArrayRef,
    query: &'a ArrayRef,
    bot: &'a ArrayRef,
    visitor: &'a ArrayRef,
    visit: &'a ArrayRef,
    start: &'a ArrayRef,
    entry: &'a ArrayRef,
    exit: &'a ArrayRef,
    actions: &'a ArrayRef,
    duration: &'a ArrayRef,
    bounce: BooleanArray,
    first: BooleanArray,
    derived: BooleanArray,
    converts: BooleanArray,
    by: Option<&'a ArrayRef>,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch, question: &Question) -> anyhow::Result<Self> {
        let of = |name: &str| {
            batch.column_by_name(name).ok_or_else(|| anyhow::anyhow!("column {name} is missing"))
        };
        Ok(Self {
            site: of("site")?.as_primitive::<Int32Type>().values(),
            ts: of("ts")?.as_primitive::<TimestampMicrosecondType>().values(),
            kind: of("kind")?,
            path: of("path")?,
            query: of("query")?,
            bot: of("bot_reason")?,
            visitor: of("visitor_id")?,
            visit: of("visit_id")?,
            start: of("visit_start")?,
            entry: of("entry_path")?,
            exit: of("exit_path")?,
            actions: of("visit_actions")?,
            duration: of("visit_duration_s")?,
            bounce: of("is_bounce")?.as_boolean().clone(),
            first: of("is_entry")?.as_boolean().clone(),
            derived: of("is_derived")?.as_boolean().clone(),
            converts: of("is_conversion")?.as_boolean().clone(),
            by: question.by.map(|(_, column)| of(column)).transpose()?,
        })
    }

    fn page(&self, row: usize) -> Option<String> {
        let path = text(self.path, row)?;
        Some(
            text(self.query, row)
                .map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")),
        )
    }
}

/// Counts the rows of a batch. A visit's rows stand together, and a batch may end within a visit
/// only where the next begins with the rest of it.
pub(super) fn batch(
    batch: &RecordBatch,
    dt: Date,
    filter: &Filter<'_>,
    counted: &mut Counted,
) -> anyhow::Result<()> {
    let columns = Columns::of(batch, filter.question)?;
    let mut seen: HashSet<(&'static str, u64, Key)> = HashSet::new();
    for (row, _) in columns.site.iter().enumerate().filter(|(_, site)| **site == filter.site) {
        let bot = columns.bot.is_valid(row) && text(columns.bot, row).is_some();
        if (filter.question.bots == "exclude" && bot) || (filter.question.bots == "only" && !bot) {
            continue;
        }
        count(row, dt, filter, &columns, counted, &mut seen);
    }
    Ok(())
}

fn count(
    row: usize,
    dt: Date,
    filter: &Filter<'_>,
    columns: &Columns<'_>,
    counted: &mut Counted,
    seen: &mut HashSet<(&'static str, u64, Key)>,
) {
    let name = filter.question.by.map_or("", |(name, _)| name);
    let ts = columns.ts.get(row).copied().unwrap_or_default();
    let kind = text(columns.kind, row).unwrap_or_default();
    let visit = text(columns.visit, row).and_then(Id64::parse).map(|id| id.0);
    let start = columns.start.as_primitive::<TimestampMicrosecondType>();
    let started = if start.is_valid(row) { start.value(row) } else { ts };
    let first = columns.first.is_valid(row) && columns.first.value(row);
    let value = match (name, columns.by) {
        ("", _) | (_, None) => None,
        ("page", _) => columns.page(row),
        ("download", _) if kind != "download" => None,
        ("outlink", _) if kind != "outlink" => None,
        (_, Some(column)) => text(column, row).map(str::to_owned),
    };
    let of_hit = matches!((name, kind), ("download", kind) | ("outlink", kind) if kind != name);
    let mut pages = Vec::new();
    if first {
        pages = vec![("entries", text(columns.entry, row)), ("exits", text(columns.exit, row))];
    }
    for (metric, page) in pages {
        let Some(page) = page.filter(|page| filter.in_section(Some(page))) else { continue };
        let of = if name == "page" { Some(page.to_owned()) } else { value.clone() };
        counted.add(metric, (filter.bucket(dt, started), of), 1.0);
    }
    if of_hit || !filter.in_section(text(columns.path, row)) {
        return;
    }
    let at_hit: Key = (filter.bucket(dt, ts), value.clone());
    if columns.converts.is_valid(row) && columns.converts.value(row) {
        counted.add("conversions", at_hit.clone(), 1.0);
    }
    if columns.derived.is_valid(row) && columns.derived.value(row) {
        return;
    }
    counted.add("hits", at_hit.clone(), 1.0);
    let unique = match kind {
        "pageview" => Some(("pageviews", "unique_pageviews")),
        "download" => Some(("downloads", "unique_downloads")),
        "outlink" => Some(("outlinks", "unique_outlinks")),
        _ => None,
    };
    match (unique, kind) {
        (Some((metric, unique)), _) => {
            counted.add(metric, at_hit.clone(), 1.0);
            counted.add_once(unique, visit, at_hit.clone(), 1.0, seen);
        }
        (None, "event") => counted.add("events", at_hit.clone(), 1.0),
        (None, "search") => counted.add("searches", at_hit.clone(), 1.0),
        _ => {}
    }
    if let Some(visitor) = text(columns.visitor, row).and_then(Id64::parse) {
        counted.visitor(visitor.0, &at_hit);
    }
    let int = |column: &ArrayRef| f64::from(column.as_primitive::<Int32Type>().value(row));
    if visit.is_some() {
        let at_visit: Key = (filter.bucket(dt, started), value);
        counted.add_once("visits", visit, at_visit.clone(), 1.0, seen);
        counted.add_once("actions", visit, at_visit.clone(), int(columns.actions), seen);
        counted.add_once("visit_duration", visit, at_visit.clone(), int(columns.duration), seen);
        counted.add_once(
            "bounces",
            visit,
            at_visit,
            f64::from(u8::from(columns.bounce.value(row))),
            seen,
        );
    }
}

impl Counted {
    fn add(&mut self, metric: &'static str, key: Key, value: f64) {
        *self.totals.sums.entry(metric).or_default() += value;
        *self.rows.entry(key).or_default().sums.entry(metric).or_default() += value;
    }

    /// Once for each visit and row; once for each visit in the totals.
    fn add_once(
        &mut self,
        metric: &'static str,
        visit: Option<u64>,
        key: Key,
        value: f64,
        seen: &mut HashSet<(&'static str, u64, Key)>,
    ) {
        let Some(visit) = visit else { return };
        if seen.insert((metric, visit, (String::from("\0total"), None))) {
            *self.totals.sums.entry(metric).or_default() += value;
        }
        if seen.insert((metric, visit, key.clone())) {
            *self.rows.entry(key).or_default().sums.entry(metric).or_default() += value;
        }
    }

    fn visitor(&mut self, visitor: u64, key: &Key) {
        self.totals.visitors.insert(visitor);
        self.rows.entry(key.clone()).or_default().visitors.insert(visitor);
    }
}

fn text(column: &ArrayRef, row: usize) -> Option<&str> {
    if let DataType::Dictionary(_, _) = column.data_type() {
        let column = column.as_dictionary::<Int32Type>();
        let key = column.keys().is_valid(row).then(|| column.keys().value(row))?;
        let values = column.values().as_string::<i32>();
        let key = usize::try_from(key).ok()?;
        return values.is_valid(key).then(|| values.value(key));
    }
    let column = column.as_string_opt::<i32>()?;
    column.is_valid(row).then(|| column.value(row))
}
