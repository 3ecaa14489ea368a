//! Random and hostile requests to the metrics API: whatever a stranger sends is answered with 2xx,
//! 3xx or 4xx, nothing panics, and memory stays bounded.
//!
//! 2,000 requests, times `HITLAKE_SOAK`; `HITLAKE_FUZZ_SEED` repeats a run.

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, Method};
use lake::clock::{Random, SeededRandom, SystemRandom};
use lake::environment::Environment;
use query::dimension::DIMENSIONS;
use query::metric::METRICS;
use query::question::PARAMETERS;
use serde_json::{Value, json};

use crate::house::{House, http_event};
use crate::questions::{hit, run};

const REQUESTS: usize = 2_000;
/// What all requests together may add to the memory of the process: the largest answer, of
/// MAX_ANSWER_VALUES values, and as much again for what it is made of.
const MOST_MEMORY_KB: u64 = 768 * 1024;

const METHODS: [&str; 12] = [
    "GET", "GET", "GET", "GET", "GET", "POST", "POST", "HEAD", "DELETE", "OPTIONS", "TRACE",
    "X-\u{7f}",
];
const PATHS: [&str; 26] = [
    "/v1/sites/1/metrics",
    "/v1/sites/1/metrics",
    "/v1/metrics",
    "/v1/metrics",
    "/v1/sites/1/pages",
    "/v1/sites/1/downloads",
    "/v1/sites/1/live",
    "/v1/sites/1/ledger",
    "/v1/health",
    "/openapi.json",
    "/v1/sites/1/visitors/%00",
    "/v1/queries",
    "/v1/queries/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "/v1/erasures/1-0-0",
    "/v1/erasures/../../settings/tokens.json",
    "/v1/sites/99999999999999999999/metrics",
    "/v1/sites/-1/metrics",
    "/v1/sites/1/metrics/",
    "/v1/sites/%31/metrics",
    "/v1//sites/1/metrics",
    "/v1/sites/1/../2/metrics",
    "//",
    "",
    "/v1/sites/1/met\u{0}rics",
    "/v1/sites/１/metrics",
    "/v1/sites/1/visitors/%ff%fe",
];
/// What somebody means well by.
const SENSIBLE: [&str; 30] = [
    "1",
    "1,2",
    "all",
    "day",
    "hour",
    "none",
    "month",
    "2026-03-10",
    "2026-03-01",
    "today",
    "last7",
    "previous3",
    "previous",
    "year",
    "exclude",
    "only",
    "json",
    "csv",
    "arrow",
    "true",
    "/a",
    "UTC",
    "Asia/Kathmandu",
    "-pageviews",
    "time",
    "-time",
    "week",
    "country==GB;device!=mobile",
    "visited_page!=/a,eventAction==x;eventValue>9",
    "range",
];
/// What somebody does not.
const HOSTILE: [&str; 48] = [
    "",
    "\u{0}",
    "a\u{0}b",
    "'",
    "' OR 1=1 --",
    "\"; DROP TABLE hits; --",
    "1) UNION SELECT * FROM hits --",
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "+1",
    "-1",
    "--",
    "-",
    ",",
    ",,,",
    ";",
    ";;",
    "==",
    "page==",
    "page==;",
    "==x",
    "page=@\\",
    "page==%25252525",
    "%",
    "%0",
    "%zz",
    "\u{202e}",
    "\u{feff}",
    "ＭＥＴＲＩＣＳ",
    "é",
    "👟",
    "9223372036854775807",
    "18446744073709551616",
    "-9223372036854775809",
    "1e999",
    "0x10",
    "NaN",
    "1.5",
    "0000-00-00",
    "2026-02-30",
    "9999-12-31",
    "0001-01-01",
    "-9999-01-01",
    "last99999999999",
    "last4294967295",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "${jndi:ldap://x}",
];
const NAMES: [&str; 8] =
    ["", "metric", "METRICS", "metrics[]", "__proto__", "sites\u{0}", "q", "%6detrics"];
const HEADERS: [&str; 8] = [
    "accept",
    "accept-encoding",
    "if-none-match",
    "origin",
    "content-type",
    "range",
    "x-forwarded-for",
    "authorization",
];
const HEADER_VALUES: [&str; 16] = [
    "*/*",
    "text/csv",
    "application/vnd.apache.arrow.stream",
    "text/html",
    "gzip",
    "zstd, gzip;q=0",
    "identity;q=0",
    "*",
    "W/\"0\"",
    "\"",
    ";q=;q=",
    ",,,",
    "https://evil.example",
    "bytes=0-1",
    "Bearer ",
    "Bearer 00000000000000000000000000000000",
];

/// Chance, repeatable.
struct Dice(SeededRandom);

impl Dice {
    fn below(&self, count: usize) -> usize {
        usize::try_from(self.0.next_u128() % count as u128).unwrap()
    }

    fn one_in(&self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn of<T: Copy>(&self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    fn name(&self) -> String {
        if self.one_in(12) { self.of(&NAMES).to_owned() } else { self.of(&PARAMETERS).to_owned() }
    }

    fn value(&self, name: &str) -> String {
        match self.below(20) {
            0..6 => self.of(&HOSTILE).to_owned(),
            6 => self
                .of(&["x", "a,", "page==a,", "page==a;", "\u{0}", "%2525", "last"])
                .repeat(1 << self.below(13)),
            7 => (0..self.below(600)).map(|_| self.word()).collect::<Vec<_>>().join(","),
            8 => (0..self.below(200))
                .map(|_| self.condition())
                .collect::<Vec<_>>()
                .join(self.of(&[";", ","])),
            _ => match name {
                "metrics" | "by" => {
                    (0..=self.below(4)).map(|_| self.word()).collect::<Vec<_>>().join(",")
                }
                "filter" => self.condition(),
                // Long ranges cost the test's time; their bound is tested in `http`.
                "from" | "to" | "date" => {
                    self.of(&["2026-03-10", "2026-03-09", "today", "yesterday", "last7"]).to_owned()
                }
                _ => self.of(&SENSIBLE).to_owned(),
            },
        }
    }

    fn word(&self) -> &'static str {
        if self.one_in(2) {
            METRICS[self.below(METRICS.len())].name
        } else {
            DIMENSIONS[self.below(DIMENSIONS.len())].name
        }
    }

    fn condition(&self) -> String {
        let operator =
            self.of(&["==", "!=", "<", "<=", ">", ">=", "=@", "!@", "=^", "=$", "=", "=~", ""]);
        let prefix = self.of(&["", "", "visited_", "visited_visited_"]);
        let value = if self.one_in(2) { self.of(&HOSTILE) } else { self.of(&SENSIBLE) };
        format!("{prefix}{}{operator}{value}", self.word())
    }

    /// Escaped as it should be, or not, or too often.
    fn written(&self, text: &str) -> String {
        let escaped = |text: &str| {
            let escape = |byte: u8| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02x}")
                }
            };
            text.bytes().map(escape).collect::<String>()
        };
        match self.below(10) {
            0 => text.to_owned(),
            1 => escaped(&escaped(text)),
            2 => format!("{}%ff", escaped(text)),
            _ => escaped(text),
        }
    }

    fn query(&self) -> String {
        let mut pairs = Vec::new();
        for _ in 0..self.below(6) {
            let name = self.name();
            let pair = format!("{}={}", name, self.written(&self.value(&name)));
            if self.one_in(6) {
                pairs.push(pair.clone());
            }
            pairs.push(pair);
        }
        if self.one_in(20) {
            // Every parameter, each twice.
            pairs.extend(PARAMETERS.iter().chain(&PARAMETERS).map(|name| format!("{name}=1")));
        }
        pairs.join(self.of(&["&", "&", "&", "&&", ";"]))
    }

    fn body(&self) -> String {
        let mut members = serde_json::Map::from_iter([("sites".to_owned(), json!([1]))]);
        for _ in 0..self.below(5) {
            let name = self.name();
            let text = json!(self.value(&name));
            let value = match self.below(8) {
                0 => json!([text, text]),
                1 => json!({"a": text}),
                2 => json!(self.of(&[-1.5, 0.0, 1e300, 5.0])),
                3 => self.of(&[Value::Null, json!(true)].each_ref()).clone(),
                _ => text,
            };
            members.insert(name, value);
        }
        let body = Value::Object(members).to_string();
        match self.below(12) {
            0 => "[".repeat(1 << self.below(15)),
            1 => format!("{body}{body}"),
            2 => body.chars().take(self.below(body.len())).collect(),
            3 => " ".repeat(70_000),
            4 => body.replacen('{', r#"{"by":"page","by":"page","#, 1),
            _ => body,
        }
    }

    fn request(&self, house: &House) -> ApiGatewayV2httpRequest {
        let method = self.of(&METHODS);
        let mut path = self.of(&PATHS).to_owned();
        if self.one_in(10) {
            path = format!("{path}{}", self.of(&HOSTILE));
        }
        let body = if method == "POST" || self.one_in(20) { self.body() } else { String::new() };
        let mut event = http_event("GET", "/", &json!({}), &body, "203.0.113.9");
        event.request_context.http.method =
            Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
        event.raw_path = Some(path);
        event.raw_query_string = Some(self.query());
        let token = HeaderValue::from_str(&format!("Bearer {}", house.token)).unwrap();
        event.headers.insert("authorization", token);
        for _ in 0..self.below(3) {
            let name = HeaderName::from_static(self.of(&HEADERS));
            let value = self.of(&HEADER_VALUES).as_bytes();
            let junk = [value, b"\xff\xfe"].concat();
            let value = if self.one_in(8) { &junk } else { value };
            if name != "authorization" || self.one_in(4) {
                event.headers.insert(name, HeaderValue::from_bytes(value).unwrap());
            }
        }
        if self.one_in(10) {
            event.is_base64_encoded = true;
            let bytes = if self.one_in(2) { body.into_bytes() } else { vec![0xff, 0xfe, 0] };
            event.body = Some(if self.one_in(2) { STANDARD.encode(bytes) } else { "%".to_owned() });
        }
        if self.one_in(50) {
            event = ApiGatewayV2httpRequest::default();
        }
        event
    }
}

/// The most memory that the process had so far.
fn peak_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[test]
fn hostile_requests_are_answered_or_refused() {
    let environment = Environment::process();
    let soak: usize = environment.parse("HITLAKE_SOAK", "a number").unwrap().unwrap_or(1);
    let seed = environment.parse("HITLAKE_FUZZ_SEED", "a number").unwrap();
    let seed = seed.unwrap_or_else(|| u64::try_from(SystemRandom.next_u128() >> 64).unwrap());
    // Shown where something panics before it is asserted.
    println!("HITLAKE_FUZZ_SEED={seed}");
    let dice = Dice(SeededRandom::new(seed));
    run(async {
        let house = House::new().await;
        for path in ["/a", "/b?c=1", "/=1+1"] {
            let fields = json!({"url": format!("https://shop.example{path}"), "title": "=1+1"});
            hit(&house, 0, "192.0.2.1", fields).await;
        }
        let before = peak_kb();
        let mut answered = [0; 6];
        for number in 0..REQUESTS * soak {
            let event = dice.request(&house);
            let told = format!("HITLAKE_FUZZ_SEED={seed}, request {number}: {event:?}");
            let told = told.chars().take(3_000).collect::<String>();
            let answer = house.query(event).await;
            let status = usize::try_from(answer.status_code).unwrap();
            assert!((200..500).contains(&status), "{status}: {told}");
            answered[status / 100] += 1;
            assert!(answer.headers.contains_key("request-id"), "{told}");
            let body = serde_json::to_value(&answer.body).unwrap();
            let kind = answer.headers.get("content-type").map(|it| it.to_str().unwrap());
            if status >= 400 && !answer.is_base64_encoded && !body.is_null() {
                assert_eq!(kind, Some("application/problem+json"), "{told}");
                let problem: Value = serde_json::from_str(body.as_str().unwrap()).expect(&told);
                assert_eq!(problem["status"], answer.status_code, "{told}");
                assert!(!problem["detail"].as_str().unwrap().is_empty(), "{told}");
            }
        }
        assert!(
            answered[2] > answered.iter().sum::<usize>() / 10,
            "too few are sound: {answered:?}; HITLAKE_FUZZ_SEED={seed} asks them again"
        );
        assert!(
            answered[4] > answered.iter().sum::<usize>() / 10,
            "too few are not: {answered:?}; HITLAKE_FUZZ_SEED={seed} asks them again"
        );
        if let (Some(before), Some(after)) = (before, peak_kb()) {
            let more = after - before;
            assert!(more < MOST_MEMORY_KB, "{more} KB more memory; HITLAKE_FUZZ_SEED={seed}");
        }
    });
}
