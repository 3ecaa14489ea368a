//! What one question keeps in memory, of all its dates and of both ranges of a comparison: bounded,
//! all together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::error::ScanError;

/// The memory of one question.
#[derive(Debug)]
pub struct Memory {
    bytes: AtomicUsize,
    max_bytes: usize,
}

impl Memory {
    /// So many bytes, all free.
    pub(super) fn new(max_bytes: usize) -> Arc<Self> {
        Arc::new(Self { bytes: AtomicUsize::new(0), max_bytes })
    }

    /// Takes bytes until the question is answered.
    pub(super) fn grow(&self, bytes: usize) -> Result<(), ScanError> {
        let taken = self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if taken > self.max_bytes {
            return Err(ScanError::TooLarge { limit: self.max_bytes });
        }
        Ok(())
    }

    /// Takes bytes until what is handed back is dropped.
    pub(super) fn hold(self: &Arc<Self>, bytes: usize) -> Result<Held, ScanError> {
        let held = Held { memory: Arc::clone(self), bytes };
        self.grow(bytes)?;
        Ok(held)
    }

    /// Bytes that are taken.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// Bytes of a question's memory, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Held {
    memory: Arc<Memory>,
    bytes: usize,
}

impl Held {
    /// Holds so many bytes in place of those before.
    pub(super) fn resize(&mut self, bytes: usize) -> Result<(), ScanError> {
        let before = std::mem::replace(&mut self.bytes, bytes);
        self.memory.bytes.fetch_sub(before, Ordering::Relaxed);
        self.memory.grow(bytes)
    }

    /// Holds them until the question is answered.
    pub(super) fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_given_back() {
        let memory = Memory::new(10);
        let mut held = memory.hold(9).unwrap();
        assert!(memory.hold(2).is_err(), "one above the limit");
        assert_eq!(memory.bytes(), 9, "what was refused is given back");
        assert!(memory.hold(1).is_ok(), "at the limit");
        held.resize(3).unwrap();
        assert!(memory.hold(6).is_ok(), "one below the limit");
        drop(held);
        memory.hold(4).unwrap().keep();
        assert_eq!(memory.bytes(), 4);
    }
}
