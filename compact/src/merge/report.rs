//! The log event of a run of the merge.

use std::time::Duration;

use lake::limits::{LAMBDA_LONGEST_MS, MERGE_SAYS_BEFORE_MS, MERGE_SLOW_MS};
use lake::metrics::{Ended, Line};

use super::{Answer, Found, Merged};

const SERVICE: &str = "merge";

/// How long a run that Lambda ends at `deadline_ms` (Unix milliseconds; 0 where it does not say) may
/// take before its line is written: one that is cut off says nothing at its end.
#[must_use]
pub fn patience(deadline_ms: u64, now_ms: i64) -> Duration {
    let longest_ms = LAMBDA_LONGEST_MS.unsigned_abs();
    let left_ms = match deadline_ms {
        0 => longest_ms,
        deadline_ms => deadline_ms.saturating_sub(u64::try_from(now_ms).unwrap_or_default()),
    };
    Duration::from_millis(left_ms.saturating_sub(MERGE_SAYS_BEFORE_MS))
}

/// The line of a run: what a scheduled one found before it merged, and the answer with which it
/// ended; without one it failed or is about to be cut off, and nothing is said of the dates that
/// were merged all the same.
#[must_use]
pub fn line(found: Option<&Found>, answer: Option<&Answer>, now_ms: i64, ended: Ended) -> Line {
    let dates = answer.map(|answer| answer.dates.as_slice()).unwrap_or_default();
    let sum = |of: fn(&Merged) -> u64| dates.iter().map(of).sum();
    let mut line = Line::new(SERVICE, now_ms, ended);
    if let Some(found) = found {
        let late_s = u64::try_from(found.late_ms() / 1_000).unwrap_or_default();
        line = line.seconds("MergeLateSeconds", late_s);
    }
    if let Some(hits) = found.and_then(|found| found.unexplained) {
        line = line.count("Unexplained", hits);
    }
    line.detail("DatesMerged", dates.len() as u64)
        .detail("RowsReceived", sum(|date| date.received))
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
            let found = Found { due: due.collect(), unexplained, ..Found::default() };
            let line = line(Some(&found), None, 1, Ended::default());
            serde_json::from_str(&line.text()).unwrap()
        };
        let late = said(&[0, 61_999, 2_000], Some(3));
        assert_eq!((&late["MergeLateSeconds"], &late["Unexplained"]), (&61.into(), &3.into()));
        assert_eq!(said(&[], Some(0))["Unexplained"], 0);
        let idle = said(&[], None);
        assert_eq!((&idle["MergeLateSeconds"], idle.get("Unexplained")), (&0.into(), None));
        assert_eq!(idle["service"], "merge");
    }

    #[test]
    fn a_run_that_is_about_to_be_cut_off_speaks_before() {
        assert_eq!(patience(60_000, 10_000), Duration::from_secs(45));
        assert_eq!(patience(60_000, 58_000), Duration::ZERO);
        assert_eq!(patience(0, 10_000), Duration::from_secs(895), "nobody says when");
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
        let merged = Merged { received: 2, rows: 3, bytes: 50, duplicates: 1, ..Merged::default() };
        let answer = Answer { dates: vec![merged.clone(), merged] };
        let said = |answer| -> serde_json::Value {
            serde_json::from_str(&line(None, answer, 1, Ended::default()).text()).unwrap()
        };
        let done = said(Some(&answer));
        assert_eq!((&done["RowsWritten"], &done["DuplicatesDropped"]), (&6.into(), &2.into()));
        assert_eq!((&done["RowsReceived"], done.get("MergeLateSeconds")), (&4.into(), None));
        assert_eq!((&done["BytesWritten"], &done["MergesFailed"]), (&100.into(), &0.into()));
        assert_eq!(said(None)["MergesFailed"], 1);
    }
}
