//! What is known of a request: headers, body, address, token.
//!
//! CloudFront's headers count only with its secret: anybody can send them.

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;

use super::Ingest;
use crate::draft::Request;

pub(super) fn header<'a>(event: &'a ApiGatewayV2httpRequest, name: &str) -> Option<&'a str> {
    event.headers.get(name)?.to_str().ok().filter(|value| !value.is_empty())
}

pub(super) fn body(event: &ApiGatewayV2httpRequest) -> Result<Vec<u8>, &'static str> {
    let Some(body) = &event.body else { return Ok(Vec::new()) };
    if event.is_base64_encoded {
        return STANDARD
            .decode(body)
            .map_err(|_| "the body is not the base64 that it is said to be");
    }
    Ok(body.clone().into_bytes())
}

impl Ingest {
    pub(super) async fn request(
        &self,
        event: &ApiGatewayV2httpRequest,
        token: Option<String>,
    ) -> Request {
        let is = |name: &str, value: &str| {
            header(event, name).is_some_and(|given| given.eq_ignore_ascii_case(value))
        };
        let trusted = self.origin_secret.as_deref().is_some_and(|secret| {
            header(event, "x-origin-verify")
                .is_some_and(|given| bool::from(given.as_bytes().ct_eq(secret.as_bytes())))
        });
        let viewer = |name: &str| header(event, name).filter(|_| trusted).map(str::to_owned);
        // "address:port"; an IPv6 address has colons of its own, so the last one counts.
        let viewer_ip = viewer("cloudfront-viewer-address")
            .and_then(|at| at.rsplit_once(':')?.0.trim_matches(['[', ']']).parse().ok());
        let source_ip =
            event.request_context.http.source_ip.as_deref().and_then(|ip| ip.parse().ok());
        let bearer = header(event, "authorization").and_then(|value| value.strip_prefix("Bearer "));
        let token = token.as_deref().filter(|token| !token.is_empty()).or(bearer);
        let writes = match token {
            // While tokens cannot be read none is known: the hit loses its privileges, not its life.
            Some(token) => self.tokens.find(token).await.ok().flatten(),
            None => None,
        };
        Request {
            received_ms: self.clock.now_ms(),
            ip: viewer_ip.or(source_ip),
            user_agent: header(event, "user-agent").map(str::to_owned),
            language: header(event, "accept-language").map(str::to_owned),
            origin: header(event, "origin").map(str::to_owned),
            gpc: is("sec-gpc", "1"),
            dnt: is("dnt", "1") || is("x-do-not-track", "1"),
            prefetch: is("x-purpose", "preview")
                || is("x-purpose", "instant")
                || is("x-moz", "prefetch"),
            writes,
            place: [
                viewer("cloudfront-viewer-country"),
                viewer("cloudfront-viewer-country-region"),
                viewer("cloudfront-viewer-city"),
            ],
        }
    }
}
