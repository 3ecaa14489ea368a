//! What goals each hit reached: as its row says, or, for hits that no merge has seen, by the
//! goals in force. Where these cannot be read a hit reaches none, and its row does not say so.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, DictionaryArray, Float64Array, RecordBatch};
use arrow::datatypes::{Float64Type, Int32Type};
use arrow::error::ArrowError;

use super::inputs::{Inputs, column, dictionary, int, ints};
use crate::goals::{Candidate, Goals, Reached, from_text, to_text};

/// Sets of goals; every row has one, most the empty one, which is the first.
pub(super) struct Sets {
    sets: Vec<Vec<Reached>>,
    texts: Vec<String>,
    /// Or [`UNMET`].
    of_row: Vec<u32>,
}

/// Of a row whose site's goals could not be read.
const UNMET: u32 = u32::MAX;

impl Sets {
    pub(super) fn read(
        raw: &RecordBatch,
        inputs: &Inputs,
        order: &[u32],
        goals: &Goals,
    ) -> Result<Self, ArrowError> {
        let mut sets = Interner::default();
        sets.of(String::new());
        let kept = dictionary(raw, "goals")?;
        let texts = kept.values().as_string_opt::<i32>();
        let of_value: Vec<u32> = texts
            .map(|texts| {
                texts.iter().map(|text| sets.of(text.unwrap_or_default().to_owned())).collect()
            })
            .unwrap_or_default();
        let mut of_row = vec![0; raw.num_rows()];
        let fields = Fields::read(raw)?;
        for &row in order {
            let set = match kept.key(row as usize) {
                Some(key) => of_value.get(key).copied().unwrap_or_default(),
                None if goals.unread().contains(&inputs.site(row)) => UNMET,
                None if goals.has(inputs.site(row)) => {
                    let candidate = fields.candidate(inputs, row);
                    sets.of(to_text(&goals.reached(inputs.site(row), &candidate)))
                }
                None => 0,
            };
            if let Some(of_row) = of_row.get_mut(row as usize) {
                *of_row = set;
            }
        }
        let texts = sets.texts;
        let sets = texts.iter().map(|text| from_text(text)).collect();
        Ok(Self { sets, texts, of_row })
    }

    /// The set of a row.
    pub(super) fn of(&self, row: u32) -> u32 {
        self.kept(row).unwrap_or_default()
    }

    /// The same, or nothing while its site's goals cannot be read: a later merge asks again.
    pub(super) fn kept(&self, row: u32) -> Option<u32> {
        self.of_row.get(row as usize).copied().filter(|set| *set != UNMET)
    }

    pub(super) fn sets(&self) -> &[Vec<Reached>] {
        &self.sets
    }

    /// The sets as the column `goals` has them.
    pub(super) fn texts(&self) -> &[String] {
        &self.texts
    }
}

#[derive(Default)]
struct Interner {
    numbers: HashMap<String, u32>,
    texts: Vec<String>,
}

impl Interner {
    fn of(&mut self, text: String) -> u32 {
        let next = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        let texts = &mut self.texts;
        *self.numbers.entry(text).or_insert_with_key(|text| {
            texts.push(text.clone());
            next
        })
    }
}

type Texts = DictionaryArray<Int32Type>;

/// The columns at which goals look.
struct Fields {
    goal: arrow::array::Int32Array,
    host: Texts,
    path: Texts,
    query: Texts,
    title: Texts,
    target: Texts,
    event_category: Texts,
    event_action: Texts,
    event_name: Texts,
    event_value: Float64Array,
}

impl Fields {
    fn read(raw: &RecordBatch) -> Result<Self, ArrowError> {
        let value = column(raw, "event_value")?;
        Ok(Self {
            goal: ints(raw, "goal_id")?,
            host: dictionary(raw, "host")?,
            path: dictionary(raw, "path")?,
            query: dictionary(raw, "query")?,
            title: dictionary(raw, "title")?,
            target: dictionary(raw, "target")?,
            event_category: dictionary(raw, "event_category")?,
            event_action: dictionary(raw, "event_action")?,
            event_name: dictionary(raw, "event_name")?,
            event_value: value.as_primitive_opt::<Float64Type>().cloned().ok_or_else(|| {
                ArrowError::SchemaError("column event_value is not a number".to_owned())
            })?,
        })
    }

    fn candidate(&self, inputs: &Inputs, row: u32) -> Candidate<'_> {
        let at = row as usize;
        let value = self.event_value.values().get(at).copied();
        Candidate {
            kind: inputs.kind(row),
            goal: int(&self.goal, at),
            host: text(&self.host, at),
            path: text(&self.path, at),
            query: text(&self.query, at),
            title: text(&self.title, at),
            target: text(&self.target, at),
            event_category: text(&self.event_category, at),
            event_action: text(&self.event_action, at),
            event_name: text(&self.event_name, at),
            event_value: value.filter(|_| self.event_value.is_valid(at)),
        }
    }
}

pub(super) fn text(column: &Texts, row: usize) -> Option<&str> {
    let key = column.key(row)?;
    let values = column.values().as_string_opt::<i32>()?;
    (key < values.len() && values.is_valid(key)).then(|| values.value(key))
}
