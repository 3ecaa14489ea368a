//! Days, hours and the buckets of time of an answer.
//!
//! Without `tz` the partition is the day: `dt` was worked out by the zone in force for the site at
//! the time of the hit. With `tz` the time of the hit decides. Knows no hit.

use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The length of the buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// One bucket for everything.
    None,
    /// Local hours.
    Hour,
    /// Days.
    Day,
    /// Weeks, from Monday.
    Week,
    /// Months.
    Month,
    /// Years.
    Year,
}

impl Interval {
    /// The names in questions.
    pub const NAMES: [(&'static str, Self); 6] = [
        ("none", Self::None),
        ("hour", Self::Hour),
        ("day", Self::Day),
        ("week", Self::Week),
        ("month", Self::Month),
        ("year", Self::Year),
    ];

    /// The name in questions.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, interval)| *interval == self).map_or("", |(name, _)| name)
    }

    /// The first date of the bucket that holds a date.
    #[must_use]
    pub fn first(self, date: Date) -> Date {
        match self {
            Self::Week => {
                let days = i64::from(date.weekday().to_monday_zero_offset());
                date.checked_sub(jiff::Span::new().days(days)).unwrap_or(date)
            }
            Self::Month => date.first_of_month(),
            Self::Year => date.first_of_year(),
            Self::None | Self::Hour | Self::Day => date,
        }
    }
}

/// Where a moment falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Number of the day within the question.
    pub day: u32,
    /// Number of the bucket.
    pub bucket: u32,
    /// Local hour, where it was asked for.
    pub hour: i8,
}

#[derive(Debug, Clone, Copy)]
struct Hour {
    start_us: i64,
    of_day: i8,
}

/// The days and buckets of one question.
#[derive(Debug)]
pub struct Calendar {
    days: Vec<Date>,
    labels: Vec<String>,
    bucket_of_day: Vec<u32>,
    /// By day, and the end of the last; empty where the partition is the day.
    day_starts_us: Vec<i64>,
    /// Local hours, where somebody asks for them.
    hours: Vec<Hour>,
    hours_of_day: Vec<Range<usize>>,
    by_hour: bool,
}

impl Calendar {
    /// The calendar of the dates `from` to `to`. `zone_of` gives the zone of a date; `by_time`
    /// says that the time of a hit decides its day, and not its partition.
    #[must_use]
    pub fn new(
        (from, to): (Date, Date),
        interval: Interval,
        zone_of: &dyn Fn(Date) -> TimeZone,
        by_time: bool,
        needs_hours: bool,
    ) -> Self {
        let mut calendar = Self {
            days: from.series(jiff::Span::new().days(1)).take_while(|day| *day <= to).collect(),
            labels: Vec::new(),
            bucket_of_day: Vec::new(),
            day_starts_us: Vec::new(),
            hours: Vec::new(),
            hours_of_day: Vec::new(),
            by_hour: interval == Interval::Hour,
        };
        if by_time {
            let end = to.tomorrow().unwrap_or(to);
            let days = calendar.days.iter().copied().chain([end]);
            calendar.day_starts_us = days.map(|day| start_us(day, &zone_of(day))).collect();
        }
        if calendar.by_hour || needs_hours {
            calendar.add_hours(zone_of);
        }
        if !calendar.by_hour {
            calendar.add_buckets(interval);
        }
        calendar
    }

    fn add_buckets(&mut self, interval: Interval) {
        if interval == Interval::None {
            self.labels.push(String::new());
            self.bucket_of_day = vec![0; self.days.len()];
            return;
        }
        for &day in &self.days {
            let label = interval.first(day).to_string();
            if self.labels.last() != Some(&label) {
                self.labels.push(label);
            }
            self.bucket_of_day.push(number(self.labels.len() - 1));
        }
    }

    /// Local hours; an hour that the clocks repeat is there twice, one that they leave out not.
    fn add_hours(&mut self, zone_of: &dyn Fn(Date) -> TimeZone) {
        for &day in &self.days {
            let zone = zone_of(day);
            let first = self.hours.len();
            let end_us = start_us(day.tomorrow().unwrap_or(day), &zone);
            let mut at_us = start_us(day, &zone);
            while at_us < end_us {
                let at = Timestamp::from_microsecond(at_us).unwrap_or_default();
                let local = at.to_zoned_datetime(zone.clone());
                let label = local.strftime("%Y-%m-%dT%H:00:00%:z").to_string();
                if self.hours.len() == first || self.labels.last() != Some(&label) {
                    self.hours.push(Hour { start_us: at_us, of_day: local.hour() });
                    self.labels.push(label);
                }
                let passed = i64::from(local.minute()) * 60 + i64::from(local.second());
                let next_us = at_us + (3600 - passed) * 1_000_000;
                let change = zone.following(at).next().map(|change| change.timestamp());
                at_us = change.map_or(next_us, |change| next_us.min(change.as_microsecond()));
            }
            self.hours_of_day.push(first..self.hours.len());
        }
        if !self.by_hour {
            self.labels.clear();
        }
    }

    /// The dates, first to last.
    #[must_use]
    pub fn days(&self) -> &[Date] {
        &self.days
    }

    /// The names of the buckets, in the order of time.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The number of a partition's day.
    #[must_use]
    pub fn day_of_partition(&self, dt: Date) -> Option<u32> {
        self.days.binary_search(&dt).ok().map(number)
    }

    /// The first moment and the end, where times decide.
    #[must_use]
    pub fn span_us(&self) -> Option<(i64, i64)> {
        Some((*self.day_starts_us.first()?, *self.day_starts_us.last()?))
    }

    /// Whether the time of a hit is needed to place it.
    #[must_use]
    pub fn needs_time(&self) -> bool {
        !self.day_starts_us.is_empty() || !self.hours.is_empty()
    }

    /// Where a hit of the partition of `day` (none: not one of the question's) falls; none when
    /// it is outside the question.
    #[must_use]
    pub fn place(&self, day: Option<u32>, ts_us: i64) -> Option<Place> {
        let day = if self.day_starts_us.is_empty() { day? } else { self.day_at(ts_us)? };
        let hour = self.hours_of_day.get(day as usize).map(|hours| self.hour_at(hours, ts_us));
        let bucket = match (self.by_hour, hour) {
            (true, Some(hour)) => number(hour),
            _ => self.bucket_of_day.get(day as usize).copied()?,
        };
        let of_day = hour.and_then(|hour| self.hours.get(hour)).map_or(0, |hour| hour.of_day);
        Some(Place { day, bucket, hour: of_day })
    }

    fn day_at(&self, ts_us: i64) -> Option<u32> {
        let after = self.day_starts_us.partition_point(|start| *start <= ts_us);
        (after > 0 && after < self.day_starts_us.len()).then(|| number(after - 1))
    }

    /// The hour among those of its day; a time outside the day (the site's zone was changed) falls
    /// into the nearest.
    fn hour_at(&self, hours: &Range<usize>, ts_us: i64) -> usize {
        let of_day = self.hours.get(hours.clone()).unwrap_or_default();
        let after = of_day.partition_point(|hour| hour.start_us <= ts_us);
        hours.start + after.saturating_sub(1)
    }

    /// 1 (Monday) to 7.
    #[must_use]
    pub fn weekday(&self, day: u32) -> i8 {
        self.days.get(day as usize).map_or(0, |day| day.weekday().to_monday_one_offset())
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn start_us(day: Date, zone: &TimeZone) -> i64 {
    day.to_zoned_datetime(zone.clone()).map_or(0, |start| start.timestamp().as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn hours(zone: &str, day: Date) -> Vec<String> {
        let zone = TimeZone::get(zone).unwrap();
        Calendar::new((day, day), Interval::Hour, &|_| zone.clone(), true, false).labels
    }

    #[test]
    fn hours_follow_the_clocks() {
        assert_eq!(hours("UTC", date(2026, 3, 29)).len(), 24);
        let spring = hours("Europe/Berlin", date(2026, 3, 29));
        assert_eq!((spring.len(), spring[2].as_str()), (23, "2026-03-29T03:00:00+02:00"));
        let autumn = hours("Europe/Berlin", date(2026, 10, 25));
        assert_eq!((autumn.len(), autumn[3].as_str()), (25, "2026-10-25T02:00:00+01:00"));
        let half = hours("Australia/Lord_Howe", date(2026, 4, 5));
        assert_eq!(half.len(), 25);
        assert_eq!(half[2], "2026-04-05T01:00:00+10:30");
        assert_eq!(hours("Asia/Kolkata", date(2026, 1, 1))[0], "2026-01-01T00:00:00+05:30");
    }

    #[test]
    fn buckets_are_named_after_their_first_date() {
        let utc = |_| TimeZone::UTC;
        let dates = (date(2026, 1, 1), date(2026, 3, 1));
        let labels = |interval| Calendar::new(dates, interval, &utc, false, false).labels;
        assert_eq!(labels(Interval::Month), ["2026-01-01", "2026-02-01", "2026-03-01"]);
        assert_eq!(labels(Interval::Week)[0], "2025-12-29");
        assert_eq!(labels(Interval::Year), ["2026-01-01"]);
        assert_eq!(labels(Interval::None), [""]);
        assert_eq!(labels(Interval::Day).len(), 60);
    }

    #[test]
    fn with_a_zone_the_time_decides_the_day() {
        let zone = TimeZone::get("Asia/Kolkata").unwrap();
        let day = date(2026, 1, 2);
        let calendar = Calendar::new((day, day), Interval::Day, &|_| zone.clone(), true, true);
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_microsecond();
        assert_eq!(calendar.place(None, at("2026-01-01T18:29:59Z")), None);
        let first = calendar.place(None, at("2026-01-01T18:30:00Z")).unwrap();
        assert_eq!((first.day, first.bucket, first.hour), (0, 0, 0));
        assert_eq!(calendar.place(None, at("2026-01-02T18:30:00Z")), None);
        assert_eq!(calendar.weekday(0), 5);
    }
}
