//! Objects written from files, in one piece and in parts.

use std::path::PathBuf;

use object_store::ObjectStoreExt;

use super::{assert_exists, assert_precondition, e_tag, path, read};
use crate::clock::{Random, SystemRandom};
use crate::store::{Expected, StoreRef};

/// In one piece, at both ends of a part, and in several parts.
const SIZES: [usize; 3] = [0, 1_000, 20 * 1024 * 1024];

pub(super) async fn run(store: &StoreRef) {
    for size in SIZES {
        conditions(store, size).await;
    }
    let missing = std::env::temp_dir().join("hitlake-conformance-no-such-file");
    assert!(store.put_file(&path("files/missing"), &missing, Expected::Absent).await.is_err());
}

/// A file of random bytes that goes when this does.
pub(super) struct Scratch {
    pub(super) file: PathBuf,
    bytes: Vec<u8>,
}

impl Scratch {
    pub(super) fn new(size: usize) -> Self {
        let file = std::env::temp_dir()
            .join(format!("hitlake-conformance-{:032x}", SystemRandom.next_u128()));
        let mut bytes = vec![0; size];
        SystemRandom.fill(&mut bytes);
        std::fs::write(&file, &bytes).unwrap();
        Self { file, bytes }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

async fn conditions(store: &StoreRef, size: usize) {
    let path = path(&format!("files/{size}.parquet"));
    let (one, two) = (Scratch::new(size), Scratch::new(size + 1));
    let put = |scratch: &Scratch, expected: Expected| {
        let (path, file, store) = (path.clone(), scratch.file.clone(), store.clone());
        async move { store.put_file(&path, &file, expected).await }
    };
    assert_precondition(put(&one, Expected::ETag("\"none\"".to_owned())).await);
    let first = e_tag(put(&one, Expected::Absent).await.unwrap());
    let meta = store.head(&path).await.unwrap();
    assert_eq!((meta.e_tag.as_ref(), meta.size), (Some(&first), size as u64));
    assert_exists(put(&two, Expected::Absent).await);
    assert!(read(store.as_ref(), &path).await == one.bytes, "{size} bytes came back changed");
    let second = e_tag(put(&two, Expected::ETag(first.clone())).await.unwrap());
    assert_precondition(put(&one, Expected::ETag(first)).await);
    assert!(read(store.as_ref(), &path).await == two.bytes, "{size} bytes were not replaced whole");
    assert_eq!(store.head(&path).await.unwrap().e_tag, Some(second));
    store.delete(&path).await.unwrap();
}
