//! Objects of an earlier program, which lack the last columns: answers are the same.

use arrow::compute::concat_batches;
use futures_util::TryStreamExt as _;
use lake::columns::{COLUMNS, schema_for_reading};
use lake::layout::{Batch, HITS, HOT};
use lake::parquet_file::{decode, encode, encode_hot};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde_json::json;

use crate::erasure::{answers, everybody, send};
use crate::house::House;

/// Columns that the earlier program did not know.
const NEW_COLUMNS: usize = 4;

/// Writes the objects of a zone as an earlier program would have: how many.
async fn made_older(house: &House, zone: &str) -> usize {
    let listed = house.store.list(Some(&Path::from(zone))).map_ok(|object| object.location);
    let paths: Vec<Path> = listed.try_collect().await.unwrap();
    let known: Vec<usize> = (0..COLUMNS.len() - NEW_COLUMNS).collect();
    for path in &paths {
        let bytes = house.store.get(path).await.unwrap().bytes().await.unwrap();
        let (rows, holds) = decode(&bytes).unwrap();
        let rows = concat_batches(&schema_for_reading(), &rows).unwrap();
        let rows = rows.project(&known).unwrap();
        let older = match zone {
            HOT => encode_hot(&rows, &Batch::default()),
            _ => encode(&rows, &holds),
        };
        house.store.put(path, older.unwrap().into()).await.unwrap();
    }
    paths.len()
}

#[tokio::test]
async fn objects_that_lack_the_last_columns_give_the_same_answers() {
    let (house, older) = (House::new().await, House::new().await);
    for house in [&house, &older] {
        send(house, &everybody()[..4], 1).await;
    }
    assert_eq!(made_older(&older, HOT).await, 2);
    assert_eq!(answers(&older).await, answers(&house).await, "hot objects");
    for house in [&house, &older] {
        house.merge(json!({"dates": ["2026-03-09", "2026-03-10"]})).await;
    }
    assert_eq!(made_older(&older, HITS).await, 2);
    assert_eq!(answers(&older).await, answers(&house).await, "the table");
    for house in [&house, &older] {
        send(house, &everybody()[4..], 5).await;
    }
    assert_eq!(answers(&older).await, answers(&house).await, "the table and a new hot object");
}
