//! Erasures that are killed, several at once, and beside merges.

use std::sync::Arc;

use compact::merge::Request;
use lake::store::StoreRef;
use lake::store::faulty::{FaultyStore, Rates};

use super::{ends_as, erase, erase_over, expected, midway, no_copy_is_left, order_ann, run};
use crate::world::{DT, Killed, World, every, killed_at_each_call};

const STRIDE: usize = 24;

#[tokio::test]
async fn an_erasure_killed_between_any_two_calls_is_ended_by_the_next() {
    let (start, person) = midway(3).await;
    order_ann(&start).await;
    let expected = expected(&start, &person);
    let run = async |world: &World, dying: &StoreRef| erase_over(world, dying).run().await.is_ok();
    let ends = async |world: World, about: &str| ends_as(&world, &person, &expected, about).await;
    let Killed { calls, states } = killed_at_each_call(&start, run, ends).await;
    assert!(calls > 40, "an erasure takes more calls than {calls}");
    assert!(states > 10, "it writes and deletes: {states} states");
}

/// Two erasures and a merge at once, in other interleavings by the seed; then over faults.
#[tokio::test(start_paused = true)]
async fn erasures_and_a_merge_at_once_do_no_harm() {
    let stalls = Rates { stalled: 700, ..Rates::default() };
    let faults = Rates { failed: 20, lost: 20, twice: 20, stalled: 100 };
    let (start, person) = midway(3).await;
    order_ann(&start).await;
    let expected = expected(&start, &person);
    for seed in 0..(72 / every(STRIDE) as u64) {
        let rates = if seed % 2 == 0 { stalls } else { faults };
        let world = start.copy().await;
        let stores = [0, 1, 2].map(|number| -> StoreRef {
            Arc::new(FaultyStore::new(Arc::clone(&world.store), rates, seed * 3 + number))
        });
        let (one, two) = (erase_over(&world, &stores[0]), erase_over(&world, &stores[1]));
        let merge = world.merge_over(&stores[2]);
        let merging = merge.handle(Request::of(vec![DT]));
        let done = tokio::join!(one.run(), two.run(), merging);
        if seed % 2 == 0 {
            assert!(done.0.is_ok() && done.1.is_ok() && done.2.is_ok(), "seed {seed}: {done:?}");
        }
        ends_as(&world, &person, &expected, &format!("races, seed {seed}")).await;
    }
}

/// A merge that read everything before the order was closed writes after it, or fails.
#[tokio::test(start_paused = true)]
async fn a_merge_that_has_not_seen_the_order_brings_nobody_back() {
    let (start, person) = midway(3).await;
    let expected = expected(&start, &person);
    for seed in 0..(72 / every(STRIDE) as u64) {
        let world = start.copy().await;
        let stalls = Rates { stalled: 1000, ..Rates::default() };
        let slow: StoreRef = Arc::new(FaultyStore::new(Arc::clone(&world.store), stalls, seed));
        let merge = world.merge_over(&slow);
        let merging = merge.handle(Request::of(vec![DT]));
        let erasing = async {
            tokio::time::sleep(std::time::Duration::from_millis(900 * seed)).await;
            order_ann(&world).await;
            run(&erase(&world)).await
        };
        let (merged, _) = tokio::join!(merging, erasing);
        merged.unwrap();
        no_copy_is_left(&world, &person, &format!("a slow merge, {seed}")).await;
        ends_as(&world, &person, &expected, &format!("a slow merge, {seed}")).await;
    }
}
