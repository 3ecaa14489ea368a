//! What of history is worked out anew: marks of bots by today's list and the sites' rules, or a
//! site's goals by today's settings. Knows rows; what becomes of them is the merge's own work.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Int32Array, RecordBatch, StringArray,
};
use arrow::compute::nullif;
use arrow::datatypes::{Field, Int32Type, Schema};
use lake::columns::schema_for_reading;
use lake::site::BotRules;

use super::narrow::{is_true, sites};
use crate::enrich::{BOTS_VERSION, mark_again};
use crate::merge::facts::Facts;

const REASON: &str = "bot_reason";

/// What is worked out anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Anew {
    /// Nothing: waiting hits are merged.
    #[default]
    Nothing,
    /// The marks of bots, where another list made them.
    Bots,
    /// The marks of bots, where this site has hits: its own rules have changed.
    BotsOf(i32),
    /// The goals that hits of this site reach.
    Goals(i32),
}

impl Anew {
    /// Whether a table object is to be rewritten for it though no hits wait.
    pub(in crate::merge) fn concerns(self, table: &Facts) -> bool {
        let Some(merged) = table.merged.as_ref().filter(|_| table.rows > 0) else { return false };
        match self {
            Self::Nothing => false,
            Self::Bots => merged.bots != BOTS_VERSION,
            Self::BotsOf(site) | Self::Goals(site) => merged.has(site),
        }
    }

    /// Whether marks of bots are worked out anew.
    pub(in crate::merge) const fn marks_bots(self) -> bool {
        matches!(self, Self::Bots | Self::BotsOf(_))
    }

    /// The rows as hits that no merge has seen.
    pub(super) fn apply(
        self,
        rows: RecordBatch,
        bot_rules: &BotRules,
    ) -> anyhow::Result<RecordBatch> {
        match self {
            Self::Nothing => Ok(rows),
            Self::Bots | Self::BotsOf(_) => marked(&rows, bot_rules),
            Self::Goals(site) => unreached(rows, site),
        }
    }
}

fn marked(rows: &RecordBatch, bot_rules: &BotRules) -> anyhow::Result<RecordBatch> {
    let agents = Texts::of(rows, "user_agent")?;
    let reasons = Texts::of(rows, REASON)?;
    let not_a_bot = rows.column_by_name("not_a_bot").and_then(|column| column.as_boolean_opt());
    let mut known = HashMap::new();
    let mark = |(row, &site): (usize, &i32)| {
        let (agent, old) = (agents.value(row), reasons.value(row));
        if is_true(not_a_bot, row) {
            return old;
        }
        *known.entry((site, agent, old)).or_insert_with(|| {
            mark_again(agent, old, bot_rules.marks(site, agent.unwrap_or_default()))
        })
    };
    let marks: DictionaryArray<Int32Type> = sites(rows)?.iter().enumerate().map(mark).collect();
    replace(rows, REASON, Arc::new(marks))
}

/// Texts of a column, none where the rows lack it.
struct Texts<'a>(Option<(&'a Int32Array, &'a StringArray)>);

impl<'a> Texts<'a> {
    fn of(rows: &'a RecordBatch, name: &str) -> anyhow::Result<Self> {
        let Some(column) = rows.column_by_name(name) else { return Ok(Self(None)) };
        let column = column.as_dictionary_opt::<Int32Type>();
        let column = column.ok_or_else(|| anyhow::anyhow!("column {name} has no dictionary"))?;
        let values = column.values().as_string_opt::<i32>();
        let values = values.ok_or_else(|| anyhow::anyhow!("column {name} is no text"))?;
        Ok(Self(Some((column.keys(), values))))
    }

    fn value(&self, row: usize) -> Option<&'a str> {
        let (keys, values) = self.0?;
        let key = usize::try_from(keys.is_valid(row).then(|| keys.value(row))?).ok()?;
        values.is_valid(key).then(|| values.value(key))
    }
}

fn unreached(rows: RecordBatch, site: i32) -> anyhow::Result<RecordBatch> {
    let Some(goals) = rows.column_by_name("goals") else { return Ok(rows) };
    let of_site: BooleanArray = sites(&rows)?.iter().map(|of| Some(*of == site)).collect();
    let goals = nullif(goals, &of_site)?;
    replace(&rows, "goals", goals)
}

/// The rows with another column of this name.
fn replace(rows: &RecordBatch, name: &str, column: ArrayRef) -> anyhow::Result<RecordBatch> {
    let schema = schema_for_reading();
    let mut fields: Vec<Arc<Field>> = Vec::new();
    let mut columns = Vec::new();
    for (field, old) in rows.schema().fields().iter().zip(rows.columns()) {
        if field.name() != name {
            fields.push(Arc::clone(field));
            columns.push(Arc::clone(old));
        }
    }
    fields.push(Arc::new(schema.field_with_name(name)?.clone()));
    columns.push(column);
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}
