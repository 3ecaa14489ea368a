//! How often a token may ask: a bucket for each token, of one process. It holds the questions of a
//! minute and fills evenly.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

const MINUTE_MS: i64 = 60_000;

/// The buckets. Only tokens of ours have one, so that there are no more than tokens.
#[derive(Debug, Default)]
pub(super) struct Rates(Mutex<HashMap<String, Bucket>>);

/// Filled from `at_ms` on; one question takes a minute's share.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// In minutes' milliseconds: full is [`MINUTE_MS`].
    level_ms: i64,
    at_ms: i64,
}

impl Rates {
    /// Takes a question from the token's bucket; else the seconds until there is one.
    pub(super) fn take(&self, token: &str, rate: NonZeroU32, now_ms: i64) -> Result<(), i64> {
        let cost_ms = (MINUTE_MS / i64::from(rate.get())).max(1);
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = Bucket { level_ms: MINUTE_MS, at_ms: now_ms };
        let bucket = buckets.entry(token.to_owned()).or_insert(full);
        let passed_ms = (now_ms - bucket.at_ms).clamp(0, MINUTE_MS);
        let level_ms = (bucket.level_ms + passed_ms).min(MINUTE_MS);
        if level_ms < cost_ms {
            *bucket = Bucket { level_ms, at_ms: now_ms };
            return Err((cost_ms - level_ms).div_euclid(1000) + 1);
        }
        *bucket = Bucket { level_ms: level_ms - cost_ms, at_ms: now_ms };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_questions_may_come_at_once_and_then_evenly() {
        let rates = Rates::default();
        let rate = NonZeroU32::new(6).unwrap();
        let take = |token: &str, now_ms| rates.take(token, rate, now_ms);
        for _ in 0..6 {
            assert_eq!(take("a", 0), Ok(()));
        }
        assert_eq!(take("a", 0), Err(11));
        assert_eq!(take("b", 0), Ok(()), "each token has its own");
        assert_eq!(take("a", 9_999), Err(1));
        assert_eq!(take("a", 10_000), Ok(()));
        assert_eq!(take("a", 10_000), Err(11));
        assert_eq!(take("a", 5_000), Err(11), "a clock that goes back fills nothing");
        for _ in 0..6 {
            assert_eq!(take("a", 1_000_000), Ok(()));
        }
        assert!(take("a", 1_000_000).is_err(), "no more than a minute's");
    }
}
