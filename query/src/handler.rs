//! From an API Gateway 2.0 event to a question, from what was counted to an answer.

mod accept;
mod ahead;
mod erasure;
mod large;
mod link;
mod outcome;
mod queries;
mod rate;
mod response;
mod sites;
mod target;
mod wanted;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lambda_events::event::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Method};
use lake::clock::Clock;
use lake::limits::MAX_QUESTION_BYTES;
use lake::site::SiteCache;
use lake::store::StoreRef;
use lake::token::{Token, TokenCache};
use serde_json::json;
use tokio::sync::Notify;

use crate::ask::{self, Given};
use crate::athena::Athena;
use crate::definitions;
use crate::ledger::{self, LedgerError};
use crate::openapi;
use crate::question::Parameters;
use crate::scan::Scanner;
use crate::settings::ApiSettings;
pub(crate) use accept::fill_in as fill_in_format;
use ahead::{Ahead, beside};
use erasure::Asked;
pub(crate) use link::{has_changed, next as next_page};
pub(crate) use outcome::{
    Answered, Failed, NO_SITE, NOT_ALLOWED, failed, failed_scan, too_large, unread,
};
use outcome::{NO_TOKEN, NOT_FOUND, NOT_UTF8, UNKNOWN_TOKEN, UNREAD, not_allowed, too_often};
use rate::Rates;
pub(crate) use response::REQUEST_ID;
use response::{finish, for_method};
use target::{SITES_PATH, Target, target};
use tracing::Instrument as _;
use wanted::{Named, Wanted, allow};

pub(crate) const JSON: &str = "application/json";
const HEALTH_PATH: &str = "/v1/health";

/// What query needs; built once.
#[derive(Debug)]
pub struct Query {
    /// Where the table lies.
    pub store: StoreRef,
    /// The sites.
    pub sites: SiteCache,
    /// The tokens.
    pub tokens: TokenCache,
    /// The present moment.
    pub clock: Arc<dyn Clock>,
    /// Told of each erasure that is asked for.
    pub erasures: Arc<Notify>,
    /// Whose pages may ask, how often a token may.
    pub settings: ApiSettings,
    rates: Rates,
    pub(crate) scanner: Scanner,
    /// Bytes that an answer may have as the caller is sent it; none: any number.
    answer_limit_bytes: Option<usize>,
    /// Where Lambda parks batches, besides the store's own folder.
    parked: Option<StoreRef>,
    /// Who answers what is too much for one function.
    pub(crate) athena: Option<Arc<Athena>>,
    requests: AtomicU64,
}

impl Query {
    /// Query over a store.
    #[must_use]
    pub fn new(
        store: StoreRef,
        sites: SiteCache,
        tokens: TokenCache,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let scanner = Scanner::new(Arc::clone(&store));
        let requests = AtomicU64::new(0);
        Self {
            store,
            sites,
            tokens,
            clock,
            erasures: Arc::default(),
            settings: ApiSettings::default(),
            rates: Rates::default(),
            scanner,
            answer_limit_bytes: None,
            parked: None,
            athena: None,
            requests,
        }
    }

    /// The same with these settings.
    #[must_use]
    pub fn with_settings(self, settings: ApiSettings) -> Self {
        let scanner = self.scanner.with_memory(settings.question_bytes);
        Self { settings, scanner, ..self }
    }

    /// The same, whose answers above so many bytes go to the store and come back as a link.
    #[must_use]
    pub fn with_answer_limit(self, bytes: usize) -> Self {
        Self { answer_limit_bytes: Some(bytes), ..self }
    }

    /// The same with the bucket in which Lambda parks batches.
    #[must_use]
    pub fn with_parked(self, parked: Option<StoreRef>) -> Self {
        Self { parked, ..self }
    }

    /// The same, whose larger questions Athena may answer.
    #[must_use]
    pub fn with_athena(self, athena: Option<Arc<Athena>>) -> Self {
        Self { athena, ..self }
    }

    /// Answers one request, if its token opens the site.
    pub async fn handle(&self, event: ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
        let request_id = self.request_id(&event);
        // What is logged meanwhile says the id, too.
        let span = tracing::info_span!("question", request_id);
        async {
            let outcome = match Asked::of(&event) {
                Some(asked) => self.erasure(&asked, &event).await,
                None => self.answer(&event).await,
            };
            let answer = finish(outcome, &event, &request_id, &self.settings.origins);
            let answer = self.within_limit(&event, answer, &request_id).await;
            for_method(answer, &event.request_context.http.method)
        }
        .instrument(span)
        .await
    }

    /// Answers without asking for a token: for whoever owns the store.
    pub async fn answer_as_owner(
        &self,
        event: ApiGatewayV2httpRequest,
    ) -> ApiGatewayV2httpResponse {
        let request_id = self.request_id(&event);
        let request = Request { event: &event, token: None };
        let outcome = match target(event.raw_path.as_deref().unwrap_or_default()) {
            // Their ids are sealed by tokens.
            Some(Target::Queries | Target::Query(_)) => Err(NOT_FOUND),
            target => match Wanted::of(target.as_ref(), &event) {
                Ok(wanted) => {
                    let ahead = self.ahead(wanted.named()).await;
                    self.of_wanted(wanted, ahead, &request).await
                }
                Err(failed) => Err(failed),
            },
        };
        let answer = finish(outcome, &event, &request_id, &self.settings.origins);
        for_method(answer, &event.request_context.http.method)
    }

    fn request_id(&self, event: &ApiGatewayV2httpRequest) -> String {
        event.request_context.request_id.clone().filter(|id| !id.is_empty()).unwrap_or_else(|| {
            let number = self.requests.fetch_add(1, Ordering::Relaxed);
            format!("{:x}-{number:x}", self.clock.now_ms())
        })
    }

    async fn answer(&self, event: &ApiGatewayV2httpRequest) -> Result<Answered, Failed> {
        let method = &event.request_context.http.method;
        let path = event.raw_path.as_deref().unwrap_or_default();
        if method == Method::OPTIONS {
            return Ok(Answered::new(204, "text/plain", Vec::new()));
        }
        let target = target(path);
        let is_open = [HEALTH_PATH, openapi::PATH, definitions::PATH].contains(&path);
        let allowed = match target {
            Some(Target::Sites) => "GET, HEAD, POST, OPTIONS",
            Some(Target::Queries) => "POST, OPTIONS",
            _ => "GET, HEAD, OPTIONS",
        };
        let is_allowed = allowed.split(", ").any(|allowed| allowed == method.as_str());
        if !is_allowed && (is_open || target.is_some()) {
            return Err(not_allowed(allowed));
        }
        if is_open {
            accept::json(&event.headers)?;
            return Ok(open(path));
        }
        let bearer = bearer(event)?;
        let wanted = Wanted::of(target.as_ref(), event);
        let named = wanted.as_ref().ok().and_then(Wanted::named);
        let who = async {
            let token = self.token(bearer).await?;
            allow(&token, target.as_ref(), named)?;
            Ok(token)
        };
        let (token, ahead) = beside(who, self.ahead(named)).await?;
        let request = Request { event, token: Some(&token) };
        self.of_wanted(wanted?, ahead, &request).await
    }

    /// What a token opens.
    async fn token(&self, bearer: &str) -> Result<Token, Failed> {
        let token = self.tokens.find(bearer).await.map_err(|error| unread(&error))?;
        let token = token.ok_or(UNKNOWN_TOKEN)?;
        if let Some(rate) = self.settings.token_rate {
            let taken = self.rates.take(&token.sha256, rate, self.clock.now_ms());
            taken.map_err(|wait_s| too_often(rate.get(), wait_s))?;
        }
        Ok(token)
    }

    /// Answers what is asked for; `ahead` has what a question of metrics reads.
    async fn of_wanted(
        &self,
        wanted: Wanted<'_>,
        ahead: Ahead,
        request: &Request<'_>,
    ) -> Result<Answered, Failed> {
        let event = request.event;
        match wanted {
            Wanted::Metrics(named) => self.of_named(named, ahead, request).await,
            Wanted::Live(site) => {
                accept::json(&event.headers)?;
                Parameters::parse(event.raw_query_string.as_deref().unwrap_or_default(), &[])?;
                self.live(site).await
            }
            Wanted::Ledger(site) => {
                accept::json(&event.headers)?;
                self.ledger(site, event).await
            }
            Wanted::List => self.of_list(request).await,
            Wanted::Answer(id) => self.query_answer(id, request).await,
        }
    }

    /// The metrics of sites, of all of those that the token opens.
    async fn of_named(
        &self,
        named: Named,
        ahead: Ahead,
        request: &Request<'_>,
    ) -> Result<Answered, Failed> {
        let sites = match named.sites {
            Some(sites) => sites,
            None => ask::of_all(ahead.ids?, &|site| request.covers(site))?,
        };
        let listing = ahead.listing.transpose().map_err(|error| failed_scan(&error))?;
        let given = Given {
            sites: &sites,
            by_sites: named.by_sites,
            parameters: &named.parameters,
            listing: listing.as_ref(),
            work: &ahead.work,
        };
        self.metrics(&given, request).await
    }

    async fn of_list(&self, request: &Request<'_>) -> Result<Answered, Failed> {
        accept::json(&request.event.headers)?;
        let query = request.event.raw_query_string.as_deref().unwrap_or_default();
        Parameters::parse(query, &[])?;
        self.list_sites(&|site| request.covers(site)).await
    }
}

/// A request, and who asks.
pub(crate) struct Request<'a> {
    /// As it came.
    pub(crate) event: &'a ApiGatewayV2httpRequest,
    /// What opens the sites; none: the owner of the store asks.
    pub(crate) token: Option<&'a Token>,
}

impl Request<'_> {
    /// Whether who asks may ask about a site.
    pub(crate) fn covers(&self, site: i32) -> bool {
        self.token.is_none_or(|token| token.covers(site))
    }
}

impl Query {
    async fn ledger(&self, site: i32, event: &ApiGatewayV2httpRequest) -> Result<Answered, Failed> {
        let query = event.raw_query_string.as_deref().unwrap_or_default();
        let site = self.site(site).await?;
        let now_ms = self.clock.now_ms();
        let stores = ledger::Stores { own: &self.store, parked: self.parked.as_ref() };
        match ledger::answer(&self.scanner, stores, &site, query, now_ms).await {
            Ok(body) => Ok(Answered::new(200, JSON, body)),
            Err(LedgerError::Refused(refused)) => Err(refused.into()),
            Err(LedgerError::Scan(error)) => Err(failed_scan(&error)),
        }
    }
}

/// The token that a request has.
fn bearer(event: &ApiGatewayV2httpRequest) -> Result<&str, Failed> {
    let value = event.headers.get("authorization").and_then(|value| value.to_str().ok());
    let parts = value.and_then(|value| value.split_once(' '));
    let bearer = parts.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    bearer.map(|(_, token)| token.trim()).ok_or(NO_TOKEN)
}

/// What nobody needs a token for.
fn open(path: &str) -> Answered {
    let document = match path {
        HEALTH_PATH => return Answered::new(200, JSON, json!({"status": "ok"}).to_string()),
        definitions::PATH => definitions::DOCUMENT,
        _ => openapi::DOCUMENT,
    };
    let kept = (CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Answered::new(200, JSON, document).with([kept])
}

/// The body of a request, as text.
fn body(event: &ApiGatewayV2httpRequest) -> Result<String, Failed> {
    let text = event.body.as_deref().unwrap_or_default();
    let text = if event.is_base64_encoded {
        let bytes = STANDARD.decode(text).unwrap_or_default();
        String::from_utf8(bytes).map_err(|_| NOT_UTF8)?
    } else {
        text.to_owned()
    };
    if text.len() > MAX_QUESTION_BYTES {
        let detail = format!(
            "the body has {} bytes; the limit is {MAX_QUESTION_BYTES}; ask a shorter question",
            text.len()
        );
        return Err(Failed { detail: detail.into(), ..failed(413, "Too large", "") });
    }
    Ok(text)
}
