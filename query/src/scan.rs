//! Reads the dates of a question and counts.
//!
//! A date whose table holds all its hot objects is read as it stands; one with waiting hits is
//! worked out anew by the rules that the merge uses.

mod count;
mod read;

use std::collections::{BTreeMap, HashSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use lake::site::Section;
use lake::store::StoreRef;

use crate::question::Question;

/// One row of an answer: bucket of time and value of the dimension.
pub type Key = (String, Option<String>);

/// What is counted for a row.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    pub(crate) sums: BTreeMap<&'static str, f64>,
    pub(crate) visitors: HashSet<u64>,
}

/// Everything counted for a question.
#[derive(Debug, Default)]
pub struct Counted {
    /// By bucket and value.
    pub rows: BTreeMap<Key, Counts>,
    /// The same over all values, by bucket; and over everything.
    pub totals: Counts,
    /// By date: over, and nothing waits to be merged.
    pub merged: BTreeMap<Date, bool>,
}

/// Counts a question.
///
/// # Errors
///
/// When an object cannot be read.
pub async fn scan(
    store: &StoreRef,
    site: i32,
    zone: &TimeZone,
    sections: &[Section],
    question: &Question,
) -> anyhow::Result<Counted> {
    let mut counted = Counted::default();
    let filter = count::Filter::new(site, zone.clone(), sections, question);
    for dt in question.dates() {
        let date = read::date(store, dt).await?;
        counted.merged.insert(dt, !date.waiting);
        for batch in &date.batches {
            count::batch(batch, dt, &filter, &mut counted)?;
        }
    }
    Ok(counted)
}
