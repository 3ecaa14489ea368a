//! The rules of the mapping, on paused time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use lake::stream::Position;
use proptest::prelude::*;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::testing::{Bench, SHARD};
use super::{EventSourceMapping, Source};

fn mapping() -> EventSourceMapping {
    EventSourceMapping { window_ms: 1_000, ..EventSourceMapping::default() }
}

fn without_bisect() -> EventSourceMapping {
    EventSourceMapping { bisect: false, ..mapping() }
}

fn position(number: u64) -> Position {
    Position { shard: SHARD.to_owned(), sequence: number.to_string() }
}

fn fails(times: usize) -> impl FnMut(&[u64]) -> anyhow::Result<Vec<u64>> + Send + 'static {
    let mut left = times;
    move |_| {
        let failed = left > 0;
        left = left.saturating_sub(1);
        if failed { Err(anyhow::anyhow!("no store")) } else { Ok(Vec::new()) }
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_some_times_is_tried_until_it_succeeds() {
    let bench = Bench::new(without_bisect(), fails(3)).await;
    bench.source.add(1..=5);
    bench.poller.drain().await.unwrap();
    assert_eq!(bench.handler.batches(), vec![vec![1, 2, 3, 4, 5]; 4]);
    assert_eq!(*bench.source.checkpoints.lock().unwrap(), [5]);
    assert!(bench.parked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn halving_isolates_one_poison_record_and_parks_exactly_it() {
    let poison = |batch: &[u64]| {
        if batch.contains(&37) { Err(anyhow::anyhow!("bad")) } else { Ok(Vec::new()) }
    };
    let bench =
        Bench::new(EventSourceMapping { retry_attempts: Some(2), ..mapping() }, poison).await;
    bench.source.add(1..=100);
    bench.poller.drain().await.unwrap();
    assert_eq!(bench.parked(), [37]);
    assert_eq!(bench.source.done(), Some(100));
    let alone = bench.handler.batches().into_iter().filter(|batch| *batch == [37]).count();
    assert_eq!(alone, 3, "one attempt and two retries, however often it was halved before");
    let good: Vec<u64> = bench
        .handler
        .batches()
        .into_iter()
        .filter(|batch| !batch.contains(&37))
        .flatten()
        .collect();
    assert_eq!(
        good,
        (1..=100).filter(|number| *number != 37).collect::<Vec<_>>(),
        "each once, in order"
    );
}

#[tokio::test(start_paused = true)]
async fn after_a_partial_failure_the_rest_comes_again_from_the_lowest_failed_record() {
    let mut first = true;
    let partial =
        move |_: &[u64]| Ok(if std::mem::take(&mut first) { vec![8, 4, 6] } else { Vec::new() });
    let bench = Bench::new(mapping(), partial).await;
    bench.source.add(1..=10);
    bench.poller.drain().await.unwrap();
    assert_eq!(bench.handler.batches(), [(1..=10).collect::<Vec<_>>(), (4..=10).collect()]);
    assert_eq!(*bench.source.checkpoints.lock().unwrap(), [3, 10]);
}

#[tokio::test(start_paused = true)]
async fn without_halving_the_whole_batch_is_parked_after_its_attempts() {
    let bench =
        Bench::new(EventSourceMapping { retry_attempts: Some(0), ..without_bisect() }, fails(1))
            .await;
    bench.source.add(1..=3);
    *bench.park.refuse.lock().unwrap() = 4;
    bench.poller.drain().await.unwrap();
    assert_eq!((bench.parked(), bench.source.done()), (vec![1, 2, 3], Some(3)));
}

#[tokio::test(start_paused = true)]
async fn a_record_too_old_is_tried_once_and_then_parked() {
    let mapping =
        EventSourceMapping { retry_attempts: None, max_record_age_ms: Some(60_000), ..mapping() };
    let bench = Bench::new(mapping, |batch| {
        if batch.contains(&2) { Err(anyhow::anyhow!("bad")) } else { Ok(vec![]) }
    });
    let bench = bench.await;
    bench.source.add(1..=2);
    bench.clock.set(61_000);
    let draining = tokio::spawn({
        let poller = bench.poller.clone();
        async move { poller.drain().await }
    });
    sleep(Duration::from_secs(3_600)).await;
    assert!(bench.parked().is_empty(), "exactly as old as allowed");
    bench.clock.advance(1);
    draining.await.unwrap().unwrap();
    assert_eq!((bench.parked(), bench.source.done()), (vec![2], Some(2)));
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_cannot_be_stored_is_tried_again() {
    let bench = Bench::new(mapping(), fails(0)).await;
    bench.source.add(1..=2);
    *bench.source.refuse_checkpoints.lock().unwrap() = 5;
    bench.poller.drain().await.unwrap();
    assert_eq!((bench.handler.batches().len(), bench.source.done()), (1, Some(2)));
}

#[tokio::test(start_paused = true)]
async fn a_batch_ends_with_its_window_counted_from_its_first_record() {
    let bench = Bench::new(mapping(), fails(0)).await;
    let (_shutdown, stop) = watch::channel(false);
    let running = tokio::spawn({
        let poller = bench.poller.clone();
        async move { poller.run(stop).await }
    });
    sleep(Duration::from_secs(60)).await;
    let first = Instant::now();
    bench.source.add([1]);
    sleep(Duration::from_millis(900)).await;
    bench.source.add([2]);
    sleep(Duration::from_millis(200)).await;
    bench.source.add([3]);
    bench.poller.wait_for(&[position(3)]).await.unwrap();
    let calls = bench.handler.calls.lock().unwrap().clone();
    assert_eq!(bench.handler.batches(), [vec![1, 2], vec![3]]);
    let waited = calls[0].0.duration_since(first).as_millis();
    assert!((1_000..1_050).contains(&waited), "{waited} ms");
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_does_not_wait_for_its_window() {
    for (mapping, size) in [
        (EventSourceMapping { batch_size: 4, ..mapping() }, 4),
        // 30 bytes are 40 in base64, and 520 around them.
        (EventSourceMapping { max_batch_bytes: 3 * 560, ..mapping() }, 3),
        (EventSourceMapping { max_batch_bytes: 3 * 560 - 1, ..mapping() }, 2),
        (EventSourceMapping { max_batch_bytes: 1, ..mapping() }, 1),
    ] {
        let bench =
            Bench::new(EventSourceMapping { window_ms: 3_600_000, ..mapping }, fails(0)).await;
        bench.source.add(1..=12);
        let (_shutdown, stop) = watch::channel(false);
        let poller = bench.poller.clone();
        let running = tokio::spawn(async move { poller.run(stop).await });
        sleep(Duration::from_secs(1)).await;
        let batches = bench.handler.batches();
        assert_eq!(batches[0], (1..=size).collect::<Vec<_>>());
        assert!(batches.iter().all(|batch| batch.len() == batches[0].len()));
        running.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn draining_ends_the_window_of_a_running_poller() {
    let bench =
        Bench::new(EventSourceMapping { window_ms: 3_600_000, ..mapping() }, fails(0)).await;
    let (_shutdown, stop) = watch::channel(false);
    let poller = bench.poller.clone();
    let running = tokio::spawn(async move { poller.run(stop).await });
    bench.source.add(1..=5);
    sleep(Duration::from_secs(1)).await;
    assert!(bench.handler.batches().is_empty());
    let before = Instant::now();
    bench.poller.drain().await.unwrap();
    assert!(before.elapsed() < Duration::from_secs(1));
    assert_eq!(bench.handler.batches(), [vec![1, 2, 3, 4, 5]]);
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn shutdown_finishes_the_batch_at_hand_and_a_new_poller_goes_on() {
    let bench =
        Bench::new(EventSourceMapping { window_ms: 3_600_000, ..mapping() }, fails(0)).await;
    let (shutdown, stop) = watch::channel(false);
    let poller = bench.poller.clone();
    let running = tokio::spawn(async move { poller.run(stop).await });
    bench.source.add(1..=5);
    sleep(Duration::from_secs(1)).await;
    shutdown.send_replace(true);
    running.await.unwrap().unwrap();
    assert_eq!(
        (bench.handler.batches(), bench.source.done()),
        (vec![vec![1, 2, 3, 4, 5]], Some(5))
    );
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_retries_and_the_records_come_again() {
    let mapping =
        EventSourceMapping { retry_attempts: None, max_record_age_ms: None, ..without_bisect() };
    let bench = Bench::new(mapping, fails(20)).await;
    let (shutdown, stop) = watch::channel(false);
    let poller = bench.poller.clone();
    let running = tokio::spawn(async move { poller.run(stop).await });
    bench.source.add(1..=5);
    sleep(Duration::from_secs(10)).await;
    shutdown.send_replace(true);
    running.await.unwrap().unwrap();
    assert_eq!(bench.source.done(), None);
    bench.poller.drain().await.unwrap();
    assert_eq!(bench.source.done(), Some(5));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_was_handled_but_not_checkpointed_comes_again() {
    let bench = Bench::new(mapping(), fails(0)).await;
    bench.source.add(1..=5);
    *bench.source.refuse_checkpoints.lock().unwrap() = u32::MAX;
    let poller = bench.poller.clone();
    let crashing = tokio::spawn(async move { poller.drain().await });
    sleep(Duration::from_secs(10)).await;
    crashing.abort();
    *bench.source.refuse_checkpoints.lock().unwrap() = 0;
    bench.source.add(6..=7);
    bench.poller.drain().await.unwrap();
    assert_eq!(bench.handler.batches(), [vec![1, 2, 3, 4, 5], vec![1, 2, 3, 4, 5, 6, 7]]);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_position_ends_when_the_checkpoint_reaches_it() {
    let bench = Bench::new(mapping(), fails(0)).await;
    bench.source.add(1..=5);
    let waited =
        tokio::time::timeout(Duration::from_secs(60), bench.poller.wait_for(&[position(5)])).await;
    assert!(waited.is_err(), "nothing polls");
    bench.poller.drain().await.unwrap();
    bench.poller.wait_for(&[position(3), position(5)]).await.unwrap();
    let nowhere = Position { shard: "other".to_owned(), sequence: "1".to_owned() };
    assert!(bench.poller.wait_for(&[nowhere]).await.is_err());
    assert_eq!(Source::checkpoint(&bench.source, SHARD).await.unwrap().as_deref(), Some("5"));
}

/// How a handler of the property test tells of a bad record.
#[derive(Debug, Clone, Copy)]
enum Tells {
    Error,
    LowestBad,
    AllBad,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_bad_is_parked_and_the_rest_handled_in_order(
        bad in proptest::collection::btree_set(1_u64..60, 0..12),
        batch_size in 1_usize..70,
        tells in prop_oneof![Just(Tells::Error), Just(Tells::LowestBad), Just(Tells::AllBad)],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(parks_exactly(bad, batch_size, tells));
    }
}

async fn parks_exactly(bad: BTreeSet<u64>, batch_size: usize, tells: Tells) {
    let mapping = EventSourceMapping { batch_size, retry_attempts: Some(1), ..mapping() };
    let known = Arc::new(bad.clone());
    let bench = Bench::new(mapping, move |batch| {
        let failed: Vec<u64> =
            batch.iter().copied().filter(|number| known.contains(number)).collect();
        match tells {
            Tells::Error if failed.is_empty() => Ok(failed),
            Tells::Error => Err(anyhow::anyhow!("bad")),
            Tells::LowestBad => Ok(failed.into_iter().take(1).collect()),
            Tells::AllBad => Ok(failed),
        }
    });
    let bench = bench.await;
    bench.source.add(1..60);
    bench.poller.drain().await.unwrap();
    assert_eq!(bench.parked(), bad.iter().copied().collect::<Vec<_>>());
    let checkpoints = bench.source.checkpoints.lock().unwrap().clone();
    assert!(checkpoints.is_sorted() && checkpoints.last() == Some(&59), "{checkpoints:?}");
    let handled: BTreeSet<u64> = bench.handler.batches().into_iter().flatten().collect();
    assert_eq!(handled, (1..60).collect());
}
