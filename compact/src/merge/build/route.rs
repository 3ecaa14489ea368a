//! Second pass, over whole rows: each to the bucket of those it belongs together with.

use std::path::PathBuf;

use anyhow::Context as _;
use arrow::array::RecordBatch;
use lake::assemble::assemble;
use lake::columns::schema_for_reading;
use lake::goals::Goals;
use lake::hit::Id64;
use lake::parquet_file::adapt;

use super::blocks::{BlockReader, BlockWriter};
use super::components::Bits;
use super::gather::{Gather, Pick};
use super::narrow::{sites, texts};
use super::plan::{Place, Plan};
use super::source::{Columns, Source};
use super::{Job, Memory};

/// Rows on their way to buckets.
pub(super) struct Router<'a> {
    job: &'a Job,
    memory: &'a Memory,
    plan: &'a mut Plan,
    gather: Gather,
    held: Vec<RecordBatch>,
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

    /// Reads all sources; `full` takes what the buckets got whenever enough rows are held.
    pub(super) fn read(
        &mut self,
        mut full: impl FnMut(usize, &RecordBatch) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (job, mut ordinal) = (self.job, 0);
        for source in &job.sources {
            for batch in source.read(Columns::Raw)? {
                let batch = job.anew.apply(batch?)?;
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
        self.held.push(self.gather.rows(&[batch], &kept)?);
        self.held_rows += kept.len();
        for (row, bucket) in buckets.into_iter().enumerate() {
            if let Some(picks) = self.picks.get_mut(bucket) {
                picks.push((number, row));
            }
        }
        Ok(())
    }

    fn flush(
        &mut self,
        full: &mut impl FnMut(usize, &RecordBatch) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        // Hot objects are small and many: one batch of all, in the order of the buckets, first.
        let order: Vec<Pick> = self.picks.iter().flatten().copied().collect();
        if order.is_empty() {
            return Ok(());
        }
        let held: Vec<&RecordBatch> = self.held.iter().collect();
        let all = self.gather.rows(&held, &order)?;
        self.held.clear();
        self.held_rows = 0;
        let mut start = 0;
        for (bucket, picks) in self.picks.iter_mut().enumerate() {
            let own: Vec<Pick> = (start..start + picks.len()).map(|row| (0, row)).collect();
            start += picks.len();
            picks.clear();
            if !own.is_empty() {
                full(bucket, &self.gather.rows(&[&all], &own)?)?;
            }
        }
        Ok(())
    }
}

/// Buckets on scratch, and the sorted runs that they become.
pub(super) struct Buckets<'a> {
    job: &'a Job,
    pub(super) writer: BlockWriter,
    rows: Vec<usize>,
}

impl<'a> Buckets<'a> {
    pub(super) fn new(job: &'a Job, buckets: usize) -> anyhow::Result<Self> {
        Ok(Self { job, writer: BlockWriter::new()?, rows: vec![0; buckets] })
    }

    fn bucket(&self, number: usize) -> PathBuf {
        self.job.scratch.file(&format!("bucket-{number}"))
    }

    fn run(&self, number: usize) -> PathBuf {
        self.job.scratch.file(&format!("run-{number}"))
    }

    pub(super) fn add(&mut self, bucket: usize, rows: &RecordBatch) -> anyhow::Result<()> {
        if let Some(count) = self.rows.get_mut(bucket) {
            *count += rows.num_rows();
        }
        self.writer.append(&self.bucket(bucket), rows)
    }

    /// Works the buckets out, one in memory at a time; the files of the sorted runs.
    pub(super) fn sort(&mut self, memory: &Memory, goals: &Goals) -> anyhow::Result<Vec<PathBuf>> {
        let mut runs = Vec::new();
        for number in 0..self.rows.len() {
            let rows = self.rows.get(number).copied().unwrap_or_default();
            if rows == 0 {
                continue;
            }
            if rows > memory.bucket_rows.saturating_mul(2) {
                tracing::warn!(
                    rows,
                    "{rows} hits are linked by fingerprints or ids of clients and are worked out together: \
                     the merge needs more memory than it was given"
                );
            }
            let bucket = self.bucket(number);
            let blocks: Vec<RecordBatch> =
                BlockReader::open(&bucket)?.collect::<anyhow::Result<_>>()?;
            std::fs::remove_file(&bucket)
                .with_context(|| format!("removing {}", bucket.display()))?;
            let assembled = work_out(blocks, goals)?;
            let run = self.run(number);
            let mut gather = Gather::default();
            let mut start = 0;
            while start < assembled.num_rows() {
                let end = assembled.num_rows().min(start + memory.run_rows);
                let picks: Vec<Pick> = (start..end).map(|row| (0, row)).collect();
                self.writer.append(&run, &gather.rows(&[&assembled], &picks)?)?;
                start = end;
            }
            runs.push(run);
        }
        Ok(runs)
    }
}

/// The table's rows of some raw rows.
pub(super) fn work_out(blocks: Vec<RecordBatch>, goals: &Goals) -> anyhow::Result<RecordBatch> {
    let picks: Vec<Pick> = (0..)
        .zip(&blocks)
        .flat_map(|(number, block)| (0..block.num_rows()).map(move |row| (number, row)))
        .collect();
    let raw = Gather::default().rows(&blocks.iter().collect::<Vec<_>>(), &picks)?;
    drop((blocks, picks));
    let raw = adapt(&raw, &schema_for_reading())?;
    Ok(assemble(&raw, goals)?.rows)
}
