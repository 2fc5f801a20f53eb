//! All connectors, and the pages in which they are told.

use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};
use std::sync::Arc;
use std::time::Duration;

use slab::Slab;

use super::chunk_index::number;
use super::connector::Connector;
use model::{Account, Chunk, ConnectorKey, ConnectorLabels, ConnectorView, Now};

/// Connectors of a page.
const ROWS: usize = 32;

/// Connectors by number, and by key in the order of the exposition.
#[derive(Debug, Default)]
pub(super) struct Connectors {
    known: Slab<Connector>,
    by_key: BTreeMap<ConnectorKey, u32>,
    /// Empty once a connector has come or gone.
    pages: Vec<Rows>,
    /// By number, the page of a connector.
    page_of: Vec<u32>,
}

#[derive(Debug)]
struct Rows {
    numbers: Vec<u32>,
    built: Option<Chunk<ConnectorView>>,
}

impl Connectors {
    pub(super) fn find(&self, key: &ConnectorKey) -> Option<u32> {
        self.by_key.get(key).copied()
    }

    /// The number of a connector, which is made known if it is not.
    pub(super) fn number_of(&mut self, key: ConnectorKey, account: &Arc<Account>, now: Now) -> u32 {
        if let Some(number) = self.find(&key) {
            return number;
        }
        let number = number(
            self.known
                .insert(Connector::new(key.clone(), account, now.wall)),
        );
        self.by_key.insert(key, number);
        self.pages.clear();
        number
    }

    pub(super) fn numbers(&self) -> Vec<u32> {
        self.by_key.values().copied().collect()
    }

    pub(super) fn remove(&mut self, number: u32) -> ConnectorKey {
        let connector = self.known.remove(number as usize);
        self.by_key.remove(&connector.key);
        self.pages.clear();
        connector.key
    }

    /// Has the connector told anew.
    pub(super) fn touch(&mut self, number: u32) {
        let page = self
            .page_of
            .get(number as usize)
            .and_then(|page| self.pages.get_mut(*page as usize));
        if let Some(page) = page {
            page.built = None;
        }
    }

    pub(super) fn pages(&mut self) -> Vec<Chunk<ConnectorView>> {
        if self.pages.is_empty() {
            self.lay_out();
        }
        let known = &self.known;
        let view = |number: &u32| known[*number as usize].view();
        let build = |rows: &mut Rows| {
            Arc::clone(
                rows.built
                    .get_or_insert_with(|| rows.numbers.iter().map(view).collect()),
            )
        };
        self.pages.iter_mut().map(build).collect()
    }

    pub(super) fn results_ages(&self, now: Now) -> Vec<(Arc<ConnectorLabels>, Duration)> {
        let connectors = self.by_key.values().map(|number| &self[*number]);
        connectors
            .filter_map(|c| c.results_age(now).map(|age| (Arc::clone(&c.labels), age)))
            .collect()
    }

    fn lay_out(&mut self) {
        let numbers: Vec<u32> = self.by_key.values().copied().collect();
        self.page_of = vec![0; self.known.capacity()];
        for (page, numbers) in numbers.chunks(ROWS).enumerate() {
            for connector in numbers {
                self.page_of[*connector as usize] = number(page);
            }
            self.pages.push(Rows {
                numbers: numbers.to_vec(),
                built: None,
            });
        }
    }
}

impl Index<u32> for Connectors {
    type Output = Connector;

    fn index(&self, number: u32) -> &Connector {
        &self.known[number as usize]
    }
}

impl IndexMut<u32> for Connectors {
    fn index_mut(&mut self, number: u32) -> &mut Connector {
        &mut self.known[number as usize]
    }
}
