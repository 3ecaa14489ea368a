//! First pass, over few columns: which rows repeat others, which belong together, and the counts.

use std::collections::{BTreeMap, BTreeSet};

use lake::layout::{self, MergedFooter, RULES_VERSION, RowsOfHour, hour_start_ms};

use super::components::{Bits, Components};
use super::copies::{Copies, Copy, Key};
use super::narrow::{NARROW, NARROW_AND_ORDERS, Narrow, NarrowRow};
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

/// What is known of a row beside its columns.
#[derive(Debug, Clone, Copy)]
struct Of {
    ordinal: u32,
    is_table: bool,
    /// It is read from a hot object for the first time.
    is_read: bool,
    is_erased: bool,
}

/// What the first pass found.
pub(super) struct Plan {
    out: Bits,
    components: Components,
    /// Whether rows may stand: the table was written by the same rules, and none of them is to meet
    /// its goals yet.
    pub(super) may_stand: bool,
    buckets: usize,
    pub(super) footer: MergedFooter,
    /// Rows of the part that hot objects brought.
    pub(super) received: u64,
    pub(super) duplicates: u64,
    /// By site and hour of receipt (its start, Unix milliseconds): rows that orders cover.
    erased: BTreeMap<(i32, i64), u64>,
    /// Names of the sources that have rows which orders of erasure cover.
    pub(super) erased_from: BTreeSet<String>,
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
            may_stand: footer.rules == RULES_VERSION
                && job.anew == Anew::Nothing
                && footer.unmet.is_subset(job.goals.unread()),
            buckets: memory.buckets,
            footer: MergedFooter {
                rules: RULES_VERSION.to_owned(),
                parts: job.parts,
                orders: job.open_orders.clone(),
                bots: String::new(),
                ..footer
            },
            received: 0,
            duplicates: 0,
            erased: BTreeMap::new(),
            erased_from: BTreeSet::new(),
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
            let columns = if job.orders.is_empty() { NARROW } else { NARROW_AND_ORDERS };
            for batch in source.read(columns)? {
                let batch = batch?;
                let narrow = Narrow::of(&batch)?;
                let keep = job.orders.keep(job.dt, &batch)?;
                if keep.is_some() {
                    plan.erased_from.insert(source.name.clone());
                }
                for at in 0..batch.num_rows() {
                    let row = narrow.row(at)?;
                    let is_erased = keep.as_ref().is_some_and(|keep| !keep.value(at));
                    plan.footer.hot_rows += u64::from(!source.is_table);
                    if layout::part_of(row.site, job.parts) != job.part {
                        plan.out.set(ordinal as usize);
                    } else {
                        let is_table = source.is_table;
                        let of = Of { ordinal, is_table, is_read: read, is_erased };
                        plan.add(row, of, &mut copies)?;
                    }
                    ordinal += 1;
                }
            }
        }
        plan.settle(copies)?;
        plan.footer.bots = match lists.pop_first() {
            _ if job.anew.marks_bots() => BOTS_VERSION.to_owned(),
            // Rows that several lists marked are up to date by none.
            Some(list) if lists.is_empty() => list,
            _ => String::new(),
        };
        Ok(plan)
    }

    fn add(&mut self, row: NarrowRow, of: Of, copies: &mut Copies) -> anyhow::Result<()> {
        let NarrowRow { site, received_us, id, fingerprint, .. } = row;
        let slot = self.components.fingerprint(site, fingerprint);
        if of.is_erased {
            // A row that goes changes what it belonged to, and links nothing any more.
            self.out.set(of.ordinal as usize);
            if of.is_table {
                self.components.touch(slot);
                if let Some(client) = row.client {
                    let client = self.components.client(site, client);
                    self.components.touch(client);
                }
            }
        } else {
            if let Some(client) = row.client {
                let client = self.components.client(site, client);
                self.components.link(slot, client);
            }
            if !of.is_table {
                self.components.touch(slot);
            }
        }
        if row.is_derived {
            return Ok(());
        }
        self.footer.entry(site, received_us).read += u64::from(of.is_read);
        self.received += u64::from(!of.is_table);
        if of.is_erased {
            *self
                .erased
                .entry((site, hour_start_ms(received_us.div_euclid(1_000))))
                .or_default() += 1;
        }
        let (ordinal, is_erased) = (of.ordinal, of.is_erased);
        copies.add(Key { site, id, received_us, fingerprint, ordinal, is_erased })
    }

    fn settle(&mut self, copies: Copies) -> anyhow::Result<()> {
        copies.find(|copy| {
            if let Copy::Later(key) | Copy::Tied(_, key) = copy
                && key.is_erased
            {
                // Of copies that are erased one is counted as erased.
                let count = self
                    .erased
                    .entry((key.site, hour_start_ms(key.received_us.div_euclid(1_000))))
                    .or_default();
                *count = count.saturating_sub(1);
                self.footer.entry(key.site, key.received_us).duplicates += 1;
                return;
            }
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
        for (&(site, hour_ms), &rows) in &self.erased {
            RowsOfHour::add(&mut self.footer.erased, site, hour_ms, rows);
        }
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
