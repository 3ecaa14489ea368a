//! Each rule by its example.

use super::*;
use crate::limits::{MAX_CONVERSION_EXTRA_S, MAX_VISIT_ACTIONS};

const SECOND_US: i64 = 1_000_000;
const MINUTE_US: i64 = 60 * SECOND_US;

fn run(hits: &[VisitHit]) -> Visits {
    visits(1, hits, &[])
}

fn pageview(minute: i64, fingerprint: u64) -> VisitHit {
    VisitHit {
        ts_us: minute * MINUTE_US,
        hit_id: u128::from(minute.unsigned_abs()) << 64 | u128::from(fingerprint),
        fingerprint,
        ..VisitHit::default()
    }
}

fn of(kind: Kind, hit: VisitHit) -> VisitHit {
    VisitHit { kind, ..hit }
}

fn by(client: u64, hit: VisitHit) -> VisitHit {
    VisitHit { client_id: Some(client), ..hit }
}

fn user(client: u64, hit: VisitHit) -> VisitHit {
    VisitHit { is_user: true, ..by(client, hit) }
}

fn from(source: Source, hit: VisitHit) -> VisitHit {
    VisitHit { source, ..hit }
}

#[test]
fn a_gap_of_exactly_thirty_minutes_is_a_new_visit() {
    assert_eq!(run(&[pageview(0, 1), pageview(30, 1)]).visits.len(), 2);
    let just_below = VisitHit { ts_us: 30 * MINUTE_US - 1, ..pageview(30, 1) };
    assert_eq!(run(&[pageview(0, 1), just_below]).visits.len(), 1);
}

#[test]
fn duration_is_zero_for_one_request_and_has_its_second_for_more() {
    assert_eq!(run(&[pageview(0, 1)]).visits[0].duration_s, 0);
    let two = run(&[pageview(0, 1), pageview(2, 1)]);
    assert_eq!(two.visits[0].duration_s, 121);
    assert_eq!(two.time_on_page_s, [Some(120), None]);
}

#[test]
fn time_on_page_runs_until_the_next_page_and_leaves_out_what_led_to_events() {
    let hits = [
        pageview(0, 1),
        of(Kind::Outlink, pageview(1, 1)),
        of(Kind::Event, pageview(3, 1)),
        of(Kind::Goal, pageview(4, 1)),
        pageview(6, 1),
        of(Kind::Event, pageview(9, 1)),
    ];
    let spent = [Some(60 + 120), None, None, None, None, None];
    assert_eq!(run(&hits).time_on_page_s, spent);
}

#[test]
fn an_id_that_changes_is_bridged_by_the_fingerprint() {
    let out = run(&[pageview(0, 1), by(7, pageview(1, 1)), by(8, pageview(2, 1))]);
    assert_eq!(out.visits.len(), 1);
    assert_eq!(out.visits[0].visitor, 7);
    // A visit that begins within the half hour is the same visitor's; later he is a new one.
    let cut = VisitHit { new_visit: true, ..by(8, pageview(2, 1)) };
    let out = run(&[by(7, pageview(1, 1)), cut, by(8, pageview(40, 1))]);
    let visitors: Vec<_> =
        out.visits.iter().map(|visit| (visit.visitor, visit.returning)).collect();
    assert_eq!(visitors, [(7, false), (7, true), (8, false)]);
}

#[test]
fn an_id_is_known_at_any_age_and_a_fingerprint_alone_all_day() {
    let out =
        run(&[by(7, pageview(0, 1)), pageview(0, 2), by(7, pageview(300, 3)), pageview(300, 2)]);
    let visitors: Vec<_> =
        out.visits.iter().map(|visit| (visit.visitor, visit.returning)).collect();
    assert_eq!(visitors, [(7, false), (2, false), (7, true), (2, true)]);
}

#[test]
fn a_forced_id_is_not_bridged() {
    let forced = VisitHit { client_id_forced: true, ..by(8, pageview(2, 1)) };
    assert_eq!(run(&[by(7, pageview(1, 1)), forced]).visits.len(), 2);
}

#[test]
fn of_two_visits_last_active_in_one_instant_a_visitor_goes_on_with_that_of_his_own_id() {
    let own = by(7, pageview(1, 1));
    let bridged = VisitHit { new_visit: true, hit_id: own.hit_id + 1, ..by(8, pageview(1, 1)) };
    let forced = |minute| VisitHit { client_id_forced: true, ..by(7, pageview(minute, 2)) };
    let out = run(&[own, bridged, forced(10)]);
    assert_eq!(out.visit_of, [Some(0), Some(1), Some(0)]);
    // One that he goes on with under his own id is his own.
    let at_two = |number: u128, hit: VisitHit| VisitHit { hit_id: (2 << 64) + number, ..hit };
    let bridged =
        |number, client| at_two(number, VisitHit { new_visit: true, ..by(client, pageview(2, 1)) });
    let goes_on = at_two(2, by(7, pageview(2, 1)));
    let out = run(&[own, bridged(1, 8), goes_on, bridged(3, 9), forced(10)]);
    assert_eq!(out.visit_of, [Some(0), Some(1), Some(1), Some(2), Some(1)]);
    // A bridged visit that was active later is his last, as ever.
    let later = VisitHit { new_visit: true, ..by(8, pageview(2, 1)) };
    assert_eq!(run(&[own, later, forced(10)]).visit_of, [Some(0), Some(1), Some(1)]);
}

#[test]
fn a_user_owns_the_visit_in_which_he_logs_in() {
    let out = run(&[by(7, pageview(1, 1)), user(9, pageview(2, 1))]);
    assert_eq!((out.visits.len(), out.visits[0].visitor), (1, 9));
    let out = run(&[user(9, pageview(1, 1)), user(10, pageview(2, 1))]);
    let visitors: Vec<_> = out.visits.iter().map(|visit| visit.visitor).collect();
    assert_eq!(visitors, [9, 10]);
}

#[test]
fn bots_have_visits_of_their_own() {
    let bot = VisitHit { is_bot: true, ..by(7, pageview(1, 1)) };
    let out = run(&[by(7, pageview(0, 1)), bot]);
    assert_eq!(out.visits.iter().map(|visit| visit.returning).collect::<Vec<_>>(), [false, false]);
}

#[test]
fn another_campaign_cuts_and_a_direct_visit_is_upgraded() {
    let first = from(Source::Campaign(1), pageview(0, 1));
    let out = run(&[first, from(Source::Campaign(2), pageview(1, 1))]);
    assert_eq!(out.visits.len(), 2);
    assert!(out.visits[1].returning);
    let out = run(&[pageview(0, 1), from(Source::Campaign(2), pageview(1, 1))]);
    assert_eq!((out.visits.len(), out.visits[0].attribution), (1, 1));
    let out = run(&[from(Source::Other, pageview(0, 1)), from(Source::Website(1), pageview(1, 1))]);
    assert_eq!((out.visits.len(), out.visits[0].attribution), (1, 0));
}

#[test]
fn another_website_cuts_where_the_site_says_so() {
    let site = |name, minute| VisitHit {
        referrer_cuts: true,
        ..from(Source::Website(name), pageview(minute, 1))
    };
    let cut = |hits: &[VisitHit]| run(hits).visits.len();
    assert_eq!(cut(&[site(1, 0), site(1, 1), site(2, 2)]), 2);
    assert_eq!(cut(&[pageview(0, 1), site(1, 1)]), 2, "from direct, too");
    assert_eq!(cut(&[site(1, 0), pageview(1, 1)]), 1);
}

#[test]
fn a_ping_extends_a_visit_and_starts_none() {
    let ping = |minute| of(Kind::Ping, pageview(minute, 1));
    assert!(run(&[ping(0)]).visits.is_empty());
    let out = run(&[pageview(0, 1), ping(1), ping(31)]);
    assert_eq!((out.visits.len(), out.visits[0].duration_s), (1, 61));
    assert_eq!(out.visit_of, [Some(0), Some(0), None]);
}

#[test]
fn a_visit_ends_after_the_limit_of_actions() {
    for (actions, expected) in [
        (MAX_VISIT_ACTIONS - 1, vec![MAX_VISIT_ACTIONS - 1]),
        (MAX_VISIT_ACTIONS, vec![MAX_VISIT_ACTIONS]),
        (MAX_VISIT_ACTIONS + 1, vec![MAX_VISIT_ACTIONS, 1]),
    ] {
        let hits: Vec<VisitHit> =
            (0..i64::from(actions)).map(|n| VisitHit { ts_us: n, ..pageview(0, 1) }).collect();
        let counts: Vec<u32> = run(&hits).visits.iter().map(|visit| visit.actions).collect();
        assert_eq!(counts, expected);
    }
}

#[test]
fn the_last_request_adds_seconds_where_it_converts() {
    let goal = |id, minute| VisitHit { goal: Some(id), ..of(Kind::Goal, pageview(minute, 1)) };
    let reached = Reached { goal: 5, each: false, revenue: 0.0 };
    let matching = |minute| VisitHit { goals: 1, ..pageview(minute, 1) };
    let sets = [vec![], vec![reached]];
    let duration = |hits: &[VisitHit]| visits(1, hits, &sets).visits.last().unwrap().duration_s;
    assert_eq!(duration(&[pageview(0, 1), goal(2, 6)]), 361 + 4);
    assert_eq!(duration(&[pageview(0, 1), goal(2, 6), pageview(7, 1)]), 421);
    assert_eq!(duration(&[pageview(0, 1), of(Kind::Order, pageview(6, 1))]), 361 + 2);
    assert_eq!(duration(&[pageview(0, 1), matching(6)]), 361 + 1);
    // Of one request only where the visitor is known.
    assert_eq!(duration(&[matching(0)]), 0);
    assert_eq!(duration(&[pageview(0, 1), matching(60)]), 1);
    for (id, extra_s) in [(57, 59), (58, 60), (59, MAX_CONVERSION_EXTRA_S), (i32::MAX, 60)] {
        assert_eq!(duration(&[pageview(0, 1), goal(id, 6)]), 361 + extra_s);
    }
}

#[test]
fn conversions_count_once_a_visit_or_each_time() {
    let goal = |minute| VisitHit { goal: Some(1), ..of(Kind::Goal, pageview(minute, 1)) };
    let order = |id, minute| VisitHit { order: Some(id), ..of(Kind::Order, pageview(minute, 1)) };
    let counted = |hits: &[VisitHit], each| {
        let sets = [vec![], vec![Reached { goal: 1, each, revenue: 0.0 }]];
        visits(1, hits, &sets).conversions.iter().map(|found| found.hit).collect::<Vec<_>>()
    };
    let known = |hit| VisitHit { goals: 1, ..hit };
    let by_hand = [goal(0), goal(1), goal(60)].map(known);
    assert_eq!(counted(&by_hand, false), [0, 2]);
    assert_eq!(counted(&by_hand, true), [0, 1, 2]);
    let by_pattern = [pageview(0, 1), pageview(1, 1), pageview(60, 1)].map(known);
    assert_eq!(counted(&by_pattern, false), [0, 2]);
    assert_eq!(counted(&by_pattern, true), [0, 1, 2]);
    assert_eq!(counted(&[goal(0), goal(1)], false), [0, 1], "a goal without settings");
    let cart = of(Kind::Order, pageview(3, 1));
    assert_eq!(
        counted(&[order(1, 0), order(1, 1), order(2, 2), cart, order(1, 60)], false),
        [0, 2]
    );
}

#[test]
fn hits_of_one_moment_go_by_arrival_where_the_client_gives_no_id() {
    let own = pageview(0, 5);
    let first = VisitHit { received_us: 3, position: Some(0), hit_id: 9, ..own };
    let second = VisitHit { received_us: 3, position: Some(1), hit_id: 1, ..own };
    let third = VisitHit { received_us: 4, position: Some(0), hit_id: 0, ..own };
    assert!(own.order() < first.order());
    assert!(first.order() < second.order() && second.order() < third.order());
}
