use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> Filter {
    Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> FilterError {
    Filter::parse(text).unwrap_err()
}

/// Groups of (name, operator, value).
fn shape(text: &str) -> Vec<Vec<(&'static str, Operator, String)>> {
    let of = |condition: Condition| (condition.name.name, condition.operator, condition.value);
    parsed(text).groups.into_iter().map(|group| group.into_iter().map(of).collect()).collect()
}

#[test]
fn a_comma_binds_tighter_than_a_semicolon() {
    use Operator::{Contains, Equal, NotEqual};
    let term = |name, operator, value: &str| (name, operator, value.to_owned());
    assert_eq!(
        shape("country==GB,country==FR;device!=mobile;title=@x"),
        [
            vec![term("country", Equal, "gb"), term("country", Equal, "fr")],
            vec![term("device", NotEqual, "mobile")],
            vec![term("title", Contains, "x")],
        ]
    );
}

#[test]
fn escapes_and_a_last_separator_belong_to_the_value() {
    for (text, value) in [
        (r"title==a\,b", "a,b"),
        (r"title==a\;b", "a;b"),
        (r"title==a\b", r"a\b"),
        (r"title==a\\,b", r"a\,b"),
        ("title==a;", "a;"),
        ("title==a,", "a,"),
        (r"title==a\;", "a;"),
        ("title==a%2Cb%3Bc", "a,b;c"),
        ("title==a+b%2Bc", "a b+c"),
        ("title==100%", "100%"),
        ("title==%zz", "%zz"),
        ("title==%C3%84", "ä"),
        ("title===x", "=x"),
        ("title%3D%3Dx", "x"),
        ("title==a!=b", "a!=b"),
    ] {
        assert_eq!(shape(text), [[("title", Operator::Equal, value.to_owned())]], "{text}");
    }
}

#[test]
fn every_operator_is_read_and_compares() {
    for (text, holds, fails) in [
        ("title==Ab", vec![Some("aB")], vec![Some("abc"), None]),
        ("title!=Ab", vec![Some("abc"), None], vec![Some("aB")]),
        ("title>=b", vec![Some("b"), Some("C")], vec![Some("a"), None]),
        ("title>b", vec![Some("c")], vec![Some("b"), None]),
        ("title<=b", vec![Some("b"), Some("")], vec![Some("c"), None]),
        ("title<b", vec![Some("A")], vec![Some("b"), None]),
        ("title=@É", vec![Some("caféx")], vec![Some("cafe"), None]),
        ("title!@É", vec![Some("cafe"), None], vec![Some("CAFÉ")]),
        ("title=^Ab", vec![Some("abc")], vec![Some("cab"), None]),
        ("title=$Ab", vec![Some("cAB")], vec![Some("abc"), None]),
        ("title==", vec![None, Some(""), Some("0")], vec![Some("x")]),
        ("title!=", vec![Some("x")], vec![None, Some(""), Some("0")]),
    ] {
        let condition = &parsed(text).groups[0][0];
        assert!(holds.iter().all(|value| condition.holds_of_text(*value)), "{text}");
        assert!(!fails.iter().any(|value| condition.holds_of_text(*value)), "{text}");
    }
    for (text, holds, fails) in [
        ("event_value==2.50", vec![Some(2.5)], vec![Some(2.0), None]),
        ("event_value!=2", vec![Some(2.5), None], vec![Some(2.0)]),
        ("event_value>=2", vec![Some(2.0)], vec![Some(1.9), None]),
        ("event_value>-2", vec![Some(0.0)], vec![Some(-2.0), None]),
        ("event_value<=2", vec![Some(2.0)], vec![Some(2.1), None]),
        ("event_value<10", vec![Some(9.0)], vec![Some(10.0), None]),
        ("event_value==", vec![None, Some(0.0)], vec![Some(1.0)]),
        ("event_value!=", vec![Some(1.0)], vec![None, Some(0.0)]),
    ] {
        let condition = &parsed(text).groups[0][0];
        assert!(holds.iter().all(|value| condition.holds_of_number(*value)), "{text}");
        assert!(!fails.iter().any(|value| condition.holds_of_number(*value)), "{text}");
    }
}

#[test]
fn a_negated_condition_on_hits_of_a_visit_asks_for_none() {
    for (text, reach, none, operator) in [
        ("pageUrl==/x", Reach::SameHit, false, Operator::Equal),
        ("pageUrl!=/x", Reach::AnyHit, true, Operator::Equal),
        ("pageUrl!@/x", Reach::AnyHit, true, Operator::Contains),
        ("eventName==", Reach::AnyHit, true, Operator::NotEqual),
        ("eventName!=", Reach::SameHit, false, Operator::NotEqual),
        ("visited_page==/x", Reach::AnyHit, false, Operator::Equal),
        ("visited_page!=/x", Reach::AnyHit, true, Operator::Equal),
        ("countryCode!=GB", Reach::FirstHit, false, Operator::NotEqual),
        ("exitPageUrl!=x", Reach::LastPage, false, Operator::NotEqual),
        ("page!=/x", Reach::Hit, false, Operator::NotEqual),
    ] {
        let condition = &parsed(text).groups[0][0];
        let found = (condition.reach, condition.none, condition.operator);
        assert_eq!(found, (reach, none, operator), "{text}");
    }
}

#[test]
fn scheme_and_www_are_left_out_of_urls() {
    for (text, value) in [
        ("pageUrl==https://www.Shop.example/a", "shop.example/a"),
        ("pageUrl=^HTTP://shop.example", "shop.example"),
        ("downloadUrl==www.shop.example/x.pdf", "shop.example/x.pdf"),
        ("pageUrl=@é", "é"),
    ] {
        assert_eq!(parsed(text).groups[0][0].value, value, "{text}");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (text, at, part, suggestion) in [
        ("contry==GB", 1, "contry", Some("country")),
        ("country==GB;devic==x", 13, "devic", Some("device")),
        ("country==Ö,pageUlr==x", 12, "pageUlr", Some("pageUrl")),
        ("visited_pge==x", 1, "visited_pge", Some("visited_page")),
        ("visited_pageUrl==x", 1, "visited_pageUrl", None),
        ("visited_weekday==1", 1, "visited_weekday", None),
        ("visitIp==1.2.3.4", 1, "visitIp", Some("visitorId")),
        ("Country==GB", 1, "Country", Some("country")),
        ("", 1, "", None),
        ("country", 1, "country", None),
        ("==x", 1, "==x", None),
        ("country==GB;;device==x", 13, "", None),
        ("title=@", 1, "title=@", None),
        ("goal==x", 1, "goal x", None),
        ("goal==inf", 1, "goal inf", None),
        ("goal=@1", 1, "goal 1", None),
        ("title==%ff", 1, "title==%ff", None),
    ] {
        let error = refused(text);
        assert_eq!((error.at, error.part.as_str()), (at, part), "{text}: {error}");
        if suggestion.is_some() {
            assert_eq!(error.suggestion.as_deref(), suggestion, "{text}");
        }
    }
    assert_eq!(refused("goal=@1").allowed, ["==", "!=", ">=", ">", "<=", "<"]);
    assert!(refused("contry==GB").allowed.contains(&"country"));
}

#[test]
fn a_filter_is_as_long_as_the_limits_and_not_longer() {
    let of_bytes = |bytes: usize| Filter::parse(&format!("title=={}", "x".repeat(bytes - 7)));
    assert!(of_bytes(MAX_FILTER_BYTES - 1).is_ok() && of_bytes(MAX_FILTER_BYTES).is_ok());
    assert!(of_bytes(MAX_FILTER_BYTES + 1).unwrap_err().why.contains("limit"));
    let of_terms = |count: usize| Filter::parse(&vec!["goal==1"; count].join(";"));
    assert!(of_terms(MAX_FILTER_TERMS - 1).is_ok() && of_terms(MAX_FILTER_TERMS).is_ok());
    assert_eq!(of_terms(MAX_FILTER_TERMS + 1).unwrap_err().at, MAX_FILTER_TERMS * 8 + 1);
}

#[test]
fn names_are_distinct_and_their_columns_are_of_the_table() {
    let mut names: Vec<&str> = NAMES.iter().map(|name| name.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), NAMES.len());
    for name in NAMES {
        let columns = match name.source {
            Source::Text(it) | Source::Id(it) | Source::Number(it) | Source::Url(it) => vec![it],
            Source::Renamed(it, _) | Source::HourOf(it) => vec![it],
            Source::Either(left, right) | Source::UrlOf(left, right) => vec![left, right],
            _ => vec![],
        };
        assert!(columns.iter().all(|it| crate::columns::find(it).is_some()), "{}", name.name);
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,80}") {
        let _ = Filter::parse(&text);
    }

    #[test]
    fn no_condition_makes_it_panic(
        name in proptest::sample::select(NAMES.iter().map(|name| name.name).collect::<Vec<_>>()),
        rest in "(==|!=|<|>|=@|!@|=[$]|%[0-9a-f]{2}|[0-9]|[,;\\\\]|.){0,6}",
    ) {
        let _ = Filter::parse(&format!("{name}{rest}"));
        let _ = Filter::parse(&format!("visited_{name}{rest}"));
    }

    #[test]
    fn a_value_is_had_back_whatever_it_is(value in "[^+%]{1,20}") {
        let escaped = value.replace('\\', "%5C").replace(',', "\\,").replace(';', "\\;");
        let filter = Filter::parse(&format!("title=={escaped};goal==1")).unwrap();
        prop_assert!(filter.groups[0][0].holds_of_text(Some(&value)) || value == "0");
    }
}
