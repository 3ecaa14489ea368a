//! What every stream of hits does, whatever it is made of.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use lake::limits::MAX_RECORD_BYTES;
use lake::stream::{HitStream, Position, Record, StreamError, compare_sequences};

/// Runs the suite; `make` gives a stream of its own for each behaviour.
pub(crate) async fn stream_conformance<S: HitStream + 'static>(make: impl Fn() -> S) {
    puts_nothing(&make()).await;
    puts_in_order(&make()).await;
    numbers_increase_over_puts(&make()).await;
    concurrent_writers_get_places_of_their_own(Arc::new(make())).await;
    takes_records_up_to_the_limit(&make()).await;
}

pub(crate) fn record(key: &str, bytes: usize) -> Record {
    Record { partition_key: key.to_owned(), data: vec![b'x'; bytes].into() }
}

async fn puts_nothing(stream: &impl HitStream) {
    assert_eq!(stream.put(Vec::new()).await.unwrap(), []);
}

async fn puts_in_order(stream: &impl HitStream) {
    let keys: Vec<String> = (0..200).map(|number| format!("key-{}", number % 50)).collect();
    let positions = stream.put(keys.iter().map(|key| record(key, 10)).collect()).await.unwrap();
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
}

async fn numbers_increase_over_puts(stream: &impl HitStream) {
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

async fn concurrent_writers_get_places_of_their_own<S: HitStream + 'static>(stream: Arc<S>) {
    let writer = |writer: usize| {
        let stream = Arc::clone(&stream);
        tokio::spawn(async move {
            stream.put((0..20).map(|n| record(&format!("{writer}-{n}"), 10)).collect()).await
        })
    };
    let mut positions = Vec::new();
    for written in (0..16).map(writer).collect::<Vec<_>>() {
        positions.extend(written.await.unwrap().unwrap());
    }
    assert_eq!(positions.len(), 16 * 20);
    assert_unique(&positions);
}

async fn takes_records_up_to_the_limit(stream: &impl HitStream) {
    for bytes in [0, MAX_RECORD_BYTES - 4, MAX_RECORD_BYTES - 3] {
        stream.put(vec![record("key", bytes)]).await.unwrap();
    }
    let refused =
        stream.put(vec![record("key", 10), record("key", MAX_RECORD_BYTES - 2)]).await.unwrap_err();
    assert!(
        matches!(refused, StreamError::TooLarge { bytes, limit } if bytes == limit + 1),
        "{refused}"
    );
}

fn assert_unique(positions: &[Position]) {
    assert_eq!(positions.iter().collect::<HashSet<_>>().len(), positions.len());
}
