//! WAV in. Our own walk over the chunks finds the format and how much data is really there; `hound` then reads the
//! samples from a canonical header followed by exactly that data.
//!
//! The walk is ours because `hound` loses its place after a chunk of odd length, takes the header's word for the
//! length of the data, and has one message for every malformed header.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use super::AudioError;
use super::decode::{Sink, Stream, checked_rate};
use crate::interrupt::Interrupt;

/// Frames handed on at a time.
const BLOCK_FRAMES: usize = 4096;
/// A data length at or above this, with less data present, was never filled in: programs that write into a pipe put
/// 0x7FFFFFFF, 0xFFFFFFFF or a little less (SoX, ffmpeg and others). Below it, the file was cut.
const PLACEHOLDER_LENGTH: u64 = 0x7FFF_F000;
/// `fmt ` chunks are 16, 18 or 40 bytes; more is not needed.
const MAX_FORMAT_BYTES: u64 = 64;

const TAG_INTEGER: u16 = 1;
const TAG_FLOAT: u16 = 3;
const TAG_EXTENSIBLE: u16 = 0xFFFE;
/// The GUID of an extensible format after its first two bytes, which are a plain tag (Microsoft, `ksmedia.h`).
const SUBFORMAT_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

/// Decodes a WAV file block by block.
pub(super) fn stream(
    path: &Path,
    file: File,
    interrupt: &Interrupt,
    sink: &mut Sink<'_>,
) -> Result<Stream, AudioError> {
    let mut file = BufReader::new(file);
    let (format, data) = walk(path, &mut file)?;
    let mut notes = Vec::new();
    let present = judge_length(path, &format, data, &mut notes)?;
    file.seek(SeekFrom::Start(data.start)).map_err(|error| AudioError::read(path, error))?;
    let input = Cursor::new(format.canonical_header(present)).chain(file);
    let mut reader = hound::WavReader::new(input).map_err(|error| hound_error(path, error))?;
    let block = BLOCK_FRAMES * format.channels;
    let done = Stream { sample_rate: format.sample_rate, notes };
    if format.float {
        hand_on(path, reader.samples::<f32>(), block, |x| x, format.channels, interrupt, sink)?;
    } else {
        let scale = 1.0 / f64::from(1_u32 << (8 * format.bytes - 1));
        #[expect(clippy::cast_possible_truncation, reason = "only 32-bit samples have more digits than a float32")]
        let scaled = |x: i32| (f64::from(x) * scale) as f32;
        hand_on(path, reader.samples::<i32>(), block, scaled, format.channels, interrupt, sink)?;
    }
    Ok(done)
}

fn hand_on<S>(
    path: &Path,
    samples: impl Iterator<Item = hound::Result<S>>,
    block: usize,
    scale: impl Fn(S) -> f32,
    channels: usize,
    interrupt: &Interrupt,
    sink: &mut Sink<'_>,
) -> Result<(), AudioError> {
    let mut pending = Vec::with_capacity(block);
    for sample in samples {
        pending.push(scale(sample.map_err(|error| hound_error(path, error))?));
        if pending.len() == block {
            if interrupt.is_set() {
                return Err(AudioError::Interrupted);
            }
            sink(channels, &pending);
            pending.clear();
        }
    }
    sink(channels, &pending);
    Ok(())
}

/// The part of a `fmt ` chunk that decides how samples are read.
struct Format {
    float: bool,
    channels: usize,
    sample_rate: u32,
    /// Bytes of one sample. Fewer valid bits sit at the top of them, so full scale is that of the container.
    bytes: u32,
}

/// Where the samples are.
#[derive(Clone, Copy)]
struct Data {
    start: u64,
    /// Bytes that the header promises.
    claimed: u64,
    /// Bytes from `start` to the end of the file.
    available: u64,
}

/// Finds the format and the data among the chunks; chunks of odd length are followed by a byte of padding.
fn walk(path: &Path, file: &mut BufReader<File>) -> Result<(Format, Data), AudioError> {
    let failed = |error| AudioError::read(path, error);
    let end = file.get_ref().metadata().map_err(failed)?.len();
    let mut at = 12; // past RIFF, its length and WAVE
    let mut format = None;
    loop {
        if at + 8 > end {
            let missing = if format.is_some() { "it ends before its data" } else { "it ends within its header" };
            return Err(AudioError::damaged(path, missing));
        }
        let mut header = [0; 8];
        file.seek(SeekFrom::Start(at)).map_err(failed)?;
        file.read_exact(&mut header).map_err(failed)?;
        let claimed = u64::from(u32_at(&header, 4));
        let (start, available) = (at + 8, end - at - 8);
        match &header[..4] {
            b"fmt " => {
                let mut bytes = Vec::new();
                file.take(claimed.min(MAX_FORMAT_BYTES)).read_to_end(&mut bytes).map_err(failed)?;
                format = Some(Format::read(path, &bytes)?);
            }
            b"data" => {
                let format = format.ok_or_else(|| AudioError::damaged(path, "its data comes before its format"))?;
                return Ok((format, Data { start, claimed, available }));
            }
            _ => {}
        }
        at = start + claimed + claimed % 2;
    }
}

/// How many whole frames' worth of bytes to read.
fn judge_length(path: &Path, format: &Format, data: Data, notes: &mut Vec<String>) -> Result<u64, AudioError> {
    let frame = u64::from(format.bytes) * format.channels as u64;
    let seconds = |bytes: u64| (bytes / frame) as f64 / f64::from(format.sample_rate);
    if data.claimed > data.available {
        if data.claimed < PLACEHOLDER_LENGTH {
            let (present, claimed) = (seconds(data.available), seconds(data.claimed));
            return Err(AudioError::Truncated { path: path.to_owned(), present, claimed });
        }
        notes.push(format!(
            "has a header whose length was never filled in; the {:.2} s that are there were read",
            seconds(data.available)
        ));
    }
    let present = data.claimed.min(data.available);
    if !present.is_multiple_of(frame) {
        notes.push(format!("ends with {} bytes that make no whole frame, which were left out", present % frame));
    }
    Ok(present - present % frame)
}

impl Format {
    fn read(path: &Path, chunk: &[u8]) -> Result<Self, AudioError> {
        if chunk.len() < 16 {
            return Err(AudioError::damaged(path, format!("its format has {} bytes, but needs 16", chunk.len())));
        }
        let (channels, sample_rate) = (u16_at(chunk, 2), u32_at(chunk, 4));
        let (align, bits) = (u16_at(chunk, 12), u16_at(chunk, 14));
        if channels == 0 {
            return Err(AudioError::NoChannels { path: path.to_owned() });
        }
        let sample_rate = checked_rate(path, sample_rate)?;
        let tag = match u16_at(chunk, 0) {
            TAG_EXTENSIBLE if chunk.len() >= 40 && chunk[26..40] == SUBFORMAT_TAIL => u16_at(chunk, 24),
            tag => tag,
        };
        let float = match tag {
            TAG_INTEGER => false,
            TAG_FLOAT => true,
            _ => return Err(unsupported(path, format!("a WAV of format {tag:#06x}"))),
        };
        let bytes = align / channels;
        if align % channels != 0 || bits == 0 || u32::from(bits) > 8 * u32::from(bytes) {
            let reason = format!("its header puts {channels} samples of {bits} bits into a frame of {align} bytes");
            return Err(AudioError::damaged(path, reason));
        }
        if bytes > 4 || float && bytes != 4 {
            let kind = if float { "float" } else { "integer" };
            return Err(unsupported(path, format!("a WAV of {}-bit {kind} samples", 8 * u32::from(bytes))));
        }
        Ok(Self { float, channels: usize::from(channels), sample_rate, bytes: u32::from(bytes) })
    }

    /// The 44 bytes of header that say the same for `data_bytes` of data.
    fn canonical_header(&self, data_bytes: u64) -> Vec<u8> {
        let align = self.bytes * self.channels as u32;
        let tag = if self.float { TAG_FLOAT } else { TAG_INTEGER };
        let data = u32::try_from(data_bytes).unwrap_or(u32::MAX); // a chunk's length has 32 bits, so it always fits
        let mut header = Vec::with_capacity(44);
        header.extend(b"RIFF");
        header.extend(data.saturating_add(36).to_le_bytes());
        header.extend(b"WAVEfmt ");
        header.extend(16_u32.to_le_bytes());
        header.extend(tag.to_le_bytes());
        header.extend((self.channels as u16).to_le_bytes());
        header.extend(self.sample_rate.to_le_bytes());
        header.extend(self.sample_rate.wrapping_mul(align).to_le_bytes());
        header.extend((align as u16).to_le_bytes());
        header.extend((8 * self.bytes as u16).to_le_bytes());
        header.extend(b"data");
        header.extend(data.to_le_bytes());
        header
    }
}

fn unsupported(path: &Path, format: String) -> AudioError {
    AudioError::Unsupported { path: path.to_owned(), format }
}

fn hound_error(path: &Path, error: hound::Error) -> AudioError {
    match error {
        hound::Error::IoError(error) => AudioError::read(path, error),
        other => AudioError::damaged(path, other.to_string()),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
