//! The dates of a question: `from` and `to`, or `period` and `date`.

use jiff::Span;
use jiff::civil::Date;
use lake::limits::MAX_DATES;

use super::parameters::{Parameters, Refused};
use crate::calendar::Interval;

/// Days of a question that names no dates.
pub(crate) const DEFAULT_DAYS: i64 = 30;
pub(crate) const PERIODS: [(&str, Period); 5] = [
    ("day", Period::Of(Interval::Day)),
    ("week", Period::Of(Interval::Week)),
    ("month", Period::Of(Interval::Month)),
    ("year", Period::Of(Interval::Year)),
    ("range", Period::Range),
];

#[derive(Debug, Clone, Copy)]
pub(crate) enum Period {
    Of(Interval),
    Range,
}

/// First and last date.
pub(crate) fn dates(parameters: &Parameters, today: Date) -> Result<(Date, Date), Refused> {
    let by_period = parameters.of("period").or(parameters.of("date")).is_some();
    let (name, (from, to)) = if by_period {
        if let Some(name) = ["from", "to"].into_iter().find(|name| parameters.of(name).is_some()) {
            let value = parameters.of(name).unwrap_or_default();
            return Err(Refused::new(
                name,
                value,
                "give from and to, or period and date, not both",
            ));
        }
        ("date", of_period(parameters, today)?)
    } else {
        let given = |name| parameters.of(name).map(|text| parse(name, text, today)).transpose();
        let to = given("to")?.unwrap_or(today);
        let from = given("from")?;
        ("from", (from.map_or_else(|| back(to, DEFAULT_DAYS - 1, "from"), Ok)?, to))
    };
    let days = from.until(to).map(|span| i64::from(span.get_days()) + 1).unwrap_or(i64::MAX);
    if from > to || days > MAX_DATES {
        return Err(Refused::new(
            name,
            parameters.of(name).unwrap_or_default(),
            format!(
                "from {from} to {to} must be 1 to {MAX_DATES} dates, the first not after the last"
            ),
        ));
    }
    Ok((from, to))
}

fn of_period(parameters: &Parameters, today: Date) -> Result<(Date, Date), Refused> {
    let period = parameters.one_of("period", &PERIODS)?;
    let text = parameters.of("date").unwrap_or("today");
    let unit = match period {
        Period::Of(interval) => interval,
        Period::Range => Interval::Day,
    };
    if let Some(count) = text.strip_prefix("last").and_then(|count| count.parse().ok()) {
        return periods(unit, today, 1 - number(count, text)?, count);
    }
    if let Some(count) = text.strip_prefix("previous").and_then(|count| count.parse().ok()) {
        return periods(unit, today, -number(count, text)?, count);
    }
    match (period, text.split_once(',')) {
        (Period::Range, Some((from, to))) => {
            Ok((parse("date", from, today)?, parse("date", to, today)?))
        }
        (Period::Range, None) => Err(Refused::new(
            "date",
            text,
            "with period=range, date must be two dates with a comma between, lastN or previousN",
        )),
        (Period::Of(_), _) => {
            let first = unit.first(parse("date", text, today)?);
            Ok((first, last(unit, first)?))
        }
    }
}

fn number(count: u32, text: &str) -> Result<i64, Refused> {
    let within = i64::from(count) <= MAX_DATES && count > 0;
    let refused =
        || Refused::new("date", text, format!("the number in date must be 1 to {MAX_DATES}"));
    within.then_some(i64::from(count)).ok_or_else(refused)
}

/// `count` periods, the first of them `shift` after today's.
fn periods(unit: Interval, today: Date, shift: i64, count: u32) -> Result<(Date, Date), Refused> {
    let current = unit.first(today);
    let from = current.checked_add(span(unit, shift)).map_err(|_| out_of_range(today))?;
    let until =
        from.checked_add(span(unit, i64::from(count) - 1)).map_err(|_| out_of_range(today))?;
    Ok((from, last(unit, until)?))
}

fn last(unit: Interval, first: Date) -> Result<Date, Refused> {
    let next = first.checked_add(span(unit, 1)).and_then(Date::yesterday);
    next.map_err(|_| out_of_range(first))
}

fn span(unit: Interval, count: i64) -> Span {
    match unit {
        Interval::Week => Span::new().weeks(count),
        Interval::Month => Span::new().months(count),
        Interval::Year => Span::new().years(count),
        _ => Span::new().days(count),
    }
}

fn back(date: Date, days: i64, name: &str) -> Result<Date, Refused> {
    let earlier = date.checked_sub(Span::new().days(days));
    let valid = earlier.ok().filter(|date| date.year() >= 1);
    valid.ok_or_else(|| Refused { parameter: name.to_owned(), ..out_of_range(date) })
}

fn out_of_range(date: Date) -> Refused {
    Refused::new("date", &date.to_string(), "the dates must be in the years 1 to 9999")
}

fn parse(name: &str, text: &str, today: Date) -> Result<Date, Refused> {
    let date = match text {
        "today" => Some(today),
        "yesterday" => today.yesterday().ok(),
        text if text.len() == 10 => text.parse::<Date>().ok().filter(|date| date.year() >= 1),
        _ => None,
    };
    date.ok_or_else(|| {
        Refused::new(
            name,
            text,
            match name {
                "date" => "date must be a date (YYYY-MM-DD), today, yesterday, lastN (N periods, the present one included) or previousN (the N before it)".to_owned(),
                _ => format!("{name} must be a date (YYYY-MM-DD), today or yesterday"),
            },
        )
    })
}
