//! A visitor is erased over the API: answers before, during and after, and everybody else's.

use lake::store::StoreRef;
use lake::stream::Record;
use serde_json::{Value, json};

use crate::house::{House, NOW_MS, batch, http_event};

const RANGE: &str = "from=2026-03-08&to=2026-03-10&bots=include&limit=1000";
const METRICS: &str = "hits,pageviews,visits,visitors,bounces,visit_duration,entries,exits,users";
const SHARD: &str = "shardId-000000000000";

/// A page view of a browser, minutes ago.
fn view(number: u32, minutes_ago: i64, visitor: &str, user: Option<&str>) -> Value {
    json!({
        "v": 1, "site": 1, "kind": "pageview", "ts": NOW_MS - minutes_ago * 60_000,
        "id": format!("00000000-0000-7000-8000-{number:012}"),
        "url": format!("https://shop.example/{number}"),
        "visitor": visitor, "consent": true, "user_id": user,
    })
}

const ANN: &str = "00000000000000aa";
const OTHER: &str = "00000000000000bb";

/// Ann before and after her login, on two dates; somebody else behind the same address.
pub(crate) fn everybody() -> Vec<Value> {
    vec![
        view(1, 1_500, ANN, None),
        view(2, 1_499, OTHER, None),
        view(3, 40, ANN, None),
        view(4, 39, ANN, Some("ann")),
        view(5, 38, OTHER, None),
        view(6, 37, OTHER, None),
    ]
}

fn others() -> Vec<Value> {
    vec![view(2, 1_499, OTHER, None), view(5, 38, OTHER, None), view(6, 37, OTHER, None)]
}

pub(crate) async fn send(house: &House, hits: &[Value], first: usize) {
    let agents = ["Firefox/128.0", "Chrome/120.0.0.0"];
    let before = house.records().len();
    for hit in hits {
        let agent = agents[usize::from(hit["visitor"] == OTHER)];
        let headers = json!({"user-agent": format!("Mozilla/5.0 (X11; Linux x86_64) {agent}")});
        let event = http_event("POST", "/hit", &headers, &hit.to_string(), "203.0.113.9");
        let answer = house.request(event).await;
        assert!(!answer.headers.contains_key("hitlake-dropped"), "{answer:?}");
    }
    house.append(batch(SHARD, first, &house.records()[before..])).await;
}

pub(crate) async fn answers(house: &House) -> Vec<Value> {
    let mut answers = Vec::new();
    for by in ["", "&interval=day", "&by=page", "&by=browser", "&by=entry_page"] {
        answers.push(house.ask(&format!("{RANGE}&metrics={METRICS}{by}")).await);
    }
    answers
}

async fn api(house: &House, method: &str, path: &str, token: &str) -> (i64, String, Value) {
    let headers = json!({"authorization": format!("Bearer {token}")});
    let answer = house.query(http_event(method, path, &headers, "", "203.0.113.9")).await;
    let location = answer.headers.get("location").map_or("", |it| it.to_str().unwrap());
    let body = serde_json::to_value(&answer.body).unwrap();
    let body = serde_json::from_str(body.as_str().unwrap_or("null")).unwrap();
    (answer.status_code, location.to_owned(), body)
}

async fn token(store: &StoreRef, access: (bool, bool), sites: Option<Vec<i32>>) -> String {
    let random = lake::clock::SeededRandom::new(99);
    lake::token::add_token(store, &random, NOW_MS, access, sites).await.unwrap()
}

#[tokio::test]
async fn an_erased_visitor_is_in_no_answer_from_the_order_on() {
    let never = House::new().await;
    send(&never, &others(), 1).await;
    let expected = answers(&never).await;
    // Merged before, between, or not at all.
    for merged in [0, 3, 6] {
        let house = House::new().await;
        let hits = everybody();
        send(&house, &hits[..merged], 1).await;
        if merged > 0 {
            house.merge(json!({"dates": ["2026-03-09", "2026-03-10"]})).await;
        }
        send(&house, &hits[merged..], 100).await;
        let before = answers(&house).await;
        assert_ne!(before, expected);
        let token = house.token.clone();
        let visitor = format!("/v1/sites/1/visitors/{ANN}");
        let (status, location, body) = api(&house, "DELETE", &visitor, &token).await;
        assert_eq!((status, &body["state"]), (202, &json!("running")));
        let during = answers(&house).await;
        let pages = |answer: &Value| answer["totals"]["pageviews"].clone();
        // The hit after the login is known to be hers when the order has been closed.
        assert_eq!((pages(&during[0]), pages(&before[0])), (json!(4), json!(6)), "{merged} merged");
        house.erase().await;
        assert_eq!(answers(&house).await, expected, "{merged} merged before");
        let (status, _, body) = api(&house, "GET", &location, &token).await;
        assert_eq!((status, &body["state"]), (200, &json!("done")));
        let count = |name: &str| body[name].as_u64().unwrap();
        assert_eq!(
            (count("objects_rewritten") > 0, count("rows_before") - count("rows_after")),
            (true, 3)
        );
        // From the stream once more.
        send(&house, &hits, 200).await;
        assert_eq!(answers(&house).await, expected, "{merged} merged before, all sent again");
        house.merge(json!({"dates": ["2026-03-09", "2026-03-10"]})).await;
        assert_eq!(answers(&house).await, expected);
    }
}

/// Between closing and removing, everything of the visits is left out.
#[tokio::test]
async fn a_closed_order_hides_the_whole_person_before_anything_is_removed() {
    let never = House::new().await;
    send(&never, &others(), 1).await;
    let house = House::new().await;
    send(&house, &everybody(), 1).await;
    let token = house.token.clone();
    api(&house, "DELETE", &format!("/v1/sites/1/visitors/{ANN}"), &token).await;
    house.close_erasures().await;
    assert_eq!(answers(&house).await, answers(&never).await);
}

#[tokio::test]
async fn erasing_takes_a_token_that_writes_the_site() {
    let house = House::new().await;
    let own = house.token.clone();
    let reads = token(&house.store, (true, false), None).await;
    let visitor = "/v1/sites/1/visitors/x%20y";
    let (_, location, _) = api(&house, "DELETE", visitor, &own).await;
    assert_eq!(api(&house, "DELETE", visitor, &reads).await.0, 403);
    assert_eq!(api(&house, "GET", &location, &reads).await.0, 403);
    assert_eq!(api(&house, "DELETE", visitor, "nobody").await.0, 401);
    for (method, path, status) in [
        ("GET", visitor, 405),
        ("DELETE", "/v1/sites/1/visitors/", 400),
        ("DELETE", "/v1/sites/7/visitors/x", 404),
        ("DELETE", location.as_str(), 405),
        ("GET", location.as_str(), 200),
        ("GET", "/v1/erasures/1-0", 404),
        ("GET", "/v1/erasures/..%2fsettings", 404),
    ] {
        assert_eq!(api(&house, method, path, &own).await.0, status, "{method} {path}");
    }
    for (bytes, status) in [(1024, 202), (1025, 400)] {
        let path = format!("/v1/sites/1/visitors/{}", "x".repeat(bytes));
        assert_eq!(api(&house, "DELETE", &path, &own).await.0, status, "{bytes} bytes");
    }
}

/// Of the table, of waiting hot objects, of `rejected/`, and what comes again afterwards.
#[tokio::test]
async fn what_is_erased_is_accounted_for() {
    let house = House::new().await;
    let hits = everybody();
    send(&house, &hits[..3], 1).await;
    house.merge(json!({"dates": ["2026-03-09", "2026-03-10"]})).await;
    send(&house, &hits[3..], 100).await;
    let unreadable = String::from_utf8(house.records()[0].data.to_vec()).unwrap();
    let unreadable = unreadable.replace("{\"v\":1,", "{\"v\":9,");
    let record = Record { partition_key: "x".to_owned(), data: unreadable.into() };
    house.append(batch(SHARD, 150, &[record])).await;
    let figures = async || {
        let totals = house.ledger("from=2026-03-01&to=2026-03-20").await["totals"].take();
        ["accepted", "stored", "rejected", "waiting", "erased", "unexplained"]
            .map(|name| totals[name].clone())
    };
    let none = json!({});
    let before = [json!(7), json!(3), json!({"version": 1}), json!(3), json!(0), json!(0)];
    assert_eq!(figures().await, before);
    let visitor = format!("/v1/sites/1/visitors/{ANN}");
    assert_eq!(api(&house, "DELETE", &visitor, &house.token).await.0, 202);
    house.erase().await;
    house.merge(json!({"dates": ["2026-03-09", "2026-03-10"]})).await;
    let after = [json!(7), json!(3), none.clone(), json!(0), json!(4), json!(0)];
    assert_eq!(figures().await, after);
    // Her three come again: accepted, and left out at once.
    let hers: Vec<Value> = hits.into_iter().filter(|hit| hit["visitor"] == ANN).collect();
    send(&house, &hers, 200).await;
    let again = [json!(10), json!(3), none, json!(0), json!(7), json!(0)];
    assert_eq!(figures().await, again);
}
