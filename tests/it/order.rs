//! The same hits in any order, in any batches, twice, with merges in between: the same answers.

use std::collections::BTreeSet;

use lake::stream::Record;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::house::{House, NOW_MS, batch, http_event};

const METRICS: &str = "hits,pageviews,unique_pageviews,downloads,outlinks,events,visits,visitors,\
                       bounces,visit_duration,entries,exits";
/// One shard may repeat what another has delivered: a producer that was not answered sends again.
const SHARDS: [&str; 2] = ["shardId-000000000000", "shardId-000000000001"];

/// One hit as a client sends it, and from where.
#[derive(Debug, Clone)]
struct Sent {
    body: Value,
    visitor: u8,
}

fn sent() -> impl Strategy<Value = Sent> {
    let kind = prop_oneof![
        4 => Just("pageview"), 1 => Just("download"), 1 => Just("outlink"), 1 => Just("event"),
        1 => Just("ping"),
    ];
    // Times on both sides of a midnight; several hits at one moment; gaps around half an hour.
    let minutes_ago = prop_oneof![0_i64..40, 700_i64..760, 1_400_i64..1_430];
    let referrer = prop_oneof![
        3 => Just(None), 1 => Just(Some("https://search.example/")), 1 => Just(Some("https://shop.example/a")),
    ];
    let campaign =
        prop_oneof![4 => Just(""), 1 => Just("?utm_campaign=a"), 1 => Just("?utm_campaign=b")];
    let client = prop_oneof![3 => Just(None), 1 => Just(Some("00000000000000aa")), 1 => Just(Some("00000000000000bb"))];
    let whose = (0_u8..3, client, prop::bool::weighted(0.05));
    (any::<u64>(), kind, minutes_ago, 0_u8..4, referrer, campaign, whose).prop_map(
        |(id, kind, minutes_ago, page, referrer, campaign, (visitor, client, new_visit))| {
            let ts = NOW_MS - minutes_ago * 60_000;
            let mut body = json!({
                "v": 1, "site": 1, "kind": kind, "ts": ts, "id": uuid_v7(ts, id),
                "url": format!("https://shop.example/{page}{campaign}"), "new_visit": new_visit,
            });
            match kind {
                "download" => body["target"] = json!("https://shop.example/file.zip"),
                "outlink" => body["target"] = json!("https://other.example/"),
                "event" => body["event"] = json!({"category": "c", "action": "a"}),
                _ => {}
            }
            if let Some(referrer) = referrer {
                body["referrer"] = json!(referrer);
            }
            if let Some(client) = client {
                body["visitor"] = json!(client);
                body["consent"] = json!(true);
            }
            Sent { body, visitor }
        },
    )
}

fn uuid_v7(ts_ms: i64, random: u64) -> String {
    let hex = format!("{ts_ms:012x}7{:03x}8{:015x}", random >> 52, random & 0xfff_ffff_ffff_ffff);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// How the records are delivered: in which order, cut where, and where a merge comes between.
#[derive(Debug, Clone)]
struct Delivery {
    order: Vec<usize>,
    cuts: BTreeSet<usize>,
    merges: BTreeSet<usize>,
}

fn hits_and_delivery() -> impl Strategy<Value = (Vec<Sent>, Delivery)> {
    prop::collection::vec(sent(), 1..40).prop_flat_map(|hits| {
        // Every record twice.
        let twice: Vec<usize> = (0..hits.len()).chain(0..hits.len()).collect();
        let places = || prop::collection::btree_set(0..twice.len(), 0..8);
        let delivery = (Just(twice.clone()).prop_shuffle(), places(), places())
            .prop_map(|(order, cuts, merges)| Delivery { order, cuts, merges });
        (Just(hits), delivery)
    })
}

/// The hits of clients as ingest puts them on the stream.
async fn records(house: &House, hits: &[Sent]) -> Vec<Record> {
    for hit in hits {
        let headers = json!({"user-agent": format!("Mozilla/5.0 (X11; Linux x86_64) Chrome/{}.0.0.0", 100 + hit.visitor)});
        let from = format!("203.0.113.{}", hit.visitor);
        let event = http_event("POST", "/hit", &headers, &hit.body.to_string(), &from);
        assert_eq!(house.request(event).await.status_code, 204);
    }
    let records = house.records();
    assert_eq!(records.len(), hits.len());
    records
}

async fn answers(house: &House) -> Vec<Value> {
    let range = "from=2026-03-08&to=2026-03-10&bots=include&limit=1000";
    let mut answers = Vec::new();
    for question in ["", "&interval=day", "&by=page", "&by=channel", "&by=entry_page", "&by=device"]
    {
        answers.push(house.ask(&format!("{range}&metrics={METRICS}{question}")).await);
    }
    answers
}

async fn delivered_once_in_order(hits: &[Sent]) -> Vec<Value> {
    let house = House::new().await;
    let records = records(&house, hits).await;
    house.append(batch(SHARDS[0], 1, &records)).await;
    answers(&house).await
}

/// Before the last merge, and after it.
async fn delivered_anyhow(hits: &[Sent], delivery: &Delivery) -> [Vec<Value>; 2] {
    let house = House::new().await;
    let records = records(&house, hits).await;
    let all_dates = json!({"dates": ["2026-03-08", "2026-03-09", "2026-03-10"]});
    let mut waiting = Vec::new();
    for (place, &index) in delivery.order.iter().enumerate() {
        waiting.push(records[index].clone());
        if delivery.cuts.contains(&place) || place + 1 == delivery.order.len() {
            let taken = std::mem::take(&mut waiting);
            let event = batch(SHARDS[place % 2], place + 1 - taken.len(), &taken);
            house.append(event.clone()).await;
            // Lambda delivers a whole batch again, too.
            house.append(event).await;
        }
        if delivery.merges.contains(&place) {
            house.merge(all_dates.clone()).await;
        }
    }
    let before = answers(&house).await;
    house.merge(all_dates).await;
    [before, answers(&house).await]
}

proptest! {
    // A case is two whole installations and some twenty questions.
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.div_ceil(4),
        ..ProptestConfig::default()
    })]
    #[test]
    fn answers_depend_on_the_set_of_hits_alone((hits, delivery) in hits_and_delivery()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let expected = runtime.block_on(delivered_once_in_order(&hits));
        let [before, after] = runtime.block_on(delivered_anyhow(&hits, &delivery));
        prop_assert_eq!(&before, &expected, "hot objects and table");
        prop_assert_eq!(&after, &expected, "the table alone");
    }
}
