//! The parameters of one request of Matomo's protocol, each read once into its own field.

use std::borrow::Cow;

use lake::limits::{MAX_DIMENSIONS, MAX_FURTHER_DIMENSIONS};

use super::pairs::Pair;

/// Beginnings of campaign parameters, which may stand beside the URL as well (matomo.md 3.4).
const CAMPAIGNS: [&str; 5] = ["utm_", "mtm_", "pk_", "piwik_", "matomo_"];
/// Most campaign parameters that a request can have: one for each name and prefix.
const MAX_CAMPAIGN_PARAMETERS: usize = 32;

macro_rules! parameters {
    ($($field:ident = $name:literal,)*) => {
        /// What a request says, by name.
        #[derive(Debug, Default)]
        pub struct Parameters<'a> {
            $(pub(super) $field: Option<Cow<'a, str>>,)*
            /// `dimensionN`; the last of the same number counts.
            pub(super) dimensions: Vec<(u8, Cow<'a, str>)>,
            /// `dimensionN` with a number that has no column; the last of the same number counts.
            pub(super) further_dimensions: Vec<(u32, Cow<'a, str>)>,
            /// There were more of these than are kept.
            pub(super) more_dimensions: bool,
            /// Campaign parameters beside the URL.
            pub(super) campaign: Vec<Pair<'a>>,
            /// How many parameters there were, known or not.
            pub(super) count: usize,
        }

        impl<'a> Parameters<'a> {
            /// Takes a parameter; a later one replaces an earlier one of the same name.
            pub(super) fn set(&mut self, (name, value): Pair<'a>) {
                self.count += 1;
                match &*name {
                    $($name => self.$field = Some(value),)*
                    _ => self.set_numbered(name, value),
                }
            }
        }
    };
}

parameters! {
    idsite = "idsite", rec = "rec", r = "r", rand = "rand", url = "url", urlref = "urlref",
    action_name = "action_name", pv_id = "pv_id", send_image = "send_image", cs = "cs",
    id = "_id", cid = "cid", uid = "uid", new_visit = "new_visit",
    res = "res", h = "h", m = "m", s = "s",
    pdf = "pdf", qt = "qt", realp = "realp", wma = "wma", fla = "fla", java = "java", ag = "ag",
    cookie = "cookie", ua = "ua", uadata = "uadata", lang = "lang",
    download = "download", link = "link",
    search = "search", search_cat = "search_cat", search_count = "search_count",
    e_c = "e_c", e_a = "e_a", e_n = "e_n", e_v = "e_v",
    c_n = "c_n", c_p = "c_p", c_t = "c_t", c_i = "c_i",
    ca = "ca", ping = "ping",
    pf_net = "pf_net", pf_srv = "pf_srv", pf_tfr = "pf_tfr", pf_dm1 = "pf_dm1",
    pf_dm2 = "pf_dm2", pf_onl = "pf_onl",
    cvar = "cvar", visit_cvar = "_cvar", event_cvar = "e_cvar",
    idgoal = "idgoal", revenue = "revenue",
    rcn = "_rcn", rck = "_rck", refts = "_refts", referrer = "_ref",
    ec_id = "ec_id", ec_items = "ec_items", ec_st = "ec_st", ec_tx = "ec_tx", ec_sh = "ec_sh",
    ec_dt = "ec_dt",
    pks = "_pks", pkn = "_pkn", pkc = "_pkc", pkp = "_pkp",
    cip = "cip", cdt = "cdt", cdo = "cdo",
    country = "country", region = "region", city = "city", lat = "lat", long = "long",
    token_auth = "token_auth", bots = "bots",
    bw_bytes = "bw_bytes", data = "data",
}

impl<'a> Parameters<'a> {
    /// The parameters of a query; of a repeated name the last counts.
    pub fn of(pairs: impl Iterator<Item = Pair<'a>>) -> Self {
        let mut parameters = Self::default();
        pairs.for_each(|pair| parameters.set(pair));
        parameters
    }

    /// The parameters of a request with query and form body: the query counts more.
    #[must_use]
    pub fn of_request(query: &'a str, body: &'a str) -> Self {
        Self::of(super::pairs::parse(body).chain(super::pairs::parse(query)))
    }

    /// Whether there is nothing at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// `send_image=0`: the answer is to have no body.
    #[must_use]
    pub fn asks_for_no_body(&self) -> bool {
        self.send_image.as_deref() == Some("0")
    }

    /// The cache buster says that this request is one of its kind.
    #[must_use]
    pub const fn has_cache_buster(&self) -> bool {
        self.r.is_some() || self.rand.is_some()
    }

    /// The token, as sent.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        text(self.token_auth.as_deref())
    }

    fn set_numbered(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) {
        if let Some(number) = name.strip_prefix("dimension") {
            let Ok(number) = number.parse::<u32>() else { return };
            match u8::try_from(number) {
                Ok(0) => {}
                Ok(number @ 1..=MAX_DIMENSIONS) => {
                    self.dimensions.retain(|(known, _)| *known != number);
                    self.dimensions.push((number, value));
                }
                _ => self.set_further_dimension(number, value),
            }
        } else if CAMPAIGNS.iter().any(|prefix| name.starts_with(prefix))
            && self.campaign.len() < MAX_CAMPAIGN_PARAMETERS
        {
            self.campaign.push((name, value));
        }
    }

    fn set_further_dimension(&mut self, number: u32, value: Cow<'a, str>) {
        let kept = &mut self.further_dimensions;
        if let Some((_, known)) = kept.iter_mut().find(|(known, _)| *known == number) {
            *known = value;
        } else if kept.len() < MAX_FURTHER_DIMENSIONS {
            kept.push((number, value));
        } else {
            self.more_dimensions = true;
        }
    }
}

/// A value that is not blank.
pub(super) fn text(value: Option<&str>) -> Option<&str> {
    value.filter(|value| !value.trim().is_empty())
}

/// A whole number.
pub(super) fn integer(value: Option<&str>) -> Option<i64> {
    value?.trim().parse().ok()
}

/// A finite number.
pub(super) fn number(value: Option<&str>) -> Option<f64> {
    value?.trim().parse().ok().filter(|value: &f64| value.is_finite())
}
