//! Expositions: the families of a scrape in order, streamed if uncompressed, else built from cached
//! compressed segments.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::vec;

use bytes::Bytes;

use super::cache::{CachedRow, SegmentCache};
use super::compress::BodyBuilder;
use super::encode::{self, Encoder};
use super::families::{self, Group};
use super::format::{Dialect, Encoding};
use super::state::{self, Row, RowFamily};
use super::{Scrape, ScrapeRequest};
use model::{ConnectorView, FlowView, Snapshot, TransferView};

/// The least size of a streamed part, except the last. A part exceeds it by one row at most.
const STREAMED_PART: usize = 64 * 1024;

/// The body of a scrape.
pub enum Exposition {
    /// The complete body, in parts.
    Whole(Vec<Bytes>),
    /// Renders the body part by part, so that it is never in memory as a whole. Holds the chunks of
    /// its snapshot until the end.
    Streamed(Box<dyn Iterator<Item = Bytes> + Send>),
}

impl Exposition {
    /// Returns the parts of the body.
    pub fn into_parts(self) -> Box<dyn Iterator<Item = Bytes> + Send> {
        match self {
            Self::Whole(parts) => Box::new(parts.into_iter()),
            Self::Streamed(parts) => parts,
        }
    }
}

/// Renders `scrape`. An uncompressed exposition renders families without chunks now and the rest
/// while it is sent. A compressed one renders the chunks that `cache` lacks.
///
/// # Errors
/// The compressor could not allocate memory.
pub fn render(
    scrape: &Scrape<'_>,
    request: &ScrapeRequest,
    cache: &Mutex<SegmentCache>,
) -> io::Result<Exposition> {
    let dialect = request.format.dialect();
    let blocks = blocks(scrape, request);
    if request.encoding == Encoding::Identity {
        let stream = RowStream::new(scrape, dialect, blocks, cache);
        return Ok(Exposition::Streamed(Box::new(stream)));
    }
    // Held while chunks are compressed, so that a concurrent scrape finds the segments done.
    let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
    cache.begin(&scrape.snapshots);
    let mut body = BodyBuilder::new(request.encoding)?;
    for block in blocks {
        match block {
            Block::Written(text) => body.text(&text),
            Block::Transfers(family) => append(&mut body, scrape, family, dialect, &mut cache)?,
            Block::Connectors(family) => append(&mut body, scrape, family, dialect, &mut cache)?,
            Block::Flows(family) => append(&mut body, scrape, family, dialect, &mut cache)?,
        }
    }
    Ok(Exposition::Whole(body.finish()?))
}

/// A part of an exposition: rendered text, or a family whose rows are yet to be rendered.
enum Block {
    Written(Vec<u8>),
    Transfers(&'static RowFamily<TransferView>),
    Connectors(&'static RowFamily<ConnectorView>),
    Flows(&'static RowFamily<FlowView>),
}

/// Returns the requested families in the order of the table, without those that have no samples. Families
/// of rows are left out in an uncompressed exposition only: their rows have to be searched for a sample,
/// and compressed segments are known to be empty.
fn blocks(scrape: &Scrape<'_>, request: &ScrapeRequest) -> Vec<Block> {
    let dialect = request.format.dialect();
    let gathered = scrape.metrics.gather();
    let mut blocks = Vec::new();
    let mut written = Vec::new();
    let requested = families::ALL
        .iter()
        .copied()
        .filter(|family| request.filter.admits(family.name));
    for family in requested {
        let all = request.encoding != Encoding::Identity;
        let of_rows = None
            .or_else(|| row_family(family.name, scrape, all).map(Block::Transfers))
            .or_else(|| row_family(family.name, scrape, all).map(Block::Connectors))
            .or_else(|| row_family(family.name, scrape, all).map(Block::Flows));
        if let Some(block) = of_rows {
            blocks.push(Block::Written(std::mem::take(&mut written)));
            blocks.push(block);
            continue;
        }
        let mut encoder = Encoder::new(dialect, family);
        match family.group {
            Group::Sweep => state::write(scrape, family, &mut encoder),
            Group::Probe => continue,
            Group::Server | Group::Process if !scrape.server => continue,
            Group::Exporter | Group::Server | Group::Process => {
                gathered.write(family, scrape.started, &mut encoder);
            }
        }
        if !encoder.out.is_empty() {
            encode::head(&mut written, dialect, family, encoder.out.len());
            written.append(&mut encoder.out);
        }
    }
    written.extend_from_slice(dialect.end());
    blocks.push(Block::Written(written));
    blocks
}

/// Returns the family of this name if rows of `T` hold its samples and, unless `all` is true, at least
/// one has a sample.
fn row_family<T: Row>(name: &str, scrape: &Scrape<'_>, all: bool) -> Option<&'static RowFamily<T>> {
    let family = T::FAMILIES
        .iter()
        .find(|family| family.descriptor.name == name)?;
    if all {
        return Some(family);
    }
    let mut encoder = Encoder::new(Dialect::Text, family.descriptor);
    let snapshots = scrape.snapshots.iter();
    let chunks = snapshots.flat_map(|snapshot| T::chunks(snapshot));
    let mut rows = chunks.flat_map(|chunk| chunk.iter());
    rows.any(|row| {
        (family.write)(row, &mut encoder);
        !encoder.out.is_empty()
    })
    .then_some(family)
}

/// Appends a family and its segments to a compressed body.
fn append<T: CachedRow>(
    body: &mut BodyBuilder,
    scrape: &Scrape<'_>,
    family: &'static RowFamily<T>,
    dialect: Dialect,
    cache: &mut SegmentCache,
) -> io::Result<()> {
    let snapshots = &scrape.snapshots;
    let segments = cache.compressed(snapshots, family, dialect, body.compressor())?;
    let samples = segments.iter().map(|segment| segment.length).sum();
    if samples == 0 {
        return Ok(());
    }
    let mut head = Vec::new();
    encode::head(&mut head, dialect, family.descriptor, samples);
    let head = cache.head(head, family, dialect, body.compressor())?;
    body.segment(&head)?;
    for segment in &segments {
        body.segment(segment)?;
    }
    Ok(())
}

/// The indices of a row.
#[derive(Default)]
struct Place {
    snapshot: usize,
    chunk: usize,
    row: usize,
}

/// Renders an uncompressed exposition part by part.
struct RowStream {
    snapshots: Vec<Arc<Snapshot>>,
    blocks: vec::IntoIter<Block>,
    /// The block in progress, with the place of its next row.
    current: Option<(Block, Place)>,
    encoder: Encoder,
}

impl RowStream {
    fn new(
        scrape: &Scrape<'_>,
        dialect: Dialect,
        blocks: Vec<Block>,
        cache: &Mutex<SegmentCache>,
    ) -> Self {
        // In protobuf the head of a family holds the length of its samples.
        let mut lengths = (dialect == Dialect::Protobuf)
            .then(|| cache.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(cache) = &mut lengths {
            cache.begin(&scrape.snapshots);
        }
        let mut with_heads = Vec::with_capacity(blocks.len() * 2);
        for block in blocks {
            let lengths = lengths.as_deref_mut();
            match &block {
                Block::Written(_) => {}
                Block::Transfers(family) => with_heads.push(head(scrape, dialect, family, lengths)),
                Block::Connectors(family) => {
                    with_heads.push(head(scrape, dialect, family, lengths));
                }
                Block::Flows(family) => with_heads.push(head(scrape, dialect, family, lengths)),
            }
            with_heads.push(block);
        }
        Self {
            snapshots: scrape.snapshots.clone(),
            blocks: with_heads.into_iter(),
            current: None,
            encoder: Encoder::new(dialect, families::ALL[0]),
        }
    }
}

impl Iterator for RowStream {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        self.encoder.out.reserve(STREAMED_PART + STREAMED_PART / 8);
        while self.encoder.out.len() < STREAMED_PART {
            let Some((block, place)) = &mut self.current else {
                let Some(block) = self.blocks.next() else {
                    break;
                };
                match &block {
                    Block::Written(_) => {}
                    Block::Transfers(family) => self.encoder.family(family.descriptor),
                    Block::Connectors(family) => self.encoder.family(family.descriptor),
                    Block::Flows(family) => self.encoder.family(family.descriptor),
                }
                self.current = Some((block, Place::default()));
                continue;
            };
            let is_done = match block {
                Block::Written(text) => {
                    self.encoder.out.append(text);
                    true
                }
                Block::Transfers(family) => {
                    write_rows(&self.snapshots, family, place, &mut self.encoder)
                }
                Block::Connectors(family) => {
                    write_rows(&self.snapshots, family, place, &mut self.encoder)
                }
                Block::Flows(family) => {
                    write_rows(&self.snapshots, family, place, &mut self.encoder)
                }
            };
            if is_done {
                self.current = None;
            }
        }
        let part = std::mem::take(&mut self.encoder.out);
        (!part.is_empty()).then(|| part.into())
    }
}

fn head<T: CachedRow>(
    scrape: &Scrape<'_>,
    dialect: Dialect,
    family: &'static RowFamily<T>,
    lengths: Option<&mut SegmentCache>,
) -> Block {
    let samples = lengths.map_or(0, |cache| cache.length(&scrape.snapshots, family, dialect));
    let mut head = Vec::new();
    encode::head(&mut head, dialect, family.descriptor, samples);
    Block::Written(head)
}

/// Writes rows until the part is full. Returns true after the last row.
fn write_rows<T: Row>(
    snapshots: &[Arc<Snapshot>],
    family: &RowFamily<T>,
    place: &mut Place,
    out: &mut Encoder,
) -> bool {
    while let Some(snapshot) = snapshots.get(place.snapshot) {
        out.shard(snapshot.shard.as_ref());
        while let Some(rows) = T::chunks(snapshot).get(place.chunk) {
            for next in &rows[place.row..] {
                if out.out.len() >= STREAMED_PART {
                    return false;
                }
                (family.write)(next, out);
                place.row += 1;
            }
            place.chunk += 1;
            place.row = 0;
        }
        place.snapshot += 1;
        place.chunk = 0;
    }
    true
}
