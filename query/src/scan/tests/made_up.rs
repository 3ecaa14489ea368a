//! Made-up hits: a seed says all of one.

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::compute::cast;
use lake::columns::{COLUMNS, Column, Type, schema_for_reading};
use lake::hit::{HitId, Id64, Kind};

use super::*;

/// 2026-11-24T06:00:00Z.
const START_US: i64 = 1_795_500_000_000_000;

/// A number that belongs to a row and a column.
fn drawn(seed: u64, column: &str, below: u64) -> u64 {
    let mut z = column.bytes().fold(seed, |z, byte| {
        (z ^ u64::from(byte)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
    });
    z = (z ^ (z >> 31)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 33)) % below
}

/// Made-up hits, one a seed, with something in every raw column.
pub(super) fn hits(seeds: &[u64]) -> RecordBatch {
    let columns = COLUMNS.iter().map(|column| {
        if column.of_visit {
            new_null_array(&column.kind.arrow_for_reading(), seeds.len())
        } else {
            made_up(column, seeds)
        }
    });
    RecordBatch::try_new(schema_for_reading(), columns.collect()).unwrap()
}

fn made_up(column: &Column, seeds: &[u64]) -> ArrayRef {
    let name = column.name;
    if name == "own_timings" {
        return new_null_array(&column.kind.arrow_for_reading(), seeds.len());
    }
    let draw = |below| seeds.iter().map(move |seed| drawn(*seed, name, below));
    let text = |seed: &u64| -> Option<String> {
        let one_of = |texts: &[&str]| {
            let at = drawn(*seed, name, texts.len() as u64) as usize;
            Some(texts[at].to_owned()).filter(|text| !text.is_empty())
        };
        match name {
            "hit_id" => Some(HitId(u128::from(drawn(*seed, name, 40))).to_string()),
            "fingerprint" => Some(Id64(drawn(*seed, name, 8)).to_string()),
            "client_id" => {
                let id = drawn(*seed, name, 9);
                (id < 5).then(|| Id64(id + 100).to_string())
            }
            "kind" => one_of(&Kind::ALL.map(Kind::name)),
            "path" => one_of(&["", "/", "/news", "/news/x", "/newsletter"]),
            "query" | "user_id" => one_of(&["", "", "", "a=1", "b"]),
            "bot_reason" => one_of(&["", "", "", "", "robot"]),
            "hit_channel" => one_of(&["direct", "direct", "internal", "website", "campaign"]),
            "hit_campaign" => one_of(&["", "", "", "c1", "c2"]),
            _ => one_of(&["", "x", "y"]),
        }
    };
    let texts = || seeds.iter().map(text).collect::<StringArray>();
    match column.kind {
        Type::Text => cast(&texts(), &column.kind.arrow_for_reading()).unwrap(),
        Type::Id => Arc::new(texts()),
        Type::Int if name == "site" => {
            Arc::new(draw(2).map(|it| Some(it as i32 + 1)).collect::<Int32Array>())
        }
        Type::Int => {
            Arc::new(draw(6).map(|it| (it < 5).then_some(it as i32 * 7)).collect::<Int32Array>())
        }
        Type::Long => Arc::new(draw(5).map(|it| Some(it as i64 * 333)).collect::<Int64Array>()),
        Type::Double => {
            Arc::new(draw(5).map(|it| Some(it as f64 * 0.25)).collect::<Float64Array>())
        }
        Type::Bool => Arc::new(draw(9).map(|it| Some(it == 0)).collect::<BooleanArray>()),
        Type::Time => {
            let (steps, step_us) = if name == "ts" { (150, 420_000_000) } else { (3, 1) };
            let times = draw(steps).map(|it| Some(START_US + it as i64 * step_us));
            Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
        }
    }
}

/// Made-up hits, each with an id of its own.
pub(super) fn many(seeds: &[u64]) -> RecordBatch {
    let ids = seeds.iter().map(|seed| Some(HitId(u128::from(*seed) + 1000).to_string()));
    let ids: ArrayRef = Arc::new(ids.collect::<StringArray>());
    let (schema, mut columns, _) = hits(seeds).into_parts();
    columns[schema.index_of("hit_id").unwrap()] = ids;
    RecordBatch::try_new(schema, columns).unwrap()
}
