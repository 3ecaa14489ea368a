//! The lines of a result as what a scan would have counted.
//!
//! The columns are those of `crate::sql`: which dates, which cell, time, dimensions, metrics, and how
//! many combinations there are where only a page of them is here. Values come as texts.

use crate::answer::zeros;
use crate::count::{Counted, Row, Value};
use crate::dimension::Dimension;
use crate::fast::HashMap;
use crate::plan::Plan;
use crate::question::Question;

use super::AthenaError;

/// The lines of a result, the names of its columns apart.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    names: Vec<Option<String>>,
    lines: Vec<Vec<Option<String>>>,
}

impl Lines {
    /// Of pages one after the other.
    pub(super) fn new(mut lines: Vec<Vec<Option<String>>>) -> Self {
        let rest = lines.split_off(lines.len().min(1));
        Self { names: lines.pop().unwrap_or_default(), lines: rest }
    }
}

/// What is counted of the dates asked for, and of those they are compared with.
pub(crate) fn read(
    lines: &Lines,
    question: &Question,
    asked: &Plan,
    compared: Option<&Plan>,
) -> Result<(Counted, Option<Counted>), AthenaError> {
    let shape = Shape::of(question, asked, lines)?;
    let mut now = Found::of(asked);
    let mut before = compared.map(Found::of);
    for line in &lines.lines {
        let line = shape.line(line, question)?;
        let found = match line.dates {
            "asked" => Some(&mut now),
            "compared" => before.as_mut(),
            _ => None,
        };
        found.and_then(|found| found.add(line)).ok_or_else(|| strange("a line of other cells"))?;
    }
    Ok((now.counted, before.map(|before| before.counted)))
}

fn strange(what: impl Into<String>) -> AthenaError {
    AthenaError::Strange(what.into())
}

/// Where which column stands.
struct Shape {
    timed: bool,
    by: usize,
    metrics: usize,
    is_page: bool,
}

/// A line, read.
struct Line<'a> {
    dates: &'a str,
    cell: &'a str,
    time: Option<&'a str>,
    by: Vec<Value>,
    metrics: Vec<Option<f64>>,
    row_count: Option<usize>,
}

impl Shape {
    fn of(question: &Question, plan: &Plan, lines: &Lines) -> Result<Self, AthenaError> {
        let mut expected = vec!["dates", "cell"];
        expected.extend(plan.by_time.then_some("time"));
        expected.extend(question.by.iter().map(|dimension| dimension.name));
        expected.extend(question.metrics.iter().map(|metric| metric.name));
        let names: Vec<&str> =
            lines.names.iter().map(|name| name.as_deref().unwrap_or_default()).collect();
        let is_page = names.last() == Some(&"row_count");
        expected.extend(is_page.then_some("row_count"));
        if names != expected {
            return Err(strange(format!("columns {names:?} instead of {expected:?}")));
        }
        let (by, metrics) = (question.by.len(), question.metrics.len());
        Ok(Self { timed: plan.by_time, by, metrics, is_page })
    }

    fn line<'a>(
        &self,
        line: &'a [Option<String>],
        question: &Question,
    ) -> Result<Line<'a>, AthenaError> {
        let mut cells = line.iter().map(Option::as_deref);
        let mut next = || cells.next().ok_or_else(|| strange("a line is too short"));
        let dates = next()?.unwrap_or_default();
        let cell = next()?.unwrap_or_default();
        let time = if self.timed { next()? } else { None };
        let mut by = Vec::with_capacity(self.by);
        for dimension in &question.by {
            by.push(value(dimension, next()?)?);
        }
        let mut metrics = Vec::with_capacity(self.metrics);
        for _ in 0..self.metrics {
            metrics.push(next()?.map(number).transpose()?);
        }
        let count = if self.is_page { next()? } else { None };
        let row_count = count.map(number::<usize>).transpose()?;
        Ok(Line { dates, cell, time, by, metrics, row_count })
    }
}

fn value(dimension: &Dimension, text: Option<&str>) -> Result<Value, AthenaError> {
    Ok(match text {
        None => Value::Null,
        Some(text) if dimension.is_number() => Value::Number(number(text)?),
        Some(text) => Value::Text(text.into()),
    })
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, AthenaError> {
    text.parse().map_err(|_| strange(format!("{text:?} is no number")))
}

/// What was found of one range of dates.
struct Found {
    counted: Counted,
    buckets: HashMap<String, u32>,
    timed: bool,
}

impl Found {
    fn of(plan: &Plan) -> Self {
        let labels = plan.calendar.labels().iter().cloned();
        Self {
            // Where nothing matches there is no line of the total.
            counted: Counted { totals: zeros(plan), ..Counted::default() },
            buckets: labels.zip(0..).collect(),
            timed: plan.by_time,
        }
    }

    /// None where the line does not belong here.
    fn add(&mut self, line: Line<'_>) -> Option<()> {
        let Line { by, metrics, .. } = line;
        let counted = &mut self.counted;
        counted.of_all = line.row_count.or(counted.of_all);
        match line.cell {
            "total" => counted.totals = metrics,
            "combination" => counted.combinations.push((by, metrics)),
            "row" => {
                let bucket = if self.timed { *self.buckets.get(line.time?)? } else { 0 };
                counted.rows.push(Row { bucket, by, metrics });
            }
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::calendar::{Calendar, Interval};
    use crate::question::{Parameters, Surroundings};

    fn asked(parameters: &[(&str, &str)]) -> (Question, Plan) {
        let mut given = Parameters::default();
        for (name, value) in parameters {
            given.set_default(name, value);
        }
        let day = date(2026, 3, 1);
        let of = Surroundings { sites: &[1], today: &|_| day, sections: &[], segments: &[] };
        let question = Question::from_parameters(&given, &of).unwrap();
        let dates = (question.from, question.to);
        let zone = |_| TimeZone::UTC;
        let calendar = Calendar::new(dates, question.interval, &zone, false, false);
        let plan = Plan::new(1, &question, calendar);
        (question, plan)
    }

    fn lines(text: &str) -> Lines {
        let line = |line: &str| {
            let cell = |cell: &str| Some(cell.to_owned()).filter(|cell| cell != "-");
            line.split_whitespace().map(cell).collect()
        };
        Lines::new(text.lines().map(line).collect())
    }

    #[test]
    fn lines_become_cells() {
        let (question, plan) = asked(&[
            ("metrics", "pageviews,bounce_rate"),
            ("by", "country,goal"),
            ("interval", "day"),
            ("from", "2026-03-01"),
            ("to", "2026-03-02"),
        ]);
        assert!(plan.by_time && question.interval == Interval::Day);
        let result = lines(
            "dates cell time country goal pageviews bounce_rate row_count
             asked total - - - 5 0.25 7
             asked combination - GB 3 2 1.0E0 7
             asked row 2026-03-02 GB 3 2 - 7
             compared row 2026-03-01 - - 1 0 7",
        );
        let (now, before) = read(&result, &question, &plan, Some(&plan)).unwrap();
        assert_eq!(now.totals, [Some(5.0), Some(0.25)]);
        let gb = vec![Value::Text("GB".into()), Value::Number(3)];
        assert_eq!(now.combinations, [(gb.clone(), vec![Some(2.0), Some(1.0)])]);
        assert_eq!(now.rows, [Row { bucket: 1, by: gb, metrics: vec![Some(2.0), None] }]);
        assert_eq!(now.of_all, Some(7));
        let before = before.unwrap();
        assert_eq!(before.totals, [Some(0.0), None], "no line, no hits");
        assert_eq!(before.rows[0].by, [Value::Null, Value::Null]);
    }

    #[test]
    fn lines_of_another_question_are_refused() {
        let (question, plan) = asked(&[("metrics", "pageviews"), ("by", "goal")]);
        for wrong in [
            "",
            "dates cell goal visits",
            "dates cell goal pageviews\nasked row 1",
            "dates cell goal pageviews\nasked row x 1",
            "dates cell goal pageviews\nasked row 1 x",
            "dates cell goal pageviews\nasked other 1 1",
            "dates cell goal pageviews\ncompared row 1 1",
            "dates cell goal pageviews row_count\nasked row 1 1 -1",
        ] {
            let refused = read(&lines(wrong), &question, &plan, None);
            assert!(matches!(refused, Err(AthenaError::Strange(_))), "{wrong}");
        }
        let (question, plan) = asked(&[("metrics", "pageviews"), ("interval", "day")]);
        let other = "dates cell time pageviews\nasked row 1999-01-01 1";
        assert!(read(&lines(other), &question, &plan, None).is_err(), "a bucket of other dates");
    }
}
