//! The embedded stream: durable over reopening, whatever the end of the file looks like.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hitlake::stream::{EmbeddedStream, StoredRecord, StreamFileError, StreamOptions};
use lake::clock::ManualClock;
use lake::stream::{HitStream, Position, Record};
use tempfile::TempDir;

use super::stream_conformance::{Readable, stream_conformance};

const START_MS: i64 = 1_700_000_000_000;

fn open_at(
    data: &Path,
    now_ms: i64,
    segment_bytes: u64,
) -> Result<EmbeddedStream, StreamFileError> {
    EmbeddedStream::open_with(
        data,
        Arc::new(ManualClock::at(now_ms)),
        StreamOptions { segment_bytes },
    )
}

fn open(data: &Path) -> EmbeddedStream {
    open_at(data, START_MS, 64 * 1024 * 1024).unwrap()
}

fn record(key: &str, data: &str) -> Record {
    Record { partition_key: key.to_owned(), data: data.to_owned().into() }
}

fn read_shard(stream: &EmbeddedStream, shard: &str, after: Option<u64>) -> Vec<StoredRecord> {
    stream.read(shard, after, usize::MAX, usize::MAX).unwrap()
}

fn read_all(stream: &EmbeddedStream) -> Vec<(String, StoredRecord)> {
    let of_shard = |shard: &str| {
        let records = read_shard(stream, shard, None);
        assert!(records.is_sorted_by(|a, b| a.sequence < b.sequence));
        records.into_iter().map(|record| (shard.to_owned(), record)).collect::<Vec<_>>()
    };
    stream.shard_names().flat_map(of_shard).collect()
}

/// Puts records one by one under a key, so that each is a group of its own.
async fn put_each(stream: &EmbeddedStream, data: &[&str]) -> Vec<Position> {
    let mut positions = Vec::new();
    for data in data {
        positions.extend(stream.put(vec![record("key", data)]).await.unwrap());
    }
    positions
}

fn texts(stream: &EmbeddedStream, shard: &str) -> Vec<String> {
    let records = read_shard(stream, shard, None);
    records.iter().map(|record| String::from_utf8(record.data.to_vec()).unwrap()).collect()
}

fn segments(data: &Path, shard: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data.join("stream").join(shard)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "seg1"));
    files.sort();
    files
}

#[async_trait::async_trait]
impl Readable for EmbeddedStream {
    async fn read_all(&self) -> Vec<(Position, Record)> {
        let told = |(shard, stored): (String, StoredRecord)| {
            let position = Position { shard, sequence: stored.sequence.to_string() };
            (position, Record { partition_key: stored.partition_key, data: stored.data })
        };
        read_all(self).into_iter().map(told).collect()
    }
}

#[tokio::test]
async fn conforms() {
    let data = TempDir::new().unwrap();
    let next = std::cell::Cell::new(0);
    stream_conformance(async || {
        next.set(next.get() + 1);
        let folder = data.path().join(next.get().to_string());
        std::fs::create_dir(&folder).unwrap();
        open(&folder)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_writers_are_all_there_once_after_reopening() {
    let data = TempDir::new().unwrap();
    let stream = Arc::new(open_at(data.path(), START_MS, 20_000).unwrap());
    let writer = |writer: usize| {
        let stream = Arc::clone(&stream);
        tokio::spawn(async move {
            let mut written = Vec::new();
            for number in 0..100 {
                let key = format!("{writer}-{number}");
                written.push((
                    key.clone(),
                    stream.put(vec![record(&key, &key)]).await.unwrap().remove(0),
                ));
            }
            written
        })
    };
    let mut expected = HashMap::new();
    for writing in (0..64).map(writer).collect::<Vec<_>>() {
        expected.extend(writing.await.unwrap());
    }
    drop(stream);
    let stream = open(data.path());
    let mut found = HashMap::new();
    for (shard, stored) in read_all(&stream) {
        assert_eq!((stored.partition_key.as_bytes(), stored.arrival_ms), (&*stored.data, START_MS));
        let position = Position { shard, sequence: stored.sequence.to_string() };
        assert!(found.insert(stored.partition_key, position).is_none(), "twice");
    }
    assert_eq!(found, expected);
    assert_eq!(stream.waiting().records, 6_400);
    assert!(stream.shard_names().all(|shard| segments(data.path(), shard).len() > 3));
}

#[tokio::test]
async fn a_torn_tail_is_cut_at_every_byte_and_earlier_records_stay() {
    let data = TempDir::new().unwrap();
    let stream = open(data.path());
    let positions = put_each(&stream, &["first", "second", "the last one"]).await;
    drop(stream);
    let file = segments(data.path(), &positions[0].shard).remove(0);
    let whole = std::fs::read(&file).unwrap();
    let start = whole.len() - (32 + "key".len() + "the last one".len());
    for cut in start..whole.len() {
        for rest in [0, whole.len() - cut] {
            // Cut short, or with zeros where the rest was to be.
            std::fs::write(&file, [&whole[..cut], &vec![0; rest]].concat()).unwrap();
            let stream = open(data.path());
            assert_eq!(texts(&stream, &positions[0].shard), ["first", "second"], "cut at {cut}");
            assert_eq!(std::fs::metadata(&file).unwrap().len(), start as u64);
            let again = put_each(&stream, &["again"]).await.remove(0);
            assert!(again.sequence > positions[1].sequence);
            assert_eq!(texts(&stream, &again.shard), ["first", "second", "again"]);
        }
    }
}

#[tokio::test]
async fn damage_before_acknowledged_records_is_never_cut() {
    let data = TempDir::new().unwrap();
    let stream = open(data.path());
    let position = put_each(&stream, &["first", "second", "third"]).await.remove(0);
    drop(stream);
    let file = segments(data.path(), &position.shard).remove(0);
    let whole = std::fs::read(&file).unwrap();
    let second = 32 + "key".len() + "first".len();
    for at in 0..second + 32 + "keysecond".len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        std::fs::write(&file, &damaged).unwrap();
        let error = open_at(data.path(), START_MS, 1_000).unwrap_err();
        let expected = if at < second { 0 } else { second as u64 };
        assert!(
            matches!(&error, StreamFileError::Damaged { path, offset, .. } if *path == file && *offset == expected)
        );
        assert!(error.to_string().contains(&file.display().to_string()), "{error}");
        assert_eq!(std::fs::read(&file).unwrap(), damaged, "nothing was changed");
    }
}

#[tokio::test]
async fn a_group_whose_pages_arrived_out_of_order_is_cut_whole() {
    let data = TempDir::new().unwrap();
    let stream = open(data.path());
    let position = put_each(&stream, &["acknowledged"]).await.remove(0);
    stream
        .put(vec![record("key", "lost"), record("key", "kept, but never acknowledged")])
        .await
        .unwrap();
    drop(stream);
    let file = segments(data.path(), &position.shard).remove(0);
    let mut bytes = std::fs::read(&file).unwrap();
    let lost = 32 + "keyacknowledged".len();
    bytes[lost..lost + 36].fill(0);
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(texts(&open(data.path()), &position.shard), ["acknowledged"]);
}

#[tokio::test]
async fn damage_in_a_closed_segment_stops_the_opening_unless_it_is_done_with() {
    let data = TempDir::new().unwrap();
    let stream = open_at(data.path(), START_MS, 1).unwrap();
    let positions = put_each(&stream, &["one", "two", "three"]).await;
    drop(stream);
    let files = segments(data.path(), &positions[0].shard);
    assert_eq!(files.len(), 3);
    OpenOptions::new().write(true).open(&files[0]).unwrap().set_len(20).unwrap();
    let error = open_at(data.path(), START_MS, 1).unwrap_err();
    assert!(matches!(error, StreamFileError::Damaged { path, offset: 0, .. } if path == files[0]));
    std::fs::write(files[0].with_file_name("checkpoint"), &positions[0].sequence).unwrap();
    assert_eq!(open(data.path()).waiting().records, 2);
}

#[tokio::test]
async fn no_sequence_number_is_given_twice() {
    let data = TempDir::new().unwrap();
    let mut last = 0;
    // The clock stands, goes on, and goes back.
    for now_ms in [START_MS, START_MS, START_MS + 5, START_MS - 1_000] {
        let stream = open_at(data.path(), now_ms, 1).unwrap();
        for position in put_each(&stream, &["a", "b", "c"]).await {
            let sequence: u64 = position.sequence.parse().unwrap();
            assert!(sequence > last && sequence >= (now_ms as u64) << 20);
            last = sequence;
            stream.set_checkpoint(&position.shard, sequence).unwrap();
        }
        stream.trim().unwrap();
        assert_eq!(stream.waiting().records, 0);
    }
    std::fs::remove_dir_all(data.path().join("stream")).unwrap();
    let stream = open_at(data.path(), START_MS + 6, 1).unwrap();
    assert!(put_each(&stream, &["d"]).await[0].sequence.parse::<u64>().unwrap() > last);
}

#[tokio::test]
async fn trimming_keeps_what_is_not_done_with() {
    let data = TempDir::new().unwrap();
    let stream = open_at(data.path(), START_MS, 100).unwrap();
    let names: Vec<String> = (0..30).map(|number| format!("record {number}")).collect();
    let positions = put_each(&stream, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let shard = positions[0].shard.as_str();
    let before = segments(data.path(), shard).len();
    assert_eq!(stream.trim().unwrap(), 0);
    for (done, position) in positions.iter().enumerate() {
        let sequence = position.sequence.parse().unwrap();
        stream.set_checkpoint(shard, sequence).unwrap();
        stream.trim().unwrap();
        let waiting: Vec<_> =
            read_shard(&stream, shard, Some(sequence)).into_iter().map(|r| r.data).collect();
        assert_eq!(
            waiting,
            names[done + 1..].iter().map(|name| name.clone().into_bytes()).collect::<Vec<_>>()
        );
        assert_eq!(stream.waiting().records, waiting.len() as u64);
    }
    assert!(before > 5);
    assert_eq!(segments(data.path(), shard).len(), 1, "the newest stays");
    drop(stream);
    let stream = open(data.path());
    assert_eq!((stream.waiting().records, stream.waiting().oldest_arrival_ms), (0, None));
    assert_eq!(stream.checkpoint(shard).unwrap().unwrap().to_string(), positions[29].sequence);
}

#[tokio::test]
async fn reading_goes_on_where_it_stopped_and_goes_back_when_asked() {
    let data = TempDir::new().unwrap();
    let stream = open_at(data.path(), START_MS, 300).unwrap();
    let shard = put_each(&stream, &["x"; 40]).await.remove(0).shard;
    let all = read_shard(&stream, &shard, None);
    assert_eq!(all.len(), 40);
    for page in 1..8 {
        let mut reader = stream.reader(&shard).unwrap();
        for by_bytes in [false, true] {
            let (mut paged, mut after) = (Vec::new(), None);
            loop {
                // Four bytes a record: key and data.
                let (records, bytes) =
                    if by_bytes { (usize::MAX, page * 4) } else { (page, usize::MAX) };
                let read = reader.read(after, records, bytes).unwrap();
                assert!(read.len() <= page);
                let Some(last) = read.last() else { break };
                after = Some(last.sequence);
                paged.extend(read);
            }
            assert_eq!(paged, all);
        }
    }
    for (index, record) in all.iter().enumerate().rev() {
        assert_eq!(read_shard(&stream, &shard, Some(record.sequence)), all[index + 1..]);
        assert_eq!(
            stream.read(&shard, Some(record.sequence - 1), 1, 0).unwrap(),
            all[index..=index]
        );
    }
}

#[tokio::test]
async fn a_reader_wakes_when_a_record_is_durable() {
    let data = TempDir::new().unwrap();
    let stream = Arc::new(open(data.path()));
    let first = put_each(&stream, &["first"]).await.remove(0);
    let (shard, after) = (first.shard, first.sequence.parse().ok());
    stream.wait_beyond(&shard, None).await.unwrap();
    let woken = tokio::spawn({
        let (stream, shard) = (Arc::clone(&stream), shard.clone());
        async move { stream.wait_beyond(&shard, after).await }
    });
    tokio::task::yield_now().await;
    assert!(!woken.is_finished());
    put_each(&stream, &["second"]).await;
    tokio::time::timeout(Duration::from_secs(30), woken).await.unwrap().unwrap().unwrap();
    assert!(matches!(
        stream.wait_beyond("other", None).await,
        Err(StreamFileError::NoShard { .. })
    ));
}
