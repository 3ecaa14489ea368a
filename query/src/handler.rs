//! From an API Gateway 2.0 event to a question, from what was counted to an answer.

use std::sync::Arc;

use aws_lambda_events::encodings::Body;
use aws_lambda_events::event::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use http::{HeaderValue, Method};
use lake::clock::Clock;
use lake::site::SiteCache;
use lake::store::StoreRef;
use lake::token::TokenCache;
use serde_json::json;

use crate::answer::{csv_body, json_body, problem};
use crate::question::Question;
use crate::scan::scan;

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
}

impl Query {
    /// Answers one request, if its token opens the site.
    pub async fn handle(&self, event: ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
        let method = event.request_context.http.method.clone();
        let path = event.raw_path.clone().unwrap_or_default();
        if method == Method::OPTIONS {
            return respond(204, "text/plain", String::new());
        }
        if method != Method::GET && method != Method::HEAD {
            return refuse(405, "Method not allowed", "ask with GET");
        }
        if path == "/v1/health" {
            return respond(200, "application/json", json!({"status": "ok"}).to_string());
        }
        let bearer = event
            .headers
            .get("authorization")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        let token = match bearer {
            None => return refuse(401, "No token", "send the header Authorization: Bearer TOKEN"),
            Some(token) => match self.tokens.find(token).await {
                Ok(token) => token,
                Err(error) => return self.failed(&error),
            },
        };
        let Some(token) = token else {
            return refuse(401, "Unknown token", "this token is not known or was revoked");
        };
        match site_of(&path) {
            // The same answer whether there is such a site or not.
            Some(site) if token.read && token.covers(site) => self.metrics(site, &event).await,
            Some(_) => refuse(403, "Not allowed", "this token does not open this site"),
            None => refuse(404, "Not found", "ask /v1/sites/{site}/metrics"),
        }
    }

    /// Answers without asking for a token: for whoever owns the store.
    pub async fn answer_as_owner(
        &self,
        event: ApiGatewayV2httpRequest,
    ) -> ApiGatewayV2httpResponse {
        match site_of(event.raw_path.as_deref().unwrap_or_default()) {
            Some(site) => self.metrics(site, &event).await,
            None => refuse(404, "Not found", "ask /v1/sites/{site}/metrics"),
        }
    }

    async fn metrics(&self, id: i32, event: &ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
        let site = match self.sites.get(id).await {
            Ok(Some(site)) => site,
            Ok(None) => return refuse(404, "Not found", "there is no such site"),
            Err(error) => return self.failed(&error),
        };
        let now_ms = self.clock.now_ms();
        let today = site.local_date(now_ms);
        let question =
            match Question::parse(event.raw_query_string.as_deref().unwrap_or_default(), today) {
                Ok(question) => question,
                Err(refused) => {
                    return respond(
                        400,
                        "application/problem+json",
                        problem(400, "The question is refused", &refused.detail, Some(&refused))
                            .to_string(),
                    );
                }
            };
        let zone = site.zone_at(now_ms);
        match scan(&self.store, id, &zone, &site.settings.sections, &question).await {
            Ok(counted) if question.format == "csv" => {
                respond(200, "text/csv; charset=utf-8", csv_body(&question, &counted))
            }
            Ok(counted) => {
                let body =
                    json_body(id, &site.settings.timezone, &question, &counted, now_ms, today);
                respond(200, "application/json", body.to_string())
            }
            Err(error) => {
                tracing::error!(site = id, "question failed: {error:#}");
                refuse(503, "Not answered", "the store could not be read; ask again")
            }
        }
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> ApiGatewayV2httpResponse {
        tracing::error!("settings could not be read: {error}");
        refuse(503, "Not answered", "the store could not be read; ask again")
    }
}

/// The site in `/v1/sites/{site}/metrics`.
fn site_of(path: &str) -> Option<i32> {
    path.strip_prefix("/v1/sites/")?.strip_suffix("/metrics")?.parse().ok()
}

fn refuse(status: i64, title: &str, detail: &str) -> ApiGatewayV2httpResponse {
    respond(status, "application/problem+json", problem(status, title, detail, None).to_string())
}

fn respond(status: i64, kind: &'static str, body: String) -> ApiGatewayV2httpResponse {
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = status;
    response.headers.insert("content-type", HeaderValue::from_static(kind));
    response.headers.insert("cache-control", HeaderValue::from_static("no-store"));
    response.body = Some(Body::Text(body));
    response
}
