//! Answers and refusals before they are API Gateway's.

use std::borrow::Cow;

use http::HeaderValue;
use http::header::{ALLOW, HeaderName, RETRY_AFTER};
use lake::limits::MAX_ANSWER_VALUES;

use crate::question::Refused;
use crate::scan::ScanError;

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
    pub(super) title: &'static str,
    pub(super) detail: Cow<'static, str>,
    pub(super) refused: Option<Box<Refused>>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Failed {
    /// With what is known only now.
    pub(crate) fn of(status: i64, title: &'static str, detail: String) -> Self {
        Self { detail: detail.into(), ..failed(status, title, "") }
    }

    /// The same; it may be different in so many seconds.
    pub(crate) fn again_after(mut self, wait_s: i64) -> Self {
        self.headers.push((RETRY_AFTER, HeaderValue::from(wait_s)));
        self
    }
}

pub(crate) const fn failed(status: i64, title: &'static str, detail: &'static str) -> Failed {
    let detail = Cow::Borrowed(detail);
    Failed { status, title, detail, refused: None, headers: Vec::new() }
}

pub(super) const NOT_FOUND: Failed = failed(
    404,
    "Not found",
    "ask /v1/sites for the sites; /v1/sites/{site}/metrics, or in place of metrics one of the reports hits, \
     downloads, visits, visitors, pages, sections, entry-pages, exit-pages, outlinks, referrers, campaigns, \
     devices, countries, events, searches, live, ledger; /v1/metrics for several sites",
);
pub(super) const NOT_UTF8: Failed = failed(400, "The question is refused", "the body is not UTF-8");
pub(crate) const NO_SITE: Failed = failed(404, "Not found", "there is no such site");
pub(super) const NO_TOKEN: Failed =
    failed(401, "No token", "send the header Authorization: Bearer TOKEN");
pub(super) const UNKNOWN_TOKEN: Failed =
    failed(401, "Unknown token", "this token is not known, was revoked or has expired");
pub(crate) const NOT_ALLOWED: Failed =
    failed(403, "Not allowed", "this token does not open this site");
pub(super) const UNREAD: Failed =
    failed(503, "Not answered", "the store could not be read; ask again");

pub(super) fn not_allowed(methods: &'static str) -> Failed {
    let detail = format!("this is asked by the methods {methods}");
    let headers = vec![(ALLOW, HeaderValue::from_static(methods))];
    Failed { detail: detail.into(), headers, ..failed(405, "Method not allowed", "") }
}

pub(super) fn too_often(rate: u32, wait_s: i64) -> Failed {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::REPORTS;

    #[test]
    fn an_unknown_path_is_told_every_report() {
        let Failed { detail, .. } = NOT_FOUND;
        let named: Vec<&str> = detail.split([' ', ',', ';']).collect();
        for (report, _) in REPORTS {
            assert!(named.contains(&report), "{report}");
        }
    }
}
