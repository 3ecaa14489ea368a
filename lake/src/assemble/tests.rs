//! The table's rows depend on the set of hits alone.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int32Array, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::compute::{cast, concat_batches, take_record_batch};
use arrow::util::display::array_value_to_string;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use super::*;
use crate::columns::COLUMNS;
use crate::hit::{HitId, Id64, Kind};

/// A hit as the tests write it.
#[derive(Debug, Clone, Default)]
struct Given {
    site: i32,
    id: u128,
    minute: i64,
    received: i64,
    position: Option<i32>,
    kind: Kind,
    fingerprint: u64,
    client: Option<u64>,
    campaign: Option<&'static str>,
    path: &'static str,
    goal: Option<i32>,
    page_view: Option<&'static str>,
    on_load_ms: Option<i32>,
}

fn batch(hits: &[Given]) -> RecordBatch {
    let text = |value: &dyn Fn(&Given) -> Option<String>| -> ArrayRef {
        Arc::new(hits.iter().map(value).collect::<StringArray>())
    };
    let time = |value: fn(&Given) -> i64| -> ArrayRef {
        let times = hits.iter().map(|hit| Some(value(hit) * 60_000_000));
        Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let columns = COLUMNS.iter().map(|column| {
        let array: ArrayRef = match column.name {
            "site" => Arc::new(hits.iter().map(|hit| Some(hit.site)).collect::<Int32Array>()),
            "ts" => time(|hit| hit.minute),
            "received_at" => time(|hit| hit.received),
            "hit_id" => text(&|hit| Some(HitId(hit.id).to_string())),
            "kind" => text(&|hit| Some(hit.kind.name().to_owned())),
            "fingerprint" => text(&|hit| Some(Id64(hit.fingerprint).to_string())),
            "client_id" => text(&|hit| hit.client.map(|id| Id64(id).to_string())),
            "hit_channel" => {
                text(&|hit| Some(hit.campaign.map_or("direct", |_| "campaign").to_owned()))
            }
            "hit_campaign" => text(&|hit| hit.campaign.map(str::to_owned)),
            "position" => Arc::new(hits.iter().map(|hit| hit.position).collect::<Int32Array>()),
            "path" => text(&|hit| Some(hit.path.to_owned())),
            "page_view" => text(&|hit| hit.page_view.map(str::to_owned)),
            "goal_id" => Arc::new(hits.iter().map(|hit| hit.goal).collect::<Int32Array>()),
            "on_load_ms" => Arc::new(hits.iter().map(|hit| hit.on_load_ms).collect::<Int32Array>()),
            _ => new_null_array(&column.kind.arrow(), hits.len()),
        };
        cast(&array, &column.kind.arrow_for_reading()).unwrap()
    });
    RecordBatch::try_new(schema_for_reading(), columns.collect()).unwrap()
}

fn goals() -> Goals {
    let mut goals = Goals::default();
    for site in [1, 2] {
        let settings = json!([
            {"id": 1, "name": "a", "match": "url", "pattern": "/thanks", "revenue": 5},
            {"id": 2, "name": "b", "match": "url", "pattern": "/thanks", "once_per_visit": false},
            {"id": 3, "name": "c", "match": "manual", "revenue": 7},
        ]);
        goals.add(site, &serde_json::from_value::<Vec<_>>(settings).unwrap());
    }
    goals
}

/// Every value as text, so that dictionaries of any order compare.
fn shown(rows: &RecordBatch) -> Vec<Vec<String>> {
    let plain: Vec<ArrayRef> = rows
        .columns()
        .iter()
        .map(|column| match column.data_type() {
            arrow::datatypes::DataType::Timestamp(..) => {
                cast(column, &arrow::datatypes::DataType::Int64).unwrap()
            }
            _ => Arc::clone(column),
        })
        .collect();
    (0..rows.num_rows())
        .map(|row| plain.iter().map(|column| array_value_to_string(column, row).unwrap()).collect())
        .collect()
}

fn whole(hits: &[Given]) -> RecordBatch {
    assemble(&batch(hits), &goals()).unwrap().rows
}

fn column<'a, T: 'static>(rows: &'a RecordBatch, name: &str) -> &'a T {
    rows.column_by_name(name).unwrap().as_any().downcast_ref().unwrap()
}

/// Few sites, visitors and minutes, so that everything meets everything.
fn history(client_base: u64) -> impl Strategy<Value = Vec<Given>> {
    let kinds = prop::sample::select(vec![
        Kind::Pageview,
        Kind::Pageview,
        Kind::Event,
        Kind::Goal,
        Kind::Order,
        Kind::Ping,
        Kind::Search,
    ]);
    let hit = (
        (1..3_i32, any::<u128>(), 0..240_i64, 0..5_i64, kinds),
        (0..3_u64, prop::option::of(0..3_u64)),
        (
            prop::sample::select(vec![None, None, Some("a"), Some("b")]),
            prop::sample::select(vec!["/", "/thanks", "/thanks/2"]),
            prop::sample::select(vec![None, Some("p1"), Some("p2")]),
            prop::option::of(0..9_i32),
        ),
        prop::option::of(0..3_i32),
    );
    let given = hit.prop_map(
        move |((site, id, minute, received, kind), (print, client), page, position)| Given {
            site,
            id,
            minute,
            received,
            position,
            kind,
            fingerprint: client_base + print,
            client: client.map(|client| client_base + 100 + client),
            campaign: page.0,
            path: page.1,
            goal: (kind == Kind::Goal).then_some(3),
            page_view: page.2,
            on_load_ms: page.3,
        },
    );
    prop::collection::vec(given, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn rows_depend_on_the_set_of_hits_alone(
        hits in history(1000),
        swaps in prop::collection::vec((any::<Index>(), any::<Index>()), 40),
        again in prop::collection::vec(any::<Index>(), 0..10),
        cuts in prop::collection::vec(any::<Index>(), 0..4),
    ) {
        let expected = whole(&hits);
        let mut shuffled = hits.clone();
        // A copy that comes again is received later.
        shuffled.extend(again.iter().map(|index| {
            let copy = index.get(&hits).clone();
            Given { received: copy.received + 3, ..copy }
        }));
        for (left, right) in &swaps {
            let (left, right) = (left.index(shuffled.len()), right.index(shuffled.len()));
            shuffled.swap(left, right);
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(shuffled.len())).collect();
        cuts.extend([0, shuffled.len()]);
        cuts.sort_unstable();
        let mut table = empty();
        let mut duplicates = 0;
        for part in cuts.windows(2) {
            let fresh = batch(&shuffled[part[0]..part[1]]);
            let raw = concat_batches(&schema_for_reading(), [&table, &fresh]).unwrap();
            let done = assemble(&raw, &goals()).unwrap();
            duplicates += done.duplicates;
            table = done.rows;
        }
        prop_assert_eq!(shown(&table), shown(&expected));
        prop_assert_eq!(duplicates, again.len());
        let again = assemble(&table, &goals()).unwrap();
        prop_assert_eq!(shown(&again.rows), shown(&table), "merging again changes nothing");
        prop_assert_eq!(again.duplicates, 0);
    }

    #[test]
    fn visitors_who_share_nothing_do_not_touch(left in history(1000), right in history(5000)) {
        let apart: Vec<RecordBatch> = [&left, &right].into_iter().map(|hits| whole(hits)).collect();
        let mut apart: Vec<_> = apart.iter().flat_map(shown).collect();
        let mut together = shown(&whole(&[left, right].concat()));
        apart.sort_unstable();
        together.sort_unstable();
        prop_assert_eq!(together, apart);
    }
}

#[test]
fn a_conversion_by_pattern_is_a_row_beside_the_hit() {
    let page = Given { site: 1, path: "/", fingerprint: 1, ..Given::default() };
    let rows = whole(&[
        Given { id: 1, ..page.clone() },
        Given { id: 2, minute: 1, path: "/thanks", ..page.clone() },
        Given { id: 3, minute: 2, path: "/thanks", ..page.clone() },
        Given { id: 4, minute: 3, kind: Kind::Goal, goal: Some(3), ..page.clone() },
        Given { id: 5, minute: 4, kind: Kind::Goal, goal: Some(3), ..page },
    ]);
    let derived: &BooleanArray = column(&rows, "is_derived");
    let converts: &BooleanArray = column(&rows, "is_conversion");
    let goal: &Int32Array = column(&rows, "goal_id");
    let revenue: &Float64Array = column(&rows, "revenue");
    let seen: Vec<_> = (0..rows.num_rows())
        .map(|row| {
            let kind = array_value_to_string(rows.column_by_name("kind").unwrap(), row).unwrap();
            let goal = goal.is_valid(row).then(|| goal.value(row));
            let revenue = revenue.is_valid(row).then(|| revenue.value(row));
            (kind, derived.value(row), converts.value(row), goal, revenue)
        })
        .collect();
    let row = |kind: &str, derived, converts, goal, revenue| {
        (kind.to_owned(), derived, converts, goal, revenue)
    };
    assert_eq!(
        seen,
        [
            row("pageview", false, false, None, None),
            row("pageview", false, false, None, None),
            row("goal", true, true, Some(1), Some(5.0)),
            row("goal", true, true, Some(2), Some(0.0)),
            row("pageview", false, false, None, None),
            row("goal", true, true, Some(2), Some(0.0)),
            row("goal", false, true, Some(3), Some(7.0)),
            row("goal", false, false, Some(3), Some(7.0)),
        ]
    );
    let hits: &Int32Array = column(&rows, "visit_hits");
    assert!(hits.iter().all(|count| count == Some(5)), "derived rows are no hits");
    let entries: &BooleanArray = column(&rows, "is_entry");
    assert_eq!(entries.true_count(), 1);
}

#[test]
fn goals_put_later_change_nothing_of_hits_that_are_merged() {
    let page = Given { site: 1, id: 1, path: "/thanks", fingerprint: 1, ..Given::default() };
    let before = assemble(&batch(std::slice::from_ref(&page)), &Goals::default()).unwrap();
    assert_eq!(before.derived, 0);
    let late = batch(&[Given { id: 2, minute: 1, ..page }]);
    let raw = concat_batches(&schema_for_reading(), [&before.rows, &late]).unwrap();
    let after = assemble(&raw, &goals()).unwrap();
    assert_eq!(after.derived, 2, "both goals, of the hit that came after them");
    let kept = assemble(&after.rows, &Goals::default()).unwrap();
    assert_eq!(shown(&kept.rows), shown(&after.rows), "a goal taken away keeps its conversions");
}

#[test]
fn a_later_request_of_a_page_view_fills_its_timings() {
    let page =
        Given { site: 1, page_view: Some("a"), path: "/", fingerprint: 1, ..Given::default() };
    let later = |id, minute, ms| Given {
        id,
        minute,
        kind: Kind::Event,
        on_load_ms: Some(ms),
        ..page.clone()
    };
    let other = Given { id: 3, minute: 2, page_view: Some("b"), ..page.clone() };
    let says =
        Given { id: 4, minute: 3, page_view: Some("c"), on_load_ms: Some(7), ..page.clone() };
    let after = Given { page_view: Some("c"), ..later(5, 4, 90) };
    let given = [later(2, 1, 50), Given { id: 1, ..page.clone() }, other, says, after];
    let rows = whole(&given);
    let shown =
        |rows: &RecordBatch| column::<Int32Array>(rows, "on_load_ms").iter().collect::<Vec<_>>();
    assert_eq!(shown(&rows), [Some(50), Some(50), None, Some(90), Some(90)]);
    // One that comes late but happened before changes nothing; one that happened after does.
    let raw =
        concat_batches(&schema_for_reading(), [&rows, &batch(&[later(6, 0, 40), later(7, 9, 8)])])
            .unwrap();
    let rows = assemble(&raw, &goals()).unwrap().rows;
    assert_eq!(shown(&rows), [Some(8), Some(40), Some(50), None, Some(90), Some(90), Some(8)]);
    // An earlier copy of the last one says nothing: the page view has what it had before.
    let copy = Given { received: -1, on_load_ms: None, ..later(7, 9, 8) };
    let raw = concat_batches(&schema_for_reading(), [&rows, &batch(&[copy])]).unwrap();
    let rows = assemble(&raw, &goals()).unwrap().rows;
    assert_eq!(shown(&rows), [Some(50), Some(40), Some(50), None, Some(90), Some(90), None]);
    // And what it said itself when no other request is left.
    let own = arrow::compute::filter_record_batch(
        &rows,
        &column::<Int32Array>(&rows, "on_load_ms").iter().map(|ms| Some(ms == Some(90))).collect(),
    );
    let own = own.unwrap().slice(0, 1);
    assert_eq!(shown(&assemble(&own, &goals()).unwrap().rows), [Some(7)]);
}

#[test]
fn of_copies_the_earliest_received_stays() {
    let hit = Given { site: 1, id: 1, path: "/", fingerprint: 1, received: 5, ..Given::default() };
    let copy = Given { received: 4, path: "/x", ..hit.clone() };
    let done = assemble(&batch(&[hit, copy]), &Goals::default()).unwrap();
    assert_eq!((done.rows.num_rows(), done.duplicates), (1, 1));
    let paths = take_record_batch(&done.rows, &arrow::array::UInt32Array::from(vec![0])).unwrap();
    let path = paths.column_by_name("path").unwrap().as_dictionary::<arrow::datatypes::Int32Type>();
    assert_eq!(array_value_to_string(path, 0).unwrap(), "/x");
}
