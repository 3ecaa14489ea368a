//! Generated hits as the columns of a hot object; each bench draws the hits that it needs.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use lake::clock::{Random as _, SeededRandom};
use lake::columns::{COLUMNS, Column, schema};
use lake::hit::{HitId, Id64};

/// One generated hit.
pub(crate) struct Generated {
    pub(crate) site: i32,
    pub(crate) ts_us: i64,
    pub(crate) id: u128,
    /// Gives what a visitor is told by, and all that he brings along.
    pub(crate) visitor: u64,
    pub(crate) page: u64,
    /// Chance for the columns.
    pub(crate) rare: u64,
    pub(crate) kind: &'static str,
    /// The hit's own, as append finds it.
    pub(crate) channel: &'static str,
    pub(crate) is_bot: bool,
}

/// The hits as a hot object has them.
pub(crate) fn batch(hits: &[Generated]) -> RecordBatch {
    let columns = COLUMNS.iter().map(|column| array(column, hits)).collect();
    RecordBatch::try_new(schema(), columns).unwrap()
}

/// One of these names, the same for a visitor each time; the first are the usual ones.
pub(crate) fn of_visitor(visitor: u64, names: &[&'static str], salt: u64) -> &'static str {
    let drawn = (hash(visitor, salt) >> 11) as f64 / (1_u64 << 53) as f64;
    names.get((drawn * drawn * names.len() as f64) as usize).copied().unwrap()
}

pub(crate) fn hash(number: u64, salt: u64) -> u64 {
    let random = SeededRandom::new(number.wrapping_mul(31).wrapping_add(salt));
    u64::try_from(random.next_u128() >> 64).unwrap()
}

#[expect(clippy::too_many_lines, reason = "a table of columns")]
fn array(column: &Column, hits: &[Generated]) -> ArrayRef {
    let text = |value: &dyn Fn(&Generated) -> Option<String>| -> ArrayRef {
        Arc::new(hits.iter().map(value).collect::<StringArray>())
    };
    let of_visitor = |names: &'static [&'static str], salt: u64| -> ArrayRef {
        let names = hits.iter().map(|hit| Some(of_visitor(hit.visitor, names, salt)));
        Arc::new(names.collect::<StringArray>())
    };
    let of_event = |value: &'static str| -> ArrayRef {
        text(&|hit| (hit.kind == "event").then(|| value.to_owned()))
    };
    let times = |value: &dyn Fn(&Generated) -> i64| -> ArrayRef {
        let times = hits.iter().map(|hit| Some(value(hit)));
        Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    match column.name {
        "site" => Arc::new(hits.iter().map(|hit| Some(hit.site)).collect::<Int32Array>()),
        "ts" => times(&|hit| hit.ts_us),
        "received_at" => {
            times(&|hit| hit.ts_us + 1_000 * i64::try_from(50 + hit.rare % 400).unwrap())
        }
        "hit_id" => text(&|hit| Some(HitId(hit.id).to_string())),
        // Of a day: the salt of its hash is another tomorrow.
        "fingerprint" => text(&|hit| {
            let day = u64::try_from(hit.ts_us / 86_400_000_000).unwrap();
            Some(Id64(hash(hit.visitor, day)).to_string())
        }),
        "client_id" => {
            text(&|hit| (hit.visitor % 2 == 0).then(|| Id64(hash(hit.visitor, 2)).to_string()))
        }
        "client_id_forced" | "new_visit" => {
            Arc::new(hits.iter().map(|_| Some(false)).collect::<BooleanArray>())
        }
        "kind" => text(&|hit| Some(hit.kind.to_owned())),
        "host" => text(&|hit| Some(format!("www.site{}.example", hit.site))),
        "path" => text(&|hit| Some(format!("/section-{}/article-{}", hit.page % 30, hit.page))),
        "query" => text(&|hit| (hit.rare % 20 == 0).then(|| format!("id={}", hit.rare % 100_000))),
        "title" => {
            text(&|hit| Some(format!("Article number {} of section {}", hit.page, hit.page % 30)))
        }
        "target" => text(&|hit| match hit.kind {
            "download" => {
                Some(format!("https://www.site{}.example/{}.pdf", hit.site, hit.page % 200))
            }
            "outlink" => Some(format!("https://www.other{}.example/", hit.rare % 50)),
            _ => None,
        }),
        "search_term" => {
            text(&|hit| (hit.kind == "search").then(|| format!("term {}", hit.page % 500)))
        }
        "event_category" => of_event("video"),
        "event_action" => of_event("play"),
        "event_value" => Arc::new(
            hits.iter().map(|hit| (hit.kind == "event").then_some(1.0)).collect::<Float64Array>(),
        ),
        "country" => of_visitor(&["GB", "DE", "US", "FR", "NL", "PL", "IT", "ES"], 3),
        "region" => of_visitor(&["ENG", "BE", "CA", "IDF", "NH", "MZ", "BY", "NY", "TX"], 4),
        "city" => of_visitor(&["London", "Berlin", "Paris", "Leeds", "York", "Bonn", "Essen"], 5),
        "language" => of_visitor(&["en-gb", "de-de", "en-us", "fr-fr", "nl-nl"], 6),
        "device" => of_visitor(&["mobile", "desktop", "tablet"], 7),
        "brand" => of_visitor(&["Apple", "Samsung", "Google", "Xiaomi"], 8),
        "os" => of_visitor(&["iOS", "Android", "Windows", "macOS", "Linux"], 9),
        "os_version" => of_visitor(&["18", "15", "10", "17", "14", "11"], 10),
        "browser" => of_visitor(&["Chrome", "Safari", "Firefox", "Edge"], 11),
        "browser_version" => of_visitor(&["130", "131", "129", "18", "17"], 12),
        "screen" => of_visitor(&["390x844", "1920x1080", "412x915", "1440x900"], 13),
        "timezone" => of_visitor(&["Europe/London", "Europe/Berlin", "America/New_York"], 14),
        "user_agent" => text(&|hit| {
            let drawn = hash(hit.visitor, 15) % 300;
            Some(format!(
                "Mozilla/5.0 (Device {drawn}) AppleWebKit/537 (KHTML, like Gecko) Chrome/{}",
                100 + drawn % 30
            ))
        }),
        "bot_reason" => text(&|hit| hit.is_bot.then(|| "crawler".to_owned())),
        "hit_channel" => text(&|hit| Some(hit.channel.to_owned())),
        "hit_referrer_host" => of_visitor(&["www.google.com", "www.bing.com", "t.co"], 17),
        "hit_campaign" => text(&|hit| {
            (hit.channel == "campaign").then(|| format!("campaign {}", hit.visitor % 12))
        }),
        "page_view" => text(&|hit| Some(format!("{:06x}", hit.rare & 0xFF_FFFF))),
        _ => new_null_array(&column.kind.arrow(), hits.len()),
    }
}
