//! Whom waiting hits touch: hits that share a fingerprint, a client's id or a hit's id, directly or
//! through others, must be worked out together (`lake::visits` knows no other links).

use crate::fast::{HashMap, HashSet};
use arrow::array::{Array, RecordBatch, StringArray};
use arrow::error::ArrowError;
use lake::hit::{HitId, Id64};

/// The columns that link hits.
pub(super) const LINKS: [&str; 3] = ["hit_id", "fingerprint", "client_id"];

#[derive(PartialEq, Eq, Hash, Clone, Copy)]
enum Name {
    Fingerprint(u64),
    Client(u64),
}

/// Sets of names that belong together (union-find).
#[derive(Default)]
struct Groups {
    number: HashMap<Name, u32>,
    parents: Vec<u32>,
}

impl Groups {
    fn of(&mut self, name: Name) -> u32 {
        let next = u32::try_from(self.parents.len()).unwrap_or(u32::MAX);
        let number = *self.number.entry(name).or_insert(next);
        if number == next {
            self.parents.push(next);
        }
        number
    }

    fn root(&mut self, mut number: u32) -> u32 {
        while let Some(parent) = self.parents.get(number as usize).copied()
            && parent != number
        {
            let grandparent = self.parents.get(parent as usize).copied().unwrap_or(parent);
            if let Some(slot) = self.parents.get_mut(number as usize) {
                *slot = grandparent;
            }
            number = grandparent;
        }
        number
    }

    fn join(&mut self, left: u32, right: u32) {
        let (left, right) = (self.root(left), self.root(right));
        if let Some(slot) = self.parents.get_mut(left as usize) {
            *slot = right;
        }
    }

    /// The group of a hit.
    fn of_hit(&mut self, hit: &Link) -> u32 {
        let group = self.of(Name::Fingerprint(hit.fingerprint));
        if let Some(client) = hit.client {
            let client = self.of(Name::Client(client));
            self.join(group, client);
        }
        group
    }
}

struct Link {
    id: u128,
    fingerprint: u64,
    client: Option<u64>,
}

/// Which rows of the table's batches, in their order, the waiting hits touch.
pub(super) fn touched(
    table: &[RecordBatch],
    waiting: &[RecordBatch],
) -> Result<Vec<bool>, ArrowError> {
    let mut groups = Groups::default();
    let mut ids: HashSet<u128> = HashSet::default();
    let mut seeds = Vec::new();
    for batch in waiting {
        each(batch, |hit| {
            ids.insert(hit.id);
            seeds.push(groups.of_hit(&hit));
        })?;
    }
    let mut group_of_row = Vec::new();
    for batch in table {
        each(batch, |hit| {
            let group = groups.of_hit(&hit);
            if ids.contains(&hit.id) {
                seeds.push(group);
            }
            group_of_row.push(group);
        })?;
    }
    let roots: HashSet<u32> = seeds.into_iter().map(|group| groups.root(group)).collect();
    Ok(group_of_row.into_iter().map(|group| roots.contains(&groups.root(group))).collect())
}

fn each(batch: &RecordBatch, mut take: impl FnMut(Link)) -> Result<(), ArrowError> {
    let text = |name: &str| -> Result<&StringArray, ArrowError> {
        let column = batch.column_by_name(name).and_then(|it| it.as_any().downcast_ref());
        column.ok_or_else(|| ArrowError::SchemaError(format!("column {name} is not text")))
    };
    let [ids, fingerprints, clients] = [text("hit_id")?, text("fingerprint")?, text("client_id")?];
    for row in 0..batch.num_rows() {
        let unreadable = |name| ArrowError::ParseError(format!("row {row} has no readable {name}"));
        take(Link {
            id: HitId::parse(ids.value(row)).ok_or_else(|| unreadable("hit_id"))?.0,
            fingerprint: Id64::parse(fingerprints.value(row))
                .ok_or_else(|| unreadable("fingerprint"))?
                .0,
            client: clients
                .is_valid(row)
                .then(|| Id64::parse(clients.value(row)))
                .flatten()
                .map(|id| id.0),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::decode::schema_of;
    use std::sync::Arc;

    type Made = (u128, u64, Option<u64>);

    fn batch(hits: &[Made]) -> RecordBatch {
        let texts = |of: &dyn Fn(&Made) -> Option<String>| {
            Arc::new(hits.iter().map(of).collect::<StringArray>()) as _
        };
        let columns = vec![
            texts(&|hit| Some(HitId(hit.0).to_string())),
            texts(&|hit| Some(Id64(hit.1).to_string())),
            texts(&|hit| hit.2.map(|id| Id64(id).to_string())),
        ];
        RecordBatch::try_new(schema_of(&LINKS), columns).unwrap()
    }

    #[test]
    fn links_are_followed_through_others() {
        let table = batch(&[
            (1, 10, None),
            (2, 10, Some(7)),
            (3, 11, Some(7)),
            (4, 12, None),
            (5, 13, Some(8)),
        ]);
        let of = |waiting: &[(u128, u64, Option<u64>)]| {
            touched(std::slice::from_ref(&table), &[batch(waiting)]).unwrap()
        };
        assert_eq!(of(&[(9, 11, None)]), vec![true, true, true, false, false]);
        assert_eq!(of(&[(9, 99, Some(8))]), vec![false, false, false, false, true]);
        assert_eq!(of(&[(4, 99, None)]), vec![false, false, false, true, false]);
        assert_eq!(of(&[(9, 99, None), (8, 98, None)]), vec![false; 5]);
        assert_eq!(of(&[(9, 12, None), (8, 12, Some(8))]), vec![false, false, false, true, true]);
    }
}
