//! How often a token may ask: a bucket for each token, of one process. It holds the questions of a
//! minute and fills evenly.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

const MINUTE_MS: i64 = 60_000;

/// The buckets. Only tokens of ours have one, so that there are no more than tokens.
#[derive(Debug, Default)]
pub(super) struct Rates(Mutex<HashMap<String, Bucket>>);

/// Filled from `at_ms` on, by the rate each millisecond, so that nothing is rounded; one question
/// takes [`MINUTE_MS`].
#[derive(Debug, Clone, Copy)]
struct Bucket {
    level: i64,
    at_ms: i64,
}

impl Rates {
    /// Takes a question from the token's bucket; else the seconds until there is one.
    pub(super) fn take(&self, token: &str, rate: NonZeroU32, now_ms: i64) -> Result<(), i64> {
        let rate = i64::from(rate.get());
        let full = rate * MINUTE_MS;
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket =
            buckets.entry(token.to_owned()).or_insert(Bucket { level: full, at_ms: now_ms });
        let passed_ms = (now_ms - bucket.at_ms).clamp(0, MINUTE_MS);
        let level = (bucket.level + passed_ms * rate).min(full);
        if level < MINUTE_MS {
            *bucket = Bucket { level, at_ms: now_ms };
            // From the next whole millisecond on.
            let wait_ms = (MINUTE_MS - level + rate - 1).div_euclid(rate);
            return Err(wait_ms.div_euclid(1000) + 1);
        }
        *bucket = Bucket { level: level - MINUTE_MS, at_ms: now_ms };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lake::limits::MAX_TOKEN_RATE;

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

    #[test]
    fn a_minute_has_as_many_questions_as_the_rate_says() {
        for rate in [1, 7, 29_999, 30_000, 30_001, 59_999, 60_000, 60_001, MAX_TOKEN_RATE] {
            let (rates, of) = (Rates::default(), NonZeroU32::new(rate).unwrap());
            for now_ms in [0, MINUTE_MS] {
                let taken = (0..=rate).take_while(|_| rates.take("a", of, now_ms).is_ok());
                assert_eq!(taken.count(), rate as usize, "{rate} at {now_ms}");
            }
        }
    }
}
