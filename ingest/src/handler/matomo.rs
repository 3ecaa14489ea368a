//! Matomo's protocol: one request or a bulk, and its answers (matomo.md 1.1).

use aws_lambda_events::event::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use http::Method;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128, xxh3_128_with_seed};

use super::{Ingest, answer, place_digest, request};
use crate::draft::{Draft, Drop};
use crate::parse::bulk::Bulk;
use crate::parse::halves::mended;
use crate::parse::matomo::{Parameters, parse};

impl Ingest {
    pub(super) async fn matomo(
        &self,
        event: &ApiGatewayV2httpRequest,
        body: &[u8],
    ) -> ApiGatewayV2httpResponse {
        if Bulk::is_one(body) {
            return self.bulk(event, body).await;
        }
        let query = event.raw_query_string.as_deref().unwrap_or_default();
        let form = String::from_utf8_lossy(body);
        let parameters = Parameters::of_request(query, &form);
        if parameters.is_empty() {
            return answer::matomo_empty(event.request_context.http.method != Method::POST);
        }
        let no_body = parameters.asks_for_no_body();
        let Ok(request) = self.request(event, parameters.token()).await else {
            return answer::unavailable();
        };
        let mut draft = parse(&parameters, |site| request.may_write(site));
        if let Ok(draft) = &mut draft {
            if parameters.has_cache_buster() {
                draft.digest = Some(digest(query, body));
            }
            if draft.url.is_none() && draft.referrer.is_none() {
                draft.url = request::header(event, "referer").map(std::borrow::Cow::into_owned);
            }
        }
        match self.accept(vec![draft], &request).await {
            Ok(outcome) if outcome.dropped.keys().any(|reason| reason.is_refusal()) => {
                answer::matomo_refused()
            }
            Ok(_) => answer::matomo_pixel(no_body),
            Err(_) => answer::unavailable(),
        }
    }

    async fn bulk(&self, event: &ApiGatewayV2httpRequest, body: &[u8]) -> ApiGatewayV2httpResponse {
        let mended = mended(body);
        let bulk = Bulk::parse(&mended);
        let query =
            Parameters::of_request(event.raw_query_string.as_deref().unwrap_or_default(), "");
        // Whoever sends one of the requests with a token sends them all.
        let own = || bulk.requests().find_map(|one| one.token().map(str::to_owned));
        let token = bulk.token().or(query.token()).map(str::to_owned).or_else(own);
        let Ok(request) = self.request(event, token.as_deref()).await else {
            return answer::unavailable();
        };
        let whole = xxh3_128(body);
        let drafts: Vec<Result<Draft, Drop>> = bulk
            .requests()
            .enumerate()
            .map(|(position, parameters)| {
                let draft = parse(&parameters, |site| request.may_write(site))?;
                Ok(Draft { digest: Some(place_digest(whole, position)), ..draft })
            })
            .collect();
        let total = drafts.len();
        let outcome = match self.accept(drafts, &request).await {
            Ok(outcome) => outcome,
            Err(_) => return answer::unavailable(),
        };
        let invalid: Vec<usize> = outcome
            .dropped_at
            .iter()
            .filter(|(_, reason)| reason.is_refusal())
            .map(|(position, _)| *position)
            .collect();
        if bulk.asks_for_no_body() {
            return answer::matomo_bulk_without_body();
        }
        let may_know = request.writes.as_ref().is_some_and(|token| token.write);
        answer::matomo_bulk(total - invalid.len(), &invalid, may_know)
    }
}

/// Digest of a request that its cache buster makes one of a kind.
fn digest(query: &str, body: &[u8]) -> u128 {
    if body.is_empty() {
        return xxh3_128(query.as_bytes());
    }
    xxh3_128_with_seed(body, xxh3_64(query.as_bytes()))
}
