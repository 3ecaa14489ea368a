//! Writers at once on one key: exactly one wins, and nobody's write is lost unseen.

use std::collections::HashSet;
use std::future::Future;

use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutResult};

use super::files::Scratch;
use super::{e_tag, path, read, update};
use crate::store::{Expected, StoreRef, is_conflict};

const WRITERS: usize = 16;
const ROUNDS: usize = 5;
/// What each writer adds to the shared counter.
const INCREMENTS: u64 = 5;

pub(super) async fn run(handles: &[StoreRef]) {
    for round in 0..ROUNDS {
        let path = path(&format!("races/{round}"));
        let first = one_wins(handles, &path, PutMode::Create).await;
        one_wins(handles, &path, update(&first)).await;
        from_files(handles, &super::path(&format!("races/file-{round}"))).await;
    }
    counter(handles, &path("races/counter")).await;
}

/// Starts all writers at once, over all handles.
async fn together<T, F>(handles: &[StoreRef], write: impl Fn(usize, StoreRef) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let stores = handles.iter().cycle().take(WRITERS).cloned().enumerate();
    let tasks: Vec<_> = stores.map(|(number, store)| tokio::spawn(write(number, store))).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

/// The number and the new `ETag` of the only one who won; all others must have met the condition.
fn winner(what: &str, results: Vec<Result<PutResult, Error>>) -> (usize, String) {
    let mut won = Vec::new();
    for (number, result) in results.into_iter().enumerate() {
        match result {
            Ok(put) => won.push((number, e_tag(put))),
            Err(error) => assert!(is_conflict(&error), "writer {number}: {error}"),
        }
    }
    assert_eq!(won.len(), 1, "{what}: one writer wins, but here {won:?}");
    won.pop().unwrap()
}

/// Every writer brings other bytes than all before: S3's `ETag` is a digest, and who writes equal bytes
/// leaves it as it is, so that the next writer wins too.
async fn one_wins(handles: &[StoreRef], path: &Path, mode: PutMode) -> String {
    let bytes = |number: usize| format!("writer {number} by {mode:?}");
    let results = together(handles, |number, store| {
        let (path, mode, bytes) = (path.clone(), mode.clone(), bytes(number));
        async move { store.put_opts(&path, bytes.into(), mode.into()).await }
    })
    .await;
    let (number, e_tag) = winner(&format!("put {mode:?}"), results);
    let store = handles.first().unwrap();
    assert_eq!(read(store.as_ref(), path).await, bytes(number), "the winner's bytes are there");
    assert_eq!(store.head(path).await.unwrap().e_tag.as_ref(), Some(&e_tag));
    e_tag
}

/// The same from files, in parts where the store's threshold says so.
async fn from_files(handles: &[StoreRef], path: &Path) {
    let race = |expected: Expected| {
        let path = path.clone();
        together(handles, move |_, store| {
            let (path, expected) = (path.clone(), expected.clone());
            async move {
                let scratch = Scratch::new(2_000);
                store.put_file(&path, &scratch.file, expected).await
            }
        })
    };
    let (_, first) = winner("create from a file", race(Expected::Absent).await);
    winner("replace from a file", race(Expected::ETag(first)).await);
}

/// Reads, adds one and replaces if unchanged, until it worked: every addition must be in the sum.
async fn counter(handles: &[StoreRef], path: &Path) {
    handles.first().unwrap().put(path, "0".into()).await.unwrap();
    let tags = together(handles, |_, store| {
        let path = path.clone();
        async move {
            let mut tags = Vec::new();
            for _ in 0..INCREMENTS {
                tags.push(increment(&store, &path).await);
            }
            tags
        }
    })
    .await;
    let sum = read(handles.first().unwrap().as_ref(), path).await;
    let writes = WRITERS as u64 * INCREMENTS;
    assert_eq!(sum, writes.to_string(), "an addition was lost");
    let distinct: HashSet<String> = tags.into_iter().flatten().collect();
    assert_eq!(distinct.len() as u64, writes, "an ETag came back");
}

async fn increment(store: &StoreRef, path: &Path) -> String {
    loop {
        let got = store.get(path).await.unwrap();
        let seen = got.meta.e_tag.clone().unwrap();
        let number: u64 =
            std::str::from_utf8(&got.bytes().await.unwrap()).unwrap().parse().unwrap();
        match store.put_opts(path, (number + 1).to_string().into(), update(&seen).into()).await {
            Ok(put) => return e_tag(put),
            Err(error) => assert!(is_conflict(&error), "{error}"),
        }
    }
}
