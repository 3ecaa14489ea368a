//! The form of a device: our rules on top of uap-core's names (docs/decisions/lists.md).
//!
//! The first rule that holds decides. An iPad that asks for desktop pages sends a Mac's user agent
//! and cannot be told from one.

/// What the rules look at.
#[derive(Debug, Default)]
pub(super) struct Signs<'a> {
    /// The user agent, lower case.
    pub(super) user_agent: &'a str,
    pub(super) os: Option<&'a str>,
    pub(super) device: Option<&'a str>,
    pub(super) hint_form: Option<&'a str>,
    pub(super) hint_mobile: Option<bool>,
}

const TV: [&str; 22] = [
    "smart-tv",
    "smarttv",
    "smart_tv",
    "appletv",
    "apple tv",
    "googletv",
    "google tv",
    "android tv",
    "hbbtv",
    "netcast",
    "web0s",
    "bravia",
    "crkey",
    "roku",
    "viera",
    "philipstv",
    "opera tv",
    "large screen",
    "dtv",
    "; aft",
    "tizen tv",
    "ce-html",
];
const CONSOLE: [&str; 3] = ["playstation", "xbox", "nintendo"];
const CAR: [&str; 4] = ["tesla/", "qtcarbrowser", "android automotive", "gm ultifi"];
const WEARABLE: [&str; 5] = ["watchos", "apple watch", "wear os", "oculusbrowser", "sm-r8"];
const TABLET: [&str; 7] = ["ipad", "tablet", "kindle", "playbook", "silk/", "nexus 7", "touchpad"];
const MOBILE: [&str; 11] = [
    "mobi",
    "iphone",
    "ipod",
    "windows phone",
    "blackberry",
    "bb10",
    "symbian",
    "opera mini",
    "midp",
    "kaios",
    "phone",
];
const DESKTOP_OS: [&str; 16] = [
    "Windows",
    "macOS",
    "Linux",
    "Ubuntu",
    "Fedora",
    "Debian",
    "Chrome OS",
    "FreeBSD",
    "OpenBSD",
    "NetBSD",
    "Solaris",
    "SUSE",
    "Red Hat",
    "CentOS",
    "Gentoo",
    "Arch Linux",
];

impl Signs<'_> {
    /// desktop, mobile, tablet, tv, console, car, wearable or other.
    pub(super) fn form(&self) -> &'static str {
        if let Some(form) = self.hint_form.and_then(hinted) {
            return form;
        }
        let has = |words: &[&str]| words.iter().any(|word| self.user_agent.contains(word));
        let os = self.os.unwrap_or_default();
        let windows_tablet = os == "Windows" && !self.user_agent.contains("windows phone");
        if has(&TV) || matches!(os, "tvOS" | "ATV OS X" | "webOS" | "Chromecast") {
            "tv"
        } else if has(&CONSOLE) {
            "console"
        } else if has(&CAR) {
            "car"
        } else if has(&WEARABLE) || os == "WatchOS" {
            "wearable"
        // Internet Explorer says "Tablet PC" on every Windows that could have a pen.
        } else if has(&TABLET) && !windows_tablet {
            "tablet"
        } else if self.hint_mobile == Some(true) || has(&MOBILE) || self.feature_phone() {
            "mobile"
        } else if os == "Android" || os == "Fire OS" {
            // Without "Mobile" it is a tablet (Chrome's user-agent reduction keeps that rule).
            "tablet"
        } else if DESKTOP_OS.contains(&os) {
            "desktop"
        } else {
            "other"
        }
    }

    fn feature_phone(&self) -> bool {
        matches!(self.device, Some("Generic Feature Phone" | "Generic Smartphone"))
    }
}

/// By the form factors of Sec-CH-UA-Form-Factors.
fn hinted(form: &str) -> Option<&'static str> {
    Some(match form {
        "desktop" => "desktop",
        "mobile" => "mobile",
        "tablet" | "eink" => "tablet",
        "automotive" => "car",
        "watch" | "xr" => "wearable",
        _ => return None,
    })
}
