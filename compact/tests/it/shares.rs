//! Several runs that share the dates and their parts.

use std::sync::Arc;

use compact::merge::{Request, Share};
use lake::layout::{self, HITS};
use lake::store::StoreRef;
use lake::store::faulty::{FaultyStore, Rates};
use object_store::path::Path;

use crate::parts::with_parts;
use crate::world::{DT, HOUR_MS, World, hits};

const PARTS: u16 = 4;

fn shares() -> Vec<Share> {
    (0..PARTS).map(|share| Share::new(share, PARTS).unwrap()).collect()
}

fn of_date(share: Share) -> Request {
    Request { dates: Some(vec![DT]), share }
}

async fn waiting() -> World {
    let mut world = with_parts(PARTS).await;
    world.append(&hits(5, 300), 40).await;
    world
}

/// The time at which the hot objects that there are have waited this long at least.
async fn after(world: &World, waited_ms: i64) -> i64 {
    let mut latest_ms = 0;
    for path in world.hot().await {
        latest_ms = latest_ms.max(world.stamp_ms(&path).await);
    }
    latest_ms + waited_ms
}

async fn tables(world: &World) -> Vec<Path> {
    let mut tables = world.list(&layout::date_prefix(HITS, DT)).await;
    tables.sort_unstable();
    tables
}

#[tokio::test(start_paused = true)]
async fn shares_at_once_give_the_table_of_one_run() {
    let start = waiting().await;
    let alone = start.copy().await;
    alone.merge().merge_all().await.unwrap();
    let stalls = Rates { stalled: 500, ..Rates::default() };
    for seed in 0..6 {
        let mut world = start.copy().await;
        let merges = (0..).zip(shares()).map(|(number, share)| {
            let seed = seed * u64::from(PARTS) + number;
            let slow: StoreRef = Arc::new(FaultyStore::new(Arc::clone(&world.store), stalls, seed));
            let merge = world.merge_over(&slow);
            async move { merge.handle(of_date(share)).await }
        });
        for done in futures_util::future::join_all(merges).await {
            assert_eq!(done.unwrap().dates.len(), 1, "seed {seed}");
        }
        assert_eq!(world.table().await, alone.table().await, "seed {seed}");
        // The run that takes all of it finds nothing to be done, and merges on with the shares' table.
        assert_eq!(world.merge().merge_all().await.unwrap().dates.len(), 0, "seed {seed}");
        let mut alone = alone.copy().await;
        for world in [&mut world, &mut alone] {
            world.append(&hits(6, 60), 40).await;
            world.merge().merge_all().await.unwrap();
        }
        assert_eq!(world.table().await, alone.table().await, "seed {seed}");
    }
}

#[tokio::test]
async fn each_share_is_due_until_it_has_merged_its_own_part() {
    let world = waiting().await;
    let merge = world.merge();
    world.clock.set(after(&world, HOUR_MS).await);
    let mut merged = Vec::new();
    for share in shares() {
        assert_eq!(merge.look(share).await.unwrap().due.len(), 1, "{share:?} before");
        let answer = merge.handle(Request { dates: None, share }).await.unwrap();
        assert_eq!((answer.dates.len(), answer.dates[0].parts), (1, PARTS));
        assert_eq!(merge.look(share).await.unwrap().due, [], "{share:?} after");
        let own = (0..PARTS).filter(|part| share.takes(DT, *part));
        merged.extend(own.map(|part| layout::table_object(DT, part)));
        merged.sort_unstable();
        assert_eq!(tables(&world).await, merged, "{share:?} writes its own parts");
    }
    assert_eq!(merge.look(Share::default()).await.unwrap().due, []);
}

/// Which share deletes what a date needs no longer, and which does what is no date's work.
#[tokio::test]
async fn one_share_keeps_house() {
    let world = waiting().await;
    let merge = world.merge();
    merge.merge_all().await.unwrap();
    world.clock.set(after(&world, 25 * HOUR_MS).await);
    let (first, others): (Vec<Share>, Vec<Share>) =
        shares().into_iter().partition(|share| share.takes(DT, 0));
    for &share in &others {
        assert_eq!(merge.look(share).await.unwrap().due, [], "{share:?}");
        merge.handle(of_date(share)).await.unwrap();
        assert!(!world.hot().await.is_empty(), "{share:?} deletes none");
    }
    assert_eq!(merge.look(first[0]).await.unwrap().due.len(), 1);
    merge.handle(Request { dates: None, share: first[0] }).await.unwrap();
    assert!(world.hot().await.is_empty());
    world.put(&Path::from("salts/daily/2020-01-01"), "{}").await;
    for (number, share) in shares().into_iter().enumerate().rev() {
        let merge = world.merge();
        let looked = merge.look(share).await.unwrap();
        assert_eq!(looked.unexplained.is_some(), number == 0, "{share:?}");
        merge.keep_house(&looked).await.unwrap();
        let salts = world.list(&Path::from("salts")).await;
        assert_eq!(salts.is_empty(), number == 0, "{share:?}");
    }
}
