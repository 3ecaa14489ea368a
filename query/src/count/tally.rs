//! What was counted: a cell for each bucket of time and combination of values, besides one for
//! each combination over all time and one for everything.

use super::values::{Combination, Combinations, Value, Values, known_or};
use crate::fast::{HashMap, Recent};
use crate::metric::Sum;
use crate::plan::{Plan, Take};

/// In place of a bucket or a combination: all of them.
pub(super) const ALL: u32 = u32::MAX;
/// The cell of everything.
pub(super) const TOTAL: u32 = 0;

/// Different values of one cell: as they came, sorted when they are counted.
#[derive(Debug, Clone, Default)]
pub(super) struct Ids {
    /// By day, where days are counted apart; else all under one.
    parts: Vec<(u32, Vec<u64>)>,
}

impl Ids {
    /// Adds a value; one equal to the last is left out. Whether it was kept.
    pub(super) fn add(&mut self, part: u32, id: u64) -> bool {
        let at = match self.parts.iter().rposition(|(known, _)| *known == part) {
            Some(at) => at,
            None => {
                self.parts.push((part, Vec::new()));
                self.parts.len() - 1
            }
        };
        let Some((_, ids)) = self.parts.get_mut(at) else { return false };
        if ids.last() == Some(&id) {
            return false;
        }
        ids.push(id);
        true
    }

    fn take_over(&mut self, other: Self, rename: Option<&[u32]>) {
        for (part, mut ids) in other.parts {
            if let Some(rename) = rename {
                let renamed = |id: u64| {
                    let to = usize::try_from(id).ok().and_then(|id| rename.get(id));
                    to.map_or(id, |to| u64::from(*to))
                };
                ids.iter_mut().for_each(|id| *id = renamed(*id));
            }
            match self.parts.iter_mut().rfind(|(known, _)| *known == part) {
                Some((_, known)) => known.append(&mut ids),
                None => self.parts.push((part, ids)),
            }
        }
    }

    /// Puts them in order, each once. The stable sort finds the runs that sorted partitions leave.
    fn sort(&mut self) {
        for (_, ids) in &mut self.parts {
            ids.sort();
            ids.dedup();
        }
    }

    /// How many there are.
    fn count(&mut self) -> usize {
        self.sort();
        self.parts.iter().map(|(_, ids)| ids.len()).sum()
    }
}

/// Everything that was counted.
#[derive(Debug)]
pub struct Tally {
    pub(super) values: Vec<Values>,
    pub(super) users: Values,
    pub(super) combinations: Combinations,
    cells: HashMap<(u32, u32), u32>,
    recent: Recent<2, u32>,
    /// By combination, where there are no buckets.
    untimed: Vec<u32>,
    keys: Vec<(u32, u32)>,
    pub(super) sums: Vec<f64>,
    pub(super) ids: Vec<Ids>,
    kept_ids: usize,
    sums_per_cell: usize,
    ids_per_cell: usize,
    users_at: Option<usize>,
    timed: bool,
}

/// What a cell takes beside its sums and ids: its key, the same in the map, stamps.
const CELL_BYTES: usize = 48;
/// What the ids of a cell take beside the ids, with the first part.
const IDS_BYTES: usize = 64;
/// What a combination takes in list and map.
const COMBINATION_BYTES: usize = 40;

impl Tally {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let mut tally = Self {
            values: plan.by.iter().map(|_| Values::default()).collect(),
            users: Values::default(),
            combinations: Combinations::default(),
            cells: HashMap::default(),
            recent: Recent::default(),
            untimed: Vec::new(),
            keys: Vec::new(),
            sums: Vec::new(),
            ids: Vec::new(),
            kept_ids: 0,
            sums_per_cell: plan.sums.len(),
            ids_per_cell: plan.distincts.len(),
            users_at: plan.distincts.iter().position(|distinct| distinct.column == "user_id"),
            timed: plan.by_time,
        };
        tally.cell(ALL, ALL);
        tally
    }

    /// The number of a cell.
    pub(super) fn cell(&mut self, bucket: u32, combination: u32) -> u32 {
        let next = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        let cell = if self.timed || combination == ALL {
            self.recent.get([bucket, combination], || {
                *self.cells.entry((bucket, combination)).or_insert(next)
            })
        } else {
            known_or(&mut self.untimed, combination, next)
        };
        if cell == next {
            self.keys.push((bucket, combination));
            self.sums.resize(self.keys.len() * self.sums_per_cell, 0.0);
            self.ids.resize(self.keys.len() * self.ids_per_cell, Ids::default());
        }
        cell
    }

    pub(super) fn add(&mut self, cell: u32, sum: usize, amount: f64) {
        if let Some(total) = self.sums.get_mut(cell as usize * self.sums_per_cell + sum) {
            *total += amount;
        }
    }

    pub(super) fn add_id(&mut self, cell: u32, distinct: usize, part: u32, id: u64) {
        if let Some(ids) = self.ids.get_mut(cell as usize * self.ids_per_cell + distinct) {
            self.kept_ids += usize::from(ids.add(part, id));
        }
    }

    /// The cell that is counted together with this one over all time; that of everything where
    /// the question has not both buckets and combinations.
    pub(super) fn over_all_time(&mut self, cell: u32) -> u32 {
        match self.keys.get(cell as usize).copied() {
            Some((bucket, combination)) if self.timed && bucket != ALL && combination != ALL => {
                self.cell(ALL, combination)
            }
            _ => TOTAL,
        }
    }

    /// About how many bytes of memory it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let of_cell =
            CELL_BYTES + self.sums_per_cell * size_of::<f64>() + self.ids_per_cell * IDS_BYTES;
        let values: usize = self.values.iter().chain([&self.users]).map(Values::bytes).sum();
        let combinations = self.combinations.len() * COMBINATION_BYTES;
        self.keys.len() * of_cell + combinations + self.kept_ids * size_of::<u64>() + values
    }

    /// Adds up, over everything and over all time, what was added to the finest cells alone.
    fn add_up(&mut self, plan: &Plan) {
        let added: Vec<usize> =
            (0..).zip(&plan.sums).filter(|(_, sum)| plan.is_of_rows(sum)).map(|it| it.0).collect();
        let cells = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        for cell in 0..cells {
            if self.keys.get(cell as usize).is_none_or(|(bucket, _)| *bucket == ALL) {
                continue;
            }
            let wider = self.over_all_time(cell);
            for at in added.iter().copied() {
                let amount = self.sums.get(cell as usize * self.sums_per_cell + at).copied();
                let amount = amount.unwrap_or_default();
                self.add(TOTAL, at, amount);
                if wider != TOTAL {
                    self.add(wider, at, amount);
                }
            }
        }
    }

    /// Puts the ids of each cell in order, so that those of two tallies are merged soon.
    pub fn sort_ids(&mut self) {
        self.ids.iter_mut().for_each(Ids::sort);
    }

    /// Adds what another counted.
    pub fn take_over(&mut self, other: Self) {
        let renamed: Vec<Vec<u32>> = self
            .values
            .iter_mut()
            .zip(other.values)
            .map(|(values, other)| values.take_over(&other))
            .collect();
        let users = self.users.take_over(&other.users);
        let mut ids = other.ids.into_iter();
        for (cell, (bucket, combination)) in other.keys.iter().enumerate() {
            let combination = if *combination == ALL {
                ALL
            } else {
                let theirs = other.combinations.get(*combination);
                self.combinations.id(rename(theirs, &renamed))
            };
            let ours = self.cell(*bucket, combination);
            for sum in 0..self.sums_per_cell {
                let amount = other.sums.get(cell * self.sums_per_cell + sum).copied();
                self.add(ours, sum, amount.unwrap_or_default());
            }
            for (distinct, theirs) in ids.by_ref().take(self.ids_per_cell).enumerate() {
                let rename = (Some(distinct) == self.users_at).then_some(users.as_slice());
                if let Some(ids) = self.ids.get_mut(ours as usize * self.ids_per_cell + distinct) {
                    ids.take_over(theirs, rename);
                }
            }
        }
        self.kept_ids += other.kept_ids;
    }

    /// The metrics of every cell.
    #[must_use]
    pub fn into_counted(mut self, plan: &Plan) -> Counted {
        self.add_up(plan);
        let mut counted = Counted { totals: self.metrics(TOTAL, plan), ..Counted::default() };
        let keys = std::mem::take(&mut self.keys);
        let values: Vec<Vec<Value>> = self.values.iter().map(Values::listed).collect();
        for (cell, (bucket, combination)) in (0_u32..).zip(keys) {
            let metrics = self.metrics(cell, plan);
            let by = self.values_of(combination, &values);
            match (bucket, combination) {
                (ALL, ALL) => {}
                (ALL, _) => counted.combinations.push((by, metrics)),
                _ => counted.rows.push(Row { bucket, by, metrics }),
            }
        }
        counted
    }

    fn values_of(&self, combination: u32, values: &[Vec<Value>]) -> Vec<Value> {
        if combination == ALL {
            return Vec::new();
        }
        let ids = self.combinations.get(combination);
        let value = |(values, id): (&Vec<Value>, u32)| values.get(id as usize).cloned();
        values.iter().zip(ids).map(|it| value(it).unwrap_or(Value::Null)).collect()
    }

    fn metrics(&mut self, cell: u32, plan: &Plan) -> Vec<Option<f64>> {
        let base = cell as usize * self.sums_per_cell;
        let factor = |at: usize| plan.sums.get(at).map_or(1.0, Sum::factor);
        let sum = |at: usize| self.sums.get(base + at).copied().unwrap_or_default() * factor(at);
        let ids_base = cell as usize * self.ids_per_cell;
        let mut distinct = |at: usize| {
            let ids = self.ids.get_mut(ids_base + at);
            // Far below 2^53.
            #[expect(clippy::cast_precision_loss, reason = "ids are kept in memory")]
            ids.map_or(0.0, |ids| ids.count() as f64)
        };
        let value = |take: &Take| match *take {
            Take::Sum(at) => Some(sum(at)),
            Take::Distinct(at) => Some(distinct(at)),
            Take::Ratio(part, whole) => (sum(whole) != 0.0).then(|| sum(part) / sum(whole)),
        };
        plan.takes.iter().map(value).collect()
    }
}

fn rename(combination: Combination, renamed: &[Vec<u32>]) -> Combination {
    let mut out = Combination::default();
    for ((to, id), renamed) in out.iter_mut().zip(combination).zip(renamed) {
        *to = renamed.get(id as usize).copied().unwrap_or_default();
    }
    out
}

/// The metrics of one bucket and combination.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Number of the bucket.
    pub bucket: u32,
    /// Values of the dimensions.
    pub by: Vec<Value>,
    /// Values of the metrics; none where there is none.
    pub metrics: Vec<Option<f64>>,
}

/// Everything counted for a question.
#[derive(Debug, Default)]
pub struct Counted {
    /// Rows that have hits or visits, in no order.
    pub rows: Vec<Row>,
    /// With buckets and dimensions: each combination over all time.
    pub combinations: Vec<(Vec<Value>, Vec<Option<f64>>)>,
    /// The metrics over everything.
    pub totals: Vec<Option<f64>>,
    /// How many combinations there are in all, where only those of the page that was asked for are
    /// here: somebody else put them in order and cut them.
    pub of_all: Option<usize>,
    /// The version of the data that was counted ([`crate::scan::Listed::version`]); none where it
    /// changed meanwhile.
    pub data: Option<u64>,
}
