//! Every example of docs/openapi.json is a question that is answered.

use lake::site::{SiteSettings, put_site};
use serde_json::{Value, json};

use crate::house::{House, NOW_MS, http_event};
use crate::questions::run;

async fn with_example_sites() -> House {
    let house = House::new().await;
    for id in [1, 2] {
        let segments = json!([{"name": "uk", "filter": "country==GB"}]);
        let settings = json!({"id": id, "segments": segments}).to_string();
        put_site(&house.store, &SiteSettings::parse(&settings).unwrap(), NOW_MS, false)
            .await
            .unwrap();
    }
    house
}

async fn status(house: &House, method: &str, target: &str, body: &str) -> i64 {
    let headers = json!({"authorization": format!("Bearer {}", house.token)});
    house.query(http_event(method, target, &headers, body, "203.0.113.9")).await.status_code
}

async fn served(house: &House) -> Value {
    let event = http_event("GET", "/openapi.json", &json!({}), "", "203.0.113.9");
    let answer = serde_json::to_value(house.query(event).await.body).unwrap();
    serde_json::from_str(answer.as_str().unwrap()).unwrap()
}

/// As text in a URL.
fn written(example: &Value) -> String {
    let text = match example {
        Value::Array(list) => {
            list.iter().map(|it| it.as_str().unwrap()).collect::<Vec<_>>().join(",")
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text.replace('%', "%25").replace('&', "%26").replace('+', "%2B").replace('=', "%3D")
}

#[test]
fn every_example_of_the_description_is_answered() {
    run(async {
        let house = with_example_sites().await;
        let document = served(&house).await;
        let resolved = |it: &Value| match it["$ref"].as_str() {
            Some(reference) => document.pointer(&reference[1..]).unwrap().clone(),
            None => it.clone(),
        };
        let mut asked = 0;
        for (path, operations) in document["paths"].as_object().unwrap() {
            let path = path.replace("{site}", "1");
            // No workgroup is set here, and no query under way.
            if path.starts_with("/v1/queries") {
                continue;
            }
            let no_parameters = Vec::new();
            let get = &operations["get"]["parameters"];
            for parameter in get.as_array().unwrap_or(&no_parameters).iter().map(resolved) {
                if parameter["in"] != "query" || parameter["example"].is_null() {
                    continue;
                }
                let name = parameter["name"].as_str().unwrap();
                let pair = format!("{name}={}", written(&parameter["example"]));
                let sites = if path == "/v1/metrics" && name != "sites" { "sites=1&" } else { "" };
                let target = format!("{path}?{sites}{pair}");
                assert_eq!(status(&house, "GET", &target, "").await, 200, "{target}");
                asked += 1;
            }
            let body = &operations["post"]["requestBody"]["content"]["application/json"];
            for (name, example) in body["examples"].as_object().into_iter().flatten() {
                let body = example["value"].to_string();
                assert_eq!(status(&house, "POST", &path, &body).await, 200, "{name}");
                asked += 1;
            }
        }
        assert!(asked > 300, "{asked}");
    });
}

#[test]
fn the_description_names_every_path_and_needs_no_token() {
    run(async {
        let house = with_example_sites().await;
        let document = served(&house).await;
        for (path, operations) in document["paths"].as_object().unwrap() {
            let target = path
                .replace("{site}", "1")
                .replace("{visitor}", "0123456789abcdef")
                .replace("{erasure}", "1-0-0")
                .replace("{query}", "x");
            for method in operations.as_object().unwrap().keys() {
                let method = method.to_uppercase();
                let said = status(&house, &method, &target, r#"{"sites":1}"#).await;
                let sound = match path.as_str() {
                    "/v1/metrics" if method == "GET" => said == 400,
                    "/v1/queries" => said == 400,
                    "/v1/erasures/{erasure}" | "/v1/queries/{query}" => said == 404,
                    _ => said == 200 || said == 202,
                };
                assert!(sound, "{method} {target}: {said}");
                let other = if method == "DELETE" { "POST" } else { "PUT" };
                assert_eq!(status(&house, other, &target, "").await, 405, "{other} {target}");
            }
        }
    });
}
