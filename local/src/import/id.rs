//! The identity of an imported hit.
//!
//! It comes from the line and where it stands, so importing a file again changes nothing, while
//! two equal lines of one file stay two hits. How the file was compressed or named plays no part.

use lake::hit::HitId;
use sha2::{Digest as _, Sha256};

/// Keeps these digests apart from all others; a change of what goes in needs a new tag.
const DOMAIN: &[u8] = b"hitlake/import/line/1\0";

/// The id of the hit from `line` (without its line end), the file's `line_number`th.
///
/// The first 16 bytes of a SHA-256, shaped as a UUID of version 8.
#[must_use]
pub fn hit_id(line: &[u8], line_number: u64) -> HitId {
    let digest = Sha256::new()
        .chain_update(DOMAIN)
        .chain_update(line_number.to_be_bytes())
        .chain_update(line)
        .finalize();
    let bytes = digest.first_chunk::<16>().copied().unwrap_or_default();
    HitId(uuid::Builder::from_custom_bytes(bytes).into_uuid().as_u128())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stay_what_they_are() {
        let id = hit_id(b"192.0.2.1 - - ...", 1);
        assert_eq!(id, hit_id(b"192.0.2.1 - - ...", 1));
        assert_eq!(id.to_string(), "ff8a7fd4-7309-8974-a243-92ebe303d377");
    }

    #[test]
    fn line_and_number_both_count() {
        assert_ne!(hit_id(b"a", 1), hit_id(b"a", 2));
        assert_ne!(hit_id(b"a", 1), hit_id(b"b", 1));
    }

    #[test]
    fn shaped_as_version_8() {
        for number in 0..200 {
            let id = uuid::Uuid::from_u128(hit_id(b"", number).0);
            assert_eq!(id.get_version_num(), 8);
            assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
            assert_eq!(hit_id(b"", number).time_ms(), None);
        }
    }
}
