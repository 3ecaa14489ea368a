//! The end of the text: the rows that are shown, in their order.

use super::text::Sql;
use crate::question::{Key, Question};

/// What an answer is made of.
pub(super) struct Answer<'a> {
    pub(super) question: &'a Question,
    /// Names of the values of dimensions within the text.
    pub(super) keys: Vec<Sql>,
    /// There are buckets of time.
    pub(super) timed: bool,
}

/// The columns in which it comes: which dates, which cell, its time and values, the metrics, and
/// how many combinations there are where not all are shown.
pub(super) fn answer(answer: &Answer<'_>, ranges: Vec<Sql>, named: &mut Vec<(Sql, Sql)>) -> Sql {
    named.push((Sql::of("answer"), Sql::join(ranges, "\nUNION ALL\n")));
    let Answer { question, keys, timed } = answer;
    let mut columns = vec![Sql::of("dates"), Sql::of("cell")];
    columns.extend(timed.then(|| Sql::of("time")));
    for (key, dimension) in keys.iter().zip(&question.by) {
        columns.push(Sql::fill("{} AS {}", &[key, &Sql::of(dimension.name)]));
    }
    columns.extend(question.metrics.iter().map(|metric| Sql::of(metric.name)));
    let mut order = vec![Sql::of("dates"), Sql::of("cell DESC")];
    let (mut from, mut shown) = ("answer", Sql::of(""));
    if answer.is_cut() {
        from = "shown";
        named.extend(answer.placed());
        shown = answer.within_limit();
        columns.push(Sql::of("row_count"));
        order.push(Sql::of("place"));
    }
    order.extend(timed.then(|| Sql::of("time")));
    Sql::fill(
        "SELECT {}\nFROM {}{}\nORDER BY {}",
        &[&Sql::join(columns, ", "), &Sql::of(from), &shown, &Sql::join(order, ", ")],
    )
}

impl Answer<'_> {
    /// Series of time are filled and cut afterwards, and pages by cursor found.
    fn is_cut(&self) -> bool {
        let question = self.question;
        !question.by.is_empty() && question.limit < usize::MAX && question.cursor.is_none()
    }

    /// Each combination with its place by its numbers over all time, and how many there are.
    fn placed(&self) -> [(Sql, Sql); 2] {
        let placed = Sql::fill(
            "SELECT *, row_number() OVER (PARTITION BY dates, cell ORDER BY {}) AS nth, count(*) OVER (PARTITION BY dates, cell) AS combinations\nFROM answer",
            &[&Sql::join(self.order(), ", ")],
        );
        let ranked = Sql::text(if self.timed { "combination" } else { "row" });
        let keys = Sql::join(self.keys.iter().cloned(), ", ");
        let shown = Sql::fill(
            "SELECT *,\n  max(CASE WHEN dates = 'asked' AND cell = {} THEN nth END) OVER (PARTITION BY {}) AS place,\n  coalesce(max(CASE WHEN dates = 'asked' AND cell = {} THEN combinations END) OVER (), 0) AS row_count\nFROM placed",
            &[&ranked, &keys, &ranked],
        );
        [(Sql::of("placed"), placed), (Sql::of("shown"), shown)]
    }

    fn within_limit(&self) -> Sql {
        let number = |count: usize| Sql::whole(i64::try_from(count).unwrap_or(i64::MAX));
        let Question { offset, limit, .. } = self.question;
        let last = number(offset.saturating_add(*limit));
        Sql::fill(
            "\nWHERE cell = 'total' OR place > {} AND place <= {}",
            &[&number(*offset), &last],
        )
    }

    /// By what was asked, the first metric from the largest, dimensions; null last.
    fn order(&self) -> Vec<Sql> {
        let metric = |at: usize| self.question.metrics.get(at).map(|metric| Sql::of(metric.name));
        let asked = self.question.order.and_then(|order| {
            let column = match order.key {
                Key::Time => None,
                Key::Metric(at) => metric(at),
                Key::Dimension(at) => self.keys.get(at).cloned(),
            }?;
            Some(directed(&column, order.descending))
        });
        let first = metric(0).map(|column| directed(&column, true));
        let keys = self.keys.iter().map(|key| directed(key, false));
        asked.into_iter().chain(first).chain(keys).collect()
    }
}

fn directed(column: &Sql, descending: bool) -> Sql {
    Sql::fill(if descending { "{} DESC NULLS LAST" } else { "{} ASC NULLS LAST" }, &[column])
}
