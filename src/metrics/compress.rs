//! Compressed pieces, and how they make one body. A piece is compressed by itself and knows nothing of what comes before
//! it, so a page's pieces serve every scrape.
//!
//! gzip: a piece is a stretch of raw deflate that ends in a full flush, which ends at a byte and forgets all history
//! (RFC 1951, section 3.2.4; zlib's `Z_FULL_FLUSH`). A body is one member (RFC 1952) around the pieces, not one for each:
//! some readers stop after the first. zstd: a piece is a frame, and frames may follow each other (RFC 8878, section 3.1).

use std::io;

use bytes::Bytes;
use crc32fast::Hasher;
use flate2::{Compress, Compression, FlushCompress};

use super::format::Encoding;

/// No name, no time, no operating system.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// A last block of fixed codes with nothing but its end.
const EMPTY_LAST_BLOCK: [u8; 2] = [3, 0];
/// Paid once for each page, and sent with each scrape; docs/contribute/performance.md has what the levels cost and bring.
const GZIP_LEVEL: Compression = Compression::new(1);
const ZSTD_LEVEL: i32 = 1;

/// A stretch of text, compressed by itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Piece {
    /// Empty if nothing was compressed.
    pub(super) bytes: Bytes,
    /// The length of the text.
    pub(super) length: usize,
    /// The text's CRC-32, for gzip.
    crc: u32,
}

impl Piece {
    /// The length alone.
    pub(super) fn uncompressed(text: &[u8]) -> Self {
        Self {
            length: text.len(),
            ..Self::default()
        }
    }
}

/// Makes pieces.
pub(super) struct Compressor {
    coder: Coder,
    /// Room for the largest piece; what is kept has the size that it needs.
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

    pub(super) fn compress(&mut self, text: &[u8]) -> io::Result<Piece> {
        if text.is_empty() {
            return Ok(Piece::default());
        }
        self.out.clear();
        let crc = match &mut self.coder {
            Coder::Gzip(deflate) => {
                deflate_into(&mut self.out, deflate, text)?;
                crc32fast::hash(text)
            }
            Coder::Zstd(zstd) => {
                self.out
                    .reserve(zstd::zstd_safe::compress_bound(text.len()));
                zstd.compress_to_buffer(text, &mut self.out)?;
                0
            }
        };
        Ok(Piece {
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
        // All is flushed as soon as there is room left.
        if out.len() < out.capacity() {
            return Ok(());
        }
        out.reserve(out.len());
    }
}

/// A body that is being joined.
pub(super) struct Joined {
    compressor: Compressor,
    /// Text that no piece has taken yet.
    plain: Vec<u8>,
    out: Vec<Bytes>,
    checksum: Hasher,
    length: u64,
}

impl Joined {
    pub(super) fn new(encoding: Encoding) -> io::Result<Self> {
        let out = match encoding {
            Encoding::Gzip => vec![Bytes::from_static(&GZIP_HEADER)],
            Encoding::Zstd | Encoding::Identity => Vec::new(),
        };
        let compressor = Compressor::new(encoding)?;
        Ok(Self {
            compressor,
            plain: Vec::new(),
            out,
            checksum: Hasher::new(),
            length: 0,
        })
    }

    /// What the pieces of this body are made with.
    pub(super) fn compressor(&mut self) -> &mut Compressor {
        &mut self.compressor
    }

    /// Adds text that is not compressed yet.
    pub(super) fn plain(&mut self, text: &[u8]) {
        self.plain.extend_from_slice(text);
    }

    /// Adds a piece.
    pub(super) fn piece(&mut self, piece: &Piece) -> io::Result<()> {
        if !self.plain.is_empty() {
            let plain = self.compressor.compress(&std::mem::take(&mut self.plain))?;
            self.add(&plain);
        }
        self.add(piece);
        Ok(())
    }

    fn add(&mut self, piece: &Piece) {
        if piece.length > 0 {
            let length = piece.length as u64;
            self.checksum
                .combine(&Hasher::new_with_initial_len(piece.crc, length));
            self.length += length;
            self.out.push(piece.bytes.clone());
        }
    }

    /// The pieces of the whole body.
    pub(super) fn finish(mut self) -> io::Result<Vec<Bytes>> {
        self.piece(&Piece::default())?;
        if self.compressor.encoding() == Encoding::Gzip {
            let mut end = EMPTY_LAST_BLOCK.to_vec();
            end.extend_from_slice(&self.checksum.finalize().to_le_bytes());
            // ISIZE is the length modulo 2^32.
            end.extend_from_slice(&self.length.to_le_bytes()[..4]);
            self.out.push(end.into());
        } else if self.out.is_empty() {
            // No byte at all would be no frame.
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

    fn joined(encoding: Encoding, texts: &[(bool, Vec<u8>)]) -> (Vec<u8>, Vec<u8>) {
        let mut joined = Joined::new(encoding).unwrap();
        let mut whole = Vec::new();
        for (plain, text) in texts {
            whole.extend_from_slice(text);
            if *plain {
                joined.plain(text);
            } else {
                let piece = joined.compressor().compress(text).unwrap();
                joined.piece(&piece).unwrap();
            }
        }
        (whole, joined.finish().unwrap().concat())
    }

    proptest! {
        #[test]
        fn pieces_are_one_gzip_member_and_read_as_the_text(
            texts in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..5_000)), 0..8),
        ) {
            let (whole, body) = joined(Encoding::Gzip, &texts);
            // This reader stops after the first member, and checks length and checksum.
            let mut reader = flate2::bufread::GzDecoder::new(body.as_slice());
            let mut read = Vec::new();
            reader.read_to_end(&mut read).unwrap();
            prop_assert_eq!(read, whole);
            prop_assert!(reader.into_inner().is_empty());
        }

        #[test]
        fn pieces_are_zstd_frames_and_read_as_the_text(
            texts in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..5_000)), 0..8),
        ) {
            let (whole, body) = joined(Encoding::Zstd, &texts);
            prop_assert!(!body.is_empty());
            prop_assert_eq!(zstd::stream::decode_all(body.as_slice()).unwrap(), whole);
        }
    }

    #[test]
    fn a_piece_that_does_not_shrink_and_a_long_one_are_whole() {
        let mut seed = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed.to_be_bytes()[0]
        })
        .take(3_000_000)
        .collect();
        for text in [noise, b"a".repeat(3_000_000)] {
            let (whole, body) = joined(Encoding::Gzip, &[(false, text)]);
            let mut read = Vec::new();
            flate2::bufread::GzDecoder::new(body.as_slice())
                .read_to_end(&mut read)
                .unwrap();
            assert!(read == whole);
        }
    }
}
