//! How long a merge takes, and how much memory and scratch: generated hits of one date.
//!
//! `cargo bench -p compact --bench merge -- HITS [MEMORY_MB] [FRESH_HITS]` writes HITS generated
//! hits as hot objects into a temporary folder and merges them; then, if asked for, FRESH_HITS
//! more into the table. Prints seconds, peak memory (VmHWM), scratch and bytes a hit by column.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program for a terminal")]

mod generated;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use compact::merge::{Merge, Request};
use generated::{Generated, batch, of_visitor};
use jiff::civil::Date;
use lake::clock::{ManualClock, Random as _, SeededRandom};
use lake::layout::{self, Holds};
use lake::parquet_file::encode;
use lake::store::StoreRef;
use lake::store::folder::FolderStore;
use object_store::ObjectStoreExt as _;
use parquet::file::metadata::ParquetMetaDataReader;

const DT: Date = jiff::civil::date(2026, 11, 28);
const START_US: i64 = 1_795_824_000_000_000;
const DAY_US: u64 = 86_400_000_000;
/// Hits of one hot object.
const BATCH: u64 = 10_000;

fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let hits = numbers.first().copied().unwrap_or(100_000);
    let memory_mb = numbers.get(1).copied().unwrap_or(512);
    let fresh = numbers.get(2).copied().unwrap_or(0);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(hits, memory_mb, fresh));
}

async fn run(hits: u64, memory_mb: u64, fresh: u64) {
    let folder = tempfile::tempdir().unwrap();
    let store: StoreRef = Arc::new(FolderStore::open(&folder.path().join("store")).unwrap());
    let clock = Arc::new(ManualClock::at(START_US / 1000));
    let scratch = folder.path().join("scratch");
    let mut merge = Merge::new(Arc::clone(&store), clock, scratch.clone());
    merge.memory_bytes = usize::try_from(memory_mb).unwrap() << 20;
    let mut from = 0;
    for count in [hits, fresh].into_iter().filter(|count| *count > 0) {
        let began = Instant::now();
        let hot_bytes = write_hot(&store, from, from + count, hits).await;
        println!("{count} hits in hot objects of {hot_bytes} bytes, {:.0?}", began.elapsed());
        from += count;
        reset_peak();
        let largest = watch(scratch.clone());
        let began = Instant::now();
        let answer = merge.handle(Request { dates: Some(vec![DT]) }).await.unwrap();
        let took = began.elapsed();
        let (peak_scratch, watching) = largest;
        watching.abort();
        let merged = answer.dates.first().unwrap();
        println!(
            "merged {} rows of {count} new hits in {took:.1?}: {:.0} new hits a second, peak {} MB, \
             scratch {} MB, table {} bytes, {:.1} a hit, {} duplicates",
            merged.rows,
            count as f64 / took.as_secs_f64(),
            peak_mb(),
            peak_scratch.load(std::sync::atomic::Ordering::Relaxed) >> 20,
            merged.bytes,
            merged.bytes as f64 / merged.rows as f64,
            merged.duplicates
        );
    }
    by_column(&store).await;
}

/// Samples the bytes of the scratch folder.
fn watch(
    scratch: std::path::PathBuf,
) -> (Arc<std::sync::atomic::AtomicU64>, tokio::task::JoinHandle<()>) {
    use std::sync::atomic::{AtomicU64, Ordering};
    let largest = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&largest);
    let watching = tokio::spawn(async move {
        loop {
            seen.fetch_max(folder_bytes(&scratch), Ordering::Relaxed);
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    });
    (largest, watching)
}

fn folder_bytes(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => folder_bytes(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    });
    bytes.sum()
}

/// Linux counts the peak anew after this.
fn reset_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|kb| kb.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1024
}

async fn write_hot(store: &StoreRef, from: u64, to: u64, day: u64) -> u64 {
    let mut bytes = 0;
    for start in (from..to).step_by(usize::try_from(BATCH).unwrap()) {
        let end = to.min(start + BATCH);
        let batch = tokio::task::spawn_blocking(move || {
            encode(&generate(start, end, day), &Holds::default()).unwrap()
        });
        let batch = batch.await.unwrap();
        bytes += batch.len() as u64;
        let path =
            layout::hot_object(DT, "shardId-0", &format!("{start:012}"), &format!("{end:012}"));
        store.put(&path, batch.into()).await.unwrap();
    }
    bytes
}

/// The hits number `from` to `to` of a day of `day` hits; one in twenty repeats an earlier one.
fn generate(from: u64, to: u64, day: u64) -> RecordBatch {
    let hits: Vec<Generated> = (from..to)
        .map(|number| {
            let repeats = number % 20 == 19 && number > 1_000;
            one(if repeats { number - 1 - number % 997 } else { number }, day)
        })
        .collect();
    batch(&hits)
}

fn one(number: u64, day: u64) -> Generated {
    let visitors = (day / 7).max(1);
    let random = SeededRandom::new(number.wrapping_mul(0x9E37_79B9));
    let drawn = random.next_u128();
    // A visitor's hits lie near each other in the day, a third of them two hours later.
    let visitor = (number / 7 + u64::try_from(drawn % 2_000).unwrap()) % visitors;
    let at = number % day.max(1) * (DAY_US / 2) / day.max(1);
    let later = if drawn >> 16 & 3 == 0 { 7_200_000_000 } else { 0 };
    let ts_us = START_US + i64::try_from((at + later) / 1_000 * 1_000).unwrap();
    let ms = u128::try_from(ts_us / 1_000).unwrap();
    let id = ms << 80 | 7 << 76 | (drawn & 0xFFF) << 64 | 2 << 62 | (drawn >> 20 & ((1 << 62) - 1));
    let rare = u64::try_from(drawn >> 64 & 0xFFFF_FFFF).unwrap();
    let skewed = (drawn >> 32 & 0xFFFF) as f64 / 65_536.0;
    Generated {
        site: i32::try_from(1 + visitor % 20).unwrap(),
        ts_us,
        id,
        visitor,
        page: (skewed * skewed * skewed * 20_000.0) as u64,
        rare,
        kind: if rare % 10 == 0 { "event" } else { "pageview" },
        channel: of_visitor(visitor, &["direct", "internal", "search", "website"], 16),
        is_bot: false,
    }
}

/// Bytes a hit of each column, the largest first.
async fn by_column(store: &StoreRef) {
    let path = layout::table_object(DT, 0);
    let bytes = store.get(&path).await.unwrap().bytes().await.unwrap();
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&bytes).unwrap();
    let rows = metadata.file_metadata().num_rows() as f64;
    let mut columns: BTreeMap<String, i64> = BTreeMap::new();
    for column in metadata.row_groups().iter().flat_map(|group| group.columns()) {
        let name = column.column_path().string();
        *columns.entry(name).or_default() += column.compressed_size();
    }
    let mut columns: Vec<(String, i64)> = columns.into_iter().collect();
    columns.sort_by_key(|(_, bytes)| -bytes);
    for (name, bytes) in columns.iter().take(24) {
        println!("{name:<20} {:>7.2} bytes a hit", *bytes as f64 / rows);
    }
    let sum: i64 = columns.iter().map(|(_, bytes)| bytes).sum();
    println!("{:<20} {:>7.2} bytes a hit", "all columns", sum as f64 / rows);
}
