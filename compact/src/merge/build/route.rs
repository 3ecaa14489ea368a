//! Second pass, over whole rows: each to the bucket of those it belongs together with.

use std::path::PathBuf;

use anyhow::Context as _;
use arrow::array::RecordBatch;
use lake::assemble::assemble;
use lake::goals::Goals;
use lake::hit::Id64;

use super::blocks::{BlockReader, BlockWriter};
use super::components::Bits;
use super::gather::{Gather, Pick};
use super::narrow::{sites, texts};
use super::plan::{Place, Plan};
use super::source::{Columns, Source};
use super::wide::Wide;
use super::{Job, Memory};
use crate::merge::scratch::Scratch;

/// A batch of which this many times the rows that are needed are fewer than all is thinned out.
const MOST_KEPT: usize = 2;

/// Takes rows for the bucket with a number: of these batches those that are picked.
pub(super) trait Full: FnMut(usize, &[&Wide], &[Pick]) -> anyhow::Result<()> {}

impl<F: FnMut(usize, &[&Wide], &[Pick]) -> anyhow::Result<()>> Full for F {}

/// Rows on their way to buckets.
pub(super) struct Router<'a> {
    job: &'a Job,
    memory: &'a Memory,
    plan: &'a mut Plan,
    gather: Gather,
    held: Vec<Wide>,
    held_rows: usize,
    /// By bucket: the held rows that go there.
    picks: Vec<Vec<Pick>>,
    pub(super) stands: Bits,
    pub(super) standing: u64,
}

impl<'a> Router<'a> {
    pub(super) fn new(job: &'a Job, memory: &'a Memory, plan: &'a mut Plan) -> Self {
        let picks = vec![Vec::new(); memory.buckets];
        let rows = usize::try_from(memory.table_rows).unwrap_or_default();
        Self {
            job,
            memory,
            plan,
            gather: Gather::default(),
            held: Vec::new(),
            held_rows: 0,
            picks,
            stands: Bits::new(rows),
            standing: 0,
        }
    }

    /// Reads all sources; `full` takes each bucket's rows out of those that are held, whenever they
    /// are enough.
    pub(super) fn read(&mut self, mut full: impl Full) -> anyhow::Result<()> {
        let (job, mut ordinal) = (self.job, 0);
        for source in &job.sources {
            for batch in source.read(Columns::Raw)? {
                let batch = job.anew.apply(batch?, &job.bot_rules)?;
                self.hold(source, &batch, ordinal)?;
                ordinal += u32::try_from(batch.num_rows())?;
                if self.held_rows >= self.memory.held_rows {
                    self.flush(&mut full)?;
                }
            }
        }
        self.flush(&mut full)
    }

    fn hold(&mut self, source: &Source, batch: &RecordBatch, first: u32) -> anyhow::Result<()> {
        let sites = sites(batch)?;
        let fingerprints = texts(batch, "fingerprint")?;
        let (mut kept, mut buckets): (Vec<Pick>, Vec<usize>) = (Vec::new(), Vec::new());
        for (row, (ordinal, &site)) in (first..).zip(sites).enumerate() {
            let fingerprint = Id64::parse(fingerprints.value(row))
                .with_context(|| format!("{}: a row has no readable fingerprint", source.name))?;
            match self.plan.place(ordinal, source.is_table, site, fingerprint.0) {
                Place::Out => {}
                Place::Stands => {
                    self.stands.set(ordinal as usize);
                    self.standing += 1;
                }
                Place::Bucket(bucket) => {
                    kept.push((0, row));
                    buckets.push(bucket);
                }
            }
        }
        if kept.is_empty() {
            return Ok(());
        }
        let number = self.held.len();
        let mut rows = Wide::of(batch);
        // Rows that go nowhere are not held, but for the sake of a few all are not copied.
        if kept.len() * MOST_KEPT < rows.rows {
            rows = self.gather.rows(&[&rows], &kept)?;
            (0..).zip(&mut kept).for_each(|(row, kept)| kept.1 = row);
        }
        self.held_rows += rows.rows;
        self.held.push(rows);
        for ((_, row), bucket) in kept.into_iter().zip(buckets) {
            if let Some(picks) = self.picks.get_mut(bucket) {
                picks.push((number, row));
            }
        }
        Ok(())
    }

    fn flush(&mut self, full: &mut impl Full) -> anyhow::Result<()> {
        let held: Vec<&Wide> = self.held.iter().collect();
        for (bucket, picks) in self.picks.iter_mut().enumerate() {
            if !picks.is_empty() {
                full(bucket, &held, picks)?;
                picks.clear();
            }
        }
        self.held.clear();
        self.held_rows = 0;
        Ok(())
    }
}

/// Buckets on scratch, and the sorted runs that they become.
pub(super) struct Buckets<'a> {
    scratch: &'a Scratch,
    pub(super) writer: BlockWriter,
    rows: Vec<usize>,
}

impl<'a> Buckets<'a> {
    pub(super) fn new(scratch: &'a Scratch, buckets: usize) -> anyhow::Result<Self> {
        Ok(Self { scratch, writer: BlockWriter::new()?, rows: vec![0; buckets] })
    }

    fn bucket(&self, number: usize) -> PathBuf {
        self.scratch.file(&format!("bucket-{number}"))
    }

    fn run(&self, number: usize) -> PathBuf {
        self.scratch.file(&format!("run-{number}"))
    }

    pub(super) fn add(
        &mut self,
        bucket: usize,
        held: &[&Wide],
        picks: &[Pick],
    ) -> anyhow::Result<()> {
        if let Some(count) = self.rows.get_mut(bucket) {
            *count += picks.len();
        }
        self.writer.append(&self.bucket(bucket), held, picks.iter().copied())
    }

    /// Works the buckets out, one in memory at a time; the files of the sorted runs.
    pub(super) fn sort(&mut self, memory: &Memory, goals: &Goals) -> anyhow::Result<Vec<PathBuf>> {
        let mut runs = Vec::new();
        for number in 0..self.rows.len() {
            let rows = self.rows.get(number).copied().unwrap_or_default();
            if rows == 0 {
                continue;
            }
            if rows > memory.most_rows.saturating_mul(2) {
                tracing::warn!(
                    rows,
                    "{rows} hits are linked by fingerprints or ids of clients and are worked out together: \
                     the merge needs more memory than it was given"
                );
            }
            let bucket = self.bucket(number);
            let blocks: Vec<Wide> = BlockReader::open(&bucket)?.collect::<anyhow::Result<_>>()?;
            std::fs::remove_file(&bucket)
                .with_context(|| format!("removing {}", bucket.display()))?;
            let assembled = Wide::of(&work_out(blocks, goals)?);
            let run = self.run(number);
            let mut start = 0;
            while start < assembled.rows {
                let end = assembled.rows.min(start + memory.run_rows);
                self.writer.append(&run, &[&assembled], (start..end).map(|row| (0, row)))?;
                start = end;
            }
            runs.push(run);
        }
        Ok(runs)
    }
}

/// The table's rows of some raw rows.
pub(super) fn work_out(blocks: Vec<Wide>, goals: &Goals) -> anyhow::Result<RecordBatch> {
    let raw = Wide::together(&blocks)?;
    drop(blocks);
    Ok(assemble(&raw.batch()?, goals)?.rows)
}
