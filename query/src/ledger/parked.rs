//! Batches that append could not take, as they lie in `parked/` of the store or where Lambda parks them.

use aws_lambda_events::event::kinesis::{KinesisEvent, KinesisEventRecord};
use futures_util::TryStreamExt as _;
use lake::account::hour_of;
use lake::dropped::{Dropped, NO_SITE};
use lake::hit::Hit;
use lake::layout::parked_event;
use lake::store::StoreRef;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt as _};

use super::figures::Hours;
use crate::scan::ScanError;

/// Counts the records of the parked batches of a folder: accepted, and parked.
pub(super) async fn count(
    store: &StoreRef,
    folder: Option<&Path>,
    hours: &mut Hours,
) -> Result<(), ScanError> {
    let listed: Result<Vec<ObjectMeta>, _> = store.list(folder).try_collect().await;
    let failed = |error| ScanError::Store(folder.cloned().unwrap_or_default(), error);
    for object in listed.map_err(failed)? {
        let path = object.location;
        let read = match store.get(&path).await {
            Ok(got) => got.bytes().await,
            Err(error) => Err(error),
        };
        let bytes = match read {
            Ok(bytes) => bytes,
            // Replayed since it was listed.
            Err(object_store::Error::NotFound { .. }) => continue,
            Err(error) => return Err(ScanError::Store(path, error)),
        };
        let event = serde_json::from_slice::<KinesisEvent>(&parked_event(&bytes)).ok();
        for (site, hour) in event.iter().flat_map(|event| &event.records).filter_map(place) {
            if let Some(figures) = hours.at_or_any(site, hour) {
                figures.accepted += 1;
                figures.parked += 1;
            }
        }
    }
    Ok(())
}

/// Site and hour of receipt of a record; nothing for what is no hit and is told of hits dropped.
fn place(record: &KinesisEventRecord) -> Option<(i32, i64)> {
    let data = &record.kinesis.data.0;
    match Hit::decode(data) {
        Ok(hit) => Some((hit.site, hour_of(hit.received))),
        Err(_) if Dropped::decode(data).is_some() => None,
        Err(_) => {
            let arrived_ms = record.kinesis.approximate_arrival_timestamp.timestamp_millis();
            Some((NO_SITE, hour_of(arrived_ms)))
        }
    }
}
