//! What a handler's answer means for the batch it was given.

use aws_lambda_events::event::streams::KinesisEventResponse;
use lake::stream::compare_sequences;

use super::source::SourceRecord;

/// How much of a batch is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All of it.
    Done,
    /// The records before this one; it and all after it count as failed, whatever became of them.
    FailedFrom(usize),
}

/// Reads an answer: the lowest failed record counts, and an answer that names a record wrongly
/// fails the whole batch.
pub(super) fn verdict(answer: &KinesisEventResponse, batch: &[SourceRecord]) -> Verdict {
    let mut verdict = Verdict::Done;
    for failure in &answer.batch_item_failures {
        let named = failure.item_identifier.as_deref().filter(|named| !named.is_empty());
        let found = named.and_then(|named| {
            batch.binary_search_by(|r| compare_sequences(&r.sequence, named)).ok()
        });
        verdict = match (found, verdict) {
            (None, _) => return Verdict::FailedFrom(0),
            (Some(index), Verdict::Done) => Verdict::FailedFrom(index),
            (Some(index), Verdict::FailedFrom(lowest)) => Verdict::FailedFrom(lowest.min(index)),
        };
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Done, FailedFrom};

    fn of(failures: &[Option<&str>]) -> Verdict {
        let batch: Vec<_> = ["8", "9", "10", "300"]
            .map(|sequence| SourceRecord {
                sequence: sequence.to_owned(),
                arrival_ms: 0,
                partition_key: String::new(),
                data: "".into(),
            })
            .into();
        let items: Vec<_> =
            failures.iter().map(|item| serde_json::json!({"itemIdentifier": item})).collect();
        let answer =
            serde_json::from_value(serde_json::json!({"batchItemFailures": items})).unwrap();
        verdict(&answer, &batch)
    }

    #[test]
    fn the_lowest_named_record_counts() {
        assert_eq!(of(&[]), Done);
        assert_eq!(of(&[Some("8")]), FailedFrom(0));
        assert_eq!(of(&[Some("300"), Some("10")]), FailedFrom(2));
        assert_eq!(of(&[Some("9"), Some("300")]), FailedFrom(1));
    }

    #[test]
    fn a_name_that_is_missing_empty_or_unknown_fails_the_whole_batch() {
        for wrong in [None, Some(""), Some("11"), Some("shard:9"), Some("-")] {
            assert_eq!(of(&[Some("300"), wrong]), FailedFrom(0), "{wrong:?}");
        }
    }
}
