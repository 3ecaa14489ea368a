//! Reads: conditions, ranges, and what a reader sees whose object is replaced.

use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt};

use super::{assert_not_found, assert_precondition, e_tag, path};
use crate::store::StoreRef;

const TEXT: &str = "0123456789";

pub(super) async fn run(store: &StoreRef) {
    let path = path("reads/digits");
    let e_tag = e_tag(store.put(&path, TEXT.into()).await.unwrap());
    ranges(store, &path).await;
    conditions(store, &path, &e_tag).await;
    replaced_while_reading(store, &path, &e_tag).await;
    assert_not_found(store.get_range(&super::path("reads/none"), 0..1).await);
}

async fn part(
    store: &StoreRef,
    path: &Path,
    range: GetRange,
) -> Result<(Bytes, std::ops::Range<u64>), Error> {
    let got = store.get_opts(path, GetOptions::new().with_range(Some(range))).await?;
    assert_eq!(got.meta.size, 10, "the size is that of the whole object");
    let range = got.range.clone();
    Ok((got.bytes().await?, range))
}

async fn ranges(store: &StoreRef, path: &Path) {
    for (range, from, to) in [
        (GetRange::Bounded(0..10), 0, 10),
        (GetRange::Bounded(3..4), 3, 4),
        (GetRange::Bounded(8..100), 8, 10),
        (GetRange::Offset(7), 7, 10),
        (GetRange::Suffix(4), 6, 10),
        (GetRange::Suffix(100), 0, 10),
    ] {
        let (bytes, given) = part(store, path, range.clone()).await.unwrap();
        assert_eq!(given, from..to, "{range:?}");
        let expected: String =
            TEXT.chars().skip(given.start as usize).take((to - from) as usize).collect();
        assert_eq!(bytes, expected, "{range:?}");
    }
    for range in [GetRange::Bounded(10..12), GetRange::Offset(10), GetRange::Bounded(GAP.0..GAP.1)]
    {
        assert!(
            part(store, path, range.clone()).await.is_err(),
            "{range:?} is outside of the object"
        );
    }
    let many = store.get_ranges(path, &[8..10, 0..2, 4..5]).await.unwrap();
    assert_eq!(many, ["89", "01", "4"]);
    let (many, read_bytes) = store.read_ranges(path, None, &[8..10, 0..2, 4..5]).await.unwrap();
    assert_eq!(many, ["89", "01", "4"]);
    assert!((5..=10).contains(&read_bytes), "the parts, and at most what lies between");
    for outside in [8..20, 10..12, 12..20] {
        let read = store.read_ranges(path, None, &[0..2, outside.clone()]).await;
        assert!(read.is_err(), "{outside:?} is not all there: {read:?}");
    }
    assert_eq!(store.read_ranges(path, None, &[]).await.unwrap(), (Vec::new(), 0));
    let head = store.get_opts(path, GetOptions::new().with_head(true)).await.unwrap();
    assert_eq!(head.meta.size, 10);
}

/// An empty range, which is an error.
const GAP: (u64, u64) = (4, 4);

async fn conditions(store: &StoreRef, path: &Path, e_tag: &str) {
    for head in [false, true] {
        let options = || GetOptions::new().with_head(head);
        let got = store.get_opts(path, options().with_if_match(Some(e_tag))).await.unwrap();
        assert_eq!(got.meta.e_tag.as_deref(), Some(e_tag));
        store.get_opts(path, options().with_if_none_match(Some("\"other\""))).await.unwrap();
        assert_precondition(store.get_opts(path, options().with_if_match(Some("\"other\""))).await);
        let unchanged = store.get_opts(path, options().with_if_none_match(Some(e_tag))).await;
        assert!(matches!(unchanged, Err(Error::NotModified { .. })), "{unchanged:?}");
    }
}

/// Who has opened an object goes on reading that version; who opens it by its old `ETag` is told, even
/// where the range that it wants is not there any more.
async fn replaced_while_reading(store: &StoreRef, path: &Path, e_tag: &str) {
    let pinned = || GetOptions::new().with_if_match(Some(e_tag));
    let opened = store.get_opts(path, pinned()).await.unwrap();
    store.put(path, "short".into()).await.unwrap();
    assert_eq!(opened.bytes().await.unwrap(), TEXT);
    assert_precondition(store.get_opts(path, pinned()).await);
    assert_precondition(store.get_opts(path, pinned().with_range(Some(0..2))).await);
    assert_precondition(store.get_opts(path, pinned().with_range(Some(8..10))).await);
    assert_precondition(store.read_ranges(path, Some(e_tag), &[0..2, 8..10]).await);
    let opened = store.get(path).await.unwrap();
    store.delete(path).await.unwrap();
    assert_eq!(opened.bytes().await.unwrap(), "short");
    assert_not_found(store.read_ranges(path, Some(e_tag), &[0..2, 8..10]).await);
}
