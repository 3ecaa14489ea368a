//! The lists against what others say: corpora of user agents and referrers, recorded visits.
//!
//! Each prints what it judges otherwise, and a line where its corpus is absent.

mod bots;
mod referrers;
mod uap;
mod visits;

use std::path::PathBuf;

/// A file below `../shared/data`, beside the checkout; says so where there is none.
fn shared(file: &str) -> Option<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(file);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) => {
            println!("skipped: {}: {error}", path.display());
            None
        }
    }
}

/// A YAML scalar on one line: plain, or in quotes of either kind.
fn scalar(text: &str) -> String {
    let text = text.trim();
    if let Some(inner) = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        return inner.replace("''", "'");
    }
    if text.starts_with('"') {
        return serde_json::from_str(text).unwrap();
    }
    text.to_owned()
}
