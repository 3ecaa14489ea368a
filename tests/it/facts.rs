//! What an answer says of itself: how exact it is, and which dates are complete.

use lake::clock::Clock as _;
use lake::site::{SiteSettings, put_site};
use serde_json::{Value, json};

use crate::house::{House, http_event};
use crate::questions::{hit, run};

const DAY_S: i64 = 86_400;

/// A member of an answer about site 1.
async fn said(house: &House, query: &str, name: &str) -> Value {
    let headers = json!({"authorization": format!("Bearer {}", house.token)});
    let target = format!("/v1/sites/1/metrics?{query}");
    let answer = house.query(http_event("GET", &target, &headers, "", "203.0.113.9")).await;
    let body = serde_json::to_value(&answer.body).unwrap();
    let mut body: Value = serde_json::from_str(body.as_str().unwrap()).unwrap();
    body[name].take()
}

#[test]
fn accuracy_is_that_of_the_identity_and_its_dates() {
    run(async {
        let (day, week, month) = ("2026-03-10", "2026-03-09", "2026-03-01");
        for (identity, words) in [
            ("daily", ["exact", "per_day", "per_day", "per_day"]),
            ("first_party", ["exact", "per_day", "per_day", "per_day"]),
            ("weekly", ["exact", "exact", "per_week", "per_week"]),
            ("monthly", ["exact", "exact", "exact", "per_month"]),
        ] {
            let house = House::new().await;
            set_identity(&house, identity, false).await;
            for (from, word) in [day, week, month, "2026-02-28"].iter().zip(words) {
                let accuracy = said(&house, &format!("from={from}&to={day}"), "accuracy").await;
                assert_eq!(accuracy, json!({"visitors": word}), "{identity} from {from}");
            }
            let zone = said(&house, &format!("from={day}&to={day}&tz=UTC"), "accuracy").await;
            assert_ne!(zone, json!({"visitors": "exact"}), "a day of two");
        }
        let house = House::new().await;
        let query = "from=2026-03-09&to=2026-03-10&metrics=new_visitors,visits,visitor_days,users";
        let accuracy = said(&house, query, "accuracy").await;
        assert_eq!(accuracy, json!({"visitors": "per_day", "new_visitors": "per_day"}));
    });
}

#[test]
fn accuracy_does_not_claim_for_history_what_the_identity_is_today() {
    run(async {
        let house = House::new().await;
        let of = async |from: &str, to: &str| {
            let accuracy = said(&house, &format!("from={from}&to={to}"), "accuracy").await;
            accuracy["visitors"].as_str().unwrap().to_owned()
        };
        set_identity(&house, "monthly", true).await;
        assert_eq!(of("2026-03-09", "2026-03-10").await, "per_day", "the change was on the 10th");
        assert_eq!(of("2026-03-11", "2026-03-31").await, "exact");
        house.clock.advance(DAY_S * 1000);
        set_identity(&house, "daily", true).await;
        assert_eq!(of("2026-03-11", "2026-03-31").await, "per_day");
        assert_eq!(of("2026-03-12", "2026-03-13").await, "per_day");
    });
}

/// Of site 1, which may have hits.
async fn set_identity(house: &House, identity: &str, has_hits: bool) {
    let settings = json!({"id": 1, "identity": identity}).to_string();
    let settings = SiteSettings::parse(&settings).unwrap();
    put_site(&house.store, &settings, house.clock.now_ms(), has_hits).await.unwrap();
    house.clock.advance(60_000);
}

#[test]
fn a_date_is_complete_when_it_is_over_and_nothing_waits() {
    run(async {
        let house = House::new().await;
        let query = "from=2026-03-07&to=2026-03-10";
        let complete = async |query: &str| said(&house, query, "complete").await;
        let are = |seventh: bool, eighth: bool, ninth: bool| {
            json!({
                "2026-03-07": seventh, "2026-03-08": eighth, "2026-03-09": ninth,
                "2026-03-10": false,
            })
        };
        assert_eq!(complete(query).await, are(true, true, true), "today is not over");
        for days in [0, 2] {
            hit(&house, days * DAY_S, "192.0.2.1", json!({"url": "https://shop.example/"})).await;
        }
        assert_eq!(complete(query).await, are(true, false, true), "hits wait");
        let elsewhere = format!("{query}&tz=Asia/Kolkata");
        assert_eq!(complete(&elsewhere).await, are(false, false, false), "days of two dates");
        house.merge(json!({"dates": ["2026-03-08", "2026-03-10"]})).await;
        assert_eq!(complete(query).await, are(true, true, true), "merged");
        assert_eq!(complete(&elsewhere).await, are(true, true, true), "merged");
        hit(&house, DAY_S, "192.0.2.1", json!({"url": "https://shop.example/"})).await;
        assert_eq!(complete(query).await, are(true, true, false), "a late hit waits");
    });
}
