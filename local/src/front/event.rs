//! Between HTTP and API Gateway's HTTP API events, version 2.0.

use std::net::SocketAddr;

use aws_lambda_events::event::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::Full;

/// The event that API Gateway would make of this request.
pub(super) fn from_http(parts: Parts, body: Bytes, peer: SocketAddr) -> ApiGatewayV2httpRequest {
    let mut event = ApiGatewayV2httpRequest::default();
    let path = parts.uri.path().to_owned();
    event.version = Some("2.0".to_owned());
    event.raw_query_string = parts.uri.query().map(str::to_owned);
    event.request_context.http.path = Some(path.clone());
    event.raw_path = Some(path);
    event.request_context.http.method = parts.method;
    event.request_context.http.source_ip = Some(peer.ip().to_string());
    event.headers = parts.headers;
    if !body.is_empty() {
        match std::str::from_utf8(&body) {
            Ok(text) => event.body = Some(text.to_owned()),
            Err(_) => {
                event.body = Some(STANDARD.encode(&body));
                event.is_base64_encoded = true;
            }
        }
    }
    event
}

/// The response that API Gateway would make of this answer.
pub(super) fn to_http(answer: ApiGatewayV2httpResponse) -> Response<Full<Bytes>> {
    use aws_lambda_events::encodings::Body;
    let bytes: Bytes = match answer.body {
        Some(Body::Text(text)) if answer.is_base64_encoded => {
            STANDARD.decode(text).unwrap_or_default().into()
        }
        Some(Body::Text(text)) => text.into(),
        Some(Body::Binary(bytes)) => bytes.into(),
        _ => Bytes::new(),
    };
    let mut response = Response::new(Full::new(bytes));
    *response.status_mut() = u16::try_from(answer.status_code)
        .ok()
        .and_then(|code| StatusCode::from_u16(code).ok())
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = answer.headers;
    for (name, value) in &answer.multi_value_headers {
        response.headers_mut().append(name, value.clone());
    }
    response
}
