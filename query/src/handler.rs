//! From an API Gateway 2.0 event to a question, from what was counted to an answer.

mod erasure;
mod large;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lambda_events::encodings::Body;
use aws_lambda_events::event::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_TYPE,
    HeaderName, WWW_AUTHENTICATE,
};
use http::{HeaderValue, Method};
use lake::clock::Clock;
use lake::limits::MAX_QUESTION_BYTES;
use lake::site::SiteCache;
use lake::store::StoreRef;
use lake::token::{Token, TokenCache};
use serde_json::json;
use tokio::sync::Notify;

use crate::answer::problem;
use crate::ask;
use crate::ledger::{self, LedgerError};
use crate::question::{PARAMETERS, Parameters, Refused};
use crate::report;
use crate::scan::{ScanError, Scanner};
use erasure::Asked;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, OPTIONS");
/// Methods that a page of another origin may use.
const PREFLIGHT_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, DELETE, OPTIONS");
pub(crate) const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

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
    pub(crate) scanner: Scanner,
    /// Bytes that an answer may have as the caller is sent it; none: any number.
    answer_limit_bytes: Option<usize>,
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
        let answer_limit_bytes = None;
        let erasures = Arc::default();
        Self { store, sites, tokens, clock, erasures, scanner, answer_limit_bytes, requests }
    }

    /// The same, whose answers above so many bytes go to the store and come back as a link.
    #[must_use]
    pub fn with_answer_limit(self, bytes: usize) -> Self {
        Self { answer_limit_bytes: Some(bytes), ..self }
    }

    /// Answers one request, if its token opens the site.
    pub async fn handle(&self, event: ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
        let request_id = self.request_id(&event);
        if let Some(asked) = Asked::of(&event) {
            return self.erasure(&asked, &event, &request_id).await;
        }
        let outcome = self.answer(&event).await;
        let head = event.request_context.http.method == Method::HEAD;
        let answer = finish(outcome, &request_id, head);
        self.within_limit(&event, answer, &request_id).await
    }

    /// Answers without asking for a token: for whoever owns the store.
    pub async fn answer_as_owner(
        &self,
        event: ApiGatewayV2httpRequest,
    ) -> ApiGatewayV2httpResponse {
        let request_id = self.request_id(&event);
        let outcome = match target(event.raw_path.as_deref().unwrap_or_default()) {
            Some(Target::Site(site, report)) => self.of_site(site, report, &event).await,
            Some(Target::Sites) => self.of_sites(&|_| true, &event).await,
            None => Err(NOT_FOUND),
        };
        finish(outcome, &request_id, false)
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
            return Ok(Answered { status: 204, kind: "text/plain", body: String::new() });
        }
        let is_post = method == Method::POST && path == SITES_PATH;
        if method != Method::GET && method != Method::HEAD && !is_post {
            return Err(METHOD);
        }
        if path == "/v1/health" {
            let body = json!({"status": "ok"}).to_string();
            return Ok(Answered { status: 200, kind: JSON, body });
        }
        let token = self.token(event).await?;
        match target(path) {
            // The same answer whether there is such a site or not.
            Some(Target::Site(site, report)) if token.read && token.covers(site) => {
                self.of_site(site, report, event).await
            }
            Some(Target::Sites) if token.read => {
                self.of_sites(&|site| token.covers(site), event).await
            }
            Some(_) => Err(NOT_ALLOWED),
            None => Err(NOT_FOUND),
        }
    }

    /// What the request's token opens.
    async fn token(&self, event: &ApiGatewayV2httpRequest) -> Result<Token, Failed> {
        let bearer = event.headers.get("authorization").and_then(|value| value.to_str().ok());
        let bearer = bearer.and_then(|value| value.split_once(' '));
        let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, token)) = bearer else { return Err(NO_TOKEN) };
        let token = self.tokens.find(token.trim()).await.map_err(|error| unread(&error))?;
        token.ok_or(UNKNOWN_TOKEN)
    }

    /// A report of one site.
    async fn of_site(
        &self,
        site: i32,
        report: &str,
        event: &ApiGatewayV2httpRequest,
    ) -> Result<Answered, Failed> {
        let query = event.raw_query_string.as_deref().unwrap_or_default();
        if report == LIVE {
            Parameters::parse(query, &[])?;
            return self.live(site).await;
        }
        if report == ledger::NAME {
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
        self.metrics(&[site], &parameters, false).await
    }

    /// The metrics of several sites, of those that `covers` allows.
    async fn of_sites(
        &self,
        covers: &(dyn Fn(i32) -> bool + Sync),
        event: &ApiGatewayV2httpRequest,
    ) -> Result<Answered, Failed> {
        let query = event.raw_query_string.as_deref().unwrap_or_default();
        let parameters = if event.request_context.http.method == Method::POST {
            Parameters::parse(query, &[])?;
            Parameters::from_json(&body(event)?, &PARAMETERS)?
        } else {
            Parameters::parse(query, &PARAMETERS)?
        };
        let sites = match ask::sites(parameters.of("sites"))? {
            Some(sites) if sites.iter().all(|site| covers(*site)) => sites,
            Some(_) => return Err(NOT_ALLOWED),
            None => ask::all_sites(&self.store, covers).await?,
        };
        self.metrics(&sites, &parameters, true).await
    }
}

impl Query {
    async fn ledger(&self, site: i32, event: &ApiGatewayV2httpRequest) -> Result<Answered, Failed> {
        let query = event.raw_query_string.as_deref().unwrap_or_default();
        let site = self.site(site).await?;
        let now_ms = self.clock.now_ms();
        match ledger::answer(&self.scanner, &self.store, &site, query, now_ms).await {
            Ok(body) => Ok(Answered { status: 200, kind: JSON, body }),
            Err(LedgerError::Refused(refused)) => Err(refused.into()),
            Err(LedgerError::Scan(error)) => Err(failed_scan(&error)),
        }
    }
}

/// Where several sites are asked about.
const SITES_PATH: &str = "/v1/metrics";
/// The report of the last minutes.
const LIVE: &str = "live";

/// What a path asks about.
enum Target<'a> {
    /// A report of a site.
    Site(i32, &'a str),
    /// The metrics of several sites.
    Sites,
}

/// What `/v1/metrics` or `/v1/sites/{site}/{report}` asks about.
fn target(path: &str) -> Option<Target<'_>> {
    if path == SITES_PATH {
        return Some(Target::Sites);
    }
    let (site, report) = path.strip_prefix("/v1/sites/")?.split_once('/')?;
    let id = site.parse().ok().filter(|id| *id > 0)?;
    let is_known = [LIVE, ledger::NAME].contains(&report) || report::is_known(report);
    (site.bytes().all(|byte| byte.is_ascii_digit()) && is_known).then_some(Target::Site(id, report))
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

/// An answer that is not yet an event's.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: i64,
    pub(crate) kind: &'static str,
    pub(crate) body: String,
}

/// Why a request was not answered.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) status: i64,
    title: &'static str,
    detail: std::borrow::Cow<'static, str>,
    refused: Option<Box<Refused>>,
}

const fn failed(status: i64, title: &'static str, detail: &'static str) -> Failed {
    Failed { status, title, detail: std::borrow::Cow::Borrowed(detail), refused: None }
}

const NOT_FOUND: Failed = failed(
    404,
    "Not found",
    "ask /v1/sites/{site}/metrics, one of the named reports, or /v1/metrics for several sites",
);
const NOT_UTF8: Failed = failed(400, "The question is refused", "the body is not UTF-8");
pub(crate) const NO_SITE: Failed = failed(404, "Not found", "there is no such site");
const METHOD: Failed =
    failed(405, "Method not allowed", "ask with GET; /v1/metrics with POST, too");
const NO_TOKEN: Failed = failed(401, "No token", "send the header Authorization: Bearer TOKEN");
const UNKNOWN_TOKEN: Failed =
    failed(401, "Unknown token", "this token is not known or was revoked");
pub(crate) const NOT_ALLOWED: Failed =
    failed(403, "Not allowed", "this token does not open this site");
const UNREAD: Failed = failed(503, "Not answered", "the store could not be read; ask again");

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        Self {
            status: 400,
            title: "The question is refused",
            detail: refused.detail.clone().into(),
            refused: Some(Box::new(refused)),
        }
    }
}

pub(crate) fn unread(error: &dyn std::fmt::Display) -> Failed {
    tracing::error!("settings could not be read: {error}");
    UNREAD
}

pub(crate) fn failed_scan(error: &ScanError) -> Failed {
    if let ScanError::TooLarge { .. } = error {
        return Failed { detail: error.to_string().into(), ..failed(422, "Too large", "") };
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    tracing::error!("question failed: {text}");
    UNREAD
}

fn finish(
    outcome: Result<Answered, Failed>,
    request_id: &str,
    head: bool,
) -> ApiGatewayV2httpResponse {
    let answered = outcome.unwrap_or_else(|failed| {
        let Failed { status, title, detail, refused } = failed;
        let body = problem(status, title, &detail, refused.as_deref(), request_id);
        Answered { status, kind: PROBLEM, body }
    });
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = answered.status;
    let headers = &mut response.headers;
    let fixed = HeaderValue::from_static;
    headers.insert(CACHE_CONTROL, fixed("no-store"));
    if let Ok(request_id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, request_id);
    }
    // A token comes in a header that a page must put there itself, never by the browser's own doing.
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, fixed("*"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, fixed("request-id, location"));
    match answered.status {
        204 => {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, PREFLIGHT_METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, fixed("authorization, content-type"));
            headers.insert(ACCESS_CONTROL_MAX_AGE, fixed("86400"));
            return response;
        }
        401 => drop(headers.insert(WWW_AUTHENTICATE, fixed("Bearer"))),
        405 => drop(headers.insert(ALLOW, METHODS)),
        _ => {}
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answered.kind));
    response.body = (!head).then_some(Body::Text(answered.body));
    response
}
