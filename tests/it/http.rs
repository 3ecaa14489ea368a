//! The metrics API as a citizen of HTTP: formats, compression, versions, methods, pages, limits.

use std::io::{Cursor, Read as _};

use arrow::array::{Array as _, AsArray as _};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::ipc::reader::StreamReader;
use aws_lambda_events::event::apigw::ApiGatewayV2httpResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lake::clock::SeededRandom;
use lake::limits::{MAX_ANSWER_VALUES, MAX_LINK_BYTES};
use lake::site::{SiteSettings, put_site};
use lake::token::{Bounds, add_token};
use query::settings::ApiSettings;
use serde_json::{Value, json};

use crate::house::{House, NOW_MS, http_event};
use crate::questions::{hit, run};

const PAGES: &str = "/v1/sites/1/metrics?metrics=pageviews&by=page&order=page";

async fn got(house: &House, method: &str, target: &str, more: Value) -> ApiGatewayV2httpResponse {
    let mut headers = json!({"authorization": format!("Bearer {}", house.token)});
    headers.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    house.query(http_event(method, target, &headers, "", "203.0.113.9")).await
}

fn bytes(answer: &ApiGatewayV2httpResponse) -> Vec<u8> {
    let body = serde_json::to_value(&answer.body).unwrap();
    let text = body.as_str().unwrap_or_default();
    if answer.is_base64_encoded { STANDARD.decode(text).unwrap() } else { text.into() }
}

fn header<'a>(answer: &'a ApiGatewayV2httpResponse, name: &str) -> Option<&'a str> {
    answer.headers.get(name).map(|value| value.to_str().unwrap())
}

async fn with_pages(paths: &[&str]) -> House {
    let house = House::new().await;
    for path in paths {
        hit(&house, 0, "192.0.2.1", json!({"url": format!("https://shop.example{path}")})).await;
    }
    house
}

#[test]
fn the_format_is_that_of_accept_or_of_the_parameter() {
    run(async {
        let house = with_pages(&["/a"]).await;
        for (query, accept, status, kind) in [
            ("", json!({}), 200, "application/json"),
            ("", json!({"accept": "text/csv"}), 200, "text/csv; charset=utf-8"),
            ("&format=csv", json!({"accept": "text/html"}), 200, "text/csv; charset=utf-8"),
            (
                "",
                json!({"accept": "application/vnd.apache.arrow.stream"}),
                200,
                "application/vnd.apache.arrow.stream",
            ),
            ("", json!({"accept": "text/html"}), 406, "application/problem+json"),
        ] {
            let answer = got(&house, "GET", &format!("{PAGES}{query}"), accept.clone()).await;
            assert_eq!(answer.status_code, status, "{query} {accept}");
            assert_eq!(header(&answer, "content-type"), Some(kind), "{query} {accept}");
            assert_eq!(header(&answer, "vary"), Some("accept, accept-encoding, authorization"));
            assert!(header(&answer, "request-id").is_some_and(|id| !id.is_empty()));
        }
        let live = got(&house, "GET", "/v1/sites/1/live", json!({"accept": "text/csv"})).await;
        assert_eq!(live.status_code, 406);
    });
}

#[test]
fn arrow_has_the_columns_of_csv_with_their_types() {
    run(async {
        let house = with_pages(&["/a", "/a", "/b"]).await;
        let target = "/v1/sites/1/metrics?metrics=pageviews,bounce_rate&by=page,hour_of_day\
                      &interval=day&from=2026-03-09&to=2026-03-10&compare=previous";
        let answer = got(&house, "GET", &format!("{target}&format=arrow"), json!({})).await;
        assert!(answer.is_base64_encoded);
        let mut reader = StreamReader::try_new(Cursor::new(bytes(&answer)), None).unwrap();
        let batch = reader.next().unwrap().unwrap();
        assert!(reader.next().is_none());
        let csv = got(&house, "GET", &format!("{target}&format=csv"), json!({})).await;
        let csv = String::from_utf8(bytes(&csv)).unwrap();
        let names: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
        let schema = batch.schema();
        let fields: Vec<&str> = schema.fields().iter().map(|it| it.name().as_str()).collect();
        assert_eq!(fields, names);
        let kinds = ["time", "hour_of_day", "pageviews", "bounce_rate", "pageviews_change_rate"]
            .map(|name| schema.field_with_name(name).unwrap().data_type().clone());
        let double = DataType::Float64;
        assert_eq!(
            kinds,
            [DataType::Utf8, DataType::Int64, DataType::Int64, double.clone(), double]
        );
        let column = |name: &str| batch.column_by_name(name).unwrap().clone();
        let pages: Vec<_> =
            column("page").as_string::<i32>().iter().flatten().map(str::to_owned).collect();
        assert_eq!(pages, ["/a", "/b", "/a", "/b"]);
        let views = column("pageviews").as_primitive::<Int64Type>().values().to_vec();
        assert_eq!(views, [0, 0, 2, 1]);
        let rates = column("bounce_rate");
        let rates = rates.as_primitive::<Float64Type>();
        assert!(rates.is_null(0) && rates.is_valid(2));
    });
}

#[test]
fn compressed_answers_are_the_same_answers() {
    run(async {
        let house = House::new().await;
        // The clock stands, so that each answer is the same.
        let target = "/v1/sites/1/metrics?interval=day";
        let plain = bytes(&got(&house, "GET", target, json!({})).await);
        let packed = async |coding: &str| {
            let answer = got(&house, "GET", target, json!({"accept-encoding": coding})).await;
            assert_eq!(header(&answer, "content-encoding"), Some(coding));
            bytes(&answer)
        };
        let (gzip, zstd) = (packed("gzip").await, packed("zstd").await);
        assert!(gzip.len() * 3 < plain.len() && zstd.len() * 3 < plain.len());
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(gzip.as_slice()).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, plain);
        assert_eq!(zstd::decode_all(zstd.as_slice()).unwrap(), plain);
    });
}

#[test]
fn an_answer_is_unchanged_until_something_changes_it() {
    run(async {
        let house = with_pages(&["/a"]).await;
        let target = &format!("{PAGES}&compare=previous");
        let tag = async || {
            let answer = got(&house, "GET", target, json!({})).await;
            assert_eq!(header(&answer, "cache-control"), Some("private, no-cache"));
            header(&answer, "etag").unwrap().to_owned()
        };
        let seen =
            async |tag: &str| got(&house, "GET", target, json!({"if-none-match": tag})).await;
        let first = tag().await;
        let unchanged = seen(&first).await;
        assert_eq!((unchanged.status_code, unchanged.body.is_none()), (304, true));
        assert_eq!(header(&unchanged, "etag"), Some(first.as_str()));
        assert_eq!(seen("W/\"0\"").await.status_code, 200);
        let mut tags = vec![first];
        let mut changed = async |why: &str| {
            let last = tags.last().unwrap();
            assert_eq!(seen(last).await.status_code, 200, "{why}");
            let new = tag().await;
            assert!(!tags.contains(&new), "{why}");
            assert_eq!(seen(&new).await.status_code, 304, "{why}");
            tags.push(new);
        };
        hit(&house, 0, "192.0.2.1", json!({"url": "https://shop.example/b"})).await;
        changed("a hit").await;
        house.merge(json!({"dates": ["2026-03-10"]})).await;
        changed("the merge").await;
        let erase = "/v1/sites/1/visitors/0123456789abcdef";
        assert_eq!(got(&house, "DELETE", erase, json!({})).await.status_code, 202);
        changed("an erasure").await;
        let site = SiteSettings::parse(r#"{"id":1,"name":"Shop","identity":"weekly"}"#).unwrap();
        put_site(&house.store, &site, NOW_MS, false).await.unwrap();
        house.clock.advance(60_000);
        changed("the settings").await;
        house.clock.advance(24 * 3_600_000);
        changed("another day").await;
        let csv = got(&house, "GET", &format!("{target}&format=csv"), json!({})).await;
        assert_ne!(header(&csv, "etag"), tags.last().map(String::as_str), "another format");
        let mut headers = json!({"authorization": format!("Bearer {}", house.token)});
        headers["if-none-match"] = json!("*");
        let posted = http_event("POST", "/v1/metrics", &headers, r#"{"sites":1}"#, "203.0.113.9");
        assert_eq!(house.query(posted).await.status_code, 200, "nobody keeps answers to POST");
        let explained = got(&house, "GET", &format!("{target}&explain=true"), json!({})).await;
        assert_eq!(header(&explained, "etag"), None);
        let refused =
            got(&house, "GET", &format!("{target}&x=1"), json!({"if-none-match": "*"})).await;
        assert_eq!(
            (refused.status_code, header(&refused, "cache-control")),
            (400, Some("no-store"))
        );
    });
}

#[test]
fn head_is_get_without_the_body() {
    run(async {
        let house = with_pages(&["/a"]).await;
        for target in [PAGES, "/v1/sites/1/live", "/v1/health", "/openapi.json", "/v1/none"] {
            let get = got(&house, "GET", target, json!({})).await;
            let head = got(&house, "HEAD", target, json!({})).await;
            assert_eq!((head.status_code, head.body), (get.status_code, None), "{target}");
            let length = bytes(&get).len().to_string();
            assert_eq!(head.headers["content-length"].to_str().unwrap(), length, "{target}");
            for name in ["content-type", "etag", "cache-control"] {
                assert_eq!(head.headers.get(name), get.headers.get(name), "{target}: {name}");
            }
        }
    });
}

#[test]
fn other_methods_are_told_which_there_are() {
    run(async {
        let house = House::new().await;
        for (method, target, allowed) in [
            ("POST", "/v1/sites/1/metrics", "GET, HEAD, OPTIONS"),
            ("DELETE", "/v1/sites/1/pages", "GET, HEAD, OPTIONS"),
            ("PUT", "/v1/metrics", "GET, HEAD, POST, OPTIONS"),
            ("PATCH", "/openapi.json", "GET, HEAD, OPTIONS"),
            ("GET", "/v1/sites/1/visitors/0123456789abcdef", "DELETE, OPTIONS"),
            ("DELETE", "/v1/erasures/x", "GET, HEAD, OPTIONS"),
        ] {
            let answer = got(&house, method, target, json!({})).await;
            assert_eq!((answer.status_code, header(&answer, "allow")), (405, Some(allowed)));
        }
        assert_eq!(got(&house, "PUT", "/v1/none", json!({})).await.status_code, 404);
    });
}

#[test]
fn pages_are_linked_in_every_format() {
    run(async {
        let house = with_pages(&["/a", "/b", "/c"]).await;
        let path = "/v1/sites/1/metrics";
        let mut query =
            "metrics=pageviews&by=page&order=page&limit=1&offset=0&period=week&format=csv"
                .to_owned();
        let mut seen = Vec::new();
        loop {
            let answer = got(&house, "GET", &format!("{path}?{query}"), json!({})).await;
            assert_eq!(answer.status_code, 200, "{query}");
            let changed = query.contains("cursor=").then_some("false");
            assert_eq!(header(&answer, "hitlake-changed"), changed, "{query}");
            let csv = String::from_utf8(bytes(&answer)).unwrap();
            seen.push(csv.lines().nth(1).unwrap().to_owned());
            let Some(link) = header(&answer, "link") else { break };
            let next = link.strip_prefix("<?").unwrap().strip_suffix(">; rel=\"next\"").unwrap();
            assert!(
                next.contains("from=2026-03-09&to=2026-03-15"),
                "the dates do not move: {next}"
            );
            query = next.to_owned();
        }
        assert_eq!(seen, ["/a,1", "/b,1", "/c,1"]);
        let long = format!("{PAGES}&limit=1&filter=page!=/{}", "x".repeat(MAX_LINK_BYTES));
        let answer = got(&house, "GET", &long, json!({})).await;
        assert_eq!((answer.status_code, header(&answer, "link")), (200, None));
        let body: Value = serde_json::from_slice(&bytes(&answer)).unwrap();
        assert!(body["next_cursor"].is_string());
    });
}

#[test]
fn a_cell_of_csv_is_no_formula_and_no_second_cell() {
    run(async {
        let house = House::new().await;
        for (number, title) in
            ["=1+1", "+1", "-1", "@SUM(A1)", "a,b", "say \"hi\"", "two\nlines", "plain"]
                .iter()
                .enumerate()
        {
            let fields = json!({"url": format!("https://shop.example/{number}"), "title": title});
            hit(&house, 0, "192.0.2.1", fields).await;
        }
        let target = "/v1/sites/1/metrics?metrics=pageviews&by=title&order=title&format=csv";
        let csv = String::from_utf8(bytes(&got(&house, "GET", target, json!({})).await)).unwrap();
        for cell in [
            "'=1+1,1",
            "'+1,1",
            "'-1,1",
            "'@SUM(A1),1",
            "\"a,b\",1",
            "\"say \"\"hi\"\"\",1",
            "plain,1",
        ] {
            assert!(csv.contains(&format!("\r\n{cell}\r\n")), "{cell} in {csv}");
        }
        assert!(csv.starts_with("title,pageviews\r\n") && csv.ends_with("\r\n"));
    });
}

#[test]
fn an_answer_that_memory_has_no_room_for_is_refused() {
    run(async {
        let house = with_pages(&["/a", "/b"]).await;
        // Hours of 20 years for each page.
        let target = |from: &str| {
            format!(
                "/v1/sites/1/metrics?metrics=pageviews,visits,visitors&by=page&interval=hour&compare=previous&from={from}&to=2026-03-10&limit=1000000000&format=csv"
            )
        };
        let answer = got(&house, "GET", &target("2008-01-01"), json!({})).await;
        assert_eq!(answer.status_code, 422);
        let problem = String::from_utf8(bytes(&answer)).unwrap();
        assert!(problem.contains(&MAX_ANSWER_VALUES.to_string()), "{problem}");
        assert_eq!(got(&house, "GET", &target("2026-01-01"), json!({})).await.status_code, 200);
    });
}

#[test]
fn a_token_asks_as_often_as_the_setting_allows() {
    run(async {
        let mut house = House::new().await;
        let settings =
            ApiSettings { token_rate: std::num::NonZeroU32::new(2), ..ApiSettings::default() };
        house.query = house.query.with_settings(settings);
        let statuses = async |count: usize| {
            let mut statuses = Vec::new();
            for _ in 0..count {
                statuses.push(got(&house, "GET", PAGES, json!({})).await.status_code);
            }
            statuses
        };
        assert_eq!(statuses(3).await, [200, 200, 429]);
        let refused = got(&house, "GET", PAGES, json!({})).await;
        assert_eq!(header(&refused, "retry-after"), Some("31"));
        assert_eq!(got(&house, "GET", "/v1/health", json!({})).await.status_code, 200);
        house.clock.advance(30_000);
        assert_eq!(statuses(2).await, [200, 429]);
    });
}

#[test]
fn what_a_token_does_not_open_is_not_told() {
    run(async {
        let house = House::new().await;
        let random = SeededRandom::new(9);
        let bounds = Bounds { sites: Some(vec![2]), expires: Some("2026-03-10".parse().unwrap()) };
        let other = add_token(&house.store, &random, 0, (true, false), bounds).await.unwrap();
        let status = async |site: i32, token: &str| {
            let headers = json!({"authorization": token});
            let target = format!("/v1/sites/{site}/metrics");
            let answer = house.query(http_event("GET", &target, &headers, "", "203.0.113.9")).await;
            let mut problem: Value = serde_json::from_slice(&bytes(&answer)).unwrap();
            problem["request_id"].take();
            (answer.status_code, problem)
        };
        let bearer = format!("Bearer {other}");
        assert_eq!(status(1, &bearer).await, status(99, &bearer).await, "a site and none");
        assert_eq!(status(1, &bearer).await.0, 403);
        for token in ["", "Bearer", "Bearer x", "Basic eDp4", &format!("Bearer {}", "0".repeat(32))]
        {
            assert_eq!(status(1, token).await, status(99, token).await, "{token}");
            assert_eq!(status(1, token).await.0, 401, "{token}");
        }
        house.clock.advance(24 * 3_600_000);
        assert_eq!(status(2, &bearer).await.0, 401, "after its last date");
    });
}

#[test]
fn a_token_sees_the_sites_that_it_opens() {
    run(async {
        let house = House::new().await;
        let settings = json!({
            "id": 7, "name": "Shop", "timezone": "Europe/Berlin", "hosts": ["shop.example"],
            "sections": [{"name": "news", "include": ["/news"]}],
            "segments": [{"name": "uk", "filter": "country==GB"}],
            "goals": [{"id": 3, "name": "Order", "match": "url", "type": "contains", "pattern": "/thanks"}],
        });
        let settings = SiteSettings::parse(&settings.to_string()).unwrap();
        put_site(&house.store, &settings, NOW_MS, false).await.unwrap();
        let of = async |token: &str| {
            let headers = json!({"authorization": format!("Bearer {token}")});
            let event = http_event("GET", "/v1/sites", &headers, "", "203.0.113.9");
            let answer = house.query(event).await;
            let body: Value = serde_json::from_slice(&bytes(&answer)).unwrap();
            (answer.status_code, body)
        };
        let ids = |body: &Value| -> Vec<i64> {
            body["sites"].as_array().unwrap().iter().map(|it| it["id"].as_i64().unwrap()).collect()
        };
        let (status, body) = of(&house.token).await;
        assert_eq!((status, ids(&body)), (200, vec![1, 7]));
        let shop = json!({
            "id": 7, "name": "Shop", "timezone": "Europe/Berlin", "currency": "EUR",
            "hosts": ["shop.example"], "sections": ["news"], "segments": ["uk"],
            "goals": [{"id": 3, "name": "Order"}], "dimensions": [],
        });
        assert_eq!(body["sites"][1], shop);
        let random = SeededRandom::new(7);
        for (sites, seen) in [(vec![7], vec![7]), (vec![2], vec![])] {
            let bounds = Bounds { sites: Some(sites), ..Bounds::default() };
            let token =
                add_token(&house.store, &random, NOW_MS, (true, false), bounds).await.unwrap();
            house.clock.advance(60_000);
            let (status, body) = of(&token).await;
            assert_eq!((status, ids(&body)), (200, seen));
        }
        assert_eq!(of("0").await.0, 401);
    });
}
