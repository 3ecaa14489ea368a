//! A batch that comes again: what its account says is what the hot object has.

use std::sync::Arc;

use aws_lambda_events::event::kinesis::KinesisEventRecord;
use futures_util::TryStreamExt as _;
use lake::account::{Account, DateAccount, LEDGER};
use lake::layout;
use lake::orders::{Order, Whom, give};
use lake::store::StoreRef;
use lake::store::faulty::FaultyStore;
use object_store::path::Path;

use crate::world::{DT, START_MS, World, append, hits};

/// All accounts of [`DT`] together.
async fn accounted(world: &World) -> Account {
    let prefix = layout::date_prefix(LEDGER, DT);
    let listed: Vec<_> = world.store.list(Some(&prefix)).try_collect().await.unwrap();
    let read = DateAccount::read(&world.store, &listed, START_MS).await.unwrap();
    read.unwrap().folded.account
}

/// Appends until the hot object is there, and is killed before its account is.
async fn killed_before_the_account(world: &World, records: &[KinesisEventRecord]) {
    for after in 0.. {
        let dying: StoreRef = Arc::new(FaultyStore::dying(Arc::clone(&world.store), after, false));
        assert!(append(&dying).append(records).await.is_err(), "killed before its account");
        if !world.hot().await.is_empty() {
            assert!(world.list(&Path::from(LEDGER)).await.is_empty());
            return;
        }
    }
}

#[tokio::test]
async fn rows_of_an_order_that_closed_before_the_batch_came_again_are_erased_once() {
    let mut world = World::new();
    let hits = hits(4, 30);
    let records: Vec<_> = hits.iter().map(|hit| world.record(&hit.encode())).collect();
    killed_before_the_account(&world, &records).await;
    let whom = Whom::Before(DT.tomorrow().unwrap());
    let order = Order { site: 1, whom, before_ms: START_MS, given_ms: START_MS };
    assert!(give(&world.store, "1-a", &order).await.unwrap());

    let done = append(&world.store).append(&records).await.unwrap();
    assert_eq!((done.stored, done.erased, done.existed), (hits.len(), 0, 1));
    let accounted = accounted(&world).await;
    world.merge().merge_all().await.unwrap();
    let footer = world.footer().await;
    let totals = footer.totals();
    assert!(footer.total_erased() > 0, "the order covers some");
    let found = totals.kept + totals.duplicates + footer.total_erased();
    let rows: u64 = accounted.rows.0.values().sum();
    let kept_out: u64 = accounted.erased.0.values().sum();
    assert_eq!((rows, kept_out), (found, 0), "else unexplained is below zero");
}
