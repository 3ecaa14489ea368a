//! Erased stays erased: whoever else is under way, wherever it is killed, whatever comes later.

mod person;
mod trouble;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use compact::erase::{Carried, Erase};
use compact::replay::Replay;
use lake::account::{Account, LEDGER};
use lake::clock::Clock as _;
use lake::hit::{Hit, HitId, Id64, Kind};
use lake::layout;
use lake::limits::{MAX_PERSON_IDS, ORDER_SEEN_MS};
use lake::orders::{Order, State, Whom, give, status};
use lake::parquet_file::decode;
use lake::site::{SiteSettings, put_site};
use lake::store::StoreRef;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;

use crate::world::{DT, HOUR_MS, START_MS, World, append, hits, worked_out_plain};
use person::{Person, ids, sites, texts};

const ID: &str = "1-a";
const SITE: i32 = 1;
/// A day after everything in these tests.
const BEFORE_MS: i64 = START_MS + 25 * HOUR_MS;

/// What the table must be without the person: worked out as if they had never been.
fn expected(world: &World, person: &Person) -> RecordBatch {
    let others: Vec<RecordBatch> = world.appended.iter().map(|rows| person.without(rows)).collect();
    worked_out_plain(&others)
}

fn erase(world: &World) -> Erase {
    erase_over(world, &world.store)
}

fn erase_over(world: &World, store: &StoreRef) -> Erase {
    Erase::new(world.merge_over(store), 0)
}

/// Hits of a few, among them Ann, who logs in now and then; nothing that takes long to look up.
fn some_hits(seed: u64, count: u32) -> Vec<Hit> {
    let plain = |(number, hit): (usize, Hit)| {
        let ann = hit.site == SITE && number % 9 == 0;
        let user_id = if ann { Some("ann".to_owned()) } else { hit.user_id };
        Hit { user_id, user_agent: None, referrer: None, ..hit }
    };
    hits(seed, count).into_iter().enumerate().map(plain).collect()
}

/// A table, hot objects that it holds, some that wait, and rejected records; and Ann.
async fn midway(seed: u64) -> (World, Person) {
    let mut world = World::new();
    let hits = some_hits(seed, 40);
    world.append(&hits[..25], 25).await;
    world.merge().merge_all().await.unwrap();
    world.append(&hits[25..], 10).await;
    for (number, hit) in hits.iter().enumerate().take(5) {
        put_rejected(&world, number, &hit.encode()).await;
    }
    let person = Person::user("ann").widened(&world.expected());
    (world, person)
}

async fn put_rejected(world: &World, number: usize, data: &[u8]) {
    let body = serde_json::json!({
        "reason": "version", "bytes_base64": STANDARD.encode(data),
        "received_at": "2026-11-28T10:00:00Z",
    });
    let path = layout::rejected_object(DT, "shard", &format!("{number:03}"));
    world.put(&path, serde_json::to_vec(&body).unwrap()).await;
}

/// Hits that append did not store, by the accounts.
async fn kept_out(world: &World) -> u64 {
    let mut kept_out = 0;
    for path in world.list(&Path::from(LEDGER)).await {
        let bytes = world.store.get(&path).await.unwrap().bytes().await.unwrap();
        let account: Account = serde_json::from_slice(&bytes).unwrap();
        kept_out += account.erased.0.values().sum::<u64>();
    }
    kept_out
}

async fn order(world: &World, person: &Person) {
    assert!(give(&world.store, ID, &person.order()).await.unwrap());
}

async fn order_ann(world: &World) {
    order(world, &Person::user("ann")).await;
}

/// Whom the order was carried out for.
async fn closed(world: &World) -> Person {
    let bytes = world.store.get(&Path::from(format!("orders/final/{ID}.json"))).await.unwrap();
    let done: serde_json::Value = serde_json::from_slice(&bytes.bytes().await.unwrap()).unwrap();
    let order: Order = serde_json::from_value(done["order"].clone()).unwrap();
    let Whom::Person { ids, user_ids } = order.whom else { panic!("no person") };
    Person { ids: ids.iter().map(Id64::to_string).collect(), users: user_ids }
}

/// Without the pages of output that two batches make.
fn same(left: &RecordBatch, right: &RecordBatch, about: &str) {
    let hits = |rows: &RecordBatch| texts(rows, "hit_id");
    assert_eq!(hits(left), hits(right), "{about}");
    for (column, field) in left.columns().iter().zip(right.schema().fields()) {
        let other = right.column_by_name(field.name()).unwrap();
        assert!(column == other, "{about}: {}", field.name());
    }
}

async fn run(erase: &Erase) -> Vec<Carried> {
    erase.run().await.unwrap()
}

/// No object but those of orders has anything of the person.
async fn no_copy_is_left(world: &World, person: &Person, about: &str) {
    for path in world.list(&Path::default()).await {
        let bytes = world.store.get(&path).await.unwrap().bytes().await.unwrap();
        if path.as_ref().ends_with(".parquet") {
            for batch in decode(&bytes).unwrap().0 {
                let batch = crate::world::plain(&batch);
                let rows = batch.num_rows();
                assert_eq!(person.without(&batch).num_rows(), rows, "{path} after {about}");
                let visitors = texts(&batch, "visitor_id");
                let named = visitors.into_iter().zip(sites(&batch)).any(|(visitor, site)| {
                    site == SITE && visitor.is_some_and(|id| person.ids.contains(&id))
                });
                assert!(!named, "{path} names the visitor after {about}");
            }
        } else if path.as_ref().starts_with("rejected") {
            let body: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            let data = STANDARD.decode(body["bytes_base64"].as_str().unwrap()).unwrap();
            let hit = Hit::decode(&data).unwrap();
            let id = hit.client_id.unwrap_or(hit.fingerprint).to_string();
            let theirs = hit.site == SITE && person.has(&id, hit.user_id.as_ref());
            assert!(!theirs, "{path} after {about}");
        }
    }
}

/// Whatever happened before: the next run ends it, and nobody else is changed.
async fn ends_right(world: &World, person: &Person, about: &str) {
    ends_as(world, person, &expected(world, person), about).await;
}

async fn ends_as(world: &World, person: &Person, expected: &RecordBatch, about: &str) {
    run(&erase(world)).await;
    world.merge().merge_all().await.unwrap();
    let receipt = status(&world.store, ID).await.unwrap().unwrap();
    assert_eq!(receipt.state, State::Done, "{about}");
    same(&world.table().await, expected, &format!("the table after {about}"));
    no_copy_is_left(world, person, about).await;
    let footer = world.footer().await;
    let totals = footer.totals();
    let out = totals.kept + totals.duplicates + footer.total_erased();
    assert_eq!(totals.read, out, "counts after {about}");
    assert!(footer.orders.is_empty() || footer.orders.contains(ID), "{about}");
    assert_eq!(world.list(&Path::from("orders/progress")).await.len(), 0, "{about}");
}

/// Asked for by user or by a visitor's id; in memory, and over scratch, where rows that nobody
/// touches stand.
#[tokio::test]
async fn what_remains_is_as_if_the_person_had_never_been() {
    for seed in 0..6 {
        let (world, mut person) = midway(seed).await;
        if seed % 3 == 0 {
            order_ann(&world).await;
        } else {
            let all = world.expected();
            let row = sites(&all).iter().position(|site| *site == SITE).unwrap();
            person = Person { ids: BTreeSet::from([ids(&all)[row].clone()]), ..Person::default() };
            order(&world, &person).await;
            person = person.with_users(&all).widened(&all);
        }
        let mut merge = world.merge();
        merge.memory_bytes = if seed % 2 == 0 { 50_000 } else { merge.memory_bytes };
        let erase = Erase::new(merge, 0);
        let carried = run(&erase).await;
        assert_eq!(carried.len(), 1);
        let rows = carried[0].receipt.rows_before - carried[0].receipt.rows_after;
        let gone = world.expected().num_rows() - expected(&world, &person).num_rows();
        let (closed, theirs) = (closed(&world).await, &person);
        assert_eq!((&closed.ids, &closed.users), (&theirs.ids, &theirs.users), "seed {seed}");
        assert!(gone > 0 && rows == gone as u64, "seed {seed}: {rows} of {gone}");
        ends_right(&world, &person, &format!("seed {seed}")).await;
        assert_eq!(run(&erase).await, [], "done once");
    }
}

/// What the person sent before is on the stream still, comes back from a log, or is replayed.
#[tokio::test]
async fn what_comes_later_is_left_out_and_counted() {
    let (mut world, person) = midway(3).await;
    let late: Vec<Hit> = some_hits(3, 40).into_iter().take(20).collect();
    let theirs = |hit: &&Hit| {
        let id = hit.client_id.unwrap_or(hit.fingerprint).to_string();
        hit.site == SITE && person.has(&id, hit.user_id.as_ref())
    };
    order_ann(&world).await;
    run(&erase(&world)).await;
    let records: Vec<_> = late.iter().map(|hit| world.record(&hit.encode())).collect();
    let again: Vec<Hit> = late
        .iter()
        .map(|hit| Hit { id: HitId(hit.id.0 ^ 1), received: BEFORE_MS + HOUR_MS, ..hit.clone() })
        .collect();
    let done = append(&world.store).append(&records).await.unwrap();
    let count = late.iter().filter(theirs).count();
    assert!(count > 0 && done.erased == count, "{count} of {done:?}");
    for (number, hit) in again.iter().enumerate() {
        put_rejected(&world, 500 + number, &hit.encode()).await;
    }
    Replay { append: append(&world.store) }.run().await.unwrap();
    world.remember().await;
    no_copy_is_left(&world, &person, "late hits").await;
    ends_right(&world, &person, "late hits").await;
    let both = count + again.iter().filter(theirs).count();
    assert!(kept_out(&world).await >= both as u64);
    // Who comes back afterwards counts again.
    let back =
        Hit { ts: BEFORE_MS, received: BEFORE_MS, ..late.iter().find(theirs).unwrap().clone() };
    let record = world.record(&back.encode());
    assert_eq!(append(&world.store).append(&[record]).await.unwrap().erased, 0);
}

/// Everybody's last hit gone, the table object is empty and not absent.
#[tokio::test]
async fn a_table_object_becomes_empty_and_never_absent() {
    let mut world = World::new();
    let only: Vec<Hit> = some_hits(3, 20)
        .into_iter()
        .map(|hit| Hit { site: SITE, client_id: Some(Id64(7)), user_id: None, ..hit })
        .collect();
    world.append(&only, 5).await;
    let person = Person { ids: BTreeSet::from([Id64(7).to_string()]), ..Person::default() };
    order(&world, &person).await;
    run(&erase(&world)).await;
    assert_eq!(world.table().await.num_rows(), 0);
    assert_eq!(world.list(&layout::date_prefix(layout::HITS, DT)).await.len(), 1);
    ends_right(&world, &person, "everybody").await;
    let footer = world.footer().await;
    assert!(footer.total_erased() > 0 && footer.totals().kept == 0);
}

/// Ann logs in within a visit; Bob logs in later with the same browser.
#[tokio::test]
async fn hits_before_the_login_go_with_the_user_and_those_of_another_user_stay() {
    let mut world = World::new();
    let hit = |number: u8, minute: i64, client: u64, user: Option<&str>| Hit {
        v: 1,
        site: SITE,
        id: HitId(u128::from(number)),
        ts: START_MS + minute * 60_000,
        received: START_MS + minute * 60_000,
        dt: DT,
        kind: Kind::Pageview,
        fingerprint: Id64(5),
        client_id: Some(Id64(client)),
        user_id: user.map(str::to_owned),
        ..Hit::default()
    };
    let browser = 50;
    world
        .append(
            &[
                hit(1, 0, browser, None),
                hit(2, 1, 100, Some("ann")),
                hit(3, 120, browser, None),
                hit(4, 121, 200, Some("bob")),
                Hit { fingerprint: Id64(6), ..hit(5, 200, 200, Some("bob")) },
                Hit { fingerprint: Id64(6), ..hit(6, 300, 300, None) },
            ],
            10,
        )
        .await;
    order(&world, &Person::user("ann")).await;
    run(&erase(&world)).await;
    let left = world.table().await;
    let mut left: Vec<_> = texts(&left, "hit_id").into_iter().flatten().collect();
    left.sort();
    assert_eq!(left, [4, 5, 6].map(|id| HitId(id).to_string()));
}

#[tokio::test]
async fn an_id_that_everybody_shares_is_refused() {
    for (ids, allowed) in [(MAX_PERSON_IDS, true), (MAX_PERSON_IDS + 1, false)] {
        let world = World::new();
        let ids = (0..ids as u64).map(|id| Id64(id).to_string()).collect();
        order(&world, &Person { ids, ..Person::default() }).await;
        let done = erase(&world).run().await;
        assert_eq!(done.is_ok(), allowed);
        let state = status(&world.store, ID).await.unwrap().unwrap().state;
        assert_eq!(state, if allowed { State::Done } else { State::Failed });
    }
}

#[tokio::test]
async fn a_receipt_is_final_when_every_append_has_seen_the_order() {
    let (world, _) = midway(3).await;
    world.clock.set(BEFORE_MS);
    order_ann(&world).await;
    let erase = Erase::new(world.merge(), ORDER_SEEN_MS);
    run(&erase).await;
    for (later_ms, state) in [(ORDER_SEEN_MS - 1, State::Running), (ORDER_SEEN_MS, State::Done)] {
        world.clock.set(BEFORE_MS + later_ms);
        assert_eq!(run(&erase).await[0].receipt.state, state, "{later_ms} ms later");
    }
}

#[tokio::test]
async fn parked_batches_lose_the_persons_records_only() {
    let mut world = World::new();
    let hits = some_hits(3, 10);
    let gone = hits[0].client_id.unwrap_or(hits[0].fingerprint);
    let (site, person) =
        (hits[0].site, |hit: &Hit| hit.client_id.unwrap_or(hit.fingerprint) == gone);
    let mut event = aws_lambda_events::event::kinesis::KinesisEvent::default();
    event.records = hits.iter().map(|hit| world.record(&hit.encode())).collect();
    let own = serde_json::to_string(&event).unwrap();
    let lambda = serde_json::json!({"requestContext": {"x": 1}, "payload": own}).to_string();
    let other: StoreRef = Arc::new(lake::store::memory::MemoryStore::new());
    world.put(&Path::from("parked/own.json"), own.into_bytes()).await;
    world.put(&Path::from("parked/other.json"), b"{}".to_vec()).await;
    other.put(&Path::from("aws/lambda/x"), lambda.into_bytes().into()).await.unwrap();
    let whom = Whom::Person { ids: BTreeSet::from([gone]), user_ids: BTreeSet::new() };
    let given = Order { site, whom, before_ms: BEFORE_MS, given_ms: 0 };
    give(&world.store, &format!("{site}-a"), &given).await.unwrap();
    let carried = run(&erase(&world).with_parked(Arc::clone(&other))).await;
    let count = hits.iter().filter(|hit| hit.site == site && person(hit)).count();
    let erased: u64 = carried[0].receipt.erased.iter().map(|entry| entry.rows).sum();
    assert_eq!(erased, 2 * count as u64);
    let left = other.get(&Path::from("aws/lambda/x")).await.unwrap().bytes().await.unwrap();
    let left: serde_json::Value = serde_json::from_slice(&left).unwrap();
    assert_eq!(left["requestContext"]["x"], 1);
    other.delete(&Path::from("aws/lambda/x")).await.unwrap();
    world.put(&Path::from("parked/lambda.json"), left.to_string().into_bytes()).await;
    let done = Replay { append: append(&world.store) }.run().await.unwrap();
    assert_eq!(done.parked, 2);
    world.remember().await;
    let rows: usize = world.appended.iter().map(RecordBatch::num_rows).sum();
    // Both had the same records, so the second made no other hot object.
    assert_eq!(rows, hits.len() - count);
}

#[tokio::test]
async fn retention_follows_the_setting_from_the_schedule() {
    let mut world = World::new();
    let hits = some_hits(3, 60);
    world.append(&hits, 20).await;
    world.merge().merge_all().await.unwrap();
    let settings = format!(r#"{{"id":{SITE},"name":"Shop","retention_days":30}}"#);
    let settings = SiteSettings::parse(&settings).unwrap();
    put_site(&world.store, &settings, START_MS, true).await.unwrap();
    let of_site = |rows: &RecordBatch| sites(rows).iter().filter(|site| **site == SITE).count();
    let whole = world.table().await;
    assert!(of_site(&whole) > 0);
    // On its thirtieth day after, the date is kept; a day later it goes, of this site.
    for (days, kept) in [(30, true), (31, false), (32, false)] {
        world.clock.set(START_MS + days * 24 * HOUR_MS);
        let carried = run(&erase(&world)).await;
        assert!(carried.iter().all(|it| it.receipt.state == State::Done));
        let table = world.table().await;
        assert_eq!(of_site(&table) > 0, kept, "{days} days");
        let others = whole.num_rows() - of_site(&whole);
        assert_eq!(table.num_rows() - of_site(&table), others);
        assert_eq!(run(&erase(&world)).await, [], "once a day");
        assert_eq!(world.list(&Path::from("orders")).await.len(), 1, "the last order stays");
    }
    let late = world.record(&hits.iter().find(|hit| hit.site == SITE).unwrap().encode());
    assert_eq!(append(&world.store).append(&[late]).await.unwrap().erased, 1);
    assert!(world.clock.now_ms() > 0);
}
