//! A question, checked: what is asked, of which dates, by what.

use jiff::civil::Date;
use lake::limits::{DEFAULT_ROW_LIMIT, MAX_DATES};
use percent_encoding::percent_decode_str;

/// Metrics that are answered.
pub const METRICS: [&str; 20] = [
    "hits",
    "pageviews",
    "unique_pageviews",
    "downloads",
    "unique_downloads",
    "outlinks",
    "unique_outlinks",
    "events",
    "searches",
    "conversions",
    "visits",
    "visitors",
    "actions",
    "bounces",
    "bounce_rate",
    "visit_duration",
    "avg_visit_duration",
    "actions_per_visit",
    "entries",
    "exits",
];
/// Dimensions that are answered, with the column that holds each.
pub const DIMENSIONS: [(&str, &str); 13] = [
    ("page", "path"),
    ("download", "target"),
    ("outlink", "target"),
    ("entry_page", "entry_path"),
    ("exit_page", "exit_path"),
    ("title", "title"),
    ("channel", "channel"),
    ("source", "source"),
    ("referrer", "referrer_host"),
    ("country", "country"),
    ("device", "device"),
    ("browser", "browser"),
    ("os", "os"),
];
const INTERVALS: [&str; 6] = ["none", "hour", "day", "week", "month", "year"];
const BOTS: [&str; 3] = ["exclude", "include", "only"];
const FORMATS: [&str; 2] = ["json", "csv"];
const PARAMETERS: [&str; 10] =
    ["metrics", "from", "to", "interval", "by", "section", "limit", "order", "bots", "format"];

/// A question that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Names out of [`METRICS`].
    pub metrics: Vec<&'static str>,
    /// First date.
    pub from: Date,
    /// Last date.
    pub to: Date,
    /// hour, day, week, month, year or none.
    pub interval: &'static str,
    /// The dimension and its column.
    pub by: Option<(&'static str, &'static str)>,
    /// Path prefix or name of a section.
    pub section: Option<String>,
    /// Rows at most.
    pub limit: usize,
    /// Metric or dimension, and whether descending.
    pub order: Option<(String, bool)>,
    /// exclude, include or only.
    pub bots: &'static str,
    /// json or csv.
    pub format: &'static str,
}

/// Why a question was refused: the parts of a problem document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refused {
    /// The parameter.
    pub parameter: String,
    /// Its value.
    pub value: String,
    /// What is wrong and what to do.
    pub detail: String,
    /// What is allowed.
    pub allowed: Vec<String>,
    /// The nearest right name.
    pub suggestion: Option<String>,
}

impl Question {
    /// Reads the query string; `today` is the site's.
    ///
    /// # Errors
    ///
    /// [`Refused`] naming the parameter, its value and what is allowed.
    pub fn parse(query: &str, today: Date) -> Result<Self, Refused> {
        let pairs = pairs(query);
        if let Some((name, value)) =
            pairs.iter().find(|(name, _)| !PARAMETERS.contains(&name.as_str()))
        {
            return Err(unknown("parameter", name, value, &PARAMETERS));
        }
        let of = |name: &str| {
            pairs.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
        };
        let to = date("to", of("to"), today)?;
        let from = date(
            "from",
            of("from"),
            to.checked_sub(jiff::SignedDuration::from_hours(24 * 29)).unwrap_or(to),
        )?;
        let days = from.until(to).map(|span| i64::from(span.get_days())).unwrap_or(i64::MAX);
        if from > to || days >= MAX_DATES {
            return Err(refused(
                "from",
                &from.to_string(),
                &format!("from {from} to {to} must be 1 to {MAX_DATES} dates"),
                &[],
            ));
        }
        let by = match of("by").filter(|by| !by.is_empty()) {
            None => None,
            Some(name) => {
                let names = DIMENSIONS.map(|(name, _)| name);
                let found = DIMENSIONS.into_iter().find(|(known, _)| *known == name);
                Some(found.ok_or_else(|| unknown("by", name, name, &names))?)
            }
        };
        let metrics = of("metrics").unwrap_or("pageviews,visits,visitors");
        let limit = match of("limit") {
            None => DEFAULT_ROW_LIMIT,
            Some(text) => text.parse().ok().filter(|limit| *limit > 0).ok_or_else(|| {
                refused("limit", text, "limit must be a whole number above 0", &[])
            })?,
        };
        let question = Self {
            metrics: metrics
                .split(',')
                .map(|name| one_of("metrics", name.trim(), &METRICS))
                .collect::<Result<_, _>>()?,
            from,
            to,
            interval: one_of("interval", of("interval").unwrap_or("none"), &INTERVALS)?,
            by,
            section: of("section").filter(|section| !section.is_empty()).map(str::to_owned),
            limit,
            order: of("order").map(|order| {
                order
                    .strip_prefix('-')
                    .map_or((order.to_owned(), false), |name| (name.to_owned(), true))
            }),
            bots: one_of("bots", of("bots").unwrap_or("exclude"), &BOTS)?,
            format: one_of("format", of("format").unwrap_or("json"), &FORMATS)?,
        };
        question.check_order()?;
        Ok(question)
    }

    fn check_order(&self) -> Result<(), Refused> {
        let Some((name, _)) = &self.order else { return Ok(()) };
        let mut allowed = self.metrics.clone();
        allowed.push("time");
        allowed.extend(self.by.map(|(name, _)| name));
        if allowed.contains(&name.as_str()) {
            Ok(())
        } else {
            Err(unknown("order", name, name, &allowed))
        }
    }

    /// The dates, first to last.
    #[must_use]
    pub fn dates(&self) -> Vec<Date> {
        let mut dates = vec![self.from];
        while let Some(next) =
            dates.last().and_then(|date| date.tomorrow().ok()).filter(|next| *next <= self.to)
        {
            dates.push(next);
        }
        dates
    }
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let decode =
        |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let split = |pair: &str| {
        pair.split_once('=').map_or_else(
            || (decode(pair), String::new()),
            |(name, value)| (decode(name), decode(value)),
        )
    };
    query.split('&').filter(|pair| !pair.is_empty()).map(split).collect()
}

fn date(name: &str, text: Option<&str>, default: Date) -> Result<Date, Refused> {
    text.map_or(Ok(default), |text| {
        text.parse().map_err(|_| {
            refused(name, text, &format!("{name} must be a date such as 2026-11-24"), &[])
        })
    })
}

fn one_of(parameter: &str, name: &str, allowed: &[&'static str]) -> Result<&'static str, Refused> {
    allowed
        .iter()
        .copied()
        .find(|known| *known == name)
        .ok_or_else(|| unknown(parameter, name, name, allowed))
}

fn unknown(parameter: &str, name: &str, value: &str, allowed: &[&str]) -> Refused {
    let nearest = allowed.iter().min_by_key(|known| strsim::damerau_levenshtein(name, known));
    let parameter = if parameter == "parameter" { name } else { parameter };
    let mut refused = refused(parameter, value, &format!("{name:?} is not known here"), allowed);
    refused.suggestion = nearest.map(|nearest| (*nearest).to_owned());
    refused
}

fn refused(parameter: &str, value: &str, detail: &str, allowed: &[&str]) -> Refused {
    let allowed = allowed.iter().map(|name| (*name).to_owned()).collect();
    Refused {
        parameter: parameter.to_owned(),
        value: value.to_owned(),
        detail: detail.to_owned(),
        allowed,
        suggestion: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_is_refused_with_the_nearest_right_name() {
        let today = jiff::civil::date(2026, 11, 24);
        let refused = Question::parse("metrics=pageveiws", today).unwrap_err();
        assert_eq!(
            (refused.parameter.as_str(), refused.suggestion.as_deref()),
            ("metrics", Some("pageviews"))
        );
        assert_eq!(Question::parse("form=2026-01-01", today).unwrap_err().parameter, "form");
        assert!(Question::parse("from=2026-11-25&to=2026-11-24", today).is_err());
    }

    #[test]
    fn without_dates_the_last_thirty_are_asked() {
        let question = Question::parse("", jiff::civil::date(2026, 11, 24)).unwrap();
        assert_eq!(
            (question.dates().len(), question.from.to_string().as_str()),
            (30, "2026-10-26")
        );
    }
}
