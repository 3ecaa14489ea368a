//! Sites in the store: `settings/sites/<id>.json`.

use futures_util::TryStreamExt as _;
use jiff::tz::TimeZone;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::settings::{Identity, SiteSettings};
use super::{Site, SiteError};
use crate::limits::SETTINGS_IN_FORCE_MS;
use crate::store::{Expected, JsonError, StoreRef, put_json_if, read_json};

/// A site's settings as they are stored: with its zones by the time from which each holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) settings: serde_json::Value,
    pub(super) zones: Vec<(i64, String)>,
    /// What each `identity` holds from on; of before the first nothing is known.
    #[serde(default)]
    pub(super) identities: Vec<(i64, Identity)>,
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
                zones.push((
                    next_midnight(now_ms + SETTINGS_IN_FORCE_MS, last),
                    settings.timezone.clone(),
                ));
            }
            zones
        }
        _ => vec![(i64::MIN, settings.timezone.clone())],
    };
    let identities = match &old {
        Some(old) if has_hits => {
            let mut identities = old.value.identities.clone();
            if identities.last().is_none_or(|(_, identity)| *identity != settings.identity) {
                identities.push((now_ms + SETTINGS_IN_FORCE_MS, settings.identity));
            }
            identities
        }
        _ => vec![(i64::MIN, settings.identity)],
    };
    let value =
        serde_json::to_value(settings).map_err(|error| SiteError::Refused(error.to_string()))?;
    put_json_if(
        store.as_ref(),
        &path(settings.id),
        &Stored { settings: value, zones, identities },
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

/// All sites by id; one whose settings are not what they should be comes with the reason, so that
/// it does not stop the others.
///
/// # Errors
///
/// When the store fails.
pub async fn read_sites(
    store: &StoreRef,
) -> Result<Vec<(i32, Result<Site, SiteError>)>, SiteError> {
    let mut sites = Vec::new();
    for id in list_sites(store).await? {
        match read_site(store, id).await {
            Ok(site) => sites.push((id, Ok(site))),
            Err(SiteError::Unknown(_)) => {}
            Err(
                error @ (SiteError::Refused(_) | SiteError::Json(JsonError::Unreadable { .. })),
            ) => sites.push((id, Err(error))),
            Err(error) => return Err(error),
        }
    }
    Ok(sites)
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
