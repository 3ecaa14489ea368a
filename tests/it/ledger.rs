//! The account of every hit: each figure at its stage, losses seen, faults explained.

use std::sync::Arc;

use compact::merge::{Merge, Share};
use futures_util::TryStreamExt as _;
use lake::clock::{ManualClock, Random as _, SeededRandom};
use lake::store::StoreRef;
use lake::store::faulty::{FaultyStore, Rates};
use lake::store::memory::MemoryStore;
use lake::stream::Record;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use serde_json::{Value, json};

use crate::house::{House, NOW_MS, batch, http_event};

const SHARD: &str = "shardId-000000000000";
const HOUR_MS: i64 = 3_600_000;
const DAYS: &str = "from=2026-03-01&to=2026-03-20";

/// Hits as ingest puts them on the stream: of three dates, and notes of what it dropped.
async fn records(house: &House, count: usize) -> Vec<Record> {
    records_of(house, count, 3).await
}

async fn records_of(house: &House, count: usize, dates: usize) -> Vec<Record> {
    for number in 0..count {
        let ts = NOW_MS - i64::try_from(number % dates).unwrap() * 24 * HOUR_MS;
        let url = format!("https://shop.example/{number}");
        let hit = json!({"v": 1, "site": 1, "kind": "pageview", "ts": ts, "url": url});
        send(house, &hit).await;
    }
    house.records()
}

async fn send(house: &House, body: &Value) {
    let event = http_event("POST", "/hit", &json!({}), &body.to_string(), "203.0.113.1");
    assert_eq!(house.request(event).await.status_code, 204);
}

fn poison(number: u8) -> Record {
    let data = format!("poison {number}").into_bytes();
    Record { partition_key: "x".to_owned(), data: data.into() }
}

async fn merge_all(house: &House) {
    house.merge.merge_all().await.unwrap();
}

async fn paths(store: &StoreRef, zone: &str) -> Vec<Path> {
    let listed: Vec<_> = store.list(Some(&Path::from(zone))).try_collect().await.unwrap();
    listed.into_iter().map(|object| object.location).collect()
}

/// What the ledger leaves unexplained. The merge, which looks for itself, must miss as many rows.
async fn unexplained(house: &House) -> i64 {
    let unexplained = house.ledger(DAYS).await["totals"]["unexplained"].as_i64().unwrap();
    assert_eq!(missed_by_merge(house).await, u64::try_from(unexplained).unwrap_or(0));
    unexplained
}

/// What a merge misses that has just started. Objects are stamped by the machine's clock, so that for
/// the house's every account is a new one.
async fn missed_by_merge(house: &House) -> u64 {
    missed_at(house, NOW_MS).await
}

async fn missed_at(house: &House, now_ms: i64) -> u64 {
    let clock = Arc::new(ManualClock::at(now_ms));
    let merge = Merge::new(Arc::clone(&house.store), clock, house.merge.scratch.clone());
    merge.look(Share::default()).await.unwrap().unexplained.unwrap()
}

#[tokio::test]
async fn every_stage_counts_in_the_hour_of_receipt() {
    let bucket: StoreRef = Arc::new(MemoryStore::new());
    let house = House::new().await.with_parked(&bucket);
    let mut sent = records(&house, 6).await;
    send(&house, &json!({"v": 1, "site": 99, "kind": "pageview", "url": "https://x.example/"}))
        .await;
    let old = NOW_MS - 9 * 24 * HOUR_MS;
    let hit =
        json!({"v": 1, "site": 1, "kind": "pageview", "ts": old, "url": "https://x.example/"});
    send(&house, &json!([hit, hit, {"v": 1}])).await;
    sent.extend(house.records().split_off(6));
    sent.push(poison(1));
    house.append(batch(SHARD, 1, &sent)).await;
    merge_all(&house).await;
    // Two of them come again in another batch, and wait; two are received an hour later.
    house.append(batch(SHARD, 100, &sent[..2])).await;
    house.clock.advance(HOUR_MS);
    let later = records(&house, 2).await.split_off(house.records().len() - 2);
    house.append(batch(SHARD, 200, &later)).await;
    let parked = serde_json::to_vec(&batch(SHARD, 300, &sent[..1])).unwrap();
    house.store.put(&Path::from("parked/one.json"), parked.clone().into()).await.unwrap();
    bucket.put(&Path::from("aws/lambda/mapping/shard/two"), parked.into()).await.unwrap();

    let row = |time: &str, figures: [u64; 5], rest: Value| {
        let [accepted, stored, duplicates, parked, waiting] = figures;
        json!({
            "time": time, "dropped": rest["dropped"], "accepted": accepted, "stored": stored,
            "duplicates": duplicates, "rejected": rest["rejected"], "parked": parked,
            "waiting": waiting, "erased": 0, "unexplained": 0,
        })
    };
    let lost = json!({
        "dropped": {"clock": 2, "invalid": 1, "unknown_site": 1}, "rejected": {"unreadable": 1},
    });
    let none = json!({"dropped": {}, "rejected": {}});
    let ledger = house.ledger(DAYS).await;
    let (noon, one) = ("2026-03-10T12:00:00+00:00", "2026-03-10T13:00:00+00:00");
    let waiting =
        [row(noon, [11, 6, 0, 2, 2], lost.clone()), row(one, [2, 0, 0, 0, 2], none.clone())];
    assert_eq!(ledger["rows"], json!(waiting), "waiting");
    assert_eq!(ledger["totals"]["accepted"], 13);
    merge_all(&house).await;
    let merged = [row(noon, [11, 6, 2, 2, 0], lost), row(one, [2, 2, 0, 0, 0], none)];
    assert_eq!(house.ledger(DAYS).await["rows"], json!(merged), "merged");
    // Hot objects and entries go after a day; the account stays.
    house.clock.advance(25 * HOUR_MS);
    merge_all(&house).await;
    assert!(paths(&house.store, "hot").await.is_empty());
    assert_eq!(house.ledger(DAYS).await["rows"], json!(merged), "a day later");
    let ledger = house.ledger("from=2026-03-11&to=2026-03-11").await;
    assert_eq!((&ledger["rows"], &ledger["totals"]["accepted"]), (&json!([]), &json!(0)));
}

/// A house with a merged date whose hot objects are gone, and hits that wait on others.
async fn settled() -> House {
    let house = House::new().await;
    let mut sent = records(&house, 6).await;
    sent.push(poison(1));
    house.append(batch(SHARD, 1, &sent)).await;
    merge_all(&house).await;
    house.clock.advance(25 * HOUR_MS);
    merge_all(&house).await;
    house.append(batch(SHARD, 100, &records(&house, 9).await.split_off(6))).await;
    assert_eq!(unexplained(&house).await, 0);
    house
}

#[tokio::test]
async fn an_object_deleted_or_truncated_behind_its_back_is_missed() {
    for (zone, missed) in [("hot", 3), ("hits", 2), ("rejected", 1)] {
        for truncated in [false, true] {
            let house = settled().await;
            let path = paths(&house.store, zone).await.remove(0);
            if truncated {
                let bytes = house.store.get(&path).await.unwrap().bytes().await.unwrap();
                let half = bytes.slice(..bytes.len() / 2);
                house.store.put(&path, half.into()).await.unwrap();
            } else {
                house.store.delete(&path).await.unwrap();
            }
            let ledger = house.ledger(DAYS).await;
            assert_eq!(ledger["totals"]["unexplained"], missed, "{path}, truncated: {truncated}");
            // Rejected records are the ledger's affair alone.
            let rows = if zone == "rejected" { 0 } else { missed };
            assert_eq!(missed_by_merge(&house).await, rows, "{path}, truncated: {truncated}");
        }
    }
    let house = settled().await;
    for path in paths(&house.store, "ledger").await {
        house.store.delete(&path).await.unwrap();
    }
    assert_eq!(unexplained(&house).await, -6, "the account itself; what waits has its own footer");
}

#[tokio::test]
async fn a_hot_object_that_the_table_holds_is_not_missed() {
    let house = House::new().await;
    house.append(batch(SHARD, 1, &records(&house, 6).await)).await;
    merge_all(&house).await;
    for path in paths(&house.store, "hot").await {
        house.store.delete(&path).await.unwrap();
    }
    assert_eq!(unexplained(&house).await, 0);
    let table = paths(&house.store, "hits").await.remove(0);
    house.store.delete(&table).await.unwrap();
    assert_eq!(unexplained(&house).await, 2);
}

#[tokio::test]
async fn a_replayed_record_is_accepted_as_a_row_alone() {
    let house = House::new().await;
    let sent = records(&house, 2).await;
    // What a newer ingest sent before append was deployed.
    let newer = |record: &Record| {
        let text = String::from_utf8(record.data.to_vec()).unwrap();
        Record { data: text.replacen("\"v\":1", "\"v\":2", 1).into(), ..record.clone() }
    };
    house.append(batch(SHARD, 1, &sent.iter().map(newer).collect::<Vec<_>>())).await;
    let before = house.ledger(DAYS).await;
    assert_eq!(
        (&before["totals"]["accepted"], &before["totals"]["rejected"]),
        (&json!(2), &json!({"version": 2}))
    );
    for path in paths(&house.store, "rejected").await {
        let bytes = house.store.get(&path).await.unwrap().bytes().await.unwrap();
        let mut kept: Value = serde_json::from_slice(&bytes).unwrap();
        let at: usize = path.as_ref().split('-').next_back().unwrap()[..56].parse().unwrap();
        use base64::Engine as _;
        kept["bytes_base64"] =
            json!(base64::engine::general_purpose::STANDARD.encode(&sent[at - 1].data));
        house.store.put(&path, serde_json::to_vec(&kept).unwrap().into()).await.unwrap();
    }
    let replay = compact::replay::Replay { append: house.append.clone() };
    assert_eq!(replay.run().await.unwrap().replayed, 2);
    let after = house.ledger(DAYS).await;
    let totals = &after["totals"];
    assert_eq!(
        (&totals["accepted"], &totals["waiting"], &totals["rejected"]),
        (&json!(2), &json!(2), &json!({}))
    );
    merge_all(&house).await;
    assert_eq!(unexplained(&house).await, 0);
}

/// Hands batches over as an event source mapping does: what fails comes again, whole or halved.
async fn deliver(house: &House, random: &SeededRandom, sent: &[Record], first: usize) {
    let mut waiting = vec![(first, sent.to_vec())];
    while let Some((first, records)) = waiting.pop() {
        if house.append.handle(batch(SHARD, first, &records)).await.is_ok() {
            continue;
        }
        let half = records.len() / 2;
        if half > 0 && random.next_u128().is_multiple_of(2) {
            waiting.push((first + half, records[half..].to_vec()));
            waiting.push((first, records[..half].to_vec()));
        } else {
            waiting.push((first, records));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn faults_everywhere_leave_nothing_unexplained() {
    let rates = Rates { failed: 60, lost: 60, twice: 60, stalled: 20 };
    let mut faults = 0;
    for seed in 0..3 {
        let store: StoreRef = Arc::new(MemoryStore::new());
        let faulty = FaultyStore::new(Arc::clone(&store), rates, seed);
        let house = House::over(store, Arc::new(faulty.clone())).await;
        let random = SeededRandom::new(seed);
        let mut sent = records_of(&house, 40, 2).await;
        sent.extend((0..4).map(poison));
        for (number, records) in sent.chunks(15).enumerate() {
            deliver(&house, &random, records, number * 100 + 1).await;
            assert_eq!(unexplained(&house).await, 0, "seed {seed}, batch {number} delivered");
            let _failed = house.merge.merge_all().await;
            assert_eq!(unexplained(&house).await, 0, "seed {seed}, batch {number} merged or not");
            house.clock.advance(7 * HOUR_MS);
        }
        faulty.set_active(false);
        house.merge.merge_all().await.unwrap();
        house.clock.advance(25 * HOUR_MS);
        house.merge.merge_all().await.unwrap();
        let totals = house.ledger(DAYS).await["totals"].clone();
        assert_eq!((&totals["stored"], &totals["waiting"]), (&json!(40), &json!(0)), "seed {seed}");
        assert_eq!(totals["rejected"], json!({"unreadable": 4}), "seed {seed}");
        assert_eq!(totals["unexplained"], 0, "seed {seed}");
        faults += faulty.faults();
    }
    assert!(faults > 20, "{faults} faults");
}

#[tokio::test]
async fn killed_between_any_two_calls_leaves_nothing_unexplained() {
    for takes_effect in [false, true] {
        for after in 0.. {
            let store: StoreRef = Arc::new(MemoryStore::new());
            let house = House::new_over(&store).await;
            let mut sent = records_of(&house, 4, 1).await;
            sent.push(poison(1));
            house.append(batch(SHARD, 1, &sent)).await;
            house.merge.merge_all().await.unwrap();
            house.clock.advance(25 * HOUR_MS);
            let dying = FaultyStore::dying(Arc::clone(&store), after, takes_effect);
            let seen: StoreRef = Arc::new(dying.clone());
            let append =
                compact::append::Append::new(Arc::clone(&seen), Arc::clone(&house.append.enricher));
            let second = batch(SHARD, 100, &sent[1..]);
            let _killed = append.handle(second.clone()).await;
            let merge = Merge::new(seen, house.clock.clone(), house.merge.scratch.clone());
            let _killed = merge.merge_all().await;
            assert_eq!(unexplained(&house).await, 0, "killed after {after} calls");
            // It comes again, cut anew.
            house.append(batch(SHARD, 100, &sent[1..3])).await;
            house.append(batch(SHARD, 102, &sent[3..])).await;
            house.merge.merge_all().await.unwrap();
            let totals = house.ledger(DAYS).await["totals"].clone();
            assert_eq!(
                (&totals["stored"], &totals["unexplained"]),
                (&json!(4), &json!(0)),
                "{after}"
            );
            if dying.faults() == 0 {
                break;
            }
        }
    }
}

#[tokio::test]
async fn the_merge_looks_for_missing_hits_once_an_hour() {
    let house = settled().await;
    let first = house.merge.look(Share::default()).await.unwrap();
    assert_eq!(first.unexplained, Some(0));
    for path in paths(&house.store, "hot").await {
        house.store.delete(&path).await.unwrap();
    }
    house.clock.advance(HOUR_MS - 1);
    assert_eq!(
        house.merge.look(Share::default()).await.unwrap().unexplained,
        None,
        "not an hour yet"
    );
    house.clock.advance(1);
    assert!(house.merge.look(Share::default()).await.unwrap().unexplained.unwrap() > 0);
}

#[tokio::test]
async fn a_date_that_rests_is_looked_at_in_one_hour_of_the_day() {
    let house = settled().await;
    for zone in ["hot", "hits"] {
        for path in paths(&house.store, zone).await {
            house.store.delete(&path).await.unwrap();
        }
    }
    let account = paths(&house.store, "ledger").await.remove(0);
    let stamp = house.store.head(&account).await.unwrap().last_modified.timestamp_millis();
    let mut missed = Vec::new();
    for hour in 0..24 {
        missed.push(missed_at(&house, stamp + (25 + hour) * HOUR_MS).await);
    }
    missed.retain(|missed| *missed > 0);
    assert_eq!(missed, [5, 5, 5], "three dates, in three hours");
}
