//! Our own protocol: its answers, limits and privileges.

use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lake::hit::Kind;
use lake::limits::{MAX_BODY_BYTES, MAX_CLOCK_SKEW_MS, MAX_HIT_AGE_MS, MAX_HITS_PER_BODY};
use serde_json::json;

use crate::world::{NOW_MS, SECRET, World, event};

fn world() -> World {
    World::new(&[
        r#"{"id":1,"hosts":["shop.example"],"goals":[{"id":1,"name":"a"}],"dimensions":[{"id":1,"name":"Plan"},{"id":2,"name":"x","active":false}]}"#,
        r#"{"id":2,"allowed_origins":["https://shop.example"],"honour":["dnt"],"excluded_user_agents":["Bad"],"excluded_referrers":["spam.example"]}"#,
    ])
}

fn hit(more: serde_json::Value) -> String {
    let mut hit = json!({"v":1,"site":1,"kind":"pageview","url":"https://shop.example/a"});
    hit.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    hit.to_string()
}

#[test]
fn every_reason_to_drop_is_said() {
    let world = world();
    let dropped = |body: &str, headers: &[(&str, &str)]| {
        let answer = world.send(event("POST", "/hit", body, headers));
        assert_eq!((answer.status, answer.header("hitlake-accepted")), (204, Some("0")), "{body}");
        answer.header("hitlake-dropped").unwrap().to_owned()
    };
    let old = NOW_MS - MAX_HIT_AGE_MS - 1;
    let two = |more: serde_json::Value| {
        let mut hit = json!({"site":2});
        hit.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self::hit(hit)
    };
    assert_eq!(dropped(&hit(json!({"site":9})), &[]), "unknown_site=1");
    assert_eq!(dropped(&hit(json!({"site":0})), &[]), "unknown_site=1");
    assert_eq!(dropped(&two(json!({})), &[("Origin", "https://a.example")]), "origin=1");
    assert_eq!(dropped(&hit(json!({"ts":old})), &[]), "clock=1");
    assert_eq!(dropped(&hit(json!({})), &[("Sec-GPC", "1")]), "do_not_track=1");
    assert_eq!(dropped(&two(json!({})), &[("DNT", "1")]), "do_not_track=1");
    assert_eq!(dropped(&two(json!({})), &[("User-Agent", "a bad one")]), "excluded=1");
    assert_eq!(dropped(&hit(json!({})), &[("X-Purpose", "preview")]), "prefetch=1");
    assert_eq!(
        dropped(&two(json!({"referrer":"https://www.spam.example/"})), &[]),
        "spam_referrer=1"
    );
    assert_eq!(dropped(&hit(json!({"kind":"x"})), &[]), "invalid=1");
    assert_eq!(dropped(&hit(json!({"kind":"goal","goal":{"id":2}})), &[]), "invalid=1");
    let both = format!("[{},{},7]", hit(json!({"site":9})), hit(json!({"site":9})));
    assert_eq!(dropped(&both, &[]), "unknown_site=2, invalid=1");
    let answer = world.post("/hit", &format!("[{},7]", hit(json!({}))));
    assert_eq!(answer.header("hitlake-accepted"), Some("1"));
    assert_eq!(answer.header("hitlake-dropped"), Some("invalid=1"));
}

#[test]
fn bodies_are_limited_before_and_after_base64() {
    let world = world();
    for (bytes, status) in
        [(MAX_BODY_BYTES - 1, 204), (MAX_BODY_BYTES, 204), (MAX_BODY_BYTES + 1, 413)]
    {
        let mut body = hit(json!({}));
        body.push_str(&" ".repeat(bytes - body.len()));
        assert_eq!(world.post("/hit", &body).status, status, "{bytes}");
        let mut encoded = event("POST", "/hit", &STANDARD.encode(body), &[]);
        encoded.is_base64_encoded = true;
        assert_eq!(world.send(encoded).status, status, "{bytes} in base64");
    }
    let mut broken = event("POST", "/hit", "***", &[]);
    broken.is_base64_encoded = true;
    assert_eq!(world.send(broken).status, 400);
    for (count, status) in
        [(MAX_HITS_PER_BODY - 1, 204), (MAX_HITS_PER_BODY, 204), (MAX_HITS_PER_BODY + 1, 413)]
    {
        let body = format!("[{}]", vec![hit(json!({})); count].join(","));
        let answer = world.post("/hit", &body);
        assert_eq!(answer.status, status, "{count}");
        if status == 413 {
            assert!(answer.text().contains("the limit is 500"));
        }
    }
    let answer = world.post("/hit", "{");
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (400, Some("application/problem+json"))
    );
}

#[test]
fn only_a_write_token_gives_time_address_and_country() {
    let world = world();
    let body = hit(json!({"ip":"198.51.100.9","user_agent":"Own/1","country":"de","ts":0}));
    let answer = world.post("/hit", &body);
    assert_eq!(answer.header("hitlake-dropped"), Some("clock=1"));
    let body = hit(json!({"ip":"198.51.100.9","user_agent":"Own/1","country":"de"}));
    let browser = ("User-Agent", "Browser/1");
    world.send(event("POST", "/hit", &body, &[browser]));
    let without = world.hit();
    assert_eq!(
        (without.user_agent.as_deref(), without.country.as_deref()),
        (Some("Browser/1"), None)
    );
    let bearer = format!("Bearer {}", world.token);
    let headers = [browser, ("Authorization", bearer.as_str())];
    world.send(event("POST", "/hit", &body, &headers));
    let with = world.hit();
    assert_eq!((with.user_agent.as_deref(), with.country.as_deref()), (Some("Own/1"), Some("DE")));
    assert_ne!(with.fingerprint, without.fingerprint);
    let old = hit(json!({"ts":1_431_857_103_000_i64}));
    world.send(event("POST", "/hit", &old, &headers));
    assert_eq!(world.hit().dt.to_string(), "2015-05-17");
    let wrong = [("Authorization", "Bearer 00000000000000000000000000000000")];
    assert_eq!(
        world.send(event("POST", "/hit", &old, &wrong)).header("hitlake-dropped"),
        Some("clock=1")
    );
}

#[test]
fn the_time_comes_from_the_hit() {
    let world = world();
    let earlier = NOW_MS - 3_600_000;
    // A version 7 UUID of an hour ago.
    let id = format!("{:08x}-{:04x}-7000-8000-000000000001", earlier >> 16, earlier & 0xFFFF);
    let ts = |more: serde_json::Value| {
        world.post("/hit", &hit(more));
        world.hit().ts
    };
    assert_eq!(ts(json!({"id":id})), earlier);
    assert_eq!(ts(json!({"id":id,"ts":earlier + 5})), earlier + 5);
    assert_eq!(ts(json!({})), NOW_MS);
    let off = MAX_CLOCK_SKEW_MS + 1;
    assert_eq!(ts(json!({"ts":earlier,"sent":NOW_MS - MAX_CLOCK_SKEW_MS})), earlier);
    assert_eq!(ts(json!({"ts":earlier,"sent":NOW_MS - off})), earlier + off);
    assert_eq!(ts(json!({"ts":i64::MAX,"sent":i64::MIN})), NOW_MS);
}

#[test]
fn ids_are_the_clients_or_one_of_a_kind() {
    let world = world();
    let body = hit(json!({"id":"019A0E0A-1234-7000-8000-000000000001","ts":NOW_MS}));
    world.post("/hit", &body);
    assert_eq!(world.hit().id.to_string(), "019a0e0a-1234-7000-8000-000000000001");
    for _ in 0..2 {
        world.post("/hit", &format!("[{0},{0}]", hit(json!({}))));
    }
    let ids: Vec<_> = world.hits().iter().map(|hit| hit.id).collect();
    assert_eq!(ids[..2], ids[2..], "a body of many that is sent again counts once");
    assert_ne!(ids[0], ids[1]);
    world.post("/hit", &hit(json!({})));
    world.post("/hit", &hit(json!({})));
    let ids: Vec<_> = world.hits().iter().map(|hit| hit.id).collect();
    assert_ne!(ids[0], ids[1], "one that says nothing of itself counts each time");
}

#[test]
fn a_visitor_needs_consent_and_a_dimension_a_place() {
    let world = world();
    let sent = json!({"visitor":"abc","dimensions":{"1":"gold","2":"x","3":"y"}});
    world.post("/hit", &hit(sent.clone()));
    let hit_without = world.hit();
    assert_eq!(hit_without.client_id, None);
    assert_eq!(hit_without.dimensions.into_iter().collect::<Vec<_>>(), [(1, "gold".to_owned())]);
    let mut with = sent;
    with["consent"] = json!(true);
    world.post("/hit", &hit(with));
    assert!(world.hit().client_id.is_some());
}

#[test]
fn a_pixel_says_the_same() {
    let world = world();
    let referer = [("Referer", "https://shop.example/noscript")];
    let answer = world.send(event(
        "GET",
        "/hit.gif?v=1&site=1&kind=event&event_category=a&event_action=b&dimensions_1=g",
        "",
        &referer,
    ));
    assert_eq!((answer.status, answer.header("hitlake-accepted")), (204, Some("1")));
    let hit = world.hit();
    assert_eq!((hit.kind, hit.path.as_deref()), (Kind::Event, Some("/noscript")));
    assert_eq!(world.get("/hit.gif").header("hitlake-dropped"), Some("invalid=1"));
}

#[test]
fn scripts_of_any_origin_may_send_and_read() {
    let world = world();
    let origin = [("Origin", "https://shop.example")];
    let answer = world.send(event("OPTIONS", "/hit", "", &origin));
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example"));
    assert_eq!(answer.header("access-control-max-age"), Some("86400"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("content-type, authorization"));
    let answer = world.send(event("POST", "/hit", &hit(json!({})), &origin));
    assert_eq!(
        answer.header("access-control-expose-headers"),
        Some("hitlake-accepted, hitlake-dropped")
    );
    assert_eq!(answer.header("vary"), Some("origin"));
    assert_eq!(world.send(event("GET", "/hit", "", &[])).header("allow"), Some("POST, OPTIONS"));
    assert_eq!(world.get("/nothing").status, 404);
}

#[test]
fn the_tracker_is_sent_once() {
    let world = world();
    let first = world.get("/tracker.js");
    assert_eq!((first.status, first.header("cache-control")), (200, Some("public, max-age=3600")));
    assert!(!first.body.is_empty());
    let tag = first.header("etag").unwrap();
    let known = format!("W/{tag}, \"other\"");
    let again = world.send(event("GET", "/tracker.js", "", &[("If-None-Match", &known)]));
    assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, Some(tag)));
    let head = world.send(event("HEAD", "/tracker.js", "", &[]));
    assert_eq!((head.status, head.body.len(), head.header("etag")), (200, 0, Some(tag)));
}

#[test]
fn cloudfronts_headers_count_with_its_secret_only() {
    let world = world();
    let viewer = |secret: &str| {
        let headers = [
            ("CloudFront-Viewer-Address", "2001:db8::7:46532"),
            ("CloudFront-Viewer-Country", "DE"),
            ("CloudFront-Viewer-City", "M%C3%BCnchen"),
            ("X-Origin-Verify", secret),
        ];
        world.send(event("POST", "/hit", &hit(json!({})), &headers));
        world.hit()
    };
    let (trusted, forged, none) = (viewer(SECRET), viewer("open"), viewer(""));
    assert_eq!(
        (trusted.country.as_deref(), trusted.city.as_deref()),
        (Some("DE"), Some("München"))
    );
    assert_eq!((forged.country, forged.city), (None, None));
    assert_eq!(forged.fingerprint, none.fingerprint);
    assert_ne!(forged.fingerprint, trusted.fingerprint);
}

#[test]
fn hints_that_the_page_asked_for_are_kept() {
    let world = world();
    let phone = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36";
    let hints = [
        ("User-Agent", phone),
        ("Sec-CH-UA", r#""Chromium";v="156", "Not A(Brand";v="24""#),
        ("Sec-CH-UA-Platform", r#""Android""#),
        ("Sec-CH-UA-Mobile", "?1"),
    ];
    world.send(event("POST", "/hit", &hit(json!({})), &hints));
    assert_eq!(world.hit().client_hints, None, "the user agent says as much");
    let mut asked = hints.to_vec();
    asked.push(("Sec-CH-UA-Model", r#""Pixel 9""#));
    asked.push(("Sec-CH-UA-Form-Factors", r#""Mobile", "XR""#));
    world.send(event("POST", "/hit", &hit(json!({})), &asked));
    let said: serde_json::Value = serde_json::from_str(&world.hit().client_hints.unwrap()).unwrap();
    assert_eq!(said["model"], "Pixel 9");
    assert_eq!((&said["platform"], &said["mobile"]), (&json!("Android"), &json!(true)));
    assert_eq!(said["formFactors"], json!(["Mobile", "XR"]));
    assert_eq!(said["fullVersionList"][1], json!({"brand":"Not A(Brand","version":"24"}));
}

#[test]
fn what_the_stream_does_not_take_is_not_acknowledged() {
    let world = world();
    world.stream.fails.store(true, Ordering::SeqCst);
    let matomo = "/matomo.php?idsite=1&rec=1";
    let bulk = r#"{"requests":["?idsite=1&rec=1"]}"#;
    for answer in
        [world.post("/hit", &hit(json!({}))), world.get(matomo), world.post("/matomo.php", bulk)]
    {
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
        assert!(!answer.text().contains("out of order"), "clients get no internals");
    }
}

#[test]
fn instances_and_days_of_import_share_fingerprints() {
    let world = world();
    let bearer = format!("Bearer {}", world.token);
    let headers = [("Authorization", bearer.as_str())];
    let line = hit(json!({"ip":"198.51.100.9","user_agent":"x","ts":1_431_857_103_000_i64}));
    world.send(event("POST", "/hit", &line, &headers));
    let first = world.hit();
    world.clock.advance(24 * 3_600_000);
    let other = world.second();
    other.send(event("POST", "/hit", &line, &headers));
    assert_eq!(other.hit().fingerprint, first.fingerprint);
}

#[test]
fn what_is_dropped_is_told_once_a_request_and_changes_no_answer() {
    let world = World::new(&[r#"{"id":1,"hosts":["shop.example"]}"#]);
    let hit = |site: u8| {
        format!(r#"{{"v":1,"site":{site},"kind":"pageview","url":"https://a.example/"}}"#)
    };
    let body = format!("[{},{},{},{{}}]", hit(1), hit(9), hit(9));
    assert_eq!(world.post("/hit", &body).header("hitlake-accepted"), Some("1"));
    let told = world.told();
    assert_eq!(told.len(), 1, "one record a request");
    let counts: Vec<_> = told[0]
        .counts
        .iter()
        .map(|((site, reason), count)| (*site, reason.as_str(), *count))
        .collect();
    assert_eq!(counts, [(0, "invalid", 1), (0, "unknown_site", 2)]);
    assert_eq!(told[0].received, NOW_MS);
    assert_eq!(world.post("/hit", &hit(1)).status, 204);
    assert!(world.told().is_empty(), "nothing was dropped");
    world.stream.fails.store(true, std::sync::atomic::Ordering::SeqCst);
    let answer = world.post("/hit", &hit(9));
    assert_eq!((answer.status, answer.header("hitlake-dropped")), (204, Some("unknown_site=1")));
    assert_eq!(world.post("/hit", &hit(1)).status, 503);
}

#[test]
fn an_array_of_one_hit_without_an_id_counts_once() {
    let world = world();
    let ids = [format!("[{}]", hit(json!({}))), format!(" [{}]", hit(json!({}))), hit(json!({}))]
        .map(|body| {
            [0; 2].map(|_| {
                assert_eq!(world.post("/hit", &body).status, 204);
                world.hit().id
            })
        });
    let [array, spaced, alone] = ids;
    assert_eq!(array[0], array[1]);
    assert_eq!(spaced[0], spaced[1]);
    assert_ne!(alone[0], alone[1], "a single hit counts each time");
}

/// The database knows 203.0.113.0/24, the client's network, as Cologne, and 198.51.100.128/25.
#[test]
fn places_come_from_headers_then_the_database_then_what_the_site_asks_for() {
    let database = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/places.mmdb");
    let mut world = World::new(&[
        r#"{"id":1}"#,
        r#"{"id":2,"country_fallback":"timezone"}"#,
        r#"{"id":3,"country_fallback":"language"}"#,
    ]);
    let sent = |world: &World, more: serde_json::Value, headers: &[(&str, &str)]| {
        world.send(event("POST", "/hit", &hit(more), headers));
        let hit = world.hit();
        [hit.country, hit.region, hit.city].map(Option::unwrap_or_default).join(",")
    };
    let guess = json!({"timezone": "Europe/Vienna", "language": "fr-CH"});
    let of = |site: u8, more: serde_json::Value| {
        let mut hit = guess.clone();
        hit["site"] = json!(site);
        hit.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        hit
    };
    let countries = [1, 2, 3].map(|site| sent(&world, of(site, json!({})), &[]));
    assert_eq!(countries, [",,", "AT,,", "CH,,"], "only where the site asks for it");

    let environment = lake::environment::Environment::of(&[("HITLAKE_GEOIP_DB", database)]);
    let places = ingest::places::Places::from_environment(&environment).unwrap();
    world.ingest.places = std::sync::Arc::new(places);
    assert_eq!(sent(&world, of(2, json!({})), &[]), "DE,BE,Cologne");
    let trusted = [("CloudFront-Viewer-Country", "FR"), ("X-Origin-Verify", SECRET)];
    assert_eq!(sent(&world, of(2, json!({})), &trusted), "FR,,");
    let token = format!("Bearer {}", world.token);
    let writer = [("Authorization", token.as_str())];
    assert_eq!(sent(&world, of(2, json!({"country": "gb"})), &writer), "GB,,");
    let relayed = [trusted[0], trusted[1], writer[0]];
    let elsewhere = json!({"ip": "198.51.100.200"});
    assert_eq!(sent(&world, of(2, elsewhere), &relayed), "US,,", "not where its sender is");
    let unknown = json!({"ip": "192.0.2.1"});
    assert_eq!(sent(&world, of(2, unknown), &writer), "AT,,");
}
