//! Records in `rejected/` and `parked/`: those that orders cover go, as far as their bytes tell.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{StreamExt as _, TryStreamExt as _};
use lake::account::{self, Account, Rejected, hour_of};
use lake::layout;
use lake::orders::{Covered, Orders};
use lake::store::{Expected, StoreRef, is_conflict};
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt as _, PutMode, PutPayload};
use serde_json::Value;

use super::{Erase, Round};
use crate::replay::Stored;

/// Objects read at a time.
const CONCURRENT_READS: usize = 16;
/// How often a parked object is read again because it was replaced meanwhile.
const MAX_ATTEMPTS: u32 = 8;

impl Erase {
    /// Deletes the rejected records that are covered.
    pub(super) async fn clean_rejected(&self, round: &mut Round) -> anyhow::Result<()> {
        let store = self.store();
        let mut reads = Vec::new();
        for path in paths(store, Some(&Path::from(layout::REJECTED))).await? {
            reads.push(read(store, path));
        }
        let mut reads = futures_util::stream::iter(reads).buffered(CONCURRENT_READS);
        while let Some(read) = reads.try_next().await? {
            let Some(Object { path, bytes, .. }) = read else { continue };
            let Some(covered) = covered_rejected(&round.orders, &bytes) else { continue };
            account_for(store, &path, covered).await?;
            delete(store, &path).await?;
            self.note_record(round, covered).await?;
        }
        Ok(())
    }

    /// Takes the covered records out of parked batches; a batch without any record goes.
    pub(super) async fn clean_parked(&self, round: &mut Round) -> anyhow::Result<()> {
        for (store, folder) in &self.parked {
            for path in paths(store, folder.as_ref()).await? {
                for covered in clean(store, &path, &round.orders).await? {
                    self.note_record(round, covered).await?;
                }
            }
        }
        Ok(())
    }

    async fn note_record(&self, round: &mut Round, covered: Covered) -> anyhow::Result<()> {
        let number = round.removed_record(covered.site, covered.received_ms);
        round.note(self.store(), number).await
    }
}

/// An object as it was read.
struct Object {
    path: Path,
    e_tag: Option<String>,
    bytes: bytes::Bytes,
}

/// In order.
async fn paths(store: &StoreRef, folder: Option<&Path>) -> anyhow::Result<Vec<Path>> {
    let listed: Result<Vec<_>, Error> = store.list(folder).try_collect().await;
    let listed = listed.with_context(|| format!("listing {}", folder.map_or("", AsRef::as_ref)))?;
    Ok(listed.into_iter().map(|object| object.location).collect())
}

/// Nothing where there is none any more.
async fn read(store: &StoreRef, path: Path) -> anyhow::Result<Option<Object>> {
    let read = async {
        let got = store.get(&path).await?;
        let e_tag = got.meta.e_tag.clone();
        Ok((e_tag, got.bytes().await?))
    };
    match read.await {
        Ok((e_tag, bytes)) => Ok(Some(Object { path, e_tag, bytes })),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {path}")),
    }
}

async fn delete(store: &StoreRef, path: &Path) -> anyhow::Result<()> {
    store.delete(path).await.with_context(|| format!("deleting {path}"))
}

/// Notes that a rejected record was erased, before it goes: else the ledger would miss it.
async fn account_for(store: &StoreRef, path: &Path, covered: Covered) -> anyhow::Result<()> {
    let (Some(dt), name) = (layout::date_of(path), account::name(path)) else { return Ok(()) };
    let mut account = Account::default();
    account.erased.count((covered.site, hour_of(covered.received_ms)), 1);
    // It is not counted under its own name any more.
    let gone = Rejected { replayed: true, ..Rejected::default() };
    account.rejected.insert(name.to_owned(), gone);
    let created = account.create(store.as_ref(), dt, &format!("{name}-erased")).await;
    created.with_context(|| format!("writing the account of {path}"))
}

fn covered_rejected(orders: &Orders, bytes: &[u8]) -> Option<Covered> {
    let rejected: Stored = serde_json::from_slice(bytes).ok()?;
    let data = STANDARD.decode(rejected.bytes_base64).ok()?;
    orders.cover_record(&data, rejected.received_at.as_millisecond())
}

/// Takes the covered records out of one parked object: what was covered.
async fn clean(store: &StoreRef, path: &Path, orders: &Orders) -> anyhow::Result<Vec<Covered>> {
    for _ in 0..MAX_ATTEMPTS {
        let Some(object) = read(store, path.clone()).await? else { return Ok(Vec::new()) };
        let Some(mut batch) = Batch::read(&object.bytes) else { return Ok(Vec::new()) };
        let covered = batch.take_out(orders);
        if covered.is_empty() {
            return Ok(covered);
        }
        if batch.is_empty() {
            delete(store, path).await?;
            return Ok(covered);
        }
        let expected = object.e_tag.map_or(Expected::Absent, Expected::ETag);
        let bytes = PutPayload::from(batch.write()?);
        match store.put_opts(path, bytes, PutMode::from(expected).into()).await {
            Ok(_) => return Ok(covered),
            Err(error) if is_conflict(&error) => {}
            Err(error) => return Err(error).with_context(|| format!("rewriting {path}")),
        }
    }
    anyhow::bail!("{path} was replaced {MAX_ATTEMPTS} times while it was read")
}

/// A parked batch, with everything that is not a record left as it is.
struct Batch {
    /// The record of Lambda's failure destination, whose `payload` is the event as text.
    invocation: Option<Value>,
    event: Value,
}

impl Batch {
    fn read(bytes: &[u8]) -> Option<Self> {
        let whole: Value = serde_json::from_slice(bytes).ok()?;
        match whole.get("payload").and_then(Value::as_str) {
            Some(payload) => {
                let event = serde_json::from_str(payload).ok()?;
                Some(Self { invocation: Some(whole), event })
            }
            None => Some(Self { invocation: None, event: whole }),
        }
    }

    fn records(&mut self) -> Option<&mut Vec<Value>> {
        self.event.get_mut("Records")?.as_array_mut()
    }

    fn take_out(&mut self, orders: &Orders) -> Vec<Covered> {
        let mut out = Vec::new();
        if let Some(records) = self.records() {
            records.retain(|record| {
                let covered = covered_record(orders, record);
                out.extend(covered);
                covered.is_none()
            });
        }
        out
    }

    fn is_empty(&mut self) -> bool {
        self.records().is_none_or(|records| records.is_empty())
    }

    fn write(self) -> serde_json::Result<Vec<u8>> {
        match self.invocation {
            None => serde_json::to_vec(&self.event),
            Some(mut invocation) => {
                let payload = serde_json::to_string(&self.event)?;
                if let Some(place) = invocation.get_mut("payload") {
                    *place = Value::String(payload);
                }
                serde_json::to_vec(&invocation)
            }
        }
    }
}

fn covered_record(orders: &Orders, record: &Value) -> Option<Covered> {
    let kinesis = record.get("kinesis")?;
    let data = STANDARD.decode(kinesis.get("data")?.as_str()?).ok()?;
    // Seconds with a fraction, as Kinesis tells them.
    let arrived_s = kinesis.get("approximateArrivalTimestamp").and_then(Value::as_f64);
    #[expect(clippy::cast_possible_truncation, reason = "a time of this era, in milliseconds")]
    let arrived_ms = arrived_s.map_or(0, |seconds| (seconds * 1_000.0) as i64);
    orders.cover_record(&data, arrived_ms)
}
