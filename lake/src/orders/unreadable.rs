//! Orders over the bytes of a record that may be no hit: what lies in `rejected/` and `parked/`.
//!
//! A record that is JSON of another version is read by the few fields that tell whose it is. One
//! that is broken is searched for a person's ids as ingest writes them. What has neither cannot be
//! attributed to anybody.

use jiff::civil::Date;
use serde::Deserialize;

use super::{OfSite, Orders};
use crate::hit::{Hit, Id64};

/// The fields of a record that tell whose it is; all that a version must not have changed.
#[derive(Deserialize)]
struct Loose {
    site: i32,
    ts: Option<i64>,
    received: Option<i64>,
    dt: Option<Date>,
    fingerprint: Option<Id64>,
    client_id: Option<Id64>,
    user_id: Option<String>,
}

/// A record that orders cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Covered {
    /// The site.
    pub site: i32,
    /// When it was received, Unix milliseconds.
    pub received_ms: i64,
    /// Its date, where the record says it.
    pub dt: Option<Date>,
}

impl Orders {
    /// Whether any order covers the record with these bytes, which came at `arrived_ms`.
    #[must_use]
    pub fn cover_record(&self, bytes: &[u8], arrived_ms: i64) -> Option<Covered> {
        match Hit::decode(bytes) {
            Ok(hit) => self.cover(&hit).then_some(Covered {
                site: hit.site,
                received_ms: hit.received,
                dt: Some(hit.dt),
            }),
            Err(_) => self.cover_unreadable(bytes, arrived_ms),
        }
    }

    /// The same of a record that is known to be no hit.
    #[must_use]
    pub fn cover_unreadable(&self, bytes: &[u8], arrived_ms: i64) -> Option<Covered> {
        if self.is_empty() {
            return None;
        }
        match serde_json::from_slice::<Loose>(bytes) {
            Ok(loose) => self.cover_loose(&loose, arrived_ms),
            Err(_) => self.cover_broken(bytes, arrived_ms),
        }
    }

    fn cover_loose(&self, loose: &Loose, arrived_ms: i64) -> Option<Covered> {
        let site = self.sites.get(&loose.site)?;
        let received_ms = loose.received.unwrap_or(arrived_ms);
        let earliest_ms = loose.ts.map_or(received_ms, |ts| ts.min(received_ms));
        let id = loose.client_id.or(loose.fingerprint).map(|id| id.0);
        let covered = loose.dt.is_some_and(|dt| site.covers_date(dt))
            || site.covers_person(id, loose.user_id.as_deref(), earliest_ms);
        covered.then_some(Covered { site: loose.site, received_ms, dt: loose.dt })
    }

    fn cover_broken(&self, bytes: &[u8], arrived_ms: i64) -> Option<Covered> {
        let text = String::from_utf8_lossy(bytes);
        let found = self.sites.iter().find(|(_, of_site)| of_site.is_named_in(&text, arrived_ms));
        found.map(|(site, _)| Covered { site: *site, received_ms: arrived_ms, dt: None })
    }
}

impl OfSite {
    /// Whether a broken record names one of the persons. A digest of 64 bits is nobody else's.
    fn is_named_in(&self, text: &str, arrived_ms: i64) -> bool {
        let ids = self.ids.iter().filter(|&(_, before)| arrived_ms < *before);
        let users = self.users.iter().filter(|&(_, before)| arrived_ms < *before);
        ids.map(|(id, _)| Id64(*id)).any(|id| text.contains(&id.to_string()))
            || users
                .filter_map(|(user, _)| serde_json::to_string(user).ok())
                .any(|user| text.contains(&format!("\"user_id\":{user}")))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::orders::{Order, Whom};

    #[test]
    fn records_are_known_as_far_as_they_can_be_read() {
        let whom = Whom::Person {
            ids: BTreeSet::from([Id64(7)]),
            user_ids: BTreeSet::from(["an\"n".to_owned()]),
        };
        let order = Order { site: 1, whom, before_ms: 1_000, given_ms: 0 };
        let orders = Orders::of([("a".to_owned(), Arc::new(order))]);
        let covers = |text: &str| orders.cover_record(text.as_bytes(), 900).is_some();
        let hit = Hit { v: 1, site: 1, fingerprint: Id64(7), ..Hit::default() };
        assert!(orders.cover_record(&hit.encode(), 900).is_some());
        assert!(orders.cover_record(&Hit { site: 2, ..hit.clone() }.encode(), 900).is_none());
        // Another version.
        assert!(covers(r#"{"v":9,"site":1,"client_id":"0000000000000007","new":[]}"#));
        assert!(covers(r#"{"v":9,"site":1,"ts":999,"received":2000,"user_id":"an\"n"}"#));
        assert!(!covers(r#"{"v":9,"site":1,"ts":1000,"received":2000,"user_id":"an\"n"}"#));
        assert!(!covers(r#"{"v":9,"site":2,"client_id":"0000000000000007"}"#));
        // Broken.
        assert!(covers(r#"{"v":1,"site":1,"client_id":"0000000000000007","ti"#));
        assert!(covers(r#"{"v":1,"site":1,"user_id":"an\"n","ti"#));
        assert!(!covers(r#"{"v":1,"site":1,"user_id":"ann","ti"#));
        assert!(!covers("nonsense"));
    }
}
