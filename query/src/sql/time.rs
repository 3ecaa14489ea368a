//! When: which rows lie within the dates of a question, and in which of its buckets.

use super::build::Shape;
use super::clock::Clock;
use super::text::Sql;
use super::{OfSite, Unsaid};
use crate::calendar::Interval;
use crate::plan::{Plan, needs_hours};

/// How times become days and buckets.
pub(super) struct Time {
    interval: Interval,
    by_moment: bool,
    span_us: (i64, i64),
    /// Where local time is asked for.
    pub(super) clock: Option<Clock>,
}

impl Time {
    pub(super) fn of(site: &OfSite<'_>) -> Result<Self, Unsaid> {
        let question = site.question;
        let by_moment = question.tz.is_some();
        let by_day = site.plan.distincts.iter().any(|distinct| distinct.daily)
            || question.interval != Interval::None
            || site.plan.needs_moments();
        let hours = needs_hours(question) || question.interval == Interval::Hour;
        let needed = hours || by_moment && by_day;
        let clock = match &site.zone {
            _ if !needed => None,
            Some(zone) => Some(Clock::new(zone, (question.from, question.to))?),
            None => return Err(Unsaid::ZoneChanged),
        };
        let span_us = site.plan.calendar.span_us().unwrap_or_default();
        Ok(Self { interval: question.interval, by_moment, span_us, clock })
    }

    /// The local date of a column.
    pub(super) fn day(&self, column: &Sql) -> Sql {
        match self.clock.as_ref().filter(|_| self.by_moment) {
            Some(clock) => Sql::fill("CAST({} AS date)", &[&clock.local(column)]),
            None => Sql::of("CAST(dt AS date)"),
        }
    }

    /// The name of the bucket of a column.
    pub(super) fn bucket(&self, column: &Sql) -> Sql {
        let day = self.day(column);
        let first = |unit: &'static str| {
            Sql::fill(
                "CAST(CAST(date_trunc({}, {}) AS date) AS varchar(10))",
                &[&Sql::text(unit), &day],
            )
        };
        match (self.interval, &self.clock) {
            (Interval::Hour, Some(clock)) => clock.hour_name(column),
            (Interval::Week | Interval::Month | Interval::Year, _) => first(self.interval.name()),
            _ if self.by_moment => Sql::fill("CAST({} AS varchar(10))", &[&day]),
            _ => Sql::of("dt"),
        }
    }

    /// Whether a column lies within the dates.
    pub(super) fn inside(&self, column: &Sql) -> Sql {
        if !self.by_moment {
            return Sql::of("TRUE");
        }
        let (start, end) = (Sql::moment(self.span_us.0), Sql::moment(self.span_us.1));
        Sql::fill("{} >= {} AND {} < {}", &[column, &start, column, &end])
    }

    /// Which rows can be in the answer at all: those of a visit that begins within the dates, too,
    /// but where each row must have an hour or a day of its own.
    pub(super) fn seen(&self, plan: &Plan, shape: &Shape) -> Sql {
        let hit = self.inside(&Sql::of("ts"));
        if !shape.by_part || plan.needs_moments() {
            return hit;
        }
        Sql::fill("({} OR {})", &[&hit, &self.inside(&Sql::of("visit_start"))])
    }
}
