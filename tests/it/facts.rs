//! What an answer says of itself: how exact it is, and which dates are complete.

use lake::site::{SiteSettings, put_site};
use serde_json::{Value, json};

use crate::house::{House, NOW_MS, http_event};
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
fn accuracy_claims_no_longer_identity_than_surely_held() {
    run(async {
        let house = House::new().await;
        for identity in ["daily", "weekly", "monthly", "first_party"] {
            let settings = json!({"id": 1, "identity": identity}).to_string();
            let settings = SiteSettings::parse(&settings).unwrap();
            put_site(&house.store, &settings, NOW_MS, true).await.unwrap();
            house.clock.advance(60_000);
            for (query, word) in [
                ("from=2026-03-10&to=2026-03-10", "exact"),
                ("from=2026-03-10&to=2026-03-10&tz=UTC", "per_day"),
                // Within a week, and within a month: of before the setting they can be a day's.
                ("from=2026-03-09&to=2026-03-10", "per_day"),
                ("from=2026-02-01&to=2026-03-10", "per_day"),
            ] {
                let accuracy = said(&house, query, "accuracy").await;
                assert_eq!(accuracy, json!({"visitors": word}), "{identity}: {query}");
            }
        }
        let query = "from=2026-03-09&to=2026-03-10&metrics=new_visitors,visits,visitor_days,users";
        let accuracy = said(&house, query, "accuracy").await;
        assert_eq!(accuracy, json!({"visitors": "per_day", "new_visitors": "per_day"}));
    });
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
