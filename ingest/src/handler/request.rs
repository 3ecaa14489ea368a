//! What is known of a request: headers, body, address, token.
//!
//! CloudFront's headers count only with its secret: anybody can send them.

use std::borrow::Cow;
use std::net::IpAddr;

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lake::limits::{MAX_BODY_BYTES, MAX_ID_BYTES};
use percent_encoding::percent_decode_str;
use subtle::ConstantTimeEq as _;

use super::{Ingest, NotAccepted, hints, refused};
use crate::draft::Request;
use crate::text::cut;

/// A header that is not empty; bytes that are no UTF-8 become replacement characters.
pub(super) fn header<'a>(event: &'a ApiGatewayV2httpRequest, name: &str) -> Option<Cow<'a, str>> {
    let value = event.headers.get(name)?.as_bytes();
    (!value.is_empty()).then(|| String::from_utf8_lossy(value))
}

/// The body's bytes, or status and reason of the answer that refuses it.
pub(super) fn body(event: &mut ApiGatewayV2httpRequest) -> Result<Vec<u8>, (i64, String)> {
    let Some(body) = event.body.take() else { return Ok(Vec::new()) };
    let bytes = if event.is_base64_encoded {
        STANDARD
            .decode(body)
            .map_err(|_| (400, "the body is not the base64 that it is said to be".to_owned()))?
    } else {
        body.into_bytes()
    };
    if bytes.len() > MAX_BODY_BYTES {
        let detail = format!(
            "the body has {} bytes; the limit is {MAX_BODY_BYTES}: send fewer hits at once",
            bytes.len()
        );
        return Err((413, detail));
    }
    Ok(bytes)
}

/// The client's address as API Gateway gives it; sam adds a prefix length to it.
fn source_ip(event: &ApiGatewayV2httpRequest) -> Option<IpAddr> {
    let text = event.request_context.http.source_ip.as_deref()?;
    text.split('/').next()?.trim().parse().ok()
}

/// `address:port`; an IPv6 address has colons of its own, so the last one counts.
fn viewer_ip(text: &str) -> Option<IpAddr> {
    text.rsplit_once(':')?.0.trim_matches(['[', ']']).parse().ok()
}

impl Ingest {
    pub(super) async fn request(
        &self,
        event: &ApiGatewayV2httpRequest,
        token: Option<&str>,
    ) -> Result<Request, NotAccepted> {
        let is = |name: &str, value: &str| {
            event
                .headers
                .get(name)
                .is_some_and(|given| given.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
        };
        let owned = |name: &str| header(event, name).map(Cow::into_owned);
        let trusted = self.comes_from_cloudfront(event);
        let viewer = |name: &str| header(event, name).filter(|_| trusted);
        let place =
            |name: &str| cut(&percent_decode_str(&viewer(name)?).decode_utf8_lossy(), MAX_ID_BYTES);
        Ok(Request {
            received_ms: self.clock.now_ms(),
            ip: viewer("cloudfront-viewer-address")
                .and_then(|at| viewer_ip(&at))
                .or_else(|| source_ip(event)),
            user_agent: owned("user-agent"),
            language: owned("accept-language"),
            client_hints: hints::of(event),
            origin: owned("origin"),
            gpc: is("sec-gpc", "1"),
            dnt: is("dnt", "1") || is("x-do-not-track", "1"),
            prefetch: is("x-purpose", "preview")
                || is("x-purpose", "instant")
                || is("x-moz", "prefetch"),
            writes: self.token(event, token).await?,
            place: [
                place("cloudfront-viewer-country"),
                place("cloudfront-viewer-country-region"),
                place("cloudfront-viewer-city"),
            ],
        })
    }

    fn comes_from_cloudfront(&self, event: &ApiGatewayV2httpRequest) -> bool {
        let (Some(secret), Some(given)) =
            (self.origin_secret.as_deref(), event.headers.get("x-origin-verify"))
        else {
            return false;
        };
        !secret.is_empty() && given.as_bytes().ct_eq(secret.as_bytes()).into()
    }

    async fn token(
        &self,
        event: &ApiGatewayV2httpRequest,
        token: Option<&str>,
    ) -> Result<Option<lake::token::Token>, NotAccepted> {
        let authorization = header(event, "authorization");
        let bearer = authorization.as_deref().and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
        });
        let Some(token) = token.filter(|token| !token.is_empty()).or(bearer) else {
            return Ok(None);
        };
        // While tokens cannot be read nothing can be said: the client is to come again.
        self.tokens.find(token).await.map_err(|error| refused(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_cloudfront_have_a_port() {
        for (text, ip) in [
            ("203.0.113.9:46532", Some("203.0.113.9")),
            ("2001:db8::1:46532", Some("2001:db8::1")),
            ("[2001:db8::1]:46532", Some("2001:db8::1")),
            ("203.0.113.9", None),
            ("", None),
            (":", None),
        ] {
            assert_eq!(viewer_ip(text), ip.map(|ip| ip.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn sams_address_is_one() {
        let mut event = ApiGatewayV2httpRequest::default();
        for (text, ip) in
            [("192.168.0.1/32", Some("192.168.0.1")), ("::1", Some("::1")), ("x", None)]
        {
            event.request_context.http.source_ip = Some(text.to_owned());
            assert_eq!(source_ip(&event), ip.map(|ip| ip.parse().unwrap()), "{text}");
        }
    }
}
