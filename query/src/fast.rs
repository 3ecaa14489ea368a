//! Maps and sets for numbers of ours: a hash that is fast, and seeded against chosen keys.

pub use foldhash::fast::RandomState;

/// A map.
pub type HashMap<K, V> = std::collections::HashMap<K, V, RandomState>;
/// A set.
pub type HashSet<K> = std::collections::HashSet<K, RandomState>;

/// What was looked up lately, by a few numbers: the newer stands in place of an older one.
#[derive(Debug)]
pub struct Recent<const N: usize, V>(Vec<Option<([u32; N], V)>>);

const RECENT_BITS: u32 = 10;

impl<const N: usize, V> Default for Recent<N, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<const N: usize, V: Copy> Recent<N, V> {
    /// What belongs to `key`: as remembered, else as `look_up` says.
    pub fn get(&mut self, key: [u32; N], look_up: impl FnOnce() -> V) -> V {
        if self.0.is_empty() {
            self.0 = vec![None; 1 << RECENT_BITS];
        }
        let mixed = key
            .iter()
            .fold(0_u32, |mixed, part| (mixed.rotate_left(5) ^ part).wrapping_mul(0x9E37_79B1));
        let Some(slot) = self.0.get_mut((mixed >> (u32::BITS - RECENT_BITS)) as usize) else {
            return look_up();
        };
        match slot {
            Some((known, value)) if *known == key => *value,
            _ => slot.insert((key, look_up())).1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_what_was_looked_up() {
        let mut recent = Recent::default();
        for round in 0..3_u32 {
            for key in 0..3_u32 << RECENT_BITS {
                assert_eq!(recent.get([key, key % 7], || key + key % 7), key + key % 7, "{round}");
            }
        }
    }
}
