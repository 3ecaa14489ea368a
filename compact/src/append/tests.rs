//! Batches: of two dates, with broken records, twice, cut anew.

use aws_lambda_events::event::kinesis::KinesisEvent;
use futures_util::TryStreamExt as _;
use lake::assemble::assemble;
use lake::columns::schema_for_reading;
use lake::hit::{HitId, Id64, RECORD_VERSION};
use lake::store::memory::MemoryStore;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};

use super::*;

const HOUR: i64 = 3_600_000;

fn append() -> Append {
    Append::new(Arc::new(MemoryStore::new()), Arc::default())
}

fn hit(number: u8, dt: &str) -> Hit {
    Hit {
        v: RECORD_VERSION,
        site: 1,
        id: HitId(u128::from(number)),
        ts: i64::from(number),
        received: i64::from(number) * HOUR,
        dt: dt.parse().unwrap(),
        fingerprint: Id64(7),
        user_agent: Some(
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0".into(),
        ),
        ..Hit::default()
    }
}

/// A batch as Lambda delivers it: sequence number and bytes of each record.
fn event(records: &[(u32, bytes::Bytes)]) -> KinesisEvent {
    let records: Vec<_> = records
        .iter()
        .map(|(sequence, data)| {
            serde_json::json!({
                "eventID": format!("shardId-000000000000:{sequence}"),
                "kinesis": {
                    "approximateArrivalTimestamp": 1_700_000_000.0,
                    "data": STANDARD.encode(data),
                    "partitionKey": "x",
                    "sequenceNumber": sequence.to_string(),
                },
            })
        })
        .collect();
    serde_json::from_value(serde_json::json!({"Records": records})).unwrap()
}

fn hits(numbers: std::ops::Range<u8>, dt: &str) -> Vec<(u32, bytes::Bytes)> {
    numbers.map(|number| (u32::from(number), hit(number, dt).encode())).collect()
}

async fn objects(append: &Append, prefix: &str) -> Vec<Path> {
    let listed = append.store.list(Some(&Path::from(prefix)));
    let mut paths: Vec<Path> = listed.map_ok(|meta| meta.location).try_collect().await.unwrap();
    paths.sort();
    paths
}

async fn read(append: &Append, path: &Path) -> bytes::Bytes {
    append.store.get(path).await.unwrap().bytes().await.unwrap()
}

fn batch_in(bytes: &bytes::Bytes) -> Batch {
    let file = ArrowReaderMetadata::load(bytes, ArrowReaderOptions::new()).unwrap();
    parquet_file::batch(file.metadata()).unwrap().unwrap()
}

#[tokio::test]
async fn hits_of_two_dates_make_two_objects_that_count_their_own() {
    let append = append();
    let mut records = hits(1..3, "2026-03-01");
    records.push((3, hit(3, "2026-03-02").encode()));
    records.push((4, bytes::Bytes::from_static(b"not a hit")));
    records.push((5, bytes::Bytes::from_static(b"{\"v\":99}")));
    let done = append.append(&event(&records).records).await.unwrap();
    assert_eq!((done.received, done.stored, done.objects, done.existed), (5, 3, 2, 0));
    let rejected = BTreeMap::from([("unreadable", 1), ("version", 1)]);
    assert_eq!(done.rejected, rejected);

    let paths = objects(&append, "hot").await;
    let names: Vec<&str> = paths.iter().map(AsRef::as_ref).collect();
    assert_eq!(
        names,
        [
            "hot/dt=2026-03-01/shardId-000000000000-1-5.parquet",
            "hot/dt=2026-03-02/shardId-000000000000-1-5.parquet",
        ]
    );
    let first = batch_in(&read(&append, &paths[0]).await);
    let rows = |hour: i64| RowsOfHour { site: 1, hour_ms: hour * HOUR, rows: 1 };
    assert_eq!(first.rows, [rows(1), rows(2)]);
    assert_eq!(first.received, 5);
    assert_eq!(first.rejected.values().sum::<u64>(), 2);
    assert_eq!(first.bots, BOTS_VERSION);
    let second = batch_in(&read(&append, &paths[1]).await);
    assert_eq!(second, Batch { rows: vec![rows(3)], ..first });
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_with_its_bytes() {
    let append = append();
    append.append(&event(&[(9, bytes::Bytes::from_static(b"\xff\x00"))]).records).await.unwrap();
    let paths = objects(&append, "rejected").await;
    assert_eq!(paths[0].as_ref(), "rejected/dt=2023-11-14/shardId-000000000000-9.json");
    let kept: serde_json::Value = serde_json::from_slice(&read(&append, &paths[0]).await).unwrap();
    assert_eq!(kept["reason"], "unreadable");
    assert_eq!(kept["bytes_base64"], STANDARD.encode(b"\xff\x00"));
    assert!(objects(&append, "hot").await.is_empty());
}

#[tokio::test]
async fn a_batch_delivered_twice_writes_nothing_new() {
    let append = append();
    let mut records = hits(1..4, "2026-03-01");
    records.push((4, bytes::Bytes::from_static(b"broken")));
    let first = append.append(&event(&records).records).await.unwrap();
    let paths = objects(&append, "").await;
    let bytes = read(&append, &paths[0]).await;
    let second = append.append(&event(&records).records).await.unwrap();
    assert_eq!(objects(&append, "").await, paths);
    assert_eq!(read(&append, &paths[0]).await, bytes);
    assert_eq!((first.existed, second.existed), (0, 1));
    assert_eq!((second.stored, second.bytes), (3, 0));
}

#[tokio::test]
async fn a_batch_cut_anew_repeats_hits_that_assembling_drops() {
    let append = append();
    let records = hits(1..7, "2026-03-01");
    append.append(&event(&records[..4]).records).await.unwrap();
    // The stream gives from a checkpoint within the batch, and more at once.
    append.append(&event(&records[2..]).records).await.unwrap();
    let mut batches = Vec::new();
    for path in objects(&append, "hot").await {
        batches.extend(parquet_file::decode(&read(&append, &path).await).unwrap().0);
    }
    let raw = arrow::compute::concat_batches(&schema_for_reading(), &batches).unwrap();
    let assembled = assemble(&raw, &lake::goals::Goals::default()).unwrap();
    assert_eq!((raw.num_rows(), assembled.duplicates, assembled.rows.num_rows()), (8, 2, 6));
}

#[tokio::test]
async fn an_empty_batch_does_nothing() {
    let append = append();
    let report = append.report(&[]).await.unwrap();
    assert_eq!(report.done, Appended::default());
    assert!(objects(&append, "").await.is_empty());
}
