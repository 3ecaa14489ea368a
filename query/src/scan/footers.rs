//! Footers of table objects, kept in a warm process by path and ETag, within a bound of memory.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use lake::layout::Holds;
use object_store::path::Path;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;

/// A footer, read.
#[derive(Debug, Clone)]
pub struct Footer {
    /// Row groups, columns and page index.
    pub metadata: ArrowReaderMetadata,
    /// The hot objects that the object holds.
    pub holds: Arc<Holds>,
    /// The orders of erasure that it has applied and that were not final then.
    pub orders: Arc<BTreeSet<String>>,
}

impl Footer {
    fn bytes(&self) -> usize {
        // An entry of the tree takes a hash, a time and its share of a node.
        self.metadata.metadata().memory_size() + self.holds.0.len() * 48
    }
}

#[derive(Debug)]
struct Kept {
    e_tag: String,
    footer: Footer,
    bytes: usize,
    used: u64,
}

#[derive(Debug, Default)]
struct Entries {
    by_path: HashMap<Path, Kept>,
    bytes: usize,
    uses: u64,
}

/// The cache.
#[derive(Debug)]
pub struct Footers {
    max_bytes: usize,
    entries: Mutex<Entries>,
}

impl Footers {
    /// An empty cache of at most so many bytes.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes, entries: Mutex::default() }
    }

    /// The footer of this version of an object.
    #[must_use]
    pub fn get(&self, path: &Path, e_tag: &str) -> Option<Footer> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.uses += 1;
        let uses = entries.uses;
        let kept = entries.by_path.get_mut(path).filter(|kept| kept.e_tag == e_tag)?;
        kept.used = uses;
        Some(kept.footer.clone())
    }

    /// Keeps a footer in place of that of the object's earlier version; what was used longest ago
    /// makes room.
    pub fn put(&self, path: &Path, e_tag: &str, footer: &Footer) {
        let bytes = footer.bytes();
        if bytes > self.max_bytes {
            return;
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.uses += 1;
        let used = entries.uses;
        let kept = Kept { e_tag: e_tag.to_owned(), footer: footer.clone(), bytes, used };
        let old = entries.by_path.insert(path.clone(), kept);
        entries.bytes = entries.bytes + bytes - old.map_or(0, |old| old.bytes);
        while entries.bytes > self.max_bytes {
            let oldest = entries.by_path.iter().min_by_key(|(_, kept)| kept.used);
            let Some(path) = oldest.map(|(path, _)| path.clone()) else { break };
            let gone = entries.by_path.remove(&path);
            entries.bytes -= gone.map_or(0, |gone| gone.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lake::assemble::empty;
    use lake::parquet_file;
    use parquet::arrow::arrow_reader::ArrowReaderOptions;

    fn footer() -> Footer {
        let bytes = parquet_file::encode(&empty(), &Holds::default()).unwrap();
        let metadata = ArrowReaderMetadata::load(&bytes, ArrowReaderOptions::new()).unwrap();
        Footer { metadata, holds: Arc::default(), orders: Arc::default() }
    }

    #[test]
    fn what_was_used_longest_ago_makes_room() {
        let footer = footer();
        let paths: Vec<Path> = ["a", "b", "c"].map(Path::from).to_vec();
        let footers = Footers::new(footer.bytes() * 2);
        footers.put(&paths[0], "1", &footer);
        footers.put(&paths[1], "1", &footer);
        assert!(footers.get(&paths[0], "1").is_some());
        footers.put(&paths[2], "1", &footer);
        let there = |path: &Path| footers.get(path, "1").is_some();
        assert_eq!(paths.iter().map(there).collect::<Vec<_>>(), [true, false, true]);
        footers.put(&paths[0], "2", &footer);
        assert!(!there(&paths[0]) && footers.get(&paths[0], "2").is_some());
        let none = Footers::new(footer.bytes() - 1);
        none.put(&paths[0], "1", &footer);
        assert!(none.get(&paths[0], "1").is_none());
    }
}
