//! What the store makes of answers that no emulator gives, from a server that says what it is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lake::environment::Environment;
use lake::store::aws::Aws;
use lake::store::s3::S3Store;
use lake::store::{Expected, Store};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, UpdateVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const CONFLICT: &str = "409 ConditionalRequestConflict";
const DONE: &str = "200 -";

/// Answers requests in turn, the last answer for all that follow.
struct Server {
    store: S3Store,
    requests: Arc<AtomicUsize>,
}

impl Server {
    /// Each answer is a status and the code of an error.
    async fn new(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = seen.fetch_add(1, Ordering::SeqCst);
                let answer = answers.get(number).or(answers.last()).unwrap();
                answer_one(stream, answer).await;
            }
        });
        let shared = Aws::new(&Environment::of(&[]));
        let client = crate::store::s3_client(&endpoint, &shared.kinesis().await);
        Self { store: S3Store::new(client, "bucket".to_owned(), Path::default()), requests }
    }

    async fn put(&self, mode: PutMode) -> Error {
        self.store.put_opts(&Path::from("a"), "x".into(), mode.into()).await.unwrap_err()
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn answer_one(mut stream: TcpStream, answer: &str) {
    let mut request = Vec::new();
    while !complete(&request) {
        let mut more = [0; 4096];
        let read = stream.read(&mut more).await.unwrap();
        request.extend_from_slice(&more[..read]);
        if read == 0 {
            return;
        }
    }
    let (status, code) = answer.split_once(' ').unwrap();
    let body = match (status, request.starts_with(b"HEAD")) {
        ("200", _) | (_, true) => String::new(),
        _ => format!("<Error><Code>{code}</Code><Message>told so</Message></Error>"),
    };
    let head = format!("HTTP/1.1 {status} Told\r\nETag: \"e\"\r\nConnection: close\r\n");
    let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).await.unwrap();
}

/// Whether all of a request is there: its head, and as many bytes as that says.
fn complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

fn update() -> PutMode {
    PutMode::Update(UpdateVersion { e_tag: Some("\"e\"".to_owned()), version: None })
}

#[tokio::test]
async fn a_write_that_meets_another_one_is_tried_again() {
    let server = Server::new(&[CONFLICT, CONFLICT, DONE]).await;
    let put = server.store.put_opts(&Path::from("a"), "x".into(), update().into()).await.unwrap();
    assert_eq!((put.e_tag.as_deref(), server.requests()), (Some("\"e\""), 3));
}

/// "Exists" would tell a writer that its object is safe.
#[tokio::test]
async fn a_conflict_that_lasts_is_never_taken_for_an_object_that_exists() {
    for mode in [PutMode::Create, update()] {
        let server = Server::new(&[CONFLICT]).await;
        let error = server.put(mode).await;
        assert!(matches!(error, Error::Precondition { .. }), "{error}");
        assert_eq!(server.requests(), 5);
    }
}

#[tokio::test]
async fn failed_conditions_are_told_apart() {
    for (answer, mode, expected) in [
        ("412 PreconditionFailed", PutMode::Create, "AlreadyExists"),
        ("412 PreconditionFailed", update(), "Precondition"),
        ("404 NoSuchKey", update(), "Precondition"),
        ("404 NoSuchBucket", update(), "Generic"),
        ("403 AccessDenied", PutMode::Create, "PermissionDenied"),
        ("409 OperationAborted", PutMode::Create, "Generic"),
    ] {
        let server = Server::new(vec![answer].leak()).await;
        let error = server.put(mode).await;
        assert_eq!(format!("{error:?}").split_once(' ').unwrap().0, expected, "{answer}: {error}");
        assert_eq!(server.requests(), 1, "{answer}");
    }
}

#[tokio::test]
async fn a_busy_store_is_asked_again() {
    let server = Server::new(&["503 SlowDown", "500 InternalError", DONE]).await;
    server.store.head(&Path::from("a")).await.unwrap();
    assert_eq!(server.requests(), 3);
}

#[tokio::test]
async fn an_upload_without_an_id_is_an_error() {
    let server = Server::new(&[DONE]).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let store = server.store.clone().with_multipart_threshold(0);
    let error = store.put_file(&Path::from("a"), file.path(), Expected::Absent).await.unwrap_err();
    assert!(matches!(error, Error::Generic { .. }), "{error}");
}
