//! uap-core's own tests, as the package of the matcher ships them.

use std::collections::HashMap;
use std::path::PathBuf;

use super::scalar;
use crate::enrich::agents::agent;

/// A test file in cargo's copy of the package `ua-parser`; says so where there is none.
#[expect(clippy::disallowed_methods, reason = "cargo's folder is known by the environment alone")]
fn test_file(name: &str) -> Option<String> {
    let home = std::env::var("CARGO_HOME").map(PathBuf::from).ok();
    let home = home.or_else(|| Some(PathBuf::from(std::env::var("HOME").ok()?).join(".cargo")))?;
    let registries = std::fs::read_dir(home.join("registry/src")).ok()?;
    let found = registries.filter_map(Result::ok).find_map(|registry| {
        let path = registry.path().join("ua-parser-0.2.2/uap-core/tests").join(name);
        std::fs::read_to_string(path).ok()
    });
    if found.is_none() {
        println!("skipped: cargo has no copy of ua-parser's {name}");
    }
    found
}

/// `- user_agent_string: '...'` and the lines of `key: value` below each.
fn cases(yaml: &str) -> Vec<HashMap<String, String>> {
    let mut cases: Vec<HashMap<String, String>> = Vec::new();
    for line in yaml.lines() {
        let line = line.trim();
        let line = line.strip_prefix("- ").inspect(|_| cases.push(HashMap::new())).unwrap_or(line);
        let Some((key, value)) = line.split_once(':') else { continue };
        if let Some(case) = cases.last_mut() {
            case.insert(key.to_owned(), scalar(value));
        }
    }
    cases
}

/// How many of a file's cases agree; prints the others.
fn agreement(file: &str, found: impl Fn(&str) -> Vec<(&'static str, String)>) -> Option<f64> {
    let cases = cases(&test_file(file)?);
    let mut agreed = 0_u32;
    for case in &cases {
        let found = found(&case["user_agent_string"]);
        let expected = |key: &str| case.get(key).map_or("", String::as_str);
        let agrees = found.iter().all(|(key, value)| expected(key) == value);
        agreed += u32::from(agrees);
        if !agrees {
            println!("{file}: {found:?} for {case:?}");
        }
    }
    println!("{file}: {agreed} of {} agree", cases.len());
    Some(f64::from(agreed) / cases.len() as f64)
}

fn text(value: Option<impl AsRef<str>>) -> String {
    value.map(|value| value.as_ref().to_owned()).unwrap_or_default()
}

fn family(value: Option<impl AsRef<str>>) -> String {
    value.map_or_else(|| "Other".to_owned(), |value| value.as_ref().to_owned())
}

#[test]
fn browsers_agree_with_uap_core() {
    let share = agreement("test_ua.yaml", |user_agent| {
        let agent = agent(user_agent);
        vec![("family", family(agent.browser)), ("major", text(agent.browser_version))]
    });
    assert!(share.unwrap_or(1.0) >= 0.99);
}

#[test]
fn systems_agree_with_uap_core() {
    let share = agreement("test_os.yaml", |user_agent| {
        let agent = agent(user_agent);
        let version = agent.os_version.unwrap_or_default();
        let (major, minor) = version.split_once('.').unwrap_or((&version, ""));
        vec![("family", family(agent.os)), ("major", major.to_owned()), ("minor", minor.to_owned())]
    });
    assert!(share.unwrap_or(1.0) >= 0.99);
}

#[test]
fn devices_agree_with_uap_core() {
    let share = agreement("test_device.yaml", |user_agent| {
        let agent = agent(user_agent);
        vec![("family", family(agent.device)), ("brand", text(agent.brand)), ("model", text(agent.model))]
    });
    assert!(share.unwrap_or(1.0) >= 0.99);
}
