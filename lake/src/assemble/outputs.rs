//! The columns of the table's rows: those of the hit taken from the input, those of the visit
//! worked out once a visit and repeated on its rows.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Float64Array, Int32Array, RecordBatch,
    StringArray, StringBuilder, TimestampMicrosecondArray, UInt32Array, new_null_array,
};
use arrow::compute::{cast, take};
use arrow::datatypes::Float64Type;
use arrow::error::ArrowError;

use super::goals::{Sets, text};
use super::groups::{Group, Groups, HIT, Placed};
use super::index;
use super::inputs::{column as column_of, dictionary, int, ints};
use super::timings::Timings;
use crate::columns::{COLUMNS, Column, schema_for_reading};
use crate::goals::Reached;
use crate::hit::{HitId, Id64, Kind};
use crate::visits::Visit;

/// The table's columns of the visit that are the attributed hit's own.
const ATTRIBUTED: [(&str, &str); 10] = [
    ("channel", "hit_channel"),
    ("source", "hit_source"),
    ("keyword", "hit_keyword"),
    ("referrer_host", "hit_referrer_host"),
    ("referrer_path", "hit_referrer_path"),
    ("campaign", "hit_campaign"),
    ("campaign_source", "hit_campaign_source"),
    ("campaign_medium", "hit_campaign_medium"),
    ("campaign_term", "hit_campaign_term"),
    ("campaign_content", "hit_campaign_content"),
];

/// Columns that say what the hit was, which a conversion by pattern of it is not.
const OF_THE_HIT_ALONE: [&str; 17] = [
    "target",
    "event_category",
    "event_action",
    "event_name",
    "event_value",
    "search_term",
    "search_category",
    "search_results",
    "order_id",
    "order_items",
    "content_name",
    "content_piece",
    "content_interaction",
    "engaged_ms",
    "scroll_percent",
    "page_view",
    "status",
];

/// A visit that begins on one of the site's own pages came by itself (matomo.md 3.4): direct.
const INTERNAL: &str = "internal";

/// Rows in the order of the table.
pub(super) struct Rows<'a> {
    raw: &'a RecordBatch,
    rows: Vec<Placed>,
    groups: Vec<Group>,
    patterns: Vec<Reached>,
    goals: &'a Sets,
    timings: &'a Timings,
}

impl<'a> Rows<'a> {
    pub(super) fn new(
        raw: &'a RecordBatch,
        mut groups: Groups,
        goals: &'a Sets,
        timings: &'a Timings,
    ) -> Self {
        groups.sort();
        let Groups { groups, rows, patterns } = groups;
        Self { raw, rows, groups, patterns, goals, timings }
    }

    /// Rows that are no hits.
    pub(super) fn derived(&self) -> usize {
        self.patterns.len()
    }

    /// The table's columns.
    pub(super) fn fill(&self) -> Result<RecordBatch, ArrowError> {
        let rows = index(self.rows.iter().map(|row| Some(row.raw)));
        // What is said of the hit alone is not said of the conversions by pattern beside it.
        let hits = index(self.hits());
        let of_group = index(self.rows.iter().map(|row| Some(row.group)));
        let column = |column: &Column| -> Result<ArrayRef, ArrowError> {
            if let Some(array) = self.of_row(column.name, &rows)? {
                return Ok(array);
            }
            if column.of_visit {
                return taken(&self.of_visit(column)?, &of_group);
            }
            let own = column_of(self.raw, column.name)?;
            if Timings::has(column.name) {
                let own = taken(&own, &hits)?;
                return Ok(self.timings.fill(column.name, own, self.hits()));
            }
            let by = if OF_THE_HIT_ALONE.contains(&column.name) { &hits } else { &rows };
            taken(&own, by)
        };
        let columns = COLUMNS.iter().map(column).collect::<Result<Vec<_>, _>>()?;
        RecordBatch::try_new(schema_for_reading(), columns)
    }

    /// The input's row of each hit; none for conversions by pattern.
    fn hits(&self) -> impl Iterator<Item = Option<u32>> + '_ {
        self.rows.iter().map(|row| (row.pattern == HIT).then_some(row.raw))
    }

    fn pattern(&self, row: &Placed) -> Option<Reached> {
        (row.pattern != HIT).then(|| self.patterns.get(row.pattern as usize).copied()).flatten()
    }

    fn visit(&self, row: &Placed) -> Option<&Visit> {
        self.groups.get(row.group as usize)?.visit.as_ref()
    }

    /// Columns that differ between the rows of a visit and are not simply the input's.
    fn of_row(&self, name: &str, rows: &UInt32Array) -> Result<Option<ArrayRef>, ArrowError> {
        let bools = |value: &dyn Fn(&Placed) -> Option<bool>| -> ArrayRef {
            Arc::new(self.rows.iter().map(value).collect::<BooleanArray>())
        };
        let is = |row: &Placed, hit: fn(&Visit) -> usize| {
            self.visit(row).map(|visit| row.pattern == HIT && hit(visit) == row.raw as usize)
        };
        Ok(Some(match name {
            "is_entry" => bools(&|row| is(row, |visit| visit.first)),
            "is_exit" => bools(&|row| is(row, |visit| visit.last)),
            "is_derived" => bools(&|row| Some(row.pattern != HIT)),
            "is_conversion" => bools(&|row| Some(row.is_conversion)),
            "time_on_page_s" => {
                Arc::new(self.rows.iter().map(|row| row.time_on_page_s).collect::<Int32Array>())
            }
            "goals" => self.goals()?,
            "own_timings" => Arc::new(self.timings.own(self.hits())),
            "revenue" => self.revenue()?,
            "hit_id" if self.derived() > 0 => self.hit_ids(rows)?,
            "kind" if self.derived() > 0 => self.kinds()?,
            "goal_id" if self.derived() > 0 => {
                let own = ints(self.raw, name)?;
                let goal = |row: &Placed| match self.pattern(row) {
                    Some(reached) => Some(reached.goal),
                    None => int(&own, row.raw as usize),
                };
                Arc::new(self.rows.iter().map(goal).collect::<Int32Array>())
            }
            _ => return Ok(None),
        }))
    }

    fn goals(&self) -> Result<ArrayRef, ArrowError> {
        let set = |row: &Placed| {
            let kept = self.goals.kept(row.raw).filter(|_| row.pattern == HIT);
            kept.and_then(|set| i32::try_from(set).ok())
        };
        let keys: Int32Array = self.rows.iter().map(set).collect();
        let texts = StringArray::from_iter_values(self.goals.texts());
        Ok(Arc::new(DictionaryArray::try_new(keys, Arc::new(texts))?))
    }

    /// A goal by hand that brings no revenue has the one of its settings.
    fn revenue(&self) -> Result<ArrayRef, ArrowError> {
        let column = column_of(self.raw, "revenue")?;
        let own = column
            .as_primitive_opt::<Float64Type>()
            .ok_or_else(|| ArrowError::SchemaError("column revenue is not a number".to_owned()))?;
        let by_hand = ints(self.raw, "goal_id")?;
        let revenue = |row: &Placed| {
            if let Some(reached) = self.pattern(row) {
                return Some(reached.revenue);
            }
            let at = row.raw as usize;
            if own.is_valid(at) {
                return own.values().get(at).copied();
            }
            let goal = int(&by_hand, at)?;
            let set = self.goals.sets().get(self.goals.of(row.raw) as usize)?;
            let of_settings = set.iter().find(|reached| reached.goal == goal)?.revenue;
            (of_settings != 0.0).then_some(of_settings)
        };
        Ok(Arc::new(self.rows.iter().map(revenue).collect::<Float64Array>()))
    }

    fn hit_ids(&self, rows: &UInt32Array) -> Result<ArrayRef, ArrowError> {
        let own = take(&column_of(self.raw, "hit_id")?, rows, None)?;
        let own = own.as_string::<i32>();
        let mut ids = StringBuilder::with_capacity(own.len(), own.value_data().len());
        for (at, row) in self.rows.iter().enumerate() {
            let id = own.value(at);
            match (self.pattern(row), self.groups.get(row.group as usize)) {
                (Some(reached), Some(group)) => {
                    let derived = derived_id(group.site, id, reached.goal);
                    ids.append_value(derived.to_string());
                }
                _ => ids.append_value(id),
            }
        }
        Ok(Arc::new(ids.finish()))
    }

    fn kinds(&self) -> Result<ArrayRef, ArrowError> {
        let own = dictionary(self.raw, "kind")?;
        let values = own.values().as_string::<i32>();
        let goal = i32::try_from(values.len()).unwrap_or(i32::MAX);
        let with_goal: StringArray = values.iter().chain([Some(Kind::Goal.name())]).collect();
        let key = |row: &Placed| match row.pattern {
            HIT => own.key(row.raw as usize).and_then(|key| i32::try_from(key).ok()),
            _ => Some(goal),
        };
        let keys: Int32Array = self.rows.iter().map(key).collect();
        Ok(Arc::new(DictionaryArray::try_new(keys, Arc::new(with_goal))?))
    }

    /// One value a visit, in the order of the groups.
    fn of_visit(&self, column: &Column) -> Result<ArrayRef, ArrowError> {
        let visits = || self.groups.iter().map(|group| group.visit.as_ref());
        let ints = |value: fn(&Visit) -> i32| -> ArrayRef {
            Arc::new(visits().map(|visit| visit.map(value)).collect::<Int32Array>())
        };
        Ok(match column.name {
            // Null for a ping that extends no visit: who only pings is no visitor.
            "visitor_id" => {
                ids(self.groups.iter().map(|group| group.visit.as_ref().map(|_| group.visitor)))
            }
            "visit_id" => ids(visits().map(|visit| visit.map(|visit| visit.id))),
            "visit_start" => Arc::new(
                visits()
                    .map(|visit| visit.map(|visit| visit.start_us))
                    .collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            ),
            "visit_hits" => ints(|visit| saturated(visit.hits)),
            "visit_pageviews" => ints(|visit| saturated(visit.pageviews)),
            "visit_actions" => ints(|visit| saturated(visit.actions)),
            "visit_duration_s" => ints(|visit| visit.duration_s),
            "is_bounce" => {
                let bounces = visits().map(|visit| visit.map(|visit| visit.actions <= 1));
                Arc::new(bounces.collect::<BooleanArray>())
            }
            "visitor_type" => self.visitor_types()?,
            "entry_path" => self.pages(column, |visit| visit.entry)?,
            "exit_path" => self.pages(column, |visit| visit.exit)?,
            "channel" => self.channels(column)?,
            name => match ATTRIBUTED.iter().find(|(visit, _)| *visit == name) {
                Some((_, hit)) => self.attributed(hit)?,
                None => new_null_array(&column.kind.arrow_for_reading(), self.groups.len()),
            },
        })
    }

    fn visitor_types(&self) -> Result<ArrayRef, ArrowError> {
        let keys: Int32Array = self
            .groups
            .iter()
            .map(|group| group.visit.as_ref().map(|visit| i32::from(visit.returning)))
            .collect();
        let values = StringArray::from_iter_values(["new", "returning"]);
        Ok(Arc::new(DictionaryArray::try_new(keys, Arc::new(values))?))
    }

    /// Path and query of a hit of each visit: what the page report calls the page.
    fn pages(
        &self,
        column: &Column,
        hit: fn(&Visit) -> Option<usize>,
    ) -> Result<ArrayRef, ArrowError> {
        let (paths, queries) = (dictionary(self.raw, "path")?, dictionary(self.raw, "query")?);
        let mut pages = StringBuilder::with_capacity(self.groups.len(), self.groups.len() * 16);
        for group in &self.groups {
            let row = group.visit.as_ref().and_then(hit);
            match row.and_then(|row| Some((row, text(&paths, row)?))) {
                Some((row, path)) => {
                    use std::fmt::Write as _;
                    let query = text(&queries, row);
                    let (mark, query) = query.map_or(("", ""), |query| ("?", query));
                    let _ = write!(pages, "{path}{mark}{query}");
                    pages.append_value("");
                }
                None => pages.append_null(),
            }
        }
        cast(&pages.finish(), &column.kind.arrow_for_reading())
    }

    fn channels(&self, column: &Column) -> Result<ArrayRef, ArrowError> {
        let own = dictionary(self.raw, "hit_channel")?;
        let channel = |group: &Group| {
            let own = text(&own, group.visit.as_ref()?.attribution)?;
            Some(if own == INTERNAL { "direct" } else { own })
        };
        let channels: StringArray = self.groups.iter().map(channel).collect();
        cast(&channels, &column.kind.arrow_for_reading())
    }

    fn attributed(&self, hit: &str) -> Result<ArrayRef, ArrowError> {
        let channels = dictionary(self.raw, "hit_channel")?;
        let row = |group: &Group| {
            let row = group.visit.as_ref()?.attribution;
            let internal = text(&channels, row) == Some(INTERNAL);
            u32::try_from(row).ok().filter(|_| !internal)
        };
        taken(&column_of(self.raw, hit)?, &index(self.groups.iter().map(row)))
    }
}

/// Rows of a column; most columns have no value at all, and are not looked at row by row.
fn taken(column: &ArrayRef, rows: &UInt32Array) -> Result<ArrayRef, ArrowError> {
    if column.null_count() == column.len() {
        return Ok(new_null_array(column.data_type(), rows.len()));
    }
    take(column, rows, None)
}

/// The id of a conversion by pattern: the same whenever it is worked out.
fn derived_id(site: i32, hit_id: &str, goal: i32) -> HitId {
    let mut name = [0_u8; 24];
    let hit = HitId::parse(hit_id).unwrap_or_default().0.to_be_bytes();
    let parts = site.to_be_bytes().into_iter().chain(hit).chain(goal.to_be_bytes());
    for (to, from) in name.iter_mut().zip(parts) {
        *to = from;
    }
    HitId(
        uuid::Builder::from_custom_bytes(xxhash_rust::xxh3::xxh3_128(&name).to_be_bytes())
            .into_uuid()
            .as_u128(),
    )
}

fn ids(ids: impl ExactSizeIterator<Item = Option<u64>>) -> ArrayRef {
    use std::fmt::Write as _;
    let mut texts = StringBuilder::with_capacity(ids.len(), ids.len() * 16);
    for id in ids {
        match id {
            Some(id) => {
                let _ = write!(texts, "{}", Id64(id));
                texts.append_value("");
            }
            None => texts.append_null(),
        }
    }
    Arc::new(texts.finish())
}

fn saturated(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
