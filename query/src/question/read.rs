//! A question out of its parameters: texts become names of the tables of metrics and dimensions, and
//! what is wrong is refused with what is allowed.

use jiff::tz::TimeZone;
use lake::filter::{Filter, FilterError};
use lake::limits::{DEFAULT_ROW_LIMIT, MAX_QUESTION_DIMENSIONS, MAX_SECTION_DEPTH};
use lake::nearest::nearest;
use lake::site::{Section, Segment};

use super::parameters::{Parameters, Refused};
use super::{
    Bots, Compare, Cursor, DEFAULT_METRICS, Engine, Format, Key, Order, PARAMETERS, Paths,
    Question, Surroundings, dates,
};
use crate::calendar::Interval;
use crate::dimension::{DIMENSIONS, Dimension};
use crate::metric::{METRICS, Metric};

impl Question {
    /// Reads the query string.
    ///
    /// # Errors
    ///
    /// [`Refused`] naming the parameter, its value and what is allowed.
    pub fn parse(query: &str, of: &Surroundings<'_>) -> Result<Self, Refused> {
        Self::from_parameters(&Parameters::parse(query, &PARAMETERS)?, of)
    }

    /// Reads parameters.
    ///
    /// # Errors
    ///
    /// As [`Question::parse`].
    pub fn from_parameters(given: &Parameters, of: &Surroundings<'_>) -> Result<Self, Refused> {
        let tz = given.of("tz").map(zone).transpose()?;
        let (from, to) = dates(given, (of.today)(tz.as_ref()))?;
        let metrics = metrics(given)?;
        let by = dimensions(given)?;
        let interval = given.one_of("interval", &Interval::NAMES)?;
        // A series of time has no holes, so that only an explicit limit cuts it.
        let default_limit = if by.is_empty() { usize::MAX } else { DEFAULT_ROW_LIMIT };
        given.one_of("redirect", &[("true", true), ("false", false)])?;
        let question = Self {
            sites: of.sites.to_vec(),
            from,
            to,
            interval,
            section: given.of("section").map(|name| section(name, of.sections)).transpose()?,
            section_depth: section_depth(given)?,
            filters: filters(given, of.segments)?,
            tz,
            bots: given.one_of("bots", &Bots::NAMES)?,
            compare: given
                .of("compare")
                .map(|_| given.one_of("compare", &Compare::NAMES))
                .transpose()?,
            order: given.of("order").map(|text| order(text, &metrics, &by)).transpose()?,
            limit: given.number("limit", 1)?.unwrap_or(default_limit),
            offset: given.number("offset", 0)?.unwrap_or(0),
            cursor: None,
            explain: given.one_of("explain", &[("false", false), ("true", true)])?,
            engine: given.one_of("engine", &Engine::NAMES)?,
            format: given.one_of("format", &Format::NAMES)?,
            metrics,
            by,
        };
        let Some(text) = given.of("cursor") else { return Ok(question) };
        if question.offset > 0 {
            return Err(Refused::new("cursor", text, "give cursor or offset, not both"));
        }
        let cursor = Some(Cursor::read(text, &question)?);
        Ok(Self { cursor, ..question })
    }
}

fn metrics(given: &Parameters) -> Result<Vec<&'static Metric>, Refused> {
    let mut names = given.list("metrics")?;
    if names.is_empty() {
        names.extend(DEFAULT_METRICS);
    }
    let find = |name: &str| {
        Metric::find(name).ok_or_else(|| {
            let known: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
            Refused::unknown("metrics", name, &known)
        })
    };
    names.into_iter().map(find).collect()
}

fn dimensions(given: &Parameters) -> Result<Vec<&'static Dimension>, Refused> {
    let names = given.list("by")?;
    if names.len() > MAX_QUESTION_DIMENSIONS {
        let detail = format!(
            "by has {} dimensions; at most {MAX_QUESTION_DIMENSIONS} can be asked at once",
            names.len()
        );
        return Err(Refused::new("by", &names.join(","), detail));
    }
    let find = |name: &str| {
        Dimension::find(name).ok_or_else(|| {
            let known: Vec<&str> = DIMENSIONS.iter().map(|dimension| dimension.name).collect();
            let unknown = Refused::unknown("by", name, &known);
            if !Interval::NAMES.iter().any(|(interval, _)| *interval == name) {
                return unknown;
            }
            let detail = format!("rows by time are asked for with interval={name}, not by");
            Refused { detail, suggestion: None, ..unknown }
        })
    };
    let by: Vec<&Dimension> = names.iter().copied().map(find).collect::<Result<_, _>>()?;
    let kinds: Vec<_> = by.iter().filter_map(|dimension| dimension.kind).collect();
    if kinds.windows(2).any(|pair| pair.first() != pair.last()) {
        let detail =
            "these dimensions belong to hits of different kinds, so that no hit has them all";
        return Err(Refused::new("by", &names.join(","), detail));
    }
    Ok(by)
}

fn order(text: &str, metrics: &[&Metric], by: &[&Dimension]) -> Result<Order, Refused> {
    let (name, descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
    let metric = metrics.iter().position(|metric| metric.name == name).map(Key::Metric);
    let dimension = || by.iter().position(|it| it.name == name).map(Key::Dimension);
    let key = metric.or_else(dimension).or_else(|| (name == "time").then_some(Key::Time));
    key.map(|key| Order { key, descending }).ok_or_else(|| {
        let mut allowed: Vec<&str> = metrics.iter().map(|metric| metric.name).collect();
        allowed.extend(by.iter().map(|dimension| dimension.name));
        allowed.push("time");
        let unknown = Refused::unknown("order", name, &allowed);
        if Metric::find(name).is_none() && Dimension::find(name).is_none() {
            return unknown;
        }
        let detail = "the rows are ordered by what the question asks for; \
            add it to metrics or by, or take another order"
            .to_owned();
        Refused { detail, suggestion: None, ..unknown }
    })
}

fn section(name: &str, sections: &[Section]) -> Result<Paths, Refused> {
    if let Some(section) = sections.iter().find(|section| section.name == name) {
        return Ok(Paths::new(&section.include, &section.exclude));
    }
    if name.starts_with('/') {
        return Ok(Paths::new(&[name.to_owned()], &[]));
    }
    let known: Vec<&str> = sections.iter().map(|section| section.name.as_str()).collect();
    let mut refused = Refused::unknown("section", name, &known);
    refused.detail = format!(
        "section is {name:?}; give a path that begins with / or the name of one of the site's sections"
    );
    Err(refused)
}

/// Those of `filter` and of the named `segment`.
fn filters(given: &Parameters, segments: &[Segment]) -> Result<Vec<Filter>, Refused> {
    let mut filters = Vec::new();
    if let Some(text) = given.of("filter") {
        filters.push(Filter::parse(text).map_err(|error| refused_filter("filter", text, error))?);
    }
    if let Some(name) = given.of("segment") {
        let segment = segments.iter().find(|segment| segment.name == name).ok_or_else(|| {
            let known: Vec<&str> = segments.iter().map(|segment| segment.name.as_str()).collect();
            Refused::unknown("segment", name, &known)
        })?;
        let filter = Filter::parse(&segment.filter);
        filters.push(filter.map_err(|error| refused_filter("segment", name, error))?);
    }
    Ok(filters)
}

fn refused_filter(parameter: &str, value: &str, error: FilterError) -> Refused {
    Refused {
        detail: format!("{parameter} {error}"),
        allowed: error.allowed.iter().map(|name| (*name).to_owned()).collect(),
        suggestion: error.suggestion,
        ..Refused::new(parameter, value, "")
    }
}

fn section_depth(given: &Parameters) -> Result<usize, Refused> {
    let depth = given.number("section_depth", 1)?.unwrap_or(1);
    let text = given.of("section_depth").unwrap_or_default();
    let refused = || {
        Refused::new(
            "section_depth",
            text,
            format!("section_depth must be 1 to {MAX_SECTION_DEPTH}"),
        )
    };
    (depth <= MAX_SECTION_DEPTH).then_some(depth).ok_or_else(refused)
}

fn zone(name: &str) -> Result<TimeZone, Refused> {
    TimeZone::get(name).ok().filter(|zone| zone.iana_name().is_some()).ok_or_else(|| {
        let known: Vec<String> = jiff::tz::db().available().map(|it| it.to_string()).collect();
        let nearest = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
        let detail =
            format!("tz is {name:?}; give a zone of the IANA database such as Europe/Berlin");
        Refused { suggestion: nearest, ..Refused::new("tz", name, detail) }
    })
}
