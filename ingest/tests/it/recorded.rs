//! What real clients sent, answered as Matomo answers it, or refused clearly.

use std::io::Read as _;
use std::path::PathBuf;

use lake::hit::Kind;
use serde_json::Value;

use crate::world::{World, event};

/// The folder of recordings; none, with a line that says so, where it is absent.
fn recordings(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    if !path.exists() {
        println!("skipped: {} is not here", path.display());
        return None;
    }
    Some(path)
}

fn world() -> World {
    World::new(&[
        r#"{"id":1,"hosts":["site.localhost"],"ecommerce":true,"goals":[{"id":1,"name":"a"},{"id":2,"name":"b"}]}"#,
        r#"{"id":3}"#,
    ])
}

fn send(world: &World, request: &Value, target: &str) -> crate::world::Answer {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let headers: Vec<(String, String)> = match &request["headers"] {
        Value::Object(headers) => {
            headers.iter().map(|(name, value)| (name.clone(), text(value))).collect()
        }
        Value::Array(headers) => {
            headers.iter().map(|header| (text(&header[0]), text(&header[1]))).collect()
        }
        _ => Vec::new(),
    };
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    world.send(event(&text(&request["method"]), target, &text(&request["body"]), &headers))
}

#[test]
fn matomos_browser_script_is_answered_as_matomo_answers() {
    let Some(path) = recordings("client-requests/matomo-js.json") else { return };
    let world = world();
    let recorded: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let (mut requests, mut hits) = (0, Vec::new());
    for request in recorded["log"].as_array().unwrap() {
        let Some(target) = request["url"].as_str() else { continue };
        let body = request["body"].as_str().unwrap_or_default();
        let answer = send(&world, request, target);
        let bulk: Option<Value> =
            body.contains("\"requests\"").then(|| serde_json::from_str(body).unwrap());
        let silent = bulk.as_ref().map_or_else(
            || format!("{target}&{body}").contains("send_image=0"),
            |bulk| bulk["send_image"] == 0,
        );
        assert_eq!(answer.status, if silent { 204 } else { 200 }, "{}", request["scenario"]);
        assert_eq!(answer.body.is_empty(), silent);
        if request["method"] == "POST" {
            assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
            assert_ne!(answer.header("access-control-allow-origin"), None);
        }
        let sent = bulk.map_or(1, |bulk| bulk["requests"].as_array().unwrap().len());
        let stored = world.hits();
        assert_eq!(stored.len(), sent, "{}", request["scenario"]);
        requests += 1;
        hits.extend(stored);
    }
    assert_eq!(requests, 46);
    let count = |kind: Kind| hits.iter().filter(|hit| hit.kind == kind).count();
    let counts = [Kind::Download, Kind::Outlink, Kind::Search, Kind::Goal, Kind::Order, Kind::Ping]
        .map(count);
    // The third search is a page whose URL has the default keyword parameter `k`.
    assert_eq!(counts, [2, 2, 3, 2, 2, 4]);
    assert!(hits.iter().all(|hit| hit.host.as_deref() == Some("site.localhost")));
    assert!(
        hits.iter().any(|hit| hit.campaign.as_ref().is_some_and(|named| named.name == "spring"))
    );
    assert!(hits.iter().any(|hit| hit.referrer.as_deref() == Some("/app/products/42")));
}

#[test]
fn matomos_log_importer_is_tracked_whole() {
    let Some(path) = recordings("matomo-import/import_logs-bulk-requests.ndjson.gz") else {
        return;
    };
    let world = world();
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let (mut tracked, mut stored) = (0, 0);
    for line in text.lines() {
        let request: Value = serde_json::from_str(line).unwrap();
        let body = request["body"].as_str().unwrap();
        if !body.contains("\"requests\"") {
            continue;
        }
        let body = body.replace("00000000000000000000000000000000", &world.token);
        let answer = world.post(request["target"].as_str().unwrap(), &body);
        let said: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((&said["status"], &said["invalid"]), (&"success".into(), &0.into()));
        assert_eq!(said["invalid_indices"], Value::Array(Vec::new()));
        tracked += said["tracked"].as_u64().unwrap();
        stored += world.hits().len();
    }
    assert_eq!((tracked, stored), (13_455, 13_455));
}

#[test]
fn other_clients_are_refused_clearly() {
    let Some(folder) = recordings("client-requests") else { return };
    let world = world();
    let mut requests = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "ndjson") {
            continue;
        }
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let request: Value = serde_json::from_str(line).unwrap();
            let target = request["target"].as_str().unwrap();
            let answer = send(&world, &request, target);
            requests += 1;
            if target.starts_with("/matomo.php") {
                assert!(matches!(answer.status, 200 | 204), "{target}");
            } else {
                assert_eq!(answer.status, 404, "{target}");
                assert!(answer.text().contains("there is nothing at this path"));
                assert_eq!(world.hits().len(), 0);
            }
            // The same body at our own door is no hit of ours, and says so.
            let answer = world.post("/hit", request["body"].as_str().unwrap_or_default());
            assert!(answer.status == 400 || answer.header("hitlake-accepted") == Some("0"));
            world.records();
        }
    }
    assert!(requests > 30, "{requests}");
}
