//! The dates that a question is compared with.

use jiff::Span;
use jiff::civil::Date;

use super::parameters::Refused;
use super::{Compare, Question};

impl Question {
    /// The same question of the dates that it is compared with; none where it is not.
    ///
    /// # Errors
    ///
    /// [`Refused`] when these would lie before the year 1.
    pub fn compared(&self) -> Result<Option<Self>, Refused> {
        let Some(compare) = self.compare else { return Ok(None) };
        let (from, to) = compare.dates((self.from, self.to)).ok_or_else(|| {
            let detail = format!("the dates before {} would lie before the year 1", self.from);
            Refused::new("compare", compare.name(), detail)
        })?;
        Ok(Some(Self { from, to, ..self.clone() }))
    }
}

impl Compare {
    /// The first and last date that such dates are compared with; none before the year 1.
    pub(super) fn dates(self, (from, to): (Date, Date)) -> Option<(Date, Date)> {
        let dates = match self {
            Self::Previous => before(from, to),
            Self::Year => year_before(from, to),
        };
        dates.filter(|(from, _)| from.year() >= 1)
    }
}

/// Months from the first to the last day of months; none where they are none.
fn whole_months(from: Date, to: Date) -> Option<i32> {
    let number = |date: Date| i32::from(date.year()) * 12 + i32::from(date.month());
    let whole = from == from.first_of_month() && to == to.last_of_month();
    whole.then(|| number(to) - number(from) + 1)
}

/// As many days directly before; of whole months as many months.
fn before(from: Date, to: Date) -> Option<(Date, Date)> {
    let span = match whole_months(from, to) {
        Some(months) => Span::new().months(months),
        None => Span::new().days(from.until(to).ok()?.get_days() + 1),
    };
    Some((from.checked_sub(span).ok()?, from.yesterday().ok()?))
}

/// The same dates a year earlier; of whole months the same months.
fn year_before(from: Date, to: Date) -> Option<(Date, Date)> {
    let earlier = |date: Date| date.checked_sub(Span::new().years(1)).ok();
    let last = match whole_months(from, to) {
        Some(_) => earlier(to.first_of_month())?.last_of_month(),
        None => earlier(to)?,
    };
    Some((earlier(from)?, last))
}
