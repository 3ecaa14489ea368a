//! The stream on AWS against a server of our own that answers as Kinesis does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use ingest::kinesis::KinesisStream;
use lake::clock::SeededRandom;
use lake::limits::{
    KINESIS_ATTEMPTS, KINESIS_PARTIAL_ATTEMPTS, KINESIS_PUT_TIMEOUT, MAX_PUT_RECORDS,
    MAX_RECORD_BYTES,
};
use lake::stream::{HitStream as _, Record, StreamError};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Says to a call (its number, from 0, and its body) status and body.
type Script = fn(usize, &Value) -> (u16, Value);

struct Stub {
    stream: KinesisStream,
    calls: Arc<Mutex<Vec<Value>>>,
}

async fn stub(script: Script) -> Stub {
    slow_stub(script, Duration::ZERO).await
}

/// Each answer comes after `delay`.
async fn slow_stub(script: Script, delay: Duration) -> Stub {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let calls = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&calls);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket, script, delay, Arc::clone(&seen)));
        }
    });
    let config = aws_config::SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(aws_sdk_kinesis::config::SharedCredentialsProvider::new(
            Credentials::new("id", "secret", None, None, "test"),
        ))
        .endpoint_url(url)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .sleep_impl(aws_sdk_kinesis::config::SharedAsyncSleep::new(Sleep))
        .build();
    let random = Arc::new(SeededRandom::new(1));
    Stub { stream: KinesisStream::new(&config, "hits".to_owned(), random), calls }
}

/// Pauses of the client take no time.
#[derive(Debug)]
struct Sleep;

impl aws_sdk_kinesis::config::AsyncSleep for Sleep {
    fn sleep(&self, duration: Duration) -> aws_sdk_kinesis::config::Sleep {
        // Timeouts run on the same clock and must not fire at once.
        let is_timeout = duration >= lake::limits::AWS_CONNECT_TIMEOUT;
        aws_sdk_kinesis::config::Sleep::new(async move {
            if is_timeout {
                tokio::time::sleep(duration).await;
            }
        })
    }
}

async fn serve(
    mut socket: TcpStream,
    script: Script,
    delay: Duration,
    seen: Arc<Mutex<Vec<Value>>>,
) {
    let mut bytes = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
                break at + 4;
            }
            if socket.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok())
            .unwrap();
        while bytes.len() < end + length {
            socket.read_buf(&mut bytes).await.unwrap();
        }
        let body: Value = serde_json::from_slice(&bytes[end..end + length]).unwrap();
        bytes.drain(..end + length);
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(body.clone());
            seen.len() - 1
        };
        let (status, answer) = script(number, &body);
        let answer = answer.to_string();
        let answer = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n{answer}",
            answer.len()
        );
        tokio::time::sleep(delay).await;
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return; // the client waited no longer
        }
    }
}

fn records(count: usize) -> Vec<Record> {
    let record =
        |n: usize| Record { partition_key: format!("key-{n}"), data: vec![b'x'; 8].into() };
    (0..count).map(record).collect()
}

fn keys(call: &Value) -> Vec<String> {
    let records = call["Records"].as_array().unwrap();
    records.iter().map(|record| record["PartitionKey"].as_str().unwrap().to_owned()).collect()
}

fn placed(n: usize) -> Value {
    json!({"ShardId":"shardId-000000000000","SequenceNumber":n.to_string()})
}

fn throttled() -> Value {
    json!({"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"slow down"})
}

#[tokio::test]
async fn records_that_were_refused_are_sent_again_and_only_they() {
    let stub = stub(|number, body| {
        let answers: Vec<Value> = keys(body)
            .iter()
            .enumerate()
            .map(
                |(n, _)| {
                    if number == 0 && n % 2 == 1 { throttled() } else { placed(number * 10 + n) }
                },
            )
            .collect();
        (200, json!({"FailedRecordCount":1,"Records":answers}))
    })
    .await;
    let positions = stub.stream.put(records(4)).await.unwrap();
    let sequences: Vec<_> = positions.iter().map(|position| position.sequence.as_str()).collect();
    assert_eq!(sequences, ["0", "10", "2", "11"]);
    let calls = stub.calls.lock().unwrap();
    assert_eq!(calls.len(), 2);
    assert_eq!(keys(&calls[1]), ["key-1", "key-3"]);
}

#[tokio::test]
async fn records_that_stay_refused_are_not_acknowledged() {
    let stub = stub(|_, body| {
        let answers: Vec<Value> = keys(body)
            .iter()
            .map(|key| if key == "key-0" { placed(1) } else { throttled() })
            .collect();
        (200, json!({"FailedRecordCount":1,"Records":answers}))
    })
    .await;
    let error = stub.stream.put(records(3)).await.unwrap_err();
    let StreamError::Unavailable { taken, total, attempts, reason } = error else {
        panic!("{error}")
    };
    assert_eq!((taken, total, attempts), (1, 3, KINESIS_PARTIAL_ATTEMPTS));
    assert_eq!(reason, "ProvisionedThroughputExceededException");
    assert_eq!(stub.calls.lock().unwrap().len(), KINESIS_PARTIAL_ATTEMPTS as usize);
}

/// Each call is answered well within its own time, and all of them would take half as long again
/// as a request may.
#[tokio::test]
async fn a_request_ends_in_time_however_many_calls_it_takes() {
    let calls_an_attempt = 3;
    let calls = calls_an_attempt * KINESIS_PARTIAL_ATTEMPTS;
    let stub = slow_stub(
        |_, body| {
            let answers: Vec<Value> = keys(body)
                .iter()
                .map(|key| if key == "key-0" { placed(1) } else { throttled() })
                .collect();
            (200, json!({"FailedRecordCount":1,"Records":answers}))
        },
        KINESIS_PUT_TIMEOUT * 3 / 2 / calls,
    )
    .await;
    let count = MAX_PUT_RECORDS * calls_an_attempt as usize;
    let error = stub.stream.put(records(count)).await.unwrap_err();
    let StreamError::Unavailable { taken, total, attempts, reason } = error else {
        panic!("{error}")
    };
    assert_eq!((taken, total), (1, count));
    assert!(attempts <= KINESIS_PARTIAL_ATTEMPTS && reason.contains("within 6 s"), "{reason}");
    assert!(stub.calls.lock().unwrap().len() < calls as usize);
}

#[tokio::test]
async fn a_failing_call_is_tried_by_the_client_alone() {
    for count in [1, 3] {
        let stub = stub(|_, _| (500, json!({"__type":"InternalFailure","message":"x"}))).await;
        let error = stub.stream.put(records(count)).await.unwrap_err();
        assert!(matches!(error, StreamError::Unavailable { taken: 0, attempts: 1, .. }), "{error}");
        assert_eq!(stub.calls.lock().unwrap().len(), KINESIS_ATTEMPTS as usize);
    }
    let denied = stub(|_, _| (400, json!({"__type":"AccessDeniedException","message":"x"}))).await;
    denied.stream.put(records(1)).await.unwrap_err();
    assert_eq!(denied.calls.lock().unwrap().len(), 1, "what trying again cannot mend is not");
}

#[tokio::test]
async fn one_record_goes_by_itself_and_too_large_a_one_not_at_all() {
    let stub = stub(|_, _| (200, placed(7))).await;
    assert_eq!(stub.stream.put(records(1)).await.unwrap()[0].sequence, "7");
    assert_eq!(stub.calls.lock().unwrap()[0]["StreamName"], "hits");
    let sized =
        // The key counts, too.
        |bytes: usize| vec![Record { partition_key: "k".to_owned(), data: vec![0; bytes - 1].into() }];
    assert!(stub.stream.put(sized(MAX_RECORD_BYTES)).await.is_ok());
    let error = stub.stream.put(sized(MAX_RECORD_BYTES + 1)).await.unwrap_err();
    assert!(matches!(error, StreamError::TooLarge { .. }));
}
