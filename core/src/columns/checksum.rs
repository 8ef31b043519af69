//! A checksum over everything that a file holds before its footer: Parquet itself notices few flipped bits.
//!
//! In: bytes on their way. Out: their number and CRC-32C, as the footer's text. Must not know: rows.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use parquet::file::reader::ChunkReader;

use super::ColumnsError;

const BUFFER: usize = 64 * 1024;

/// The first bytes of a file, summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Checksum {
    /// How many bytes.
    pub bytes: u64,
    /// Their CRC-32C.
    pub crc: u32,
}

impl Checksum {
    /// Of the first `bytes` of a file, or of all if it is shorter.
    pub(super) fn of<R: ChunkReader>(input: &R, bytes: u64) -> Result<Checksum, ColumnsError> {
        let during = || ColumnsError::parquet("reading the bytes");
        let mut from = input.get_read(0).map_err(during())?.take(bytes);
        let mut buffer = vec![0; BUFFER];
        let mut sum = Checksum::default();
        loop {
            let read = from.read(&mut buffer).map_err(|error| during()(error.into()))?;
            if read == 0 {
                return Ok(sum);
            }
            sum.add(&buffer[..read]);
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.crc = crc32c::crc32c_append(self.crc, bytes);
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "crc32c {:08x} of {} bytes", self.crc, self.bytes)
    }
}

impl FromStr for Checksum {
    type Err = ();

    fn from_str(text: &str) -> Result<Checksum, ()> {
        let parts = text.strip_prefix("crc32c ").and_then(|rest| rest.strip_suffix(" bytes"));
        let (crc, bytes) = parts.and_then(|parts| parts.split_once(" of ")).ok_or(())?;
        let crc = u32::from_str_radix(crc, 16).map_err(|_| ())?;
        Ok(Checksum { bytes: bytes.parse().map_err(|_| ())?, crc })
    }
}

/// A writer that sums up what goes through it.
pub(super) struct Summed<W> {
    out: W,
    sum: Checksum,
}

impl<W> Summed<W> {
    pub(super) fn new(out: W) -> Summed<W> {
        Summed { out, sum: Checksum::default() }
    }

    /// Of everything so far.
    pub(super) fn sum(&self) -> Checksum {
        self.sum
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.sum.add(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
