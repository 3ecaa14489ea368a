//! Device, system, browser and bot mark: uap-core's names in our words, client hints over them.

use lake::user_agent::stored;

use super::agents::{Agent, agent};
use super::bots::{HEADLESS, bot_reason};
use super::form::Signs;
use super::hints::Hints;

/// What user agent and client hints say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// desktop, mobile, tablet, tv, console, car, wearable or other.
    pub device: Option<&'static str>,
    /// Brand.
    pub brand: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Operating system.
    pub os: Option<String>,
    /// Its version, major and minor.
    pub os_version: Option<String>,
    /// Browser.
    pub browser: Option<String>,
    /// Its major version.
    pub browser_version: Option<String>,
    /// Why it is held to be a bot, by what it calls itself.
    pub bot_reason: Option<&'static str>,
    /// The user agent, versions cut to the major, at most 256 bytes.
    pub user_agent: Option<String>,
}

/// uap-core's name of a system, where ours is another: the one that client hints use.
const SYSTEMS: [(&str, &str); 3] =
    [("Mac OS X", "macOS"), ("ATV OS X", "tvOS"), ("Chromium OS", "Chrome OS")];

impl Device {
    pub(super) fn of(user_agent: &str, client_hints: Option<&str>) -> Self {
        let agent = agent(user_agent);
        let hints = client_hints.map(Hints::parse).unwrap_or_default();
        let kept = stored(user_agent);
        let listed = bot_reason(&kept);
        let (os, os_version) = system(&agent, &hints);
        let (browser, browser_version) = browser(&agent, &hints);
        let (brand, model) = maker(&agent, &hints);
        let signs = Signs {
            user_agent: &user_agent.to_lowercase(),
            os: os.as_deref(),
            device: agent.device.as_deref(),
            hint_form: hints.form.as_deref(),
            hint_mobile: hints.mobile,
        };
        Self {
            device: Some(signs.form()),
            brand,
            model,
            os_version,
            browser,
            browser_version,
            bot_reason: listed.or_else(|| hints.headless.then_some(HEADLESS)),
            user_agent: (!kept.is_empty()).then_some(kept),
            os,
        }
    }
}

fn known(name: &str) -> Option<&str> {
    (!name.is_empty() && name != "Other").then_some(name)
}

/// The hints' system with the hints' version, else the user agent's with its own: a version of one
/// beside the name of the other would be a lie.
fn system(agent: &Agent<'_>, hints: &Hints) -> (Option<String>, Option<String>) {
    let ours = |name: &str| {
        let found = SYSTEMS.iter().find(|(listed, _)| *listed == name);
        found.map_or(name, |(_, ours)| ours).to_owned()
    };
    let told = agent.os.as_deref().and_then(known).map(ours);
    match &hints.os {
        Some(os) if hints.os_version.is_some() || told.as_ref() != Some(os) => {
            // A phone's hint says Linux or nothing for what the user agent knows better.
            if os == "Linux" && told.is_some() {
                (told, agent.os_version.clone())
            } else {
                (Some(ours(os)), hints.os_version.clone())
            }
        }
        _ => (told, agent.os_version.clone()),
    }
}

fn browser(agent: &Agent<'_>, hints: &Hints) -> (Option<String>, Option<String>) {
    let told = agent.browser.as_deref().and_then(known);
    match (&hints.browser, told) {
        // "WebView" and the names of apps are in the user agent alone.
        (Some(hint), Some(told)) if told.starts_with(hint.as_str()) => {
            (Some(told.to_owned()), hints.browser_version.clone())
        }
        (Some(hint), _) => (Some(hint.clone()), hints.browser_version.clone()),
        (None, told) => (told.map(str::to_owned), agent.browser_version.map(str::to_owned)),
    }
}

/// Brand and model; what uap-core calls generic is nobody's brand.
fn maker(agent: &Agent<'_>, hints: &Hints) -> (Option<String>, Option<String>) {
    let brand = agent
        .brand
        .as_deref()
        .and_then(known)
        .filter(|brand| !brand.starts_with("Generic") && *brand != "Spider");
    let told = brand.and(agent.model.as_deref()).and_then(known).map(str::to_owned);
    let Some(hinted) = &hints.model else { return (brand.map(str::to_owned), told) };
    // With the model of the hints uap-core may know the brand, as if the user agent had named it.
    let named = format!(
        "Mozilla/5.0 (Linux; Android 10; {hinted}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/100.0.0.0 Mobile Safari/537.36"
    );
    let of_model = super::agents::agent(&named);
    let brand = of_model
        .brand
        .as_deref()
        .and_then(known)
        .filter(|brand| !brand.starts_with("Generic"))
        .or(brand);
    (brand.map(str::to_owned), Some(hinted.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// User agent, then device, brand, model, os, os version, browser, browser version.
    type Case = (&'static str, &'static str, [Option<&'static str>; 6]);

    const CASES: &[Case] = &[
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.6099.130 Safari/537.36",
            "desktop",
            [None, None, Some("Windows"), Some("10"), Some("Chrome"), Some("120")],
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
            "desktop",
            [Some("Apple"), Some("Mac"), Some("macOS"), Some("10.15"), Some("Safari"), Some("17")],
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4.1 Mobile/15E148 Safari/604.1",
            "mobile",
            [
                Some("Apple"),
                Some("iPhone"),
                Some("iOS"),
                Some("17.4"),
                Some("Mobile Safari"),
                Some("17"),
            ],
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1",
            "tablet",
            [
                Some("Apple"),
                Some("iPad"),
                Some("iOS"),
                Some("16.6"),
                Some("Mobile Safari"),
                Some("16"),
            ],
        ),
        (
            "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/121.0.0.0 Mobile Safari/537.36",
            "mobile",
            [
                Some("Samsung"),
                Some("SM-S918B"),
                Some("Android"),
                Some("14"),
                Some("Chrome Mobile"),
                Some("121"),
            ],
        ),
        (
            "Mozilla/5.0 (Linux; Android 13; SM-X906C) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/121.0.0.0 Safari/537.36",
            "tablet",
            [
                Some("Samsung"),
                Some("SM-X906C"),
                Some("Android"),
                Some("13"),
                Some("Chrome"),
                Some("121"),
            ],
        ),
    ];

    #[test]
    fn user_agents_are_taken_apart() {
        for (user_agent, form, [brand, model, os, os_version, browser, version]) in CASES {
            let device = Device::of(user_agent, None);
            assert_eq!(device.device, Some(*form), "{user_agent}");
            let found = [
                &device.brand,
                &device.model,
                &device.os,
                &device.os_version,
                &device.browser,
                &device.browser_version,
            ];
            let expected = [brand, model, os, os_version, browser, version];
            for (found, expected) in found.into_iter().zip(expected) {
                assert_eq!(found.as_deref(), *expected, "{user_agent}");
            }
            assert_eq!(device.bot_reason, None, "{user_agent}");
        }
    }

    #[test]
    fn forms_of_devices() {
        let cases = [
            (
                "Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) AppleWebKit/537.36 Version/6.0 TV Safari/537.36",
                "tv",
            ),
            (
                "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 Chrome/79.0 Safari/537.36",
                "tv",
            ),
            (
                "Mozilla/5.0 (Linux; Android 9; AFTKA) AppleWebKit/537.36 Silk/98.6 Safari/537.36",
                "tv",
            ),
            (
                "Mozilla/5.0 (PlayStation; PlayStation 5/2.26) AppleWebKit/605.1.15 Version/13.0 Safari/605.1.15",
                "console",
            ),
            (
                "Mozilla/5.0 (Nintendo Switch; WebApplet) AppleWebKit/609.4 NF/6.0.2.21.3 NintendoBrowser/5.1",
                "console",
            ),
            (
                "Mozilla/5.0 (X11; GNU/Linux) AppleWebKit/537.36 Chrome/79.0 Safari/537.36 Tesla/2021.44.25.2",
                "car",
            ),
            (
                "Mozilla/5.0 (Linux; Android 12; Quest 3) AppleWebKit/537.36 OculusBrowser/33.0 Chrome/126.0 VR Safari/537.36",
                "wearable",
            ),
            (
                "Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Trident/5.0; Tablet PC 2.0)",
                "desktop",
            ),
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36",
                "desktop",
            ),
            (
                "Mozilla/5.0 (Windows Phone 10.0; Android 6.0.1; Microsoft; Lumia 950) Chrome/52.0 Mobile Safari/537.36 Edge/15.15063",
                "mobile",
            ),
            ("curl/8.5.0", "other"),
        ];
        for (user_agent, form) in cases {
            assert_eq!(Device::of(user_agent, None).device, Some(form), "{user_agent}");
        }
    }

    #[test]
    fn client_hints_are_worth_more_than_the_user_agent() {
        let frozen = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36";
        let eleven = r#"{"fullVersionList":[{"brand":"Brave","version":"141.0.7390.37"}],"platform":"Windows","platformVersion":"15.0.0","mobile":false}"#;
        let device = Device::of(frozen, Some(eleven));
        assert_eq!(device.os_version.as_deref(), Some("11"));
        assert_eq!(device.browser.as_deref(), Some("Brave"));
        assert_eq!(device.device, Some("desktop"));

        let reduced = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36";
        assert_eq!(Device::of(reduced, None).model, None);
        let pixel = r#"{"brands":[{"brand":"Google Chrome","version":"141"}],"platform":"Android","platformVersion":"15","model":"Pixel 9","mobile":true}"#;
        let device = Device::of(reduced, Some(pixel));
        assert_eq!(
            (device.brand.as_deref(), device.model.as_deref()),
            (Some("Google"), Some("Pixel 9"))
        );
        assert_eq!(device.os_version.as_deref(), Some("15"));
        assert_eq!(device.browser.as_deref(), Some("Chrome Mobile"));
    }

    #[test]
    fn hints_without_a_window_mark_a_bot() {
        let device = Device::of(
            "Mozilla/5.0 (X11; Linux x86_64) Chrome/141.0 Safari/537.36",
            Some(r#"{"brands":[{"brand":"HeadlessChrome","version":"141"}]}"#),
        );
        assert_eq!(device.bot_reason, Some(HEADLESS));
    }
}
