//! The families of one scrape in their order, and the bytes of it: streamed where they go out plain, joined from
//! compressed pieces where they do not.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::vec;

use bytes::Bytes;

use super::cache::{Cache, Cached};
use super::compress::Joined;
use super::encoder::{self, Encoder};
use super::families::{self, Source};
use super::format::{Dialect, Encoding};
use super::state::{self, PagedFamily, Row};
use super::{Scrape, ScrapeRequest};
use model::{ConnectorView, Snapshot, TransferView};

/// A streamed piece is at least this long, but for the last; and longer by one row at most.
const PIECE: usize = 64 * 1024;

/// What a scrape is answered with.
pub enum Body {
    /// All of it.
    Whole(Vec<Bytes>),
    /// Rendered piece by piece as it is asked for, so that it is never held whole. It holds the pages until its end.
    Streamed(Box<dyn Iterator<Item = Bytes> + Send>),
}

impl Body {
    /// Its pieces.
    pub fn into_pieces(self) -> Box<dyn Iterator<Item = Bytes> + Send> {
        match self {
            Self::Whole(pieces) => Box::new(pieces.into_iter()),
            Self::Streamed(pieces) => pieces,
        }
    }
}

/// The exposition of `scrape` as it is wanted. A plain one costs what stands outside the pages, and the rest as it goes
/// out; a compressed one costs the pages that `cache` does not know in this format and encoding.
///
/// # Errors
/// No memory for the compression.
pub fn exposition(
    scrape: &Scrape<'_>,
    wanted: &ScrapeRequest,
    cache: &Mutex<Cache>,
) -> io::Result<Body> {
    let dialect = wanted.format.dialect();
    let parts = parts(scrape, wanted);
    if wanted.encoding == Encoding::Identity {
        return Ok(Body::Streamed(Box::new(Stream::new(
            scrape, dialect, parts, cache,
        ))));
    }
    // Held while pages are compressed: a second scrape waits for the first, and finds their pieces made.
    let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
    cache.begin(&scrape.snapshot);
    let mut joined = Joined::new(wanted.encoding)?;
    for part in parts {
        match part {
            Part::Written(bytes) => joined.plain(&bytes),
            Part::Transfers(paged) => join(&mut joined, scrape, paged, dialect, &mut cache)?,
            Part::Connectors(paged) => join(&mut joined, scrape, paged, dialect, &mut cache)?,
        }
    }
    Ok(Body::Whole(joined.finish()?))
}

/// A stretch of an exposition.
enum Part {
    Written(Vec<u8>),
    Transfers(&'static PagedFamily<TransferView>),
    Connectors(&'static PagedFamily<ConnectorView>),
}

/// What is wanted, in the order of the table. Families without samples are left out.
fn parts(scrape: &Scrape<'_>, wanted: &ScrapeRequest) -> Vec<Part> {
    let dialect = wanted.format.dialect();
    let gathered = scrape.metrics.gather();
    let mut parts = Vec::new();
    let mut written = Vec::new();
    for family in families::ALL
        .iter()
        .copied()
        .filter(|family| wanted.filter.admits(family.name))
    {
        let paged = None
            .or_else(|| paged(family.name, scrape).map(Part::Transfers))
            .or_else(|| paged(family.name, scrape).map(Part::Connectors));
        if let Some(part) = paged {
            parts.push(Part::Written(std::mem::take(&mut written)));
            parts.push(part);
            continue;
        }
        let mut encoder = Encoder::new(dialect, family);
        match family.source {
            Source::Sweep => state::write(scrape, family, &mut encoder),
            Source::Probe => continue,
            Source::Process if !scrape.process => continue,
            Source::Exporter | Source::Process => {
                gathered.write(family, scrape.started, &mut encoder)
            }
        }
        if !encoder.out.is_empty() {
            encoder::head(&mut written, dialect, family, encoder.out.len());
            written.append(&mut encoder.out);
        }
    }
    if dialect == Dialect::OpenMetrics {
        written.extend_from_slice(b"# EOF\n");
    }
    parts.push(Part::Written(written));
    parts
}

/// The family of this name if it is told by pages of `T`, and one of their rows has a sample of it.
fn paged<T: Row>(name: &str, scrape: &Scrape<'_>) -> Option<&'static PagedFamily<T>> {
    let paged = T::FAMILIES
        .iter()
        .find(|paged| paged.descriptor.name == name)?;
    let mut encoder = Encoder::new(Dialect::Text, paged.descriptor);
    let mut rows = T::pages(&scrape.snapshot)
        .iter()
        .flat_map(|page| page.iter());
    rows.any(|row| {
        (paged.write)(row, &mut encoder);
        !encoder.out.is_empty()
    })
    .then_some(paged)
}

fn join<T: Cached>(
    joined: &mut Joined,
    scrape: &Scrape<'_>,
    paged: &'static PagedFamily<T>,
    dialect: Dialect,
    cache: &mut Cache,
) -> io::Result<()> {
    let pieces = cache.compressed(
        T::pages(&scrape.snapshot),
        paged,
        dialect,
        joined.compressor(),
    )?;
    let mut head = Vec::new();
    encoder::head(
        &mut head,
        dialect,
        paged.descriptor,
        pieces.iter().map(|piece| piece.length).sum(),
    );
    joined.plain(&head);
    for piece in &pieces {
        joined.piece(piece)?;
    }
    Ok(())
}

/// A plain exposition, piece by piece.
struct Stream {
    snapshot: Arc<Snapshot>,
    parts: vec::IntoIter<Part>,
    /// The part whose rows are being told, and the page and the row that come next.
    current: Option<(Part, usize, usize)>,
    encoder: Encoder,
}

impl Stream {
    fn new(scrape: &Scrape<'_>, dialect: Dialect, parts: Vec<Part>, cache: &Mutex<Cache>) -> Self {
        // In protobuf the head of a family tells the length of its samples.
        let mut lengths = (dialect == Dialect::Protobuf)
            .then(|| cache.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(cache) = &mut lengths {
            cache.begin(&scrape.snapshot);
        }
        let mut with_heads = Vec::with_capacity(parts.len() * 2);
        for part in parts {
            let lengths = lengths.as_deref_mut();
            match &part {
                Part::Written(_) => {}
                Part::Transfers(paged) => with_heads.push(head(scrape, dialect, paged, lengths)),
                Part::Connectors(paged) => with_heads.push(head(scrape, dialect, paged, lengths)),
            }
            with_heads.push(part);
        }
        Self {
            snapshot: Arc::clone(&scrape.snapshot),
            parts: with_heads.into_iter(),
            current: None,
            encoder: Encoder::new(dialect, families::ALL[0]),
        }
    }
}

impl Iterator for Stream {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        self.encoder.out.reserve(PIECE + PIECE / 8);
        while self.encoder.out.len() < PIECE {
            let Some((part, page, row)) = &mut self.current else {
                let Some(part) = self.parts.next() else { break };
                match &part {
                    Part::Written(_) => {}
                    Part::Transfers(paged) => self.encoder.family(paged.descriptor),
                    Part::Connectors(paged) => self.encoder.family(paged.descriptor),
                }
                self.current = Some((part, 0, 0));
                continue;
            };
            let ended = match part {
                Part::Written(bytes) => {
                    self.encoder.out.append(bytes);
                    true
                }
                Part::Transfers(paged) => {
                    rows(&self.snapshot, paged, (page, row), &mut self.encoder)
                }
                Part::Connectors(paged) => {
                    rows(&self.snapshot, paged, (page, row), &mut self.encoder)
                }
            };
            if ended {
                self.current = None;
            }
        }
        let piece = std::mem::take(&mut self.encoder.out);
        (!piece.is_empty()).then(|| piece.into())
    }
}

fn head<T: Cached>(
    scrape: &Scrape<'_>,
    dialect: Dialect,
    paged: &'static PagedFamily<T>,
    lengths: Option<&mut Cache>,
) -> Part {
    let samples = lengths.map_or(0, |cache| {
        cache.length(T::pages(&scrape.snapshot), paged, dialect)
    });
    let mut head = Vec::new();
    encoder::head(&mut head, dialect, paged.descriptor, samples);
    Part::Written(head)
}

/// Writes rows until a piece is full; true if there are no more.
fn rows<T: Row>(
    snapshot: &Snapshot,
    paged: &PagedFamily<T>,
    (page, row): (&mut usize, &mut usize),
    out: &mut Encoder,
) -> bool {
    while let Some(rows) = T::pages(snapshot).get(*page) {
        for next in &rows[*row..] {
            if out.out.len() >= PIECE {
                return false;
            }
            (paged.write)(next, out);
            *row += 1;
        }
        *page += 1;
        *row = 0;
    }
    true
}
