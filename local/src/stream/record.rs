//! One record as bytes in a segment: encode and decode, nothing else.
//!
//! ```text
//! crc32 u32 | length u32 | sequence u64 | arrival_ms i64 | durable_before u32 | key_length u32 | key | data
//! ```
//! Little-endian. `length` counts what follows it; the crc covers everything after itself.
//! `durable_before` is the length of the segment that was durable when the record's group was
//! written: it tells a torn group (all its bytes unacknowledged) from damage to acknowledged bytes.

use bytes::Bytes;
use lake::limits::MAX_RECORD_BYTES;

use super::lengths::{as_u32, as_usize};

/// Bytes before the part that `length` counts.
const PREFIX: usize = 8;
/// Bytes of the counted part before the key.
const FIXED: usize = 24;
/// Where `durable_before` stands.
const DURABLE_BEFORE: usize = 24;
/// Bytes that a record takes besides key and data.
pub(super) const OVERHEAD: usize = PREFIX + FIXED;
/// The longest record in a segment.
pub(super) const MAX_FRAME_BYTES: usize = OVERHEAD + MAX_RECORD_BYTES;

/// A record as it lies on a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its number, greater than those of all earlier records of the shard.
    pub sequence: u64,
    /// When the stream took it, in Unix milliseconds.
    pub arrival_ms: i64,
    /// The key that chose the shard.
    pub partition_key: String,
    /// What was put.
    pub data: Bytes,
}

/// What a record carries besides key and data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) sequence: u64,
    pub(super) arrival_ms: i64,
    /// Durable length of the segment when the record's group was written.
    pub(super) durable_before: u64,
}

/// A decoded record that still borrows its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) stamp: Stamp,
    key: &'a [u8],
    data: &'a [u8],
}

impl Frame<'_> {
    /// Bytes of key and data.
    pub(super) fn payload(&self) -> usize {
        self.key.len() + self.data.len()
    }

    pub(super) fn to_record(self) -> StoredRecord {
        StoredRecord {
            sequence: self.stamp.sequence,
            arrival_ms: self.stamp.arrival_ms,
            partition_key: String::from_utf8_lossy(self.key).into_owned(),
            data: Bytes::copy_from_slice(self.data),
        }
    }
}

/// What stands at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded<'a> {
    /// A whole record of `length` bytes.
    Frame { frame: Frame<'a>, length: usize },
    /// The record may be whole when this many bytes are there.
    NeedsBytes(usize),
    /// No record of this stream begins so.
    Broken(&'static str),
}

/// Appends one record to `buffer`.
pub(super) fn encode(buffer: &mut Vec<u8>, stamp: Stamp, key: &[u8], data: &[u8]) {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; 4]);
    buffer.extend_from_slice(&as_u32(FIXED + key.len() + data.len()).to_le_bytes());
    buffer.extend_from_slice(&stamp.sequence.to_le_bytes());
    buffer.extend_from_slice(&stamp.arrival_ms.to_le_bytes());
    buffer.extend_from_slice(&as_u32(as_usize(stamp.durable_before)).to_le_bytes());
    buffer.extend_from_slice(&as_u32(key.len()).to_le_bytes());
    buffer.extend_from_slice(key);
    buffer.extend_from_slice(data);
    if let Some((crc, covered)) =
        buffer.get_mut(start..).and_then(<[u8]>::split_first_chunk_mut::<4>)
    {
        *crc = crc32fast::hash(covered).to_le_bytes();
    }
}

/// Reads the record at the start of `bytes`.
pub(super) fn decode(bytes: &[u8]) -> Decoded<'_> {
    let Some((crc, covered)) = bytes.split_first_chunk::<4>() else {
        return Decoded::NeedsBytes(PREFIX);
    };
    let Some((length, rest)) = covered.split_first_chunk::<4>() else {
        return Decoded::NeedsBytes(PREFIX);
    };
    let length = PREFIX + as_usize(u64::from(u32::from_le_bytes(*length)));
    if !(OVERHEAD..=MAX_FRAME_BYTES).contains(&length) {
        return Decoded::Broken("the length of the record is impossible");
    }
    let (Some(covered), Some(body)) = (covered.get(..length - 4), rest.get(..length - PREFIX))
    else {
        return Decoded::NeedsBytes(length);
    };
    if crc32fast::hash(covered) != u32::from_le_bytes(*crc) {
        return Decoded::Broken("the checksum of the record is wrong");
    }
    match decode_body(body) {
        Some(frame) => Decoded::Frame { frame, length },
        None => Decoded::Broken("the key of the record is longer than the record"),
    }
}

/// What a record at the start of `bytes` would say was durable before it; a cheap look, unchecked.
pub(super) fn peek_durable_before(bytes: &[u8]) -> Option<u64> {
    let (field, _) = bytes.get(DURABLE_BEFORE..)?.split_first_chunk::<4>()?;
    Some(u64::from(u32::from_le_bytes(*field)))
}

fn decode_body(body: &[u8]) -> Option<Frame<'_>> {
    let (sequence, body) = body.split_first_chunk::<8>()?;
    let (arrival_ms, body) = body.split_first_chunk::<8>()?;
    let (durable_before, body) = body.split_first_chunk::<4>()?;
    let (key_length, body) = body.split_first_chunk::<4>()?;
    let (key, data) =
        body.split_at_checked(as_usize(u64::from(u32::from_le_bytes(*key_length))))?;
    let stamp = Stamp {
        sequence: u64::from_le_bytes(*sequence),
        arrival_ms: i64::from_le_bytes(*arrival_ms),
        durable_before: u64::from(u32::from_le_bytes(*durable_before)),
    };
    Some(Frame { stamp, key, data })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded_and_every_cut_needs_more(
            sequence: u64, arrival_ms: i64, durable_before: u32,
            key in proptest::collection::vec(0_u8..128, 0..40),
            data in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let stamp = Stamp { sequence, arrival_ms, durable_before: u64::from(durable_before) };
            let mut bytes = Vec::new();
            encode(&mut bytes, stamp, &key, &data);
            prop_assert_eq!(bytes.len(), OVERHEAD + key.len() + data.len());
            let frame = Frame { stamp, key: &key, data: &data };
            prop_assert_eq!(decode(&bytes), Decoded::Frame { frame, length: bytes.len() });
            for cut in 0..bytes.len() {
                let needs = matches!(decode(&bytes[..cut]), Decoded::NeedsBytes(needed) if needed > cut);
                prop_assert!(needs, "cut at {}", cut);
            }
        }

        #[test]
        fn a_changed_byte_never_passes(at in 0_usize..60, flip in 1_u8..) {
            let mut bytes = Vec::new();
            encode(&mut bytes, Stamp { sequence: 7, arrival_ms: 8, durable_before: 9 }, b"key", &[1; 25]);
            bytes[at] ^= flip;
            let passed = matches!(decode(&bytes), Decoded::Frame { .. });
            prop_assert!(!passed);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn zeros_are_broken() {
        assert!(matches!(decode(&[0; 64]), Decoded::Broken(_)));
    }
}
