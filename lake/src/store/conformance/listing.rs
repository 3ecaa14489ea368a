//! Listings: complete over many pages, in the order of bytes, by whole segments.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::path;
use crate::store::StoreRef;

/// More than S3 gives in one page.
const MANY: usize = 1_050;

pub(super) async fn run(store: &StoreRef) {
    segments(store).await;
    many(store).await;
    let nothing = store.list_with_delimiter(Some(&path("listing/nothing"))).await.unwrap();
    assert!(nothing.common_prefixes.is_empty() && nothing.objects.is_empty());
    assert!(names(store, Some(&path("listing/nothing"))).await.is_empty());
}

pub(super) async fn names(store: &StoreRef, prefix: Option<&Path>) -> Vec<String> {
    store.list(prefix).map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap()
}

async fn segments(store: &StoreRef) {
    let all = ["a", "b/dt=1/x", "b/dt=1/y", "b/dt=10/x", "b/dt=2/x", "b/top", "ba/x"];
    for name in all {
        store.put(&path(&format!("listing/{name}")), name.into()).await.unwrap();
    }
    let below = |name: &str| path(&format!("listing/{name}"));
    let whole: Vec<String> = all.iter().map(|name| below(name).to_string()).collect();
    assert_eq!(names(store, Some(&path("listing"))).await, whole);
    let everything = names(store, None).await;
    assert!(whole.iter().all(|name| everything.contains(name)));
    assert!(everything.iter().all(|name| name.starts_with("conformance/")), "{everything:?}");
    assert_eq!(
        names(store, Some(&below("b/dt=1"))).await,
        [below("b/dt=1/x").to_string(), below("b/dt=1/y").into()]
    );
    let after: Vec<String> = store
        .list_with_offset(Some(&below("b")), &below("b/dt=10/x"))
        .map_ok(|meta| meta.location.to_string())
        .try_collect()
        .await
        .unwrap();
    assert_eq!(after, [below("b/dt=2/x").to_string(), below("b/top").into()]);
    let folder = store.list_with_delimiter(Some(&below("b"))).await.unwrap();
    assert_eq!(folder.common_prefixes, [below("b/dt=1"), below("b/dt=10"), below("b/dt=2")]);
    let objects: Vec<_> =
        folder.objects.iter().map(|meta| (&meta.location, meta.size, &meta.e_tag)).collect();
    let top = store.head(&below("b/top")).await.unwrap();
    assert_eq!(objects, [(&below("b/top"), 5, &top.e_tag)]);
    let root = store.list_with_delimiter(None).await.unwrap();
    assert_eq!((root.common_prefixes, root.objects.len()), (vec![Path::from("conformance")], 0));
}

async fn many(store: &StoreRef) {
    let folder = path("listing-many");
    let mut expected: Vec<String> =
        (0..MANY).map(|number| format!("{folder}/{number}.parquet")).collect();
    expected.sort_unstable();
    stream::iter(expected.iter().rev())
        .for_each_concurrent(16, |name| async move {
            store.put(&Path::parse(name).unwrap(), "x".into()).await.unwrap();
        })
        .await;
    assert_eq!(names(store, Some(&folder)).await, expected);
    assert_eq!(store.list_with_delimiter(Some(&folder)).await.unwrap().objects.len(), MANY);
    let paths = stream::iter(expected).map(|name| Ok(Path::parse(name)?)).boxed();
    let deleted: Vec<Path> = store.delete_stream(paths).try_collect().await.unwrap();
    assert_eq!(deleted.len(), MANY);
    assert!(names(store, Some(&folder)).await.is_empty());
}
