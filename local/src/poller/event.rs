//! Records as the event that Lambda gets from Kinesis.

use std::time::Duration;

use aws_lambda_events::event::kinesis::{KinesisEvent, KinesisEventRecord, KinesisRecord};

use super::source::SourceRecord;

/// What a record's JSON adds to its data in base64, about.
const ENVELOPE_BYTES: usize = 520;
/// The end of the year 9999: a later arrival is nonsense, and the event's type could not hold it.
const LATEST_ARRIVAL_MS: u64 = 253_402_300_799_999;

/// What a record takes of the event's payload.
pub(super) fn payload_bytes(record: &SourceRecord) -> usize {
    record.data.len().div_ceil(3) * 4 + ENVELOPE_BYTES
}

/// The event for some records of a shard.
pub(super) fn kinesis_event(shard: &str, records: &[SourceRecord]) -> KinesisEvent {
    let mut event = KinesisEvent::default();
    event.records = records.iter().map(|record| event_record(shard, record)).collect();
    event
}

fn event_record(shard: &str, record: &SourceRecord) -> KinesisEventRecord {
    let mut kinesis = KinesisRecord::default();
    // The default is the epoch.
    *kinesis.approximate_arrival_timestamp +=
        Duration::from_millis(u64::try_from(record.arrival_ms).unwrap_or(0).min(LATEST_ARRIVAL_MS));
    kinesis.data.0 = record.data.to_vec();
    kinesis.partition_key.clone_from(&record.partition_key);
    kinesis.sequence_number.clone_from(&record.sequence);
    kinesis.kinesis_schema_version = Some("1.0".to_owned());
    let mut event = KinesisEventRecord::default();
    event.event_id = Some(format!("{shard}:{}", record.sequence));
    event.event_name = Some("aws:kinesis:record".to_owned());
    event.event_source = Some("aws:kinesis".to_owned());
    event.event_version = Some("1.0".to_owned());
    event.kinesis = kinesis;
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_is_what_lambda_sends() {
        let record = SourceRecord {
            sequence: "12".to_owned(),
            arrival_ms: 1_545_084_650_987,
            partition_key: "k".to_owned(),
            data: "hit".into(),
        };
        let from_lambda = serde_json::json!({ "Records": [{
            "eventID": "shardId-000000000001:12", "eventName": "aws:kinesis:record", "eventSource": "aws:kinesis",
            "eventVersion": "1.0", "awsRegion": null, "eventSourceARN": null, "invokeIdentityArn": null,
            "kinesis": {
                "approximateArrivalTimestamp": 1_545_084_650.987, "data": "aGl0", "encryptionType": "NONE",
                "kinesisSchemaVersion": "1.0", "partitionKey": "k", "sequenceNumber": "12",
            },
        }] });
        let expected: KinesisEvent = serde_json::from_value(from_lambda).unwrap();
        assert_eq!(kinesis_event("shardId-000000000001", &[record]), expected);
    }

    #[test]
    fn an_impossible_arrival_does_no_harm() {
        for arrival_ms in [i64::MIN, -1, i64::MAX] {
            let record = SourceRecord {
                sequence: "1".to_owned(),
                arrival_ms,
                partition_key: String::new(),
                data: "".into(),
            };
            assert_eq!(kinesis_event("shard", &[record]).records.len(), 1);
        }
    }
}
