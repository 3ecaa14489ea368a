use jiff::civil::{Date, date};
use proptest::prelude::*;

use super::*;

const TODAY: Date = date(2026, 11, 24);

fn parse(query: &str) -> Result<Question, Refused> {
    let sections = [Section {
        name: "news".into(),
        include: vec!["/news".into()],
        exclude: vec!["/news/old/".into()],
    }];
    let segments = [
        Segment { name: "uk".into(), filter: "country==GB".into() },
        Segment { name: "old".into(), filter: "gone==GB".into() },
    ];
    Question::parse(
        query,
        &Surroundings { sites: &[1], today: &|_| TODAY, sections: &sections, segments: &segments },
    )
}

fn refused(query: &str) -> Refused {
    parse(query).and_then(|question| question.compared()).unwrap_err()
}

#[test]
fn a_typo_is_refused_with_the_nearest_right_name() {
    for (query, parameter, suggestion) in [
        ("metrics=pageveiws", "metrics", "pageviews"),
        ("form=2026-01-01", "form", "from"),
        ("by=contry", "by", "country"),
        ("interval=dya", "interval", "day"),
        ("bots=exlude", "bots", "exclude"),
        ("format=jsn", "format", "json"),
        ("metrics=visits&order=-visit", "order", "visits"),
        ("tz=Europe/Berln", "tz", "Europe/Berlin"),
        ("section=nws", "section", "news"),
        ("filter=contry==GB", "filter", "country"),
        ("segment=ukk", "segment", "uk"),
        ("period=mont", "period", "month"),
    ] {
        let refused = refused(query);
        assert_eq!(
            (refused.parameter.as_str(), refused.suggestion.as_deref()),
            (parameter, Some(suggestion))
        );
    }
}

#[test]
fn a_name_in_the_wrong_place_is_told_its_right_one() {
    for (query, told) in [
        ("country=GB", "it is a dimension: by=country, or filter=country==VALUE"),
        ("visits=1", "it is a metric: metrics=visits"),
        ("by=day", "interval=day"),
        ("metrics=visits&order=-pageviews", "add it"),
        ("metrics=sessions", "did you mean visits?"),
        ("date=lastMonth", "previousN"),
        ("filter=country=DE", "country==GB"),
        ("filter=country==DE,US", "country==GB,country==IE"),
        ("token=0123", "Authorization: Bearer TOKEN"),
    ] {
        let refused = refused(query);
        assert!(refused.detail.contains(told), "{query}: {}", refused.detail);
    }
    assert_eq!(refused("token=0123").value, "", "it may be shown to others");
    assert_eq!(refused("metrics=abcdefgh").suggestion, None);
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (query, parameter) in [
        ("from=2026-11-25&to=2026-11-24", "from"),
        ("from=2026-11-24&from=2026-11-24", "from"),
        ("from=24.11.2026", "from"),
        ("to=-000001-01-01", "to"),
        ("from=0001-01-01&to=9999-12-31", "from"),
        ("from=2026-11-24&period=day", "from"),
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("offset=x", "offset"),
        ("section_depth=0", "section_depth"),
        ("section_depth=11", "section_depth"),
        ("metrics=visits,visits", "metrics"),
        ("by=page,page", "by"),
        ("by=page,country,device,os", "by"),
        ("by=download,outlink", "by"),
        ("date=last0", "date"),
        ("period=range&date=2026-11-24", "date"),
        ("section=%ff", "section"),
        ("filter=country", "filter"),
        ("compare=last", "compare"),
        ("explain=yes", "explain"),
        ("cursor=x", "cursor"),
        ("cursor=W10", "cursor"),
        ("from=0001-01-01&to=0001-01-01&compare=year", "compare"),
        ("filter=country==GB;goal=@1", "filter"),
        ("=1", ""),
    ] {
        assert_eq!(refused(query).parameter, parameter, "{query}");
    }
    assert!(parse("section_depth=10&by=page,country,device").is_ok());
}

#[test]
fn dates_are_the_last_thirty_or_those_of_the_period() {
    for (query, from, to) in [
        ("", "2026-10-26", "2026-11-24"),
        ("to=2026-03-01", "2026-01-31", "2026-03-01"),
        ("from=yesterday", "2026-11-23", "2026-11-24"),
        ("period=week", "2026-11-23", "2026-11-29"),
        ("period=month&date=2024-02-10", "2024-02-01", "2024-02-29"),
        ("period=month&date=last2", "2026-10-01", "2026-11-30"),
        ("period=month&date=previous1", "2026-10-01", "2026-10-31"),
        ("period=year&date=yesterday", "2026-01-01", "2026-12-31"),
        ("period=day&date=last7", "2026-11-18", "2026-11-24"),
        ("date=previous7", "2026-11-17", "2026-11-23"),
        ("period=range&date=2026-01-01,today", "2026-01-01", "2026-11-24"),
    ] {
        let question = parse(query).unwrap();
        assert_eq!(
            (question.from.to_string().as_str(), question.to.to_string().as_str()),
            (from, to),
            "{query}"
        );
    }
}

#[test]
fn a_section_ends_at_the_borders_of_labels() {
    let holds = |query: &str, path: &str| parse(query).unwrap().section.unwrap().hold(path);
    for query in ["section=/news", "section=%2Fnews%2F", "section=news"] {
        assert!(holds(query, "/news") && holds(query, "/news/x") && !holds(query, "/newsletter"));
    }
    assert!(holds("section=/", "/x") && !holds("section=news", "/news/old/x"));
}

#[test]
fn a_filter_is_decoded_twice_and_a_segment_holds_besides() {
    let question = parse("filter=title==a%252Cb&segment=uk").unwrap();
    let values: Vec<&str> =
        question.filters.iter().flat_map(Filter::conditions).map(|it| it.value.as_str()).collect();
    assert_eq!((question.filters.len(), values), (2, vec!["a,b", "gb"]));
    let refused = refused("filter=country==GB;device=mobile");
    assert!(refused.detail.starts_with("filter at character 13: "), "{}", refused.detail);
}

#[test]
fn dates_are_compared_with_as_many_before_or_a_year_earlier() {
    for (query, from, to) in [
        ("from=2026-11-10&to=2026-11-16&compare=previous", "2026-11-03", "2026-11-09"),
        ("from=2026-03-01&to=2026-03-31&compare=previous", "2026-02-01", "2026-02-28"),
        ("from=2026-01-01&to=2026-03-31&compare=previous", "2025-10-01", "2025-12-31"),
        ("period=year&date=2024-05-01&compare=previous", "2023-01-01", "2023-12-31"),
        ("from=2024-02-29&to=2024-03-01&compare=year", "2023-02-28", "2023-03-01"),
        ("from=2025-02-01&to=2025-02-28&compare=year", "2024-02-01", "2024-02-29"),
    ] {
        let compared = parse(query).unwrap().compared().unwrap().unwrap();
        let found = (compared.from.to_string(), compared.to.to_string());
        assert_eq!(found, (from.to_owned(), to.to_owned()), "{query}");
    }
    assert_eq!(parse("").unwrap().compared(), Ok(None));
}

#[test]
fn a_cursor_is_of_its_own_question() {
    use crate::count::Value;
    let query = "metrics=visits&by=page,goal&from=2026-11-01&limit=5";
    let question = parse(query).unwrap();
    let cursor = Cursor {
        time: String::new(),
        by: vec![Value::Text("/ü\"".into()), Value::Number(-3), Value::Null],
        metrics: vec![Some(0.1 + 0.2), None],
        data: Some(u64::MAX),
    };
    let text = cursor.write(&question);
    assert_eq!(parse(&format!("{query}&cursor={text}")).unwrap().cursor, Some(cursor));
    assert!(parse(&format!("metrics=visits&by=page,goal&from=2026-11-01&cursor={text}")).is_ok());
    assert_eq!(refused(&format!("{query}&bots=only&cursor={text}")).parameter, "cursor");
    assert_eq!(refused(&format!("{query}&offset=1&cursor={text}")).parameter, "cursor");
}

#[test]
fn a_range_is_as_long_as_the_limit_and_not_longer() {
    let days = |days: i64| {
        let from = TODAY.checked_sub(jiff::Span::new().days(days - 1)).unwrap();
        parse(&format!("from={from}"))
    };
    assert!(days(lake::limits::MAX_DATES - 1).is_ok() && days(lake::limits::MAX_DATES).is_ok());
    assert!(days(lake::limits::MAX_DATES + 1).is_err());
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(query in ".{0,200}") {
        let _ = parse(&query);
    }

    #[test]
    fn no_value_makes_it_panic(
        name in proptest::sample::select(&PARAMETERS[..]),
        value in "(last|previous|-|[0-9]{4}-[0-9]{2}-[0-9]{2}|,|[0-9]{1,20}|%[0-9a-f]{2}|.){0,6}",
    ) {
        let _ = parse(&format!("{name}={value}"));
        let _ = parse(&format!("period=month&{name}={value}"));
    }
}
