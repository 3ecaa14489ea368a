//! Whole events, mutated: whatever a stranger sends, nothing panics, nothing is unaccounted for,
//! and no address leaves.
//!
//! `HITLAKE_FUZZ_CASES` (default 512) says how many; `HITLAKE_FUZZ_SEED` repeats a run.

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lake::clock::{Random as _, SystemRandom};
use lake::environment::Environment;
use lake::hit::Hit;
use lake::limits::{
    MAX_CLIENT_HINTS_BYTES, MAX_DIMENSION_BYTES, MAX_DIMENSIONS, MAX_EXTRA_BYTES,
    MAX_FURTHER_DIMENSIONS, MAX_ID_BYTES, MAX_ITEMS_BYTES, MAX_RECORD_BYTES, MAX_REFERRER_BYTES,
    MAX_TEXT_BYTES, MAX_USER_AGENT_BYTES,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::sync::atomic::Ordering;

use crate::world::{Answer, IP, SECRET, World, event};

const DEFAULT_CASES: u32 = 512;
const FORWARDED: &str = "198.51.100.213";
const VIEWER: &str = "192.0.2.201";

/// Valid requests of every protocol: method, target, body.
const BASES: [(&str, &str, &str); 12] = [
    (
        "POST",
        "/hit",
        r#"{"v":1,"site":1,"kind":"pageview","id":"019a0e0a-1234-7000-8000-000000000001","ts":1795450905000,"sent":1795450906000,"url":"https://shop.example/a;b=1?q=x&utm_source=n&a[]=1&a[]=2#frag=1","referrer":"https://r.example/?q=1","title":"Größe 👟","dimensions":{"1":"x","20":"y"},"visitor":"abc","consent":true,"timings":{"network_ms":1},"engaged_ms":5,"scroll_percent":50,"status":200}"#,
    ),
    (
        "POST",
        "/hit",
        r#"[{"v":1,"site":1,"kind":"event","event":{"category":"a","action":"b","name":"c","value":1.5}},{"v":1,"site":2,"kind":"order","order":{"id":"A","revenue":1e3,"items":[["s","n",["c"],1,2]]}},{"v":1,"site":1,"kind":"goal","goal":{"id":1,"revenue":5}},{"v":1,"site":9,"kind":"ping"}]"#,
    ),
    (
        "POST",
        "/hit",
        r#"{"v":1,"site":2,"kind":"search","search":{"term":"x","category":"y","results":3},"content":{"name":"n","piece":"p","target":"t","interaction":"i"},"user_id":"u","new_visit":true,"screen":"1x1","language":"de","timezone":"Europe/Berlin","ip":"10.9.8.7","user_agent":"x","country":"de"}"#,
    ),
    (
        "GET",
        "/hit.gif?v=1&site=1&kind=event&event_category=a&event_action=b&dimensions_1=x&timings_network_ms=4&url=https%3A%2F%2Fa.example%2F%3Fq%3D1",
        "",
    ),
    (
        "GET",
        "/matomo.php?idsite=1&rec=1&r=1&h=16&m=21&s=42&url=https%3A%2F%2Fshop.example%2Fa%3Futm_campaign%3DS%26a%5B%5D%3D1&urlref=%2Fapp&_id=a393778ca5955dbc&_refts=1&_ref=http%3A%2F%2Fr%2F&_rcn=c&_rck=k&pf_net=1&pv_id=u3PpWc&uadata=%7B%7D&pdf=1&res=1x1&cs=windows-1251&dimension1=x&cvar=%7B%7D",
        "",
    ),
    ("POST", "/matomo.php?idsite=1&rec=1&e_c=a&e_a=b&e_n=c&e_v=1.5&ca=1", ""),
    (
        "POST",
        "/piwik.php",
        "idsite=1&rec=1&download=http%3A%2F%2Fa%2Fb.zip&search=x&search_cat=c&search_count=false&c_n=n&c_i=i&link=l",
    ),
    (
        "POST",
        "/matomo.php",
        "idsite=1&rec=1&idgoal=0&ec_id=A&revenue=1.5&ec_items=%5B%5D&ec_st=1&ec_tx=2&uid=u&new_visit=1&ping=1",
    ),
    (
        "POST",
        "/matomo.php",
        r#"{"requests":["?idsite=1&rec=1&url=http://a.example/&cdt=2026-11-23+12:00:00","?idsite=9&rec=1",{"idsite":2,"rec":1,"cdt":1795450000,"cdo":5,"cvar":{"1":["a","b"]}}]}"#,
    ),
    (
        "POST",
        "/matomo.php",
        r#"{"requests":[{"idsite":1,"rec":1,"cid":"0123456789abcdef","country":"fr","cdt":"2015-05-17 10:05:03"}],"token_auth":"TOKEN","send_image":0}"#,
    ),
    ("GET", "/tracker.js", ""),
    ("OPTIONS", "/matomo.php", ""),
];
const METHODS: [&str; 7] = ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "X"];
const PATHS: [&str; 8] =
    ["/hit", "/hit.gif", "/matomo.php", "/piwik.php", "/tracker.js", "/", "", "/../matomo.php"];
const HEADERS: [&str; 18] = [
    "user-agent",
    "accept-language",
    "origin",
    "referer",
    "cookie",
    "sec-gpc",
    "dnt",
    "x-moz",
    "authorization",
    "if-none-match",
    "sec-ch-ua-full-version-list",
    "sec-ch-ua",
    "sec-ch-ua-form-factors",
    "sec-ch-ua-model",
    "x-origin-verify",
    "cloudfront-viewer-city",
    "cloudfront-viewer-country",
    "content-type",
];
/// Pieces that mean something to some parser.
const PIECES: [&str; 24] = [
    "&",
    "=",
    "%",
    "%00",
    "%ff",
    "%F0%9F%91%9F",
    "+",
    "#",
    "?",
    ";",
    "[]",
    "%5B%5D",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "{",
    "}",
    "null",
    "-1",
    "9223372036854775808",
    "1e999",
    "://",
    "\u{202e}",
];

/// A change of some bytes: at a place (in 65,536ths of the length), what.
#[derive(Debug, Clone)]
enum Mutation {
    Flip(u16, u8),
    Cut(u16),
    Remove(u16, u8),
    Insert(u16, usize),
    Repeat(u16, u8, u16),
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let place = |at: u16| usize::from(at) * bytes.len() / 65_536;
        match *self {
            Self::Flip(at, mask) => {
                let at = place(at);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= mask;
                }
            }
            Self::Cut(at) => bytes.truncate(place(at)),
            Self::Remove(at, length) => {
                let at = place(at);
                bytes.drain(at..(at + usize::from(length)).min(bytes.len()));
            }
            Self::Insert(at, piece) => {
                let at = place(at);
                bytes.splice(at..at, PIECES[piece].bytes());
            }
            Self::Repeat(at, length, times) => {
                let at = place(at);
                let part = bytes[at..(at + usize::from(length)).min(bytes.len())].to_vec();
                bytes.splice(at..at, part.repeat(usize::from(times)));
            }
        }
    }
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let one = prop_oneof![
        1 => (any::<u16>(), any::<u8>()).prop_map(|(at, mask)| Mutation::Flip(at, mask)),
        1 => any::<u16>().prop_map(Mutation::Cut),
        1 => (any::<u16>(), any::<u8>()).prop_map(|(at, length)| Mutation::Remove(at, length)),
        4 => (any::<u16>(), 0..PIECES.len()).prop_map(|(at, piece)| Mutation::Insert(at, piece)),
        1 => (any::<u16>(), 1..40_u8, 1..600_u16).prop_map(|(at, length, times)| Mutation::Repeat(at, length, times)),
    ];
    prop_oneof![Just(Vec::new()), proptest::collection::vec(one, 1..6)]
}

#[derive(Debug, Clone)]
struct Case {
    base: usize,
    method: Option<usize>,
    path: Option<usize>,
    query: Vec<Mutation>,
    body: Vec<Mutation>,
    headers: Vec<(usize, Vec<u8>)>,
    /// 0 plain, 1 encoded and said so, 2 said so only.
    base64: u8,
    has_token: bool,
    stream_fails: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    let rarely =
        |range: std::ops::Range<usize>| prop_oneof![9 => Just(None), 1 => range.prop_map(Some)];
    let value = prop_oneof![
        "[ -~]{0,40}".prop_map(String::into_bytes),
        proptest::collection::vec(prop_oneof![0x20..0x7f_u8, 0x80..=0xff_u8], 0..700),
        Just(b"1".to_vec()),
        Just(SECRET.as_bytes().to_vec()),
    ];
    (
        (0..BASES.len(), rarely(0..METHODS.len()), rarely(0..PATHS.len())),
        mutations(),
        mutations(),
        proptest::collection::vec((0..HEADERS.len(), value), 0..5),
        (
            prop_oneof![6 => Just(0_u8), 2 => Just(1), 1 => Just(2)],
            any::<bool>(),
            proptest::bool::weighted(0.1),
        ),
    )
        .prop_map(
            |((base, method, path), query, body, headers, (base64, has_token, stream_fails))| {
                Case { base, method, path, query, body, headers, base64, has_token, stream_fails }
            },
        )
}

impl Case {
    /// The event, and the body's bytes as they are meant.
    fn event(&self, world: &World) -> (ApiGatewayV2httpRequest, Vec<u8>) {
        let (method, target, body) = BASES[self.base];
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let method = self.method.map_or(method, |method| METHODS[method]);
        let path = self.path.map_or(path, |path| PATHS[path]);
        let mut query = query.as_bytes().to_vec();
        self.query.iter().for_each(|mutation| mutation.apply(&mut query));
        let mut body = body.replace("TOKEN", &world.token).into_bytes();
        self.body.iter().for_each(|mutation| mutation.apply(&mut body));
        let text = String::from_utf8_lossy(&body).into_owned();
        let sent = if self.base64 == 1 { STANDARD.encode(&body) } else { text.clone() };
        let target = format!("{path}?{}", String::from_utf8_lossy(&query));
        let viewer = format!("{VIEWER}:443");
        let bearer = format!("Bearer {}", world.token);
        let mut headers =
            vec![("x-forwarded-for", FORWARDED), ("cloudfront-viewer-address", &viewer)];
        if self.has_token {
            headers.push(("authorization", &bearer));
        }
        let mut event = event(method, &target, &sent, &headers);
        for (name, value) in &self.headers {
            if let Ok(value) = http::HeaderValue::from_bytes(value) {
                event.headers.append(HEADERS[*name], value);
            }
        }
        event.is_base64_encoded = self.base64 > 0;
        event.cookies = Some(vec![format!("_pk_id={text}")]);
        (event, if self.base64 == 1 { body } else { text.into_bytes() })
    }
}

fn check(world: &World, case: &Case) -> Result<(), TestCaseError> {
    world.stream.fails.store(case.stream_fails, Ordering::SeqCst);
    let (event, body) = case.event(world);
    let path = event.raw_path.clone().unwrap_or_default();
    let answer = world.send(event);
    let records = world.records();
    prop_assert!(
        answer.status < 500 || answer.status == 503 && case.stream_fails,
        "{}",
        answer.status
    );
    prop_assert!((200..600).contains(&answer.status));
    accounted(&path, &answer, records.len(), &body)?;
    for record in &records {
        prop_assert!(record.data.len() <= MAX_RECORD_BYTES);
        let text = std::str::from_utf8(&record.data).expect("records are UTF-8");
        for address in [IP, FORWARDED, VIEWER] {
            prop_assert!(!text.contains(address), "an address left: {}", text);
        }
        let hit = Hit::decode(&record.data).expect("records are hits");
        prop_assert_eq!(&record.partition_key, &hit.id.to_string());
        within_limits(&hit)?;
    }
    Ok(())
}

/// Accepted and dropped are what was sent, and accepted is what lies on the stream.
fn accounted(path: &str, answer: &Answer, stored: usize, body: &[u8]) -> Result<(), TestCaseError> {
    // Half a character is no reason to refuse a body, but serde_json has no text for it.
    let body = &*ingest::parse::halves::mended(body);
    let number = |name: &str| answer.header(name).map(|text| text.parse::<usize>().unwrap());
    if let Some(accepted) = number("hitlake-accepted") {
        let dropped: usize = answer.header("hitlake-dropped").map_or(0, |reasons| {
            reasons
                .split(", ")
                .map(|reason| reason.split_once('=').unwrap().1.parse::<usize>().unwrap())
                .sum()
        });
        let sent = match serde_json::from_slice::<serde_json::Value>(body) {
            Ok(serde_json::Value::Array(hits)) if path == "/hit" => hits.len(),
            _ => 1,
        };
        prop_assert_eq!(accepted, stored);
        prop_assert_eq!(accepted + dropped, sent);
    }
    // The answer to HEAD has no body.
    let has_json =
        answer.header("content-type") == Some("application/json") && !answer.body.is_empty();
    if answer.status == 200 && has_json {
        let said: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let of = |name: &str| said[name].as_u64().unwrap() as usize;
        let sent = serde_json::from_slice::<serde_json::Value>(body)
            .ok()
            .and_then(|body| Some(body.get("requests")?.as_array()?.len()));
        prop_assert!(stored <= of("tracked"));
        prop_assert!(
            of("tracked") + of("invalid") == sent.unwrap_or(0)
                || of("tracked") + of("invalid") == 0
        );
    }
    if answer.status >= 400 {
        prop_assert_eq!(stored, 0);
    }
    Ok(())
}

fn within_limits(hit: &Hit) -> Result<(), TestCaseError> {
    let attribution = hit.attribution.clone().unwrap_or_default();
    let campaign = hit.campaign.clone().unwrap_or_default();
    let texts = [
        (&hit.user_agent, MAX_USER_AGENT_BYTES),
        (&hit.referrer, MAX_REFERRER_BYTES),
        (&hit.client_hints, MAX_CLIENT_HINTS_BYTES),
        (&hit.order_items, MAX_ITEMS_BYTES),
        // The room counts texts; as JSON they may need more of it, and names of what was left out.
        (&hit.extra, 6 * MAX_EXTRA_BYTES + 200 + MAX_FURTHER_DIMENSIONS * 20),
        (&hit.user_id, MAX_ID_BYTES),
        (&hit.page_view, MAX_ID_BYTES),
        (&hit.order_id, MAX_ID_BYTES),
        (&hit.region, MAX_ID_BYTES),
        (&hit.city, MAX_ID_BYTES),
        (&hit.language, 20),
        (&hit.timezone, MAX_ID_BYTES),
        (&hit.screen, MAX_ID_BYTES),
        (&hit.country, 2),
        (&hit.search_category, MAX_ID_BYTES),
        (&hit.host, MAX_TEXT_BYTES),
        (&hit.path, MAX_TEXT_BYTES),
        (&hit.query, MAX_TEXT_BYTES),
        (&hit.title, MAX_TEXT_BYTES),
        (&hit.target, MAX_TEXT_BYTES),
        (&hit.event_category, MAX_TEXT_BYTES),
        (&hit.event_action, MAX_TEXT_BYTES),
        (&hit.event_name, MAX_TEXT_BYTES),
        (&hit.search_term, MAX_TEXT_BYTES),
        (&hit.content_name, MAX_TEXT_BYTES),
        (&hit.content_piece, MAX_TEXT_BYTES),
        (&hit.content_interaction, MAX_TEXT_BYTES),
        (&attribution.campaign, MAX_TEXT_BYTES),
        (&attribution.keyword, MAX_TEXT_BYTES),
        (&attribution.referrer, MAX_REFERRER_BYTES),
        (&Some(campaign.name), MAX_TEXT_BYTES),
        (&campaign.term, MAX_TEXT_BYTES),
    ];
    for (text, limit) in texts {
        let length = text.as_ref().map_or(0, String::len);
        prop_assert!(length <= limit, "{} bytes above {}: {:?}", length, limit, text);
    }
    for (number, value) in &hit.dimensions {
        prop_assert!((1..=MAX_DIMENSIONS).contains(number) && value.len() <= MAX_DIMENSION_BYTES);
    }
    Ok(())
}

#[test]
fn any_event_is_answered_and_accounted_for() {
    let environment = Environment::process();
    let cases = environment.parse("HITLAKE_FUZZ_CASES", "a number of cases").unwrap();
    let seed = environment.parse("HITLAKE_FUZZ_SEED", "a number").unwrap();
    let seed: u64 =
        seed.unwrap_or_else(|| (SystemRandom.next_u128() & u128::from(u64::MAX)) as u64);
    let cases: u32 = cases.unwrap_or(DEFAULT_CASES);
    let world = World::new(&[
        r#"{"id":1,"hosts":["shop.example"],"excluded_parameters":["token"],"excluded_user_agents":["/bad.*bot/i","x{3}"],"goals":[{"id":1,"name":"a"}],"keep_fragment":true}"#,
        r#"{"id":2,"timezone":"America/Barbados","identity":"weekly","honour":["gpc","dnt"],"excluded_referrers":["spam.example"],"site_search":{"on":false}}"#,
    ]);
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    let bytes: Vec<u8> = seed.to_be_bytes().repeat(4);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let outcome =
        TestRunner::new_with_rng(config, rng).run(&self::cases(), |case| check(&world, &case));
    if let Err(error) = outcome {
        panic!("repeat with HITLAKE_FUZZ_SEED={seed} HITLAKE_FUZZ_CASES={cases}: {error}");
    }
}
