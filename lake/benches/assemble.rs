//! How fast [`lake::assemble::assemble`] is, and what memory it takes: rows a second and bytes a
//! row over generated dates of growing size.
//!
//! `cargo bench -p lake --bench assemble`

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement, not a part of the crate"
)]

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{
    ArrayRef, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::compute::cast;
use lake::assemble::assemble;
use lake::columns::{COLUMNS, schema_for_reading};
use lake::goals::Goals;
use lake::hit::{HitId, Id64};

/// Hits of a visitor.
const HITS_A_VISITOR: u64 = 8;
/// Hits that come twice, one in so many.
const DUPLICATES: u64 = 20;

fn main() {
    let mut goals = Goals::default();
    let thanks = r#"{"id":1,"name":"Order","match":"url","pattern":"/thanks"}"#;
    goals.add(1, &[serde_json::from_str(thanks).unwrap()]);
    for rows in [62_500, 250_000, 1_000_000] {
        let raw = date(rows);
        let before_kb = resident_kb("VmRSS");
        let begun = Instant::now();
        let done = assemble(&raw, &goals).unwrap();
        let seconds = begun.elapsed().as_secs_f64();
        let peak_kb = resident_kb("VmHWM").saturating_sub(before_kb);
        println!(
            "{rows:>9} rows: {:>9.0} rows a second, {} bytes a row beside the input, of which {} are the output; {} duplicates, {} derived",
            f64::from(rows) / seconds,
            peak_kb * 1024 / u64::from(rows),
            done.rows.get_array_memory_size() / done.rows.num_rows(),
            done.duplicates,
            done.derived,
        );
        let begun = Instant::now();
        assemble(&done.rows, &goals).unwrap();
        println!(
            "          again: {:>9.0} rows a second",
            f64::from(rows) / begun.elapsed().as_secs_f64()
        );
    }
}

/// A date's hits in the order of a stream: visitors mixed, one in twenty hits twice.
fn date(rows: u32) -> RecordBatch {
    let numbers: Vec<u64> =
        (0..u64::from(rows)).map(|row| row - u64::from(row % DUPLICATES == 1)).collect();
    let visitors = u64::from(rows) / HITS_A_VISITOR;
    let mix = |number: u64| xxhash_rust::xxh3::xxh3_64(&number.to_be_bytes());
    let visitor = |number: u64| mix(mix(number) % visitors);
    let text = |value: &dyn Fn(u64) -> Option<String>| -> ArrayRef {
        Arc::new(numbers.iter().map(|&number| value(number)).collect::<StringArray>())
    };
    let times = || -> ArrayRef {
        let step_us = 86_400_000_000 / i64::from(rows);
        let times = (0_i64..)
            .zip(&numbers)
            .map(|(row, _)| Some((row - i64::from(row % 20 == 1)) * step_us));
        Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let columns = COLUMNS.iter().map(|column| {
        let array: ArrayRef = match column.name {
            "site" => Arc::new(numbers.iter().map(|_| Some(1)).collect::<Int32Array>()),
            "ts" | "received_at" => times(),
            "hit_id" => text(&|number| Some(HitId(u128::from(mix(number)) << 64).to_string())),
            "fingerprint" => text(&|number| Some(Id64(visitor(number)).to_string())),
            "client_id" => {
                text(&|number| (number % 3 == 0).then(|| Id64(visitor(number) ^ 1).to_string()))
            }
            "kind" => text(&|_| Some("pageview".to_owned())),
            "hit_channel" => text(&|_| Some("direct".to_owned())),
            "host" => text(&|_| Some("shop.example".to_owned())),
            "path" => text(&|number| match mix(number) % 2_000 {
                0 => Some("/thanks".to_owned()),
                page => Some(format!("/page/{page}")),
            }),
            _ => new_null_array(&column.kind.arrow(), numbers.len()),
        };
        cast(&array, &column.kind.arrow_for_reading()).unwrap()
    });
    RecordBatch::try_new(schema_for_reading(), columns.collect()).unwrap()
}

/// What the kernel says of this process's memory.
fn resident_kb(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or_default()
}
