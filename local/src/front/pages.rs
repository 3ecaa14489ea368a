//! The pages of the program itself: start page, demo page and what the demo links to.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Response};
use http_body_util::Full;

/// The page at this path, if it is one of ours.
pub(super) fn page(method: &Method, path: &str) -> Option<Response<Full<Bytes>>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let (kind, bytes): (&str, &[u8]) = match path {
        "/" => ("text/html; charset=utf-8", include_bytes!("../../assets/index.html")),
        "/demo" => ("text/html; charset=utf-8", include_bytes!("../../assets/demo.html")),
        "/demo/report.pdf" => ("application/pdf", b"%PDF-1.4\n%%EOF\n"),
        _ => return None,
    };
    let mut response = Response::new(Full::new(Bytes::from_static(bytes)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_str(kind).ok()?);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Some(response)
}
