//! The partitions that a question can be about, before its sites and so their zones are known.

use jiff::civil::Date;
use jiff::tz::{TimeZone, offset};
use jiff::{Span, Timestamp};

use super::Compare;
use super::dates::dates;
use super::parameters::Parameters;

/// The offsets of the zones in which it is the earliest and the latest, hours.
const EXTREMES_H: [i8; 2] = [-12, 14];
/// A day of one zone lies within so many more of any other's, before and after.
const DAYS_OF_ANOTHER_ZONE: i64 = 2;

/// The first and last partition of all dates that a question can be about, and of those that it is
/// compared with; none where the dates will be refused.
pub(crate) fn spans(given: &Parameters, now_ms: i64) -> Option<Vec<(Date, Date)>> {
    let now = Timestamp::from_millisecond(now_ms).ok()?;
    let (todays, days) = match given.of("tz") {
        None => (EXTREMES_H.map(|hours| offset(hours).to_datetime(now).date()).to_vec(), 0),
        // The times of hits decide, not the partitions of the site.
        Some(tz) => {
            (vec![now.to_zoned_datetime(TimeZone::get(tz).ok()?).date()], DAYS_OF_ANOTHER_ZONE)
        }
    };
    let compare = given.of("compare").map(|_| given.one_of("compare", &Compare::NAMES));
    let compare = compare.transpose().ok()?;
    let mut spans: Vec<(Date, Date)> = Vec::new();
    for today in todays {
        let asked = dates(given, today).ok()?;
        let before = compare.and_then(|compare| compare.dates(asked));
        for (at, span) in [Some(asked), before].into_iter().flatten().enumerate() {
            let (first, last) = widened(span, days);
            match spans.get_mut(at) {
                Some(known) => *known = (known.0.min(first), known.1.max(last)),
                None => spans.push((first, last)),
            }
        }
    }
    Some(spans)
}

fn widened((first, last): (Date, Date), days: i64) -> (Date, Date) {
    let days = Span::new().days(days);
    (first.checked_sub(days).unwrap_or(first), last.checked_add(days).unwrap_or(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::question::PARAMETERS;
    use jiff::civil::date;

    /// 10 March 2026, 11:00 UTC: the 9th in one zone and the 11th in another.
    const NOW_MS: i64 = 1_773_140_400_000;

    fn of(query: &str) -> Option<Vec<(Date, Date)>> {
        spans(&Parameters::parse(query, &PARAMETERS).unwrap(), NOW_MS)
    }

    #[test]
    fn they_hold_the_dates_of_every_zone() {
        let (first, last) = (date(2026, 3, 1), date(2026, 3, 5));
        assert_eq!(of("from=2026-03-01&to=2026-03-05"), Some(vec![(first, last)]));
        let today = (date(2026, 3, 9), date(2026, 3, 11));
        assert_eq!(of("period=day"), Some(vec![today]));
        assert_eq!(of("period=range&date=last2"), Some(vec![(date(2026, 3, 8), today.1)]));
        let in_zone = (date(2026, 3, 9), date(2026, 3, 13));
        assert_eq!(of("period=day&tz=Pacific/Auckland"), Some(vec![in_zone]));
        let before = (date(2026, 3, 8), date(2026, 3, 10));
        assert_eq!(of("period=day&compare=previous"), Some(vec![today, before]));
        for refused in
            ["from=x", "period=day&tz=x", "period=day&compare=x", "to=2026-01-01&from=2026-01-02"]
        {
            assert_eq!(of(refused), None, "{refused}");
        }
    }
}
