//! What a question takes: objects, row groups, bytes, time. `explain=true` shows it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use lake::clock::{Clock, SystemClock};
use serde_json::{Value as Json, json};

use crate::sql::Unsaid;

/// What one question took so far. Dates are read side by side, so all of it is added up.
#[derive(Debug)]
pub struct Work {
    clock: Arc<dyn Clock>,
    began_ms: i64,
    listed_ms: AtomicI64,
    scanned_ms: AtomicI64,
    objects: AtomicU64,
    row_groups: AtomicU64,
    bytes: AtomicU64,
    sql: OnceLock<Result<String, Unsaid>>,
}

impl Default for Work {
    fn default() -> Self {
        Self::begin(Arc::new(SystemClock))
    }
}

impl Work {
    /// Begins now.
    #[must_use]
    pub fn begin(clock: Arc<dyn Clock>) -> Self {
        let began_ms = clock.now_ms();
        Self {
            clock,
            began_ms,
            listed_ms: AtomicI64::new(began_ms),
            scanned_ms: AtomicI64::new(began_ms),
            objects: AtomicU64::new(0),
            row_groups: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            sql: OnceLock::new(),
        }
    }

    /// The objects are listed.
    pub fn listed(&self) {
        self.listed_ms.store(self.clock.now_ms(), Ordering::Relaxed);
    }

    /// All is read and counted.
    pub fn scanned(&self) {
        self.scanned_ms.store(self.clock.now_ms(), Ordering::Relaxed);
    }

    /// An object was opened.
    pub fn add_object(&self) {
        self.objects.fetch_add(1, Ordering::Relaxed);
    }

    /// A row group of the table was not ruled out.
    pub fn add_row_group(&self) {
        self.row_groups.fetch_add(1, Ordering::Relaxed);
    }

    /// A row group that seemed to be needed was ruled out by its dictionaries.
    pub fn take_row_group_back(&self) {
        self.row_groups.fetch_sub(1, Ordering::Relaxed);
    }

    /// Bytes came from the store.
    pub fn add_bytes(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The question as SQL over the table, or why it cannot be said so.
    pub fn says(&self, sql: Result<String, Unsaid>) {
        let _ = self.sql.set(sql);
    }

    /// As the answer shows it.
    #[must_use]
    pub fn explained(&self) -> Json {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let listed_ms = self.listed_ms.load(Ordering::Relaxed);
        let scanned_ms = self.scanned_ms.load(Ordering::Relaxed);
        let sql = self.sql.get();
        let unsaid = sql.and_then(|sql| sql.as_ref().err()).map(ToString::to_string);
        json!({
            "objects": of(&self.objects),
            "row_groups": of(&self.row_groups),
            "bytes_read": of(&self.bytes),
            "phases_ms": {
                "list": listed_ms - self.began_ms,
                "scan": scanned_ms - listed_ms,
                "answer": self.clock.now_ms() - scanned_ms,
            },
            "sql": sql.and_then(|sql| sql.as_ref().ok()),
            "sql_refused": unsaid,
        })
    }
}
