//! The values of dimensions as numbers: each different value once.

use std::sync::Arc;

use super::texts::{Place, Texts};
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
    list: Vec<Known>,
    texts: Texts,
    numbers: HashMap<i64, u32>,
}

/// A value of the list.
#[derive(Debug, Clone, Copy)]
enum Known {
    Null,
    Number(i64),
    Text(Place),
}

impl Default for Values {
    fn default() -> Self {
        let list = vec![Known::Null];
        Self { list, texts: Texts::default(), numbers: HashMap::default() }
    }
}

impl Values {
    /// The number of a text.
    pub(super) fn text(&mut self, text: &str) -> u32 {
        self.texts(&[text]).first().copied().unwrap_or(NULL)
    }

    /// The numbers of some texts.
    pub(super) fn texts(&mut self, texts: &[&str]) -> Vec<u32> {
        let list = &mut self.list;
        self.texts.numbers(texts, |place| push(list, Known::Text(place)))
    }

    /// About how much memory they take.
    pub(super) fn bytes(&self) -> usize {
        // A value in the list and its slots, with what a list keeps in reserve.
        self.texts.bytes() + self.list.len() * 128
    }

    /// The number of a number.
    pub(super) fn number(&mut self, number: i64) -> u32 {
        let list = &mut self.list;
        *self.numbers.entry(number).or_insert_with(|| push(list, Known::Number(number)))
    }

    /// The values by their numbers.
    pub(super) fn listed(&self) -> Vec<Value> {
        let value = |known: &Known| match *known {
            Known::Null => Value::Null,
            Known::Number(number) => Value::Number(number),
            Known::Text(place) => Value::Text(self.texts.text(place).into()),
        };
        self.list.iter().map(value).collect()
    }

    /// Takes over the values of another; the numbers that they have here, by the number there.
    pub(super) fn take_over(&mut self, other: &Self) -> Vec<u32> {
        let text = |known: &Known| match *known {
            Known::Text(place) => Some(other.texts.text(place)),
            _ => None,
        };
        let texts: Vec<&str> = other.list.iter().filter_map(text).collect();
        let mut texts = self.texts(&texts).into_iter();
        let take = |known: &Known| match *known {
            Known::Null => NULL,
            Known::Number(number) => self.number(number),
            Known::Text(_) => texts.next().unwrap_or(NULL),
        };
        other.list.iter().map(take).collect()
    }
}

/// Adds a value; its number.
fn push(list: &mut Vec<Known>, known: Known) -> u32 {
    list.push(known);
    u32::try_from(list.len() - 1).unwrap_or(u32::MAX)
}

/// In place of a number: there is none yet.
const UNKNOWN: u32 = u32::MAX;

/// What stands at a place of a list; `next` where nothing stood there.
pub(super) fn known_or(list: &mut Vec<u32>, at: u32, next: u32) -> u32 {
    let at = at as usize;
    if list.len() <= at {
        list.resize(at + 1, UNKNOWN);
    }
    match list.get_mut(at) {
        Some(known) if *known == UNKNOWN => {
            *known = next;
            next
        }
        Some(known) => *known,
        None => next,
    }
}

/// The values of a row's dimensions, as numbers.
pub(super) type Combination = [u32; lake::limits::MAX_QUESTION_DIMENSIONS];

/// The different combinations.
#[derive(Debug, Default)]
pub(super) struct Combinations {
    list: Vec<Combination>,
    ids: HashMap<Combination, u32>,
    /// By the number of the first value, where the others are null: of one dimension all are.
    of_one: Vec<u32>,
    recent: Recent<{ lake::limits::MAX_QUESTION_DIMENSIONS }, u32>,
}

impl Combinations {
    pub(super) fn id(&mut self, combination: Combination) -> u32 {
        let [first, others @ ..] = combination;
        if others.iter().all(|other| *other == NULL) {
            return self.id_of_one(first);
        }
        self.recent.get(combination, || {
            let next = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
            let id = *self.ids.entry(combination).or_insert(next);
            if id == next {
                self.list.push(combination);
            }
            id
        })
    }

    pub(super) fn id_of_one(&mut self, value: u32) -> u32 {
        let next = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        let id = known_or(&mut self.of_one, value, next);
        if id == next {
            let mut combination = Combination::default();
            combination.first_mut().into_iter().for_each(|first| *first = value);
            self.list.push(combination);
        }
        id
    }

    pub(super) fn get(&self, id: u32) -> Combination {
        self.list.get(id as usize).copied().unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }
}
