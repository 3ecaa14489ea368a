//! How many calls to the store a question waits for one after another: on S3 they decide. How many
//! bytes come, which explain says.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use lake::clock::{Random as _, SeededRandom};
use lake::layout::{HITS, HOT, date_of, table_object};
use lake::limits::{MAX_HITS_PER_BODY, QUERY_SMALL_OBJECT_BYTES};
use lake::store::StoreRef;
use lake::store::memory::MemoryStore;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde_json::{Value, json};

use crate::distant::DistantStore;
use crate::house::{House, batch, http_event};
use crate::questions::BROWSER;

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
            let (calls, in_sequence, _) = distant.take_counts();
            assert!(in_sequence <= at_most, "{in_sequence} of {calls} calls in sequence");
            warm = calls;
        }
        let mut headers = headers.clone();
        headers["if-none-match"] = json!("W/\"0\"");
        let changed = query.handle(http_event("GET", target, &headers, "", "192.0.2.1")).await;
        assert_eq!((changed.status_code, distant.take_counts().0), (200, warm));
    });
}

/// More hits than one read takes, each with long texts of its own.
async fn large_date(house: &House) {
    let token = format!("Bearer {}", house.token);
    let headers = json!({"authorization": token, "user-agent": BROWSER});
    let random = SeededRandom::new(3);
    let text = |digits: usize| -> String {
        (0..digits / 32).map(|_| format!("{:032x}", random.next_u128())).collect()
    };
    for _ in 0..6 {
        let hit = |_| {
            let url = format!("https://shop.example/{}", text(800));
            json!({"v": 1, "site": 1, "kind": "pageview", "url": url, "title": text(960)})
        };
        let body = Value::Array((0..MAX_HITS_PER_BODY).map(hit).collect()).to_string();
        let before = house.records().len();
        house.request(http_event("POST", "/hit", &headers, &body, "192.0.2.1")).await;
        let records = house.records();
        for (at, some) in records[before..].chunks(100).enumerate() {
            house.append(batch("shardId-000000000000", before + at * 100, some)).await;
        }
    }
}

#[test]
fn what_explain_says_was_read_is_what_the_store_gave() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let memory: StoreRef = Arc::new(MemoryStore::new());
        let house = House::new_over(&memory).await;
        large_date(&house).await;
        let distant = DistantStore::new(Arc::clone(&memory), Duration::ZERO);
        let query = house.query_over(&(Arc::new(distant.clone()) as StoreRef));
        let headers = json!({"authorization": format!("Bearer {}", house.token)});
        let explained = async |question: &str| {
            distant.take_counts();
            let target = format!("/v1/sites/1/metrics?explain=true&period=day&{question}");
            let answer = query.handle(http_event("GET", &target, &headers, "", "192.0.2.1")).await;
            let body = serde_json::to_value(&answer.body).unwrap();
            let mut body: Value = serde_json::from_str(body.as_str().unwrap()).unwrap();
            let explained = body["explain"].take();
            assert_eq!(explained["bytes_read"], json!(distant.take_counts().2), "{question}");
            let number = |name: &str| explained[name].as_u64().unwrap();
            (number("objects"), number("row_groups"), number("bytes_read"))
        };
        // Columns apart from each other, with small ones between.
        let apart = "metrics=pageviews&by=device,browser_version";
        assert!(explained(apart).await.0 > 1, "hot objects");
        house.merge(json!({"dates": ["2026-03-10"]})).await;
        let size = memory.head(&table_object("2026-03-10".parse().unwrap(), 0)).await.unwrap().size;
        assert!(size > 2 * QUERY_SMALL_OBJECT_BYTES, "it is not read whole: {size}");
        let cold = explained(apart).await;
        let warm = explained(apart).await;
        assert_eq!((cold.0, cold.1, warm.0, warm.1), (1, 1, 1, 1));
        assert!(0 < warm.2 && warm.2 < cold.2 && cold.2 < size, "{warm:?} {cold:?} of {size}");
        let none = explained("metrics=pageviews&filter=device==none").await;
        assert_eq!((none.0, none.1), (1, 0), "its dictionary has no such device");
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
