//! Writes and deletions, one after the other, with and without conditions.

use std::collections::HashSet;

use object_store::{ObjectStore, ObjectStoreExt, PutMode};

use super::{assert_exists, assert_not_found, assert_precondition, e_tag, path, read, update};
use crate::store::StoreRef;

/// Replacements in a row, all of one size: enough to meet a clock tick and a reused inode.
const REPLACEMENTS: u32 = 200;

pub(super) async fn run(store: &StoreRef) {
    create_and_update(store).await;
    deletion(store).await;
    e_tags_do_not_come_back(store).await;
    odd_names(store).await;
}

async fn create_and_update(store: &StoreRef) {
    let path = path("conditions/one.json");
    assert_precondition(store.put_opts(&path, "x".into(), update("\"none\"").into()).await);
    assert_not_found(store.get(&path).await);
    let first = e_tag(store.put_opts(&path, "first".into(), PutMode::Create.into()).await.unwrap());
    assert_exists(store.put_opts(&path, "again".into(), PutMode::Create.into()).await);
    assert_eq!(store.head(&path).await.unwrap().e_tag.as_ref(), Some(&first));
    let second =
        e_tag(store.put_opts(&path, "second".into(), update(&first).into()).await.unwrap());
    assert_ne!(first, second);
    assert_precondition(store.put_opts(&path, "stale".into(), update(&first).into()).await);
    assert_eq!(read(store.as_ref(), &path).await, "second");
    let third = e_tag(store.put(&path, "third, by force".into()).await.unwrap());
    assert_precondition(store.put_opts(&path, "stale".into(), update(&second).into()).await);
    assert_eq!(store.head(&path).await.unwrap().e_tag, Some(third));
    let no_tag = PutMode::Update(object_store::UpdateVersion { e_tag: None, version: None });
    assert!(store.put_opts(&path, "untold".into(), no_tag.into()).await.is_err());
    assert_eq!(read(store.as_ref(), &path).await, "third, by force");
}

async fn deletion(store: &StoreRef) {
    let path = path("deletion/a/b/c");
    store.delete(&path).await.unwrap();
    let e_tag = e_tag(store.put(&path, "".into()).await.unwrap());
    assert_eq!(read(store.as_ref(), &path).await, "");
    store.delete(&path).await.unwrap();
    store.delete(&path).await.unwrap();
    assert_not_found(store.get(&path).await);
    assert_not_found(store.head(&path).await);
    assert_precondition(store.put_opts(&path, "x".into(), update(&e_tag).into()).await);
    let left = store.list_with_delimiter(Some(&super::path("deletion"))).await.unwrap();
    assert!(
        left.common_prefixes.is_empty() && left.objects.is_empty(),
        "an emptied folder is still listed"
    );
    store.put_opts(&path, "back".into(), PutMode::Create.into()).await.unwrap();
    store.delete(&path).await.unwrap();
}

async fn e_tags_do_not_come_back(store: &StoreRef) {
    let path = path("conditions/often");
    let mut seen = HashSet::new();
    for number in 0..REPLACEMENTS {
        let put = store.put(&path, format!("{number:08}").into()).await.unwrap();
        assert!(seen.insert(e_tag(put)), "replacement {number} has the ETag of an earlier one");
        if number % 7 == 0 {
            store.delete(&path).await.unwrap();
        }
    }
}

/// Names that Hive partitions, URLs and shells make something of. (A name that ends in `#` and digits
/// is `object_store`'s own in a folder, and no name of ours.)
async fn odd_names(store: &StoreRef) {
    let names = [
        "dt=2015-05-17",
        "a b",
        "a%20b",
        "a+b&c?d",
        "ä-ö-日本",
        "it's \"so\"",
        "x#y",
        "~!@$^(),;:",
        ".hidden",
    ];
    for name in names {
        let path = path(&format!("odd/{name}/{name}"));
        let put = store.put_opts(&path, name.into(), PutMode::Create.into()).await.unwrap();
        let meta = store.head(&path).await.unwrap();
        assert_eq!((meta.location, meta.e_tag), (path.clone(), put.e_tag), "{name}");
        assert_eq!(read(store.as_ref(), &path).await, name, "{name}");
    }
    let listed = super::listing::names(store, Some(&super::path("odd"))).await;
    let mut expected: Vec<String> =
        names.iter().map(|name| format!("conformance/odd/{name}/{name}")).collect();
    expected.sort_unstable();
    assert_eq!(listed, expected);
}
