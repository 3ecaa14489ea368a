//! Step URL, part campaign: which parameter says what (matomo.md 3.4), found in one pass.

use lake::hit::Campaign;
use lake::limits::MAX_TEXT_BYTES;

use crate::text::cut;

/// Names of the campaign in the order in which the first that is not empty counts.
const NAMES: [&str; 8] = [
    "pk_cpn",
    "pk_campaign",
    "piwik_campaign",
    "mtm_campaign",
    "matomo_campaign",
    "utm_campaign",
    "utm_source",
    "utm_medium",
];
const TERMS: [&str; 7] =
    ["pk_kwd", "pk_keyword", "piwik_kwd", "mtm_kwd", "mtm_keyword", "matomo_kwd", "utm_term"];
const SOURCES: [&str; 3] = ["utm_source", "mtm_source", "pk_source"];
const MEDIUMS: [&str; 3] = ["utm_medium", "mtm_medium", "pk_medium"];
const CONTENTS: [&str; 3] = ["utm_content", "mtm_content", "pk_content"];
/// Parameters that advertisers add to links, as their help pages name them. `epik`, `sccid` and
/// the like are short, but no page's own names.
const CLICK_IDS: [&str; 16] = [
    "gclid",
    "gbraid",
    "wbraid",
    "dclid",
    "msclkid",
    "yclid",
    "fbclid",
    "twclid",
    "ttclid",
    "li_fat_id",
    "rdt_cid",
    "epik",
    "sccid",
    "scclid",
    "tblci",
    "obclid",
];
const REMOVED: [&str; 9] = [
    "fb_xd_fragment",
    "fb_comment_id",
    "phpsessid",
    "jsessionid",
    "sessionid",
    "aspsessionid",
    "doing_wp_cron",
    "sid",
    "pk_vid",
];

/// What a parameter is to the clean-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Says something of the campaign.
    Campaign,
    /// An advertiser's click id; its name.
    ClickId(&'static str),
    /// `ignore_referrer`.
    IgnoreReferrer,
    /// Belongs to a session, not to a page.
    Removed,
    /// Belongs to the page.
    Kept,
}

impl Role {
    /// The role of a parameter, its name in lower case.
    pub(super) fn of(name: &str) -> Self {
        let lists: [&[&str]; 5] = [&NAMES, &TERMS, &SOURCES, &MEDIUMS, &CONTENTS];
        // Nearly every parameter of a page is none of these: its first letters tell.
        let may_be_campaign = ["utm_", "mtm_", "pk_", "piwik_", "matomo_"];
        if may_be_campaign.iter().any(|prefix| name.starts_with(prefix))
            && lists.iter().any(|list| list.contains(&name))
        {
            return Self::Campaign;
        }
        if let Some(click_id) = CLICK_IDS.iter().find(|id| **id == name) {
            return Self::ClickId(click_id);
        }
        match name {
            "ignore_referrer" | "ignore_referer" => Self::IgnoreReferrer,
            name if REMOVED.contains(&name) => Self::Removed,
            _ => Self::Kept,
        }
    }
}

/// The campaign that these parameters name, if they do.
pub(super) fn of(parameters: &[(String, String)]) -> Option<Campaign> {
    let first = |names: &[&str]| {
        names.iter().find_map(|name| {
            let of_name = parameters.iter().filter(|(given, _)| given == name);
            of_name.rev().find_map(|(_, value)| cut(&value.to_lowercase(), MAX_TEXT_BYTES))
        })
    };
    Some(Campaign {
        name: first(&NAMES)?,
        source: first(&SOURCES),
        medium: first(&MEDIUMS),
        term: first(&TERMS),
        content: first(&CONTENTS),
    })
}
