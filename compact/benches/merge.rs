//! How long a merge takes, and how much memory and scratch: generated hits of one date.
//!
//! `cargo bench --workspace --bench merge -- HITS [MEMORY_MB] [FRESH_HITS] [FOLDER]` writes HITS
//! generated hits as hot objects into FOLDER (else a temporary one) and merges them; then, if asked
//! for, FRESH_HITS more into the table. Prints seconds, processor's seconds by phase, peak memory
//! (VmHWM) and scratch, and what 50 million hits would take, alone and in parts. What each column takes: `python tests/bench/columns.py FOLDER/store/hits`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program for a terminal")]

mod generated;
mod spent;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
use spent::{Phases, cpu_seconds, peak_mb, reset_peak, rss_mb};
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The day that is to fit into Lambda's 15 minutes, millions of hits.
const LARGE_DAY: f64 = 50.0;
/// Phases in which every part reads the rows of all parts.
const READ_BY_EVERY_PART: [&str; 3] =
    ["objects fetched", "which rows belong together", "rows into buckets"];
/// How it goes is said every so many looks at the scratch folder.
const SAID_EVERY: u64 = 150;
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
    let folder = std::env::args().skip(1).find(|arg| arg.starts_with('/'));
    let phases = Phases::default();
    let of_merge = tracing_subscriber::EnvFilter::new("compact=debug");
    tracing_subscriber::registry().with(phases.clone().with_filter(of_merge)).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(hits, memory_mb, fresh, folder.map(PathBuf::from), phases));
}

async fn run(hits: u64, memory_mb: u64, fresh: u64, kept: Option<PathBuf>, phases: Phases) {
    let temporary = tempfile::tempdir().unwrap();
    let folder = kept.as_deref().unwrap_or_else(|| temporary.path());
    let store: StoreRef = Arc::new(FolderStore::open(&folder.join("store")).unwrap());
    let clock = Arc::new(ManualClock::at(START_US / 1000));
    let scratch = folder.join("scratch");
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
        let (began, began_cpu) = (Instant::now(), cpu_seconds());
        let answer = merge.handle(Request::of(vec![DT])).await.unwrap();
        let (took, cpu) = (began.elapsed(), cpu_seconds() - began_cpu);
        let (peak_scratch, watching) = largest;
        watching.abort();
        let merged = answer.dates.first().unwrap();
        println!(
            "merged {} rows of {count} new hits in {took:.1?}, {cpu:.1} s of a processor: {:.0} new \
             hits a second of it, peak {} MB, scratch {} MB, table {} bytes, {:.1} a hit, {} duplicates",
            merged.rows,
            count as f64 / cpu,
            peak_mb(),
            peak_scratch.load(Ordering::Relaxed) >> 20,
            merged.bytes,
            merged.bytes as f64 / merged.rows as f64,
            merged.duplicates
        );
        reckon(merged.rows as f64 / 1e6, &phases.take());
    }
}

/// By phase, and what a day of 50 million hits would take, alone and in parts. Each part reads all
/// of the hot objects and works out and writes its own rows, so only these phases are divided.
fn reckon(millions: f64, phases: &[(String, f64, f64)]) {
    let (mut by_all, mut by_part) = (0.0, 0.0);
    for (name, seconds, cpu) in phases {
        println!(
            "  {name}: {seconds:.1} s, {cpu:.1} s of a processor, {:.2} a million rows",
            cpu / millions
        );
        let divided = !READ_BY_EVERY_PART.contains(&name.as_str());
        *if divided { &mut by_part } else { &mut by_all } += cpu / millions;
    }
    for parts in [1.0, 2.0, 4.0] {
        println!(
            "  {LARGE_DAY} million hits in {parts} parts: {:.0} s of a processor each",
            LARGE_DAY * (by_all + by_part / parts)
        );
    }
}

/// Samples the bytes of the scratch folder, and says now and then how it goes.
fn watch(scratch: PathBuf) -> (Arc<AtomicU64>, tokio::task::JoinHandle<()>) {
    let largest = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&largest);
    let watching = tokio::spawn(async move {
        for look in 1_u64.. {
            let bytes = folder_bytes(&scratch);
            seen.fetch_max(bytes, Ordering::Relaxed);
            if look % SAID_EVERY == 0 {
                let cpu = cpu_seconds();
                println!(
                    "    {cpu:.0} s of a processor so far, {} MB, scratch {} MB",
                    rss_mb(),
                    bytes >> 20
                );
            }
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
