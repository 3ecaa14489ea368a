use serde_json::Value as Json;

use super::generate::{EXAMPLES, document};
use super::{DOCUMENT, PATH};
use crate::dimension::DIMENSIONS;
use crate::question::PARAMETERS;
use crate::report::REPORTS;

#[test]
fn the_description_is_what_the_tables_say() {
    let made = serde_json::to_string_pretty(&document()).unwrap() + "\n";
    if made != DOCUMENT {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
        std::fs::write(path, made).unwrap();
        panic!("docs/openapi.json was not what the code says; it is written anew: commit it");
    }
}

#[test]
fn every_parameter_but_the_cursor_has_an_example() {
    let names: Vec<&str> = PARAMETERS.into_iter().filter(|name| *name != "cursor").collect();
    assert_eq!(EXAMPLES.map(|(name, _)| name).to_vec(), names);
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let text = document.to_string();
    let references = text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next());
    let mut count = 0;
    for reference in references {
        assert!(document.pointer(reference).is_some(), "{reference}");
        count += 1;
    }
    assert!(count > 100 && document["paths"].get(PATH).is_some());
}

#[test]
fn every_operation_has_a_name_of_its_own() {
    let document = document();
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|path| path.as_object().unwrap().values());
    let mut names: Vec<&Json> = operations.map(|it| &it["operationId"]).collect();
    let count = names.len();
    names.sort_by_key(|name| name.as_str());
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn the_page_of_the_api_names_every_parameter_report_and_dimension() {
    let page = include_str!("../../../docs/API.md");
    let names = PARAMETERS
        .into_iter()
        .chain(REPORTS.iter().map(|(name, _)| *name))
        .chain(DIMENSIONS.iter().map(|dimension| dimension.name));
    for name in names.filter(|name| !name.starts_with("dimension")) {
        assert!(page.contains(&format!("`{name}`")), "docs/API.md does not name {name}");
    }
}
