//! History worked out anew: bots by today's list, a site's goals by today's settings.

use std::collections::BTreeSet;

use arrow::array::{RecordBatch, new_null_array};
use compact::enrich::BOTS_VERSION;
use compact::merge::{Anew, Merge, Request};
use lake::columns::schema_for_reading;
use lake::hit::Hit;
use lake::layout::Batch;
use lake::parquet_file::{self, decode, encode_hot};
use lake::site::{SiteSettings, put_site};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use parquet::file::metadata::ParquetMetaDataReader;

use crate::world::{HOUR_MS, START_MS, World, hits};

/// So little that everything goes over scratch in many buckets.
const TINY_BYTES: usize = 600_000;

/// Without copies: which of two stays when both were received at once depends on their marks.
fn with_crawlers(seed: u64, count: u32) -> Vec<Hit> {
    let mut hits = hits(seed, count);
    let mut known = std::collections::HashSet::new();
    hits.retain(|hit| known.insert(hit.id));
    for hit in hits.iter_mut().filter(|hit| hit.fingerprint.0 % 3 == 0) {
        hit.user_agent = Some("curl/8.5.0".to_owned());
    }
    hits
}

fn merge(world: &World, memory_bytes: usize) -> Merge {
    let mut merge = world.merge();
    merge.memory_bytes = memory_bytes;
    merge
}

/// Takes the marks out of the hot objects, as if an older list had been blind.
async fn marked_by_an_older_list(world: &World) {
    for path in world.hot().await {
        let bytes = world.store.get(&path).await.unwrap().bytes().await.unwrap();
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&bytes).unwrap();
        let batch = parquet_file::batch(&metadata).unwrap().unwrap();
        let rows =
            arrow::compute::concat_batches(&schema_for_reading(), &decode(&bytes).unwrap().0);
        let rows = without(&rows.unwrap(), "bot_reason");
        let older = Batch { bots: "older".to_owned(), ..batch };
        world.put(&path, encode_hot(&rows, &older).unwrap()).await;
    }
}

fn without(rows: &RecordBatch, name: &str) -> RecordBatch {
    let mut columns = rows.columns().to_vec();
    let at = rows.schema().index_of(name).unwrap();
    columns[at] = new_null_array(columns[at].data_type(), rows.num_rows());
    RecordBatch::try_new(rows.schema(), columns).unwrap()
}

#[tokio::test]
async fn bots_are_marked_anew_by_todays_list_once() {
    for memory_bytes in [512 << 20, TINY_BYTES] {
        let mut world = World::new();
        let hits = with_crawlers(5, 300);
        let (first, later) = hits.split_at(200);
        let mut by_today = World::new();
        by_today.append(&hits, 100).await;
        world.append(first, 100).await;
        marked_by_an_older_list(&world).await;
        let merge = merge(&world, memory_bytes);
        merge.merge_all().await.unwrap();
        assert_eq!(world.footer().await.bots, "older");
        // Rows of another list come to it: up to date by none.
        world.append(later, 100).await;
        merge.merge_all().await.unwrap();
        assert_eq!(world.footer().await.bots, "");
        let counts = world.footer().await.totals();

        let done = merge.reapply(Anew::Bots).await.unwrap();
        assert_eq!(done.dates.len(), 1);
        let same = world.table().await == by_today.expected();
        assert!(same, "marks, and the visits that follow");
        assert_eq!(world.footer().await.bots, BOTS_VERSION);
        let after = world.footer().await.totals();
        assert_eq!(
            (after.kept, after.duplicates, after.read),
            (counts.kept, counts.duplicates, counts.read)
        );
        assert!(merge.reapply(Anew::Bots).await.unwrap().dates.is_empty(), "up to date");
    }
}

#[tokio::test]
async fn a_merge_by_the_same_list_stays_up_to_date() {
    let mut world = World::new();
    for half in with_crawlers(6, 60).chunks(30) {
        world.append(half, 30).await;
        world.merge().merge_all().await.unwrap();
        assert_eq!(world.footer().await.bots, BOTS_VERSION);
    }
    assert!(world.merge().reapply(Anew::Bots).await.unwrap().dates.is_empty());
}

async fn put_goal(world: &World, site: i32) {
    let goal = r#"{"id":1,"name":"Page 1","match":"url","pattern":"/page/1"}"#;
    let settings = SiteSettings::parse(&format!(r#"{{"id":{site},"goals":[{goal}]}}"#)).unwrap();
    put_site(&world.store, &settings, START_MS, true).await.unwrap();
}

#[tokio::test]
async fn a_sites_goals_are_reached_by_history_as_if_they_had_always_been_there() {
    let hits = hits(8, 200);
    let mut always = World::new();
    put_goal(&always, 1).await;
    always.append(&hits, 100).await;
    always.merge().merge_all().await.unwrap();
    for memory_bytes in [512 << 20, TINY_BYTES] {
        let mut world = World::new();
        world.append(&hits, 100).await;
        let merge = merge(&world, memory_bytes);
        merge.merge_all().await.unwrap();
        let before = world.table().await;
        for site in [1, 2] {
            put_goal(&world, site).await;
        }
        assert!(merge.merge_all().await.unwrap().dates.is_empty());
        assert_eq!(world.table().await, before, "settings alone change nothing of the past");
        assert!(merge.reapply(Anew::Goals(99)).await.unwrap().dates.is_empty());
        merge.reapply(Anew::Goals(1)).await.unwrap();
        assert_eq!(world.table().await, always.table().await, "of site 1, and of no other");
        assert!(world.table().await.num_rows() > before.num_rows());
    }
}

/// The settings of a site as a newer program writes them, and as they were.
async fn made_unreadable(world: &World, site: i32) -> bytes::Bytes {
    let path = Path::from(format!("settings/sites/{site}.json"));
    let was = world.store.get(&path).await.unwrap().bytes().await.unwrap();
    let mut stored: serde_json::Value = serde_json::from_slice(&was).unwrap();
    stored["settings"]["of_a_newer_program"] = true.into();
    world.put(&path, stored.to_string().into_bytes()).await;
    was
}

#[tokio::test]
async fn a_site_whose_settings_cannot_be_read_stops_no_merge_and_its_hits_meet_their_goals_later() {
    let hits = hits(8, 200);
    let mut always = World::new();
    for site in [1, 2] {
        put_goal(&always, site).await;
    }
    always.append(&hits, 50).await;
    always.merge().merge_all().await.unwrap();
    for memory_bytes in [512 << 20, TINY_BYTES] {
        let mut world = World::new();
        for site in [1, 2] {
            put_goal(&world, site).await;
        }
        let was = made_unreadable(&world, 1).await;
        let merge = merge(&world, memory_bytes);
        for hits in hits.chunks(50) {
            world.append(hits, 50).await;
            assert_eq!(merge.merge_all().await.unwrap().dates.len(), 1);
        }
        assert_eq!(world.footer().await.unmet, BTreeSet::from([1]));
        world.clock.advance(25 * HOUR_MS);
        assert!(merge.handle(Request::default()).await.unwrap().dates.is_empty());
        assert_eq!(world.hot().await.len(), 4, "else the date would not be looked at again");

        world.put(&Path::from("settings/sites/1.json"), was).await;
        merge.handle(Request::default()).await.unwrap();
        assert_eq!(world.table().await, always.table().await);
        assert!(world.footer().await.unmet.is_empty());
        merge.handle(Request::default()).await.unwrap();
        assert!(world.hot().await.is_empty());
    }
}
