//! The values of dimensions as numbers: each different value once.

use std::sync::Arc;

use crate::fast::{HashMap, Recent};

/// A value of a dimension.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    /// A whole number.
    Number(i64),
    /// Text.
    Text(Arc<str>),
    /// None; the last in every order.
    Null,
}

/// The number of [`Value::Null`].
pub(super) const NULL: u32 = 0;

/// The different values of one dimension.
#[derive(Debug)]
pub(super) struct Values {
    list: Vec<Value>,
    texts: HashMap<Arc<str>, u32>,
    numbers: HashMap<i64, u32>,
    /// Of the texts.
    bytes: usize,
}

impl Default for Values {
    fn default() -> Self {
        let list = vec![Value::Null];
        Self { list, texts: HashMap::default(), numbers: HashMap::default(), bytes: 0 }
    }
}

impl Values {
    /// The number of a text.
    pub(super) fn text(&mut self, text: &str) -> u32 {
        if let Some(id) = self.texts.get(text) {
            return *id;
        }
        self.insert(text.into())
    }

    fn insert(&mut self, text: Arc<str>) -> u32 {
        self.bytes += text.len();
        let id = self.push(Value::Text(Arc::clone(&text)));
        self.texts.insert(text, id);
        id
    }

    /// About how much memory they take.
    pub(super) fn bytes(&self) -> usize {
        // A value in the list and its entry in the map, with what the allocator adds.
        self.bytes + self.list.len() * 96
    }

    /// The number of a number.
    pub(super) fn number(&mut self, number: i64) -> u32 {
        if let Some(id) = self.numbers.get(&number) {
            return *id;
        }
        let id = self.push(Value::Number(number));
        self.numbers.insert(number, id);
        id
    }

    fn push(&mut self, value: Value) -> u32 {
        self.list.push(value);
        u32::try_from(self.list.len() - 1).unwrap_or(u32::MAX)
    }

    /// The value with a number.
    pub(super) fn get(&self, id: u32) -> Value {
        self.list.get(id as usize).cloned().unwrap_or(Value::Null)
    }

    /// Takes over the values of another; the numbers that they have here, by the number there.
    pub(super) fn take_over(&mut self, other: Self) -> Vec<u32> {
        let take = |value| match value {
            Value::Null => NULL,
            Value::Number(number) => self.number(number),
            Value::Text(text) => match self.texts.get(&text) {
                Some(id) => *id,
                None => self.insert(text),
            },
        };
        other.list.into_iter().map(take).collect()
    }
}

/// The values of a row's dimensions, as numbers.
pub(super) type Combination = [u32; lake::limits::MAX_QUESTION_DIMENSIONS];

/// The different combinations.
#[derive(Debug, Default)]
pub(super) struct Combinations {
    list: Vec<Combination>,
    ids: HashMap<Combination, u32>,
    recent: Recent<{ lake::limits::MAX_QUESTION_DIMENSIONS }, u32>,
}

impl Combinations {
    pub(super) fn id(&mut self, combination: Combination) -> u32 {
        self.recent.get(combination, || {
            let next = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
            let id = *self.ids.entry(combination).or_insert(next);
            if id == next {
                self.list.push(combination);
            }
            id
        })
    }

    pub(super) fn get(&self, id: u32) -> Combination {
        self.list.get(id as usize).copied().unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }
}
