//! Which objects the dates of a question have.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::civil::Date;
use lake::layout;
use lake::store::StoreRef;
use object_store::ObjectMeta;
use object_store::path::Path;

use super::error::ScanError;

/// So many dates are listed one by one; of earlier ones it is asked first which have hot objects.
const FEW_DATES: usize = 8;
/// Listings under way at once.
const CONCURRENT_LISTS: usize = 16;

/// The objects of one date.
#[derive(Debug, Clone, Default)]
pub(super) struct Objects {
    /// Table objects.
    pub(super) parts: Vec<ObjectMeta>,
    /// Hot objects, held by the table or not.
    pub(super) hot: Vec<ObjectMeta>,
}

/// The objects of some dates, in one round trip; in two where hits of earlier dates wait.
pub(super) async fn dates(
    store: &StoreRef,
    dates: &[Date],
) -> Result<BTreeMap<Date, Objects>, ScanError> {
    let (parts, hot) = futures_util::try_join!(parts(store, dates), hot(store, dates))?;
    let mut objects: BTreeMap<Date, Objects> = BTreeMap::new();
    for part in parts {
        if let Some(dt) = layout::date_of(&part.location) {
            objects.entry(dt).or_default().parts.push(part);
        }
    }
    for (dt, hot) in hot {
        objects.entry(dt).or_default().hot = hot;
    }
    Ok(objects)
}

/// Keys are listed in the order of bytes, which is that of dates, from the first on.
async fn parts(store: &StoreRef, dates: &[Date]) -> Result<Vec<ObjectMeta>, ScanError> {
    let (Some(first), Some(last)) = (dates.first(), dates.last()) else { return Ok(Vec::new()) };
    let table = Path::from(layout::HITS);
    let before = layout::date_prefix(layout::HITS, *first);
    let listed = store.list_with_offset(Some(&table), &before);
    let mut parts = Vec::new();
    let mut listed = listed.map_err(|error| ScanError::Store(table.clone(), error));
    while let Some(object) = listed.try_next().await? {
        if layout::date_of(&object.location).is_some_and(|dt| dt > *last) {
            break;
        }
        parts.push(object);
    }
    parts.retain(|part| is_part(&part.location));
    Ok(parts)
}

fn is_part(path: &Path) -> bool {
    path.filename().is_some_and(|name| name.starts_with("part-") && name.ends_with(".parquet"))
}

/// The last dates are those that nearly always have some: they are listed without asking.
async fn hot(store: &StoreRef, dates: &[Date]) -> Result<Vec<(Date, Vec<ObjectMeta>)>, ScanError> {
    let (earlier, last) = dates.split_at(dates.len().saturating_sub(FEW_DATES));
    let of_last = hot_of_each(store, last.to_vec());
    let of_earlier = async {
        if earlier.is_empty() {
            return Ok(Vec::new());
        }
        let hot = Path::from(layout::HOT);
        let listed = store.list_with_delimiter(Some(&hot)).await;
        let folders = listed.map_err(|error| ScanError::Store(hot, error))?.common_prefixes;
        let dates = folders.iter().filter_map(layout::date_of).filter(|dt| earlier.contains(dt));
        hot_of_each(store, dates.collect()).await
    };
    let (mut of_last, of_earlier) = futures_util::try_join!(of_last, of_earlier)?;
    of_last.extend(of_earlier);
    Ok(of_last)
}

async fn hot_of_each(
    store: &StoreRef,
    dates: Vec<Date>,
) -> Result<Vec<(Date, Vec<ObjectMeta>)>, ScanError> {
    let mut lists = Vec::new();
    for dt in dates {
        lists.push(hot_of(store, dt));
    }
    futures_util::stream::iter(lists).buffered(CONCURRENT_LISTS).try_collect().await
}

async fn hot_of(store: &StoreRef, dt: Date) -> Result<(Date, Vec<ObjectMeta>), ScanError> {
    let prefix = layout::date_prefix(layout::HOT, dt);
    let listed: Result<Vec<ObjectMeta>, _> = store.list(Some(&prefix)).try_collect().await;
    let mut listed = listed.map_err(|error| ScanError::Store(prefix, error))?;
    listed.retain(|object| layout::batch_of(&object.location).is_some());
    Ok((dt, listed))
}
