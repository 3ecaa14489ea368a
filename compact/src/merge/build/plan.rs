//! First pass, over few columns: which rows repeat others, which belong together, and the counts.

use std::collections::BTreeSet;

use lake::layout::{self, MergedFooter, RULES_VERSION};

use super::components::{Bits, Components};
use super::copies::{Copies, Copy, Key};
use super::narrow::{NARROW, Narrow, NarrowRow};
use super::{Anew, Job, Memory};
use crate::enrich::BOTS_VERSION;

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It repeats another, or belongs to another part of the date.
    Out,
    /// It stands in the table already, and no new row can change it.
    Stands,
    /// It is worked out anew, together with those of the same bucket.
    Bucket(usize),
}

/// What the first pass found.
pub(super) struct Plan {
    out: Bits,
    components: Components,
    /// Whether rows may stand: the table was written by the same rules.
    pub(super) may_stand: bool,
    buckets: usize,
    pub(super) footer: MergedFooter,
    pub(super) duplicates: u64,
}

impl Plan {
    /// Reads the narrow columns of all sources.
    pub(super) fn make(job: &Job, memory: &Memory) -> anyhow::Result<Self> {
        let previous = job.previous.clone();
        let counted = previous.is_some();
        let footer = previous.unwrap_or_default();
        let footer_bots = footer.bots.clone();
        let mut plan = Self {
            out: Bits::new(usize::try_from(memory.rows)?),
            components: Components::new(memory.rows, memory.slots_bytes),
            may_stand: footer.rules == RULES_VERSION && job.anew == Anew::Nothing,
            buckets: memory.buckets,
            footer: MergedFooter {
                rules: RULES_VERSION.to_owned(),
                parts: job.parts,
                hot_rows: footer.hot_rows,
                hot_bytes: footer.hot_bytes,
                counts: footer.counts,
                erased: footer.erased,
                bots: String::new(),
            },
            duplicates: 0,
        };
        for count in plan.footer.counts.values_mut() {
            count.kept = 0;
        }
        let mut copies = Copies::new(memory.rows, memory.keys_bytes, &job.scratch)?;
        let mut ordinal = 0;
        let mut lists = BTreeSet::new();
        for source in &job.sources {
            lists.insert(if source.is_table { footer_bots.clone() } else { source.bots()? });
            // Rows of a table object that no counting merge wrote were read from hot objects once.
            let read = !source.is_table || !counted;
            if !source.is_table {
                plan.footer.hot_bytes += source.bytes.len;
            }
            for batch in source.read(NARROW)? {
                let batch = batch?;
                let narrow = Narrow::of(&batch)?;
                for row in 0..batch.num_rows() {
                    let row = narrow.row(row)?;
                    plan.footer.hot_rows += u64::from(!source.is_table);
                    if layout::part_of(row.site, job.parts) != job.part {
                        plan.out.set(ordinal as usize);
                    } else {
                        plan.add(row, ordinal, source.is_table, read, &mut copies)?;
                    }
                    ordinal += 1;
                }
            }
        }
        plan.settle(copies)?;
        plan.footer.bots = match lists.pop_first() {
            _ if job.anew == Anew::Bots => BOTS_VERSION.to_owned(),
            // Rows that several lists marked are up to date by none.
            Some(list) if lists.is_empty() => list,
            _ => String::new(),
        };
        Ok(plan)
    }

    fn add(
        &mut self,
        row: NarrowRow,
        ordinal: u32,
        is_table: bool,
        read: bool,
        copies: &mut Copies,
    ) -> anyhow::Result<()> {
        let slot = self.components.fingerprint(row.site, row.fingerprint);
        if let Some(client) = row.client {
            let client = self.components.client(row.site, client);
            self.components.link(slot, client);
        }
        if !is_table {
            self.components.touch(slot);
        }
        if row.is_derived {
            return Ok(());
        }
        self.footer.entry(row.site, row.received_us).read += u64::from(read);
        let NarrowRow { site, received_us, id, fingerprint, .. } = row;
        copies.add(Key { site, id, received_us, fingerprint, ordinal })
    }

    fn settle(&mut self, copies: Copies) -> anyhow::Result<()> {
        copies.find(|copy| {
            let key = match copy {
                Copy::Later(key) => {
                    self.out.set(key.ordinal as usize);
                    key
                }
                // Both go where assemble can compare them.
                Copy::Tied(first, key) => {
                    let slots = [first, key]
                        .map(|key| self.components.fingerprint(key.site, key.fingerprint));
                    self.components.link(slots[0], slots[1]);
                    key
                }
            };
            // A row that goes changes what it belonged to.
            let slot = self.components.fingerprint(key.site, key.fingerprint);
            self.components.touch(slot);
            self.duplicates += 1;
            self.footer.entry(key.site, key.received_us).duplicates += 1;
        })?;
        self.components.settle();
        Ok(())
    }

    /// What becomes of the row with this number.
    pub(super) fn place(
        &mut self,
        ordinal: u32,
        is_table: bool,
        site: i32,
        fingerprint: u64,
    ) -> Place {
        if self.out.get(ordinal as usize) {
            return Place::Out;
        }
        let slot = self.components.fingerprint(site, fingerprint);
        let root = self.components.root(slot);
        if is_table && self.may_stand && !self.components.is_touched(root) {
            return Place::Stands;
        }
        // Roots are small numbers among their set's hashes, so they are spread once more.
        let spread = u64::from(root).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        Place::Bucket(usize::try_from(spread).unwrap_or_default() % self.buckets.max(1))
    }
}
