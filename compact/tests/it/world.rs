//! A store with hits, a clock that stands, and a reader that shares no code with the merge but
//! `lake::assemble`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::DataType;
use aws_lambda_events::event::kinesis::{KinesisEventRecord, KinesisRecord};
use bytes::Bytes;
use compact::append::Append;
use compact::enrich::Enricher;
use compact::merge::Merge;
use futures_util::TryStreamExt as _;
use jiff::civil::Date;
use lake::assemble::assemble;
use lake::clock::{Clock as _, ManualClock, Random as _, SeededRandom};
use lake::columns::schema_for_reading;
use lake::environment::Environment;
use lake::hit::{Campaign, Hit, HitId, Id64, Kind};
use lake::layout::{self, Holds, MergedFooter};
use lake::parquet_file::{self, decode};
use lake::store::StoreRef;
use lake::store::faulty::FaultyStore;
use lake::store::memory::MemoryStore;
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutPayload};
use parquet::file::metadata::ParquetMetaDataReader;

pub(crate) const DT: Date = jiff::civil::date(2026, 11, 28);
/// Midnight of [`DT`].
pub(crate) const START_MS: i64 = 1_795_824_000_000;
pub(crate) const HOUR_MS: i64 = 3_600_000;
pub(crate) const SHARD: &str = "shardId-000000000000";

pub(crate) struct World {
    pub(crate) store: StoreRef,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) scratch: tempfile::TempDir,
    /// Every row that was ever appended, as it lay in its hot object.
    pub(crate) appended: Vec<RecordBatch>,
    sequence: u64,
}

/// What was killed.
pub(crate) struct Killed {
    /// Calls that an undisturbed run makes at least.
    pub(crate) calls: u64,
    /// Different states of the store that the killed ones left.
    pub(crate) states: usize,
}

/// Kills `run` between any two calls to the store, the next one done or not. What follows is seen
/// by `ends`, once for each state of the store: with what about.
pub(crate) async fn killed_at_each_call(
    start: &World,
    run: impl AsyncFn(&World, &StoreRef) -> bool,
    ends: impl AsyncFn(World, &str),
) -> Killed {
    let (mut calls, mut states) = (u64::MAX, HashSet::new());
    for takes_effect in [false, true] {
        for after in u64::from(takes_effect).. {
            let world = start.fork().await;
            let store = FaultyStore::dying(Arc::clone(&world.store), after, takes_effect);
            let dying: StoreRef = Arc::new(store.clone());
            let done = run(&world, &dying).await;
            if states.insert(world.state().await) {
                ends(world, &format!("{after} calls, the next one done: {takes_effect}")).await;
            }
            if store.faults() == 0 {
                assert!(done, "nothing disturbed it");
                calls = calls.min(after);
                break;
            }
        }
    }
    Killed { calls, states: states.len() }
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            store: Arc::new(MemoryStore::new()),
            clock: Arc::new(ManualClock::at(START_MS)),
            scratch: tempfile::tempdir().unwrap(),
            appended: Vec::new(),
            sequence: 100,
        }
    }

    /// Another one with the same objects.
    pub(crate) async fn copy(&self) -> Self {
        let copy = Self { appended: self.appended.clone(), ..Self::new() };
        for path in self.list(&Path::default()).await {
            let bytes = self.store.get(&path).await.unwrap().bytes().await.unwrap();
            copy.put(&path, bytes).await;
        }
        Self { sequence: self.sequence, ..copy }
    }

    /// The same at the same moment.
    pub(crate) async fn fork(&self) -> Self {
        let fork = self.copy().await;
        fork.clock.set(self.clock.now_ms());
        fork
    }

    /// All that is in the store. What comes after depends on it and on the clock alone, so one state
    /// need not be followed to its end twice.
    pub(crate) async fn state(&self) -> Vec<(Path, Bytes)> {
        let mut state = Vec::new();
        for path in self.list(&Path::default()).await {
            let bytes = self.store.get(&path).await.unwrap().bytes().await.unwrap();
            state.push((path, bytes));
        }
        state.sort();
        state
    }

    pub(crate) fn merge(&self) -> Merge {
        self.merge_over(&self.store)
    }

    pub(crate) fn merge_over(&self, store: &StoreRef) -> Merge {
        let clock = Arc::clone(&self.clock);
        Merge::new(Arc::clone(store), clock, self.scratch.path().to_owned())
    }

    /// Appends hits in batches of this many.
    pub(crate) async fn append(&mut self, hits: &[Hit], batch: usize) {
        for hits in hits.chunks(batch.max(1)) {
            let records: Vec<_> = hits.iter().map(|hit| self.record(&hit.encode())).collect();
            append(&self.store).append(&records).await.unwrap();
        }
        self.remember().await;
    }

    /// Reads what is in hot objects now, for the oracle.
    pub(crate) async fn remember(&mut self) {
        let mut known: HashMap<Path, Vec<RecordBatch>> = HashMap::new();
        for path in self.hot().await {
            let bytes = self.store.get(&path).await.unwrap().bytes().await.unwrap();
            known.insert(path, decode(&bytes).unwrap().0);
        }
        self.appended.extend(known.into_values().flatten());
    }

    pub(crate) fn record(&mut self, data: &[u8]) -> KinesisEventRecord {
        self.sequence += 1;
        let mut kinesis = KinesisRecord::default();
        kinesis.data.0 = data.to_vec();
        kinesis.sequence_number = self.sequence.to_string();
        let mut record = KinesisEventRecord::default();
        record.event_id = Some(format!("{SHARD}:{}", self.sequence));
        record.kinesis = kinesis;
        record
    }

    pub(crate) async fn hot(&self) -> Vec<Path> {
        self.list(&layout::date_prefix(layout::HOT, DT)).await
    }

    pub(crate) async fn list(&self, prefix: &Path) -> Vec<Path> {
        let listed: Vec<_> = self.store.list(Some(prefix)).try_collect().await.unwrap();
        listed.into_iter().map(|object| object.location).collect()
    }

    /// What the table must be: the oracle works all rows out at once.
    pub(crate) fn expected(&self) -> RecordBatch {
        plain(&worked_out(&self.appended))
    }

    /// The rows of the table's objects, in the order of the parts.
    pub(crate) async fn table(&self) -> RecordBatch {
        let mut rows = Vec::new();
        for path in self.list(&layout::date_prefix(layout::HITS, DT)).await {
            let bytes = self.store.get(&path).await.unwrap().bytes().await.unwrap();
            rows.extend(decode(&bytes).unwrap().0);
        }
        plain(&concat_batches(&schema_for_reading(), &rows).unwrap())
    }

    /// What a reader answers: the table's rows and those of hot objects that it does not hold.
    pub(crate) async fn answer(&self) -> RecordBatch {
        let hot = self.hot().await;
        let path = layout::table_object(DT, 0);
        let (mut rows, holds) = match self.store.get(&path).await {
            Ok(got) => decode(&got.bytes().await.unwrap()).unwrap(),
            Err(_) => (Vec::new(), Holds::default()),
        };
        for path in hot.iter().filter(|path| !holds.contains(path)) {
            // Gone since it was listed: a newer table holds it. These tests look at rest.
            let bytes = self.store.get(path).await.unwrap().bytes().await.unwrap();
            rows.extend(decode(&bytes).unwrap().0);
        }
        plain(&worked_out(&rows))
    }

    pub(crate) async fn footer(&self) -> MergedFooter {
        let path = layout::table_object(DT, 0);
        let bytes = self.store.get(&path).await.unwrap().bytes().await.unwrap();
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&bytes).unwrap();
        parquet_file::merged(&metadata).unwrap().unwrap()
    }

    /// When the memory store wrote an object: by the machine's clock.
    pub(crate) async fn stamp_ms(&self, path: &Path) -> i64 {
        self.store.head(path).await.unwrap().last_modified.timestamp_millis()
    }

    pub(crate) async fn put(&self, path: &Path, bytes: impl Into<PutPayload>) {
        self.store.put(path, bytes.into()).await.unwrap();
    }
}

/// The step between the cases of a long proof: `step`, or all of them on a longer run, when
/// `HITLAKE_SOAK` is above 1.
pub(crate) fn every(step: usize) -> usize {
    let soak = Environment::process().parse::<u32>("HITLAKE_SOAK", "a number").unwrap();
    if soak.is_some_and(|soak| soak > 1) { 1 } else { step }
}

pub(crate) fn append(store: &StoreRef) -> Append {
    Append::new(Arc::clone(store), Arc::new(Enricher::default()))
}

fn worked_out(raw: &[RecordBatch]) -> RecordBatch {
    let raw = concat_batches(&schema_for_reading(), raw).unwrap();
    assemble(&raw, &lake::goals::Goals::default()).unwrap().rows
}

/// The table of some raw rows.
pub(crate) fn worked_out_plain(raw: &[RecordBatch]) -> RecordBatch {
    plain(&worked_out(raw))
}

/// Without dictionaries, so that equal rows are equal batches.
pub(crate) fn plain(batch: &RecordBatch) -> RecordBatch {
    let columns = batch.columns().iter().map(|column| match column.data_type() {
        DataType::Dictionary(_, value) => cast(column, value).unwrap(),
        _ => Arc::clone(column),
    });
    let names = batch.schema();
    let names = names.fields().iter().map(|field| field.name().clone());
    RecordBatch::try_from_iter_with_nullable(
        names.zip(columns).map(|(name, column)| (name, column, true)),
    )
    .unwrap()
}

/// Hits of a few visitors who change ids and fingerprints, with copies of some.
pub(crate) fn hits(seed: u64, count: u32) -> Vec<Hit> {
    let random = SeededRandom::new(seed);
    let draw = |below: u128| random.next_u128() % below;
    let mut hits: Vec<Hit> = Vec::new();
    for number in 0..count {
        if number > 0 && draw(10) == 0 {
            let mut copy = hits[usize::try_from(draw(hits.len() as u128)).unwrap()].clone();
            match draw(4) {
                // Sent again: received later, or earlier, or at once with another title.
                0 => copy.received += 60_000,
                1 => copy.received -= 60_000,
                2 => copy.title = Some(format!("copy {number}")),
                _ => copy.fingerprint = Id64(u64::try_from(draw(20)).unwrap()),
            }
            hits.push(copy);
            continue;
        }
        hits.push(hit(&random, number));
    }
    hits
}

fn hit(random: &SeededRandom, number: u32) -> Hit {
    let draw = |below: u64| u64::try_from(random.next_u128() % u128::from(below)).unwrap();
    let visitor = draw(u64::from(number / 8 + 5));
    let ts = START_MS + i64::try_from(draw(24 * 3_600_000)).unwrap();
    let sometimes = |text: String, of: u64| (draw(of) == 0).then_some(text);
    Hit {
        v: 1,
        site: i32::try_from(1 + visitor % 3).unwrap(),
        id: HitId(random.next_u128()),
        ts,
        received: ts + i64::try_from(draw(90_000)).unwrap(),
        dt: DT,
        kind: Kind::ALL[usize::try_from(draw(9)).unwrap()],
        fingerprint: Id64(visitor * 2 + u64::from(draw(20) == 0)),
        client_id: (visitor % 2 == 0).then(|| Id64(1_000 + visitor + draw(20) / 19)),
        new_visit: draw(30) == 0,
        user_id: sometimes(format!("user {visitor}"), 40),
        host: Some("shop.example".to_owned()),
        path: Some(format!("/page/{}", draw(50))),
        query: sometimes(format!("q={}", draw(1_000)), 3),
        title: sometimes(format!("Page {}", draw(50)), 2),
        referrer: sometimes("https://www.google.com/search?q=x".to_owned(), 5),
        campaign: (draw(20) == 0)
            .then(|| Campaign { name: format!("sale {}", draw(3)), ..Campaign::default() }),
        revenue: (draw(30) == 0).then_some(9.5),
        user_agent: Some(format!("Mozilla/5.0 (Test {})", visitor % 7)),
        engaged_ms: (draw(4) == 0).then_some(1_234),
        ..Hit::default()
    }
}
