//! The log event of a run of the erasure.

use lake::metrics::{Ended, Line};
use lake::orders::State;

use super::Carried;

/// The line of a run that worked on these orders, or failed. No order says here whom it is about.
#[must_use]
pub fn line(carried: Option<&[Carried]>, now_ms: i64, ended: Ended) -> Line {
    let receipts = || carried.unwrap_or_default().iter().map(|it| &it.receipt);
    let open = receipts().filter(|receipt| receipt.state != State::Done).count();
    let rows: u64 =
        receipts().map(|receipt| receipt.rows_before.saturating_sub(receipt.rows_after)).sum();
    let objects: u64 = receipts().map(|receipt| receipt.objects_rewritten).sum();
    let bytes: u64 = carried.unwrap_or_default().iter().map(|it| it.bytes_written).sum();
    Line::new("erase", now_ms, ended)
        .count("ErasuresOpen", open as u64)
        .detail("Erasures", receipts().count())
        .detail("RowsErased", rows)
        .detail("ObjectsRewritten", objects)
        .detail("BytesWritten", bytes)
        .detail("RunsFailed", u64::from(carried.is_none()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lake::orders::Receipt;

    #[test]
    fn a_run_says_what_it_erased_and_what_is_left() {
        let said = |carried: Option<&[Carried]>| -> serde_json::Value {
            serde_json::from_str(&line(carried, 1, Ended::default()).text()).unwrap()
        };
        let receipt =
            |state| Receipt { state, rows_before: 9, rows_after: 7, ..Receipt::default() };
        let carried = [State::Done, State::Running].map(|state| Carried {
            id: "secret".to_owned(),
            receipt: receipt(state),
            bytes_written: 5,
        });
        let done = said(Some(&carried));
        assert_eq!((&done["ErasuresOpen"], &done["Erasures"]), (&1.into(), &2.into()));
        assert_eq!((&done["RowsErased"], &done["RunsFailed"]), (&4.into(), &0.into()));
        assert_eq!(done["BytesWritten"], 10);
        assert!(!done.to_string().contains("secret"));
        assert_eq!(said(None)["RunsFailed"], 1);
    }
}
