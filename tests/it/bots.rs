//! Bots by a site's own rules: marked, kept, left out of answers unless asked for; and history
//! marked by rules that have changed.

use std::collections::BTreeMap;

use arrow::array::{Array as _, StringArray};
use compact::merge::Anew;
use futures_util::TryStreamExt as _;
use lake::layout;
use lake::parquet_file::decode;
use lake::site::{SiteSettings, put_site};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde_json::{Value, json};

use crate::house::{House, NOW_MS, batch, http_event};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
const KIOSK: &str = "Mozilla/5.0 (X11; Linux x86_64) Chrome/120.0.0.0 Safari/537.36 AcmeKiosk/2.1";
const OFFICE: &str = "198.51.100.7";
const HOME: &str = "203.0.113.9";

async fn put(house: &House, rules: &str) {
    let settings = format!(r#"{{"id":1,"name":"Shop","hosts":["shop.example"]{rules}}}"#);
    let settings = SiteSettings::parse(&settings).unwrap();
    put_site(&house.store, &settings, NOW_MS, true).await.unwrap();
}

/// A page view for each user agent and address.
async fn send(house: &House, clients: &[(&str, &str)]) {
    for (number, (user_agent, address)) in clients.iter().enumerate() {
        let hit = json!({
            "v": 1, "site": 1, "kind": "pageview", "url": "https://shop.example/",
            "id": format!("00000000-0000-7000-8000-{number:012}"), "ts": NOW_MS - 60_000,
        });
        let headers = json!({"user-agent": user_agent});
        let event = http_event("POST", "/hit", &headers, &hit.to_string(), address);
        assert_eq!(house.request(event).await.status_code, 204);
    }
    house.append(batch("shardId-000000000000", 1, &house.records())).await;
}

/// Hits that are counted by default, with bots, and of bots alone.
async fn counted(house: &House) -> [Value; 3] {
    let mut counted = [Value::Null, Value::Null, Value::Null];
    for (bots, count) in ["exclude", "include", "only"].iter().zip(&mut counted) {
        let question = format!("from=2026-03-10&to=2026-03-10&metrics=hits&bots={bots}");
        *count = house.ask(&question).await["totals"]["hits"].take();
    }
    counted
}

/// How many rows below a prefix of the store have which reason.
async fn reasons(house: &House, prefix: &str) -> BTreeMap<Option<String>, usize> {
    let mut reasons = BTreeMap::new();
    let prefix = Path::from(prefix);
    let objects: Vec<_> = house.store.list(Some(&prefix)).try_collect().await.unwrap();
    for object in objects {
        let bytes = house.store.get(&object.location).await.unwrap().bytes().await.unwrap();
        for rows in decode(&bytes).unwrap().0 {
            let column = rows.column_by_name("bot_reason").unwrap();
            let column = arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8).unwrap();
            let column = column.as_any().downcast_ref::<StringArray>().unwrap();
            for reason in column {
                *reasons.entry(reason.map(str::to_owned)).or_default() += 1;
            }
        }
    }
    reasons
}

fn named(reasons: &[(&str, usize)]) -> BTreeMap<Option<String>, usize> {
    let reason = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    reasons.iter().map(|(name, count)| (reason(name), *count)).collect()
}

#[tokio::test]
async fn a_sites_own_rules_mark_hits_that_are_kept_and_history_by_a_command() {
    let house = House::new().await;
    put(&house, r#","bot_ips":["198.51.100.0/24"],"bot_user_agents":["acmekiosk/2"]"#).await;
    let clients =
        [(FIREFOX, HOME), (FIREFOX, OFFICE), (KIOSK, HOME), ("curl/8.5.0", HOME), (KIOSK, OFFICE)];
    send(&house, &clients).await;
    let marked = named(&[("", 1), ("list:curl", 1), ("site:ip", 2), ("site:user_agent", 1)]);
    assert_eq!(reasons(&house, layout::HOT).await, marked);
    assert_eq!(counted(&house).await, [json!(1), json!(5), json!(4)], "while they wait");
    house.merge(json!({"dates": ["2026-03-10"]})).await;
    assert_eq!(reasons(&house, layout::HITS).await, marked);
    assert_eq!(counted(&house).await, [json!(1), json!(5), json!(4)]);

    // The kiosk is taken back, all of Firefox is marked: what the address says stays.
    put(&house, r#","bot_user_agents":["/Firefox\\/\\d+$/"]"#).await;
    let up_to_date = house.merge.reapply(Anew::Bots).await.unwrap();
    assert!(up_to_date.dates.is_empty(), "the list is the same");
    assert!(house.merge.reapply(Anew::BotsOf(2)).await.unwrap().dates.is_empty());
    assert_eq!(house.merge.reapply(Anew::BotsOf(1)).await.unwrap().dates.len(), 1);
    assert_eq!(reasons(&house, layout::HITS).await, marked, "of another hit");
    let kiosk = "from=2026-03-10&to=2026-03-10&metrics=hits&by=browser";
    let rows = house.ask(kiosk).await["rows"].take();
    assert_eq!(rows, json!([{"browser": "Chrome", "hits": 1}]));
    assert_eq!(counted(&house).await, [json!(1), json!(5), json!(4)]);
}

#[tokio::test]
async fn a_client_that_may_say_so_is_no_bot_by_the_sites_rules_either() {
    let house = House::new().await;
    let rules = r#","bot_ips":["203.0.113.9"],"bot_user_agents":["kiosk"]"#;
    put(&house, rules).await;
    for authorized in [true, false] {
        let headers = if authorized {
            json!({"user-agent": KIOSK, "authorization": format!("Bearer {}", house.token)})
        } else {
            json!({"user-agent": KIOSK})
        };
        let target = "/matomo.php?idsite=1&rec=1&bots=1&url=https://shop.example/";
        let event = http_event("GET", target, &headers, "", HOME);
        assert_eq!(house.request(event).await.status_code, 200);
    }
    house.append(batch("shardId-000000000000", 1, &house.records())).await;
    let marked = named(&[("", 1), ("site:ip", 1)]);
    assert_eq!(reasons(&house, layout::HOT).await, marked);
    house.merge.reapply(Anew::BotsOf(1)).await.unwrap();
    house.merge(json!({"dates": ["2026-03-10"]})).await;
    house.merge.reapply(Anew::BotsOf(1)).await.unwrap();
    assert_eq!(reasons(&house, layout::HITS).await, marked);
}
