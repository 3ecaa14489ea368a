//! Texts as numbers, each different one once: all in one piece of memory, found by a table of slots
//! that say where. Many are looked up at a time, because what takes time is to wait for memory.

use std::hash::BuildHasher as _;

use crate::fast::RandomState;

/// The texts so far.
#[derive(Debug, Default)]
pub(super) struct Texts {
    all: String,
    /// A power of two of them, at most half in use; a text stands in the first that was free from
    /// where its hash says on.
    slots: Vec<Slot>,
    count: usize,
    hasher: RandomState,
}

/// A text within all.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    start: usize,
    length: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    place: Place,
    hash: u64,
    /// 0: the slot is free.
    number: u32,
}

const LEAST_SLOTS: usize = 64;

impl Texts {
    /// The numbers of some texts; `add` gives the number, never 0, of a new one.
    pub(super) fn numbers(
        &mut self,
        wanted: &[&str],
        mut add: impl FnMut(Place) -> u32,
    ) -> Vec<u32> {
        let hashes: Vec<u64> = wanted.iter().map(|text| self.hasher.hash_one(text)).collect();
        // None of these reads waits for another.
        let first: Vec<Slot> = hashes.iter().map(|hash| self.slot(*hash)).collect();
        let mut numbers = Vec::with_capacity(wanted.len());
        for ((text, hash), first) in wanted.iter().zip(hashes).zip(first) {
            numbers.push(if self.holds(&first, hash, text) {
                first.number
            } else {
                self.number(text, hash, &mut add)
            });
        }
        numbers
    }

    /// A text.
    pub(super) fn text(&self, place: Place) -> &str {
        self.all.get(place.start..place.start + place.length).unwrap_or_default()
    }

    /// How many bytes they have together.
    pub(super) const fn bytes(&self) -> usize {
        self.all.len()
    }

    fn number(&mut self, text: &str, hash: u64, add: impl FnOnce(Place) -> u32) -> u32 {
        if (self.count + 1) * 2 > self.slots.len() {
            self.grow();
        }
        let mut at = hash;
        loop {
            let slot = self.slot(at);
            if self.holds(&slot, hash, text) {
                return slot.number;
            }
            if slot.number == 0 {
                break;
            }
            at = at.wrapping_add(1);
        }
        let place = Place { start: self.all.len(), length: text.len() };
        self.all.push_str(text);
        self.count += 1;
        let number = add(place);
        self.put(at, Slot { place, hash, number });
        number
    }

    fn holds(&self, slot: &Slot, hash: u64, text: &str) -> bool {
        slot.hash == hash && slot.number != 0 && self.text(slot.place) == text
    }

    fn grow(&mut self) {
        let larger = (self.slots.len() * 2).max(LEAST_SLOTS);
        let known = std::mem::replace(&mut self.slots, vec![Slot::default(); larger]);
        for slot in known.into_iter().filter(|slot| slot.number != 0) {
            let mut at = slot.hash;
            while self.slot(at).number != 0 {
                at = at.wrapping_add(1);
            }
            self.put(at, slot);
        }
    }

    fn slot(&self, at: u64) -> Slot {
        self.slots.get(self.index(at)).copied().unwrap_or_default()
    }

    fn put(&mut self, at: u64, slot: Slot) {
        let index = self.index(at);
        self.slots.get_mut(index).into_iter().for_each(|old| *old = slot);
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low bits count")]
    const fn index(&self, at: u64) -> usize {
        at as usize & self.slots.len().wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn equal_texts_have_one_number_and_others_another(
            batches in proptest::collection::vec(proptest::collection::vec("[a-c]{0,5}", 0..60), 0..8),
        ) {
            let mut texts = Texts::default();
            let mut places = Vec::new();
            let mut known: HashMap<String, u32> = HashMap::new();
            for batch in &batches {
                let wanted: Vec<&str> = batch.iter().map(String::as_str).collect();
                let numbers = texts.numbers(&wanted, |place| {
                    places.push(place);
                    u32::try_from(places.len()).unwrap()
                });
                for (text, number) in batch.iter().zip(numbers) {
                    prop_assert_eq!(*known.entry(text.clone()).or_insert(number), number);
                    prop_assert_eq!(texts.text(places[number as usize - 1]), text);
                }
            }
            prop_assert_eq!(known.len(), places.len());
        }
    }
}
