//! From an answer or a refusal to API Gateway's response: headers, compression, what a browser may.

use std::io::Write as _;

use aws_lambda_events::encodings::Body;
use aws_lambda_events::event::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONTENT_ENCODING,
    CONTENT_LENGTH, CONTENT_TYPE, HeaderName, ORIGIN, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue, Method};
use lake::limits::COMPRESSED_FROM_BYTES;

use super::accept::{self, Coding};
use super::{Answered, Failed};
use crate::answer::problem;
use crate::settings::Origins;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
/// Methods that a page of another origin may use.
const PREFLIGHT_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, DELETE, OPTIONS");
const PREFLIGHT_HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, if-none-match");
const EXPOSED_HEADERS: HeaderValue =
    HeaderValue::from_static("request-id, location, link, etag, retry-after, hitlake-changed");
/// What decides about an answer besides its URL.
const VARIES_BY: HeaderValue = HeaderValue::from_static("accept, accept-encoding, authorization");
const PROBLEM: &str = "application/problem+json";
/// A level that costs about as much as writing the JSON does.
const ZSTD_LEVEL: i32 = 3;

/// The response to a request.
pub(super) fn finish(
    outcome: Result<Answered, Failed>,
    event: &ApiGatewayV2httpRequest,
    request_id: &str,
    origins: &Origins,
) -> ApiGatewayV2httpResponse {
    let answered = outcome.unwrap_or_else(|failed| {
        let Failed { status, title, detail, refused, headers } = failed;
        let body = problem(status, title, &detail, refused.as_deref(), request_id).into_bytes();
        Answered { status, kind: PROBLEM, body, headers }
    });
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = answered.status;
    let headers = &mut response.headers;
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, VARIES_BY);
    if let Ok(request_id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, request_id);
    }
    allow_origin(headers, event.headers.get(ORIGIN), origins);
    for (name, value) in answered.headers {
        headers.insert(name, value);
    }
    match answered.status {
        204 => {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, PREFLIGHT_METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, PREFLIGHT_HEADERS);
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
            return response;
        }
        304 => return response,
        401 => drop(headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
        _ => {}
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answered.kind));
    put_body(&mut response, answered.body, accept::coding(&event.headers));
    response
}

/// The response as its method wants it: to HEAD that to GET, whose body only has a length.
pub(super) fn for_method(
    mut response: ApiGatewayV2httpResponse,
    method: &Method,
) -> ApiGatewayV2httpResponse {
    if method == Method::HEAD
        && let Some(Body::Text(text)) = response.body.take()
    {
        let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
        let decoded = (text.len() / 4 * 3).saturating_sub(padding);
        let length = if response.is_base64_encoded { decoded } else { text.len() };
        response.is_base64_encoded = false;
        response.headers.insert(CONTENT_LENGTH, length.into());
    }
    response
}

fn allow_origin(headers: &mut HeaderMap, origin: Option<&HeaderValue>, origins: &Origins) {
    let allowed = match origins {
        Origins::Any => Some(HeaderValue::from_static("*")),
        Origins::Listed(listed) => {
            headers.append(VARY, HeaderValue::from_static("origin"));
            origin.filter(|origin| listed.iter().any(|listed| *listed == **origin)).cloned()
        }
    };
    if let Some(allowed) = allowed {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
    }
}

/// Text goes as text; other bytes go as API Gateway wants them, in base64.
fn put_body(response: &mut ApiGatewayV2httpResponse, body: Vec<u8>, coding: Option<Coding>) {
    let coding = coding.filter(|_| body.len() >= COMPRESSED_FROM_BYTES);
    let compressed = coding.and_then(|coding| Some((coding, compressed(coding, &body).ok()?)));
    let body = match compressed {
        None => body,
        Some((coding, bytes)) => {
            let name = HeaderValue::from_static(coding.name());
            response.headers.insert(CONTENT_ENCODING, name);
            bytes
        }
    };
    response.body = Some(Body::Text(match String::from_utf8(body) {
        Ok(text) => text,
        Err(error) => {
            response.is_base64_encoded = true;
            STANDARD.encode(error.as_bytes())
        }
    }));
}

fn compressed(coding: Coding, body: &[u8]) -> std::io::Result<Vec<u8>> {
    match coding {
        Coding::Zstd => zstd::bulk::compress(body, ZSTD_LEVEL),
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(body)?;
            encoder.finish()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn got(origin: Option<&str>, bytes: usize) -> ApiGatewayV2httpResponse {
        let mut event = ApiGatewayV2httpRequest::default();
        let accept = HeaderValue::from_static("gzip");
        event.headers.insert(http::header::ACCEPT_ENCODING, accept);
        if let Some(origin) = origin {
            event.headers.insert(ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        let listed = Origins::Listed(vec!["https://dash.example".to_owned()]);
        let answered = Answered::new(200, "application/json", vec![b'1'; bytes]);
        finish(Ok(answered), &event, "id", &listed)
    }

    #[test]
    fn answers_are_compressed_from_a_size_on() {
        for (bytes, coding) in [
            (COMPRESSED_FROM_BYTES - 1, None),
            (COMPRESSED_FROM_BYTES, Some("gzip")),
            (COMPRESSED_FROM_BYTES + 1, Some("gzip")),
        ] {
            let response = got(None, bytes);
            let header = response.headers.get(CONTENT_ENCODING).map(|it| it.to_str().unwrap());
            assert_eq!((header, response.is_base64_encoded), (coding, coding.is_some()), "{bytes}");
        }
    }

    #[test]
    fn head_says_how_long_the_body_would_be() {
        for bytes in [0, 10, COMPRESSED_FROM_BYTES, COMPRESSED_FROM_BYTES * 100] {
            let get = got(None, bytes);
            let Some(Body::Text(text)) = &get.body else { panic!("no text") };
            let length = if get.is_base64_encoded {
                STANDARD.decode(text).unwrap().len()
            } else {
                text.len()
            };
            let head = for_method(get, &Method::HEAD);
            assert_eq!((&head.headers[CONTENT_LENGTH], head.body), (&length.into(), None));
        }
    }

    #[test]
    fn only_listed_origins_may_read_an_answer() {
        let allowed = |origin| {
            let response = got(origin, 10);
            assert!(response.headers.get_all(VARY).iter().any(|it| it == "origin"));
            response.headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).cloned()
        };
        let listed = HeaderValue::from_static("https://dash.example");
        assert_eq!(allowed(Some("https://dash.example")), Some(listed));
        for other in
            [None, Some("https://other.example"), Some("null"), Some("https://dash.example.evil")]
        {
            assert_eq!(allowed(other), None, "{other:?}");
        }
    }
}
