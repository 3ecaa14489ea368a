//! The stream on AWS, over the wire to an emulator of Kinesis.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_kinesis::config::{Credentials, Region, SharedCredentialsProvider};
use aws_sdk_kinesis::types::{ShardIteratorType, StreamStatus};
use ingest::kinesis::KinesisStream;
use lake::clock::SeededRandom;
use lake::environment::Environment;
use lake::store::aws::Aws;
use lake::stream::{HitStream, Position, Record, StreamError};

use super::stream_conformance::{Readable, stream_conformance};

/// Where an emulator of Kinesis listens.
const KINESIS_ENDPOINT: &str = "HITLAKE_TEST_KINESIS_ENDPOINT";

#[tokio::test(flavor = "multi_thread")]
async fn conforms() {
    let environment = Environment::process();
    let Some(endpoint) = environment.optional(KINESIS_ENDPOINT) else {
        println!("skipped: {KINESIS_ENDPOINT} is not set");
        return;
    };
    let aws = Aws::new(&environment);
    let config = of_emulator(&endpoint, &aws.kinesis().await);
    let client = aws_sdk_kinesis::Client::new(&config);
    let made = AtomicUsize::new(0);
    stream_conformance(async || {
        let number = made.fetch_add(1, Ordering::Relaxed);
        let name = format!("conformance-{}-{number}", std::process::id());
        create(&client, &name).await;
        let stream = KinesisStream::new(&config, name.clone(), Arc::new(SeededRandom::new(1)));
        OverTheWire { stream, client: client.clone(), name }
    })
    .await;
}

/// Settings for an emulator, which believes any credentials.
fn of_emulator(endpoint: &str, shared: &aws_config::SdkConfig) -> aws_config::SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "test");
    shared
        .to_builder()
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .region(Region::new("us-east-1"))
        .build()
}

async fn create(client: &aws_sdk_kinesis::Client, name: &str) {
    client.create_stream().stream_name(name).shard_count(2).send().await.unwrap();
    loop {
        let described = client.describe_stream().stream_name(name).send().await.unwrap();
        if *described.stream_description().unwrap().stream_status() == StreamStatus::Active {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// The stream, and how to read it back.
#[derive(Debug)]
struct OverTheWire {
    stream: KinesisStream,
    client: aws_sdk_kinesis::Client,
    name: String,
}

#[async_trait::async_trait]
impl HitStream for OverTheWire {
    async fn put(&self, records: Vec<Record>) -> Result<Vec<Position>, StreamError> {
        self.stream.put(records).await
    }
}

#[async_trait::async_trait]
impl Readable for OverTheWire {
    async fn read_all(&self) -> Vec<(Position, Record)> {
        let Self { client, name, .. } = self;
        let listed = client.list_shards().stream_name(name).send().await.unwrap();
        let mut all = Vec::new();
        for shard in listed.shards() {
            let shard = shard.shard_id();
            let iterator = client
                .get_shard_iterator()
                .stream_name(name)
                .shard_id(shard)
                .shard_iterator_type(ShardIteratorType::TrimHorizon);
            let mut iterator = iterator.send().await.unwrap().shard_iterator;
            while let Some(at) = iterator {
                let read = client.get_records().shard_iterator(at).send().await.unwrap();
                iterator = read.next_shard_iterator.filter(|_| !read.records.is_empty());
                all.extend(read.records.into_iter().map(|record| {
                    let sequence = record.sequence_number;
                    let position = Position { shard: shard.to_owned(), sequence };
                    let data = record.data.into_inner().into();
                    (position, Record { partition_key: record.partition_key.unwrap(), data })
                }));
            }
        }
        all
    }
}
