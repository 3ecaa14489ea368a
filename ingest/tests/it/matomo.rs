//! Matomo's table of answers and parameters (matomo.md 1).

use lake::hit::Kind;
use lake::limits::{
    MAX_CLIENT_HINTS_BYTES, MAX_EXTRA_BYTES, MAX_FURTHER_DIMENSIONS, MAX_ITEMS_BYTES,
};

use crate::world::{Answer, NOW_MS, World, event};

const GIF: &str = "47494638396101000100800000000000\
00000021f90401000000002c00000000010001000002024401003b";
const PAGE: &str = "/matomo.php?idsite=1&rec=1&url=http%3A%2F%2Fexample.org%2Fsample";

fn world() -> World {
    World::new(&[
        r#"{"id":1,"hosts":["example.org"],"goals":[{"id":1,"name":"a"},{"id":2,"name":"b"}]}"#,
        r#"{"id":2,"site_search":{"on":false},"excluded_ips":["203.0.113.*"]}"#,
    ])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn assert_pixel(answer: &Answer) {
    assert_eq!((answer.status, hex(&answer.body).as_str()), (200, GIF));
    assert_eq!(answer.header("content-type"), Some("image/gif"));
}

fn assert_refused(answer: &Answer) {
    assert_eq!(answer.status, 400);
    assert_eq!(answer.header("content-type"), Some("image/gif"));
    assert!(hex(&answer.body).starts_with(GIF) && answer.body.len() > 43);
}

#[test]
fn get_is_a_pixel_and_post_is_open_to_scripts() {
    let world = world();
    let answer = world.get(PAGE);
    assert_pixel(&answer);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let answer = world.get(&format!("{PAGE}&send_image=0"));
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let origin = [("Origin", "https://shop.example")];
    for (target, body) in [(PAGE, ""), ("/piwik.php", &PAGE[12..])] {
        let answer = world.send(event("POST", target, body, &origin));
        assert_pixel(&answer);
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example"));
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        assert_eq!(answer.header("cache-control"), None);
    }
    let answer = world.post(PAGE, "");
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(world.hits().len(), 5);
    let answer = world.send(event("OPTIONS", "/matomo.php", "", &origin));
    assert_eq!(answer.status, 204);
    for (name, value) in [
        ("access-control-allow-methods", "GET, POST"),
        ("access-control-allow-headers", "*"),
        ("access-control-allow-origin", "*"),
        ("access-control-max-age", "86400"),
    ] {
        assert_eq!(answer.header(name), Some(value));
    }
}

#[test]
fn without_parameters_it_says_what_it_is() {
    let world = world();
    for (method, status) in [("GET", 200), ("POST", 400), ("HEAD", 200)] {
        let answer = world.send(event(method, "/matomo.php", "", &[]));
        assert_eq!(answer.status, status, "{method}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(answer.body.is_empty(), method == "HEAD");
    }
}

#[test]
fn what_matomo_refuses_is_refused() {
    let world = world();
    for query in [
        "idsite=99&rec=1",
        "idsite=0&rec=1",
        "idsite=-1&rec=1",
        "rec=1",
        "idsite=1&rec=1&idgoal=9999",
        "idsite=1&rec=1&cid=123",
        "idsite=1&rec=1&cip=1.2.3.4",
        "idsite=1&rec=1&country=fr",
        "idsite=1&rec=1&lat=1",
        "idsite=1&rec=1&cdt=2026-11-20%2000:00:00",
        "idsite=1&rec=1&e_c=%20&e_a=b",
        "idsite=1&rec=1&e_c=a&e_a=%20",
        "idsite=1&rec=1&e_c=a",
        "idsite=1&rec=1&c_n=%20",
        "idsite=1&rec=1&pf_net=-1",
        "idsite=1&rec=1&cip=1.2.3.4&token_auth=00000000000000000000000000000000",
    ] {
        assert_refused(&world.get(&format!("/matomo.php?{query}")));
    }
    assert_eq!(world.hits().len(), 0);
}

#[test]
fn exclusions_are_silent() {
    let world = world();
    assert_pixel(&world.get("/matomo.php?idsite=1&url=http://example.org/"));
    assert_pixel(&world.get("/matomo.php?idsite=1&rec=0"));
    assert_pixel(&world.get("/matomo.php?idsite=1&rec=1&ca=1"));
    assert_pixel(&world.get("/matomo.php?idsite=2&rec=1"));
    assert_eq!(world.get("/matomo.php?idsite=2&rec=1&send_image=0").status, 204);
    for header in [("X-Purpose", "preview"), ("X-Moz", "prefetch"), ("Sec-GPC", "1")] {
        assert_pixel(&world.send(event("GET", PAGE, "", &[header])));
    }
    assert_eq!(world.hits().len(), 0);
    assert_pixel(&world.send(event("GET", PAGE, "", &[("DNT", "1")])));
    assert_eq!(world.hits().len(), 1, "DNT is not honoured unless asked for");
}

#[test]
fn a_bulk_says_how_many_and_which_to_whom_may_know() {
    let world = world();
    let ok = r#""?idsite=1&rec=1&url=http%3A%2F%2Fexample.org%2Fsample""#;
    let body = format!(r#"{{"requests":[{ok},"?idsite=99&rec=1",{ok}]}}"#);
    let answer = world.post("/matomo.php", &body);
    assert_eq!(answer.text(), r#"{"status":"success","tracked":2,"invalid":1}"#);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let token = &world.token;
    let with_token =
        format!(r#"{{"requests":[{ok},"?idsite=99&rec=1",{ok}],"token_auth":"{token}"}}"#);
    let said = r#"{"status":"success","tracked":2,"invalid":1,"invalid_indices":[1]}"#;
    assert_eq!(world.post("/matomo.php", &with_token).text(), said);
    assert_eq!(world.post(&format!("/matomo.php?token_auth={token}"), &body).text(), said);
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str())];
    assert_eq!(world.send(event("POST", "/matomo.php", &body, &headers)).text(), said);
    for nothing in [r#"{"requests":["?idsite=1&rec=1""#, r#"{"requests":[]}"#, "[]"] {
        let answer = world.post("/matomo.php", nothing);
        assert_eq!(answer.text(), r#"{"status":"success","tracked":0,"invalid":0}"#, "{nothing}");
    }
    let silent = format!(r#"{{"requests":[{ok}],"send_image":0}}"#);
    let answer = world.post("/matomo.php", &silent);
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    let objects = r#"{"requests":[{"idsite":1,"rec":1,"url":"http://example.org/o"}]}"#;
    let answer = world.post("/matomo.php", objects);
    assert_eq!(answer.text(), r#"{"status":"success","tracked":1,"invalid":0}"#);
}

#[test]
fn repeated_bulks_and_cache_busters_count_once() {
    let world = world();
    let ids = || {
        let mut ids: Vec<_> = world.hits().iter().map(|hit| hit.id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.len()
    };
    let body = r#"{"requests":["?idsite=1&rec=1","?idsite=1&rec=1"]}"#;
    world.post("/matomo.php", body);
    world.post("/matomo.php", body);
    assert_eq!(ids(), 2);
    for _ in 0..2 {
        world.get(&format!("{PAGE}&r=123456"));
        world.get(&format!("{PAGE}&r=123457"));
    }
    assert_eq!(ids(), 2);
    world.get(PAGE);
    world.get(PAGE);
    assert_eq!(ids(), 2, "nothing says that they are one");
}

#[test]
fn the_query_counts_more_than_the_body_and_the_last_more_than_the_first() {
    let world = world();
    world.post(
        "/matomo.php?idsite=1&action_name=a&action_name=b",
        "idsite=99&rec=1&action_name=c&lang=d",
    );
    let hit = world.hit();
    assert_eq!((hit.title.as_deref(), hit.language.as_deref()), (Some("b"), Some("d")));
}

#[test]
fn the_referer_is_the_page_where_nothing_else_is_said() {
    let world = world();
    let referer = [("Referer", "https://example.org/noscript?x=1")];
    world.send(event("GET", "/matomo.php?idsite=1&rec=1", "", &referer));
    assert_eq!(world.hit().path.as_deref(), Some("/noscript"));
    world.send(event("GET", "/matomo.php?idsite=1&rec=1&urlref=http://r.example/", "", &referer));
    assert_eq!(world.hit().path, None);
}

#[test]
fn what_a_request_is() {
    let world = world();
    for (query, kind) in [
        ("url=http://example.org/", Kind::Pageview),
        ("url=http://example.org/?q=x", Kind::Search),
        ("search=x&search_count=false", Kind::Search),
        ("search=x&c_n=a", Kind::Content),
        ("c_n=a&c_i=click&e_c=b&e_a=c", Kind::Event),
        ("e_c=b&e_a=c&ca=1&link=http://x.example/", Kind::Outlink),
        ("link=http://x.example/&download=http://x.example/y.zip", Kind::Download),
        ("idgoal=1&download=http://x.example/y.zip", Kind::Goal),
        ("idgoal=0&ec_id=A", Kind::Order),
        ("idgoal=-1", Kind::Pageview),
        ("ping=1", Kind::Ping),
    ] {
        world.get(&format!("/matomo.php?idsite=1&rec=1&{query}"));
        let hit = world.hit();
        assert_eq!((hit.kind, hit.search_results), (kind, None), "{query}");
    }
}

#[test]
fn a_search_needs_the_sites_site_search() {
    let world = World::new(&[r#"{"id":1,"site_search":{"on":false}}"#]);
    world.get("/matomo.php?idsite=1&rec=1&search=x&url=http://e.org/?q=y");
    let hit = world.hit();
    assert_eq!((hit.kind, hit.search_term.as_deref()), (Kind::Pageview, None));
    assert_eq!(hit.query.as_deref(), Some("q=y"));
}

#[test]
fn a_token_allows_time_address_and_place() {
    let world = world();
    let private = "cip=198.51.100.7&cdt=2015-05-17+10:05:03&country=fr&city=Paris&bots=1";
    let target = format!("{PAGE}&{private}&token_auth={}", world.token);
    assert_pixel(&world.get(&target));
    let hit = world.hit();
    assert_eq!(hit.ts, 1_431_857_103_000);
    assert_eq!((hit.country.as_deref(), hit.city.as_deref()), (Some("FR"), Some("Paris")));
    assert!(hit.not_a_bot);
    world.get(&format!("{PAGE}&bots=1&cdt={}", NOW_MS / 1_000 + 60));
    let hit = world.hit();
    assert!(!hit.not_a_bot);
    assert_eq!(hit.ts, NOW_MS, "ahead of now is now");
}

#[test]
fn ids_of_visitors() {
    let world = world();
    for (query, id, forced) in [
        ("_id=A393778CA5955DBCffff", Some("a393778ca5955dbc"), false),
        ("_id=", None, false),
        ("_id=xyz", None, false),
        ("cid=0123456789abcdef&_id=a393778ca5955dbc", Some("0123456789abcdef"), true),
        // The first 16 digits of the SHA-1 of the user id.
        ("uid=abc&_id=a393778ca5955dbc", Some("a9993e364706816a"), false),
    ] {
        world.get(&format!("{PAGE}&{query}"));
        let hit = world.hit();
        assert_eq!(hit.client_id.map(|id| id.to_string()).as_deref(), id, "{query}");
        assert_eq!(hit.client_id_forced, forced, "{query}");
    }
}

#[test]
fn nothing_that_is_sent_is_thrown_away() {
    let world = world();
    world.get(&format!(
        "{PAGE}&_rcn=Spring&_rck=Red+Shoes&_ref=http://r.example/&_refts=1795450902&_pks=SKU1&_pkp=49.9\
&cvar=%7B%221%22%3A%5B%22a%22%2C%22b%22%5D%7D&_cvar=%7B%7D&bw_bytes=2048&data=%7B%22a%22%3A1%7D\
&dimension21=y&dimension300=z&dimension21=w&dimension0=v&dimensionx=u&h=16&m=21&s=42&pv_id=u3PpWcXX&dimension1=x&pf_net=5&pf_onl=16777216"
    ));
    let hit = world.hit();
    let attribution = hit.attribution.unwrap();
    assert_eq!(attribution.campaign.as_deref(), Some("spring"));
    assert_eq!(attribution.keyword.as_deref(), Some("red shoes"));
    assert_eq!(attribution.ts, Some(1_795_450_902_000));
    assert_eq!(hit.local_time_s, Some(58_902));
    assert_eq!(hit.page_view.as_deref(), Some("u3PpWc"));
    assert_eq!(hit.dimensions.get(&1).map(String::as_str), Some("x"));
    assert_eq!((hit.timings.network_ms, hit.timings.on_load_ms), (Some(5), None));
    let extra: serde_json::Value = serde_json::from_str(&hit.extra.unwrap()).unwrap();
    assert_eq!(
        extra,
        serde_json::json!({"_pks":"SKU1","_pkp":"49.9","cvar":"{\"1\":[\"a\",\"b\"]}",
            "bw_bytes":"2048","data":"{\"a\":1}","dimension21":"w","dimension300":"z"})
    );
    world
        .get("/matomo.php?idsite=1&rec=1&idgoal=0&ec_id=A-1&revenue=110.5&ec_items=%5B%5D&ec_tx=5");
    let hit = world.hit();
    assert_eq!((hit.order_id.as_deref(), hit.revenue), (Some("A-1"), Some(110.5)));
    assert_eq!(
        (hit.order_items.as_deref(), hit.extra.as_deref()),
        (Some("[]"), Some(r#"{"ec_tx":"5"}"#))
    );
}

#[test]
fn what_does_not_fit_is_named() {
    let world = world();
    let order = "/matomo.php?idsite=1&rec=1&idgoal=0&ec_id=A-1&revenue=1";
    let (items, skus) = ("i".repeat(MAX_ITEMS_BYTES), "s".repeat(MAX_EXTRA_BYTES - "_pks".len()));
    world.get(&format!("{order}&ec_items={items}&_pks={skus}"));
    let hit = world.hit();
    assert_eq!(hit.order_items, Some(items.clone()));
    assert!(!hit.extra.unwrap().contains("truncated"));
    world.get(&format!("{order}&ec_items={items}i&_pks={skus}s&ec_tx=5"));
    let hit = world.hit();
    assert_eq!((hit.order_id.as_deref(), hit.order_items), (Some("A-1"), None));
    assert_eq!(hit.extra.as_deref(), Some(r#"{"ec_tx":"5","truncated":"ec_items _pks"}"#));
    for (bytes, whole) in [
        (MAX_CLIENT_HINTS_BYTES - 1, true),
        (MAX_CLIENT_HINTS_BYTES, true),
        (MAX_CLIENT_HINTS_BYTES + 1, false),
    ] {
        let hints = format!(r#"{{"model":"{}"}}"#, "m".repeat(bytes - r#"{"model":""}"#.len()));
        world.get(&format!("{order}&uadata={hints}"));
        let hit = world.hit();
        assert_eq!(hit.client_hints, whole.then_some(hints));
        assert_eq!(hit.extra.as_deref(), (!whole).then_some(r#"{"truncated":"uadata"}"#));
    }
    let dimensions = |count: usize| -> String {
        (0..count).map(|number| format!("&dimension{}=x", 21 + number)).collect()
    };
    for (count, more) in [
        (MAX_FURTHER_DIMENSIONS - 1, false),
        (MAX_FURTHER_DIMENSIONS, false),
        (MAX_FURTHER_DIMENSIONS + 1, true),
    ] {
        world.get(&format!("{order}{}", dimensions(count)));
        let extra = world.hit().extra.unwrap();
        assert!(extra.contains(r#""dimension69":"x""#) && !extra.contains("dimension71"));
        assert_eq!(extra.contains(r#""truncated":"dimensionN""#), more, "{count}");
    }
}

#[test]
fn queries_of_pages_in_another_encoding_become_utf_8() {
    let world = world();
    world.get("/matomo.php?idsite=1&rec=1&cs=iso-8859-1&url=http%3A%2F%2Fe.org%2F%3Fx%3D%25E9%26q%3Dgr%25FCn");
    let hit = world.hit();
    assert_eq!(
        (hit.search_term.as_deref(), hit.query.as_deref()),
        (Some("grün"), Some("x=%C3%A9"))
    );
}
