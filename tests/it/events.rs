//! The sample events, parsed by the types that the functions take, and taken by the functions.

use std::path::PathBuf;

use lake::store::StoreRef;
use object_store::path::Path;
use serde::de::DeserializeOwned;

use crate::house::House;

async fn objects_below(store: &StoreRef, prefix: &str) -> usize {
    let mut folders = vec![Path::from(prefix)];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        let listed = store.list_with_delimiter(Some(&folder)).await.unwrap();
        count += listed.objects.len();
        folders.extend(listed.common_prefixes);
    }
    count
}

fn events(prefix: &str) -> Vec<(String, PathBuf)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../events");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
        .filter(|(name, _)| name.starts_with(prefix) && name.ends_with(".json"))
        .collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

fn parse<T: DeserializeOwned>(path: &PathBuf) -> T {
    serde_json::from_slice(&std::fs::read(path).unwrap())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[tokio::test]
async fn ingest_takes_its_events() {
    let house = House::new().await;
    for (name, path) in events("ingest-") {
        let answer = house.request(parse(&path)).await;
        assert!((200..300).contains(&answer.status_code), "{name}: {answer:?}");
        assert!(!answer.headers.contains_key("hitlake-dropped"), "{name}: {answer:?}");
    }
    assert!(house.records().len() >= 6, "three beacons of ours, Matomo's, and a bulk of three");
}

#[tokio::test]
async fn append_takes_its_events_and_merge_and_query_theirs() {
    for (name, path) in events("append-") {
        let house = House::new().await;
        house.append(parse(&path)).await;
        let rejected = objects_below(&house.store, "rejected").await;
        assert_eq!(rejected, if name.contains("poison") { 2 } else { 0 }, "{name}");
    }
    let house = House::new().await;
    for (_, path) in events("merge-") {
        house.merge(parse(&path)).await;
    }
    for (name, path) in events("query-") {
        let answer = house.query(parse(&path)).await;
        // All else needs a token that only its owner has.
        let is_open = ["query-health.json", "query-openapi.json"].contains(&name.as_str());
        assert_eq!(answer.status_code, if is_open { 200 } else { 401 }, "{name}");
    }
}
