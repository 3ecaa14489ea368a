//! Rows to bytes. A block is the number of rows (32 bits), then columns in their order until its
//! end: the column's number (a byte), which rows are null (a byte 0 where none is; else 1 and a bit a
//! row), and the values of all rows:
//!
//! - numbers and times as they lie in memory, yes and no a bit each;
//! - ids as texts: all lengths (a byte 1 or 4 says how wide, before them), then all bytes;
//! - texts with a dictionary: their number (32 bits), the dictionary as texts, and the keys, of 1, 2 or
//!   4 bytes as the number needs.
//!
//! A column without a value is not there. All numbers as the machine has them: who writes reads.

use anyhow::Context as _;
use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray as _, StringArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    Float64Type, Int32Type, Int64Type, TimestampMicrosecondType, ToByteSlice as _,
};
use lake::columns::{COLUMNS, Column, Type};

use crate::merge::build::gather::{Codes, Pick, found};
use crate::merge::build::wide::Wide;

/// Encodes blocks; reused, so that its work space is.
#[derive(Default)]
pub(super) struct Encoder {
    plain: Vec<u8>,
    codes: Codes,
    keys: Vec<i32>,
    lengths: Vec<u32>,
    texts: Vec<u8>,
}

impl Encoder {
    /// The picked rows as a block.
    pub(super) fn encode(
        &mut self,
        batches: &[&Wide],
        picks: impl ExactSizeIterator<Item = Pick> + Clone,
    ) -> anyhow::Result<&[u8]> {
        self.plain.clear();
        self.plain.extend(u32::try_from(picks.len())?.to_ne_bytes());
        for (number, column) in COLUMNS.iter().enumerate() {
            let found = found(batches, number);
            if found.iter().all(Option::is_none) {
                continue;
            }
            let start = self.plain.len();
            self.plain.push(u8::try_from(number)?);
            if validity(&mut self.plain, &found, picks.clone()) {
                self.values(column, &found, picks.clone())
                    .with_context(|| format!("column {}", column.name))?;
            } else {
                self.plain.truncate(start);
            }
        }
        Ok(&self.plain)
    }

    fn values(
        &mut self,
        column: &Column,
        found: &[Option<&ArrayRef>],
        picks: impl ExactSizeIterator<Item = Pick> + Clone,
    ) -> anyhow::Result<()> {
        match column.kind {
            Type::Int => primitive::<Int32Type>(&mut self.plain, found, picks),
            Type::Long => primitive::<Int64Type>(&mut self.plain, found, picks),
            Type::Double => primitive::<Float64Type>(&mut self.plain, found, picks),
            Type::Time => primitive::<TimestampMicrosecondType>(&mut self.plain, found, picks),
            Type::Bool => bools(&mut self.plain, found, picks),
            Type::Id => self.ids(found, picks),
            Type::Text => self.dictionary(found, picks),
        }
    }

    fn ids(
        &mut self,
        found: &[Option<&ArrayRef>],
        picks: impl Iterator<Item = Pick>,
    ) -> anyhow::Result<()> {
        let arrays = found.iter().map(|array| {
            array.map(|array| array.as_string_opt::<i32>().context("is no text")).transpose()
        });
        let arrays: Vec<Option<&StringArray>> = arrays.collect::<anyhow::Result<_>>()?;
        self.lengths.clear();
        self.texts.clear();
        for (batch, row) in picks {
            let array = arrays.get(batch).copied().flatten();
            let text = array.filter(|array| array.is_valid(row)).map_or("", |it| it.value(row));
            self.lengths.push(u32::try_from(text.len())?);
            self.texts.extend_from_slice(text.as_bytes());
        }
        self.put_texts();
        Ok(())
    }

    fn dictionary(
        &mut self,
        found: &[Option<&ArrayRef>],
        picks: impl Iterator<Item = Pick>,
    ) -> anyhow::Result<()> {
        let sources = self.codes.begin(found)?;
        self.keys.clear();
        self.lengths.clear();
        self.texts.clear();
        for pick in picks {
            let key = self.codes.of(&sources, pick, |text| {
                // Shorter than 4 GiB, as the array's own offsets are.
                self.lengths.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
                self.texts.extend_from_slice(text.as_bytes());
            });
            self.keys.push(key.unwrap_or(0));
        }
        let count = u32::try_from(self.codes.end())?;
        self.plain.extend(count.to_ne_bytes());
        self.put_texts();
        match key_bytes(count) {
            1 => self.plain.extend(self.keys.iter().map(|&key| key.to_le_bytes()[0])),
            2 => {
                let keys = self.keys.iter().map(|&key| u16::try_from(key).unwrap_or(u16::MAX));
                self.plain.extend(keys.flat_map(u16::to_ne_bytes));
            }
            _ => self.plain.extend_from_slice(self.keys.as_slice().to_byte_slice()),
        }
        Ok(())
    }

    fn put_texts(&mut self) {
        if self.lengths.iter().all(|&length| length <= u32::from(u8::MAX)) {
            self.plain.push(1);
            self.plain.extend(self.lengths.iter().map(|&length| length.to_le_bytes()[0]));
        } else {
            self.plain.push(4);
            self.plain.extend_from_slice(self.lengths.as_slice().to_byte_slice());
        }
        self.plain.extend_from_slice(&self.texts);
    }
}

/// Bytes of a key of a dictionary of so many values.
pub(super) const fn key_bytes(count: u32) -> usize {
    match count {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        _ => 4,
    }
}

/// Writes which rows are null; false when all are.
fn validity(
    to: &mut Vec<u8>,
    found: &[Option<&ArrayRef>],
    picks: impl ExactSizeIterator<Item = Pick>,
) -> bool {
    if found.iter().all(|array| array.is_some_and(|array| array.null_count() == 0)) {
        to.push(0);
        return picks.len() > 0;
    }
    let nulls: Vec<Option<Option<&NullBuffer>>> =
        found.iter().map(|array| array.map(|array| array.nulls())).collect();
    let is_valid = |(batch, row): Pick| match nulls.get(batch).copied().flatten() {
        Some(nulls) => nulls.is_none_or(|nulls| nulls.is_valid(row)),
        None => false,
    };
    let start = to.len();
    to.push(1);
    let (valid, rows) = put_bits(to, picks.map(is_valid));
    if valid == rows {
        to.truncate(start);
        to.push(0);
    }
    valid > 0
}

/// Writes a bit each; how many were set, and how many there were.
fn put_bits(to: &mut Vec<u8>, bits: impl Iterator<Item = bool>) -> (usize, usize) {
    let (mut byte, mut set, mut count) = (0_u8, 0, 0);
    for bit in bits {
        byte |= u8::from(bit) << (count % 8);
        set += usize::from(bit);
        count += 1;
        if count % 8 == 0 {
            to.push(std::mem::take(&mut byte));
        }
    }
    if count % 8 != 0 {
        to.push(byte);
    }
    (set, count)
}

fn primitive<T: ArrowPrimitiveType>(
    to: &mut Vec<u8>,
    found: &[Option<&ArrayRef>],
    picks: impl ExactSizeIterator<Item = Pick>,
) -> anyhow::Result<()> {
    let sources = found.iter().map(|array| {
        let Some(array) = array else { return Ok(None) };
        let array = array.as_primitive_opt::<T>().context("has another type")?;
        Ok(Some(array.values().as_ref()))
    });
    let sources: Vec<Option<&[T::Native]>> = sources.collect::<anyhow::Result<_>>()?;
    to.reserve(picks.len() * size_of::<T::Native>());
    for (batch, row) in picks {
        let values = sources.get(batch).copied().flatten();
        let value = values.and_then(|values| values.get(row)).copied().unwrap_or_default();
        to.extend_from_slice(value.to_byte_slice());
    }
    Ok(())
}

fn bools(
    to: &mut Vec<u8>,
    found: &[Option<&ArrayRef>],
    picks: impl Iterator<Item = Pick>,
) -> anyhow::Result<()> {
    let sources = found.iter().map(|array| {
        array.map(|array| array.as_boolean_opt().context("is not yes or no")).transpose()
    });
    let sources = sources.collect::<anyhow::Result<Vec<_>>>()?;
    put_bits(
        to,
        picks.map(|(batch, row)| {
            sources.get(batch).copied().flatten().is_some_and(|array| array.value(row))
        }),
    );
    Ok(())
}
