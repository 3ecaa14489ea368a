//! What every stream of hits does, whatever it is made of.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use lake::limits::MAX_RECORD_BYTES;
use lake::stream::{HitStream, Position, Record, StreamError, compare_sequences};

/// A stream that a test can read back.
#[async_trait::async_trait]
pub(crate) trait Readable: HitStream {
    /// Every record of every shard; those of a shard in their order.
    async fn read_all(&self) -> Vec<(Position, Record)>;
}

/// Runs the suite; `make` gives a stream of its own, with two shards, for each behaviour.
pub(crate) async fn stream_conformance<S: Readable + 'static>(make: impl AsyncFn() -> S) {
    puts_nothing(&make().await).await;
    puts_in_order(&make().await).await;
    numbers_increase_over_puts(&make().await).await;
    concurrent_writers_get_places_of_their_own(Arc::new(make().await)).await;
    takes_records_up_to_the_limit(&make().await).await;
}

/// What was put lies where it was said to lie, all of it and nothing else, in order by shard.
async fn assert_holds(stream: &impl Readable, put: &[(Position, Record)]) {
    let read = stream.read_all().await;
    let mut last: HashMap<&str, &str> = HashMap::new();
    for (position, _) in &read {
        if let Some(before) = last.insert(&position.shard, &position.sequence) {
            assert!(compare_sequences(before, &position.sequence).is_lt(), "{position:?}");
        }
    }
    let by_position = |records: &[(Position, Record)]| {
        let mut sorted = records.to_vec();
        sorted.sort_by(|left, right| left.0.cmp(&right.0));
        sorted
    };
    assert!(by_position(&read) == by_position(put), "what was read is not what was put");
}

pub(crate) fn record(key: &str, bytes: usize) -> Record {
    Record { partition_key: key.to_owned(), data: vec![b'x'; bytes].into() }
}

async fn puts_nothing(stream: &impl Readable) {
    assert_eq!(stream.put(Vec::new()).await.unwrap(), []);
    assert_holds(stream, &[]).await;
}

async fn puts_in_order(stream: &impl Readable) {
    let keys: Vec<String> = (0..200).map(|number| format!("key-{}", number % 50)).collect();
    let records: Vec<Record> =
        keys.iter().enumerate().map(|(number, key)| record(key, number)).collect();
    let positions = stream.put(records.clone()).await.unwrap();
    assert_eq!(positions.len(), keys.len());
    assert_unique(&positions);
    let mut shard_of = HashMap::new();
    for (key, position) in keys.iter().zip(&positions) {
        assert_eq!(
            shard_of.entry(key).or_insert(&position.shard),
            &&position.shard,
            "a key has one shard"
        );
    }
    let put: Vec<_> = positions.into_iter().zip(records).collect();
    assert_holds(stream, &put).await;
}

async fn numbers_increase_over_puts(stream: &impl Readable) {
    let mut last: Option<Position> = None;
    for _ in 0..20 {
        let position = stream.put(vec![record("one key", 10)]).await.unwrap().remove(0);
        if let Some(last) = last {
            assert_eq!(last.shard, position.shard);
            assert!(
                compare_sequences(&last.sequence, &position.sequence).is_lt(),
                "{last:?} {position:?}"
            );
        }
        last = Some(position);
    }
}

async fn concurrent_writers_get_places_of_their_own<S: Readable + 'static>(stream: Arc<S>) {
    let writer = |writer: usize| {
        let stream = Arc::clone(&stream);
        tokio::spawn(async move {
            let records: Vec<Record> =
                (0..20).map(|n| record(&format!("{writer}-{n}"), 10)).collect();
            let positions = stream.put(records.clone()).await.unwrap();
            assert_eq!(positions.len(), records.len());
            positions.into_iter().zip(records).collect::<Vec<_>>()
        })
    };
    let mut put = Vec::new();
    for written in (0..16).map(writer).collect::<Vec<_>>() {
        put.extend(written.await.unwrap());
    }
    assert_eq!(put.len(), 16 * 20);
    assert_unique(&put.iter().map(|(position, _)| position.clone()).collect::<Vec<_>>());
    assert_holds(stream.as_ref(), &put).await;
}

async fn takes_records_up_to_the_limit(stream: &impl Readable) {
    let mut put = Vec::new();
    for bytes in [0, MAX_RECORD_BYTES - 4, MAX_RECORD_BYTES - 3] {
        let record = record("key", bytes);
        let position = stream.put(vec![record.clone()]).await.unwrap().remove(0);
        put.push((position, record));
    }
    let refused =
        stream.put(vec![record("key", 10), record("key", MAX_RECORD_BYTES - 2)]).await.unwrap_err();
    assert!(
        matches!(refused, StreamError::TooLarge { bytes, limit } if bytes == limit + 1),
        "{refused}"
    );
    assert_holds(stream, &put).await;
}

fn assert_unique(positions: &[Position]) {
    assert_eq!(positions.iter().collect::<HashSet<_>>().len(), positions.len());
}
