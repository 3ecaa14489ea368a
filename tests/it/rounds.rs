//! How many calls to the store a question waits for one after another: on S3 they decide. How many
//! bytes come, which explain says.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use lake::clock::{Random as _, SeededRandom};
use lake::layout::{HITS, HOT, date_of, table_object};
use lake::limits::{
    MAX_HITS_PER_BODY, QUERY_COALESCE_BYTES, QUERY_SMALL_OBJECT_BYTES, SETTINGS_TTL_MS,
};
use lake::site::{SiteSettings, put_site};
use lake::store::memory::MemoryStore;
use lake::store::{Store as _, StoreRef};
use lake::token::add_token;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use query::handler::Query;
use serde_json::{Value, json};

use crate::distant::DistantStore;
use crate::house::{House, NOW_MS, batch, http_event};
use crate::questions::BROWSER;

/// The clock stands while something is done: calls that begin at one moment are answered at one, and
/// how many wait for one another does not depend on the machine.
fn runtime() -> tokio::runtime::Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap()
}

/// Ninety dates of a store, each with one object of the table and none that waits.
async fn quarter(house: &House, memory: &StoreRef) -> DistantStore {
    house.merge(json!({"dates": ["2026-03-10"]})).await;
    forget_hot(memory).await;
    ninety_dates(memory).await;
    DistantStore::new(Arc::clone(memory), Duration::from_millis(1))
}

async fn ask(query: &Query, target: &str, headers: &Value) -> (i64, String) {
    let answer = query.handle(http_event("GET", target, headers, "", "192.0.2.1")).await;
    let body = serde_json::to_value(&answer.body).unwrap();
    (answer.status_code, body.as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_quarter_waits_twice_for_the_store_cold_and_warm_where_objects_are_small() {
    runtime().block_on(async {
        let memory: StoreRef = Arc::new(MemoryStore::new());
        let house = House::new_over(&memory).await;
        let headers = json!({"authorization": format!("Bearer {}", house.token)});
        let hit = json!({"v": 1, "site": 1, "kind": "pageview", "url": "https://shop.example/"});
        house.request(http_event("POST", "/hit", &headers, &hit.to_string(), "192.0.2.1")).await;
        house.append(batch("shardId-000000000000", 0, &house.records())).await;
        let distant = quarter(&house, &memory).await;
        let query = house.query_over(&(Arc::new(distant.clone()) as StoreRef));
        let target = "/v1/sites/1/metrics?metrics=pageviews&period=range&date=last90&bots=include";
        let mut warm = 0;
        for _ in 0..2 {
            let (_, body) = ask(&query, target, &headers).await;
            assert!(body.contains(r#""totals":{"pageviews":90}"#), "{body}");
            let (calls, in_sequence, _) = distant.take_counts();
            assert_eq!(in_sequence, 2, "of {calls} calls");
            warm = calls;
        }
        let mut headers = headers.clone();
        headers["if-none-match"] = json!("W/\"0\"");
        let changed = query.handle(http_event("GET", target, &headers, "", "192.0.2.1")).await;
        assert_eq!((changed.status_code, distant.take_counts().0), (200, warm));
    });
}

#[test]
fn a_quarter_of_large_objects_waits_three_times_cold_and_twice_warm() {
    runtime().block_on(async {
        let memory: StoreRef = Arc::new(MemoryStore::new());
        let house = House::new_over(&memory).await;
        let second = SiteSettings::parse(r#"{"id":2,"name":"Second"}"#).unwrap();
        put_site(&memory, &second, NOW_MS, false).await.unwrap();
        // The object has the rows of one after those of the other.
        for site in [1, 2] {
            large_date(&house, site, 3).await;
        }
        let distant = quarter(&house, &memory).await;
        let listed: Vec<_> = memory.list(Some(&Path::from(HITS))).try_collect().await.unwrap();
        assert_eq!(listed.len(), 90);
        assert!(listed.iter().all(|object| object.size > QUERY_SMALL_OBJECT_BYTES));

        let headers = json!({"authorization": format!("Bearer {}", house.token)});
        let last90 = "period=range&date=last90";
        for (target, cold) in [
            ("/v1/sites/2/metrics?metrics=pageviews", 3),
            // What is looked at visit by visit, in columns apart from each other.
            (
                "/v1/sites/2/metrics?metrics=visits,bounce_rate,visitors,exits&by=entry_page,device&filter=visited_page=@a;browser!=none",
                3,
            ),
            ("/v1/sites/2/metrics?metrics=visits&compare=previous&tz=Asia/Tokyo", 3),
            ("/v1/metrics?sites=1,2&metrics=visits", 3),
            // Which sites there are is found out beside.
            ("/v1/metrics?sites=all&metrics=visits", 4),
        ] {
            let query = house.query_over(&(Arc::new(distant.clone()) as StoreRef));
            for (number, at_most) in [cold, 2].into_iter().enumerate() {
                let (status, body) = ask(&query, &format!("{target}&{last90}"), &headers).await;
                assert_eq!(status, 200, "{body}");
                let (calls, in_sequence, _) = distant.take_counts();
                let shown = format!("{target}, {number}: {in_sequence} of {calls} in sequence");
                assert!(in_sequence <= at_most && calls > 90, "{shown}");
            }
            // Tokens and settings are read again, beside the lists.
            house.clock.advance(SETTINGS_TTL_MS);
            ask(&query, &format!("{target}&{last90}"), &headers).await;
            let (_, in_sequence, _) = distant.take_counts();
            assert!(in_sequence < cold, "{target}: {in_sequence} with old settings");
        }
    });
}

#[test]
fn a_quarter_with_hits_that_wait_waits_four_times_cold_and_three_times_warm() {
    runtime().block_on(async {
        let memory: StoreRef = Arc::new(MemoryStore::new());
        let house = House::new_over(&memory).await;
        large_date(&house, 1, 3).await;
        let distant = quarter(&house, &memory).await;
        let headers = json!({"authorization": format!("Bearer {}", house.token)});
        let asked = "/v1/sites/1/metrics?period=range&date=last90&bots=include&metrics=";
        let pageviews = |body: &str| -> u64 {
            let body: Value = serde_json::from_str(body).unwrap();
            body["totals"]["pageviews"].as_u64().unwrap()
        };
        let fresh = || house.query_over(&(Arc::new(distant.clone()) as StoreRef));
        let (_, body) = ask(&fresh(), &format!("{asked}pageviews"), &headers).await;
        let merged = pageviews(&body);
        assert!(merged > 0);
        let agent = json!({"user-agent": BROWSER});
        let hit = json!({"v": 1, "site": 1, "kind": "pageview", "url": "https://shop.example/"});
        let before = house.records().len();
        house.request(http_event("POST", "/hit", &agent, &hit.to_string(), "192.0.2.1")).await;
        house.append(batch("shardId-000000000000", before, &house.records()[before..])).await;
        for question in ["pageviews", "pageviews,visits,visitors,exits&by=entry_page,device"] {
            let query = fresh();
            distant.take_counts();
            for at_most in [4, 3] {
                let (status, body) = ask(&query, &format!("{asked}{question}"), &headers).await;
                assert_eq!((status, pageviews(&body)), (200, merged + 1), "{question}");
                let (calls, in_sequence, _) = distant.take_counts();
                assert!(in_sequence <= at_most, "{question}: {in_sequence} of {calls} in sequence");
            }
        }
    });
}

#[test]
fn ranges_that_lie_apart_are_read_in_one_round_trip() {
    runtime().block_on(async {
        let memory: StoreRef = Arc::new(MemoryStore::new());
        let path = Path::from("object");
        let apart = 2 * QUERY_COALESCE_BYTES;
        let bytes: Vec<u8> = (0..35 * apart).map(|at| (at / apart) as u8).collect();
        memory.put(&path, bytes.into()).await.unwrap();
        let distant = DistantStore::new(memory, Duration::from_millis(1));
        // Of two that are close to each other one read has both.
        let ranges: Vec<_> = (0..35)
            .flat_map(|at| [(0, 3), (5, 9)].map(|(from, to)| at * apart + from..at * apart + to))
            .collect();
        let (parts, read_bytes) = distant.read_ranges(&path, None, &ranges).await.unwrap();
        for (at, pair) in (0_u8..).zip(parts.chunks(2)) {
            assert_eq!((&pair[0][..], &pair[1][..]), (&[at; 3][..], &[at; 4][..]));
        }
        let (calls, in_sequence, _) = distant.take_counts();
        assert_eq!((calls, in_sequence, read_bytes), (35, 1, 35 * 9));
    });
}

#[test]
fn a_refused_request_is_answered_by_the_tokens_alone() {
    runtime().block_on(async {
        let memory: StoreRef = Arc::new(MemoryStore::new());
        let house = House::new_over(&memory).await;
        let bounds = Some(vec![7]);
        let random = SeededRandom::new(7);
        let of_seven = add_token(&memory, &random, NOW_MS, (true, false), bounds).await.unwrap();
        let writing = add_token(&memory, &random, NOW_MS, (false, true), None).await.unwrap();
        // What is read beside goes wrong.
        memory.put(&Path::from("settings/sites/1.json"), "no settings".into()).await.unwrap();
        memory.put(&Path::from("orders/1-00-00.json"), "no order".into()).await.unwrap();
        let distant = DistantStore::new(Arc::clone(&memory), Duration::from_millis(1));
        let fresh = || house.query_over(&(Arc::new(distant.clone()) as StoreRef));
        let bearer = |token: &str| json!({"authorization": format!("Bearer {token}")});
        let unknown = "0".repeat(32);
        let mut of_unknown = Vec::new();
        for path in ["/v1/sites/1/metrics", "/v1/sites/9/metrics", "/v1/metrics?sites=1,9"] {
            for headers in [json!({}), json!({"authorization": "Basic eDp5"}), bearer("short")] {
                assert_eq!(ask(&fresh(), path, &headers).await.0, 401, "{path} {headers}");
                assert_eq!(distant.take_counts().0, 0, "{path} {headers}");
            }
            let query = fresh();
            for (token, status) in [(&unknown, 401), (&of_seven, 403), (&writing, 403)] {
                let answered = ask(&fresh(), path, &bearer(token)).await;
                assert_eq!(answered.0, status, "{path} {token}");
                assert_eq!(distant.take_counts().1, 1, "{path} {token}: the tokens");
                if status == 401 {
                    of_unknown.push(answered.1);
                }
                // The tokens are known then, and it is noted when this one was used last.
                ask(&query, path, &bearer(token)).await;
                tokio::time::sleep(Duration::from_secs(1)).await;
                distant.take_counts();
                assert_eq!(ask(&query, path, &bearer(token)).await.0, status);
                assert_eq!(distant.take_counts().0, 0, "{path} {token}");
            }
        }
        of_unknown.dedup_by_key(|body| body.split("instance").next().unwrap().to_owned());
        assert_eq!(of_unknown.len(), 1, "{of_unknown:?}");
        assert_eq!(ask(&fresh(), "/v1/sites/1/metrics", &bearer(&house.token)).await.0, 503);
    });
}

/// Hits of a site, each with long texts of its own, as so many bodies of requests hold.
async fn large_date(house: &House, site: i32, bodies: usize) {
    let token = format!("Bearer {}", house.token);
    let headers = json!({"authorization": token, "user-agent": BROWSER});
    let random = SeededRandom::new(3);
    let text = |digits: usize| -> String {
        (0..digits / 32).map(|_| format!("{:032x}", random.next_u128())).collect()
    };
    for _ in 0..bodies {
        let hit = |_| {
            let url = format!("https://shop.example/{}", text(800));
            json!({"v": 1, "site": site, "kind": "pageview", "url": url, "title": text(960)})
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
        // More than one read takes.
        large_date(&house, 1, 6).await;
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
