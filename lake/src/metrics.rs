//! What a Lambda says of a batch when it ends: one line of CloudWatch's embedded metric format.
//!
//! CloudWatch makes metrics of a bare JSON object on standard output by itself. A batch is what one
//! call of the function brought: a request, for ingest and query. Counts, bytes and times are in
//! it, and why hits were dropped; no address, user agent, path or body.
//!
//! A metric costs money in each hour in which it is sent, and its name bytes in each line: metrics are
//! what an alarm or the dashboard of template.yaml watches (tests/template compares), all else is a
//! detail, which CloudWatch Logs Insights finds by name.

use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::{Map, Value, json};

use crate::environment::Environment;

/// Namespace of our metrics in CloudWatch, where no stack is named.
pub const NAMESPACE: &str = "Hitlake";
/// The variable with the stack's name: two stacks of an account must not ring each other's alarms.
pub const STACK_VARIABLE: &str = "HITLAKE_STACK";

/// The namespace of this process, if a stack was named.
static OF_STACK: OnceLock<String> = OnceLock::new();

/// Puts the metrics of this process into the namespace of the stack that the variable names.
pub fn name_stack(environment: &Environment) {
    if let Some(namespace) = namespace_of(environment) {
        // A main calls this once; of two names the first would stay.
        let _ = OF_STACK.set(namespace);
    }
}

fn namespace_of(environment: &Environment) -> Option<String> {
    environment.optional(STACK_VARIABLE).map(|stack| format!("{NAMESPACE}/{stack}"))
}

/// A batch on its way.
#[derive(Debug)]
pub struct Started {
    at: Instant,
    cold_start: bool,
}

impl Started {
    /// A batch that begins now; the first of a process is a cold start.
    #[must_use]
    pub fn now() -> Self {
        static COLD: AtomicBool = AtomicBool::new(true);
        Self { at: Instant::now(), cold_start: COLD.swap(false, Ordering::Relaxed) }
    }

    /// Milliseconds since then, and whether it was the first of its process.
    #[must_use]
    pub fn ended(&self) -> Ended {
        let duration_ms = u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ended { duration_ms, cold_start: self.cold_start }
    }
}

/// A batch that is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ended {
    /// How long it took, milliseconds.
    pub duration_ms: u64,
    /// It was the first of its process.
    pub cold_start: bool,
}

/// One line for CloudWatch.
#[derive(Debug)]
pub struct Line {
    service: &'static str,
    now_ms: i64,
    metrics: Vec<Value>,
    values: Map<String, Value>,
}

impl Line {
    /// The line of a function of this name; `now_ms` is the present moment, Unix milliseconds.
    #[must_use]
    pub fn new(service: &'static str, now_ms: i64, ended: Ended) -> Self {
        Self { service, now_ms, metrics: Vec::new(), values: Map::new() }
            .detail("BatchDuration", ended.duration_ms)
            .detail("ColdStarts", u64::from(ended.cold_start))
    }

    /// A number of things, as a metric.
    #[must_use]
    pub fn count(self, name: &str, value: u64) -> Self {
        self.metric(name, "Count", value)
    }

    /// A time, as a metric.
    #[must_use]
    pub fn seconds(self, name: &str, value: u64) -> Self {
        self.metric(name, "Seconds", value)
    }

    fn metric(mut self, name: &str, unit: &str, value: u64) -> Self {
        self.metrics.push(json!({"Name": name, "Unit": unit}));
        self.values.insert(name.to_owned(), value.into());
        self
    }

    /// Something to be read in the log that makes no metric.
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }

    /// The line, without its end.
    #[must_use]
    pub fn text(self) -> String {
        let namespace = OF_STACK.get().map_or(NAMESPACE, String::as_str);
        let directive = json!({
            "Namespace": namespace, "Dimensions": [["service"]], "Metrics": self.metrics,
        });
        let mut line = Map::new();
        let aws = json!({"Timestamp": self.now_ms, "CloudWatchMetrics": [directive]});
        line.insert("_aws".to_owned(), aws);
        line.insert("service".to_owned(), self.service.into());
        line.extend(self.values);
        Value::Object(line).to_string()
    }

    /// Writes it to standard output; where that is closed there is nobody to tell.
    pub fn write(self) {
        let _ = writeln!(std::io::stdout(), "{}", self.text());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_named_has_a_value() {
        let ended = Ended { duration_ms: 5, cold_start: true };
        let line = Line::new("append", 1_000, ended)
            .count("Hits", 3)
            .seconds("Late", 7)
            .detail("BytesWritten", 9)
            .detail("dropped_by", json!({"origin": 1}));
        let text = line.text();
        assert!(!text.contains('\n'));
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&line["_aws"]["Timestamp"], &line["service"]),
            (&json!(1_000), &json!("append"))
        );
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], NAMESPACE);
        let metrics = directive["Metrics"].as_array().unwrap();
        let names: Vec<&str> = metrics.iter().map(|it| it["Name"].as_str().unwrap()).collect();
        assert_eq!(names, ["Hits", "Late"]);
        assert!(names.iter().all(|name| line[*name].is_number()));
        let details = ["BatchDuration", "ColdStarts", "BytesWritten"];
        assert_eq!(details.map(|name| line[name].as_u64().unwrap()), [5, 1, 9]);
        for dimension in directive["Dimensions"][0].as_array().unwrap() {
            assert!(line[dimension.as_str().unwrap()].is_string(), "{dimension}");
        }
    }

    #[test]
    fn each_stack_has_a_namespace_of_its_own() {
        let of = |variables| namespace_of(&Environment::of(variables));
        assert_eq!(of(&[(STACK_VARIABLE, "shop")]).as_deref(), Some("Hitlake/shop"));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn a_process_starts_cold_once() {
        let _first = Started::now();
        assert!(!Started::now().ended().cold_start);
    }
}
