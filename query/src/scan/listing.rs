//! What lies there of some dates, by listing alone: objects, and orders of erasure.
//!
//! It can be known before the sites' settings are, which say what exactly is asked about.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Span;
use jiff::civil::Date;

use super::error::ScanError;
use super::{Lists, Scanner, Sites, list, version};

/// What was listed of some dates.
#[derive(Debug)]
pub struct Listing {
    /// First and last of dates without a hole between them.
    spans: Vec<(Date, Date)>,
    /// Whose orders; none: those of all sites.
    sites: Option<BTreeSet<i32>>,
    lists: Lists,
}

/// What a question is about.
#[derive(Debug, Default)]
pub struct Listed {
    pub(super) lists: Lists,
    /// The version of the data: that of the names and ETags of its objects and of the orders.
    pub version: u64,
}

impl Scanner {
    /// Lists the objects of dates, given by the first and the last of each row of them, and the
    /// orders of some sites; without them those of all.
    ///
    /// # Errors
    ///
    /// When they cannot be listed.
    pub async fn listing(
        &self,
        spans: Vec<(Date, Date)>,
        sites: Option<BTreeSet<i32>>,
    ) -> Result<Listing, ScanError> {
        let day = Span::new().days(1);
        let dates = |(first, last): &(Date, Date)| -> Vec<Date> {
            first.series(day).take_while(|date| date <= last).collect()
        };
        let dates: Vec<Vec<Date>> = spans.iter().map(dates).collect();
        let dates: Vec<&[Date]> = dates.iter().map(Vec::as_slice).collect();
        let of = |site| sites.as_ref().is_none_or(|sites| sites.contains(&site));
        let lists = self.lists(&dates, &of).await?;
        Ok(Listing { spans, sites, lists })
    }

    /// The objects of a question, out of what was listed ahead if that has all of them.
    ///
    /// # Errors
    ///
    /// When objects cannot be listed.
    pub async fn list(&self, sites: &Sites, ahead: Option<&Listing>) -> Result<Listed, ScanError> {
        let Some((plan, _)) = sites.first() else { return Ok(Listed::default()) };
        let partitions: BTreeSet<Date> =
            sites.iter().flat_map(|(_, dates)| dates).copied().collect();
        let asked: BTreeSet<i32> = sites.iter().map(|(plan, _)| plan.site).collect();
        let lists = match ahead.and_then(|listing| listing.of(&partitions, &asked)) {
            Some(lists) => lists,
            None => {
                let partitions: Vec<Date> = partitions.into_iter().collect();
                self.lists(&[&partitions], &|site| asked.contains(&site)).await?
            }
        };
        plan.work.listed();
        Ok(Listed { version: version::of(&lists.0, &lists.1), lists })
    }

    /// The objects of dates, and what orders of erasure hide of each of the sites that has any.
    pub(super) async fn lists(
        &self,
        dates: &[&[Date]],
        sites: &(dyn Fn(i32) -> bool + Sync),
    ) -> Result<Lists, ScanError> {
        let objects = dates.iter().map(|dates| list::dates(&self.store, dates));
        let hidden = async { Ok(self.orders.hiding(sites).await?) };
        let objects = futures_util::future::try_join_all(objects);
        let (objects, hidden) = futures_util::try_join!(objects, hidden)?;
        Ok((objects.into_iter().flatten().collect(), hidden))
    }
}

impl Listing {
    /// What it has of these dates and sites; none where it was not made of all of them.
    fn of(&self, partitions: &BTreeSet<Date>, asked: &BTreeSet<i32>) -> Option<Lists> {
        let is_listed =
            |date| self.spans.iter().any(|(first, last)| (first..=last).contains(&date));
        let has_orders = self.sites.as_ref().is_none_or(|sites| asked.is_subset(sites));
        let has_all = has_orders && partitions.iter().all(is_listed);
        let (objects, hidden) = &self.lists;
        has_all.then(|| (chosen(objects, partitions), chosen(hidden, asked)))
    }
}

fn chosen<K: Ord + Copy, V: Clone>(all: &BTreeMap<K, V>, keys: &BTreeSet<K>) -> BTreeMap<K, V> {
    let of = all.iter().filter(|(key, _)| keys.contains(key));
    of.map(|(key, value)| (*key, value.clone())).collect()
}
