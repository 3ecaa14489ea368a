use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int32Array, Int64Array,
    StringArray, TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};
use lake::columns::{COLUMNS, Type};

use super::*;
use crate::merge::build::gather::Gather;

/// Rows of which each column has another pattern of nulls, and some columns nothing.
fn rows(first: usize, count: usize, distinct: usize) -> Wide {
    let columns = COLUMNS.iter().enumerate().map(|(number, column)| {
        let has = |row: &usize| number % 3 == 0 || (row + number) % 5 < 4;
        let values = |row: usize| Some(row).filter(has);
        let all = || (first..first + count).map(values);
        let small = |row: usize| i32::try_from(row * number).unwrap();
        let array: ArrayRef = match column.kind {
            _ if number % 7 == 4 => return None,
            Type::Int => Arc::new(all().map(|row| row.map(small)).collect::<Int32Array>()),
            Type::Long => Arc::new(
                all().map(|row| row.map(|row| i64::from(small(row)))).collect::<Int64Array>(),
            ),
            Type::Double => Arc::new(
                all().map(|row| row.map(|row| f64::from(small(row)))).collect::<Float64Array>(),
            ),
            Type::Time => {
                let times = all().map(|row| row.map(|row| i64::from(small(row))));
                Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
            }
            Type::Bool => {
                Arc::new(all().map(|row| row.map(|row| row % 3 == 0)).collect::<BooleanArray>())
            }
            Type::Id => {
                let long = if number % 2 == 0 { 1 } else { 300 };
                let text = |row: usize| format!("{row}").repeat(1 + row % 2 * long);
                Arc::new(all().map(|row| row.map(text)).collect::<StringArray>())
            }
            Type::Text => {
                let texts: Vec<Option<String>> =
                    all().map(|row| row.map(|row| format!("ä {}", row % distinct))).collect();
                Arc::new(texts.iter().map(Option::as_deref).collect::<DictionaryArray<Int32Type>>())
            }
        };
        Some(array)
    });
    Wide { columns: columns.collect(), rows: count }
}

/// Without dictionaries, so that equal rows are equal columns.
fn plain(rows: &Wide) -> Vec<Option<ArrayRef>> {
    let columns = rows.columns.iter().map(|column| {
        let column = column.as_ref()?;
        Some(match column.data_type() {
            DataType::Dictionary(_, value) => cast(column, value).unwrap(),
            _ => Arc::clone(column),
        })
    });
    columns.collect()
}

/// Whatever the width of keys and lengths, whatever is null or absent.
#[test]
fn blocks_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = BlockWriter::new().unwrap();
    let file = folder.path().join("blocks");
    let mut expected = Vec::new();
    for (count, distinct) in [(1, 1), (7, 3), (600, 256), (600, 257), (66_000, 65_537)] {
        let (left, right) = (rows(0, count, distinct), rows(count, count, distinct));
        let mut bare = right.clone();
        bare.columns.iter_mut().skip(40).for_each(|column| *column = None);
        let batches = [&left, &right, &bare];
        let picks: Vec<Pick> =
            (0..count).map(|row| ((row * row) % 3, (row * 7) % count)).chain([(2, 0)]).collect();
        writer.append(&file, &batches, picks.iter().copied()).unwrap();
        expected.push(plain(&Gather::default().rows(&batches, &picks).unwrap()));
    }
    let read: Vec<_> =
        BlockReader::open(&file).unwrap().map(|block| plain(&block.unwrap())).collect();
    assert!(read == expected);
    assert_eq!(writer.bytes, std::fs::metadata(&file).unwrap().len());
}

#[test]
fn blocks_together_have_all_their_rows() {
    let parts = [rows(0, 10, 4), rows(10, 300, 300), rows(310, 1, 1)];
    let batches: Vec<&Wide> = parts.iter().collect();
    let picks: Vec<Pick> = (0..)
        .zip(&parts)
        .flat_map(|(number, part)| (0..part.rows).map(move |row| (number, row)))
        .collect();
    let expected = Gather::default().rows(&batches, &picks).unwrap();
    assert!(plain(&Wide::together(&parts).unwrap()) == plain(&expected));
}

#[test]
fn a_block_that_was_cut_is_refused() {
    let mut encoder = Encoder::default();
    let rows = rows(0, 20, 5);
    let whole = encoder.encode(&[&rows], (0..20).map(|row| (0, row))).unwrap();
    assert!(decode::decode(whole).is_ok());
    let error = decode::decode(&whole[..whole.len() - 1]).unwrap_err();
    assert!(format!("{error:#}").contains("ends too early"), "{error:#}");
}
