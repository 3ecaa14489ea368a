//! What becomes of an order: given, closed, carried out, final.

use futures_util::TryStreamExt as _;
use jiff::civil::Date;
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutPayload};
use serde::{Deserialize, Serialize};

use super::place::{FINAL, RETENTION, closed_path, final_path, id_in, open_path, progress_path};
use super::{Entry, Order};
use crate::layout::RowsOfHour;
use crate::store::{Expected, JsonError, StoreRef, put_json_if, read_json};

/// How far an order is carried out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Copies may be left.
    #[default]
    Running,
    /// No copy is left.
    Done,
    /// The last attempt failed; the next one goes on.
    Failed,
}

/// What became of an order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// How far it is.
    pub state: State,
    /// Table objects, rejected and parked ones that the erasure itself rewrote or deleted.
    pub objects_rewritten: u64,
    /// Their rows before.
    pub rows_before: u64,
    /// Their rows after.
    pub rows_after: u64,
    /// Records removed from `rejected/` and `parked/`, by site and hour of receipt; what is
    /// removed from hot and table objects is counted in the footers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erased: Vec<RowsOfHour>,
    /// When it was done, Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_ms: Option<i64>,
}

/// The object of an order that is done.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Final {
    pub(super) order: Order,
    receipt: Receipt,
}

/// Gives an order; false when there is one of that id already.
///
/// # Errors
///
/// When the store fails.
pub async fn give(store: &StoreRef, id: &str, order: &Order) -> Result<bool, JsonError> {
    create(store, &open_path(id), order).await
}

/// Closes a person's order; where somebody has closed it already, that stays.
///
/// # Errors
///
/// When the store fails.
pub async fn close(store: &StoreRef, id: &str, order: &Order) -> Result<bool, JsonError> {
    create(store, &closed_path(id), order).await
}

async fn create<T: Serialize + Sync>(
    store: &StoreRef,
    path: &Path,
    value: &T,
) -> Result<bool, JsonError> {
    match put_json_if(store.as_ref(), path, value, Expected::Absent).await {
        Ok(_) => Ok(true),
        Err(JsonError::Conflict { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Says how far an order is.
///
/// # Errors
///
/// When the store fails.
pub async fn put_progress(store: &StoreRef, id: &str, receipt: &Receipt) -> Result<(), JsonError> {
    let path = progress_path(id);
    let bytes = serde_json::to_vec(receipt)
        .map_err(|source| JsonError::Unreadable { path: path.to_string(), source })?;
    store.put(&path, PutPayload::from(bytes)).await?;
    Ok(())
}

/// Makes an order final. Killed anywhere and done again it ends right: the order is never absent.
///
/// # Errors
///
/// When the store fails.
pub async fn finish(store: &StoreRef, entry: &Entry, receipt: Receipt) -> Result<(), JsonError> {
    let id = &entry.id;
    let done = Final { order: entry.order.as_ref().clone(), receipt };
    create(store, &final_path(id), &done).await?;
    // The closed one last: as given alone it would be closed once more.
    for path in [progress_path(id), open_path(id), closed_path(id)] {
        store.delete(&path).await?;
    }
    Ok(())
}

/// Deletes a site's retention orders that a later final one says again, so that there are two of a
/// site at most.
///
/// # Errors
///
/// When the store fails.
pub async fn delete_superseded(store: &StoreRef, site: i32, before: Date) -> Result<(), JsonError> {
    let listed: Vec<_> = store.list(Some(&Path::from(FINAL))).try_collect().await?;
    for object in listed {
        let date = id_in(&object.location).and_then(|id| {
            let (of, date) = id.split_once(RETENTION)?;
            (of == site.to_string()).then(|| date.parse::<Date>().ok())?
        });
        if date.is_some_and(|date| date < before) {
            store.delete(&object.location).await?;
        }
    }
    Ok(())
}

/// How far the order with this id is; none where there is none.
///
/// # Errors
///
/// When the store fails.
pub async fn status(store: &StoreRef, id: &str) -> Result<Option<Receipt>, JsonError> {
    // Looked at twice: it may become final between two looks.
    for _ in 0..2 {
        if let Some(done) = read_json::<Final>(store.as_ref(), &final_path(id)).await? {
            return Ok(Some(done.value.receipt));
        }
        if let Some(receipt) = read_json::<Receipt>(store.as_ref(), &progress_path(id)).await? {
            return Ok(Some(receipt.value));
        }
        if read_json::<Order>(store.as_ref(), &open_path(id)).await?.is_some() {
            return Ok(Some(Receipt::default()));
        }
    }
    Ok(None)
}
