//! What headers say of pages: the link to the next (RFC 8288), which is the same question with the
//! cursor, relative to its URL; and whether the data have changed since the first.

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use http::header::{HeaderName, LINK};
use http::{HeaderValue, Method};
use lake::limits::MAX_LINK_BYTES;
use percent_encoding::percent_decode_str;

use crate::question::Question;

/// What the link says anew: dates that move would make it another question tomorrow.
const REPLACED: [&str; 6] = ["cursor", "offset", "from", "to", "period", "date"];

/// Said with each page that a cursor asks for; in JSON `changed` says it, too.
const CHANGED: HeaderName = HeaderName::from_static("hitlake-changed");

/// Whether the data may be others by now than those of the first page.
pub(crate) fn has_changed(changed: bool) -> (HeaderName, HeaderValue) {
    (CHANGED, HeaderValue::from_static(if changed { "true" } else { "false" }))
}

/// The header; none for a question in a body, and where it would be too long.
pub(crate) fn next(
    event: &ApiGatewayV2httpRequest,
    question: &Question,
    cursor: &str,
) -> Option<(HeaderName, HeaderValue)> {
    let method = &event.request_context.http.method;
    if method != Method::GET && method != Method::HEAD {
        return None;
    }
    let given = event.raw_query_string.as_deref().unwrap_or_default().split('&');
    let kept = given.filter(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        let name = percent_decode_str(name).decode_utf8_lossy();
        !pair.is_empty() && !REPLACED.contains(&name.as_ref())
    });
    let anew = [
        format!("from={}", question.from),
        format!("to={}", question.to),
        format!("cursor={cursor}"),
    ];
    let pairs: Vec<&str> = kept.chain(anew.iter().map(String::as_str)).collect();
    let query = pairs.join("&").replace('<', "%3C").replace('>', "%3E");
    let link = format!("<?{query}>; rel=\"next\"");
    let link = Some(link).filter(|link| link.len() <= MAX_LINK_BYTES);
    Some((LINK, HeaderValue::from_str(&link?).ok()?))
}
