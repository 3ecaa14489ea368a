//! Rows of the table as visits hold them together, brought into the table's order.

use crate::goals::Reached;
use crate::visits::{Conversion, Visit, VisitHit, Visits};

/// No conversion by pattern.
pub(super) const HIT: u32 = u32::MAX;

/// A visit, or a ping that extends none.
pub(super) struct Group {
    pub(super) site: i32,
    pub(super) visitor: u64,
    start_us: i64,
    visit_id: u64,
    /// Its hits named by row numbers of the input.
    pub(super) visit: Option<Visit>,
}

/// A row of the table: a hit, or a conversion by pattern of one.
#[derive(Clone, Copy)]
pub(super) struct Placed {
    /// The hit's row in the input.
    pub(super) raw: u32,
    pub(super) group: u32,
    /// Index of the goal reached by pattern; [`HIT`] for the hit itself.
    pub(super) pattern: u32,
    pub(super) is_conversion: bool,
    pub(super) time_on_page_s: Option<i32>,
}

/// Everything of a date.
#[derive(Default)]
pub(super) struct Groups {
    pub(super) groups: Vec<Group>,
    pub(super) rows: Vec<Placed>,
    pub(super) patterns: Vec<Reached>,
}

impl Groups {
    /// Adds one site: `raw` are its rows of the input, in the order of `hits`.
    pub(super) fn add(&mut self, site: i32, raw: &[u32], hits: &[VisitHit], visits: Visits) {
        let Visits { visits, visit_of, time_on_page_s, conversions } = visits;
        let base = number(self.groups.len());
        let raw_row = |index: usize| raw.get(index).map_or(0, |&row| row as usize);
        self.groups.extend(visits.into_iter().map(|mut visit| {
            visit.first = raw_row(visit.first);
            visit.last = raw_row(visit.last);
            visit.attribution = raw_row(visit.attribution);
            visit.entry = visit.entry.map(raw_row);
            visit.exit = visit.exit.map(raw_row);
            let (visitor, start_us, visit_id) = (visit.visitor, visit.start_us, visit.id);
            Group { site, visitor, start_us, visit_id, visit: Some(visit) }
        }));
        self.rows.reserve(hits.len() + conversions.len());
        let mut conversions = conversions.into_iter().peekable();
        for (index, (&raw, hit)) in raw.iter().zip(hits).enumerate() {
            let group = match visit_of.get(index).copied().flatten() {
                Some(visit) => base + visit,
                None => self.alone(site, hit),
            };
            let at = self.rows.len();
            let time_on_page_s = time_on_page_s.get(index).copied().flatten();
            let row = Placed { raw, group, pattern: HIT, is_conversion: false, time_on_page_s };
            self.rows.push(row);
            while let Some(Conversion { by_pattern, .. }) =
                conversions.next_if(|conversion| conversion.hit == index)
            {
                self.convert(at, row, by_pattern);
            }
        }
    }

    fn convert(&mut self, at: usize, hit: Placed, by_pattern: Option<Reached>) {
        match by_pattern {
            Some(reached) => {
                let pattern = number(self.patterns.len());
                self.patterns.push(reached);
                let row = Placed { pattern, is_conversion: true, time_on_page_s: None, ..hit };
                self.rows.push(row);
            }
            None => {
                if let Some(row) = self.rows.get_mut(at) {
                    row.is_conversion = true;
                }
            }
        }
    }

    fn alone(&mut self, site: i32, hit: &VisitHit) -> u32 {
        self.groups.push(Group { site, visitor: 0, start_us: hit.ts_us, visit_id: 0, visit: None });
        number(self.groups.len() - 1)
    }

    /// Brings the rows into the order site, visitor, visit start, visit; within a visit they stay
    /// in the order in which they came.
    pub(super) fn sort(&mut self) {
        let key = |group: &Group| (group.site, group.visitor, group.start_us, group.visit_id);
        let mut order: Vec<u32> = (0..number(self.groups.len())).collect();
        order.sort_by_key(|&group| self.groups.get(group as usize).map(key));
        // Rows are counted into their places: where a visit's rows begin follows from how many
        // rows the visits before it have.
        let mut next = vec![0_usize; self.groups.len()];
        for row in &self.rows {
            if let Some(count) = next.get_mut(row.group as usize) {
                *count += 1;
            }
        }
        let mut begin = 0;
        for &group in &order {
            if let Some(count) = next.get_mut(group as usize) {
                begin += std::mem::replace(count, begin);
            }
        }
        let Some(&any) = self.rows.first() else { return };
        let mut sorted = vec![any; self.rows.len()];
        for &row in &self.rows {
            if let Some(place) = next.get_mut(row.group as usize)
                && let Some(to) = sorted.get_mut(*place)
            {
                *to = row;
                *place += 1;
            }
        }
        self.rows = sorted;
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
