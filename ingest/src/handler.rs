//! From an API Gateway 2.0 event to drafts, from what became of them to an answer.

mod answer;
mod counters;
mod hints;
mod matomo;
mod request;

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lambda_events::event::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use http::Method;
use lake::clock::{Clock, Random};
use lake::dropped::{Dropped, NO_SITE};
use lake::salt::Salts;
use lake::site::SiteCache;
use lake::stream::{HitStream, Record};
use lake::token::TokenCache;

pub use counters::{Counted, Counters};

use crate::draft::{Draft, Drop, Request};
use crate::parse::{json, pixel};
use crate::places::Places;
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
    /// Where addresses are.
    pub places: Arc<Places>,
    /// What becomes of hits, for the log.
    pub counters: Counters,
}

/// What became of the hits of a request.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Hits on the stream.
    pub accepted: usize,
    /// These by kind as the steps left it: a page view can have become a search.
    pub kinds: BTreeMap<&'static str, usize>,
    /// Hits dropped, by reason.
    pub dropped: BTreeMap<Drop, usize>,
    /// The dropped ones' places among the request's hits, from 0, in order.
    pub dropped_at: Vec<(usize, Drop)>,
}

impl Outcome {
    fn drop(&mut self, position: usize, reason: Drop) {
        *self.dropped.entry(reason).or_default() += 1;
        self.dropped_at.push((position, reason));
    }
}

/// The hits could not be put; none was acknowledged.
#[derive(Debug, thiserror::Error)]
#[error("hits not accepted: {0}")]
pub struct NotAccepted(String);

impl Ingest {
    /// Answers one request.
    pub async fn handle(&self, mut event: ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
        let path = event.raw_path.take().unwrap_or_default();
        let method = event.request_context.http.method.clone();
        let origin = event.headers.get("origin").cloned();
        let body = match request::body(&mut event) {
            Ok(body) => body,
            Err((code, reason)) => {
                return answer::open_to(answer::problem(code, &reason), origin.as_ref());
            }
        };
        let answered = match (&method, path.as_str()) {
            (&Method::OPTIONS, "/matomo.php" | "/piwik.php") => return answer::matomo_preflight(),
            (&Method::OPTIONS, "/hit" | "/hit.gif" | "/tracker.js") => answer::preflight(),
            (&Method::POST, "/hit") => self.hit(&event, &body).await,
            (&Method::GET, "/hit.gif") => self.pixel(&event).await,
            (&Method::GET | &Method::HEAD | &Method::POST, "/matomo.php" | "/piwik.php") => {
                let answered = self.matomo(&event, &body).await;
                return answer::matomo(answered, &method, origin.as_ref());
            }
            (&Method::GET | &Method::HEAD, "/tracker.js") => {
                answer::tracker(&method, request::header(&event, "if-none-match").as_deref())
            }
            (_, "/hit" | "/hit.gif" | "/matomo.php" | "/piwik.php" | "/tracker.js") => {
                answer::not_allowed(&path)
            }
            _ => answer::problem(404, "there is nothing at this path"),
        };
        answer::open_to(answered, origin.as_ref())
    }

    async fn hit(&self, event: &ApiGatewayV2httpRequest, body: &[u8]) -> ApiGatewayV2httpResponse {
        let mut drafts = match json::parse(body) {
            Ok(drafts) => drafts,
            Err(error @ json::BodyError::TooMany(_)) => {
                return answer::problem(413, &error.to_string());
            }
            Err(error) => return answer::problem(400, &error.to_string()),
        };
        if json::is_array(body) {
            number(drafts.iter_mut().flatten(), body);
        }
        let Ok(request) = self.request(event, None).await else { return answer::unavailable() };
        answer::hits(self.accept(drafts, &request).await)
    }

    async fn pixel(&self, event: &ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
        let mut draft = pixel::parse(event.raw_query_string.as_deref().unwrap_or_default());
        if let Ok(draft) = &mut draft
            && draft.url.is_none()
            && draft.referrer.is_none()
        {
            draft.url = request::header(event, "referer").map(std::borrow::Cow::into_owned);
        }
        let Ok(request) = self.request(event, None).await else { return answer::unavailable() };
        answer::hits(self.accept(vec![draft], &request).await)
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
        let steps = Steps {
            sites: &self.sites,
            salts: &self.salts,
            random: self.random.as_ref(),
            places: &self.places,
        };
        let (mut outcome, mut told) = (Outcome::default(), Dropped::received(request.received_ms));
        let mut records = Vec::with_capacity(drafts.len());
        for (position, draft) in drafts.into_iter().enumerate() {
            let mut draft = match draft {
                Ok(draft) => {
                    Draft { position: u32::try_from(position).unwrap_or(u32::MAX), ..draft }
                }
                Err(reason) => {
                    outcome.drop(position, reason);
                    told.add(NO_SITE, reason.name(), 1);
                    continue;
                }
            };
            let done = steps.run(&mut draft, request).await.map_err(|error| refused(&error))?;
            match done {
                Ok(()) => {
                    *outcome.kinds.entry(draft.hit.kind.name()).or_default() += 1;
                    records.push(Record {
                        partition_key: draft.hit.id.to_string(),
                        data: draft.hit.encode(),
                    });
                }
                Err(reason) => {
                    outcome.drop(position, reason);
                    told.add(draft.hit.site, reason.name(), 1);
                }
            }
        }
        outcome.accepted = records.len();
        let bytes = records.iter().map(|record| record.data.len() as u64).sum();
        let put = async {
            if records.is_empty() { Ok(Vec::new()) } else { self.stream.put(records).await }
        };
        let (put, ()) = tokio::join!(put, self.tell(&told));
        self.counters.add(&outcome, bytes, put.is_ok());
        put.map_err(|error| refused(&error))?;
        Ok(outcome)
    }

    /// Tells the ledger what was dropped. The answer does not depend on it: where the stream does
    /// not take it, the ledger shows less.
    pub async fn tell(&self, dropped: &Dropped) {
        if dropped.is_empty() {
            return;
        }
        if let Err(error) = self.stream.put(vec![dropped.record(self.random.next_u128())]).await {
            tracing::warn!("the ledger lacks some dropped hits: {error}");
        }
    }
}

/// One failure is logged once, here.
fn refused(error: &dyn std::error::Error) -> NotAccepted {
    tracing::error!("hits not accepted: {error}");
    NotAccepted(error.to_string())
}

/// Gives drafts without an id the digest of body and place, so that a body sent twice counts once.
fn number<'a>(drafts: impl Iterator<Item = &'a mut Draft>, body: &[u8]) {
    let digest = xxhash_rust::xxh3::xxh3_128(body);
    for (position, draft) in drafts.enumerate() {
        draft.digest = Some(place_digest(digest, position));
    }
}

fn place_digest(body: u128, position: usize) -> u128 {
    xxhash_rust::xxh3::xxh3_128_with_seed(&body.to_be_bytes(), position as u64)
}
