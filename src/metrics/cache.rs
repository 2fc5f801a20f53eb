//! Compressed segments of chunks, kept as long as their chunk.

use std::io;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::compress::{Compressor, Segment};
use super::encode::Encoder;
use super::families::MetricType;
use super::format::{Dialect, Encoding};
use super::state::{Row, RowFamily};
use model::{Chunk, ConnectorView, FlowView, Snapshot, TransferView};

/// A segment is evicted after this many expositions in a row that did not use it, and at most
/// [`EVICTION_INTERVAL`] more: no client requests its format and encoding any more.
const KEPT_FOR_EXPOSITIONS: u64 = 100;
/// Expositions of the same chunks after which unused segments are looked for.
const EVICTION_INTERVAL: u64 = 20;

/// Caches the segments of each chunk by family, dialect and encoding. A segment is created on first
/// use and evicted with its chunk, or when no client requests it any more.
#[derive(Default)]
pub struct SegmentCache {
    transfers: ChunkMap<TransferView>,
    connectors: ChunkMap<ConnectorView>,
    flows: ChunkMap<FlowView>,
    /// The heads of families. Only in protobuf, where they contain a length, do they change.
    heads: HashMap<SegmentKey, (Vec<u8>, Segment)>,
    /// The chunks of the last exposition.
    present: Vec<usize>,
    renders: u64,
    expositions: u64,
    scratch: Vec<u8>,
}

/// Chunks by their address. Each entry holds its chunk, so that the address is not reused.
pub(super) type ChunkMap<T> = HashMap<usize, (Chunk<T>, HashMap<SegmentKey, CachedSegment>)>;

/// A segment, and the exposition that last used it.
pub(super) struct CachedSegment {
    segment: Segment,
    last_used: u64,
}

/// Identifies a segment within its chunk.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SegmentKey {
    family: &'static str,
    dialect: Dialect,
    /// `Identity` for a segment that holds only its length.
    encoding: Encoding,
}

impl SegmentKey {
    fn new<T>(family: &RowFamily<T>, dialect: Dialect, encoding: Encoding) -> Self {
        // The samples of a gauge are the same in all text formats.
        let is_shared = dialect != Dialect::Protobuf && family.descriptor.kind == MetricType::Gauge;
        Self {
            family: family.descriptor.name,
            dialect: if is_shared { Dialect::Text } else { dialect },
            encoding,
        }
    }
}

/// Rows whose chunks are cached.
pub(super) trait CachedRow: Row {
    fn chunk_map(cache: &mut SegmentCache) -> &mut ChunkMap<Self>;
}

impl CachedRow for TransferView {
    fn chunk_map(cache: &mut SegmentCache) -> &mut ChunkMap<Self> {
        &mut cache.transfers
    }
}

impl CachedRow for ConnectorView {
    fn chunk_map(cache: &mut SegmentCache) -> &mut ChunkMap<Self> {
        &mut cache.connectors
    }
}

impl CachedRow for FlowView {
    fn chunk_map(cache: &mut SegmentCache) -> &mut ChunkMap<Self> {
        &mut cache.flows
    }
}

impl SegmentCache {
    /// Returns how often a family of a chunk was rendered that has samples.
    pub fn renders(&self) -> u64 {
        self.renders
    }

    /// Returns the size of all segments, in bytes.
    pub fn bytes(&self) -> usize {
        fn of<T>(chunks: &ChunkMap<T>) -> usize {
            chunks
                .values()
                .flat_map(|(_, segments)| segments.values())
                .map(|cached| cached.segment.bytes.len())
                .sum()
        }
        of(&self.transfers) + of(&self.connectors) + of(&self.flows)
    }

    /// Begins an exposition of `snapshots`: evicts chunks that they do not have and segments that
    /// are no longer requested.
    pub(super) fn begin(&mut self, snapshots: &[Arc<Snapshot>]) {
        self.expositions += 1;
        let present = snapshots.iter().flat_map(|snapshot| {
            let transfers = TransferView::chunks(snapshot).iter().map(address);
            let connectors = ConnectorView::chunks(snapshot).iter().map(address);
            let flows = FlowView::chunks(snapshot).iter().map(address);
            transfers.chain(connectors).chain(flows)
        });
        let is_due = self.expositions.is_multiple_of(EVICTION_INTERVAL);
        if !is_due && present.clone().eq(self.present.iter().copied()) {
            return;
        }
        self.present = present.collect();
        let used_since = self.expositions.saturating_sub(KEPT_FOR_EXPOSITIONS);
        evict(&mut self.transfers, snapshots, used_since);
        evict(&mut self.connectors, snapshots, used_since);
        evict(&mut self.flows, snapshots, used_since);
    }

    /// Returns the compressed samples of one family, a segment for each chunk.
    pub(super) fn compressed<T: CachedRow>(
        &mut self,
        snapshots: &[Arc<Snapshot>],
        family: &'static RowFamily<T>,
        dialect: Dialect,
        compressor: &mut Compressor,
    ) -> io::Result<Vec<Segment>> {
        let key = SegmentKey::new(family, dialect, compressor.encoding());
        self.segments(snapshots, family, key, dialect, |text| {
            compressor.compress(text)
        })
    }

    /// Returns the compressed head of a family: compressing it takes longer than all else that an
    /// unchanged family takes.
    pub(super) fn head<T: CachedRow>(
        &mut self,
        text: Vec<u8>,
        family: &'static RowFamily<T>,
        dialect: Dialect,
        compressor: &mut Compressor,
    ) -> io::Result<Segment> {
        let key = SegmentKey {
            family: family.descriptor.name,
            dialect,
            encoding: compressor.encoding(),
        };
        if let Some((known, segment)) = self.heads.get(&key)
            && *known == text
        {
            return Ok(segment.clone());
        }
        let segment = compressor.compress(&text)?;
        self.heads.insert(key, (text, segment.clone()));
        Ok(segment)
    }

    /// Returns the length of the samples of one family in all chunks.
    pub(super) fn length<T: CachedRow>(
        &mut self,
        snapshots: &[Arc<Snapshot>],
        family: &'static RowFamily<T>,
        dialect: Dialect,
    ) -> usize {
        let key = SegmentKey::new(family, dialect, Encoding::Identity);
        let measure = |text: &[u8]| Ok(Segment::length_of(text));
        let segments = self
            .segments(snapshots, family, key, dialect, measure)
            .unwrap_or_default();
        segments.iter().map(|segment| segment.length).sum()
    }

    fn segments<T: CachedRow>(
        &mut self,
        snapshots: &[Arc<Snapshot>],
        family: &'static RowFamily<T>,
        key: SegmentKey,
        dialect: Dialect,
        mut create: impl FnMut(&[u8]) -> io::Result<Segment>,
    ) -> io::Result<Vec<Segment>> {
        let mut encoder = Encoder::new(dialect, family.descriptor);
        encoder.out = std::mem::take(&mut self.scratch);
        let mut renders = 0;
        let exposition = self.expositions;
        let chunk_map = T::chunk_map(self);
        let chunks = snapshots.iter().flat_map(|snapshot| {
            let chunks = T::chunks(snapshot).iter();
            chunks.map(|chunk| (snapshot.shard.as_ref(), chunk))
        });
        let segments = chunks.map(|(shard, chunk)| {
            let (_, segments) = chunk_map
                .entry(address(chunk))
                .or_insert_with(|| (Arc::clone(chunk), HashMap::new()));
            if let Some(cached) = segments.get_mut(&key) {
                cached.last_used = exposition;
                return Ok(cached.segment.clone());
            }
            encoder.out.clear();
            encoder.shard(shard);
            for row in chunk.iter() {
                (family.write)(row, &mut encoder);
            }
            renders += u64::from(!encoder.out.is_empty());
            let segment = create(&encoder.out)?;
            let cached = CachedSegment {
                segment: segment.clone(),
                last_used: exposition,
            };
            segments.insert(key, cached);
            Ok(segment)
        });
        let segments = segments.collect();
        self.renders += renders;
        self.scratch = encoder.out;
        segments
    }
}

fn evict<T: Row>(chunk_map: &mut ChunkMap<T>, snapshots: &[Arc<Snapshot>], used_since: u64) {
    let chunks = snapshots.iter().flat_map(|snapshot| T::chunks(snapshot));
    let present: HashSet<_> = chunks.map(address).collect();
    chunk_map.retain(|address, (_, segments)| {
        segments.retain(|_, cached| cached.last_used >= used_since);
        present.contains(address)
    });
}

fn address<T>(chunk: &Chunk<T>) -> usize {
    Arc::as_ptr(chunk).cast::<T>().addr()
}
