//! Client hints of headers in the form in which Matomo's script sends them (`uadata`).

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use lake::limits::MAX_CLIENT_HINTS_BYTES;
use serde_json::{Value, json};

use super::request::header;

/// The hints as JSON; none where headers say no more than the user agent does, which is so
/// unless the page asked the browser for them.
pub(super) fn of(event: &ApiGatewayV2httpRequest) -> Option<String> {
    let text = |name: &str| header(event, name).map(|value| value.trim_matches('"').to_owned());
    let full = header(event, "sec-ch-ua-full-version-list");
    let model = text("sec-ch-ua-model");
    let version = text("sec-ch-ua-platform-version");
    if full.is_none() && model.is_none() && version.is_none() {
        return None;
    }
    let brands = full.or_else(|| header(event, "sec-ch-ua")).unwrap_or_default();
    let hints = json!({
        "fullVersionList": list(&brands),
        "mobile": header(event, "sec-ch-ua-mobile").as_deref() == Some("?1"),
        "model": model.unwrap_or_default(),
        "platform": text("sec-ch-ua-platform").unwrap_or_default(),
        "platformVersion": version.unwrap_or_default(),
    });
    // Cut, it would be no JSON.
    Some(hints.to_string()).filter(|hints| hints.len() <= MAX_CLIENT_HINTS_BYTES)
}

/// `"A";v="1", "B";v="2"`: what stands in quotes is brand and version by turns.
fn list(brands: &str) -> Vec<Value> {
    let mut quoted = brands.split('"').skip(1).step_by(2);
    let mut list = Vec::new();
    while let (Some(brand), Some(version)) = (quoted.next(), quoted.next()) {
        list.push(json!({"brand": brand, "version": version}));
    }
    list
}
