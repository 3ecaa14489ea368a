//! A question worked out for the scan: which columns, which sums, which rows.
//!
//! Everything here is derived from the tables of [`crate::metric`] and [`crate::dimension`].

use std::sync::Arc;

use lake::columns::schema_for_reading;
use lake::filter::{Condition, Filter, Reach};
use lake::hit::Kind;
use lake::site::Goal;

use crate::calendar::Calendar;
use crate::count::filter;
use crate::dimension::{Dimension, Origin};
use crate::metric::{Distinct, Measure, Sum};
use crate::question::{Bots, Question};
use crate::work::Work;

/// Which rows count, by the text of one column; asked once for each entry of a dictionary.
pub struct Predicate {
    /// The column, one of few distinct values.
    pub column: &'static str,
    /// Whether a row with this text counts.
    pub test: Test,
}

/// A question to the text of one column.
pub type Test = Box<dyn Fn(Option<&str>) -> bool + Send + Sync>;

/// How a metric is had from what was added up.
#[derive(Debug, Clone, Copy)]
pub enum Take {
    /// The sum with this number.
    Sum(usize),
    /// The count of different values with this number.
    Distinct(usize),
    /// A sum by another.
    Ratio(usize, usize),
}

/// What the scan does for one question.
pub struct Plan {
    /// The site.
    pub site: i32,
    /// Its number among the sites of the question: values are counted apart for each.
    pub site_number: u32,
    /// The columns to read, in the order of the table.
    pub columns: Vec<&'static str>,
    /// What is added up.
    pub sums: Vec<Sum>,
    /// What is counted by different values.
    pub distincts: Vec<Distinct>,
    /// By metric of the question.
    pub takes: Vec<Take>,
    /// The dimensions.
    pub by: Vec<&'static Dimension>,
    /// Levels of the path in the dimension `section`.
    pub section_depth: usize,
    /// All of them must hold.
    pub predicates: Vec<Predicate>,
    /// And these.
    pub filters: Vec<Filter>,
    /// Goals that hits meet which no merge has seen.
    pub goals: Vec<Goal>,
    /// Days and buckets.
    pub calendar: Calendar,
    /// Whether rows are divided into several buckets of time.
    pub by_time: bool,
    /// Whether the borders of visits matter.
    pub by_visit: bool,
    /// Whether a visit counts by its first row alone: all its rows are selected or none, and all
    /// have the same values.
    pub visits_at_entry: bool,
    /// What the scan took; of all sites and dates of the question together.
    pub work: Arc<Work>,
}

impl Plan {
    /// The plan of a question.
    #[must_use]
    pub fn new(site: i32, question: &Question, calendar: Calendar) -> Self {
        let mut plan = Self {
            site,
            site_number: 0,
            columns: Vec::new(),
            sums: Vec::new(),
            distincts: Vec::new(),
            takes: Vec::new(),
            by: question.by.clone(),
            section_depth: question.section_depth,
            predicates: predicates(question),
            filters: question.filters.clone(),
            goals: Vec::new(),
            calendar,
            by_time: question.interval != crate::calendar::Interval::None,
            by_visit: false,
            visits_at_entry: visits_at_entry(question),
            work: Arc::default(),
        };
        for metric in &question.metrics {
            let take = match metric.measure {
                Measure::Sum(sum) => Take::Sum(plan.sum(sum)),
                Measure::Distinct(distinct) => Take::Distinct(plan.distinct(distinct)),
                Measure::Ratio(part, whole) => Take::Ratio(plan.sum(part), plan.sum(whole)),
            };
            plan.takes.push(take);
        }
        let needed = plan.needed();
        let in_order = schema_for_reading();
        let names = in_order.fields().iter().map(|field| field.name().as_str());
        plan.columns =
            names.filter_map(|name| needed.iter().copied().find(|it| *it == name)).collect();
        plan.by_visit = plan.sums.iter().any(|sum| !plan.is_of_rows(sum));
        plan
    }

    /// Whether a sum is one over rows, each by itself; else rows are seen visit by visit.
    #[must_use]
    pub const fn is_of_rows(&self, sum: &Sum) -> bool {
        match sum {
            Sum::Hits(_) | Sum::Amount(..) | Sum::Having(..) => true,
            Sum::Visits(_) => self.visits_at_entry,
            _ => false,
        }
    }

    /// Whether hours or weekdays are asked about: hits outside of the question have none.
    #[must_use]
    pub fn needs_moments(&self) -> bool {
        let is_moment = |origin| matches!(origin, Origin::HourOfDay | Origin::Weekday);
        let conditions = self.filters.iter().flat_map(Filter::conditions);
        let filtered = conditions.filter_map(|condition| Dimension::find(condition.name.name));
        let by = self.by.iter().copied().chain(filtered);
        by.into_iter().any(|dimension| is_moment(dimension.origin))
    }

    /// Whether rows can be selected only with all rows of their visits at hand.
    #[must_use]
    pub fn needs_whole_visits(&self) -> bool {
        self.filters.iter().any(filter::asks_for_visits)
    }

    /// Whether rows that are not selected say nothing about others.
    #[must_use]
    pub fn counts_rows_apart(&self) -> bool {
        !self.by_visit && !self.needs_whole_visits()
    }

    /// Shows each condition of every counted row that one column of text decides: the column, and
    /// whether a text meets it.
    pub(crate) fn each_required(&self, show: &mut filter::Show<'_>) {
        for predicate in &self.predicates {
            show(predicate.column, &predicate.test);
        }
        if let Some(kind) = self.kind() {
            show("kind", &|name| name == Some(kind.name()));
        }
        for filter in &self.filters {
            filter::each_required(filter, show);
        }
    }

    /// Whether rows that are not the first of their visit count nothing.
    #[must_use]
    pub fn counts_entries_alone(&self) -> bool {
        let of_visits = |sum: &Sum| matches!(sum, Sum::Visits(_));
        let known = self.visits_at_entry && !self.calendar.needs_time();
        known && self.distincts.is_empty() && self.sums.iter().all(of_visits)
    }

    /// The kind of hits that the dimensions are of.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        self.by.iter().find_map(|dimension| dimension.kind)
    }

    /// The part of the different values that those of a day (of all days) are counted in.
    #[must_use]
    pub fn part(&self, day: Option<u32>) -> u32 {
        let days = u32::try_from(self.calendar.days().len()).unwrap_or(u32::MAX);
        day.map_or(self.site_number, |day| {
            self.site_number.saturating_mul(days).saturating_add(day)
        })
    }

    fn sum(&mut self, sum: Sum) -> usize {
        self.sums.iter().position(|known| *known == sum).unwrap_or_else(|| {
            self.sums.push(sum);
            self.sums.len() - 1
        })
    }

    fn distinct(&mut self, distinct: Distinct) -> usize {
        self.distincts.iter().position(|known| *known == distinct).unwrap_or_else(|| {
            self.distincts.push(distinct);
            self.distincts.len() - 1
        })
    }

    fn needed(&self) -> Vec<&'static str> {
        let sums = self.sums.iter().flat_map(Sum::columns);
        let distincts = self.distincts.iter().flat_map(Distinct::columns);
        let by = self.by.iter().flat_map(|dimension| dimension.columns());
        let predicates = self.predicates.iter().map(|predicate| predicate.column);
        let filters = self.filters.iter().flat_map(Filter::conditions).flat_map(filter::columns);
        let time = self.calendar.needs_time().then_some("ts");
        sums.chain(distincts).chain(by).chain(predicates).chain(filters).chain(time).collect()
    }
}

/// Whether the calendar of a question must know local hours.
#[must_use]
pub fn needs_hours(question: &Question) -> bool {
    let filters = question.filters.iter().flat_map(Filter::conditions);
    question.by.iter().any(|dimension| dimension.origin == Origin::HourOfDay)
        || filters.into_iter().any(|condition| condition.name.name == "hour_of_day")
}

/// Columns of the visit that differ from row to row.
const OF_ROWS: [&str; 4] = ["is_entry", "is_exit", "time_on_page_s", "is_conversion"];

/// People and bots never share a visit.
fn visits_at_entry(question: &Question) -> bool {
    let same = |column: &str| {
        lake::columns::find(column).is_some_and(|it| it.of_visit) && !OF_ROWS.contains(&column)
    };
    let is_same = |dimension: &Dimension| match dimension.origin {
        Origin::Text(column) | Origin::Band(column, _) => dimension.kind.is_none() && same(column),
        Origin::Site => true,
        _ => false,
    };
    let holds_alike = |condition: &Condition| {
        condition.reach != Reach::Hit || Dimension::find(condition.name.name).is_some_and(&is_same)
    };
    question.section.is_none()
        && question.by.iter().all(|dimension| is_same(dimension))
        && question.filters.iter().flat_map(Filter::conditions).all(holds_alike)
}

fn predicates(question: &Question) -> Vec<Predicate> {
    let mut predicates = Vec::new();
    let mut add = |column, test: Test| {
        predicates.push(Predicate { column, test });
    };
    match question.bots {
        Bots::Exclude => add("bot_reason", Box::new(|reason| reason.is_none())),
        Bots::Only => add("bot_reason", Box::new(|reason| reason.is_some())),
        Bots::Include => {}
    }
    if let Some(paths) = question.section.clone() {
        add("path", Box::new(move |path| path.is_some_and(|path| paths.hold(path))));
    }
    predicates
}
