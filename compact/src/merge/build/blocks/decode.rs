//! Bytes to rows, as `encode` lays them out.

use std::sync::Arc;

use anyhow::Context as _;
use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BooleanArray, DictionaryArray, Int32Array, PrimitiveArray,
    StringArray,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use lake::columns::{COLUMNS, Type};

use super::encode::key_bytes;
use crate::merge::build::wide::Wide;

/// The rows of a block.
pub(super) fn decode(plain: &[u8]) -> anyhow::Result<Wide> {
    let mut from = Bytes(plain);
    let rows = from.number()?;
    let mut columns = vec![None; COLUMNS.len()];
    while !from.0.is_empty() {
        let number = usize::from(from.byte()?);
        let column = COLUMNS.get(number).context("a column that there is not")?;
        let array = column_of(&mut from, column.kind, rows);
        let array = array.with_context(|| format!("column {}", column.name))?;
        if let Some(place) = columns.get_mut(number) {
            *place = Some(array);
        }
    }
    Ok(Wide { columns, rows })
}

fn column_of(from: &mut Bytes<'_>, kind: Type, rows: usize) -> anyhow::Result<ArrayRef> {
    let nulls = match from.byte()? {
        0 => None,
        _ => Some(NullBuffer::new(from.bits(rows)?)),
    };
    Ok(match kind {
        Type::Int => Arc::new(from.primitive::<Int32Type>(rows, nulls)?),
        Type::Long => Arc::new(from.primitive::<Int64Type>(rows, nulls)?),
        Type::Double => Arc::new(from.primitive::<Float64Type>(rows, nulls)?),
        Type::Time => {
            Arc::new(from.primitive::<TimestampMicrosecondType>(rows, nulls)?.with_timezone("UTC"))
        }
        Type::Bool => Arc::new(BooleanArray::new(from.bits(rows)?, nulls)),
        Type::Id => Arc::new(from.texts(rows, nulls)?),
        Type::Text => {
            let count = from.number()?;
            let values = from.texts(count, None)?;
            let keys = Int32Array::try_new(from.keys(u32::try_from(count)?, rows)?.into(), nulls)?;
            Arc::new(DictionaryArray::try_new(keys, Arc::new(values))?)
        }
    })
}

/// What is left of a block.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> anyhow::Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).context("ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> anyhow::Result<u8> {
        self.take(1)?.first().copied().context("ends too early")
    }

    fn number(&mut self) -> anyhow::Result<usize> {
        let bytes = self.take(size_of::<u32>())?;
        Ok(usize::try_from(u32::from_ne_bytes(bytes.try_into()?))?)
    }

    fn bits(&mut self, rows: usize) -> anyhow::Result<BooleanBuffer> {
        let bytes = self.take(rows.div_ceil(8))?;
        Ok(BooleanBuffer::new(Buffer::from(bytes), 0, rows))
    }

    fn primitive<T: ArrowPrimitiveType>(
        &mut self,
        rows: usize,
        nulls: Option<NullBuffer>,
    ) -> anyhow::Result<PrimitiveArray<T>> {
        // Copied to where Arrow wants numbers to lie.
        let buffer = Buffer::from(self.take(rows * size_of::<T::Native>())?);
        Ok(PrimitiveArray::try_new(ScalarBuffer::new(buffer, 0, rows), nulls)?)
    }

    fn texts(&mut self, count: usize, nulls: Option<NullBuffer>) -> anyhow::Result<StringArray> {
        let mut offsets: Vec<i32> = Vec::with_capacity(count + 1);
        let mut end = 0_u32;
        offsets.push(0);
        let width = usize::from(self.byte()?);
        let lengths = self.take(count * width)?;
        let mut put = |length: u32| {
            end = end.saturating_add(length);
            offsets.push(i32::try_from(end).unwrap_or(i32::MAX));
        };
        if width == 1 {
            lengths.iter().for_each(|&length| put(u32::from(length)));
        } else {
            lengths.as_chunks().0.iter().for_each(|&length| put(u32::from_ne_bytes(length)));
        }
        let bytes = Buffer::from(self.take(usize::try_from(end)?)?);
        Ok(StringArray::try_new(OffsetBuffer::new(offsets.into()), bytes, nulls)?)
    }

    fn keys(&mut self, count: u32, rows: usize) -> anyhow::Result<Vec<i32>> {
        let width = key_bytes(count);
        let bytes = self.take(rows * width)?;
        Ok(match width {
            1 => bytes.iter().map(|&key| i32::from(key)).collect(),
            2 => {
                let keys = bytes.as_chunks().0.iter();
                keys.map(|&key| i32::from(u16::from_ne_bytes(key))).collect()
            }
            _ => bytes.as_chunks().0.iter().map(|&key| i32::from_ne_bytes(key)).collect(),
        })
    }
}
