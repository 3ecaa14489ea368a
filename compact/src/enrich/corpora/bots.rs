//! Bots: crawler-user-agents' examples, isbot's crawlers and browsers, Wikimedia's spiders, a log.

use serde_json::Value;

use super::{scalar, shared};
use crate::enrich::bot_reason;
use lake::user_agent::stored;

fn marked(user_agent: &str) -> bool {
    bot_reason(&stored(user_agent)).is_some()
}

/// isbot's YAML: a name, then its user agents as a list.
fn listed(yaml: &str) -> Vec<String> {
    yaml.lines().filter_map(|line| line.strip_prefix("  - ")).map(scalar).collect()
}

fn crawler_user_agents() -> Option<Vec<String>> {
    let json = shared("corpora/crawler-user-agents/crawler-user-agents.json")?;
    let entries: Value = serde_json::from_str(&json).unwrap();
    let examples = entries.as_array().unwrap().iter().flat_map(|entry| {
        entry["instances"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|ua| ua.as_str().unwrap().to_owned())
    });
    Some(examples.collect())
}

/// The share of a corpus that is marked; prints those whose mark is not `expected`.
fn share(name: &str, user_agents: &[String], expected: bool) -> f64 {
    let mut count = 0_u32;
    for user_agent in user_agents {
        let mark = marked(user_agent);
        count += u32::from(mark);
        if mark != expected {
            println!("{name}: {:?}: {user_agent}", bot_reason(&stored(user_agent)));
        }
    }
    let share = f64::from(count) / user_agents.len() as f64;
    println!("{name}: {count} of {} marked", user_agents.len());
    share
}

#[test]
fn crawlers_are_marked_and_browsers_are_not() {
    if let Some(examples) = crawler_user_agents() {
        assert!(examples.len() > 2_000);
        assert!(share("crawler-user-agents", &examples, true) >= 0.95);
    }
    if let Some(yaml) = shared("corpora/isbot/crawlers.yml") {
        let crawlers = listed(&yaml);
        assert_eq!(crawlers.len(), 626);
        assert!(share("isbot crawlers", &crawlers, true) >= 0.95);
    }
    if let Some(yaml) = shared("corpora/isbot/browsers.yml") {
        let browsers = listed(&yaml);
        assert_eq!(browsers.len(), 555);
        assert!(share("isbot browsers", &browsers, false) <= 0.01);
    }
}

#[test]
fn the_stored_form_gives_the_same_mark_again() {
    let isbot = ["corpora/isbot/crawlers.yml", "corpora/isbot/browsers.yml"];
    let isbot = isbot.into_iter().filter_map(shared).flat_map(|yaml| listed(&yaml));
    let log = shared("access-logs/apache_logs").unwrap_or_default();
    let logged = log.lines().filter_map(user_agent_of).map(str::to_owned);
    for user_agent in crawler_user_agents().into_iter().flatten().chain(isbot).chain(logged) {
        let device = crate::enrich::Device::of(&user_agent, None);
        let kept = device.user_agent.unwrap();
        assert_eq!(stored(&kept), kept);
        assert_eq!(bot_reason(&kept), device.bot_reason, "{user_agent}");
    }
}

/// The user agent of a line in combined format.
fn user_agent_of(line: &str) -> Option<&str> {
    let (rest, end) = line.rsplit_once('"')?;
    end.trim().is_empty().then(|| rest.rsplit_once('"').map(|(_, user_agent)| user_agent))?
}

#[test]
fn a_real_log_has_as_many_bots_as_isbot_says() {
    let Some(log) = shared("access-logs/apache_logs") else { return };
    let bots = log.lines().filter_map(user_agent_of);
    let bots = bots.filter(|user_agent| *user_agent != "-" && marked(user_agent)).count();
    // isbot was asked about user agents; 190 lines have none but a hyphen.
    println!("apache_logs: {bots} lines marked; isbot 5.2.3 marks 2,819 with a user agent");
    assert_eq!(bots, 2_819);
}

#[test]
fn wikimedias_spiders() {
    let Some(csv) = shared("corpora/wikimedia-refinery/isSpider_test_data.csv") else { return };
    let cases: Vec<(bool, &str)> = csv
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.splitn(3, ',');
            let spider = fields.nth(1)?.trim() == "true";
            Some((spider, fields.next()?.trim()))
        })
        .collect();
    let agreed = cases.iter().filter(|(spider, user_agent)| {
        let agrees = marked(user_agent) == *spider;
        if !agrees {
            println!("isSpider: {spider} there: {user_agent}");
        }
        agrees
    });
    let agreed = agreed.count();
    println!("isSpider: {agreed} of {} agree", cases.len());
    assert!(agreed * 100 >= cases.len() * 90);
}
