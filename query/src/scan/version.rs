//! Which version of the data a scan reads: the names and ETags of its objects and the orders of
//! erasure, known by listing alone.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use lake::orders::Orders;
use xxhash_rust::xxh3::Xxh3Default;

use super::list::Objects;

/// The version of two ranges of dates: of a question, and of what it is compared with.
pub(crate) fn of_both(now: u64, before: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64(&[now.to_le_bytes(), before.to_le_bytes()].concat())
}

/// The version of listed objects and orders.
pub(super) fn of(objects: &BTreeMap<Date, Objects>, hidden: &BTreeMap<i32, Orders>) -> u64 {
    let mut hash = Xxh3Default::new();
    let mut add = |text: &str| {
        hash.update(text.as_bytes());
        hash.update(&[0]);
    };
    for objects in objects.values() {
        for part in &objects.parts {
            add(part.location.as_ref());
            add(part.e_tag.as_deref().unwrap_or_default());
        }
        let hot: BTreeSet<&str> = objects.hot.iter().map(|hot| hot.location.as_ref()).collect();
        hot.into_iter().for_each(&mut add);
    }
    for (site, orders) in hidden {
        add(&site.to_string());
        orders.ids().iter().for_each(|id| add(id));
    }
    hash.digest()
}
