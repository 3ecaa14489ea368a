//! Client hints of headers in the form in which Matomo's script sends them (`uadata`).
//!
//! Chromium sends brands, platform and `mobile` with every request over HTTPS, and mostly they say
//! what the user agent says. Of these only what it does not say goes on the stream.

use std::borrow::Cow;

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use lake::limits::MAX_CLIENT_HINTS_BYTES;
use serde_json::{Map, Value, json};

use super::request::header;

/// Brands, and what user agents call them where it is not the brand without its spaces.
const BRANDS: [(&str, &str); 7] = [
    ("Google Chrome", "Chrome/"),
    ("Microsoft Edge", "Edg"),
    ("Microsoft Edge WebView2", "Edg"),
    ("Opera", "OPR/"),
    ("Opera GX", "OPR/"),
    ("Android WebView", "; wv)"),
    ("Samsung Internet", "SamsungBrowser"),
];

/// Platforms, and what user agents call them where it is another name.
const PLATFORMS: [(&str, &str); 3] =
    [("macOS", "Mac OS X"), ("Chrome OS", "CrOS"), ("Chromium OS", "CrOS")];

/// The hints as JSON; none where headers say no more than the user agent does.
pub(super) fn of(event: &ApiGatewayV2httpRequest) -> Option<String> {
    let hints = asked_for(event).or_else(|| unasked(event))?.to_string();
    // Cut, it would be no JSON.
    Some(hints).filter(|hints| hints.len() <= MAX_CLIENT_HINTS_BYTES)
}

/// All hints, where there is one that browsers send only when the page asks for it.
fn asked_for(event: &ApiGatewayV2httpRequest) -> Option<Value> {
    let full = header(event, "sec-ch-ua-full-version-list");
    let model = text(event, "sec-ch-ua-model");
    let version = text(event, "sec-ch-ua-platform-version");
    let forms = header(event, "sec-ch-ua-form-factors");
    if full.is_none() && model.is_none() && version.is_none() && forms.is_none() {
        return None;
    }
    let brands = full.or_else(|| header(event, "sec-ch-ua")).unwrap_or_default();
    Some(json!({
        "formFactors": strings(&forms.unwrap_or_default()),
        "fullVersionList": brands_of(&brands).map(listed).collect::<Vec<_>>(),
        "mobile": is_mobile(event) == Some(true),
        "model": model.unwrap_or_default(),
        "platform": text(event, "sec-ch-ua-platform").unwrap_or_default(),
        "platformVersion": version.unwrap_or_default(),
    }))
}

/// What the hints that every Chromium sends say beyond its user agent: another browser's name, one
/// without a window, another system.
fn unasked(event: &ApiGatewayV2httpRequest) -> Option<Value> {
    let user_agent = header(event, "user-agent").unwrap_or_default();
    let mut said = Map::new();
    let brands = header(event, "sec-ch-ua").unwrap_or_default();
    let brands: Vec<Value> = brands_of(&brands)
        .filter(|(brand, _)| !is_nobody(brand) && !is_told(&user_agent, brand, &BRANDS))
        .map(listed)
        .collect();
    if !brands.is_empty() {
        said.insert("brands".to_owned(), brands.into());
    }
    let platform = text(event, "sec-ch-ua-platform")
        .filter(|platform| platform != "Unknown" && !is_told(&user_agent, platform, &PLATFORMS));
    if let Some(platform) = platform {
        said.insert("platform".to_owned(), platform.into());
    }
    let told = user_agent.contains("Mobi");
    if let Some(mobile) = is_mobile(event).filter(|mobile| *mobile != told) {
        said.insert("mobile".to_owned(), mobile.into());
    }
    (!said.is_empty()).then(|| said.into())
}

/// The engine, and the meaningless brand that browsers put in so that nobody relies on the order.
fn is_nobody(brand: &str) -> bool {
    brand == "Chromium" || brand.contains("Not") && brand.contains("Brand")
}

/// Whether the user agent names it, too.
fn is_told(user_agent: &str, name: &str, names: &[(&str, &str)]) -> bool {
    match names.iter().find(|(hint, _)| *hint == name) {
        Some((_, told)) => user_agent.contains(*told),
        None => user_agent.contains(&*without_spaces(name)),
    }
}

fn without_spaces(name: &str) -> Cow<'_, str> {
    if name.contains(' ') { name.replace(' ', "").into() } else { name.into() }
}

fn text(event: &ApiGatewayV2httpRequest, name: &str) -> Option<String> {
    let text = header(event, name)?.trim_matches('"').to_owned();
    (!text.is_empty()).then_some(text)
}

fn is_mobile(event: &ApiGatewayV2httpRequest) -> Option<bool> {
    header(event, "sec-ch-ua-mobile").map(|mobile| mobile == "?1")
}

fn listed((brand, version): (String, String)) -> Value {
    json!({"brand": brand, "version": version})
}

/// `"A";v="1", "B";v="2"`: strings are brand and version by turns.
fn brands_of(list: &str) -> impl Iterator<Item = (String, String)> {
    let mut strings = strings(list).into_iter();
    std::iter::from_fn(move || Some((strings.next()?, strings.next()?)))
}

/// The strings of a header (RFC 8941, 3.3.3), whatever stands between them. Early Chromes put a
/// quote into the meaningless brand: `"\\Not\"A;Brand"`.
fn strings(header: &str) -> Vec<String> {
    let mut strings = Vec::new();
    let mut letters = header.chars();
    while letters.any(|letter| letter == '"') {
        let mut string = String::new();
        loop {
            match letters.next() {
                None => return strings,
                Some('"') => break,
                Some('\\') => string.extend(letters.next()),
                Some(letter) => string.push(letter),
            }
        }
        strings.push(string);
    }
    strings
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36";
    const PHONE: &str = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36";

    /// What is kept of a browser's headers: brands, mobile, platform, user agent.
    fn kept(brands: &str, mobile: &str, platform: &str, user_agent: &str) -> Option<Value> {
        let mut event = ApiGatewayV2httpRequest::default();
        for (name, value) in [
            ("sec-ch-ua", brands),
            ("sec-ch-ua-mobile", mobile),
            ("sec-ch-ua-platform", platform),
            ("user-agent", user_agent),
        ] {
            event.headers.insert(name, value.parse().unwrap());
        }
        of(&event).map(|hints| serde_json::from_str(&hints).unwrap())
    }

    #[test]
    fn what_the_user_agent_says_as_well_is_not_kept() {
        let edge = format!("{CHROME} Edg/141.0.0.0");
        let opera = format!("{CHROME} OPR/125.0.0.0");
        let samsung = PHONE.replace("Chrome/", "SamsungBrowser/28.0 Chrome/");
        let mac =
            CHROME.replace("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7");
        let headless = CHROME.replace("Chrome/", "HeadlessChrome/");
        for (brands, mobile, platform, user_agent) in [
            (
                r#""Google Chrome";v="141", "Not?A_Brand";v="8", "Chromium";v="141""#,
                "?0",
                r#""Windows""#,
                CHROME,
            ),
            (
                r#""Microsoft Edge";v="141", "Not?A_Brand";v="8", "Chromium";v="141""#,
                "?0",
                r#""Windows""#,
                &*edge,
            ),
            (
                r#""Opera";v="125", "Not?A_Brand";v="8", "Chromium";v="141""#,
                "?0",
                r#""Windows""#,
                &*opera,
            ),
            (
                r#""Samsung Internet";v="28.0", "Not(A:Brand";v="99", "Chromium";v="130""#,
                "?1",
                r#""Android""#,
                &*samsung,
            ),
            (
                r#""Google Chrome";v="89", "Chromium";v="89", ";Not A Brand";v="99""#,
                "?0",
                r#""macOS""#,
                &*mac,
            ),
            (
                r#""\\Not\"A;Brand";v="99", "Chromium";v="84", "Google Chrome";v="84""#,
                "?0",
                r#""Windows""#,
                CHROME,
            ),
            (
                r#""Not:A-Brand";v="8", "Chromium";v="141", "HeadlessChrome";v="141""#,
                "?0",
                r#""Windows""#,
                &*headless,
            ),
        ] {
            assert_eq!(kept(brands, mobile, platform, user_agent), None, "{brands}");
        }
    }

    #[test]
    fn what_the_user_agent_hides_is_kept() {
        let of =
            |brand: &str| format!(r#""{brand}";v="141", "Not?A_Brand";v="8", "Chromium";v="141""#);
        let brand = |name: &str| json!([{"brand": name, "version": "141"}]);
        let windows = r#""Windows""#;
        assert_eq!(
            kept(&of("HeadlessChrome"), "?0", r#""Linux""#, CHROME),
            Some(json!({"brands": brand("HeadlessChrome"), "platform": "Linux"}))
        );
        assert_eq!(
            kept(&of("Brave"), "?0", windows, CHROME),
            Some(json!({"brands": brand("Brave")}))
        );
        assert_eq!(
            kept(&of("Microsoft Edge"), "?0", windows, CHROME),
            Some(json!({"brands": brand("Microsoft Edge")}))
        );
        assert_eq!(
            kept(&of("Google Chrome"), "?1", r#""Android""#, CHROME),
            Some(json!({"mobile": true, "platform": "Android"}))
        );
        assert_eq!(
            kept(&of("Google Chrome"), "?0", r#""Android""#, PHONE),
            Some(json!({"mobile": false}))
        );
    }

    #[test]
    fn hints_are_whole_or_left_out() {
        let of = |bytes: usize| {
            kept(&format!(r#""{}";v="1""#, "x".repeat(bytes)), "?0", "\"Windows\"", CHROME)
        };
        let around = json!({"brands": [{"brand": "", "version": "1"}]}).to_string().len();
        assert!(of(MAX_CLIENT_HINTS_BYTES - around - 1).is_some());
        assert!(of(MAX_CLIENT_HINTS_BYTES - around).is_some());
        assert!(of(MAX_CLIENT_HINTS_BYTES - around + 1).is_none());
    }

    #[test]
    fn an_unfinished_header_says_what_is_whole() {
        for (header, read) in [
            ("", vec![]),
            ("\"", vec![]),
            ("\"a", vec![]),
            (r#""a", "b\"#, vec!["a"]),
            ("a,b", vec![]),
        ] {
            assert_eq!(strings(header), read, "{header}");
        }
    }
}
