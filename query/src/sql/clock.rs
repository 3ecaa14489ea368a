//! Local time as SQL: the offsets that a zone has within the dates, written out, so that no engine
//! needs to know the zone and all have the same rules of daylight saving.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::Unsaid;
use super::text::Sql;

/// The offsets of a zone, in the order of time.
pub(super) struct Clock(Vec<Piece>);

/// From one change of the clocks to the next.
struct Piece {
    /// Where it ends; the last has no end.
    until_us: Option<i64>,
    offset_s: i32,
    /// As hours are named: `+02:00`.
    name: String,
}

impl Clock {
    /// The clock of a zone over these dates and those beside them.
    pub(super) fn new(zone: &TimeZone, (from, to): (Date, Date)) -> Result<Self, Unsaid> {
        let edge = |date: Date, days: i64| {
            let date = date.checked_add(Span::new().days(days)).unwrap_or(date);
            date.to_zoned_datetime(TimeZone::UTC).map_or(Timestamp::UNIX_EPOCH, |it| it.timestamp())
        };
        let (start, end) = (edge(from, -2), edge(to, 3));
        let mut pieces = vec![Piece::of(zone, start)];
        for change in zone.following(start).map(|change| change.timestamp()) {
            if change >= end {
                break;
            }
            let next = Piece::of(zone, change);
            let Some(last) = pieces.last_mut().filter(|last| last.offset_s != next.offset_s) else {
                continue;
            };
            let at_us = change.as_microsecond();
            if date_at(at_us - 1, last.offset_s) > date_at(at_us, next.offset_s) {
                return Err(Unsaid::ClocksBackOverMidnight(date_at(at_us, next.offset_s)));
            }
            last.until_us = Some(at_us);
            pieces.push(next);
        }
        Ok(Self(pieces))
    }

    /// The local time of a column.
    pub(super) fn local(&self, column: &Sql) -> Sql {
        self.by_piece(column, |piece| match piece.offset_s {
            0 => column.clone(),
            west if west < 0 => Sql::fill("{} - {}", &[column, &Sql::interval(-west)]),
            east => Sql::fill("{} + {}", &[column, &Sql::interval(east)]),
        })
    }

    /// The name of the hour: `2025-03-30T03:00:00+02:00`.
    pub(super) fn hour_name(&self, column: &Sql) -> Sql {
        let local = self.local(column);
        let offset = self.by_piece(column, |piece| Sql::text(&piece.name));
        Sql::fill(
            "CAST(CAST({} AS date) AS varchar(10)) || 'T' || lpad(CAST({} AS varchar(2)), 2, '0') || ':00:00' || {}",
            &[&local, &hour(&local), &offset],
        )
    }

    fn by_piece(&self, column: &Sql, of: impl Fn(&Piece) -> Sql) -> Sql {
        let mut cases = Vec::new();
        for piece in &self.0 {
            cases.push(match piece.until_us {
                Some(until_us) => {
                    Sql::fill("WHEN {} < {} THEN {}", &[column, &Sql::moment(until_us), &of(piece)])
                }
                None if cases.is_empty() => return of(piece),
                None => Sql::fill("ELSE {} END", &[&of(piece)]),
            });
        }
        Sql::fill("CASE {}", &[&Sql::join(cases, " ")])
    }
}

impl Piece {
    fn of(zone: &TimeZone, at: Timestamp) -> Self {
        let name = at.to_zoned_datetime(zone.clone()).strftime("%:z").to_string();
        Self { until_us: None, offset_s: zone.to_offset(at).seconds(), name }
    }
}

/// The hour of a local time.
pub(super) fn hour(local: &Sql) -> Sql {
    Sql::fill("EXTRACT(HOUR FROM {})", &[local])
}

/// 1 (Monday) to 7 of a date: the first day of the calendar was a Monday.
pub(super) fn weekday(day: &Sql) -> Sql {
    Sql::fill("date_diff('day', DATE '0001-01-01', {}) % 7 + 1", &[day])
}

fn date_at(at_us: i64, offset_s: i32) -> Date {
    let local = Timestamp::from_microsecond(at_us.saturating_add(i64::from(offset_s) * 1_000_000));
    local.unwrap_or_default().to_zoned_datetime(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn clock(zone: &str, from: Date, to: Date) -> Result<Clock, Unsaid> {
        Clock::new(&TimeZone::get(zone).unwrap(), (from, to))
    }

    fn local(zone: &str, from: Date, to: Date) -> String {
        clock(zone, from, to).unwrap().local(&Sql::of("ts")).to_string()
    }

    #[test]
    fn offsets_are_written_out() {
        let day = date(2025, 3, 1);
        assert_eq!(local("UTC", day, day), "ts");
        assert_eq!(local("Asia/Kolkata", day, day), "ts + INTERVAL '330' MINUTE");
        assert_eq!(local("America/New_York", day, day), "ts - INTERVAL '5' HOUR");
        assert_eq!(
            local("Europe/Berlin", date(2025, 3, 30), date(2025, 3, 30)),
            "CASE WHEN ts < TIMESTAMP '2025-03-30 01:00:00' THEN ts + INTERVAL '1' HOUR ELSE ts + INTERVAL '2' HOUR END"
        );
    }

    #[test]
    fn a_night_that_has_midnight_twice_is_refused() {
        let night = date(2010, 11, 6);
        let refused = clock("America/St_Johns", night, night);
        assert!(matches!(refused, Err(Unsaid::ClocksBackOverMidnight(date)) if date == night));
        // From midnight back to eleven the date stays.
        assert!(clock("America/Havana", date(2010, 10, 30), date(2010, 11, 1)).is_ok());
    }
}
