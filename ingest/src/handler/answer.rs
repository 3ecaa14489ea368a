//! Answers: ours, and Matomo's as in matomo.md 1.1.

use aws_lambda_events::encodings::Body;
use aws_lambda_events::event::apigw::ApiGatewayV2httpResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

use super::{NotAccepted, Outcome};

/// The smallest GIF, as Matomo sends it.
const GIF: [u8; 43] = [
    0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 1, 0, 1, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0x21, 0xf9, 4, 1,
    0, 0, 0, 0, 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0, 0x3b,
];
const TRACKER: &str = include_str!("../../../tracker/dist/tracker.js");
const ABOUT: &str = "<p>Hitlake takes hits in Matomo's tracking protocol here.</p>";

fn status(code: i64) -> ApiGatewayV2httpResponse {
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = code;
    with(response, "cache-control", "no-store")
}

fn with(
    mut response: ApiGatewayV2httpResponse,
    name: &'static str,
    value: &str,
) -> ApiGatewayV2httpResponse {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers.insert(name, value);
    }
    response
}

fn text(code: i64, kind: &str, text: String) -> ApiGatewayV2httpResponse {
    let mut response = with(status(code), "content-type", kind);
    response.body = Some(Body::Text(text));
    response
}

pub(super) fn problem(code: i64, detail: &str) -> ApiGatewayV2httpResponse {
    let body = serde_json::json!({"type": "about:blank", "status": code, "detail": detail});
    text(code, "application/problem+json", body.to_string())
}

pub(super) fn unavailable() -> ApiGatewayV2httpResponse {
    with(problem(503, "the hits were not stored; send them again"), "retry-after", "5")
}

pub(super) fn hits(outcome: Result<Outcome, NotAccepted>) -> ApiGatewayV2httpResponse {
    let Ok(outcome) = outcome else { return unavailable() };
    let dropped: Vec<String> =
        outcome.dropped.iter().map(|(drop, count)| format!("{}={count}", drop.name())).collect();
    let answer = with(status(204), "hitlake-accepted", &outcome.accepted.to_string());
    if dropped.is_empty() { answer } else { with(answer, "hitlake-dropped", &dropped.join(", ")) }
}

pub(super) fn preflight() -> ApiGatewayV2httpResponse {
    let answer = with(status(204), "access-control-allow-methods", "GET, POST");
    with(with(answer, "access-control-allow-headers", "*"), "access-control-max-age", "86400")
}

/// Who may read the answer: anybody; it says nothing.
pub(super) fn with_origin(
    answer: ApiGatewayV2httpResponse,
    origin: Option<&str>,
) -> ApiGatewayV2httpResponse {
    let answer = with(answer, "access-control-expose-headers", "hitlake-accepted, hitlake-dropped");
    match origin {
        Some(origin) => with(
            with(answer, "access-control-allow-origin", origin),
            "access-control-allow-credentials",
            "true",
        ),
        None => with(answer, "access-control-allow-origin", "*"),
    }
}

pub(super) fn tracker(known: Option<&str>) -> ApiGatewayV2httpResponse {
    let tag = format!("\"{:016x}\"", xxhash_rust::xxh3::xxh3_64(TRACKER.as_bytes()));
    let fresh = known.is_some_and(|known| known.contains(&tag));
    let answer = if fresh {
        status(304)
    } else {
        text(200, "text/javascript; charset=utf-8", TRACKER.to_owned())
    };
    with(with(answer, "etag", &tag), "cache-control", "public, max-age=3600")
}

pub(super) fn matomo_pixel(code: i64, no_body: bool) -> ApiGatewayV2httpResponse {
    if code == 200 && no_body {
        return status(204);
    }
    let mut response = with(status(code), "content-type", "image/gif");
    let about = if code == 200 { "" } else { ABOUT };
    response.body = Some(Body::Text(STANDARD.encode([&GIF, about.as_bytes()].concat())));
    response.is_base64_encoded = true;
    response
}

pub(super) fn matomo_empty(get: bool) -> ApiGatewayV2httpResponse {
    text(if get { 200 } else { 400 }, "text/html; charset=utf-8", ABOUT.to_owned())
}

pub(super) fn matomo_bulk(
    tracked: usize,
    invalid: usize,
    no_body: bool,
) -> ApiGatewayV2httpResponse {
    if no_body {
        return status(204);
    }
    let body = serde_json::json!({"status": "success", "tracked": tracked, "invalid": invalid});
    text(200, "application/json", body.to_string())
}
