//! Answers: ours, and Matomo's as in matomo.md 1.1.

use std::sync::LazyLock;

use aws_lambda_events::encodings::Body;
use aws_lambda_events::event::apigw::ApiGatewayV2httpResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW,
    CACHE_CONTROL, CONTENT_TYPE, ETAG, RETRY_AFTER, VARY,
};
use http::{HeaderName, HeaderValue, Method};

use super::{NotAccepted, Outcome};

/// The smallest GIF, as Matomo sends it.
const GIF: [u8; 43] = [
    0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 1, 0, 1, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0x21, 0xf9, 4, 1,
    0, 0, 0, 0, 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0, 0x3b,
];
const TRACKER: &str = include_str!("../../../tracker/dist/tracker.js");
const ABOUT: &str = "<p>Hitlake takes hits in Matomo's tracking protocol here.</p>";
const HTML: &str = "text/html; charset=utf-8";
/// Seconds after which a browser asks for leave again.
const PREFLIGHT_MAX_AGE: &str = "86400";
/// Seconds after which a client may send again what was not stored.
const RETRY_AFTER_S: &str = "5";

static PIXEL: LazyLock<String> = LazyLock::new(|| STANDARD.encode(GIF));
static REFUSAL: LazyLock<String> =
    LazyLock::new(|| STANDARD.encode([&GIF, ABOUT.as_bytes()].concat()));
static TRACKER_TAG: LazyLock<String> =
    LazyLock::new(|| format!("\"{:016x}\"", xxhash_rust::xxh3::xxh3_64(TRACKER.as_bytes())));

fn bare(code: i64) -> ApiGatewayV2httpResponse {
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = code;
    response
}

fn status(code: i64) -> ApiGatewayV2httpResponse {
    with(bare(code), CACHE_CONTROL, "no-store")
}

fn with(
    mut response: ApiGatewayV2httpResponse,
    name: HeaderName,
    value: &'static str,
) -> ApiGatewayV2httpResponse {
    response.headers.insert(name, HeaderValue::from_static(value));
    response
}

fn with_text(
    mut response: ApiGatewayV2httpResponse,
    kind: &'static str,
    text: String,
) -> ApiGatewayV2httpResponse {
    response.body = Some(Body::Text(text));
    with(response, CONTENT_TYPE, kind)
}

pub(super) fn problem(code: i64, detail: &str) -> ApiGatewayV2httpResponse {
    let body = serde_json::json!({"type": "about:blank", "status": code, "detail": detail});
    with_text(status(code), "application/problem+json", body.to_string())
}

pub(super) fn not_allowed(path: &str) -> ApiGatewayV2httpResponse {
    let allowed = match path {
        "/hit" => "POST, OPTIONS",
        "/hit.gif" => "GET, OPTIONS",
        "/tracker.js" => "GET, HEAD, OPTIONS",
        _ => "GET, HEAD, POST, OPTIONS",
    };
    let detail = format!("this method is not allowed here; allowed: {allowed}");
    with(problem(405, &detail), ALLOW, allowed)
}

pub(super) fn unavailable() -> ApiGatewayV2httpResponse {
    with(problem(503, "the hits were not stored; send them again"), RETRY_AFTER, RETRY_AFTER_S)
}

pub(super) fn hits(outcome: Result<Outcome, NotAccepted>) -> ApiGatewayV2httpResponse {
    let Ok(outcome) = outcome else { return unavailable() };
    let mut answer = status(204);
    answer.headers.insert("hitlake-accepted", outcome.accepted.into());
    if !outcome.dropped.is_empty() {
        let dropped: Vec<String> = outcome
            .dropped
            .iter()
            .map(|(reason, count)| format!("{}={count}", reason.name()))
            .collect();
        if let Ok(dropped) = HeaderValue::try_from(dropped.join(", ")) {
            answer.headers.insert("hitlake-dropped", dropped);
        }
    }
    answer
}

pub(super) fn preflight() -> ApiGatewayV2httpResponse {
    let answer = with(status(204), ACCESS_CONTROL_ALLOW_METHODS, "GET, POST");
    // Named, because `*` does not cover credentials and never covers Authorization.
    let answer = with(answer, ACCESS_CONTROL_ALLOW_HEADERS, "content-type, authorization");
    with(answer, ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE)
}

/// Who may read the answer: anybody; it says nothing of others.
pub(super) fn open_to(
    answer: ApiGatewayV2httpResponse,
    origin: Option<&HeaderValue>,
) -> ApiGatewayV2httpResponse {
    let answer = with(answer, ACCESS_CONTROL_EXPOSE_HEADERS, "hitlake-accepted, hitlake-dropped");
    match origin {
        Some(origin) => with(credentialed(answer, Some(origin)), VARY, "origin"),
        None => with(answer, ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    }
}

fn credentialed(
    answer: ApiGatewayV2httpResponse,
    origin: Option<&HeaderValue>,
) -> ApiGatewayV2httpResponse {
    let mut answer = with(answer, ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    let origin = origin.cloned().unwrap_or(HeaderValue::from_static("*"));
    answer.headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    answer
}

pub(super) fn tracker(method: &Method, known: Option<&str>) -> ApiGatewayV2httpResponse {
    let is_known = known.is_some_and(|known| known == "*" || known.contains(TRACKER_TAG.as_str()));
    let mut answer = match (is_known, method) {
        (true, _) => bare(304),
        (false, &Method::HEAD) => with(bare(200), CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (false, _) => with_text(bare(200), "text/javascript; charset=utf-8", TRACKER.to_owned()),
    };
    if let Ok(tag) = HeaderValue::from_str(&TRACKER_TAG) {
        answer.headers.insert(ETAG, tag);
    }
    with(answer, CACHE_CONTROL, "public, max-age=3600")
}

/// Matomo's answer as its transport has it: POST is open to scripts and not said to be uncached.
pub(super) fn matomo(
    mut answer: ApiGatewayV2httpResponse,
    method: &Method,
    origin: Option<&HeaderValue>,
) -> ApiGatewayV2httpResponse {
    if method == Method::POST {
        if answer.status_code < 500 {
            answer.headers.remove(CACHE_CONTROL);
        }
        return credentialed(answer, origin);
    }
    if method == Method::HEAD {
        answer.body = None;
        answer.is_base64_encoded = false;
    }
    if origin.is_some() { credentialed(answer, origin) } else { answer }
}

pub(super) fn matomo_preflight() -> ApiGatewayV2httpResponse {
    let answer = with(bare(204), ACCESS_CONTROL_ALLOW_METHODS, "GET, POST");
    let answer = with(answer, ACCESS_CONTROL_ALLOW_HEADERS, "*");
    let answer = with(answer, ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    with(answer, ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE)
}

/// A hit taken, or excluded silently.
pub(super) fn matomo_pixel(no_body: bool) -> ApiGatewayV2httpResponse {
    if no_body { status(204) } else { gif(200, &PIXEL) }
}

/// A hit that cannot be one.
pub(super) fn matomo_refused() -> ApiGatewayV2httpResponse {
    gif(400, &REFUSAL)
}

fn gif(code: i64, base64: &str) -> ApiGatewayV2httpResponse {
    let mut response = with_text(status(code), "image/gif", base64.to_owned());
    response.is_base64_encoded = true;
    response
}

/// A request that says nothing: probes rely on the 200.
pub(super) fn matomo_empty(is_probe: bool) -> ApiGatewayV2httpResponse {
    with_text(bare(if is_probe { 200 } else { 400 }), HTML, ABOUT.to_owned())
}

/// `invalid` holds the places of refused requests; only who may write learns them.
pub(super) fn matomo_bulk(
    tracked: usize,
    invalid: &[usize],
    may_know: bool,
) -> ApiGatewayV2httpResponse {
    let mut body =
        serde_json::json!({"status": "success", "tracked": tracked, "invalid": invalid.len()});
    if may_know && let Some(body) = body.as_object_mut() {
        body.insert("invalid_indices".to_owned(), invalid.into());
    }
    with_text(status(200), "application/json", body.to_string())
}

pub(super) fn matomo_bulk_without_body() -> ApiGatewayV2httpResponse {
    with(status(204), CONTENT_TYPE, "application/json")
}
