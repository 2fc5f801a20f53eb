//! Which transfers are told together. A page is rebuilt when one of its rows has changed, so rows that change are kept
//! apart from rows that do not: open transfers in small pages, ended ones in large ones.

use std::collections::BTreeSet;
use std::sync::Arc;

use slab::Slab;

use model::Chunk;

/// Rows of a page of open transfers: a change has so many rows told anew.
const OPEN_ROWS: usize = 64;
/// Rows of a page of ended transfers. Larger ones compress a little better, and cost more when a row leaves.
const ENDED_ROWS: usize = 512;

/// Where a row belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tier {
    /// It may change at any time.
    Open,
    /// It stays as it is until it leaves.
    Ended,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    tier: Tier,
    row: u16,
    page: u32,
}

/// The pages of all rows, each row known by its slot.
#[derive(Debug)]
pub(super) struct ChunkIndex<T> {
    tiers: [TierPages<T>; 2],
    /// By slot.
    places: Vec<Option<Place>>,
}

#[derive(Debug)]
struct TierPages<T> {
    capacity: usize,
    pages: Slab<Rows<T>>,
    /// ChunkIndex with room, the first of which takes the next row.
    room: BTreeSet<u32>,
    /// The one page that is less than a quarter full; a second one is merged into it.
    sparse: Option<u32>,
}

#[derive(Debug)]
struct Rows<T> {
    slots: Vec<u32>,
    /// `None` once a row has changed.
    built: Option<Chunk<T>>,
}

impl<T> TierPages<T> {
    fn new(capacity: usize) -> Self {
        Self {
            capacity,
            pages: Slab::new(),
            room: BTreeSet::new(),
            sparse: None,
        }
    }

    fn is_sparse(&self, page: u32) -> bool {
        self.pages[page as usize].slots.len() * 4 <= self.capacity
    }

    fn push(&mut self, slot: u32) -> (u32, u16) {
        let page = self.room.first().copied().unwrap_or_else(|| {
            let rows = Rows {
                slots: Vec::with_capacity(self.capacity),
                built: None,
            };
            number(self.pages.insert(rows))
        });
        self.push_to(page, slot)
    }

    fn push_to(&mut self, page: u32, slot: u32) -> (u32, u16) {
        let rows = &mut self.pages[page as usize];
        rows.slots.push(slot);
        rows.built = None;
        let row = rows.slots.len() - 1;
        if rows.slots.len() < self.capacity {
            self.room.insert(page);
        } else {
            self.room.remove(&page);
        }
        if self.sparse == Some(page) && !self.is_sparse(page) {
            self.sparse = None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a page has at most 512 rows"
        )]
        (page, row as u16)
    }

    fn drop_page(&mut self, page: u32) -> Vec<u32> {
        self.room.remove(&page);
        if self.sparse == Some(page) {
            self.sparse = None;
        }
        self.pages.remove(page as usize).slots
    }
}

impl<T> Default for ChunkIndex<T> {
    fn default() -> Self {
        Self {
            tiers: [TierPages::new(OPEN_ROWS), TierPages::new(ENDED_ROWS)],
            places: Vec::new(),
        }
    }
}

impl<T> ChunkIndex<T> {
    /// Has the row of `slot` told on `tier`, or nowhere; if it is there already, `changed` tells whether anew.
    pub(super) fn put(&mut self, slot: u32, tier: Option<Tier>, changed: bool) {
        match (self.place(slot), tier) {
            (Some(place), Some(tier)) if place.tier == tier => {
                if changed {
                    self.tiers[tier as usize].pages[place.page as usize].built = None;
                }
            }
            (place, tier) => {
                if let Some(place) = place {
                    self.remove(slot, place);
                }
                if let Some(tier) = tier {
                    let (page, row) = self.tiers[tier as usize].push(slot);
                    self.set_place(slot, Some(Place { tier, row, page }));
                }
            }
        }
    }

    /// Every page, the ended rows first. Only pages with a changed row are built anew, by `view` and in the order of
    /// `order`.
    pub(super) fn build(
        &mut self,
        view: impl Fn(u32) -> T,
        order: impl Fn(&T, &T) -> std::cmp::Ordering,
    ) -> Vec<Chunk<T>> {
        let mut built = Vec::with_capacity(self.tiers.iter().map(|tier| tier.pages.len()).sum());
        for tier in [Tier::Ended, Tier::Open] {
            for (_, rows) in &mut self.tiers[tier as usize].pages {
                let page = rows.built.get_or_insert_with(|| {
                    let mut page: Vec<T> = rows.slots.iter().map(|slot| view(*slot)).collect();
                    page.sort_unstable_by(&order);
                    page.into()
                });
                built.push(Arc::clone(page));
            }
        }
        built
    }

    fn place(&self, slot: u32) -> Option<Place> {
        self.places.get(slot as usize).copied().flatten()
    }

    fn set_place(&mut self, slot: u32, place: Option<Place>) {
        let slot = slot as usize;
        if self.places.len() <= slot {
            self.places.resize(slot + 1, None);
        }
        self.places[slot] = place;
    }

    fn remove(&mut self, slot: u32, place: Place) {
        self.set_place(slot, None);
        let tier = &mut self.tiers[place.tier as usize];
        let rows = &mut tier.pages[place.page as usize];
        rows.built = None;
        rows.slots.swap_remove(usize::from(place.row));
        let moved = rows.slots.get(usize::from(place.row)).copied();
        let empty = rows.slots.is_empty();
        tier.room.insert(place.page);
        if let Some(moved) = moved {
            self.set_place(moved, Some(place));
        }
        if empty {
            self.tiers[place.tier as usize].drop_page(place.page);
        } else {
            self.merge_if_sparse(place.tier, place.page);
        }
    }

    /// Two pages that are less than a quarter full become one: memory follows the rows.
    fn merge_if_sparse(&mut self, tier: Tier, page: u32) {
        let tier_pages = &mut self.tiers[tier as usize];
        if !tier_pages.is_sparse(page) || tier_pages.sparse == Some(page) {
            return;
        }
        let Some(into) = tier_pages.sparse else {
            tier_pages.sparse = Some(page);
            return;
        };
        for slot in tier_pages.drop_page(page) {
            let (page, row) = self.tiers[tier as usize].push_to(into, slot);
            self.set_place(slot, Some(Place { tier, row, page }));
        }
    }
}

/// Slots and pages are numbered in 32 bits: 4 billion transfers do not fit into memory.
pub(super) fn number(key: usize) -> u32 {
    u32::try_from(key).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn build(
        pages: &mut ChunkIndex<(u32, u32)>,
        rows: &BTreeMap<u32, (Tier, u32)>,
    ) -> Vec<Chunk<(u32, u32)>> {
        pages.build(|slot| (slot, rows[&slot].1), Ord::cmp)
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(u32, Tier),
        Remove(u32),
        Build,
    }

    fn step() -> impl Strategy<Value = Step> {
        let tier = prop_oneof![Just(Tier::Open), Just(Tier::Ended)];
        prop_oneof![
            6 => (0..1_500_u32, tier).prop_map(|(slot, tier)| Step::Put(slot, tier)),
            4 => (0..1_500_u32).prop_map(Step::Remove),
            1 => Just(Step::Build),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// Every row is told once, as it is now; a page without a changed row stays the same; pages follow the rows.
        #[test]
        fn pages_tell_the_rows(steps in vec(step(), 1..3_000)) {
            let mut pages = ChunkIndex::default();
            let mut rows: BTreeMap<u32, (Tier, u32)> = BTreeMap::new();
            for (version, step) in (0..).zip(steps) {
                match step {
                    Step::Put(slot, tier) => {
                        rows.insert(slot, (tier, version));
                        pages.put(slot, Some(tier), true);
                    }
                    Step::Remove(slot) => {
                        rows.remove(&slot);
                        pages.put(slot, None, true);
                    }
                    Step::Build => {
                        let built = build(&mut pages, &rows);
                        let again = build(&mut pages, &rows);
                        prop_assert!(built.iter().zip(&again).all(|(a, b)| Arc::ptr_eq(a, b)));
                    }
                }
            }
            let built = build(&mut pages, &rows);
            let mut told: Vec<_> = built.iter().flat_map(|page| page.iter().copied()).collect();
            told.sort_unstable();
            prop_assert_eq!(told, rows.iter().map(|(slot, (_, version))| (*slot, *version)).collect::<Vec<_>>());
            for (tier, capacity) in [(Tier::Open, OPEN_ROWS), (Tier::Ended, ENDED_ROWS)] {
                let of_tier = rows.values().filter(|(on, _)| *on == tier).count();
                prop_assert!(pages.tiers[tier as usize].pages.len() <= of_tier * 4 / capacity + 2);
            }
        }
    }

    #[test]
    fn a_change_has_one_page_told_anew() {
        let mut pages = ChunkIndex::default();
        let mut rows = BTreeMap::new();
        for slot in 0..1_000 {
            let tier = if slot < 200 { Tier::Open } else { Tier::Ended };
            rows.insert(slot, (tier, 0));
            pages.put(slot, Some(tier), true);
        }
        let before = build(&mut pages, &rows);
        assert_eq!(
            before.iter().map(|page| page.len()).collect::<Vec<_>>(),
            [512, 288, 64, 64, 64, 8]
        );
        let changed = |pages: &mut ChunkIndex<_>, rows: &_| {
            let after = build(pages, rows);
            after
                .iter()
                .filter(|page| !before.iter().any(|old| Arc::ptr_eq(old, page)))
                .count()
        };
        pages.put(70, Some(Tier::Open), false);
        assert_eq!(changed(&mut pages, &rows), 0, "nothing has changed");
        rows.insert(70, (Tier::Open, 1));
        pages.put(70, Some(Tier::Open), true);
        assert_eq!(changed(&mut pages, &rows), 1);
        rows.insert(70, (Tier::Ended, 2));
        pages.put(70, Some(Tier::Ended), true);
        assert_eq!(
            changed(&mut pages, &rows),
            2,
            "the one it left, and the one it came to"
        );
    }
}
