//! Objects of an earlier program, which lack the last columns: merged and erased like any other.

use std::collections::{BTreeSet, HashSet};

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use compact::erase::Erase;
use lake::columns::COLUMNS;
use lake::hit::Hit;
use lake::layout::{self, VERSION_KEY};
use lake::orders::{Order, State, Whom, give, status};
use lake::parquet_file::{Writer, decode};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use parquet::file::metadata::ParquetMetaDataReader;

use crate::world::{DT, HOUR_MS, START_MS, World, hits};

/// Columns that the earlier program did not know.
const NEW_COLUMNS: usize = 4;

/// Without copies: which of two received at once stays depends on all their columns.
fn some_hits(count: u32) -> Vec<Hit> {
    let mut known = HashSet::new();
    let mut hits = hits(12, count);
    hits.retain(|hit| known.insert(hit.id));
    for hit in &mut hits {
        hit.local_time_s = Some(61);
        hit.extra = Some("{}".to_owned());
    }
    hits
}

/// The object as an earlier program would have written it.
async fn made_older(world: &World, path: &Path) {
    let bytes = world.store.get(path).await.unwrap().bytes().await.unwrap();
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&bytes).unwrap();
    let known: Vec<usize> = (0..COLUMNS.len() - NEW_COLUMNS).collect();
    let batches: Vec<RecordBatch> = decode(&bytes).unwrap().0;
    let schema = batches[0].project(&known).unwrap().schema();
    let mut writer = Writer::new(Vec::new(), schema, 0).unwrap();
    for batch in &batches {
        writer.write(&batch.project(&known).unwrap()).unwrap();
    }
    let footer = metadata.file_metadata().key_value_metadata().unwrap();
    for entry in footer.iter().filter(|entry| entry.key != VERSION_KEY) {
        writer.set(&entry.key, entry.value.clone().unwrap());
    }
    world.put(path, writer.finish().unwrap()).await;
    let bytes = world.store.get(path).await.unwrap().bytes().await.unwrap();
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&bytes).unwrap();
    let columns = metadata.file_metadata().schema_descr().num_columns();
    assert_eq!(columns, COLUMNS.len() - NEW_COLUMNS);
}

/// A table object and a hot object by the earlier program, and a hot object by this one.
async fn mixed() -> World {
    let mut world = World::new();
    let hits = some_hits(90);
    world.append(&hits[..30], 30).await;
    world.merge().merge_all().await.unwrap();
    let table = layout::table_object(DT, 0);
    for path in world.hot().await.into_iter().chain([table]) {
        made_older(&world, &path).await;
    }
    world.append(&hits[30..60], 30).await;
    for path in world.hot().await {
        made_older(&world, &path).await;
    }
    world.appended.clear();
    world.remember().await;
    world.append(&hits[60..], 30).await;
    world
}

#[tokio::test]
async fn objects_that_lack_the_last_columns_are_merged_with_nulls_in_them() {
    for memory_bytes in [512 << 20, 600_000] {
        let world = mixed().await;
        let mut merge = world.merge();
        merge.memory_bytes = memory_bytes;
        merge.merge_all().await.unwrap();
        let table = world.table().await;
        assert_eq!(table, world.expected());
        let times = table.column_by_name("local_time_s").unwrap();
        assert!((1..=60).contains(&times.null_count()), "of the older objects alone");
    }
}

#[tokio::test]
async fn objects_that_lack_the_last_columns_lose_a_persons_rows() {
    let world = mixed().await;
    let gone = some_hits(90)[0].clone();
    let id = gone.client_id.unwrap_or(gone.fingerprint);
    let whom = Whom::Person { ids: BTreeSet::from([id]), user_ids: BTreeSet::new() };
    let (number, before_ms) = (format!("{}-a", gone.site), START_MS + 25 * HOUR_MS);
    let order = Order { site: gone.site, whom, before_ms, given_ms: before_ms };
    assert!(give(&world.store, &number, &order).await.unwrap());
    Erase::new(world.merge(), 0).run().await.unwrap();
    assert_eq!(status(&world.store, &number).await.unwrap().unwrap().state, State::Done);
    let table = world.table().await;
    assert!(table.num_rows() > 30 && table.num_rows() < world.expected().num_rows());
    for path in world.list(&Path::default()).await {
        if path.as_ref().ends_with(".parquet") {
            let bytes = world.store.get(&path).await.unwrap().bytes().await.unwrap();
            let rows = decode(&bytes).unwrap().0;
            assert!(rows.iter().all(|rows| !names(rows, &gone)), "{path}");
        }
    }
}

/// Whether a row is the hit's.
fn names(rows: &RecordBatch, hit: &Hit) -> bool {
    let ids = rows.column_by_name("hit_id").unwrap().as_string::<i32>();
    ids.iter().flatten().any(|id| id == hit.id.to_string())
}
