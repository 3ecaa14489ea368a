//! Conversions between lengths in memory (`usize`) and in files (`u64`, `u32`).
//!
//! They saturate instead of failing: a segment is below 4 GiB and a machine has 64 bits, so none
//! ever does.

pub(super) fn as_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

pub(super) fn as_usize(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

pub(super) fn as_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
