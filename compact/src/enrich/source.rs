//! Channel, source and keyword of a hit's own referrer, campaign and click id (matomo.md 3.4).
//!
//! Knows the order of the rules; the lists are in `sites`. docs/decisions/lists.md has the table.

use lake::hit::{Campaign, Hit};

use super::referrer::Referrer;
use super::sites::{self, Place};

/// What a hit's own referrer, campaign and click id say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// direct, internal, search, social, ai, email, campaign, paid_search, paid_social, display or
    /// website.
    pub channel: &'static str,
    /// Engine, network, assistant, mail service, campaign source or host.
    pub source: Option<String>,
    /// Keyword, lower case.
    pub keyword: Option<String>,
    /// Host of the referrer, lower case.
    pub referrer_host: Option<String>,
    /// Path of the referrer.
    pub referrer_path: Option<String>,
    /// Name of the campaign that the referrer alone tells: an advertisement without parameters.
    pub campaign: Option<String>,
}

/// Click parameter, the channel that it tells, and whose it is. `fbclid` is put on every link out
/// of Facebook, paid or not, so it tells the network alone.
const CLICKS: [(&str, &str, &str); 16] = [
    ("gclid", "paid_search", "Google"),
    ("wbraid", "paid_search", "Google"),
    ("gbraid", "paid_search", "Google"),
    ("dclid", "display", "Google"),
    ("msclkid", "paid_search", "Bing"),
    ("yclid", "paid_search", "Yandex"),
    ("fbclid", "social", "Facebook"),
    ("twclid", "paid_social", "Twitter"),
    ("ttclid", "paid_social", "TikTok"),
    ("li_fat_id", "paid_social", "LinkedIn"),
    ("rdt_cid", "paid_social", "reddit"),
    ("epik", "paid_social", "Pinterest"),
    ("sccid", "paid_social", "Snapchat"),
    ("scclid", "paid_social", "Snapchat"),
    ("tblci", "display", "Taboola"),
    ("obclid", "display", "Outbrain"),
];

impl Source {
    pub(super) fn of(hit: &Hit) -> Self {
        let referrer = hit.referrer.as_deref().and_then(Referrer::parse);
        let place = referrer.as_ref().filter(|_| !hit.referrer_internal).and_then(sites::place);
        let mut found = Self { channel: "direct", ..Self::default() };
        if let Some(referrer) = &referrer {
            found.referrer_host = Some(referrer.host.clone());
            found.referrer_path = (!referrer.path.is_empty()).then(|| referrer.path.to_owned());
        }
        let advertisement = referrer.as_ref().and_then(Advertisement::of);
        let click = hit.click_id.as_deref().and_then(click);
        if let Some(campaign) = &hit.campaign {
            found.take_campaign(campaign, place, advertisement, click);
        } else if let Some(advertisement) = advertisement {
            found.channel = "display";
            found.campaign = Some(advertisement.campaign);
            found.keyword = advertisement.keyword;
            found.source.clone_from(&found.referrer_host);
        } else if hit.referrer_internal {
            found.channel = "internal";
        } else {
            found.take_place(place, referrer.is_some_and(|referrer| referrer.is_public()));
            found.take_click(click);
        }
        found
    }

    fn take_campaign(
        &mut self,
        campaign: &Campaign,
        place: Option<Place>,
        advertisement: Option<Advertisement>,
        click: Option<(&'static str, &'static str)>,
    ) {
        let (name, keyword) = place.clone().map(Place::parts).unwrap_or_default();
        let social = campaign.source.as_deref().is_some_and(sites::is_network)
            || matches!(place, Some(Place::Network(_)));
        self.channel = of_medium(campaign, social)
            .or_else(|| click.map(|(channel, _)| channel).filter(|channel| *channel != "social"))
            .unwrap_or("campaign");
        self.source = campaign.source.clone().or(name).or_else(|| self.referrer_host.clone());
        self.keyword = campaign
            .term
            .clone()
            .or(keyword)
            .or_else(|| advertisement.and_then(|found| found.keyword))
            .or_else(|| self.referrer_host.clone());
    }

    fn take_place(&mut self, place: Option<Place>, public: bool) {
        self.channel = match &place {
            Some(place) => place.channel(),
            None if public => "website",
            None => return,
        };
        match place.map(Place::parts) {
            Some(parts) => (self.source, self.keyword) = parts,
            None => self.source.clone_from(&self.referrer_host),
        }
    }

    /// A click id makes its own engine or network paid, and names one where no referrer does; an
    /// id that was carried on to another site's link says nothing of that site.
    fn take_click(&mut self, click: Option<(&'static str, &'static str)>) {
        let Some((channel, owner)) = click else { return };
        let silent = self.channel == "direct";
        let same = match channel {
            "paid_search" => self.channel == "search",
            "paid_social" => self.channel == "social",
            _ => false,
        };
        if silent || same || channel == "display" {
            self.channel = channel;
        }
        if silent {
            self.source = Some(owner.to_owned());
        }
    }
}

impl Place {
    const fn channel(&self) -> &'static str {
        match self {
            Self::Engine(..) => "search",
            Self::Network(_) => "social",
            Self::Assistant(_) => "ai",
            Self::Mail(_) => "email",
        }
    }

    fn parts(self) -> (Option<String>, Option<String>) {
        match self {
            Self::Engine(name, keyword) => (Some(name), keyword),
            Self::Network(name) | Self::Assistant(name) | Self::Mail(name) => {
                (Some(name.to_owned()), None)
            }
        }
    }
}

fn click(parameter: &str) -> Option<(&'static str, &'static str)> {
    let parameter = parameter.to_lowercase();
    CLICKS
        .iter()
        .find(|(known, ..)| *known == parameter)
        .map(|(_, channel, owner)| (*channel, *owner))
}

/// The channel that a campaign's medium tells; `None` leaves it a campaign.
fn of_medium(campaign: &Campaign, social: bool) -> Option<&'static str> {
    let medium = campaign.medium.as_deref().unwrap_or_default().trim().to_lowercase();
    let words: Vec<&str> = medium.split(|letter: char| !letter.is_alphanumeric()).collect();
    let has = |known: &[&str]| words.iter().any(|word| known.contains(word));
    let paid = has(&[
        "cpc",
        "ppc",
        "cpa",
        "cpv",
        "paid",
        "sem",
        "paidsearch",
        "paidsocial",
        "retargeting",
    ]);
    if has(&["display", "banner", "cpm", "expandable", "interstitial", "programmatic"]) {
        Some("display")
    } else if has(&["paidsocial"]) || (paid && (social || has(&["social"]))) {
        Some("paid_social")
    } else if paid {
        Some("paid_search")
    } else if has(&["email", "mail", "newsletter"]) || medium == "e-mail" {
        Some("email")
    } else {
        None
    }
}

/// A text advertisement on somebody's page (matomo.md 3.4: the AdSense rule).
struct Advertisement {
    campaign: String,
    keyword: Option<String>,
}

impl Advertisement {
    fn of(referrer: &Referrer<'_>) -> Option<Self> {
        let served = referrer.host == "googleads.g.doubleclick.net"
            && referrer.path.starts_with("/pagead/ads");
        if !served {
            return None;
        }
        let decoded = |name: &str| {
            let raw = referrer.parameter(name)?;
            Some(percent_encoding::percent_decode_str(raw).decode_utf8_lossy().into_owned())
        };
        let page = decoded("url");
        let publisher = page.as_deref().and_then(Referrer::parse).map(|page| page.host);
        Some(Self {
            campaign: match decoded("ad_type") {
                Some(kind) => format!("adwords ({})", kind.to_lowercase()),
                None => "adwords".to_owned(),
            },
            keyword: publisher.map(|host| format!("(adwords) {host}")),
        })
    }
}
