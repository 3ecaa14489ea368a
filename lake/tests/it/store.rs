//! The conformance suite over every store, and what only one of them can get wrong.

use std::sync::Arc;

use aws_sdk_s3::config::{Credentials, Region};
use lake::environment::Environment;
use lake::store::aws::Aws;
use lake::store::folder::FolderStore;
use lake::store::memory::MemoryStore;
use lake::store::s3::S3Store;
use lake::store::{StoreRef, conformance, open};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode};

/// Tells a copy of this program which folder to race in.
const RACE_FOLDER: &str = "HITLAKE_TEST_RACE_FOLDER";
/// Where an emulator of S3 listens.
const S3_ENDPOINT: &str = "HITLAKE_TEST_S3_ENDPOINT";

#[tokio::test(flavor = "multi_thread")]
async fn memory_conforms() {
    conformance::run(Arc::new(MemoryStore::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn folder_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().join("new/store").display().to_string().parse().unwrap();
    let store = open(&url, &Aws::new(&Environment::of(&[]))).await.unwrap();
    conformance::run(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn folder_with_several_handles_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let open = || -> StoreRef { Arc::new(FolderStore::open(folder.path()).unwrap()) };
    conformance::run_races(&[open(), open(), open()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_conforms() {
    let environment = Environment::process();
    let Some(endpoint) = environment.optional(S3_ENDPOINT) else {
        println!("skipped: {S3_ENDPOINT} is not set");
        return;
    };
    let client = s3_client(&endpoint, &Aws::new(&environment).kinesis().await);
    let bucket = format!("conformance-{}", std::process::id());
    client.create_bucket().bucket(&bucket).send().await.unwrap();
    conformance::run(Arc::new(S3Store::new(client.clone(), bucket.clone(), Path::default()))).await;
    let below = S3Store::new(client.clone(), bucket, Path::from("a=b/c d"));
    conformance::run(Arc::new(below.with_multipart_threshold(1_000))).await;
    let absent = S3Store::new(client, "no-such-bucket-anywhere".to_owned(), Path::default());
    let error = absent.get(&Path::from("x")).await.unwrap_err();
    assert!(
        !matches!(error, object_store::Error::NotFound { .. }),
        "a missing bucket is no empty store: {error}"
    );
}

/// A client of an emulator, which believes any credentials.
pub(crate) fn s3_client(endpoint: &str, shared: &aws_config::SdkConfig) -> aws_sdk_s3::Client {
    let credentials = Credentials::builder()
        .access_key_id("test")
        .secret_access_key("test")
        .provider_name("test")
        .build();
    let config = aws_sdk_s3::config::Builder::from(shared)
        .endpoint_url(endpoint)
        .force_path_style(true)
        .credentials_provider(credentials)
        .region(Region::new("us-east-1"));
    aws_sdk_s3::Client::from_conf(config.build())
}

/// Several processes create the same keys in one folder; each key must have one creator.
#[test]
fn folder_with_several_processes_has_one_winner_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let program = std::env::current_exe().unwrap();
    let start = || {
        std::process::Command::new(&program)
            .args(["--exact", "store::race_in_a_folder", "--nocapture"])
            .env(RACE_FOLDER, folder.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let processes: Vec<_> = (0..4).map(|_| start()).collect();
    let mut won = Vec::new();
    for process in processes {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        won.extend(
            text.lines().filter_map(|line| line.split_once("won ")).map(|(_, key)| key.to_owned()),
        );
    }
    won.sort_unstable();
    let expected: Vec<String> = (0..RACED_KEYS).map(|number| format!("key-{number:03}")).collect();
    assert_eq!(won, expected);
}

const RACED_KEYS: usize = 100;

/// One of the racing processes; does nothing when it is run as a test.
#[tokio::test]
async fn race_in_a_folder() {
    let Some(folder) = Environment::process().optional(RACE_FOLDER) else {
        return;
    };
    let store = FolderStore::open(folder.as_ref()).unwrap();
    for number in 0..RACED_KEYS {
        let key = format!("key-{number:03}");
        let put =
            store.put_opts(&Path::from(key.as_str()), "x".into(), PutMode::Create.into()).await;
        match put {
            Ok(_) => println!("won {key}"),
            Err(object_store::Error::AlreadyExists { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_folder_keeps_its_own_files_to_itself() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::open(folder.path()).unwrap();
    for own in [".staging/lock#0", ".staging/x"] {
        let own = Path::parse(own).unwrap();
        assert!(store.put(&own, "x".into()).await.is_err());
        assert!(store.get(&own).await.is_err());
        assert!(store.delete(&own).await.is_err());
    }
    let folders = store.list_with_delimiter(None).await.unwrap();
    assert!(folders.common_prefixes.is_empty() && folders.objects.is_empty());
    store.put(&Path::from("a/b"), "x".into()).await.unwrap();
    let staged: Vec<_> = std::fs::read_dir(folder.path().join(".staging"))
        .unwrap()
        .map(|f| f.unwrap().file_name())
        .collect();
    assert_eq!(staged, ["lock#0"]);
}

/// A coarse clock, and one that is put back, give new times all the same: they are the `ETag`s.
#[tokio::test]
async fn a_folder_stamps_every_write_with_a_later_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::open(folder.path()).unwrap();
    let lock =
        std::fs::File::options().write(true).open(folder.path().join(".staging/lock#0")).unwrap();
    let ahead = lock.metadata().unwrap().modified().unwrap() + std::time::Duration::from_secs(3600);
    lock.set_modified(ahead).unwrap();
    let mut last = ahead.into();
    let path = Path::from("same/size");
    for _ in 0..3 {
        let put = store.put(&path, "x".into()).await.unwrap();
        let meta = store.head(&path).await.unwrap();
        assert!(meta.last_modified > last);
        assert_eq!(meta.e_tag, put.e_tag);
        last = meta.last_modified;
        store.delete(&path).await.unwrap();
    }
}

#[tokio::test]
async fn a_folder_drops_what_a_killed_process_left_half_written_a_day_ago() {
    let folder = tempfile::tempdir().unwrap();
    FolderStore::open(folder.path()).unwrap();
    let staged = |name: &str, seconds: u64| {
        let file = std::fs::File::create(folder.path().join(".staging").join(name)).unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        file.set_modified(modified - std::time::Duration::from_secs(seconds)).unwrap();
    };
    staged("1#0", 25 * 3600);
    staged("2#0", 23 * 3600);
    FolderStore::open(folder.path()).unwrap();
    assert!(!folder.path().join(".staging/1#0").exists());
    assert!(folder.path().join(".staging/2#0").exists());
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = FolderStore::open(&file.path().join("store")).unwrap_err().to_string();
    assert!(error.contains(&file.path().join("store").display().to_string()), "{error}");
}
