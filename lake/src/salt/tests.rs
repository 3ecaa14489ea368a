use jiff::civil::date;

use super::*;
use crate::clock::{ManualClock, SeededRandom};
use crate::store::memory::MemoryStore;

const DAY_MS: i64 = 24 * 3_600_000;

/// The present moment of the machine: the memory store's times are of it.
fn now_ms() -> i64 {
    crate::clock::SystemClock.now_ms()
}

fn instance(store: &StoreRef, seed: u64, now_ms: i64) -> (Salts, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(now_ms));
    let random = Arc::new(SeededRandom::new(seed));
    (Salts::new(Arc::clone(store), random, Arc::clone(&clock) as Arc<dyn Clock>), clock)
}

fn today(now_ms: i64) -> Date {
    jiff::Timestamp::from_millisecond(now_ms).unwrap().to_zoned_datetime(tz::TimeZone::UTC).date()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn instances_that_race_share_one_salt() {
    for round in 0..50 {
        let store: StoreRef = Arc::new(MemoryStore::new());
        let day = today(now_ms());
        let race = (0..8).map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                instance(&store, round * 8 + n, now_ms()).0.get(Identity::Daily, day).await.unwrap()
            })
        });
        let mut salts = Vec::new();
        for racer in race.collect::<Vec<_>>() {
            salts.push(racer.await.unwrap());
        }
        salts.dedup();
        assert_eq!(salts.len(), 1);
    }
}

#[tokio::test]
async fn a_log_imported_in_two_runs_gets_the_same_salt_and_keeps_it_alive() {
    let store: StoreRef = Arc::new(MemoryStore::new());
    let day = date(2015, 5, 17);
    let now_ms = now_ms();
    let (first, clock) = instance(&store, 1, now_ms);
    let salt = first.get(Identity::Daily, day).await.unwrap();
    assert_eq!(
        instance(&store, 2, now_ms + DAY_MS).0.get(Identity::Daily, day).await.unwrap(),
        salt
    );
    clock.advance(20 * DAY_MS);
    assert_eq!(first.get(Identity::Daily, day).await.unwrap(), salt);
    assert_eq!(
        delete_expired_salts(&store, now_ms + IMPORT_SALT_KEPT_MS - 60_000).await.unwrap(),
        0
    );
    assert_eq!(
        delete_expired_salts(&store, now_ms + IMPORT_SALT_KEPT_MS + 60_000).await.unwrap(),
        1
    );
    let other = instance(&store, 3, now_ms).0.get(Identity::Daily, day).await.unwrap();
    assert_ne!(other, salt);
}

#[tokio::test]
async fn an_import_never_uses_a_days_own_salt_after_its_time() {
    let store: StoreRef = Arc::new(MemoryStore::new());
    let now_ms = now_ms();
    let day = today(now_ms);
    let (salts, clock) = instance(&store, 1, now_ms);
    let own = salts.get(Identity::Daily, day).await.unwrap();
    clock.advance(7 * DAY_MS);
    assert_eq!(salts.get(Identity::Daily, day).await.unwrap(), own);
    clock.advance(3 * DAY_MS);
    assert_ne!(salts.get(Identity::Daily, day).await.unwrap(), own);
}

/// One part of a log is imported within the time of the day's own salt, the other after it.
#[tokio::test]
async fn a_day_without_hits_of_its_own_gets_one_salt_however_late_its_log_is_imported() {
    let now_ms = now_ms();
    let day = today(now_ms - 5 * DAY_MS);
    for (has_own_hits, one_set) in [(false, true), (true, false)] {
        let store: StoreRef = Arc::new(MemoryStore::new());
        if has_own_hits {
            let (salts, _) = instance(&store, 1, now_ms - 5 * DAY_MS);
            salts.get(Identity::Daily, day).await.unwrap();
        }
        let (first, clock) = instance(&store, 2, now_ms);
        let within = first.get(Identity::Daily, day).await.unwrap();
        let other = instance(&store, 3, now_ms + DAY_MS).0;
        assert_eq!(other.get(Identity::Daily, day).await.unwrap(), within);
        clock.advance(10 * DAY_MS);
        delete_expired_salts(&store, clock.now_ms()).await.unwrap();
        // Beacons and log share the own salt; that it does not outlive its time is worth more.
        let after = first.get(Identity::Daily, day).await.unwrap();
        assert_eq!(after == within, one_set);
        let restarted = instance(&store, 4, clock.now_ms()).0;
        assert_eq!(restarted.get(Identity::Daily, day).await.unwrap(), after);
    }
}

#[test]
fn periods_have_one_salt_each() {
    let key = |identity, day| Key::new(identity, day, 0);
    let (sunday, monday) = (date(2026, 11, 29), date(2026, 11, 30));
    assert_ne!(key(Identity::Weekly, sunday), key(Identity::Weekly, monday));
    assert_eq!(key(Identity::Weekly, monday), key(Identity::Weekly, date(2026, 12, 6)));
    assert_eq!(key(Identity::Monthly, sunday), key(Identity::Monthly, monday));
    assert_ne!(key(Identity::Daily, sunday), key(Identity::FirstParty, monday));
    assert_eq!(key(Identity::Daily, sunday), key(Identity::FirstParty, sunday));
}

#[test]
fn salts_expire_at_their_time_and_not_before() {
    let object = |path: &str, written_ms: i64| ObjectMeta {
        location: Path::from(path),
        last_modified: std::time::SystemTime::UNIX_EPOCH
            .checked_add(std::time::Duration::from_millis(u64::try_from(written_ms).unwrap()))
            .unwrap()
            .into(),
        size: 32,
        e_tag: None,
        version: None,
    };
    let midnight =
        |day: Date| day.to_zoned_datetime(tz::TimeZone::UTC).unwrap().timestamp().as_millisecond();
    for (path, next) in [
        ("salts/daily/2026-11-27", date(2026, 11, 28)),
        ("salts/weekly/2026-11-23", date(2026, 11, 30)),
        ("salts/monthly/2026-11-01", date(2026, 12, 1)),
    ] {
        let due_ms = midnight(next) + LAST_ZONE_MS + SALT_KEPT_MS;
        let listed = [object(path, midnight(date(2026, 11, 1)))];
        assert!(expired_salts(&listed, due_ms - 1).is_empty(), "{path}");
        assert_eq!(expired_salts(&listed, due_ms), [Path::from(path)]);
    }
    let used_ms = midnight(date(2026, 11, 28));
    let listed = [
        object("salts/import/daily/2015-05-17", used_ms),
        object("salts/README", used_ms),
        object("salts/daily/x", used_ms),
    ];
    assert!(expired_salts(&listed, used_ms + IMPORT_SALT_KEPT_MS - 1).is_empty());
    assert_eq!(expired_salts(&listed, used_ms + IMPORT_SALT_KEPT_MS).len(), 1);
}
