//! Pauses between attempts, and the wish to stop, which ends them.

use std::time::Duration;

use lake::clock::Random;
use tokio::sync::watch;

use super::settings::EventSourceMapping;

/// Whether the poller is to stop; also when whoever could say so has gone.
#[derive(Debug, Clone)]
pub(super) struct Stop(pub(super) watch::Receiver<bool>);

impl Stop {
    pub(super) fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    pub(super) async fn requested(&mut self) {
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

/// Failures in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The pause after one more failure: doubling up to the longest, with jitter.
    fn next(&mut self, mapping: &EventSourceMapping, random: &dyn Random) -> Duration {
        let doubled = mapping.backoff_min_ms.saturating_mul(1 << self.failures.min(32));
        self.failures = self.failures.saturating_add(1);
        random.jittered(Duration::from_millis(doubled.min(mapping.backoff_max_ms)))
    }

    /// Pauses after a failure; false when the poller is to stop instead.
    pub(super) async fn pause(
        &mut self,
        mapping: &EventSourceMapping,
        random: &dyn Random,
        stop: &mut Stop,
    ) -> bool {
        let pause = self.next(mapping, random);
        tokio::select! {
            () = tokio::time::sleep(pause) => !stop.is_requested(),
            () = stop.requested() => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lake::clock::SeededRandom;

    #[test]
    fn pauses_double_within_bounds_and_start_again() {
        let mapping =
            EventSourceMapping { backoff_min_ms: 100, backoff_max_ms: 1_500, ..Default::default() };
        let random = SeededRandom::new(1);
        let mut backoff = Backoff::default();
        for longest in [100, 200, 400, 800, 1_500, 1_500] {
            let pause = backoff.next(&mapping, &random).as_millis();
            assert!((longest / 2..=longest).contains(&pause), "{pause} of {longest}");
        }
        (0..100).for_each(|_| assert!(backoff.next(&mapping, &random).as_millis() <= 1_500));
        backoff.reset();
        assert!(backoff.next(&mapping, &random).as_millis() <= 100);
    }
}
