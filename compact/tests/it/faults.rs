//! Killed between any two calls, two at once, and a store that fails, stalls and answers twice.

use std::sync::Arc;

use arrow::array::RecordBatch;
use compact::merge::{Merge, Request};
use lake::store::StoreRef;
use lake::store::faulty::{FaultyStore, Rates};

use crate::world::{DT, HOUR_MS, Killed, World, every, hits, killed_at_each_call};

async fn merged(merge: &Merge) -> bool {
    merge.handle(Request::of(vec![DT])).await.is_ok()
}

/// A table with held hot objects that are a day old, and new ones that wait.
async fn midway(seed: u64) -> World {
    let mut world = World::new();
    let hits = hits(seed, 60);
    world.append(&hits[..30], 12).await;
    assert!(merged(&world.merge()).await);
    world.clock.advance(25 * HOUR_MS);
    world.append(&hits[30..], 12).await;
    world
}

/// Whatever happened before: the next merges bring everything in, once, and leave nothing else.
async fn ends_right(world: &World, about: &str) {
    ends_as(world, &world.expected(), about).await;
}

async fn ends_as(world: &World, expected: &RecordBatch, about: &str) {
    assert_eq!(&world.answer().await, expected, "answers after {about}");
    assert!(merged(&world.merge()).await);
    assert_eq!(&world.table().await, expected, "the table after {about}");
    world.clock.advance(25 * HOUR_MS);
    assert!(merged(&world.merge()).await);
    assert!(world.hot().await.is_empty(), "hot objects after {about}");
    assert_eq!(&world.table().await, expected, "the table a day after {about}");
    let footer = world.footer().await;
    let totals = footer.totals();
    assert_eq!(totals.read, totals.kept + totals.duplicates, "counts after {about}");
    assert_eq!(totals.kept, expected.num_rows() as u64, "counts after {about}");
}

/// Every call of one merge; of merges of other hits on a longer run.
#[tokio::test]
async fn a_merge_killed_between_any_two_calls_loses_nothing_and_counts_nothing_twice() {
    for seed in (0..5).step_by(every(5)) {
        let start = midway(seed).await;
        let expected = start.expected();
        let run = async |world: &World, dying: &StoreRef| merged(&world.merge_over(dying)).await;
        let ends = async |world: World, about: &str| {
            ends_as(&world, &expected, &format!("{about}, seed {seed}")).await;
        };
        let Killed { calls, states } = killed_at_each_call(&start, run, ends).await;
        assert!(calls > 10, "a merge takes more calls than {calls}");
        assert!(states > 3, "a merge writes and deletes: {states} states");
    }
}

/// Stalls are drawn, so each seed is another interleaving; objects are replaced and deleted by one
/// merge while the other reads them.
#[tokio::test(start_paused = true)]
async fn two_merges_at_once_end_as_one() {
    for seed in (0..20).step_by(every(3)) {
        let world = midway(seed).await;
        let rates = Rates { stalled: 700, ..Rates::default() };
        let stores = [seed * 2, seed * 2 + 1].map(|seed| -> StoreRef {
            Arc::new(FaultyStore::new(Arc::clone(&world.store), rates, seed))
        });
        let [mut one, mut two] = stores.map(|store| world.merge_over(&store));
        if seed % 3 == 0 {
            (one.memory_bytes, two.memory_bytes) = (50_000, 50_000);
        }
        let done = tokio::join!(merged(&one), merged(&two));
        assert_eq!(done, (true, true), "seed {seed}");
        ends_right(&world, &format!("two merges, seed {seed}")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_stalls_and_answers_twice_does_no_harm() {
    let rates = Rates { failed: 60, lost: 60, twice: 60, stalled: 100 };
    let (mut faults, mut failed) = (0, 0);
    for seed in (0..20).step_by(every(3)) {
        let world = midway(seed).await;
        let store = FaultyStore::new(Arc::clone(&world.store), rates, seed);
        let faulty: StoreRef = Arc::new(store.clone());
        let (one, two) = (world.merge_over(&faulty), world.merge_over(&faulty));
        for _ in 0..3 {
            let done = tokio::join!(merged(&one), merged(&two));
            failed += usize::from(!done.0) + usize::from(!done.1);
            assert_eq!(world.answer().await, world.expected(), "answers, seed {seed}");
        }
        faults += store.faults();
        ends_right(&world, &format!("faults, seed {seed}")).await;
    }
    assert!(faults > 15 && failed > 0, "{faults} faults, {failed} merges failed");
}

/// The write took effect, its answer was lost, and the client's second try met its own write.
#[tokio::test]
async fn a_write_that_meets_itself_is_reported_as_done() {
    let world = midway(1).await;
    let rates = Rates { twice: 1000, ..Rates::default() };
    let store: StoreRef = Arc::new(FaultyStore::new(Arc::clone(&world.store), rates, 1));
    let answer = world.merge_over(&store).handle(Request::of(vec![DT])).await.unwrap();
    assert_eq!(answer.dates.len(), 1);
    assert_eq!(answer.dates[0].rows, world.expected().num_rows());
    ends_right(&world, "a write that met itself").await;
}
