//! Which hits may belong to one visitor: those linked, through any number of others of their site,
//! by a fingerprint or a client's id.
//!
//! Ids are hashed to a fixed number of slots, so the memory does not grow with the day. Two ids
//! in one slot join their hits into one group, which costs nothing but a larger group. With fewer
//! than a quarter as many linked ids as slots, groups stay small.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Sets of linked ids.
pub(super) struct Components {
    /// Slot to a slot nearer to the root of its set; roots point at themselves.
    parents: Vec<u32>,
    touched: Bits,
}

impl Components {
    /// Enough slots for `rows` hits, in at most `max_bytes`.
    pub(super) fn new(rows: u64, max_bytes: usize) -> Self {
        let most = (max_bytes / size_of::<u32>()).max(1024);
        let wanted = usize::try_from(rows.saturating_mul(4)).unwrap_or(most).clamp(1024, most);
        // A power of two not above the limit, so that a slot is the low bits of a hash.
        let slots = (wanted.next_power_of_two() / if wanted.is_power_of_two() { 1 } else { 2 })
            .min(1 << 31);
        let parents = (0..slots).filter_map(|slot| u32::try_from(slot).ok()).collect();
        Self { parents, touched: Bits::new(slots) }
    }

    /// The slot of a fingerprint.
    pub(super) fn fingerprint(&self, site: i32, fingerprint: u64) -> u32 {
        self.slot(site, fingerprint, 0)
    }

    /// The slot of a client's id.
    pub(super) fn client(&self, site: i32, client: u64) -> u32 {
        self.slot(site, client, 1)
    }

    fn slot(&self, site: i32, id: u64, kind: u64) -> u32 {
        let seed = u64::from(site.cast_unsigned()) << 1 | kind;
        let hash = xxh3_64_with_seed(&id.to_le_bytes(), seed);
        let mask = self.parents.len() as u64 - 1;
        u32::try_from(hash & mask).unwrap_or_default()
    }

    /// The root of a slot's set.
    pub(super) fn root(&mut self, slot: u32) -> u32 {
        let mut at = slot;
        loop {
            let parent = self.parent(at);
            let grandparent = self.parent(parent);
            if parent == grandparent {
                return parent;
            }
            // Halves the path for the next look-up.
            if let Some(entry) = self.parents.get_mut(at as usize) {
                *entry = grandparent;
            }
            at = grandparent;
        }
    }

    fn parent(&self, slot: u32) -> u32 {
        self.parents.get(slot as usize).copied().unwrap_or(slot)
    }

    /// Makes one set of two.
    pub(super) fn link(&mut self, left: u32, right: u32) {
        let (left, right) = (self.root(left), self.root(right));
        // Slots are hashes, so the order of their numbers is a random one: paths stay short.
        if let Some(entry) = self.parents.get_mut(left.max(right) as usize) {
            *entry = left.min(right);
        }
    }

    /// Marks the set of a slot, once all links are made or before.
    pub(super) fn touch(&mut self, slot: u32) {
        self.touched.set(slot as usize);
    }

    /// Carries the marks to the roots; after the last link.
    pub(super) fn settle(&mut self) {
        for slot in 0..self.parents.len() {
            if self.touched.get(slot) {
                let root = self.root(u32::try_from(slot).unwrap_or_default());
                self.touched.set(root as usize);
            }
        }
    }

    /// Whether the set with this root was marked; after [`Components::settle`].
    pub(super) fn is_touched(&self, root: u32) -> bool {
        self.touched.get(root as usize)
    }
}

/// One bit a number.
#[derive(Debug, Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub(super) fn new(bits: usize) -> Self {
        Self(vec![0; bits.div_ceil(64)])
    }

    pub(super) fn set(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    pub(super) fn get(&self, at: usize) -> bool {
        self.0.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_go_through_any_number_of_ids_and_not_across_sites() {
        let mut components = Components::new(1_000_000, 1 << 26);
        for number in 0..100 {
            let (fingerprint, client) =
                (components.fingerprint(1, number), components.client(1, number));
            let next = components.fingerprint(1, number + 1);
            components.link(fingerprint, client);
            components.link(client, next);
        }
        let last = components.fingerprint(1, 100);
        components.touch(last);
        components.settle();
        let first = components.fingerprint(1, 0);
        let root = components.root(first);
        assert_eq!(root, components.root(last));
        assert!(components.is_touched(root));
        let elsewhere = components.fingerprint(2, 0);
        let elsewhere = components.root(elsewhere);
        assert!(elsewhere != root && !components.is_touched(elsewhere));
    }

    #[test]
    fn slots_stay_within_the_memory() {
        for (rows, bytes, slots) in
            [(0, 0, 1024), (1024, 1 << 20, 4096), (u64::MAX, 1 << 20, 1 << 18)]
        {
            assert_eq!(Components::new(rows, bytes).parents.len(), slots);
        }
    }
}
