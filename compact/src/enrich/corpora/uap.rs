//! uap-core's own tests, as the package of the matcher ships them.

use std::collections::HashMap;
use std::path::PathBuf;

use super::scalar;
use crate::enrich::agents::agent;

/// A test file in cargo's copy of the package `ua-parser`; says so where there is none.
#[expect(clippy::disallowed_methods, reason = "cargo's folder is known by the environment alone")]
fn test_file(name: &str) -> Option<String> {
    let home = std::env::var("CARGO_HOME").map(PathBuf::from).ok();
    let home = home.or_else(|| Some(PathBuf::from(std::env::var("HOME").ok()?).join(".cargo")));
    let registries = home.and_then(|home| std::fs::read_dir(home.join("registry/src")).ok());
    let found = registries.into_iter().flatten().filter_map(Result::ok).find_map(|registry| {
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

/// Of a file's cases 99% must agree; prints the others. Without the file nothing is looked at.
fn assert_agreement(file: &str, agrees: impl Fn(&str, &dyn Fn(&str) -> String) -> bool) {
    let Some(yaml) = test_file(file) else { return };
    let cases = cases(&yaml);
    assert!(cases.len() > 400, "{file} has {} cases", cases.len());
    let mut agreed = 0_u32;
    for case in &cases {
        let expected = |key: &str| case.get(key).cloned().unwrap_or_default();
        let agrees = agrees(&case["user_agent_string"], &expected);
        agreed += u32::from(agrees);
        if !agrees {
            println!("{file}: {:?} for {case:?}", agent(&case["user_agent_string"]));
        }
    }
    println!("{file}: {agreed} of {} agree", cases.len());
    assert!(f64::from(agreed) / cases.len() as f64 >= 0.99);
}

fn text(value: Option<impl AsRef<str>>) -> String {
    value.map(|value| value.as_ref().to_owned()).unwrap_or_default()
}

fn family(value: Option<impl AsRef<str>>) -> String {
    value.map_or_else(|| "Other".to_owned(), |value| value.as_ref().to_owned())
}

#[test]
fn browsers_agree_with_uap_core() {
    assert_agreement("test_ua.yaml", |user_agent, expected| {
        let agent = agent(user_agent);
        family(agent.browser) == expected("family")
            && text(agent.browser_version) == expected("major")
    });
}

#[test]
fn systems_agree_with_uap_core() {
    assert_agreement("test_os.yaml", |user_agent, expected| {
        let agent = agent(user_agent);
        let version = [expected("major"), expected("minor")];
        let version: Vec<&str> =
            version.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        family(agent.os) == expected("family") && text(agent.os_version) == version.join(".")
    });
}

#[test]
fn devices_agree_with_uap_core() {
    assert_agreement("test_device.yaml", |user_agent, expected| {
        let agent = agent(user_agent);
        family(agent.device) == expected("family")
            && text(agent.brand) == expected("brand")
            && text(agent.model) == expected("model")
    });
}
