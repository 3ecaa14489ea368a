//! How many calls to the store a question waits for one after another: on S3 they decide.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use lake::layout::{HITS, HOT, date_of, table_object};
use lake::store::StoreRef;
use lake::store::memory::MemoryStore;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde_json::json;

use crate::distant::DistantStore;
use crate::house::{House, batch, http_event};

#[test]
fn a_quarter_waits_four_times_for_the_store_cold_and_twice_warm() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let memory: StoreRef = Arc::new(MemoryStore::new());
        let house = House::new_over(&memory).await;
        let headers = json!({"authorization": format!("Bearer {}", house.token)});
        let hit = json!({"v": 1, "site": 1, "kind": "pageview", "url": "https://shop.example/"});
        house.request(http_event("POST", "/hit", &headers, &hit.to_string(), "192.0.2.1")).await;
        house.append(batch("shardId-000000000000", 0, &house.records())).await;
        house.merge(json!({"dates": ["2026-03-10"]})).await;
        forget_hot(&memory).await;
        ninety_dates(&memory).await;

        let distant = DistantStore::new(memory, Duration::from_millis(1));
        let store: StoreRef = Arc::new(distant.clone());
        let query = house.query_over(&store);
        let target = "/v1/sites/1/metrics?metrics=pageviews&period=range&date=last90&bots=include";
        let mut warm = 0;
        for at_most in [4, 2] {
            let answer = query.handle(http_event("GET", target, &headers, "", "192.0.2.1")).await;
            let body = serde_json::to_value(&answer.body).unwrap();
            assert!(body.as_str().unwrap().contains(r#""totals":{"pageviews":90}"#), "{body}");
            let (calls, in_sequence) = distant.take_counts();
            assert!(in_sequence <= at_most, "{in_sequence} of {calls} calls in sequence");
            warm = calls;
        }
        let mut headers = headers.clone();
        headers["if-none-match"] = json!("W/\"0\"");
        let changed = query.handle(http_event("GET", target, &headers, "", "192.0.2.1")).await;
        assert_eq!((changed.status_code, distant.take_counts().0), (200, warm));
    });
}

/// As the merge does a day later.
async fn forget_hot(store: &StoreRef) {
    let listed: Vec<_> = store.list(Some(&Path::from(HOT))).try_collect().await.unwrap();
    for object in listed {
        store.delete(&object.location).await.unwrap();
    }
}

/// Copies the one date's object to the 89 dates before.
async fn ninety_dates(store: &StoreRef) {
    let listed: Vec<_> = store.list(Some(&Path::from(HITS))).try_collect().await.unwrap();
    let [object] = listed.as_slice() else { panic!("one date is there: {listed:?}") };
    let date = date_of(&object.location).unwrap();
    let bytes = store.get(&object.location).await.unwrap().bytes().await.unwrap();
    for days in 1..90 {
        let dt = date.checked_sub(jiff::Span::new().days(days)).unwrap();
        store.put(&table_object(dt, 0), bytes.clone().into()).await.unwrap();
    }
}
