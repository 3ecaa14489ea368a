//! A date in several parts: each site whole in one of them.

use arrow::array::AsArray as _;
use arrow::compute::concat_batches;
use arrow::datatypes::Int32Type;
use lake::layout::{self, Parts, PartsFrom};
use lake::parquet_file::decode;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;

use crate::world::{DT, HOUR_MS, World, hits, plain};

pub(crate) async fn with_parts(parts: u16) -> World {
    let world = World::new();
    let setting = Parts { parts: vec![PartsFrom { from: DT, parts }] };
    world.put(&Path::from(layout::PARTS_PATH), serde_json::to_vec(&setting).unwrap()).await;
    world
}

#[tokio::test]
async fn parts_have_all_rows_once_and_sites_undivided() {
    let mut world = with_parts(2).await;
    let merge = world.merge();
    for (seed, batch) in [(1, 70), (2, 200)] {
        world.append(&hits(seed, 300), batch).await;
        merge.merge_all().await.unwrap();
    }
    let mut by_part = Vec::new();
    for part in 0..2 {
        let bytes = world.store.get(&layout::table_object(DT, part)).await.unwrap();
        let (rows, _) = decode(&bytes.bytes().await.unwrap()).unwrap();
        for batch in &rows {
            let sites = batch.column_by_name("site").unwrap().as_primitive::<Int32Type>();
            assert!(sites.values().iter().all(|site| layout::part_of(*site, 2) == part));
        }
        by_part.extend(rows.iter().map(plain));
    }
    let together = concat_batches(&by_part[0].schema(), &by_part).unwrap();
    assert_eq!(together.num_rows(), world.expected().num_rows());
}

/// A hot object goes only when every part has held it for a day.
#[tokio::test]
async fn the_last_part_decides_when_hot_objects_go() {
    let mut world = with_parts(2).await;
    world.append(&hits(1, 50), 50).await;
    world.merge().merge_all().await.unwrap();
    world.store.delete(&layout::table_object(DT, 1)).await.unwrap();
    world.clock.advance(12 * HOUR_MS);
    world.merge().merge_all().await.unwrap();
    world.clock.advance(13 * HOUR_MS);
    world.merge().merge_all().await.unwrap();
    assert_eq!(world.hot().await.len(), 1, "the second part holds it for 13 hours");
    world.clock.advance(11 * HOUR_MS);
    world.merge().merge_all().await.unwrap();
    assert!(world.hot().await.is_empty());
}

#[tokio::test]
async fn another_number_of_parts_than_the_table_has_is_refused() {
    let mut world = World::new();
    world.append(&hits(1, 20), 20).await;
    world.merge().merge_all().await.unwrap();
    world.append(&hits(2, 20), 20).await;
    let setting = Parts { parts: vec![PartsFrom { from: DT, parts: 2 }] };
    world.put(&Path::from(layout::PARTS_PATH), serde_json::to_vec(&setting).unwrap()).await;
    let error = format!("{:#}", world.merge().merge_all().await.unwrap_err());
    assert!(error.contains("one of 1 parts, but settings/layout.json says 2"), "{error}");
}
