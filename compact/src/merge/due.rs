//! Which dates are due (DESIGN section 2): the oldest waiting hit has waited 15 minutes; on large
//! dates the waiting hits reach a quarter of the table's, or the oldest has waited an hour.
//!
//! A date is large from the first hour on when its hits come at a rate that may make it large:
//! else a day that ends at 6 million hits would be written as often as a small one until then.

use jiff::civil::Date;
use lake::limits::{
    LARGE_DATE_DAY_MS, LARGE_DATE_DAY_ROWS, LARGE_DATE_ROWS, MERGE_AFTER_MS, MERGE_LARGE_AFTER_MS,
    MERGE_LARGE_SHARE,
};
use object_store::ObjectMeta;

use super::date::FIRST_PART;
use super::facts::Facts;
use super::{Merge, Share};

/// What is known of a date without reading a hit.
#[derive(Debug, Clone, Copy)]
struct Backlog {
    /// Rows of the table.
    table_rows: u64,
    /// Rows that wait, about.
    waiting_rows: u64,
    /// How long the oldest has waited.
    waited_ms: i64,
}

impl Backlog {
    /// Whether the date is to be merged now.
    fn is_due(self) -> bool {
        let enough = self.waiting_rows.saturating_mul(MERGE_LARGE_SHARE) >= self.table_rows
            || self.waited_ms >= MERGE_LARGE_AFTER_MS;
        if self.table_rows > LARGE_DATE_ROWS {
            return enough;
        }
        self.waited_ms >= MERGE_AFTER_MS && (enough || !self.comes_fast())
    }

    /// Whether the waiting hits come at a rate that makes the date large.
    fn comes_fast(self) -> bool {
        let waited_ms = u64::try_from(self.waited_ms).unwrap_or_default().max(1);
        let day_rows =
            self.waiting_rows.saturating_mul(LARGE_DATE_DAY_MS.unsigned_abs()) / waited_ms;
        day_rows > LARGE_DATE_DAY_ROWS
    }

    /// How long the date has been due by its age, milliseconds; nothing while it is not due.
    fn late_ms(self) -> Option<i64> {
        let is_large = self.table_rows > LARGE_DATE_ROWS || self.comes_fast();
        let after_ms = if is_large { MERGE_LARGE_AFTER_MS } else { MERGE_AFTER_MS };
        self.is_due().then(|| (self.waited_ms - after_ms).max(0))
    }
}

/// A date that is to be merged now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The date.
    pub dt: Date,
    /// How long it has been due, milliseconds; 0 also where hot objects are only to be deleted, or
    /// rows are only to meet their goals.
    pub late_ms: i64,
}

impl Merge {
    /// The dates among these of which parts of this share are due. One that cannot be looked at
    /// counts as due: its merge fails and says why, and the others go on.
    pub(super) async fn due_dates(&self, hot: &[Date], share: Share) -> Vec<Due> {
        let mut due = Vec::new();
        for &dt in hot {
            let late_ms = self.late_ms(dt, share).await.unwrap_or(Some(0));
            due.extend(late_ms.map(|late_ms| Due { dt, late_ms }));
        }
        due
    }

    async fn late_ms(&self, dt: Date, share: Share) -> anyhow::Result<Option<i64>> {
        let now_ms = self.clock.now_ms();
        let hot = self.hot_objects(dt).await?;
        let parts = self.table(dt).await?;
        let own = (0..).zip(&parts).filter(|(part, _)| share.takes(dt, *part));
        let own: Vec<&Facts> = own.map(|(_, facts)| facts.as_ref()).collect();
        let expired = |object: &&ObjectMeta| {
            parts.iter().all(|part| part.held_long_enough(&object.location, now_ms))
        };
        let is_to_clean = share.takes(dt, FIRST_PART) && hot.iter().any(|object| expired(&object));
        let table_rows = parts.iter().map(|part| part.rows).sum();
        let late_ms = self.backlog(&hot, &own, table_rows).and_then(Backlog::late_ms);
        let mut is_due = is_to_clean;
        for facts in own {
            is_due = is_due || self.can_meet_goals(facts).await?;
        }
        Ok(late_ms.or(is_due.then_some(0)))
    }

    /// What waits for some parts of a date of `table_rows` rows; nothing when nothing does.
    fn backlog(&self, hot: &[ObjectMeta], parts: &[&Facts], table_rows: u64) -> Option<Backlog> {
        let waits =
            |object: &&ObjectMeta| parts.iter().any(|part| !part.holds.contains(&object.location));
        let waiting: Vec<&ObjectMeta> = hot.iter().filter(waits).collect();
        let oldest = waiting.iter().map(|object| object.last_modified.timestamp_millis()).min();
        let bytes = waiting.iter().map(|object| object.size).sum();
        Some(Backlog {
            table_rows,
            waiting_rows: waiting_rows(bytes, parts.first().copied()),
            waited_ms: self.clock.now_ms() - oldest?,
        })
    }
}

/// The rows of hot objects by their bytes, as the hot objects had them that the table holds.
fn waiting_rows(bytes: u64, table: Option<&Facts>) -> u64 {
    let known = table.and_then(|table| table.merged.as_ref()).filter(|merged| merged.hot_bytes > 0);
    known.map_or(0, |merged| {
        let rows = u128::from(bytes) * u128::from(merged.hot_rows) / u128::from(merged.hot_bytes);
        u64::try_from(rows).unwrap_or(u64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lake::clock::{Clock as _, ManualClock};

    const MINUTE_MS: i64 = 60_000;

    /// Merges of a date, and rows written by them divided by its rows, when `day_rows` hits come
    /// evenly over its day and whoever merges looks every `every_minutes`, and takes so many percent
    /// of the waiting rows for all of them. Rows stand for bytes.
    fn day(day_rows: u64, every_minutes: u64, percent: u64) -> (u32, f64) {
        let clock = ManualClock::at(0);
        let (mut table_rows, mut waiting_rows, mut written, mut merges) = (0, 0, 0, 0);
        let mut oldest_ms = None;
        for minute in 1..=25 * 60 {
            clock.advance(MINUTE_MS);
            let come = if minute <= 1440 {
                day_rows * minute / 1440 - day_rows * (minute - 1) / 1440
            } else {
                0
            };
            waiting_rows += come;
            if come > 0 {
                oldest_ms.get_or_insert(clock.now_ms());
            }
            let Some(oldest) = oldest_ms.filter(|_| minute % every_minutes == 0) else { continue };
            let reckoned = waiting_rows * percent / 100;
            let waited_ms = clock.now_ms() - oldest;
            if (Backlog { table_rows, waiting_rows: reckoned, waited_ms }).is_due() {
                table_rows += waiting_rows;
                written += table_rows;
                (waiting_rows, oldest_ms, merges) = (0, None, merges + 1);
            }
        }
        assert_eq!(table_rows, day_rows, "everything is merged an hour after the day");
        #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
        (merges, written as f64 / day_rows as f64)
    }

    const DAYS_ROWS: [u64; 8] =
        [100_000, 1_000_000, 4_000_000, 5_000_001, 6_000_000, 10_000_000, 50_000_000, 200_000_000];

    fn assert_written_at_most_fifteen_times(percent: u64) {
        for every_minutes in [1, 5, 10, 15] {
            for day_rows in DAYS_ROWS {
                let (merges, times) = day(day_rows, every_minutes, percent);
                println!(
                    "{day_rows} hits, looked at every {every_minutes} min, {percent}% of what waits: {merges} merges, written {times:.1} times"
                );
                assert!(day_rows <= LARGE_DATE_ROWS || times <= 15.0, "{day_rows}: {times}");
            }
        }
    }

    #[test]
    fn a_large_day_is_written_at_most_fifteen_times() {
        assert_written_at_most_fifteen_times(100);
    }

    #[test]
    fn a_large_day_is_so_too_when_the_waiting_rows_are_reckoned_thirty_percent_wrong() {
        assert_written_at_most_fifteen_times(70);
        assert_written_at_most_fifteen_times(130);
    }

    #[test]
    fn a_date_is_late_from_when_its_age_made_it_due() {
        let minutes = |minutes| minutes * MINUTE_MS;
        let late = |table_rows, waiting_rows, waited_ms| {
            Backlog { table_rows, waiting_rows, waited_ms }.late_ms()
        };
        let large = LARGE_DATE_ROWS + 1;
        assert_eq!(late(0, 10, minutes(15) - 1), None);
        assert_eq!(late(0, 10, minutes(15)), Some(0));
        assert_eq!(late(0, 10, minutes(45)), Some(minutes(30)));
        assert_eq!((late(large, 10, minutes(59)), late(large, large, 1)), (None, Some(0)));
        assert_eq!(late(large, 10, minutes(90)), Some(minutes(30)));
        // Hits come so fast that an hour is its time, though its table is still small.
        assert_eq!(late(4_000_000, 250_000, minutes(60)), Some(0));
    }

    #[test]
    fn a_small_date_waits_fifteen_minutes_and_a_large_one_for_a_quarter_or_an_hour() {
        let minutes = |minutes| minutes * MINUTE_MS;
        let due = |table_rows, waiting_rows, waited_ms| {
            Backlog { table_rows, waiting_rows, waited_ms }.is_due()
        };
        let large = LARGE_DATE_ROWS + 1;
        assert!(!due(0, 10, minutes(15) - 1) && due(0, 10, minutes(15)));
        assert!(due(LARGE_DATE_ROWS, 10, minutes(15)) && !due(large, 10, minutes(15)));
        assert!(!due(large, 10, minutes(60) - 1) && due(large, 10, minutes(60)));
        assert!(!due(large, large / 4, 1) && due(large, large / 4 + 1, 1));
        // 34,722 hits in 15 minutes are two thirds of 5 million a day; 34,723 are more.
        assert!(due(4_000_000, 34_722, minutes(15)) && !due(4_000_000, 34_723, minutes(15)));
        assert!(due(0, 34_723, minutes(15)), "an import need not wait");
    }
}
