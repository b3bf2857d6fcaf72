//! Compressed streams told by their first bytes: gzip, xz, zstd, or none.
//!
//! Several streams after one another count as one, as the tools that write them have it. Knows
//! nothing of archives.

use std::io::{self, BufRead, BufReader, Read};

use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};
use ruzstd::decoding::FrameDecoder;
use ruzstd::decoding::{
    BlockDecodingStrategy, errors::FrameDecoderError, errors::ReadFrameHeaderError,
};

use crate::archive::damaged;
use crate::error::Result;

/// Memory that an xz stream may ask for: `xz -9` takes 65 MiB, `-e` no more.
const XZ_MEMORY: u64 = 256 << 20;
/// The window that a zstd stream may ask for: 128 MiB is `--ultra --long=27`.
const ZSTD_WINDOW: u64 = 128 << 20;

/// A way of compressing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// RFC 1952.
    Gzip,
    /// The .xz format.
    Xz,
    /// RFC 8878.
    Zstd,
}

impl Kind {
    /// By the first bytes.
    pub fn of(start: &[u8]) -> Option<Kind> {
        match start {
            [0x1f, 0x8b, ..] => Some(Kind::Gzip),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Kind::Xz),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Kind::Zstd),
            _ => None,
        }
    }
}

/// A reader of what `reader` holds, decompressed if it is compressed.
///
/// # Errors
/// The first bytes cannot be read, or the decompressor does not start.
pub fn open<'a>(reader: impl Read + 'a) -> Result<Box<dyn Read + 'a>> {
    let mut reader = BufReader::with_capacity(64 << 10, reader);
    let start = reader.fill_buf().map_err(|e| damaged(&e))?;
    Ok(match Kind::of(start) {
        Some(Kind::Gzip) => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
        Some(Kind::Xz) => {
            let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)
                .map_err(|e| damaged(&io::Error::other(e)))?;
            Box::new(XzDecoder::new_stream(reader, stream))
        }
        Some(Kind::Zstd) => Box::new(Zstd::new(reader)),
        None => Box::new(reader),
    })
}

/// All of a small compressed file, at most `limit` bytes of it.
///
/// # Errors
/// Damage, or more than `limit`.
pub fn whole(bytes: &[u8], limit: u64) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut reader = open(bytes)?.take(limit + 1);
    reader.read_to_end(&mut out).map_err(|e| damaged(&e))?;
    if out.len() as u64 > limit {
        return Err(damaged(&io::Error::other("it is larger than it may be")));
    }
    Ok(out)
}

/// Zstd frames one after another, their checksums compared.
struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(source: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(ZSTD_WINDOW);
        Zstd { source, decoder, in_frame: false }
    }

    /// Goes on to the next frame; `false` at the end of the source.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    let mut frame = Read::by_ref(&mut self.source).take(length);
                    if io::copy(&mut frame, &mut io::sink())? != length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(e) => return Err(io::Error::other(e)),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.in_frame {
                if !self.next_frame()? {
                    return Ok(0);
                }
                self.in_frame = true;
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                if self.source.fill_buf()?.is_empty() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(io::Error::other)?;
            }
            let got = self.decoder.read(buffer)?;
            if got > 0 || buffer.is_empty() {
                return Ok(got);
            }
            let stated = self.decoder.get_checksum_from_data();
            if stated.is_some() && stated != self.decoder.get_calculated_checksum() {
                return Err(io::Error::other("a checksum does not match"));
            }
            self.in_frame = false;
        }
    }
}
