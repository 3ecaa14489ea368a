//! Questions beside a merge whose store stalls, fails or dies: the same right answer before it, at
//! any of its calls, and after it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use compact::merge::{Merge, Request};
use futures_util::TryStreamExt as _;
use jiff::civil::{Date, date};
use lake::store::StoreRef;
use lake::store::faulty::{FaultyStore, Rates};
use lake::store::memory::MemoryStore;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use query::handler::Query;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::erasure::{everybody, send};
use crate::house::{House, http_event};

const DATES: [Date; 2] = [date(2026, 3, 9), date(2026, 3, 10)];
const DAY_MS: i64 = 24 * 3_600_000;
const QUESTIONS: [&str; 3] = [
    "metrics=hits,pageviews,visits,visitors,bounces,visit_duration&interval=day",
    "metrics=pageviews&by=page",
    "metrics=entries&by=entry_page,browser",
];

/// A table that has held some hot objects for a day, so that the next merge deletes them; and more
/// that wait, some of them copies.
async fn midway() -> House {
    let house = House::new().await;
    send(&house, &everybody()[..4], 1).await;
    house.merge(json!({"dates": DATES})).await;
    house.clock.advance(DAY_MS + 1);
    send(&house, &everybody()[3..], 100).await;
    house
}

async fn answers(query: &Query, token: &str) -> Vec<Value> {
    let headers = json!({"authorization": format!("Bearer {token}")});
    let mut answers = Vec::new();
    for question in QUESTIONS {
        let target = format!(
            "/v1/sites/1/metrics?from=2026-03-08&to=2026-03-10&bots=include&limit=100&{question}"
        );
        let answer = query.handle(http_event("GET", &target, &headers, "", "203.0.113.9")).await;
        assert_eq!(answer.status_code, 200, "{answer:?}");
        let body = serde_json::to_value(&answer.body).unwrap();
        let mut said: Value = serde_json::from_str(body.as_str().unwrap()).unwrap();
        answers.push(json!({"rows": said["rows"].take(), "totals": said["totals"].take()}));
    }
    answers
}

/// What all hits in one batch give, of which nothing was merged.
async fn right() -> Vec<Value> {
    let house = House::new().await;
    send(&house, &everybody(), 1).await;
    let right = answers(&house.query, &house.token).await;
    assert_eq!(right[0]["totals"]["pageviews"], 6);
    right
}

async fn state(store: &StoreRef) -> Vec<(Path, Vec<u8>)> {
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    let mut state = Vec::new();
    for object in listed {
        let bytes = store.get(&object.location).await.unwrap().bytes().await.unwrap();
        state.push((object.location, bytes.to_vec()));
    }
    state.sort();
    state
}

async fn copy(state: &[(Path, Vec<u8>)]) -> StoreRef {
    let store: StoreRef = Arc::new(MemoryStore::new());
    for (path, bytes) in state {
        store.put(path, bytes.clone().into()).await.unwrap();
    }
    store
}

fn merge(house: &House, store: &FaultyStore, scratch: &TempDir) -> Merge {
    let store: StoreRef = Arc::new(store.clone());
    Merge::new(store, Arc::clone(&house.clock) as _, scratch.path().to_owned())
}

async fn merged(merge: &Merge) -> bool {
    merge.handle(Request::of(DATES.to_vec())).await.is_ok()
}

/// A merge over a store that dies after so many calls: whether it came to that, and whether the merge
/// was done.
async fn die(
    house: &House,
    store: &StoreRef,
    (after, takes_effect): (u64, bool),
    scratch: &TempDir,
) -> (bool, bool) {
    let dying = FaultyStore::dying(Arc::clone(store), after, takes_effect);
    let done = merged(&merge(house, &dying, scratch)).await;
    (dying.faults() > 0, done)
}

/// Each state that the store can be left in is asked about once, by a process that knows the state
/// before and by one that starts.
#[tokio::test]
async fn a_question_after_a_merge_died_between_any_two_calls_is_answered_right() {
    let (right, house, scratch) = (right().await, midway().await, TempDir::new().unwrap());
    let start = state(&house.store).await;
    let mut states = HashSet::new();
    for takes_effect in [false, true] {
        for after in u64::from(takes_effect).. {
            let (store, death) = (copy(&start).await, (after, takes_effect));
            let (died, done) = die(&house, &store, death, &scratch).await;
            if states.insert(state(&store).await) {
                let about = format!("{after} calls, the next one done: {takes_effect}");
                let store = copy(&start).await;
                let warm = house.query_over(&store);
                assert_eq!(answers(&warm, &house.token).await, right, "before");
                die(&house, &store, death, &scratch).await;
                for query in [&warm, &house.query_over(&store)] {
                    assert_eq!(answers(query, &house.token).await, right, "after {about}");
                }
                let sound = FaultyStore::new(Arc::clone(&store), Rates::default(), 0);
                assert!(merged(&merge(&house, &sound, &scratch)).await, "after {about}");
                assert_eq!(answers(&warm, &house.token).await, right, "merged after {about}");
            }
            if !died {
                assert!(done && after > 20, "a merge takes more calls than {after}");
                break;
            }
        }
    }
    assert!(states.len() > 5, "a merge writes and deletes: {} states", states.len());
}

/// Merges run, one after the other, while the question is asked again and again; time is paused, so
/// that the calls' stalls and the questions take turns.
#[tokio::test(start_paused = true)]
async fn a_question_beside_merges_over_a_bad_store_is_always_answered_right() {
    let (right, house, scratch) = (right().await, midway().await, TempDir::new().unwrap());
    let start = state(&house.store).await;
    let stalls = Rates { stalled: 1000, ..Rates::default() };
    let faults = Rates { failed: 60, lost: 60, twice: 60, stalled: 820 };
    let (mut asked, mut failed) = (0, 0);
    for (seed, rates) in [(1, stalls), (2, faults), (3, faults)] {
        let store = copy(&start).await;
        let query = house.query_over(&store);
        let bad = FaultyStore::new(Arc::clone(&store), rates, seed);
        let merge = merge(&house, &bad, &scratch);
        let merging = async {
            for _ in 0..2 {
                failed += u32::from(!merged(&merge).await);
            }
        };
        let asking = async {
            loop {
                assert_eq!(answers(&query, &house.token).await, right, "beside, seed {seed}");
                asked += 1;
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        };
        tokio::select! {
            () = merging => {}
            () = asking => {}
        }
        assert_eq!(answers(&query, &house.token).await, right, "after, seed {seed}");
        bad.set_active(false);
        assert!(merged(&merge).await);
        assert_eq!(answers(&query, &house.token).await, right, "at the end, seed {seed}");
    }
    assert!(asked > 40 && failed > 0, "asked {asked} times, {failed} merges failed");
}
