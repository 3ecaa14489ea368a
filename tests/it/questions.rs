//! What the metrics API answers beside numbers: whose sites, which page, what happens just now.

use lake::clock::SeededRandom;
use std::sync::Arc;

use aws_lambda_events::encodings::Body;
use aws_lambda_events::event::apigw::ApiGatewayV2httpResponse;
use futures_util::TryStreamExt as _;
use lake::limits::{ANSWER_LINK_S, LIVE_HITS, MAX_QUESTION_BYTES};
use lake::site::{SiteSettings, put_site};
use lake::token::add_token;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde_json::{Value, json};

use crate::house::{House, NOW_MS, batch, http_event};

pub(crate) const BROWSER: &str =
    "Mozilla/5.0 (X11; Linux x86_64; rv:135.0) Gecko/20100101 Firefox/135.0";

pub(crate) fn run(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future);
}

/// Sends one hit of site 1 from an address, seconds ago, and appends it.
pub(crate) async fn hit(house: &House, seconds_ago: i64, address: &str, fields: Value) {
    let mut body =
        json!({"v": 1, "site": 1, "kind": "pageview", "ts": NOW_MS - seconds_ago * 1000});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let headers =
        json!({"user-agent": BROWSER, "authorization": format!("Bearer {}", house.token)});
    let before = house.records().len();
    let answer =
        house.request(http_event("POST", "/hit", &headers, &body.to_string(), address)).await;
    assert_eq!(answer.status_code, 204, "{answer:?}");
    house.append(batch("shardId-000000000000", before, &house.records()[before..])).await;
}

async fn asked(house: &House, method: &str, target: &str, token: &str, body: &str) -> (i64, Value) {
    let headers = json!({"authorization": format!("Bearer {token}")});
    let answer = house.query(http_event(method, target, &headers, body, "203.0.113.9")).await;
    let text = serde_json::to_value(&answer.body).unwrap();
    (answer.status_code, serde_json::from_str(text.as_str().unwrap()).unwrap())
}

async fn got(house: &House, target: &str) -> Value {
    let (status, answer) = asked(house, "GET", target, &house.token, "").await;
    assert_eq!(status, 200, "{answer}");
    answer
}

#[test]
fn an_answer_above_the_limit_comes_as_a_link() {
    run(async {
        let mut house = House::new().await;
        hit(&house, 60, "192.0.2.1", json!({"url": "https://shop.example/a"})).await;
        let target = "/v1/sites/1/metrics?metrics=pageviews&by=page&bots=include";
        let whole = got(&house, target).await;
        // The Lambda hands text over as a string of JSON, which takes more bytes.
        let text = serde_json::to_string(&whole).unwrap();
        let sent = serde_json::to_string(&text).unwrap().len() - 2;
        let clock = Arc::clone(&house.clock);
        for (limit, status) in [(sent - 1, 303), (sent, 200), (sent + 1, 200)] {
            clock.set(NOW_MS);
            house = house.with_answer_limit(limit);
            let headers = json!({"authorization": format!("Bearer {}", house.token)});
            let event = |query: &str| {
                http_event("GET", &format!("{target}{query}"), &headers, "", "203.0.113.9")
            };
            let answer = house.query(event("")).await;
            assert_eq!(answer.status_code, status, "{limit} of {sent}");
            if status == 200 {
                continue;
            }
            let link = answer.headers["location"].to_str().unwrap();
            let lasts = ANSWER_LINK_S.as_secs();
            assert!(
                link.starts_with("memory:results/")
                    && link.ends_with(&format!("#{lasts}s,application/json,")),
                "{link}"
            );
            let path = link.trim_start_matches("memory:").split('#').next().unwrap();
            let stored = house.store.get(&Path::from(path)).await.unwrap();
            let stored: Value = serde_json::from_slice(&stored.bytes().await.unwrap()).unwrap();
            assert_eq!((&stored["rows"], &stored["totals"]), (&whole["rows"], &whole["totals"]));
            assert_eq!(kept(&answer), (None, Some("no-store")), "the link dies");
            let answer = house.query(event("&redirect=false")).await;
            assert_eq!(kept(&answer), (None, Some("no-store")), "the link dies");
            let Some(Body::Text(body)) = answer.body else { panic!("no text") };
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!((answer.status_code, &body["expires_in_s"]), (200, &json!(lasts)));
            assert!(body["link"].as_str().unwrap().starts_with("memory:results/"));
        }
    });
}

/// What says how long an answer may be kept.
fn kept(answer: &ApiGatewayV2httpResponse) -> (Option<&str>, Option<&str>) {
    let header = |name| answer.headers.get(name).map(|value| value.to_str().unwrap());
    (header("etag"), header("cache-control"))
}

#[test]
fn head_of_an_answer_above_the_limit_has_the_status_of_get() {
    run(async {
        let house = House::new().await.with_answer_limit(10);
        let headers = json!({"authorization": format!("Bearer {}", house.token)});
        for (query, status) in [("", 303), ("?redirect=false", 200)] {
            let target = format!("/v1/sites/1/metrics{query}");
            let asked = async |method: &str| {
                house.query(http_event(method, &target, &headers, "", "203.0.113.9")).await
            };
            assert_eq!(asked("GET").await.status_code, status);
            let stored = async || {
                let results = Path::from("results");
                house.store.list(Some(&results)).try_collect::<Vec<_>>().await.unwrap().len()
            };
            let before = stored().await;
            let head = asked("HEAD").await;
            assert_eq!((head.status_code, head.body.is_none()), (status, true));
            assert_eq!(kept(&head), (None, Some("no-store")));
            assert_eq!(stored().await, before, "nobody would fetch it");
        }
    });
}

#[test]
fn live_counts_by_minute_and_shows_nobody() {
    run(async {
        let house = House::new().await;
        let url = |path: &str| json!({"url": format!("https://shop.example{path}"), "title": "T"});
        hit(&house, 0, "192.0.2.1", url("/now")).await;
        hit(&house, 250, "192.0.2.1", url("/before")).await;
        hit(&house, 1_700, "192.0.2.2", url("/long-ago")).await;
        hit(&house, 1_900, "192.0.2.3", url("/too-long-ago")).await;
        let mut ping = url("/now");
        ping["kind"] = json!("ping");
        hit(&house, 1, "192.0.2.1", ping).await;
        let live = got(&house, "/v1/sites/1/live").await;
        assert_eq!(live["last_5"], json!({"visitors": 1, "pageviews": 2}));
        assert_eq!(live["last_30"], json!({"visitors": 2, "pageviews": 3}));
        let minutes = live["minutes"].as_array().unwrap();
        assert_eq!(minutes.len(), 30);
        let now = json!({"time": "2026-03-10T12:00:00+00:00", "visitors": 1, "pageviews": 1});
        assert_eq!(minutes[29], now);
        let paths: Vec<&str> = live["hits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hit| hit["path"].as_str().unwrap())
            .collect();
        assert_eq!(paths, ["/now", "/before", "/long-ago"]);
        let keys: Vec<&String> = live["hits"][0].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["ts", "kind", "path", "title", "country", "device"]);
        house.merge(json!({"dates": ["2026-03-10"]})).await;
        assert_eq!(got(&house, "/v1/sites/1/live").await, live, "after the merge");
        for number in 0..=LIVE_HITS {
            hit(&house, 60, "192.0.2.9", url(&format!("/{number}"))).await;
        }
        let live = got(&house, "/v1/sites/1/live").await;
        assert_eq!(live["hits"].as_array().unwrap().len(), LIVE_HITS);
    });
}

#[test]
fn several_sites_are_those_of_the_token() {
    run(async {
        let house = House::new().await;
        let other = SiteSettings::parse(r#"{"id":2,"timezone":"Asia/Kolkata"}"#).unwrap();
        put_site(&house.store, &other, NOW_MS, false).await.unwrap();
        let only = |sites: Vec<i32>, seed: u64| {
            let store = house.store.clone();
            async move {
                let random = SeededRandom::new(seed);
                add_token(&store, &random, 0, (true, false), Some(sites)).await.unwrap()
            }
        };
        let (second, none) = (only(vec![2], 7).await, only(vec![3], 8).await);
        hit(&house, 0, "192.0.2.1", json!({"url": "https://shop.example/"})).await;
        hit(&house, 0, "192.0.2.1", json!({"site": 2, "url": "https://shop.example/"})).await;
        let all = got(&house, "/v1/metrics?sites=all&by=site&metrics=visitors").await;
        assert_eq!(
            (&all["sites"], &all["timezone"], &all["site"]),
            (&json!([1, 2]), &Value::Null, &Value::Null)
        );
        assert_eq!(all["rows"], json!([{"site": 1, "visitors": 1}, {"site": 2, "visitors": 1}]));
        assert_eq!(all["totals"]["visitors"], 2, "visitors are those of each site");
        for (target, token, status) in [
            ("/v1/metrics?sites=1,2", &house.token, 200),
            ("/v1/metrics?sites=1,2", &second, 403),
            ("/v1/metrics?sites=1,3", &second, 403),
            ("/v1/metrics?sites=2", &second, 200),
            ("/v1/metrics?sites=all", &second, 200),
            ("/v1/metrics?sites=all", &none, 404),
            ("/v1/metrics?sites=3", &none, 404),
            ("/v1/metrics", &second, 400),
            ("/v1/metrics?sites=0", &second, 400),
            ("/v1/metrics?sites=all&interval=hour", &house.token, 400),
            ("/v1/metrics?sites=all&interval=hour&tz=UTC", &house.token, 200),
            ("/v1/sites/2/metrics?sites=2", &second, 400),
            ("/v1/sites/2/live?from=today", &second, 400),
            ("/v1/sites/1/live", &second, 403),
        ] {
            assert_eq!(asked(&house, "GET", target, token, "").await.0, status, "{target}");
        }
    });
}

#[test]
fn a_question_as_json_is_the_same_question() {
    run(async {
        let house = House::new().await;
        hit(&house, 0, "192.0.2.1", json!({"url": "https://shop.example/a,b"})).await;
        let post =
            async |body: &str| asked(&house, "POST", "/v1/metrics", &house.token, body).await;
        let question = json!({
            "sites": [1], "metrics": ["pageviews", "visits"], "by": "page", "limit": 5, "explain": false,
            "filter": "page==/a%2Cb", "tz": null,
        });
        let mut answer = post(&question.to_string()).await.1;
        let target =
            "/v1/metrics?sites=1&metrics=pageviews,visits&by=page&limit=5&filter=page%3D%3D/a%5C,b";
        assert_eq!(answer["rows"], json!([{"page": "/a,b", "pageviews": 1, "visits": 1}]));
        assert_eq!(answer.take(), got(&house, target).await);
        for (body, parameter) in [
            ("", ""),
            ("[]", ""),
            (r#"{"sites":1,"metrix":"visits"}"#, "metrix"),
            (r#"{"sites":1,"metrics":[["visits"]]}"#, "metrics"),
            (r#"{"sites":1,"limit":1.5}"#, "limit"),
            (r#"{"sites":{}}"#, "sites"),
            (r#"{"sites":1,"by":"page","by":"device"}"#, "by"),
            (r#"{"sites":1,"by":null,"b\u0079":"device"}"#, "by"),
            (r#"{"sites":1,"filter":["country==GB","country==DE"]}"#, "filter"),
            (r#"{"sites":1,"date":["2026-03-09","2026-03-10"]}"#, "date"),
        ] {
            let (status, problem) = post(body).await;
            assert_eq!((status, problem["parameter"].as_str()), (400, Some(parameter)), "{body}");
        }
        let listed = post(r#"{"sites":1,"filter":["country==GB","country==DE"]}"#).await.1;
        let said = listed["detail"].as_str().unwrap();
        assert!(said.contains("; between must all hold, with , between one of them"), "{said}");
        let of_bytes = |bytes: usize| format!("{}{}", " ".repeat(bytes - 11), r#"{"sites":1}"#);
        for (bytes, status) in [
            (MAX_QUESTION_BYTES - 1, 200),
            (MAX_QUESTION_BYTES, 200),
            (MAX_QUESTION_BYTES + 1, 413),
        ] {
            assert_eq!(post(&of_bytes(bytes)).await.0, status, "{bytes}");
        }
        let elsewhere = asked(&house, "POST", "/v1/sites/1/metrics", &house.token, "{}").await;
        assert_eq!(elsewhere.0, 405);
    });
}

#[test]
fn a_cursor_stays_right_while_hits_come_in() {
    run(async {
        let house = House::new().await;
        let page = async |path: &str| {
            hit(&house, 0, "192.0.2.1", json!({"url": format!("https://shop.example{path}")}))
                .await;
        };
        for path in ["/b", "/d", "/f"] {
            page(path).await;
        }
        let target = "/v1/sites/1/metrics?metrics=pageviews&by=page&order=page&limit=1";
        let mut answer = got(&house, target).await;
        let mut seen = vec![answer["rows"][0]["page"].as_str().unwrap().to_owned()];
        for path in ["/a", "/c", "/b", "/g"] {
            page(path).await;
        }
        assert!(answer.get("changed").is_none(), "it is the first page");
        while let Some(cursor) = answer["next_cursor"].as_str() {
            answer = got(&house, &format!("{target}&cursor={cursor}")).await;
            assert_eq!(answer["changed"], true);
            seen.push(answer["rows"][0]["page"].as_str().unwrap().to_owned());
        }
        assert_eq!(seen, ["/b", "/c", "/d", "/f", "/g"]);
        assert_eq!(answer["row_count"], 6);
    });
}

#[test]
fn what_a_question_took_is_explained() {
    run(async {
        let house = House::new().await;
        hit(&house, 0, "192.0.2.1", json!({"url": "https://shop.example/"})).await;
        house.merge(json!({"dates": ["2026-03-10"]})).await;
        let target = "/v1/sites/1/metrics?from=2026-03-10&to=2026-03-10";
        assert!(got(&house, target).await.get("explain").is_none());
        let explain = got(&house, &format!("{target}&explain=true")).await["explain"].take();
        assert_eq!((&explain["objects"], &explain["row_groups"]), (&json!(1), &json!(1)));
        assert_eq!(
            explain["phases_ms"],
            json!({"list": 0, "scan": 0, "answer": 0}),
            "the clock stands"
        );
    });
}

#[test]
fn a_comparison_as_csv_has_its_columns_after_the_metrics() {
    run(async {
        let house = House::new().await;
        for seconds_ago in [0, 60, 86_400] {
            hit(&house, seconds_ago, "192.0.2.1", json!({"url": "https://shop.example/"})).await;
        }
        let target = "/v1/sites/1/metrics?metrics=pageviews,bounce_rate&interval=day\
                      &from=2026-03-10&to=2026-03-10&compare=previous";
        let headers = json!({"authorization": format!("Bearer {}", house.token)});
        let event = http_event("GET", &format!("{target}&format=csv"), &headers, "", "203.0.113.9");
        let csv = serde_json::to_value(house.query(event).await.body).unwrap();
        assert_eq!(
            csv,
            "time,pageviews,bounce_rate,pageviews_previous,pageviews_change,pageviews_change_rate,\
             bounce_rate_previous,bounce_rate_change,bounce_rate_change_rate\r\n\
             2026-03-10,2,0.0,1,1,1.0,1.0,-1.0,-1.0\r\n"
        );
        let json = got(&house, target).await;
        let dates = json!({"with": "previous", "from": "2026-03-09", "to": "2026-03-09"});
        assert_eq!(json["compare"], dates);
    });
}

#[test]
fn a_segment_is_checked_when_it_is_put_and_asked_by_name() {
    let put = |filter: &str| {
        let settings = json!({"id": 1, "segments": [{"name": "a", "filter": filter}]});
        SiteSettings::parse(&settings.to_string())
    };
    let refused = put("country==GB;contry==GB").unwrap_err().to_string();
    let expected = "segments[0].filter is \"country==GB;contry==GB\" \
                    (at character 13: contry is not known here; did you mean country?)";
    assert!(refused.contains(expected), "{refused}");
    run(async {
        let house = House::new().await;
        put_site(&house.store, &put("title=@shoes").unwrap(), NOW_MS, false).await.unwrap();
        for title in ["Red Shoes", "Hats"] {
            let fields = json!({"url": "https://shop.example/", "title": title});
            hit(&house, 0, "192.0.2.1", fields).await;
        }
        let target = "/v1/sites/1/metrics?metrics=pageviews&by=title&segment=a";
        let answer = got(&house, target).await;
        assert_eq!(answer["rows"], json!([{"title": "Red Shoes", "pageviews": 1}]));
    });
}
