//! Answers that are too large for a Lambda: they go to the store, and the client gets a link.

use aws_lambda_events::encodings::Body;
use aws_lambda_events::event::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderMap, HeaderValue, Method};
use lake::clock::{Random as _, SystemRandom};
use lake::limits::ANSWER_LINK_S;
use lake::store::Linked;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde_json::json;

use super::response::finish;
use super::{JSON, Query, UNREAD};
use crate::question::{PARAMETERS, Parameters};

/// Where answers lie that somebody fetches by a link.
const RESULTS: &str = "results";

impl Query {
    /// The answer, or where it is too large a link to it.
    pub(super) async fn within_limit(
        &self,
        event: &ApiGatewayV2httpRequest,
        answer: ApiGatewayV2httpResponse,
        request_id: &str,
    ) -> ApiGatewayV2httpResponse {
        let is_large =
            |limit: &usize| answer.body.as_ref().is_some_and(|it| sent_bytes(it) > *limit);
        if self.answer_limit_bytes.as_ref().is_none_or(|limit| !is_large(limit)) {
            return answer;
        }
        if event.request_context.http.method == Method::HEAD {
            // Nobody fetches the answer: it needs no link.
            return linked(answer, None, redirects(event));
        }
        match self.link(&answer).await {
            Ok(link) => linked(answer, Some(&link), redirects(event)),
            Err(error) => {
                tracing::error!("a large answer could not be handed over: {error}");
                finish(Err(UNREAD), event, request_id, &self.settings.origins)
            }
        }
    }

    async fn link(&self, answer: &ApiGatewayV2httpResponse) -> object_store::Result<String> {
        let bytes = match answer.body.clone() {
            Some(Body::Text(text)) if answer.is_base64_encoded => {
                STANDARD.decode(text).map(Bytes::from).unwrap_or_default()
            }
            Some(Body::Text(text)) => Bytes::from(text),
            Some(Body::Binary(bytes)) => Bytes::from(bytes),
            _ => Bytes::new(),
        };
        let path = Path::from(format!("{RESULTS}/{:032x}", SystemRandom.next_u128()));
        self.store.put(&path, bytes.into()).await?;
        let header =
            |name| answer.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let as_it_is = Linked {
            content_type: header(CONTENT_TYPE).unwrap_or(JSON),
            content_encoding: header(CONTENT_ENCODING),
        };
        self.store.link(&path, ANSWER_LINK_S, as_it_is).await
    }
}

/// The answer that leads to a link: a client that follows it on its own, but that sends the token
/// along (S3 refuses two ways of proving who asks), asks for the link itself. It is not kept: what
/// it says is dead long before the data change.
fn linked(
    mut answer: ApiGatewayV2httpResponse,
    link: Option<&str>,
    redirects: bool,
) -> ApiGatewayV2httpResponse {
    let headers: &mut HeaderMap = &mut answer.headers;
    headers.remove(CONTENT_ENCODING);
    headers.remove(ETAG);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    answer.is_base64_encoded = false;
    answer.body = link.map(|link| {
        let body = json!({"link": link, "expires_in_s": ANSWER_LINK_S.as_secs()});
        Body::Text(body.to_string())
    });
    if redirects {
        answer.status_code = 303;
        let location = link.and_then(|link| HeaderValue::from_str(link).ok());
        headers.extend(location.map(|location| (LOCATION, location)));
    }
    answer
}

/// `redirect=false` asks for the link; what else stands there was refused before.
fn redirects(event: &ApiGatewayV2httpRequest) -> bool {
    let query = event.raw_query_string.as_deref().unwrap_or_default();
    let parameters = if event.request_context.http.method == Method::POST {
        super::body(event).ok().and_then(|text| Parameters::from_json(&text, &PARAMETERS).ok())
    } else {
        Parameters::parse(query, &PARAMETERS).ok()
    };
    parameters.is_none_or(|parameters| parameters.of("redirect") != Some("false"))
}

/// Bytes of a body in what a Lambda hands over: text as a string of JSON, other bytes in base64.
fn sent_bytes(body: &Body) -> usize {
    let escaped = |byte: &u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0C => 2,
        0x00..=0x1F => 6,
        _ => 1,
    };
    match body {
        Body::Text(text) => text.as_bytes().iter().map(escaped).sum(),
        Body::Binary(bytes) => bytes.len().div_ceil(3) * 4,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_as_they_are_sent() {
        for text in ["", "plain", "{\"a\":\"b\\n\"}\r\n\t", "\u{1}\u{8}\u{c}", "Größe"] {
            let sent = serde_json::to_string(text).unwrap().len() - 2;
            assert_eq!(sent_bytes(&Body::Text(text.to_owned())), sent, "{text:?}");
        }
        for (bytes, sent) in [(0, 0), (1, 4), (3, 4), (4, 8)] {
            assert_eq!(sent_bytes(&Body::Binary(vec![0; bytes])), sent);
        }
    }
}
