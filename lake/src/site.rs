//! Settings of a site: read, checked, kept in `settings/sites/<id>.json`.
//!
//! Knows names, values and defaults (CONTRACTS, "Site settings"); applies none of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::TryStreamExt as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::store::{Expected, JsonError, StoreRef, put_json_if, read_json};

/// Settings of one site. Empty lists restrict nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteSettings {
    /// 1 to 2147483647.
    pub id: i32,
    /// Shown to people.
    #[serde(default)]
    pub name: String,
    /// IANA zone whose midnights part the dates.
    #[serde(default = "utc")]
    pub timezone: String,
    /// ISO 4217.
    #[serde(default = "euro")]
    pub currency: String,
    /// The site's own hosts.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Origins that may send hits.
    #[serde(default)]
    pub allowed_origins: Vec<String>,
    /// Drop hits of hosts that are not in `hosts`.
    #[serde(default)]
    pub exclude_unknown_hosts: bool,
    /// Query parameters to remove from URLs.
    #[serde(default)]
    pub excluded_parameters: Vec<String>,
    /// Addresses and networks whose hits are dropped.
    #[serde(default)]
    pub excluded_ips: Vec<String>,
    /// Parts of user agents whose hits are dropped.
    #[serde(default)]
    pub excluded_user_agents: Vec<String>,
    /// Hosts of referrers whose hits are dropped.
    #[serde(default)]
    pub excluded_referrers: Vec<String>,
    /// Keep the fragment of URLs.
    #[serde(default)]
    pub keep_fragment: bool,
    /// Splits titles into levels.
    #[serde(default)]
    pub title_delimiter: String,
    /// How long a visitor is recognised without an id: daily, weekly, monthly or first_party.
    #[serde(default)]
    pub identity: Identity,
    /// Signals that are honoured.
    #[serde(default = "gpc")]
    pub honour: Vec<Signal>,
    /// Where the country comes from when no header tells: none, timezone or language.
    #[serde(default = "none")]
    pub country_fallback: String,
    /// A website referrer begins a new visit.
    #[serde(default)]
    pub new_visit_on_referrer: bool,
    /// Orders and carts are counted.
    #[serde(default)]
    pub ecommerce: bool,
    /// Days that hits are kept.
    #[serde(default)]
    pub retention_days: Option<u32>,
    /// Site search by URL parameters.
    #[serde(default)]
    pub site_search: SiteSearch,
    /// Named parts of the site.
    #[serde(default)]
    pub sections: Vec<Section>,
    /// Named filters.
    #[serde(default)]
    pub segments: Vec<serde_json::Value>,
    /// Goals.
    #[serde(default)]
    pub goals: Vec<serde_json::Value>,
    /// Custom dimensions.
    #[serde(default)]
    pub dimensions: Vec<serde_json::Value>,
}

/// How long a visitor is recognised without an id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// Until the site's midnight.
    #[default]
    Daily,
    /// Until Sunday's midnight.
    Weekly,
    /// Until the end of the month.
    Monthly,
    /// By the client's own id; by the day without one.
    FirstParty,
}

/// A signal of the browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Global Privacy Control.
    Gpc,
    /// Do Not Track.
    Dnt,
}

/// Site search by URL parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SiteSearch {
    /// Whether page views with a keyword are searches.
    pub on: bool,
    /// Parameters of the keyword.
    pub keyword: Vec<String>,
    /// Parameters of the category.
    pub category: Vec<String>,
}

impl Default for SiteSearch {
    fn default() -> Self {
        let keyword = ["q", "query", "s", "search", "searchword", "k", "keyword"];
        Self { on: true, keyword: keyword.map(str::to_owned).to_vec(), category: Vec::new() }
    }
}

/// A named part of the site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Path prefixes that belong to it.
    pub include: Vec<String>,
    /// Path prefixes that do not.
    #[serde(default)]
    pub exclude: Vec<String>,
}

fn utc() -> String {
    "UTC".to_owned()
}
fn euro() -> String {
    "EUR".to_owned()
}
fn none() -> String {
    "none".to_owned()
}
fn gpc() -> Vec<Signal> {
    vec![Signal::Gpc]
}

/// Why settings were refused or not had.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// Not the JSON of a site's settings.
    #[error("site settings: {0}")]
    Refused(String),
    /// There is no such site.
    #[error("there is no site {0}; `hitlake site list` shows those there are")]
    Unknown(i32),
    /// The store.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The store.
    #[error("settings: {0}")]
    Store(#[from] object_store::Error),
}

impl SiteSettings {
    /// Reads and checks settings.
    ///
    /// # Errors
    ///
    /// [`SiteError::Refused`] naming the key, the value and what is allowed.
    pub fn parse(text: &str) -> Result<Self, SiteError> {
        let settings: Self = serde_json::from_str(text)
            .map_err(|error| SiteError::Refused(with_nearest(&error.to_string())))?;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), SiteError> {
        let refuse = |text: String| Err(SiteError::Refused(text));
        if self.id < 1 {
            return refuse(format!("id is {}; it must be 1 to {}", self.id, i32::MAX));
        }
        if TimeZone::get(&self.timezone).is_err() {
            return refuse(format!(
                "timezone is {:?}; give an IANA zone such as Europe/Berlin",
                self.timezone
            ));
        }
        if !matches!(self.country_fallback.as_str(), "none" | "timezone" | "language") {
            return refuse(format!(
                "country_fallback is {:?}; it must be none, timezone or language",
                self.country_fallback
            ));
        }
        let address = |text: &&String| {
            text.parse::<std::net::IpAddr>().is_err() && text.parse::<ipnet::IpNet>().is_err()
        };
        if let Some(bad) = self.excluded_ips.iter().find(address) {
            return refuse(format!(
                "excluded_ips has {bad:?}; give an address or a network such as 192.0.2.0/24"
            ));
        }
        Ok(())
    }
}

/// serde names the unknown key and those allowed; say which is nearest.
fn with_nearest(error: &str) -> String {
    let mut names = error.split('`').skip(1).step_by(2);
    let (Some(given), true) = (names.next(), error.starts_with("unknown field")) else {
        return error.to_owned();
    };
    let nearest = names.min_by_key(|name| strsim::damerau_levenshtein(given, name));
    nearest.map_or_else(
        || error.to_owned(),
        |nearest| format!("unknown key {given}; did you mean {nearest}?"),
    )
}

/// A site's settings as they are stored: with its zones by the time from which each holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Stored {
    settings: serde_json::Value,
    zones: Vec<(i64, String)>,
}

/// Settings with everything parsed that every hit needs.
#[derive(Debug)]
pub struct Site {
    /// As the owner gave them.
    pub settings: SiteSettings,
    zones: Vec<(i64, TimeZone)>,
    excluded: Vec<ipnet::IpNet>,
}

impl Site {
    fn new(stored: Stored) -> Result<Self, SiteError> {
        let settings = SiteSettings::parse(&stored.settings.to_string())?;
        let zone = |(from, name): (i64, String)| Some((from, TimeZone::get(&name).ok()?));
        let net = |text: &String| {
            text.parse().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(Into::into))
        };
        let excluded = settings.excluded_ips.iter().filter_map(net).collect();
        Ok(Self { zones: stored.zones.into_iter().filter_map(zone).collect(), excluded, settings })
    }

    /// The zone in force at a time.
    #[must_use]
    pub fn zone_at(&self, ts_ms: i64) -> TimeZone {
        let in_force = self.zones.iter().rev().find(|(from, _)| *from <= ts_ms);
        in_force.or(self.zones.first()).map_or(TimeZone::UTC, |(_, zone)| zone.clone())
    }

    /// The site's local date of a time.
    #[must_use]
    pub fn local_date(&self, ts_ms: i64) -> Date {
        let instant = jiff::Timestamp::from_millisecond(ts_ms).unwrap_or_default();
        instant.to_zoned_datetime(self.zone_at(ts_ms)).date()
    }

    /// Whether hits of this address are dropped.
    #[must_use]
    pub fn excludes(&self, address: std::net::IpAddr) -> bool {
        self.excluded.iter().any(|net| net.contains(&address))
    }
}

fn expected(e_tag: Option<String>) -> Expected {
    e_tag.map_or(Expected::Absent, Expected::ETag)
}

fn path(id: i32) -> Path {
    Path::from(format!("settings/sites/{id}.json"))
}

/// Creates or replaces a site.
///
/// A changed zone takes effect at once while the site has no hits, else at the next midnight of
/// the old zone that is at least a minute away, when every instance has read the settings again.
///
/// # Errors
///
/// When somebody else changed the site at the same time, or the store fails.
pub async fn put_site(
    store: &StoreRef,
    settings: &SiteSettings,
    now_ms: i64,
    has_hits: bool,
) -> Result<(), SiteError> {
    let old = read_json::<Stored>(store.as_ref(), &path(settings.id)).await?;
    let zones = match &old {
        Some(old) if has_hits => {
            let mut zones = old.value.zones.clone();
            if zones.last().is_some_and(|(_, zone)| *zone != settings.timezone) {
                let last = zones
                    .last()
                    .and_then(|(_, zone)| TimeZone::get(zone).ok())
                    .unwrap_or(TimeZone::UTC);
                zones.push((next_midnight(now_ms + 60_000, last), settings.timezone.clone()));
            }
            zones
        }
        _ => vec![(i64::MIN, settings.timezone.clone())],
    };
    let value =
        serde_json::to_value(settings).map_err(|error| SiteError::Refused(error.to_string()))?;
    put_json_if(
        store.as_ref(),
        &path(settings.id),
        &Stored { settings: value, zones },
        expected(old.as_ref().map(|old| old.e_tag.clone())),
    )
    .await?;
    Ok(())
}

fn next_midnight(after_ms: i64, zone: TimeZone) -> i64 {
    let date = jiff::Timestamp::from_millisecond(after_ms)
        .unwrap_or_default()
        .to_zoned_datetime(zone.clone())
        .date();
    let next = date.tomorrow().ok().and_then(|next| next.to_zoned_datetime(zone).ok());
    next.map_or(after_ms, |midnight| midnight.timestamp().as_millisecond())
}

/// Reads a site.
///
/// # Errors
///
/// [`SiteError::Unknown`] when there is none.
pub async fn read_site(store: &StoreRef, id: i32) -> Result<Site, SiteError> {
    match read_json::<Stored>(store.as_ref(), &path(id)).await? {
        Some(stored) => Site::new(stored.value),
        None => Err(SiteError::Unknown(id)),
    }
}

/// Ids of all sites, in order.
///
/// # Errors
///
/// When the store fails.
pub async fn list_sites(store: &StoreRef) -> Result<Vec<i32>, SiteError> {
    let listed: Vec<_> = store.list(Some(&Path::from("settings/sites"))).try_collect().await?;
    let id = |path: &Path| path.filename()?.strip_suffix(".json")?.parse().ok();
    let mut ids: Vec<i32> = listed.iter().filter_map(|object| id(&object.location)).collect();
    ids.sort_unstable();
    Ok(ids)
}

/// Removes a site's settings; its hits stay.
///
/// # Errors
///
/// [`SiteError::Unknown`] when there is none.
pub async fn remove_site(store: &StoreRef, id: i32) -> Result<(), SiteError> {
    read_site(store, id).await?;
    Ok(store.delete(&path(id)).await?)
}

type Cached = (i64, Option<Arc<Site>>);

/// Sites of a process, read again after a while.
#[derive(Debug)]
pub struct SiteCache {
    store: StoreRef,
    clock: Arc<dyn Clock>,
    ttl_ms: i64,
    sites: Mutex<BTreeMap<i32, Cached>>,
}

impl SiteCache {
    /// An empty cache whose entries live `ttl_ms`.
    #[must_use]
    pub const fn new(store: StoreRef, clock: Arc<dyn Clock>, ttl_ms: i64) -> Self {
        Self { store, clock, ttl_ms, sites: Mutex::new(BTreeMap::new()) }
    }

    /// The site; none when there is no such site. While the store fails the old entry serves.
    ///
    /// # Errors
    ///
    /// When the store fails and the site has not been read before.
    pub async fn get(&self, id: i32) -> Result<Option<Arc<Site>>, SiteError> {
        let now_ms = self.clock.now_ms();
        let cached = self.sites.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        if let Some((at, site)) = &cached
            && now_ms - at < self.ttl_ms
        {
            return Ok(site.clone());
        }
        let site = match read_site(&self.store, id).await {
            Ok(site) => Some(Arc::new(site)),
            Err(SiteError::Unknown(_)) => None,
            Err(error) => return cached.map(|(_, site)| site).ok_or(error),
        };
        self.sites
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, (now_ms, site.clone()));
        Ok(site)
    }

    /// The store behind it.
    #[must_use]
    pub const fn store(&self) -> &StoreRef {
        &self.store
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_right_name() {
        let error = SiteSettings::parse(r#"{"id":1,"time_zone":"UTC"}"#).unwrap_err().to_string();
        assert!(error.contains("did you mean timezone?"), "{error}");
    }

    #[test]
    fn values_are_checked() {
        for bad in [
            r#"{"id":0}"#,
            r#"{"id":1,"timezone":"Mars/Base"}"#,
            r#"{"id":1,"excluded_ips":["x"]}"#,
            r#"{"id":1,"identity":"x"}"#,
        ] {
            assert!(SiteSettings::parse(bad).is_err(), "{bad}");
        }
        assert!(SiteSettings::parse(r#"{"id":2147483647}"#).is_ok());
        assert!(SiteSettings::parse(r#"{"id":2147483648}"#).is_err());
    }
}
