//! What the names in questions mean, for programs: metrics with their SQL, and dimensions.
//!
//! Made of docs/DEFINITIONS.md and of the tables that questions are read by, and kept in docs/, so
//! that a change shows in a review; the test beside compares.

/// Where they are served, to everybody.
pub(crate) const PATH: &str = "/v1/definitions";
/// The definitions.
pub(crate) const DOCUMENT: &str = include_str!("../../docs/definitions.json");

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value as Json, json};

    use super::*;
    use crate::answer::DEFINITIONS;
    use crate::dimension::DIMENSIONS;
    use crate::metric::METRICS;

    const PAGE: &str = include_str!("../../docs/DEFINITIONS.md");
    const TABLE: &str = "| metric | meaning | SQL |";

    /// By metric: what it means and its SQL, out of the page's tables.
    fn defined() -> BTreeMap<&'static str, (&'static str, &'static str)> {
        let mut defined = BTreeMap::new();
        for table in PAGE.split(TABLE).skip(1) {
            let rows = table.trim_start().lines().skip(1);
            for row in rows.take_while(|row| row.starts_with('|')) {
                let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
                let [names, meaning, sql] = cells.as_slice() else { panic!("three cells: {row}") };
                let names = names.split(", ");
                let sql: Vec<&str> = sql.trim_matches('`').split("`; `").collect();
                assert_eq!(names.clone().count(), sql.len(), "{row}");
                for (name, sql) in names.zip(sql) {
                    assert!(defined.insert(name, (*meaning, sql)).is_none(), "{name} twice");
                }
            }
        }
        defined
    }

    fn document() -> Json {
        let defined = defined();
        let metric = |name: &'static str| {
            let (meaning, sql) = defined.get(name).unwrap_or_else(|| panic!("{name} is undefined"));
            assert!(!meaning.is_empty(), "{name} means nothing");
            json!({"name": name, "meaning": meaning, "sql": sql})
        };
        let metrics: Vec<Json> = METRICS.iter().map(|it| metric(it.name)).collect();
        let dimension = |it: &crate::dimension::Dimension| {
            let kind = it.kind.map(|kind| kind.name());
            json!({"name": it.name, "type": if it.is_number() { "number" } else { "text" }, "kind": kind})
        };
        let dimensions: Vec<Json> = DIMENSIONS.iter().map(dimension).collect();
        json!({"definitions": DEFINITIONS, "metrics": metrics, "dimensions": dimensions})
    }

    #[test]
    fn they_are_what_the_page_and_the_tables_say() {
        let made = serde_json::to_string_pretty(&document()).unwrap() + "\n";
        if made != DOCUMENT {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/definitions.json");
            std::fs::write(path, made).unwrap();
            panic!(
                "docs/definitions.json was not what the page says; it is written anew: commit it"
            );
        }
    }

    #[test]
    fn the_page_defines_no_metric_that_there_is_not() {
        for name in defined().keys() {
            assert!(crate::metric::Metric::find(name).is_some(), "{name}");
        }
    }
}
