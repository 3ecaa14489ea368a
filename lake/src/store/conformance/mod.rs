//! For tests: what every store must do, as one suite that runs over each of them.
//!
//! It works below `conformance/`, and expects nothing there.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a suite of tests: a failed expectation is a panic"
)]

mod conditions;
mod files;
mod listing;
mod races;
mod reads;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt, PutMode, PutResult, UpdateVersion};

use super::{Store, StoreRef};

/// Runs the whole suite over `store`.
///
/// # Panics
///
/// Where the store does not do what it must.
pub async fn run(store: StoreRef) {
    conditions::run(&store).await;
    reads::run(&store).await;
    listing::run(&store).await;
    files::run(&store).await;
    races::run(&[store]).await;
}

/// Runs the races over several handles of one store, such as those of several processes.
///
/// # Panics
///
/// Where other than exactly one writer wins, or an `ETag` comes back.
pub async fn run_races(handles: &[StoreRef]) {
    races::run(handles).await;
}

fn path(name: &str) -> Path {
    Path::parse(format!("conformance/{name}")).unwrap()
}

fn update(e_tag: &str) -> PutMode {
    PutMode::Update(UpdateVersion { e_tag: Some(e_tag.to_owned()), version: None })
}

fn e_tag(put: PutResult) -> String {
    put.e_tag.unwrap()
}

async fn read(store: &dyn Store, path: &Path) -> Bytes {
    store.get(path).await.unwrap().bytes().await.unwrap()
}

#[track_caller]
fn assert_precondition<T>(result: Result<T, Error>) {
    match result {
        Err(Error::Precondition { .. }) => {}
        Err(other) => panic!("expected a failed precondition, got {other}"),
        Ok(_) => panic!("expected a failed precondition, got success"),
    }
}

#[track_caller]
fn assert_exists<T>(result: Result<T, Error>) {
    match result {
        Err(Error::AlreadyExists { .. }) => {}
        Err(other) => panic!("expected that it exists, got {other}"),
        Ok(_) => panic!("expected that it exists, got success"),
    }
}

#[track_caller]
fn assert_not_found<T>(result: Result<T, Error>) {
    match result {
        Err(Error::NotFound { .. }) => {}
        Err(other) => panic!("expected that it is not found, got {other}"),
        Ok(_) => panic!("expected that it is not found, got success"),
    }
}
