//! Which rows repeat an earlier received row of the same site and id.
//!
//! Keys go to files by the hash of their id, and each file is sorted by itself, so the memory does
//! not grow with the day; few rows stay in memory as one such part. Copies received in the same
//! microsecond are left to `lake::assemble`, which compares their bytes.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;

use crate::merge::scratch::Scratch;

/// Bytes of a key in a file.
const KEY_BYTES: usize = 41;
/// Bytes of a file's buffer.
const BUFFER_BYTES: usize = 64 * 1024;

/// What is known of a row before it is read whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) site: i32,
    pub(super) id: u128,
    pub(super) received_us: i64,
    pub(super) fingerprint: u64,
    /// The row's number over all inputs.
    pub(super) ordinal: u32,
    /// An order of erasure covers it: it is a copy of such rows only, and others are none of it.
    pub(super) is_erased: bool,
}

/// What is found of a row that repeats another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copy {
    /// An earlier received one stays.
    Later(Key),
    /// It was received with the one that is named first.
    Tied(Key, Key),
}

enum Part {
    Memory(Vec<Key>),
    File { path: PathBuf, to: BufWriter<File>, keys: usize },
}

/// Keys of all rows, by the hash of their ids.
pub(super) struct Copies(Vec<Part>);

impl Copies {
    /// Room for `rows` keys in about `max_bytes` of memory, and on scratch beyond it.
    pub(super) fn new(rows: u64, max_bytes: usize, scratch: &Scratch) -> anyhow::Result<Self> {
        let bytes = rows.saturating_mul(size_of::<Key>() as u64);
        // Half of the memory, because a part is not exactly its share.
        let parts = bytes.div_ceil((max_bytes as u64 / 2).max(1)).max(1);
        if parts == 1 {
            return Ok(Self(vec![Part::Memory(Vec::new())]));
        }
        let part = |number| {
            let path = scratch.file(&format!("keys-{number}"));
            let file =
                File::create(&path).with_context(|| format!("creating {}", path.display()))?;
            Ok(Part::File { path, to: BufWriter::with_capacity(BUFFER_BYTES, file), keys: 0 })
        };
        (0..parts).map(part).collect::<anyhow::Result<_>>().map(Self)
    }

    /// Adds a row.
    pub(super) fn add(&mut self, key: Key) -> anyhow::Result<()> {
        let hash = (key.id ^ key.id >> 64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let at = usize::try_from(hash % self.0.len().max(1) as u128).unwrap_or_default();
        match self.0.get_mut(at) {
            Some(Part::Memory(keys)) => keys.push(key),
            Some(Part::File { path, to, keys }) => {
                to.write_all(&key.to_bytes())
                    .with_context(|| format!("writing {}", path.display()))?;
                *keys += 1;
            }
            None => {}
        }
        Ok(())
    }

    /// Names every row that repeats another.
    pub(super) fn find(self, mut found: impl FnMut(Copy)) -> anyhow::Result<()> {
        for part in self.0 {
            let mut keys = match part {
                Part::Memory(keys) => keys,
                Part::File { path, to, keys } => {
                    let read = to.into_inner().map_err(std::io::Error::from).and_then(|file| {
                        drop(file);
                        let keys = read(&path, keys)?;
                        std::fs::remove_file(&path)?;
                        Ok(keys)
                    });
                    read.with_context(|| format!("sorting {}", path.display()))?
                }
            };
            let group = |key: &Key| (key.id, key.site, key.is_erased);
            keys.sort_unstable_by_key(|key| (group(key), key.received_us, key.ordinal));
            for copies in keys.chunk_by(|left, right| group(left) == group(right)) {
                let Some((first, rest)) = copies.split_first() else { continue };
                for copy in rest {
                    found(if copy.received_us == first.received_us {
                        Copy::Tied(*first, *copy)
                    } else {
                        Copy::Later(*copy)
                    });
                }
            }
        }
        Ok(())
    }
}

fn read(path: &std::path::Path, keys: usize) -> std::io::Result<Vec<Key>> {
    let mut from = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
    let mut bytes = [0; KEY_BYTES];
    let mut read = Vec::with_capacity(keys);
    for _ in 0..keys {
        from.read_exact(&mut bytes)?;
        read.push(Key::from_bytes(&bytes));
    }
    Ok(read)
}

impl Key {
    fn to_bytes(self) -> [u8; KEY_BYTES] {
        let mut bytes = [0; KEY_BYTES];
        let mut rest = bytes.as_mut_slice();
        put(&mut rest, self.id.to_le_bytes());
        put(&mut rest, self.received_us.to_le_bytes());
        put(&mut rest, self.fingerprint.to_le_bytes());
        put(&mut rest, self.site.to_le_bytes());
        put(&mut rest, self.ordinal.to_le_bytes());
        put(&mut rest, [u8::from(self.is_erased)]);
        bytes
    }

    fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Self {
        let mut rest = bytes.as_slice();
        Self {
            id: u128::from_le_bytes(cut(&mut rest)),
            received_us: i64::from_le_bytes(cut(&mut rest)),
            fingerprint: u64::from_le_bytes(cut(&mut rest)),
            site: i32::from_le_bytes(cut(&mut rest)),
            ordinal: u32::from_le_bytes(cut(&mut rest)),
            is_erased: cut(&mut rest) == [1],
        }
    }
}

/// Puts a field at the beginning of what is left.
fn put<const N: usize>(rest: &mut &mut [u8], field: [u8; N]) {
    if let Some((to, left)) = std::mem::take(rest).split_first_chunk_mut() {
        *to = field;
        *rest = left;
    }
}

/// Cuts a field off the beginning of what is left.
fn cut<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let Some((field, left)) = rest.split_first_chunk() else { return [0; N] };
    *rest = left;
    *field
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_read_back(
            site: i32, id: u128, received_us: i64, fingerprint: u64, ordinal: u32, is_erased: bool,
        ) {
            let key = Key { site, id, received_us, fingerprint, ordinal, is_erased };
            prop_assert_eq!(Key::from_bytes(&key.to_bytes()), key);
        }
    }

    /// The earliest received stays, whether the keys fit into memory or not.
    #[test]
    fn copies_are_found_in_memory_and_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::create(folder.path()).unwrap();
        for max_bytes in [1 << 20, 2_000] {
            let mut copies = Copies::new(1_000, max_bytes, &scratch).unwrap();
            for ordinal in 0..1_000 {
                let id = u128::from(ordinal % 400);
                let received_us = i64::from(if ordinal < 800 { 1_000 - ordinal } else { 0 });
                copies.add(Key { site: 1, id, received_us, ordinal, ..Key::default() }).unwrap();
            }
            let (mut later, mut tied) = (Vec::new(), 0);
            copies
                .find(|copy| match copy {
                    Copy::Later(key) => later.push(key.ordinal),
                    Copy::Tied(..) => tied += 1,
                })
                .unwrap();
            later.sort_unstable();
            let expected: Vec<u32> = (0..400).chain(400..600).collect();
            assert_eq!((later, tied), (expected, 0));
        }
        assert_eq!(std::fs::read_dir(scratch.file("")).unwrap().count(), 0);
    }
}
