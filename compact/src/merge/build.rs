//! The new table object of a date as a local file, in bounded memory whatever the date's size.
//!
//! Pass 1 reads a few narrow columns: which rows orders of erasure cover, which repeat others, and
//! which hits may belong to one visitor. Pass 2 sends whole rows to buckets on scratch, visitors undivided; each bucket is
//! worked out in memory by `lake::assemble` and becomes a sorted run. Pass 3 merges the runs. Rows
//! of the table that no new row can change are not worked out again: the table is one more run.
//! A date that fits into memory is one bucket that never leaves it. Knows no store and no clock.
//!
//! What cannot be divided are hits linked by fingerprints or clients' ids (one visitor, mostly): a
//! group larger than a bucket takes more memory than it was given, and a warning says so.

mod anew;
mod blocks;
mod components;
mod copies;
mod gather;
mod narrow;
mod plan;
mod route;
mod runs;
mod source;
mod wide;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

use anyhow::Context as _;
use arrow::array::RecordBatch;
use jiff::civil::Date;
use lake::columns::schema_for_reading;
use lake::goals::Goals;
use lake::layout::{HOLDS_KEY, Holds, MERGED_KEY, MergedFooter};
use lake::limits::{
    LARGE_DATE_ROWS, MERGE_BASE_BYTES, MERGE_MAX_RUNS, MERGE_ROW_BYTES, MERGE_ROW_PEAK_BYTES,
};
use lake::orders::Orders;
use lake::parquet_file::Writer;
use lake::site::BotRules;

use super::fetch::HOT_FILE;
use super::scratch::Scratch;
pub use anew::Anew;
use blocks::BlockReader;
use gather::{Gather, Pick};
use plan::Plan;
use route::{Buckets, Router, work_out};
use runs::{Merger, Run};
pub(super) use source::{Slice, Source};
use wide::Wide;

/// Rows given to the Parquet writer at a time.
const OUTPUT_ROWS: usize = 8 * 1024;

/// What is to be built out of what.
pub(super) struct Job {
    /// The table object first, if there is one; then the hot objects by name.
    pub(super) sources: Vec<Source>,
    /// What the table object holds afterwards.
    pub(super) holds: Holds,
    /// What the table object's merges counted so far.
    pub(super) previous: Option<MergedFooter>,
    /// Goals that hits meet which no merge has seen.
    pub(super) goals: Goals,
    /// The date.
    pub(super) dt: Date,
    /// What is to be left out, of the table and of hot objects.
    pub(super) orders: Orders,
    /// Those of them that are not final: the footer lists them.
    pub(super) open_orders: BTreeSet<String>,
    /// What of the rows is worked out anew.
    pub(super) anew: Anew,
    /// The sites' own rules by which user agents are bots'.
    pub(super) bot_rules: BotRules,
    /// Which part of the date.
    pub(super) part: u16,
    /// Of how many.
    pub(super) parts: u16,
    /// Memory to be used, about.
    pub(super) memory_bytes: usize,
    pub(super) scratch: Scratch,
}

/// What was built.
#[derive(Debug, Default)]
pub(super) struct Built {
    pub(super) file: PathBuf,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// Rows of the part that hot objects brought.
    pub(super) received: u64,
    pub(super) duplicates: u64,
    /// Names of the sources that have rows which orders cover.
    pub(super) erased_from: BTreeSet<String>,
    /// Sorted runs that were merged; none where the date fitted into memory.
    pub(super) runs: usize,
    /// Rows of the old table object that were not worked out again.
    pub(super) standing: u64,
    /// Bytes that rows took on scratch.
    pub(super) spooled_bytes: u64,
    /// The folder, as long as the file is needed.
    pub(super) scratch: Option<Scratch>,
}

/// How the memory is divided.
#[derive(Debug, Clone, Copy)]
struct Memory {
    rows: u64,
    /// Of these, about how many are the part's.
    rows_here: u64,
    table_rows: u64,
    buckets: usize,
    /// Rows of a bucket that fit.
    most_rows: usize,
    held_rows: usize,
    run_rows: usize,
    slots_bytes: usize,
    keys_bytes: usize,
}

impl Memory {
    fn divide(job: &Job) -> anyhow::Result<Self> {
        let (mut rows, mut bytes, mut table_rows) = (0, 0, 0);
        for source in &job.sources {
            let (of_source, of_bytes) = source.size()?;
            (rows, bytes) = (rows + of_source, bytes + of_bytes);
            table_rows += if source.is_table { of_source } else { 0 };
        }
        anyhow::ensure!(
            u32::try_from(rows).is_ok(),
            "{rows} hits of one date at once; divide the date into parts (settings/layout.json)"
        );
        let memory = job.memory_bytes.saturating_sub(MERGE_BASE_BYTES).max(job.memory_bytes / 4);
        // Text beyond what usual rows have counts by what the footers say.
        let text = usize::try_from(bytes / rows.max(1)).unwrap_or_default();
        let (row_bytes, peak_bytes) = (MERGE_ROW_BYTES + text, MERGE_ROW_PEAK_BYTES + 3 * text);
        let fits = (memory / peak_bytes).max(1);
        // Buckets are not exactly their share.
        let bucket_rows = (fits * 3 / 4).max(1);
        let rows_here = usize::try_from(rows)? / usize::from(job.parts.max(1));
        let buckets =
            if rows_here <= fits { 1 } else { rows_here.div_ceil(bucket_rows).min(MERGE_MAX_RUNS) };
        Ok(Self {
            rows,
            rows_here: rows_here as u64,
            table_rows,
            buckets,
            most_rows: fits.max(rows_here / buckets.max(1)),
            held_rows: (memory / 4 / row_bytes).max(1),
            run_rows: (memory / 4 / row_bytes / buckets.max(1)).clamp(16, OUTPUT_ROWS),
            slots_bytes: memory / 4,
            keys_bytes: memory / 4,
        })
    }
}

/// Builds it; takes minutes of computing for a large date, so not on the threads that serve.
pub(super) fn build(mut job: Job) -> anyhow::Result<Built> {
    let memory = Memory::divide(&job)?;
    if memory.rows_here > LARGE_DATE_ROWS {
        // Said before: a run that Lambda cuts off says nothing at its end.
        let Job { dt, part, .. } = job;
        let Memory { rows, buckets, .. } = memory;
        tracing::info!(%dt, part, rows, buckets, "date {dt}: {rows} hits are read");
    }
    phase("which rows belong together");
    let plan = Plan::make(&job, &memory)?;
    let mut output = Output::create(&job, memory.rows_here)?;
    if memory.buckets == 1 {
        in_memory(&job, &memory, plan, &mut output)?;
    } else {
        over_scratch(&mut job, &memory, plan, &mut output)?;
    }
    output.finish(job)
}

/// Says what begins, for whoever measures it.
pub(super) fn phase(phase: &str) {
    tracing::debug!(phase, "{phase}");
}

fn in_memory(
    job: &Job,
    memory: &Memory,
    mut plan: Plan,
    output: &mut Output,
) -> anyhow::Result<()> {
    phase("rows into memory");
    // With everything at hand nothing is saved by leaving rows as they stand.
    plan.may_stand = false;
    let mut blocks = Vec::new();
    let mut gather = Gather::default();
    Router::new(job, memory, &mut plan).read(|_, held: &[&Wide], picks: &[Pick]| {
        blocks.push(gather.rows(held, picks)?);
        Ok(())
    })?;
    output.begin(plan);
    phase("rows worked out");
    let rows = work_out(blocks, &job.goals)?;
    phase("rows written");
    for start in (0..rows.num_rows()).step_by(OUTPUT_ROWS) {
        output.give(rows.slice(start, OUTPUT_ROWS.min(rows.num_rows() - start)))?;
    }
    Ok(())
}

fn over_scratch(
    job: &mut Job,
    memory: &Memory,
    mut plan: Plan,
    output: &mut Output,
) -> anyhow::Result<()> {
    phase("rows into buckets");
    let mut buckets = Buckets::new(&job.scratch, memory.buckets)?;
    let mut router = Router::new(job, memory, &mut plan);
    router.read(|bucket, held: &[&Wide], picks: &[Pick]| buckets.add(bucket, held, picks))?;
    let (stands, standing) = (std::mem::take(&mut router.stands), router.standing);
    drop(router);
    output.begin(plan);
    // Nothing reads the hot objects any more: their room on scratch is for the runs.
    job.sources.retain(|source| source.is_table);
    job.scratch.remove(HOT_FILE)?;
    phase("buckets worked out");
    let mut runs: Vec<Run> = Vec::new();
    for run in buckets.sort(memory, &job.goals)? {
        runs.push(Box::new(BlockReader::open(&run)?));
    }
    let table = job.sources.first().filter(|source| source.is_table && standing > 0);
    if let Some(table) = table {
        runs.push(runs::standing(table, stands)?);
    }
    output.built.standing = standing;
    output.built.runs = runs.len();
    output.built.spooled_bytes = buckets.writer.bytes;
    phase("runs merged and written");
    Merger::new(runs, OUTPUT_ROWS).merge(|rows| output.give(rows.batch()?))
}

/// The table object while it is written.
struct Output {
    writer: Writer<BufWriter<File>>,
    footer: MergedFooter,
    built: Built,
}

impl Output {
    fn create(job: &Job, rows: u64) -> anyhow::Result<Self> {
        let path = job.scratch.file("table.parquet");
        let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
        let writer = Writer::new(BufWriter::new(file), schema_for_reading(), rows)?;
        Ok(Self {
            writer,
            footer: MergedFooter::default(),
            built: Built { file: path, ..Built::default() },
        })
    }

    /// Takes over what the first pass counted; what it remembered of the rows is freed.
    fn begin(&mut self, plan: Plan) {
        self.built.received = plan.received;
        self.built.duplicates = plan.duplicates;
        self.built.erased_from = plan.erased_from;
        self.footer = plan.footer;
    }

    /// Writes rows and counts them.
    fn give(&mut self, rows: RecordBatch) -> anyhow::Result<()> {
        let derived = narrow::derived(&rows);
        for (row, (&site, &received_us)) in
            narrow::sites(&rows)?.iter().zip(narrow::received(&rows)?).enumerate()
        {
            if !narrow::is_true(derived, row) {
                self.footer.entry(site, received_us).kept += 1;
            }
        }
        self.built.rows += rows.num_rows() as u64;
        Ok(self.writer.write(&rows)?)
    }

    fn finish(mut self, job: Job) -> anyhow::Result<Built> {
        let unread = job.goals.unread().iter().copied();
        self.footer.unmet = unread.filter(|site| self.footer.has(*site)).collect();
        self.writer.set(HOLDS_KEY, job.holds.to_footer());
        self.writer.set(MERGED_KEY, self.footer.to_footer());
        let path = &self.built.file;
        let written = self.writer.finish().map_err(anyhow::Error::from).and_then(|file| {
            Ok(file.into_inner().map_err(std::io::Error::from)?.metadata()?.len())
        });
        self.built.bytes = written.with_context(|| format!("writing {}", path.display()))?;
        self.built.scratch = Some(job.scratch);
        Ok(self.built)
    }
}
