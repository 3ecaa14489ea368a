//! Rejected records replayed after a fix, and thrown away after 30 days.

use std::sync::Arc;

use arrow::array::AsArray as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use compact::merge::Request;
use compact::replay::{Replay, Replayed};
use lake::layout;
use lake::limits::REJECTED_KEPT_DAYS;
use lake::store::StoreRef;
use lake::store::faulty::FaultyStore;
use object_store::path::Path;

use crate::world::{DT, HOUR_MS, Killed, SHARD, World, append, hits, killed_at_each_call};

/// Hits that an older program rejected, and one record that nobody can read.
async fn rejected() -> World {
    let mut world = World::new();
    let hits = hits(3, 8);
    world.append(&hits[..3], 3).await;
    for (number, hit) in hits.iter().enumerate() {
        put(&world, number, &hit.encode()).await;
    }
    put(&world, 99, b"nonsense").await;
    world
}

async fn put(world: &World, number: usize, data: &[u8]) {
    let body = serde_json::json!({
        "reason": "version", "bytes_base64": STANDARD.encode(data),
        "received_at": "2026-11-28T10:00:00Z",
    });
    let path = layout::rejected_object(DT, SHARD, &format!("{number:03}"));
    world.put(&path, serde_json::to_vec(&body).unwrap()).await;
}

fn replay(store: &StoreRef) -> Replay {
    Replay { append: append(store) }
}

#[tokio::test]
async fn what_can_be_read_now_is_appended_and_the_rest_stays() {
    let mut world = rejected().await;
    let first = replay(&world.store).run().await.unwrap();
    assert_eq!(first, Replayed { replayed: 8, unreadable: 1, parked: 0 });
    assert_eq!(world.list(&Path::from(layout::REJECTED)).await.len(), 1);
    let again = replay(&world.store).run().await.unwrap();
    assert_eq!(again, Replayed { replayed: 0, unreadable: 1, parked: 0 });
    world.remember().await;
    world.merge().merge_all().await.unwrap();
    assert_eq!(world.table().await, world.expected());
}

#[tokio::test]
async fn a_replay_killed_between_any_two_calls_is_ended_by_the_next() {
    let start = rejected().await;
    let run = async |_: &World, dying: &StoreRef| replay(dying).run().await.is_ok();
    let ends = async |world: World, about: &str| {
        // Merged in between: the next run writes some hits again, which are copies then.
        world.merge().merge_all().await.unwrap();
        replay(&world.store).run().await.unwrap();
        world.merge().merge_all().await.unwrap();
        assert_eq!(world.list(&Path::from(layout::REJECTED)).await.len(), 1, "{about}");
        assert_eq!(world.table().await.num_rows(), count(), "{about}");
    };
    let Killed { states, .. } = killed_at_each_call(&start, run, ends).await;
    assert!(states > 8, "it appends and removes: {states} states");
}

/// Records 3 and 9 were appended by a run that was killed before it removed them; a newer program
/// reads 5 too.
#[tokio::test]
async fn a_record_between_two_that_a_killed_replay_appended_is_not_lost() {
    let world = World::new();
    let mut known = std::collections::HashSet::new();
    let mut hits = hits(11, 30);
    hits.retain(|hit| known.insert(hit.id));
    put(&world, 3, &hits[0].encode()).await;
    put(&world, 5, b"of a later version").await;
    put(&world, 9, &hits[1].encode()).await;
    let is_hot = |paths: &[Path]| paths.iter().any(|path| path.as_ref().starts_with("hot/"));
    for after in 0.. {
        let store: StoreRef = Arc::new(FaultyStore::dying(Arc::clone(&world.store), after, false));
        assert!(replay(&store).run().await.is_err(), "killed before it removed anything");
        if is_hot(&world.list(&Path::default()).await) {
            break;
        }
    }
    put(&world, 5, &hits[2].encode()).await;
    let done = replay(&world.store).run().await.unwrap();
    assert_eq!(done, Replayed { replayed: 3, unreadable: 0, parked: 0 });
    world.merge().merge_all().await.unwrap();
    let table = world.table().await;
    let ids = table.column_by_name("hit_id").unwrap().as_string::<i32>();
    let mut ids: Vec<&str> = ids.iter().flatten().collect();
    ids.sort_unstable();
    let mut expected: Vec<String> = hits[..3].iter().map(|hit| hit.id.to_string()).collect();
    expected.sort_unstable();
    assert_eq!(ids, expected);
}

/// Distinct hits of [`rejected`].
fn count() -> usize {
    let ids: std::collections::HashSet<_> =
        hits(3, 8).into_iter().map(|hit| (hit.site, hit.id)).collect();
    ids.len()
}

#[tokio::test]
async fn a_parked_batch_is_replayed_too() {
    let mut world = World::new();
    let records: Vec<_> = hits(4, 5).iter().map(|hit| world.record(&hit.encode())).collect();
    let mut event = aws_lambda_events::event::kinesis::KinesisEvent::default();
    event.records = records;
    let own = serde_json::to_string(&event).unwrap();
    // What Lambda's failure destination writes has the event as text.
    let lambda = serde_json::json!({"requestContext": {}, "payload": own}).to_string();
    world.put(&Path::from("parked/own.json"), own.into_bytes()).await;
    world.put(&Path::from("parked/lambda.json"), lambda.into_bytes()).await;
    world.put(&Path::from("parked/other.json"), b"{}".to_vec()).await;
    let done = replay(&world.store).run().await.unwrap();
    assert_eq!(done, Replayed { replayed: 0, unreadable: 1, parked: 2 });
    assert_eq!(world.list(&Path::from(layout::PARKED)).await.len(), 1);
    world.remember().await;
    world.merge().merge_all().await.unwrap();
    assert_eq!(world.table().await, world.expected());
}

#[tokio::test]
async fn rejected_records_go_after_thirty_days() {
    let world = rejected().await;
    for (days, left) in [(REJECTED_KEPT_DAYS, 9), (REJECTED_KEPT_DAYS + 1, 0)] {
        world.clock.set(crate::world::START_MS + days * 24 * HOUR_MS);
        world.merge().handle(Request::default()).await.unwrap();
        assert_eq!(world.list(&Path::from(layout::REJECTED)).await.len(), left, "{days} days");
    }
}
