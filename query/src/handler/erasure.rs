//! Erasures asked for over the API (CONTRACTS, "Long work"): the order is written here, and that
//! is all; whoever carries orders out finds it.

use std::collections::BTreeSet;

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use http::header::LOCATION;
use http::{HeaderValue, Method};
use lake::clock::{Random as _, SystemRandom};
use lake::hit::Id64;
use lake::limits::MAX_TEXT_BYTES;
use lake::orders::{Order, Receipt, Whom, give, new_id, site_of, status};
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::{
    Answered, Failed, JSON, NOT_ALLOWED, NOT_FOUND, Query, accept, bearer, failed, not_allowed,
    unread,
};

const NO_VISITOR: Failed = failed(
    400,
    "No visitor",
    "name the visitor as the column visitor_id shows it, or as the client sends it, in at most 1024 bytes",
);

/// What is asked about erasures.
pub(super) enum Asked {
    /// `/v1/sites/{site}/visitors/{id}`
    Visitor(i32, String),
    /// `/v1/erasures/{id}`
    Erasure(String),
}

impl Asked {
    pub(super) fn of(event: &ApiGatewayV2httpRequest) -> Option<Self> {
        if event.request_context.http.method == Method::OPTIONS {
            return None;
        }
        let path = event.raw_path.as_deref()?;
        if let Some(id) = path.strip_prefix("/v1/erasures/") {
            return Some(Self::Erasure(id.to_owned()));
        }
        let (site, visitor) = path.strip_prefix("/v1/sites/")?.split_once("/visitors/")?;
        let digits = site.bytes().all(|byte| byte.is_ascii_digit());
        let site = site.parse().ok().filter(|site| digits && *site > 0)?;
        Some(Self::Visitor(site, percent_decode_str(visitor).decode_utf8().ok()?.into_owned()))
    }

    const fn methods(&self) -> &'static str {
        match self {
            Self::Visitor(..) => "DELETE, OPTIONS",
            Self::Erasure(_) => "GET, HEAD, OPTIONS",
        }
    }
}

impl Query {
    /// Answers, if the token may write the site.
    pub(super) async fn erasure(
        &self,
        asked: &Asked,
        event: &ApiGatewayV2httpRequest,
    ) -> Result<Answered, Failed> {
        let method = event.request_context.http.method.as_str();
        let methods = asked.methods();
        if !methods.split(", ").any(|allowed| allowed == method) {
            return Err(not_allowed(methods));
        }
        accept::json(&event.headers)?;
        match asked {
            Asked::Visitor(site, visitor) => self.erase_visitor(*site, visitor, event).await,
            Asked::Erasure(id) => self.erasure_status(id, event).await,
        }
    }

    async fn erase_visitor(
        &self,
        site: i32,
        visitor: &str,
        event: &ApiGatewayV2httpRequest,
    ) -> Result<Answered, Failed> {
        self.allow(site, event).await?;
        self.site(site).await?;
        let id = Some(visitor).filter(|visitor| visitor.len() <= MAX_TEXT_BYTES);
        let id = id.and_then(Id64::of_visitor).ok_or(NO_VISITOR)?;
        let now_ms = self.clock.now_ms();
        let whom = Whom::Person { ids: BTreeSet::from([id]), user_ids: BTreeSet::new() };
        let order = Order { site, whom, before_ms: now_ms, given_ms: now_ms };
        let id = new_id(site, now_ms, SystemRandom.next_u128());
        give(&self.store, &id, &order).await.map_err(|error| unread(&error))?;
        self.erasures.notify_one();
        let location = HeaderValue::from_str(&format!("/v1/erasures/{id}")).ok();
        let answered = Answered::new(202, JSON, body(&id, &Receipt::default()));
        Ok(answered.with(location.map(|location| (LOCATION, location))))
    }

    async fn erasure_status(
        &self,
        id: &str,
        event: &ApiGatewayV2httpRequest,
    ) -> Result<Answered, Failed> {
        let site = site_of(id).ok_or(NOT_FOUND)?;
        self.allow(site, event).await?;
        let receipt = status(&self.store, id).await.map_err(|error| unread(&error))?;
        let body = body(id, &receipt.ok_or(NOT_FOUND)?);
        Ok(Answered::new(200, JSON, body))
    }

    async fn allow(&self, site: i32, event: &ApiGatewayV2httpRequest) -> Result<(), Failed> {
        let token = self.token(bearer(event)?).await?;
        if token.write && token.covers(site) { Ok(()) } else { Err(NOT_ALLOWED) }
    }
}

fn body(id: &str, receipt: &Receipt) -> String {
    json!({
        "id": id,
        "state": receipt.state,
        "objects_rewritten": receipt.objects_rewritten,
        "rows_before": receipt.rows_before,
        "rows_after": receipt.rows_after,
    })
    .to_string()
}
