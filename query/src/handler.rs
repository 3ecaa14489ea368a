//! From an API Gateway 2.0 event to a question, from what was counted to an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lambda_events::encodings::Body;
use aws_lambda_events::event::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_TYPE,
    HeaderName, WWW_AUTHENTICATE,
};
use http::{HeaderValue, Method};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use lake::clock::Clock;
use lake::site::{Site, SiteCache};
use lake::store::StoreRef;
use lake::token::TokenCache;
use serde_json::json;

use crate::answer::{Facts, csv_body, json_body, problem};
use crate::calendar::{Calendar, Interval};
use crate::ledger::{self, LedgerError};
use crate::plan::{Plan, needs_hours};
use crate::question::{Format, PARAMETERS, Parameters, Question, Refused, Surroundings};
use crate::report;
use crate::scan::{ScanError, Scanner};

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
const JSON: &str = "application/json";
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
    scanner: Scanner,
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
        Self { store, sites, tokens, clock, scanner, requests: AtomicU64::new(0) }
    }

    /// Answers one request, if its token opens the site.
    pub async fn handle(&self, event: ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
        let request_id = self.request_id(&event);
        let outcome = self.answer(&event).await;
        let head = event.request_context.http.method == Method::HEAD;
        finish(outcome, &request_id, head)
    }

    /// Answers without asking for a token: for whoever owns the store.
    pub async fn answer_as_owner(
        &self,
        event: ApiGatewayV2httpRequest,
    ) -> ApiGatewayV2httpResponse {
        let request_id = self.request_id(&event);
        let outcome = match target(event.raw_path.as_deref().unwrap_or_default()) {
            Some((site, report)) => self.metrics(site, report, &event).await,
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
        if method != Method::GET && method != Method::HEAD {
            return Err(METHOD);
        }
        if path == "/v1/health" {
            let body = json!({"status": "ok"}).to_string();
            return Ok(Answered { status: 200, kind: JSON, body });
        }
        let bearer = event.headers.get("authorization").and_then(|value| value.to_str().ok());
        let bearer = bearer.and_then(|value| value.split_once(' '));
        let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, token)) = bearer else { return Err(NO_TOKEN) };
        let token = self.tokens.find(token.trim()).await.map_err(|error| unread(&error))?;
        let token = token.ok_or(UNKNOWN_TOKEN)?;
        match target(path) {
            // The same answer whether there is such a site or not.
            Some((site, report)) if token.read && token.covers(site) => {
                self.metrics(site, report, event).await
            }
            Some(_) => Err(NOT_ALLOWED),
            None => Err(NOT_FOUND),
        }
    }

    async fn metrics(
        &self,
        id: i32,
        name: &str,
        event: &ApiGatewayV2httpRequest,
    ) -> Result<Answered, Failed> {
        let site = self.sites.get(id).await.map_err(|error| unread(&error))?.ok_or(NO_SITE)?;
        let now_ms = self.clock.now_ms();
        if name == ledger::NAME {
            return self.ledger(&site, event, now_ms).await;
        }
        let today = |zone: Option<&TimeZone>| match zone {
            None => site.local_date(now_ms),
            Some(zone) => {
                let now = jiff::Timestamp::from_millisecond(now_ms).unwrap_or_default();
                now.to_zoned_datetime(zone.clone()).date()
            }
        };
        let surroundings = Surroundings { today: &today, sections: &site.settings.sections };
        let query = event.raw_query_string.as_deref().unwrap_or_default();
        let mut parameters = Parameters::parse(query, &PARAMETERS)?;
        if !report::fill_in(name, &mut parameters) {
            return Err(NOT_FOUND);
        }
        let question = Question::from_parameters(&parameters, &surroundings)?;
        let calendar = calendar(&question, &site);
        let partitions = partitions(&calendar, &site);
        let goals = site.settings.goals.clone();
        let plan = Arc::new(Plan { goals, ..Plan::new(id, &question, calendar) });
        let scanned =
            self.scanner.scan(&plan, &partitions).await.map_err(|error| failed_scan(id, &error))?;
        if question.format == Format::Csv {
            let body = csv_body(&question, &plan, &scanned.counted);
            return Ok(Answered { status: 200, kind: "text/csv; charset=utf-8", body });
        }
        let zone = question.tz.as_ref().and_then(|zone| zone.iana_name());
        let facts = Facts {
            site: id,
            timezone: zone.unwrap_or(&site.settings.timezone),
            identity: site.settings.identity,
            waiting: &scanned.waiting,
            today: today(question.tz.as_ref()),
            now_ms,
        };
        let body = json_body(&question, &plan, &scanned.counted, &facts);
        Ok(Answered { status: 200, kind: JSON, body })
    }
}

impl Query {
    async fn ledger(
        &self,
        site: &Site,
        event: &ApiGatewayV2httpRequest,
        now_ms: i64,
    ) -> Result<Answered, Failed> {
        let query = event.raw_query_string.as_deref().unwrap_or_default();
        match ledger::answer(&self.scanner, &self.store, site, query, now_ms).await {
            Ok(body) => Ok(Answered { status: 200, kind: JSON, body }),
            Err(LedgerError::Refused(refused)) => Err(refused.into()),
            Err(LedgerError::Scan(error)) => Err(failed_scan(site.settings.id, &error)),
        }
    }
}

/// The question's days and buckets; with `tz` the times of the hits decide, else the partitions.
fn calendar(question: &Question, site: &Site) -> Calendar {
    let zone_of = |day: Date| {
        question.tz.clone().unwrap_or_else(|| {
            let noon = day.at(12, 0, 0, 0).to_zoned_datetime(TimeZone::UTC);
            site.zone_at(noon.map_or(0, |noon| noon.timestamp().as_millisecond()))
        })
    };
    let dates = (question.from, question.to);
    let needs_hours = needs_hours(question) || question.interval == Interval::Hour;
    Calendar::new(dates, question.interval, &zone_of, question.tz.is_some(), needs_hours)
}

/// The site's dates that the question's days lie in.
fn partitions(calendar: &Calendar, site: &Site) -> Vec<Date> {
    let Some((start_us, end_us)) = calendar.span_us() else { return calendar.days().to_vec() };
    let first = site.local_date(start_us.div_euclid(1000));
    let last = site.local_date((end_us - 1).div_euclid(1000));
    first.series(jiff::Span::new().days(1)).take_while(|day| *day <= last).collect()
}

/// Site and report in `/v1/sites/{site}/{report}`.
fn target(path: &str) -> Option<(i32, &str)> {
    let (site, report) = path.strip_prefix("/v1/sites/")?.split_once('/')?;
    let id = site.parse().ok().filter(|id| *id > 0)?;
    let is_known = report == ledger::NAME || report::is_known(report);
    (site.bytes().all(|byte| byte.is_ascii_digit()) && is_known).then_some((id, report))
}

struct Answered {
    status: i64,
    kind: &'static str,
    body: String,
}

/// Why a request was not answered.
struct Failed {
    status: i64,
    title: &'static str,
    detail: std::borrow::Cow<'static, str>,
    refused: Option<Box<Refused>>,
}

const fn failed(status: i64, title: &'static str, detail: &'static str) -> Failed {
    Failed { status, title, detail: std::borrow::Cow::Borrowed(detail), refused: None }
}

const NOT_FOUND: Failed =
    failed(404, "Not found", "ask /v1/sites/{site}/metrics or one of the named reports");
const NO_SITE: Failed = failed(404, "Not found", "there is no such site");
const METHOD: Failed = failed(405, "Method not allowed", "ask with GET");
const NO_TOKEN: Failed = failed(401, "No token", "send the header Authorization: Bearer TOKEN");
const UNKNOWN_TOKEN: Failed =
    failed(401, "Unknown token", "this token is not known or was revoked");
const NOT_ALLOWED: Failed = failed(403, "Not allowed", "this token does not open this site");
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

fn unread(error: &dyn std::fmt::Display) -> Failed {
    tracing::error!("settings could not be read: {error}");
    UNREAD
}

fn failed_scan(site: i32, error: &ScanError) -> Failed {
    if let ScanError::TooLarge { .. } = error {
        return Failed { detail: error.to_string().into(), ..failed(422, "Too large", "") };
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    tracing::error!(site, "question failed: {text}");
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
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, fixed("request-id"));
    match answered.status {
        204 => {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, fixed("authorization"));
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
