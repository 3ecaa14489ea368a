//! Client hints as `uadata` sends them (matomo.md 1.2): what they say, where they say it.
//!
//! Knows the JSON; knows no list. Anything that is not as expected is left out.

use serde::Deserialize;
use serde_json::Value;

/// What the hints say; absent where they are silent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hints {
    /// Family of the browser, in uap-core's words.
    pub(super) browser: Option<String>,
    /// Its major version.
    pub(super) browser_version: Option<String>,
    /// The system, in our words.
    pub(super) os: Option<String>,
    /// Its version, major and minor.
    pub(super) os_version: Option<String>,
    /// Model of the device.
    pub(super) model: Option<String>,
    /// The first form factor, lower case.
    pub(super) form: Option<String>,
    /// Whether the browser says that it is a mobile one.
    pub(super) mobile: Option<bool>,
    /// A brand names a browser without a window.
    pub(super) headless: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Wire {
    brands: Value,
    full_version_list: Value,
    platform: Value,
    platform_version: Value,
    model: Value,
    mobile: Value,
    form_factors: Value,
}

/// Brand of the hints, and uap-core's family for it; others are taken as they are.
const BRANDS: [(&str, &str); 4] = [
    ("Google Chrome", "Chrome"),
    ("Microsoft Edge", "Edge"),
    ("Android WebView", "Chrome Mobile WebView"),
    ("Opera GX", "Opera"),
];

/// Families that uap-core calls `... Mobile` on a phone or tablet.
const WITH_MOBILE: [&str; 4] = ["Chrome", "Edge", "Opera", "Firefox"];

impl Hints {
    /// Reads hints; none at all where the text is not the JSON object expected.
    pub(super) fn parse(json: &str) -> Self {
        let wire: Wire = serde_json::from_str(json).unwrap_or_default();
        let mut hints = Self {
            mobile: flag(&wire.mobile),
            model: text(&wire.model),
            form: wire.form_factors.as_array().and_then(|forms| text(forms.first()?)),
            ..Self::default()
        };
        hints.form = hints.form.map(|form| form.to_lowercase());
        hints.take_platform(&wire);
        let brands = [&wire.full_version_list, &wire.brands];
        if let Some(found) =
            brands.into_iter().find(|list| !list.as_array().is_none_or(Vec::is_empty))
        {
            hints.take_brands(found);
        }
        hints
    }

    fn take_platform(&mut self, wire: &Wire) {
        let version = text(&wire.platform_version).unwrap_or_default();
        let mut numbers = version.split('.');
        let major = numbers.next().filter(|major| !major.is_empty());
        self.os = text(&wire.platform).filter(|platform| platform != "Unknown");
        self.os_version = match (self.os.as_deref(), major) {
            // The hint counts Windows' API contracts: 1 to 10 are Windows 10, from 13 it is 11,
            // 0 is one before 10 (learn.microsoft.com, "detect Windows 11").
            (Some("Windows"), Some(major)) => match major.parse::<u32>() {
                Ok(1..=10) => Some("10".to_owned()),
                Ok(13..) => Some("11".to_owned()),
                _ => None,
            },
            (Some("Linux"), _) | (_, None) => None,
            (_, Some(major)) => Some(match numbers.next() {
                Some(minor) => format!("{major}.{minor}"),
                None => major.to_owned(),
            }),
        };
    }

    /// The browser is the brand that is neither the engine's nor the meaningless one that browsers
    /// put in so that nobody relies on the order.
    fn take_brands(&mut self, list: &Value) {
        let brands = list.as_array().into_iter().flatten().filter_map(|entry| {
            let brand = text(entry.get("brand")?)?;
            Some((brand, text(entry.get("version")?).unwrap_or_default()))
        });
        for (brand, version) in brands {
            self.headless |= brand.starts_with("Headless");
            let meaningless = brand.contains("Not") && brand.contains("Brand");
            if meaningless || brand == "Chromium" || self.browser.is_some() {
                continue;
            }
            let family = BRANDS.iter().find(|(hint, _)| *hint == brand).map(|(_, family)| *family);
            let mut family = family.unwrap_or(&brand).to_owned();
            if self.mobile == Some(true) && WITH_MOBILE.contains(&family.as_str()) {
                family.push_str(" Mobile");
            }
            self.browser = Some(family);
            self.browser_version =
                version.split('.').next().filter(|major| !major.is_empty()).map(str::to_owned);
        }
    }
}

fn text(value: &Value) -> Option<String> {
    let text = value.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Matomo's script sends a boolean; headers say `?1`.
fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => Some(number.as_u64() == Some(1)),
        Value::String(text) => match text.as_str() {
            "?1" | "1" | "true" => Some(true),
            "?0" | "0" | "false" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_found_among_its_brands() {
        let hints = Hints::parse(
            r#"{"brands":[{"brand":"Chromium","version":"141"}],"fullVersionList":[{"brand":"Not?A_Brand","version":"8.0.0.0"},{"brand":"Chromium","version":"141.0.7390.37"},{"brand":"Google Chrome","version":"141.0.7390.37"}],"mobile":false,"model":"","platform":"Windows","platformVersion":"15.0.0"}"#,
        );
        assert_eq!(hints.browser.as_deref(), Some("Chrome"));
        assert_eq!(hints.browser_version.as_deref(), Some("141"));
        assert_eq!(
            (hints.os.as_deref(), hints.os_version.as_deref()),
            (Some("Windows"), Some("11"))
        );
        assert_eq!((hints.mobile, hints.model), (Some(false), None));
    }

    #[test]
    fn a_phone_tells_its_model() {
        let hints = Hints::parse(
            r#"{"brands":[{"brand":"Microsoft Edge","version":"140"}],"mobile":true,"model":"Pixel 9","platform":"Android","platformVersion":"15.0.0","formFactors":["Mobile"]}"#,
        );
        assert_eq!(hints.browser.as_deref(), Some("Edge Mobile"));
        assert_eq!(hints.os_version.as_deref(), Some("15.0"));
        assert_eq!(
            (hints.model.as_deref(), hints.form.as_deref()),
            (Some("Pixel 9"), Some("mobile"))
        );
    }

    #[test]
    fn a_browser_without_a_window_is_seen() {
        let json = r#"{"brands":[{"brand":"HeadlessChrome","version":"141"}]}"#;
        assert!(Hints::parse(json).headless);
    }

    #[test]
    fn what_the_headers_say_beyond_the_user_agent_is_enough() {
        let brave = Hints::parse(r#"{"brands":[{"brand":"Brave","version":"141"}]}"#);
        assert_eq!(brave.browser.as_deref(), Some("Brave"));
        assert_eq!((brave.mobile, brave.os), (None, None));
        let android = Hints::parse(r#"{"mobile":true,"platform":"Android"}"#);
        assert_eq!((android.mobile, android.os.as_deref()), (Some(true), Some("Android")));
        assert_eq!(android.browser, None);
    }

    #[test]
    fn what_is_no_hint_says_nothing() {
        for json in ["", "[]", "null", "{\"brands\":3,\"platform\":[]}", "{\"brands\":[{}]}"] {
            assert_eq!(Hints::parse(json), Hints::default(), "{json}");
        }
    }
}
