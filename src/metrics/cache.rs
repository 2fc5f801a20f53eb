//! What was made of pages, for as long as the pages stay.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use super::compress::{Compressor, Piece};
use super::encoder::Encoder;
use super::families::Kind;
use super::format::{Dialect, Encoding};
use super::state::{PagedFamily, Row};
use model::{Chunk, ConnectorView, Snapshot, TransferView};

/// A piece goes when so many answers in a row had no use for it: no client asks for its format and encoding any more.
const KEPT_FOR_ANSWERS: u64 = 100;

/// The compressed pieces of each page, by family, dialect and encoding: made when first asked for, dropped with their
/// page, or when nobody asks for them any more.
#[derive(Default)]
pub struct Cache {
    transfers: Pages<TransferView>,
    connectors: Pages<ConnectorView>,
    renders: u64,
    answers: u64,
    scratch: Vec<u8>,
}

/// Pages by their address. Each holds its page, so that the address stands for no other.
pub(super) type Pages<T> = HashMap<usize, (Chunk<T>, HashMap<Key, Kept>)>;

/// A piece, and the answer that last had it.
pub(super) struct Kept {
    piece: Piece,
    asked: u64,
}

/// Which of a page's pieces.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    family: &'static str,
    dialect: Dialect,
    /// The plain encoding keeps a length alone.
    encoding: Encoding,
}

impl Key {
    fn new<T>(family: &PagedFamily<T>, dialect: Dialect, encoding: Encoding) -> Self {
        // The samples of a gauge are the same in both text formats.
        let same = dialect == Dialect::OpenMetrics && family.descriptor.kind == Kind::Gauge;
        Self {
            family: family.descriptor.name,
            dialect: if same { Dialect::Text } else { dialect },
            encoding,
        }
    }
}

/// Rows whose pages the cache knows.
pub(super) trait Cached: Row {
    fn known(cache: &mut Cache) -> &mut Pages<Self>;
}

impl Cached for TransferView {
    fn known(cache: &mut Cache) -> &mut Pages<Self> {
        &mut cache.transfers
    }
}

impl Cached for ConnectorView {
    fn known(cache: &mut Cache) -> &mut Pages<Self> {
        &mut cache.connectors
    }
}

impl Cache {
    /// How often the samples of a family of a page were rendered.
    pub fn renders(&self) -> u64 {
        self.renders
    }

    /// Bytes of all pieces.
    pub fn bytes(&self) -> usize {
        fn of<T>(pages: &Pages<T>) -> usize {
            pages
                .values()
                .flat_map(|(_, pieces)| pieces.values())
                .map(|kept| kept.piece.bytes.len())
                .sum()
        }
        of(&self.transfers) + of(&self.connectors)
    }

    /// Begins an answer from `snapshot`: forgets the pages that it does not have, and what nobody asks for.
    pub(super) fn begin(&mut self, snapshot: &Snapshot) {
        self.answers += 1;
        let since = self.answers.saturating_sub(KEPT_FOR_ANSWERS);
        retain(&mut self.transfers, &snapshot.transfers, since);
        retain(&mut self.connectors, &snapshot.connectors, since);
    }

    /// The samples of one family in each page, compressed.
    pub(super) fn compressed<T: Cached>(
        &mut self,
        pages: &[Chunk<T>],
        family: &'static PagedFamily<T>,
        dialect: Dialect,
        compressor: &mut Compressor,
    ) -> io::Result<Vec<Piece>> {
        let key = Key::new(family, dialect, compressor.encoding());
        self.pieces(pages, family, key, dialect, |text| {
            compressor.compress(text)
        })
    }

    /// The length of the samples of one family in all pages.
    pub(super) fn length<T: Cached>(
        &mut self,
        pages: &[Chunk<T>],
        family: &'static PagedFamily<T>,
        dialect: Dialect,
    ) -> usize {
        let key = Key::new(family, dialect, Encoding::Identity);
        let measure = |text: &[u8]| Ok(Piece::uncompressed(text));
        let pieces = self
            .pieces(pages, family, key, dialect, measure)
            .unwrap_or_default();
        pieces.iter().map(|piece| piece.length).sum()
    }

    fn pieces<T: Cached>(
        &mut self,
        pages: &[Chunk<T>],
        family: &'static PagedFamily<T>,
        key: Key,
        dialect: Dialect,
        mut make: impl FnMut(&[u8]) -> io::Result<Piece>,
    ) -> io::Result<Vec<Piece>> {
        let mut encoder = Encoder::new(dialect, family.descriptor);
        encoder.out = std::mem::take(&mut self.scratch);
        let mut renders = 0;
        let answers = self.answers;
        let known = T::known(self);
        let pieces = pages.iter().map(|page| {
            let (_, pieces) = known
                .entry(address(page))
                .or_insert_with(|| (Arc::clone(page), HashMap::new()));
            if let Some(kept) = pieces.get_mut(&key) {
                kept.asked = answers;
                return Ok(kept.piece.clone());
            }
            renders += 1;
            encoder.out.clear();
            for row in page.iter() {
                (family.write)(row, &mut encoder);
            }
            let piece = make(&encoder.out)?;
            pieces.insert(
                key,
                Kept {
                    piece: piece.clone(),
                    asked: answers,
                },
            );
            Ok(piece)
        });
        let pieces = pieces.collect();
        self.renders += renders;
        self.scratch = encoder.out;
        pieces
    }
}

fn retain<T>(known: &mut Pages<T>, pages: &[Chunk<T>], since: u64) {
    let present: HashSet<_> = pages.iter().map(address).collect();
    known.retain(|address, (_, pieces)| {
        pieces.retain(|_, kept| kept.asked >= since);
        present.contains(address)
    });
}

fn address<T>(page: &Chunk<T>) -> usize {
    Arc::as_ptr(page).cast::<T>().addr()
}
