//! The log events of a run of the merge.

use lake::limits::{LAMBDA_LONGEST_MS, MERGE_SLOW_MS};
use lake::metrics::{Ended, Line};

use super::{Answer, Found, Merged};

const SERVICE: &str = "merge";

/// The line of what a scheduled run found, before it merges: one that takes too long does not end.
#[must_use]
pub fn found(found: &Found, now_ms: i64) -> Line {
    let late_s = u64::try_from(found.late_ms() / 1_000).unwrap_or_default();
    let line = Line::meanwhile(SERVICE, now_ms).seconds("MergeLateSeconds", late_s);
    found.unexplained.into_iter().fold(line, |line, hits| line.count("Unexplained", hits))
}

/// The line of a run that ended with this answer, or with an error: then nothing is said of the
/// dates that were merged all the same.
#[must_use]
pub fn line(answer: Option<&Answer>, now_ms: i64, ended: Ended) -> Line {
    let dates = answer.map(|answer| answer.dates.as_slice()).unwrap_or_default();
    let sum = |of: fn(&Merged) -> u64| dates.iter().map(of).sum();
    Line::new(SERVICE, now_ms, ended)
        .detail("DatesMerged", dates.len() as u64)
        .count("RowsWritten", sum(|date| date.rows as u64))
        .detail("DuplicatesDropped", sum(|date| date.duplicates as u64))
        .detail("MergesFailed", u64::from(answer.is_none()))
        .detail("BytesWritten", sum(|date| date.bytes))
}

/// Warns of dates of which one part took so long that a larger one would be cut off.
pub fn warn(answer: &Answer) {
    for warning in answer.dates.iter().filter_map(slow) {
        tracing::warn!("{warning}");
    }
}

fn slow(merged: &Merged) -> Option<String> {
    let Merged { dt, rows, parts, slowest_ms, .. } = merged;
    (*slowest_ms > MERGE_SLOW_MS).then(|| {
        format!(
            "the merge of {dt} took {} s, and Lambda ends it after {} s: {rows} rows, {parts} parts. Divide \
             dates to come into more parts (docs/OPERATIONS.md, \"Days of very many hits\")",
            slowest_ms / 1_000,
            LAMBDA_LONGEST_MS / 1_000,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::Due;

    #[test]
    fn what_was_found_is_said_and_what_was_not_looked_at_is_not() {
        let said = |late_ms: &[i64], unexplained| -> serde_json::Value {
            let due = late_ms.iter().map(|&late_ms| Due { dt: jiff::civil::Date::ZERO, late_ms });
            let found_now = Found { due: due.collect(), unexplained, ..Found::default() };
            let line = found(&found_now, 1);
            serde_json::from_str(&line.text()).unwrap()
        };
        let late = said(&[0, 61_999, 2_000], Some(3));
        assert_eq!((&late["MergeLateSeconds"], &late["Unexplained"]), (&61.into(), &3.into()));
        assert_eq!(said(&[], Some(0))["Unexplained"], 0);
        let idle = said(&[], None);
        assert_eq!((&idle["MergeLateSeconds"], idle.get("Unexplained")), (&0.into(), None));
        assert_eq!((&idle["service"], idle.get("BatchDuration")), (&"merge".into(), None));
    }

    #[test]
    fn half_of_the_time_is_warned_of() {
        let took = |slowest_ms| Merged { parts: 2, rows: 7, slowest_ms, ..Merged::default() };
        assert_eq!(slow(&took(MERGE_SLOW_MS)), None);
        let said = slow(&took(MERGE_SLOW_MS + 1_000)).unwrap();
        assert!(
            said.contains("took 451 s, and Lambda ends it after 900 s: 7 rows, 2 parts"),
            "{said}"
        );
    }

    #[test]
    fn a_run_says_what_it_wrote_or_that_it_failed() {
        let merged = Merged { rows: 3, bytes: 50, duplicates: 1, ..Merged::default() };
        let answer = Answer { dates: vec![merged.clone(), merged] };
        let said = |answer| -> serde_json::Value {
            serde_json::from_str(&line(answer, 1, Ended::default()).text()).unwrap()
        };
        let done = said(Some(&answer));
        assert_eq!((&done["RowsWritten"], &done["DuplicatesDropped"]), (&6.into(), &2.into()));
        assert_eq!((&done["BytesWritten"], &done["MergesFailed"]), (&100.into(), &0.into()));
        assert_eq!(said(None)["MergesFailed"], 1);
    }
}
