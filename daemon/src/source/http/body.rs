//! Bodies of requests: read whole before anything of them is counted, within bounds of size, time and what all
//! of them may take together.
//!
//! In: a request's body, as it comes. Out: its bytes, unpacked. Must not know: what they say.

use std::future::poll_fn;
use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::HttpBody;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use flate2::read::MultiGzDecoder;
use tokio::time::{Instant, timeout_at};

use crate::config::HTTP_BODIES_BYTES;

/// The largest body, packed or not: InfluxDB's own bound.
pub(super) const MOST_BYTES: usize = 25_000_000;
/// Unpacked at a time.
const CHUNK: usize = 64 * 1024;

/// Why a body can't be used. Nothing of it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// It is larger than [`MOST_BYTES`].
    TooLarge,
    /// All bodies together are.
    NoRoom,
    /// It did not come in time.
    TooSlow,
    /// It broke off.
    Broken,
    /// It is not what its `Content-Encoding` says.
    BadGzip,
    /// It is packed in a way that is not offered.
    Encoding,
}

/// What all bodies of a source may take together.
#[derive(Debug, Default)]
pub(super) struct Room(AtomicUsize);

/// Whole lines, and their part of the room.
#[derive(Debug)]
pub(super) struct Body {
    bytes: Vec<u8>,
    room: Arc<Room>,
    taken: usize,
}

impl Body {
    pub(super) fn new(room: &Arc<Room>) -> Body {
        Body { bytes: Vec::new(), room: Arc::clone(room), taken: 0 }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds bytes, as far as they have room.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), BodyError> {
        let length = self.bytes.len() + bytes.len();
        if length > MOST_BYTES {
            return Err(BodyError::TooLarge);
        }
        if length > self.bytes.capacity() {
            let wanted = length.max((2 * self.bytes.capacity()).min(MOST_BYTES + 1));
            self.room.take(wanted - self.taken)?;
            self.taken = wanted;
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Ends the last line.
    fn finish(&mut self) -> Result<(), BodyError> {
        if self.bytes.last().is_some_and(|last| *last != b'\n') {
            self.push(b"\n")?;
        }
        Ok(())
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.room.0.fetch_sub(self.taken, Ordering::AcqRel);
    }
}

impl Room {
    fn take(&self, bytes: usize) -> Result<(), BodyError> {
        let before = self.0.fetch_add(bytes, Ordering::AcqRel);
        if before + bytes > HTTP_BODIES_BYTES {
            self.0.fetch_sub(bytes, Ordering::AcqRel);
            return Err(BodyError::NoRoom);
        }
        Ok(())
    }
}

/// Reads a body to its end, which has to come within `patience`.
///
/// # Errors
/// [`BodyError`].
pub(super) async fn read(
    headers: &HeaderMap,
    body: axum::body::Body,
    room: &Arc<Room>,
    patience: Duration,
) -> Result<Body, BodyError> {
    let is_packed = is_packed(headers)?;
    let told = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|length| length > MOST_BYTES as u64) {
        return Err(BodyError::TooLarge);
    }
    let received = receive(body, room, Instant::now() + patience).await?;
    let mut body = match is_packed {
        false => received,
        // Unpacking takes its time: the threads that serve others are spared.
        true => {
            tokio::task::spawn_blocking(move || unpack(&received)).await.unwrap_or(Err(BodyError::Broken))?
        }
    };
    body.finish()?;
    Ok(body)
}

fn is_packed(headers: &HeaderMap) -> Result<bool, BodyError> {
    match headers.get(CONTENT_ENCODING).map(|encoding| encoding.as_bytes().to_ascii_lowercase()) {
        None => Ok(false),
        Some(encoding) => match encoding.as_slice() {
            b"" | b"identity" => Ok(false),
            b"gzip" | b"x-gzip" => Ok(true),
            _ => Err(BodyError::Encoding),
        },
    }
}

async fn receive(mut body: axum::body::Body, room: &Arc<Room>, deadline: Instant) -> Result<Body, BodyError> {
    let mut received = Body::new(room);
    loop {
        let frame = timeout_at(deadline, poll_fn(|context| Pin::new(&mut body).poll_frame(context))).await;
        match frame.map_err(|_| BodyError::TooSlow)? {
            None => return Ok(received),
            Some(Err(_)) => return Err(BodyError::Broken),
            // Trailers say nothing.
            Some(Ok(frame)) => frame.data_ref().map_or(Ok(()), |data| received.push(data))?,
        }
    }
}

/// Unpacks gzip. What grows beyond the bound is refused as soon as it does.
fn unpack(packed: &Body) -> Result<Body, BodyError> {
    let mut unpacked = Body::new(&packed.room);
    let mut from = MultiGzDecoder::new(packed.bytes());
    let mut chunk = vec![0; CHUNK];
    loop {
        match from.read(&mut chunk) {
            Ok(0) => return Ok(unpacked),
            Ok(read) => unpacked.push(&chunk[..read])?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return Err(BodyError::BadGzip),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(bytes: &[u8]) -> Body {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        let mut body = Body::new(&Arc::default());
        body.push(&encoder.finish().unwrap()).unwrap();
        body
    }

    #[test]
    fn gzip_comes_out_as_it_went_in_and_bombs_do_not() {
        assert_eq!(unpack(&packed(b"a\nb\n")).unwrap().bytes(), b"a\nb\n");
        let whole = packed(&vec![b'x'; MOST_BYTES]);
        assert_eq!(unpack(&whole).unwrap().bytes().len(), MOST_BYTES);
        drop(whole);
        let bomb = packed(&vec![0; MOST_BYTES + 1]);
        assert!(bomb.bytes().len() < 100_000);
        assert_eq!(unpack(&bomb).unwrap_err(), BodyError::TooLarge);
        let mut cut = Body::new(&Arc::default());
        cut.push(&packed(b"a\nb\n").bytes()[..15]).unwrap();
        assert_eq!(unpack(&cut).unwrap_err(), BodyError::BadGzip);
    }

    #[test]
    fn all_bodies_share_the_room_and_give_it_back() {
        let room = Arc::<Room>::default();
        let mut bodies = Vec::new();
        let full = loop {
            let mut body = Body::new(&room);
            match body.push(&vec![0; 20_000_000]) {
                Ok(()) => bodies.push(body),
                Err(error) => break error,
            }
        };
        assert_eq!((full, bodies.len()), (BodyError::NoRoom, HTTP_BODIES_BYTES / 20_000_000));
        drop(bodies);
        assert_eq!(room.0.load(Ordering::Acquire), 0);
        let mut small = Body::new(&room);
        small.push(b"x").unwrap();
        small.finish().unwrap();
        small.finish().unwrap();
        assert_eq!(small.bytes(), b"x\n");
        assert!(room.0.load(Ordering::Acquire) >= small.bytes.capacity());
    }
}
