//! What a process has spent, as Linux says it, and by phase of the merge.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// The start of a phase.
#[derive(Debug, Clone)]
pub(crate) struct Phase {
    pub(crate) name: String,
    at: Instant,
    cpu: f64,
}

/// Hears where phases begin, and prints it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Phases(Arc<Mutex<Vec<Phase>>>);

impl Phases {
    /// Ends the last phase; each with its seconds, and those of a processor.
    pub(crate) fn take(&self) -> Vec<(String, f64, f64)> {
        self.begin("end");
        let phases = std::mem::take(&mut *self.0.lock().unwrap());
        let pairs = phases.iter().zip(phases.iter().skip(1));
        let spent = |(from, to): (&Phase, &Phase)| {
            (from.name.clone(), to.at.duration_since(from.at).as_secs_f64(), to.cpu - from.cpu)
        };
        pairs.map(spent).collect()
    }

    fn begin(&self, name: &str) {
        let phase = Phase { name: name.to_owned(), at: Instant::now(), cpu: cpu_seconds() };
        self.0.lock().unwrap().push(phase);
    }
}

impl<S: Subscriber> Layer<S> for Phases {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        match said.phase {
            Some(phase) => {
                println!(
                    "  {phase}, {:.1} s of a processor so far, {} MB",
                    cpu_seconds(),
                    rss_mb()
                );
                self.begin(&phase);
            }
            None => println!("  {}", said.message),
        }
    }
}

#[derive(Default)]
struct Said {
    phase: Option<String>,
    message: String,
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "phase" {
            self.phase = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let name = if field.name() == "message" { "" } else { field.name() };
        let _ = write!(self.message, "{name} {value:?} ");
    }
}

/// Linux counts the peak anew after this.
pub(crate) fn reset_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

pub(crate) fn peak_mb() -> u64 {
    of_status("VmHWM:")
}

pub(crate) fn rss_mb() -> u64 {
    of_status("VmRSS:")
}

fn of_status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|kb| kb.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Seconds of processors that this process has used: utime and stime of Linux, in ticks of 10 ms.
pub(crate) fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11);
    fields.take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
