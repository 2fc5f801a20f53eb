//! Compressed segments, and the bodies built from them. A segment does not refer to data before it,
//! so the segments of a chunk serve every scrape.
//!
//! gzip: a segment is raw deflate data that ends in a full flush, which aligns to a byte and resets
//! the history (RFC 1951, section 3.2.4; zlib's `Z_FULL_FLUSH`). A body is one member (RFC 1952)
//! around all segments, because some readers stop after the first member. zstd: a segment is a
//! frame, and frames may be concatenated (RFC 8878, section 3.1).

use std::io;

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress};

use super::crc::Crc;
use super::format::Encoding;

/// A header without file name, time and operating system.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// A final block of fixed codes that holds only its end marker.
const EMPTY_LAST_BLOCK: [u8; 2] = [3, 0];
/// Compression runs once per chunk, its result is sent with each scrape.
/// docs/contribute/performance.md compares the levels.
const GZIP_LEVEL: Compression = Compression::new(1);
const ZSTD_LEVEL: i32 = 1;

/// A stretch of text, compressed on its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Segment {
    /// The compressed text. Empty if only the length is known.
    pub(super) bytes: Bytes,
    /// The length of the text.
    pub(super) length: usize,
    /// The CRC-32 of the text, for gzip.
    crc: Crc,
}

impl Segment {
    /// Returns a segment that holds only the length of `text`.
    pub(super) fn length_of(text: &[u8]) -> Self {
        Self {
            length: text.len(),
            ..Self::default()
        }
    }
}

/// Compresses text to segments.
pub(super) struct Compressor {
    coder: Coder,
    /// The output buffer. Segments are copied out of it, so that they have the size they need.
    out: Vec<u8>,
}

enum Coder {
    Gzip(Compress),
    Zstd(zstd::bulk::Compressor<'static>),
}

impl Compressor {
    fn new(encoding: Encoding) -> io::Result<Self> {
        let coder = match encoding {
            Encoding::Zstd => Coder::Zstd(zstd::bulk::Compressor::new(ZSTD_LEVEL)?),
            Encoding::Gzip | Encoding::Identity => Coder::Gzip(Compress::new(GZIP_LEVEL, false)),
        };
        Ok(Self {
            coder,
            out: Vec::new(),
        })
    }

    pub(super) fn encoding(&self) -> Encoding {
        match self.coder {
            Coder::Gzip(_) => Encoding::Gzip,
            Coder::Zstd(_) => Encoding::Zstd,
        }
    }

    pub(super) fn compress(&mut self, text: &[u8]) -> io::Result<Segment> {
        if text.is_empty() {
            return Ok(Segment::default());
        }
        self.out.clear();
        let crc = match &mut self.coder {
            Coder::Gzip(deflate) => {
                deflate_into(&mut self.out, deflate, text)?;
                Crc::of(text)
            }
            Coder::Zstd(zstd) => {
                self.out
                    .reserve(zstd::zstd_safe::compress_bound(text.len()));
                zstd.compress_to_buffer(text, &mut self.out)?;
                Crc::default()
            }
        };
        Ok(Segment {
            bytes: Bytes::copy_from_slice(&self.out),
            length: text.len(),
            crc,
        })
    }
}

fn deflate_into(out: &mut Vec<u8>, deflate: &mut Compress, text: &[u8]) -> io::Result<()> {
    deflate.reset();
    out.reserve(text.len() / 8 + 256);
    loop {
        let taken = usize::try_from(deflate.total_in()).unwrap_or(text.len());
        deflate.compress_vec(&text[taken..], out, FlushCompress::Full)?;
        // Free space in the output means that everything was flushed.
        if out.len() < out.capacity() {
            return Ok(());
        }
        out.reserve(out.len());
    }
}

/// Builds a compressed body from segments and uncompressed text.
pub(super) struct BodyBuilder {
    compressor: Compressor,
    /// Text that is not compressed yet.
    text: Vec<u8>,
    out: Vec<Bytes>,
    checksum: u32,
    length: u64,
}

impl BodyBuilder {
    pub(super) fn new(encoding: Encoding) -> io::Result<Self> {
        let out = match encoding {
            Encoding::Gzip => vec![Bytes::from_static(&GZIP_HEADER)],
            Encoding::Zstd | Encoding::Identity => Vec::new(),
        };
        let compressor = Compressor::new(encoding)?;
        Ok(Self {
            compressor,
            text: Vec::new(),
            out,
            checksum: 0,
            length: 0,
        })
    }

    /// Returns the compressor for the segments of this body.
    pub(super) fn compressor(&mut self) -> &mut Compressor {
        &mut self.compressor
    }

    /// Appends uncompressed text.
    pub(super) fn text(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
    }

    /// Appends a segment.
    pub(super) fn segment(&mut self, segment: &Segment) -> io::Result<()> {
        if !self.text.is_empty() {
            let text = self.compressor.compress(&std::mem::take(&mut self.text))?;
            self.add(&text);
        }
        self.add(segment);
        Ok(())
    }

    fn add(&mut self, segment: &Segment) {
        if segment.length > 0 {
            let length = segment.length as u64;
            self.checksum = segment.crc.after(self.checksum);
            self.length += length;
            self.out.push(segment.bytes.clone());
        }
    }

    /// Completes the body and returns its parts.
    pub(super) fn finish(mut self) -> io::Result<Vec<Bytes>> {
        self.segment(&Segment::default())?;
        if self.compressor.encoding() == Encoding::Gzip {
            let mut end = EMPTY_LAST_BLOCK.to_vec();
            end.extend_from_slice(&self.checksum.to_le_bytes());
            // ISIZE is the length modulo 2^32.
            end.extend_from_slice(&self.length.to_le_bytes()[..4]);
            self.out.push(end.into());
        } else if self.out.is_empty() {
            // An empty body still needs a frame.
            self.out.push(zstd::bulk::compress(&[], ZSTD_LEVEL)?.into());
        }
        Ok(self.out)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    fn body(encoding: Encoding, texts: &[(bool, Vec<u8>)]) -> (Vec<u8>, Vec<u8>) {
        let mut builder = BodyBuilder::new(encoding).unwrap();
        let mut whole = Vec::new();
        for (uncompressed, text) in texts {
            whole.extend_from_slice(text);
            if *uncompressed {
                builder.text(text);
            } else {
                let segment = builder.compressor().compress(text).unwrap();
                builder.segment(&segment).unwrap();
            }
        }
        (whole, builder.finish().unwrap().concat())
    }

    proptest! {
        #[test]
        fn gzip_segments_form_one_member_with_the_whole_text(
            texts in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..5_000)), 0..8),
        ) {
            let (whole, body) = body(Encoding::Gzip, &texts);
            // The decoder stops after the first member and verifies length and checksum.
            let mut reader = flate2::bufread::GzDecoder::new(body.as_slice());
            let mut read = Vec::new();
            reader.read_to_end(&mut read).unwrap();
            prop_assert_eq!(read, whole);
            prop_assert!(reader.into_inner().is_empty());
        }

        #[test]
        fn zstd_segments_form_frames_with_the_whole_text(
            texts in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..5_000)), 0..8),
        ) {
            let (whole, body) = body(Encoding::Zstd, &texts);
            prop_assert!(!body.is_empty());
            prop_assert_eq!(zstd::stream::decode_all(body.as_slice()).unwrap(), whole);
        }
    }

    #[test]
    fn incompressible_and_long_segments_are_complete() {
        let mut seed = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed.to_be_bytes()[0]
        })
        .take(3_000_000)
        .collect();
        for text in [noise, b"a".repeat(3_000_000)] {
            let (whole, body) = body(Encoding::Gzip, &[(false, text)]);
            let mut read = Vec::new();
            flate2::bufread::GzDecoder::new(body.as_slice())
                .read_to_end(&mut read)
                .unwrap();
            assert!(read == whole);
        }
    }
}
