//! From an API Gateway 2.0 event to drafts, from what became of them to an answer.

mod answer;
mod request;

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lambda_events::event::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use http::Method;
use lake::clock::{Clock, Random};
use lake::limits::MAX_BODY_BYTES;
use lake::salt::Salts;
use lake::site::SiteCache;
use lake::stream::{HitStream, Record};
use lake::token::TokenCache;

use crate::draft::{Draft, Drop, Request};
use crate::parse::{json, matomo, pairs};
use crate::step::Steps;

/// What ingest needs; built once, before the first event.
#[derive(Debug)]
pub struct Ingest {
    /// The sites.
    pub sites: SiteCache,
    /// Tokens that open what needs one.
    pub tokens: TokenCache,
    /// Salts of fingerprints.
    pub salts: Salts,
    /// Where hits go.
    pub stream: Arc<dyn HitStream>,
    /// The present moment.
    pub clock: Arc<dyn Clock>,
    /// Ids for hits that bring nothing to make one of.
    pub random: Arc<dyn Random>,
    /// Secret with which CloudFront proves that its headers are its own.
    pub origin_secret: Option<String>,
}

/// What became of the hits of a request.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Hits on the stream.
    pub accepted: usize,
    /// Hits dropped, by reason.
    pub dropped: BTreeMap<Drop, usize>,
}

/// The hits could not be put; none was acknowledged.
#[derive(Debug, thiserror::Error)]
#[error("hits not accepted: {0}")]
pub struct NotAccepted(String);

impl Ingest {
    /// Answers one request.
    pub async fn handle(&self, event: ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
        let path = event.raw_path.clone().unwrap_or_default();
        let method = event.request_context.http.method.clone();
        let origin = request::header(&event, "origin").map(str::to_owned);
        let body = match request::body(&event) {
            Ok(body) if body.len() > MAX_BODY_BYTES => {
                return answer::problem(
                    413,
                    &format!(
                        "the body has {} bytes; the limit is {MAX_BODY_BYTES}: send fewer hits at once",
                        body.len()
                    ),
                );
            }
            Ok(body) => body,
            Err(reason) => return answer::problem(400, reason),
        };
        let answered = match (method, path.as_str()) {
            (Method::OPTIONS, _) => answer::preflight(),
            (Method::POST, "/hit") => self.hit(&event, &body).await,
            (Method::GET, "/hit.gif") => self.pixel(&event).await,
            (Method::GET | Method::POST, "/matomo.php" | "/piwik.php") => {
                self.matomo(&event, &body).await
            }
            (Method::GET | Method::HEAD, "/tracker.js") => {
                answer::tracker(request::header(&event, "if-none-match"))
            }
            (_, "/hit" | "/hit.gif" | "/matomo.php" | "/piwik.php" | "/tracker.js") => {
                answer::problem(405, "this method is not allowed here")
            }
            _ => answer::problem(404, "there is nothing at this path"),
        };
        answer::with_origin(answered, origin.as_deref())
    }

    async fn hit(&self, event: &ApiGatewayV2httpRequest, body: &[u8]) -> ApiGatewayV2httpResponse {
        let drafts = match json::parse(body) {
            Ok(drafts) => drafts,
            Err(error @ json::BodyError::TooMany(_)) => {
                return answer::problem(413, &error.to_string());
            }
            Err(error) => return answer::problem(400, &error.to_string()),
        };
        let request = self.request(event, None).await;
        answer::hits(self.accept(drafts, &request).await)
    }

    async fn pixel(&self, event: &ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
        let pairs = pairs::parse(event.raw_query_string.as_deref().unwrap_or_default());
        let request = self.request(event, None).await;
        answer::hits(self.accept(vec![json::parse_query(pairs)], &request).await)
    }

    async fn matomo(
        &self,
        event: &ApiGatewayV2httpRequest,
        body: &[u8],
    ) -> ApiGatewayV2httpResponse {
        if body.windows(10).any(|part| part == b"\"requests\"") {
            return self.bulk(event, body).await;
        }
        let query = event.raw_query_string.as_deref().unwrap_or_default();
        let mut parameters = pairs::parse(query);
        parameters.extend(pairs::parse(&String::from_utf8_lossy(body)));
        let of = |name: &str| {
            parameters.iter().find(|(given, _)| given == name).map(|(_, value)| value.clone())
        };
        let no_body = of("send_image").as_deref() == Some("0");
        if parameters.is_empty() {
            return answer::matomo_empty(event.request_context.http.method == Method::GET);
        }
        let request = self.request(event, of("token_auth")).await;
        let buster = of("r").or_else(|| of("rand"));
        let parsed = matomo::parse(parameters, |site| {
            i32::try_from(site).is_ok_and(|site| request.may_write(site))
        });
        let mut draft = match parsed {
            matomo::Parsed::Hit(draft) => *draft,
            matomo::Parsed::Ignored => return answer::matomo_pixel(200, no_body),
            matomo::Parsed::Refused => return answer::matomo_pixel(400, no_body),
        };
        if buster.is_some() {
            let digest = xxhash_rust::xxh3::xxh3_128(&[query.as_bytes(), body].concat());
            draft.digest = Some(digest);
        }
        if draft.url.is_none() && draft.referrer.is_none() {
            draft.url = request::header(event, "referer").map(str::to_owned);
        }
        match self.accept(vec![Ok(draft)], &request).await {
            Ok(outcome) => {
                let refused = [Drop::UnknownSite, Drop::Clock, Drop::Invalid]
                    .iter()
                    .any(|drop| outcome.dropped.contains_key(drop));
                answer::matomo_pixel(if refused { 400 } else { 200 }, no_body)
            }
            Err(_) => answer::unavailable(),
        }
    }

    async fn bulk(&self, event: &ApiGatewayV2httpRequest, body: &[u8]) -> ApiGatewayV2httpResponse {
        let bulk = matomo::parse_bulk(body);
        let request = self.request(event, bulk.token).await;
        let (mut drafts, mut invalid, mut ignored) = (Vec::new(), 0, 0);
        for (position, parameters) in bulk.requests.into_iter().enumerate() {
            let digest = xxhash_rust::xxh3::xxh3_128_with_seed(body, position as u64);
            match matomo::parse(parameters, |site| {
                i32::try_from(site).is_ok_and(|site| request.may_write(site))
            }) {
                matomo::Parsed::Hit(draft) => {
                    drafts.push(Ok(Draft { digest: Some(digest), ..*draft }))
                }
                matomo::Parsed::Ignored => ignored += 1,
                matomo::Parsed::Refused => invalid += 1,
            }
        }
        match self.accept(drafts, &request).await {
            Ok(outcome) => {
                for (drop, count) in outcome.dropped {
                    let refused = matches!(drop, Drop::UnknownSite | Drop::Clock | Drop::Invalid);
                    *(if refused { &mut invalid } else { &mut ignored }) += count;
                }
                answer::matomo_bulk(outcome.accepted + ignored, invalid, bulk.no_body)
            }
            Err(_) => answer::unavailable(),
        }
    }

    /// Takes drafts through the steps and puts the hits that stay on the stream.
    ///
    /// # Errors
    ///
    /// When settings cannot be read or the stream does not take the hits: nothing is acknowledged.
    pub async fn accept(
        &self,
        drafts: Vec<Result<Draft, Drop>>,
        request: &Request,
    ) -> Result<Outcome, NotAccepted> {
        let steps = Steps { sites: &self.sites, salts: &self.salts, random: self.random.as_ref() };
        let mut outcome = Outcome::default();
        let mut records = Vec::with_capacity(drafts.len());
        for (position, draft) in (0_u32..).zip(drafts) {
            let done = match draft {
                Ok(draft) => steps
                    .run(Draft { position, ..draft }, request)
                    .await
                    .map_err(|error| NotAccepted(error.to_string()))?,
                Err(drop) => Err(drop),
            };
            match done {
                Ok(hit) => {
                    records.push(Record { partition_key: hit.id.to_string(), data: hit.encode() })
                }
                Err(drop) => *outcome.dropped.entry(drop).or_default() += 1,
            }
        }
        outcome.accepted = records.len();
        if !records.is_empty() {
            self.stream.put(records).await.map_err(|error| {
                tracing::error!("{error}");
                NotAccepted(error.to_string())
            })?;
        }
        Ok(outcome)
    }
}
