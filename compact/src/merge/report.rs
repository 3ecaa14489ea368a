//! The log events of a run of the merge.

use lake::metrics::{Ended, Line};

use super::{Answer, Found};

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
    let sum = |of: fn(&super::Merged) -> u64| dates.iter().map(of).sum();
    Line::new(SERVICE, now_ms, ended)
        .detail("DatesMerged", dates.len() as u64)
        .count("RowsWritten", sum(|date| date.rows as u64))
        .detail("DuplicatesDropped", sum(|date| date.duplicates as u64))
        .detail("MergesFailed", u64::from(answer.is_none()))
        .detail("BytesWritten", sum(|date| date.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::{Due, Merged};

    #[test]
    fn what_was_found_is_said_and_what_was_not_looked_at_is_not() {
        let said = |late_ms: &[i64], unexplained| -> serde_json::Value {
            let due = late_ms.iter().map(|&late_ms| Due { dt: jiff::civil::Date::ZERO, late_ms });
            let line = found(&Found { due: due.collect(), unexplained }, 1);
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
