//! The table's rows counted as docs/DEFINITIONS.md says in SQL, one by one.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array as _, RecordBatch};
use arrow::util::display::array_value_to_string;
use lake::columns::{COLUMNS, Column, Type};

/// The metrics that it counts.
pub(super) const NAIVE: [&str; 12] = [
    "hits",
    "pageviews",
    "unique_pageviews",
    "visits",
    "visitors",
    "actions",
    "bounces",
    "visit_duration",
    "converted_visits",
    "revenue",
    "time_on_page",
    "users",
];

/// The table's rows as texts, counted as docs/DEFINITIONS.md says in SQL.
pub(super) struct Naive(Vec<BTreeMap<&'static str, Option<String>>>);

impl Naive {
    pub(super) fn of(rows: &RecordBatch) -> Self {
        let row = |row: usize| {
            let cell = |column: &'static Column| {
                let array = rows.column_by_name(column.name).unwrap();
                let numbers = column.kind == Type::Time;
                let text = (!numbers && array.is_valid(row))
                    .then(|| array_value_to_string(array, row).unwrap());
                (column.name, text)
            };
            COLUMNS.iter().map(cell).collect()
        };
        Self((0..rows.num_rows()).map(row).collect())
    }

    pub(super) fn by(&self, column: Option<&str>) -> BTreeMap<String, Vec<f64>> {
        let ours = self.0.iter().filter(|row| row["site"].as_deref() == Some("1"));
        let mut groups: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for row in ours.filter(|row| row["bot_reason"].is_none()) {
            let value = column.map_or("all".to_owned(), |column| match &row[column] {
                Some(text) => format!("Text({text:?})"),
                None => "Null".to_owned(),
            });
            groups.entry(value).or_default().push(row);
        }
        groups.into_iter().map(|(value, rows)| (value, self.count(&rows))).collect()
    }

    fn count(&self, rows: &[&BTreeMap<&'static str, Option<String>>]) -> Vec<f64> {
        let kind = |kind: &str| {
            let kind = kind.to_owned();
            rows.iter().filter(move |row| row["kind"].as_deref() == Some(&kind))
        };
        let number =
            |text: &Option<String>| text.as_ref().map_or(0.0, |it| it.parse::<f64>().unwrap());
        let distinct = |column: &str| {
            rows.iter().filter_map(|row| row[column].clone()).collect::<BTreeSet<_>>().len() as f64
        };
        let visits: BTreeMap<String, (f64, f64, f64)> = rows
            .iter()
            .filter_map(|row| {
                let bounce = f64::from(row["is_bounce"].as_deref() == Some("true"));
                let values =
                    (number(&row["visit_actions"]), bounce, number(&row["visit_duration_s"]));
                Some((row["visit_id"].clone()?, values))
            })
            .collect();
        let is = |row: &BTreeMap<_, Option<String>>, flag| row[flag].as_deref() == Some("true");
        let converted: BTreeSet<&String> = self
            .0
            .iter()
            .filter(|row| is(row, "is_conversion"))
            .filter_map(|row| row["visit_id"].as_ref())
            .collect();
        let paid = rows.iter().filter(|row| is(row, "is_conversion"));
        vec![
            rows.iter().filter(|row| !is(row, "is_derived")).count() as f64,
            kind("pageview").count() as f64,
            kind("pageview")
                .filter_map(|row| row["visit_id"].clone())
                .collect::<BTreeSet<_>>()
                .len() as f64,
            visits.len() as f64,
            distinct("visitor_id"),
            visits.values().map(|visit| visit.0).sum(),
            visits.values().map(|visit| visit.1).sum(),
            visits.values().map(|visit| visit.2).sum(),
            visits.keys().filter(|visit| converted.contains(visit)).count() as f64,
            paid.map(|row| number(&row["revenue"])).sum(),
            kind("pageview").chain(kind("search")).map(|row| number(&row["time_on_page_s"])).sum(),
            distinct("user_id"),
        ]
    }
}
