//! A date merged over scratch has the rows of one merged in memory, and both those of the oracle.

use crate::world::{DT, HOUR_MS, World, hits};
use compact::merge::{Request, Share};
use lake::clock::{Random as _, SeededRandom};

/// So little that everything goes over scratch in many buckets.
const TINY_BYTES: usize = 600_000;

#[tokio::test]
async fn any_memory_and_any_batches_give_the_rows_of_the_oracle() {
    for seed in 0..4 {
        let random = SeededRandom::new(seed);
        let draw = |below: u128| usize::try_from(random.next_u128() % below).unwrap();
        let mut world = World::new();
        let mut merge = world.merge();
        let hits = hits(seed, 700);
        let first = draw(600) + 50;
        for hits in [&hits[..first], &hits[first..], &hits[..20]] {
            world.append(hits, draw(400) + 30).await;
            merge.memory_bytes = if draw(4) == 0 { 512 << 20 } else { TINY_BYTES };
            let before = world.answer().await;
            merge.handle(Request::of(vec![DT])).await.unwrap();
            let table = world.table().await;
            assert_eq!(table, before, "seed {seed}: a merge changes no answer");
        }
        // `expected` has the rows of hot objects several times, which changes nothing.
        assert_eq!(world.table().await, world.expected(), "seed {seed}");
        assert_eq!(world.table().await, world.answer().await, "seed {seed}");
        let left = std::fs::read_dir(world.scratch.path()).unwrap().count();
        assert_eq!(left, 0, "nothing is left on scratch");
    }
}

#[tokio::test]
async fn every_row_read_is_kept_or_a_duplicate_in_its_hour() {
    for memory_bytes in [512 << 20, TINY_BYTES] {
        let mut world = World::new();
        let mut merge = world.merge();
        merge.memory_bytes = memory_bytes;
        let hits = hits(7, 900);
        world.append(&hits[..500], 100).await;
        merge.merge_all().await.unwrap();
        world.append(&hits[500..], 100).await;
        world.append(&hits[..100], 100).await;
        merge.merge_all().await.unwrap();
        let footer = world.footer().await;
        assert_eq!(footer.totals().read, 1_000);
        assert_eq!(footer.totals().kept, world.expected().num_rows() as u64);
        for (entry, counted) in &footer.counts {
            assert_eq!(counted.read, counted.kept + counted.duplicates, "{entry:?}");
        }
        assert_eq!(footer.hot_rows, 1_000);
    }
}

/// A date is looked at without its table object being read, and merged when it is due.
#[tokio::test]
async fn a_date_waits_a_quarter_of_an_hour() {
    let mut world = World::new();
    world.append(&hits(1, 50), 50).await;
    let merge = world.merge();
    let hot = world.hot().await;
    let first_ms = world.stamp_ms(&hot[0]).await;
    for (waited_ms, merged) in [(HOUR_MS / 4 - 1, 0), (HOUR_MS / 4, 1), (HOUR_MS / 4 + 1, 0)] {
        world.clock.set(first_ms + waited_ms);
        assert_eq!(merge.handle(Request::default()).await.unwrap().dates.len(), merged);
    }
    world.append(&hits(2, 50), 50).await;
    let waiting = world.hot().await.into_iter().find(|path| !hot.contains(path)).unwrap();
    world.clock.set(world.stamp_ms(&waiting).await + HOUR_MS);
    let found = merge.look(Share::default()).await.unwrap();
    assert_eq!(found.late_ms(), HOUR_MS * 3 / 4);
    assert_eq!(merge.keep_house(&found).await.unwrap().dates.len(), 1);
    assert_eq!(merge.look(Share::default()).await.unwrap().late_ms(), 0);
}
