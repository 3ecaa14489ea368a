//! The settings of an event source mapping, under the names that AWS gives them.

/// How records become batches, and what happens to batches that fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSourceMapping {
    /// Records of a batch at most (`BatchSize`).
    pub batch_size: usize,
    /// How long a batch gathers after its first record (`MaximumBatchingWindowInSeconds`).
    pub window_ms: u64,
    /// Bytes of an event's payload at most; Lambda's own limit ends most batches first.
    pub max_batch_bytes: usize,
    /// Whether a failed batch is halved until the bad record stands alone
    /// (`BisectBatchOnFunctionError`). Halving does not count as a retry.
    pub bisect: bool,
    /// How often a batch that is not halved any more is tried again (`MaximumRetryAttempts`);
    /// without a number, until it is too old.
    pub retry_attempts: Option<u32>,
    /// Records older than this are not tried again (`MaximumRecordAgeInSeconds`); without a number
    /// they never grow too old.
    pub max_record_age_ms: Option<i64>,
    /// The pause after the first failure; it doubles with each further one, and chance takes up to
    /// half of it.
    pub backoff_min_ms: u64,
    /// The longest pause between two attempts.
    pub backoff_max_ms: u64,
}

impl Default for EventSourceMapping {
    /// The mapping of the template: batches of a minute.
    fn default() -> Self {
        Self {
            batch_size: 10_000,
            window_ms: 60_000,
            max_batch_bytes: 6 * 1024 * 1024,
            bisect: true,
            retry_attempts: Some(10),
            max_record_age_ms: Some(24 * 3_600_000),
            backoff_min_ms: 100,
            backoff_max_ms: 30_000,
        }
    }
}

impl EventSourceMapping {
    /// The mapping of the local program: a hit is in the answers within seconds.
    #[must_use]
    pub fn local() -> Self {
        Self { window_ms: 1_000, ..Self::default() }
    }
}
