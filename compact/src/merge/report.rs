//! The log event of a run of the merge.

use lake::metrics::{Ended, Line};

use super::Answer;

/// The line of a run that ended with this answer, or with an error: then nothing is said of the
/// dates that were merged all the same.
#[must_use]
pub fn line(answer: Option<&Answer>, now_ms: i64, ended: Ended) -> Line {
    let dates = answer.map(|answer| answer.dates.as_slice()).unwrap_or_default();
    let sum = |of: fn(&super::Merged) -> u64| dates.iter().map(of).sum();
    Line::new("merge", now_ms, ended)
        .count("DatesMerged", dates.len() as u64)
        .count("RowsWritten", sum(|date| date.rows as u64))
        .count("DuplicatesDropped", sum(|date| date.duplicates as u64))
        .count("MergesFailed", u64::from(answer.is_none()))
        .bytes("BytesWritten", sum(|date| date.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::Merged;

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
