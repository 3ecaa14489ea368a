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
        &Surroundings { today: &|_| TODAY, sections: &sections, segments: &segments },
    )
}

fn refused(query: &str) -> Refused {
    parse(query).unwrap_err()
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
        ("segment=old", "segment", "goal"),
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
