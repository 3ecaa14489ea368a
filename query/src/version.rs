//! The version of an answer: it changes with everything that can change the answer, and is known
//! before anything is scanned.

use http::header::{CACHE_CONTROL, ETAG, HeaderName, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method};
use jiff::civil::Date;
use lake::site::SiteSettings;
use xxhash_rust::xxh3::xxh3_64;

use crate::answer::DEFINITIONS;
use crate::question::Question;

/// What is asked of which sites, and by whom it is answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking(u64);

impl Asking {
    /// Of a question whose dates are counted from `today`, with the settings of its sites.
    pub(crate) fn of<'a>(
        question: &Question,
        settings: impl Iterator<Item = &'a SiteSettings>,
        today: Date,
    ) -> Self {
        let settings: Vec<String> =
            settings.map(|of| serde_json::to_string(of).unwrap_or_default()).collect();
        let page = (question.limit, question.offset, &question.cursor, question.format);
        let program = (env!("CARGO_PKG_VERSION"), DEFINITIONS);
        let compare = question.compare;
        let all = (question.digest(), compare, page, settings, today, program);
        Self(xxh3_64(format!("{all:?}").as_bytes()))
    }

    /// The tag of the answer out of these versions of the data. It is a weak one: the answer says
    /// when it was made, and its bytes may be compressed.
    pub(crate) fn tag(self, data: &[u64]) -> String {
        format!("W/\"{:016x}\"", xxh3_64(format!("{:?}", (self.0, data)).as_bytes()))
    }
}

/// The headers of an answer with this tag: it may be kept, and must be asked for again each time,
/// because late hits and erasures change the past.
pub(crate) fn headers(tag: &str) -> Vec<(HeaderName, HeaderValue)> {
    let kept = (CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    let tag = HeaderValue::from_str(tag).ok().map(|tag| (ETAG, tag));
    [kept].into_iter().chain(tag).collect()
}

/// Whether the client has the answer with this tag. Answers to other methods are none that it can
/// have kept (RFC 9110, 13.1.2).
pub(crate) fn has((method, headers): (&Method, &HeaderMap), tag: &str) -> bool {
    if method != Method::GET && method != Method::HEAD {
        return false;
    }
    let values = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let mut tags = values.flat_map(|value| value.split(',')).map(bare);
    tags.any(|known| known == "*" || known == bare(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_what_one_of_its_tags_names() {
        let has_of = |method: Method, value: &str| {
            let value = HeaderValue::from_str(value).unwrap();
            has((&method, &HeaderMap::from_iter([(IF_NONE_MATCH, value)])), "W/\"1\"")
        };
        let has = |value: &str| has_of(Method::GET, value);
        assert!(has_of(Method::HEAD, "*") && !has_of(Method::POST, "*"));
        assert!(has("W/\"1\"") && has("\"1\"") && has("\"0\", W/\"1\"") && has("*"));
        assert!(!has("") && !has("1") && !has("W/\"2\"") && !has("\"\""));
    }
}
