//! From an API Gateway 2.0 event to a question, from what was counted to an answer.

mod accept;
mod erasure;
mod large;
mod link;
mod outcome;
mod queries;
mod rate;
mod response;
mod sites;
mod target;

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
use crate::question::{PARAMETERS, Parameters, Refused};
use crate::report;
use crate::scan::Scanner;
use crate::settings::ApiSettings;
pub(crate) use accept::fill_in as fill_in_format;
use erasure::Asked;
pub(crate) use link::next as next_page;
pub(crate) use outcome::{
    Answered, Failed, NO_SITE, NOT_ALLOWED, failed, failed_scan, too_large, unread,
};
use outcome::{NO_TOKEN, NOT_FOUND, NOT_UTF8, UNKNOWN_TOKEN, UNREAD, not_allowed, too_often};
use rate::Rates;
pub(crate) use response::REQUEST_ID;
use response::{finish, for_method};
use target::{LIVE, SITES_PATH, Target, target};
use tracing::Instrument as _;

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
            Some(Target::Site(site, report)) => self.of_site(site, report, &request).await,
            Some(Target::Sites) => self.of_sites(&request).await,
            Some(Target::List) => self.of_list(&request).await,
            Some(Target::Queries | Target::Query(_)) | None => Err(NOT_FOUND),
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
        let token = self.token(event).await?;
        let request = Request { event, token: Some(&token) };
        match target {
            None => Err(NOT_FOUND),
            Some(_) if !token.read => Err(NOT_ALLOWED),
            // The same answer whether there is such a site or not.
            Some(Target::Site(site, _)) if !request.covers(site) => Err(NOT_ALLOWED),
            Some(Target::Site(site, report)) => self.of_site(site, report, &request).await,
            Some(Target::Sites) => self.of_sites(&request).await,
            Some(Target::List) => self.of_list(&request).await,
            Some(Target::Queries) => self.start_query(&request).await,
            Some(Target::Query(id)) => self.query_answer(id, &request).await,
        }
    }

    /// What the request's token opens.
    async fn token(&self, event: &ApiGatewayV2httpRequest) -> Result<Token, Failed> {
        let bearer = event.headers.get("authorization").and_then(|value| value.to_str().ok());
        let bearer = bearer.and_then(|value| value.split_once(' '));
        let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, token)) = bearer else { return Err(NO_TOKEN) };
        let token = self.tokens.find(token.trim()).await.map_err(|error| unread(&error))?;
        let token = token.ok_or(UNKNOWN_TOKEN)?;
        if let Some(rate) = self.settings.token_rate {
            let taken = self.rates.take(&token.sha256, rate, self.clock.now_ms());
            taken.map_err(|wait_s| too_often(rate.get(), wait_s))?;
        }
        Ok(token)
    }

    /// A report of one site.
    async fn of_site(
        &self,
        site: i32,
        report: &str,
        request: &Request<'_>,
    ) -> Result<Answered, Failed> {
        let event = request.event;
        let query = event.raw_query_string.as_deref().unwrap_or_default();
        if report == LIVE {
            accept::json(&event.headers)?;
            Parameters::parse(query, &[])?;
            return self.live(site).await;
        }
        if report == ledger::NAME {
            accept::json(&event.headers)?;
            return self.ledger(site, event).await;
        }
        let mut parameters = Parameters::parse(query, &PARAMETERS)?;
        if let Some(sites) = parameters.of("sites") {
            let detail = format!("the path names the site; ask {SITES_PATH} for several");
            return Err(Refused::new("sites", sites, detail).into());
        }
        if !report::fill_in(report, &mut parameters) {
            return Err(NOT_FOUND);
        }
        let given = Given { sites: &[site], by_sites: false, parameters: &parameters };
        self.metrics(&given, request).await
    }

    /// The metrics of several sites, of those that the token opens.
    async fn of_sites(&self, request: &Request<'_>) -> Result<Answered, Failed> {
        let event = request.event;
        let query = event.raw_query_string.as_deref().unwrap_or_default();
        let parameters = if event.request_context.http.method == Method::POST {
            Parameters::parse(query, &[])?;
            Parameters::from_json(&body(event)?, &PARAMETERS)?
        } else {
            Parameters::parse(query, &PARAMETERS)?
        };
        self.of_named_sites(&parameters, request).await
    }

    /// A question that names its sites.
    async fn of_named_sites(
        &self,
        parameters: &Parameters,
        request: &Request<'_>,
    ) -> Result<Answered, Failed> {
        let sites = match ask::sites(parameters.of("sites"))? {
            Some(sites) if sites.iter().all(|site| request.covers(*site)) => sites,
            Some(_) => return Err(NOT_ALLOWED),
            None => ask::all_sites(&self.store, &|site| request.covers(site)).await?,
        };
        self.metrics(&Given { sites: &sites, by_sites: true, parameters }, request).await
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
