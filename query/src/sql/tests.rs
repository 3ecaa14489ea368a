use std::sync::Arc;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

use super::*;
use crate::calendar::{Calendar, Interval};
use crate::plan::needs_hours;
use crate::question::{Parameters, Surroundings};
use crate::work::Work;

const DAY: Date = date(2026, 3, 1);

/// The SQL of a question of sites 1 and on; each is asked for itself.
fn sql(sites: &[i32], parameters: &[(&str, &str)], zone: Option<&str>) -> Result<String, Unsaid> {
    let mut given = Parameters::default();
    for (name, value) in parameters {
        given.set_default(name, value);
    }
    let of = Surroundings { sites, today: &|_| DAY, sections: &[], segments: &[] };
    let question = Question::from_parameters(&given, &of).unwrap();
    let zone = zone.map(|name| TimeZone::get(name).unwrap());
    let zone = question.tz.clone().or(zone);
    let of_zone = zone.clone().unwrap_or(TimeZone::UTC);
    let hours = needs_hours(&question) || question.interval == Interval::Hour;
    let dates = (question.from, question.to);
    let calendar = || {
        Calendar::new(dates, question.interval, &|_| of_zone.clone(), question.tz.is_some(), hours)
    };
    let plans: Vec<Plan> = sites
        .iter()
        .map(|site| Plan {
            work: Arc::new(Work::default()),
            ..Plan::new(*site, &question, calendar())
        })
        .collect();
    let partitions = [question.from, question.to];
    let asked: Vec<OfSite<'_>> = plans
        .iter()
        .map(|plan| OfSite {
            question: &question,
            plan,
            partitions: &partitions,
            zone: zone.clone(),
        })
        .collect();
    super::of(&asked, &[])
}

fn one(parameters: &[(&str, &str)]) -> String {
    let dates = [("from", "2026-03-01"), ("to", "2026-03-02")];
    sql(&[1], &[parameters, &dates].concat(), Some("UTC")).unwrap()
}

#[test]
fn a_plain_question_is_plain() {
    let text = one(&[
        ("metrics", "pageviews,bounce_rate"),
        ("by", "country"),
        ("limit", "10"),
        ("order", "country"),
    ]);
    let expected = "\
WITH matching AS (
  SELECT dt || ' ' || visit_id AS visit,
    country AS d0,
    is_bounce,
    kind
  FROM hits
  WHERE site IN (1)
    AND dt BETWEEN '2026-03-01' AND '2026-03-02'
    AND bot_reason IS NULL
),
cells AS (
  SELECT m.*, c.cell, CASE WHEN c.cell <> 'total' THEN m.d0 END AS k0
  FROM matching AS m CROSS JOIN (VALUES ('total'), ('row')) AS c (cell)
),
answer AS (
  SELECT 'asked' AS dates, cell, k0,
    count(*) FILTER (WHERE kind = 'pageview') AS pageviews,
    CAST(count(DISTINCT visit) FILTER (WHERE is_bounce) AS double) / nullif(count(DISTINCT visit), 0) AS bounce_rate
  FROM cells
  GROUP BY cell, k0
),
placed AS (
  SELECT *, row_number() OVER (PARTITION BY dates, cell ORDER BY k0 ASC NULLS LAST, pageviews DESC NULLS LAST, k0 ASC NULLS LAST) AS nth, count(*) OVER (PARTITION BY dates, cell) AS combinations
  FROM answer
),
shown AS (
  SELECT *,
    max(CASE WHEN dates = 'asked' AND cell = 'row' THEN nth END) OVER (PARTITION BY k0) AS place,
    coalesce(max(CASE WHEN dates = 'asked' AND cell = 'row' THEN combinations END) OVER (), 0) AS row_count
  FROM placed
)
SELECT dates, cell, k0 AS country, pageviews, bounce_rate, row_count
FROM shown
WHERE cell = 'total' OR place > 0 AND place <= 10
ORDER BY dates, cell DESC, place";
    assert_eq!(text, expected);
}

#[test]
fn what_is_sent_is_a_literal_and_nothing_else() {
    let hostile = "' OR 1=1) UNION SELECT user_id FROM hits; DROP TABLE hits -- \u{0}";
    let doubled = "''";
    for parameter in [
        ("filter", format!("title=={}", hostile.replace(';', "\\;"))),
        ("filter", format!("visited_page=@{}", hostile.replace(';', "\\;"))),
        ("section", format!("/{hostile}")),
    ] {
        let text = one(&[("metrics", "hits"), (parameter.0, &parameter.1)]);
        assert!(text.contains(doubled) && text.contains("chr(0)"), "{text}");
        // Outside of literals nothing is left of it.
        let outside: String = text.split('\'').step_by(2).collect();
        for word in ["UNION", "DROP", "union", "drop", ";", "--"] {
            assert!(!outside.contains(word), "{word} in {outside}");
        }
    }
}

#[test]
fn groups_that_one_hit_meets_are_few() {
    let groups = |count: usize| vec!["eventAction==a"; count].join(";");
    let ask = |count| {
        let parameters = [("metrics", "hits"), ("filter", &groups(count) as &str)];
        sql(&[1], &parameters, Some("UTC"))
    };
    assert!(ask(MAX_SQL_SAME_HIT_GROUPS - 1).is_ok() && ask(MAX_SQL_SAME_HIT_GROUPS).is_ok());
    let above = MAX_SQL_SAME_HIT_GROUPS + 1;
    assert_eq!(ask(above), Err(Unsaid::ManySameHitGroups(above)));
}

#[test]
fn a_text_that_athena_does_not_take_is_refused() {
    // Each control character is written by its number.
    let value = "\u{1}".repeat(8_000);
    let filter = format!("title=={value}");
    let hits = [("metrics", "hits"), ("filter", filter.as_str())];
    let length = sql(&[1], &hits, Some("UTC")).unwrap().len();
    assert!(length > 8_000 * "chr(1)".len() && length < MAX_SQL_BYTES);
    assert_eq!(within_limit("x".repeat(MAX_SQL_BYTES)).map(|text| text.len()), Ok(MAX_SQL_BYTES));
    let above = MAX_SQL_BYTES + 1;
    assert_eq!(within_limit("x".repeat(above)), Err(Unsaid::TooLong(above)));
}

#[test]
fn hours_of_a_site_whose_zone_was_changed_are_refused() {
    let hours =
        [("metrics", "hits"), ("interval", "hour"), ("from", "2026-03-01"), ("to", "2026-03-01")];
    assert_eq!(sql(&[1], &hours, None), Err(Unsaid::ZoneChanged));
    let with_zone = [&hours[..], &[("tz", "Europe/Berlin")]].concat();
    assert!(sql(&[1], &with_zone, None).is_ok());
    assert!(sql(&[1], &[("metrics", "hits"), ("interval", "day")], None).is_ok());
}

#[test]
fn a_visit_falls_where_it_began_though_the_scan_counts_it_by_its_first_row() {
    for metric in ["visits", "bounce_rate", "actions", "conversion_rate", "entries", "exits"] {
        let hours = one(&[("metrics", metric), ("by", "keyword"), ("interval", "hour")]);
        let days = one(&[("metrics", metric), ("interval", "day"), ("tz", "UTC")]);
        for text in [hours, days] {
            assert!(text.contains("AS time_of_visit"), "{metric}: {text}");
        }
        assert!(!one(&[("metrics", metric), ("interval", "day")]).contains("time_of_visit"));
    }
    let hits = one(&[("metrics", "pageviews,unique_pageviews,visitors"), ("interval", "hour")]);
    assert!(!hits.contains("time_of_visit"), "{hits}");
}

#[test]
fn sites_that_are_asked_the_same_are_read_together() {
    let text = sql(&[1, 2, 7], &[("metrics", "visitors"), ("by", "site")], Some("UTC")).unwrap();
    assert!(text.contains("site IN (1, 2, 7)"), "{text}");
    assert!(
        text.contains("count(DISTINCT CAST(site AS varchar(10)) || ' ' || visitor_id)"),
        "{text}"
    );
    assert_eq!(text.matches("FROM hits").count(), 1);
}
