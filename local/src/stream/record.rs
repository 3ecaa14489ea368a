//! One record in a segment file.
//!
//! length of what follows the checksum (u32), CRC-32 of it (u32), then sequence number (u64),
//! arrival (i64, Unix ms), length of the key (u16), key, data. All little-endian.

use bytes::Bytes;

/// A record as it lies on the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its sequence number in its shard.
    pub sequence: u64,
    /// When it arrived, Unix milliseconds.
    pub arrival_ms: i64,
    /// The key that chose the shard.
    pub partition_key: String,
    /// The record.
    pub data: Bytes,
}

/// Bytes before the body: length and checksum.
const HEAD_BYTES: usize = 8;
/// Bytes of the body besides key and data.
const FIXED_BYTES: usize = 18;

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A record, and how many bytes it takes.
    Record(StoredRecord, usize),
    /// The bytes end before the record does.
    Incomplete,
    /// No record can begin like this.
    Damaged,
}

/// Appends a record's bytes.
pub(super) fn write(out: &mut Vec<u8>, sequence: u64, arrival_ms: i64, key: &str, data: &[u8]) {
    let key = key.as_bytes().get(..key.len().min(usize::from(u16::MAX))).unwrap_or_default();
    let start = out.len();
    let length = FIXED_BYTES + key.len() + data.len();
    out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    out.extend([0; 4]);
    out.extend(sequence.to_le_bytes());
    out.extend(arrival_ms.to_le_bytes());
    out.extend(u16::try_from(key.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend(key);
    out.extend(data);
    let checksum = crc32fast::hash(out.get(start + HEAD_BYTES..).unwrap_or_default());
    if let Some(place) = out.get_mut(start + 4..start + HEAD_BYTES) {
        place.copy_from_slice(&checksum.to_le_bytes());
    }
}

/// Reads the record at the beginning of `bytes`.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    let Some((head, rest)) = bytes.split_at_checked(HEAD_BYTES) else { return Parsed::Incomplete };
    let (Some(length), Some(checksum)) = (number(head, 0), number(head, 4)) else { return Parsed::Incomplete };
    let length = length as usize;
    if !(FIXED_BYTES..=lake::limits::MAX_RECORD_BYTES + FIXED_BYTES + usize::from(u16::MAX)).contains(&length) {
        return Parsed::Damaged;
    }
    let Some(body) = rest.get(..length) else { return Parsed::Incomplete };
    if crc32fast::hash(body) != checksum {
        return Parsed::Damaged;
    }
    body_of(body).map_or(Parsed::Damaged, |record| Parsed::Record(record, HEAD_BYTES + length))
}

fn body_of(body: &[u8]) -> Option<StoredRecord> {
    let sequence = u64::from_le_bytes(body.get(0..8)?.try_into().ok()?);
    let arrival_ms = i64::from_le_bytes(body.get(8..16)?.try_into().ok()?);
    let key_bytes = usize::from(u16::from_le_bytes(body.get(16..18)?.try_into().ok()?));
    let key = std::str::from_utf8(body.get(18..18 + key_bytes)?).ok()?;
    let data = Bytes::copy_from_slice(body.get(18 + key_bytes..)?);
    Some(StoredRecord { sequence, arrival_ms, partition_key: key.to_owned(), data })
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_record_reads_back_and_no_shorter_piece_does(sequence: u64, arrival_ms: i64, key in ".{0,30}", data in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut bytes = Vec::new();
            write(&mut bytes, sequence, arrival_ms, &key, &data);
            let record = StoredRecord { sequence, arrival_ms, partition_key: key, data: data.into() };
            prop_assert_eq!(parse(&bytes), Parsed::Record(record, bytes.len()));
            for end in 0..bytes.len() {
                prop_assert_eq!(parse(&bytes[..end]), Parsed::Incomplete);
            }
        }

        #[test]
        fn any_bytes_parse(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = parse(&bytes);
        }
    }
}
