//! What the SQL of a question gives, taken for what the scan counts.

use crate::count::{Counted, Row, Value};
use crate::dimension::{Dimension, Origin};
use crate::fast::HashMap;
use crate::plan::Plan;
use crate::question::Question;

/// A row of a result, each value as text.
pub type Line = Vec<Option<String>>;

/// A result that is none of the question's SQL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the result: {why}")]
pub struct UnreadableResult {
    line: usize,
    why: String,
}

/// A question, and its plan of the first site.
pub(crate) type Asked<'a> = (&'a Question, &'a Plan);

/// What was counted, and what was of the dates that it is compared with.
///
/// # Errors
///
/// [`UnreadableResult`] with the line.
pub fn counted(
    lines: impl IntoIterator<Item = Line>,
    asked: Asked<'_>,
    compared: Option<Asked<'_>>,
) -> Result<(Counted, Option<Counted>), UnreadableResult> {
    let mut ours = Reading::of(asked);
    let mut theirs = compared.map(Reading::of);
    for (at, line) in lines.into_iter().enumerate() {
        let mut values = line.into_iter();
        let reading = match values.next().flatten().as_deref() {
            Some("asked") => Some(&mut ours),
            Some("compared") => theirs.as_mut(),
            _ => None,
        };
        let read = reading.ok_or_else(|| "it is of no dates of the question".to_owned());
        let read = read.and_then(|reading| reading.line(values));
        read.map_err(|why| UnreadableResult { line: at + 1, why })?;
    }
    Ok((ours.finish(), theirs.map(Reading::finish)))
}

/// What has been read of one range of dates.
struct Reading<'a> {
    question: &'a Question,
    plan: &'a Plan,
    buckets: HashMap<&'a str, u32>,
    has_total: bool,
    counted: Counted,
}

impl<'a> Reading<'a> {
    fn of((question, plan): Asked<'a>) -> Self {
        let labels = plan.calendar.labels().iter().map(String::as_str);
        let buckets = labels.zip(0..).collect();
        Self { question, plan, buckets, has_total: false, counted: Counted::default() }
    }

    fn line(&mut self, mut values: impl Iterator<Item = Option<String>>) -> Result<(), String> {
        let mut next = || values.next().ok_or("it has too few values");
        let cell = next()?.unwrap_or_default();
        let time = if self.plan.by_time { next()? } else { None };
        let mut by = Vec::new();
        for dimension in &self.question.by {
            by.push(value(dimension, next()?)?);
        }
        let mut metrics = Vec::new();
        for _ in &self.question.metrics {
            metrics.push(next()?.map(|text| number(&text)).transpose()?);
        }
        if let Some(count) = values.next().flatten() {
            let count = count.parse().map_err(|_| format!("{count:?} is no number of rows"))?;
            self.counted.row_count = Some(count);
        }
        match cell.as_str() {
            "total" => {
                self.has_total = true;
                self.counted.totals = metrics;
            }
            "combination" => self.counted.combinations.push((by, metrics)),
            "row" => {
                let bucket = self.bucket(time.as_deref())?;
                self.counted.rows.push(Row { bucket, by, metrics });
            }
            other => return Err(format!("{other:?} is no kind of cell")),
        }
        Ok(())
    }

    fn bucket(&self, time: Option<&str>) -> Result<u32, String> {
        if !self.plan.by_time {
            return Ok(0);
        }
        let time = time.unwrap_or_default();
        let bucket = self.buckets.get(time).copied();
        bucket.ok_or_else(|| format!("{time:?} is no time of the question"))
    }

    /// Where nothing matched there is no total either: all is zero.
    fn finish(self) -> Counted {
        let mut counted = self.counted;
        if !self.has_total {
            counted.totals = crate::answer::zeros(self.plan);
        }
        counted
    }
}

fn value(dimension: &Dimension, text: Option<String>) -> Result<Value, String> {
    let Some(text) = text else { return Ok(Value::Null) };
    match dimension.origin {
        Origin::Number(_) | Origin::HourOfDay | Origin::Weekday | Origin::Site => text
            .parse()
            .map(Value::Number)
            .map_err(|_| format!("{text:?} is no value of {}", dimension.name)),
        _ => Ok(Value::Text(text.into())),
    }
}

fn number(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| format!("{text:?} is no number"))
}
