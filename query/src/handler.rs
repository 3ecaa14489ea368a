//! From an API Gateway 2.0 event to a question, from what was counted to an answer.

mod accept;
mod erasure;
mod large;
mod link;
mod rate;
mod response;
mod sites;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lambda_events::event::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ALLOW, CACHE_CONTROL, HeaderName, RETRY_AFTER};
use http::{HeaderValue, Method};
use lake::clock::Clock;
use lake::limits::{MAX_ANSWER_VALUES, MAX_QUESTION_BYTES};
use lake::site::SiteCache;
use lake::store::StoreRef;
use lake::token::{Token, TokenCache};
use serde_json::json;
use tokio::sync::Notify;

use crate::ask;
use crate::definitions;
use crate::ledger::{self, LedgerError};
use crate::openapi;
use crate::question::{PARAMETERS, Parameters, Refused};
use crate::report;
use crate::scan::{ScanError, Scanner};
use crate::settings::ApiSettings;
use erasure::Asked;
pub(crate) use link::next as next_page;
use rate::Rates;
pub(crate) use response::REQUEST_ID;
use response::finish;
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
            requests,
        }
    }

    /// The same with these settings.
    #[must_use]
    pub fn with_settings(self, settings: ApiSettings) -> Self {
        Self { settings, ..self }
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
            self.within_limit(&event, answer, &request_id).await
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
        let outcome = match target(event.raw_path.as_deref().unwrap_or_default()) {
            Some(Target::Site(site, report)) => self.of_site(site, report, &event).await,
            Some(Target::Sites) => self.of_sites(&|_| true, &event).await,
            Some(Target::List) => self.list(&|_| true).await,
            None => Err(NOT_FOUND),
        };
        finish(outcome, &event, &request_id, &self.settings.origins)
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
        let allowed =
            if path == SITES_PATH { "GET, HEAD, POST, OPTIONS" } else { "GET, HEAD, OPTIONS" };
        let is_allowed = allowed.split(", ").any(|allowed| allowed == method.as_str());
        if !is_allowed && (is_open || target.is_some()) {
            return Err(not_allowed(allowed));
        }
        if is_open {
            accept::json(&event.headers)?;
            return Ok(open(path));
        }
        let token = self.token(event).await?;
        match target {
            // The same answer whether there is such a site or not.
            Some(Target::Site(site, report)) if token.read && token.covers(site) => {
                self.of_site(site, report, event).await
            }
            Some(Target::Sites) if token.read => {
                self.of_sites(&|site| token.covers(site), event).await
            }
            Some(Target::List) if token.read => {
                accept::json(&event.headers)?;
                Parameters::parse(event.raw_query_string.as_deref().unwrap_or_default(), &[])?;
                self.list(&|site| token.covers(site)).await
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
        event: &ApiGatewayV2httpRequest,
    ) -> Result<Answered, Failed> {
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
        accept::fill_in(&event.headers, &mut parameters)?;
        self.metrics(&[site], &parameters, false, event).await
    }

    /// The metrics of several sites, of those that `covers` allows.
    async fn of_sites(
        &self,
        covers: &(dyn Fn(i32) -> bool + Sync),
        event: &ApiGatewayV2httpRequest,
    ) -> Result<Answered, Failed> {
        let query = event.raw_query_string.as_deref().unwrap_or_default();
        let mut parameters = if event.request_context.http.method == Method::POST {
            Parameters::parse(query, &[])?;
            Parameters::from_json(&body(event)?, &PARAMETERS)?
        } else {
            Parameters::parse(query, &PARAMETERS)?
        };
        accept::fill_in(&event.headers, &mut parameters)?;
        let sites = match ask::sites(parameters.of("sites"))? {
            Some(sites) if sites.iter().all(|site| covers(*site)) => sites,
            Some(_) => return Err(NOT_ALLOWED),
            None => ask::all_sites(&self.store, covers).await?,
        };
        self.metrics(&sites, &parameters, true, event).await
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

/// The sites that a token opens.
const LIST_PATH: &str = "/v1/sites";
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
    /// Which sites there are.
    List,
}

/// What `/v1/metrics`, `/v1/sites` or `/v1/sites/{site}/{report}` asks about.
fn target(path: &str) -> Option<Target<'_>> {
    match path {
        SITES_PATH => return Some(Target::Sites),
        LIST_PATH => return Some(Target::List),
        _ => {}
    }
    let (site, report) = path.strip_prefix("/v1/sites/")?.split_once('/')?;
    let id = site.parse().ok().filter(|id| *id > 0)?;
    let is_known = [LIVE, ledger::NAME].contains(&report) || report::is_known(report);
    (site.bytes().all(|byte| byte.is_ascii_digit()) && is_known).then_some(Target::Site(id, report))
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

/// An answer that is not yet an event's.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: i64,
    pub(crate) kind: &'static str,
    pub(crate) body: Vec<u8>,
    /// Headers of its own.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Answered {
    pub(crate) fn new(status: i64, kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, kind, body: body.into(), headers: Vec::new() }
    }

    /// The same with these headers besides.
    pub(crate) fn with(
        mut self,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    ) -> Self {
        self.headers.extend(headers);
        self
    }
}

/// Why a request was not answered.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) status: i64,
    title: &'static str,
    detail: std::borrow::Cow<'static, str>,
    refused: Option<Box<Refused>>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

const fn failed(status: i64, title: &'static str, detail: &'static str) -> Failed {
    let detail = std::borrow::Cow::Borrowed(detail);
    Failed { status, title, detail, refused: None, headers: Vec::new() }
}

const NOT_FOUND: Failed = failed(
    404,
    "Not found",
    "ask /v1/sites for the sites, /v1/sites/{site}/metrics or one of the named reports, or /v1/metrics for several sites",
);
const NOT_UTF8: Failed = failed(400, "The question is refused", "the body is not UTF-8");
pub(crate) const NO_SITE: Failed = failed(404, "Not found", "there is no such site");
const NO_TOKEN: Failed = failed(401, "No token", "send the header Authorization: Bearer TOKEN");
const UNKNOWN_TOKEN: Failed =
    failed(401, "Unknown token", "this token is not known, was revoked or has expired");
pub(crate) const NOT_ALLOWED: Failed =
    failed(403, "Not allowed", "this token does not open this site");
const UNREAD: Failed = failed(503, "Not answered", "the store could not be read; ask again");

fn not_allowed(methods: &'static str) -> Failed {
    let detail = format!("this is asked by the methods {methods}");
    let headers = vec![(ALLOW, HeaderValue::from_static(methods))];
    Failed { detail: detail.into(), headers, ..failed(405, "Method not allowed", "") }
}

fn too_often(rate: u32, wait_s: i64) -> Failed {
    let detail =
        format!("this token asks more than {rate} questions a minute; ask again in {wait_s} s");
    let headers = vec![(RETRY_AFTER, HeaderValue::from(wait_s))];
    Failed { detail: detail.into(), headers, ..failed(429, "Too many questions", "") }
}

pub(crate) fn too_large() -> Failed {
    let detail = format!(
        "the answer has more than {MAX_ANSWER_VALUES} values, rows times columns; ask for pages by limit, a longer interval or fewer metrics"
    );
    Failed { detail: detail.into(), ..failed(422, "Too large", "") }
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        let detail = refused.detail.clone().into();
        let refused = Some(Box::new(refused));
        Self { detail, refused, ..failed(400, "The question is refused", "") }
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
