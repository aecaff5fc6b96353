//! Audio files to samples: what the bytes are, who decodes them, and what may not pass.
//!
//! The first bytes decide, not the name: a WAV called `take.flac` is read as WAV. Nothing is ever allocated on the word of a
//! header: samples are collected as they come.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::AudioError;
use super::listing::extension;
use super::resample::{MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, resample_until};
use super::{flac, wav};
use crate::interrupt::Interrupt;

/// Samples as they were recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Wave {
    /// Frames a second, in Hz.
    pub sample_rate: u32,
    /// One vector for each channel, all of the same length; integers are divided by full scale, so ±1 is the loudest.
    pub channels: Vec<Vec<f32>>,
}

/// A decoded file.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The sound.
    pub wave: Wave,
    /// What is odd about it, one sentence each, naming the file.
    pub warnings: Vec<String>,
}

/// A file as models hear it: one channel at one sample rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    /// The file's name, without its folder.
    pub name: String,
    /// The samples; ±1 is full scale.
    pub samples: Vec<f32>,
    /// Samples a second, in Hz.
    pub sample_rate: u32,
    /// What is odd about it, one sentence each, naming the file.
    pub warnings: Vec<String>,
}

/// Decodes a WAV (8, 16, 24, 32-bit integer or 32-bit float) or FLAC file.
///
/// # Errors
/// [`AudioError`] when the file is missing, may not be read, is not WAV or FLAC, is truncated or damaged, holds no frames,
/// or holds a sample that is NaN or infinite. Silence is only a warning, and so is a WAV header whose length was never
/// filled in (as programs leave it that write into a pipe): everything present is read.
pub fn decode(path: &Path) -> Result<Decoded, AudioError> {
    decode_until(path, &Interrupt::default())
}

/// [`decode`], stopping with [`AudioError::Interrupted`] when asked.
///
/// # Errors
/// As [`decode`].
pub fn decode_until(path: &Path, interrupt: &Interrupt) -> Result<Decoded, AudioError> {
    let mut channels: Vec<Vec<f32>> = Vec::new();
    let stream = stream(path, interrupt, &mut |count, block| {
        channels.resize(count.max(channels.len()), Vec::new());
        for frame in block.chunks_exact(count) {
            for (channel, &sample) in channels.iter_mut().zip(frame) {
                channel.push(sample);
            }
        }
    })?;
    let warnings = warnings(&path.display().to_string(), &stream.notes);
    Ok(Decoded { wave: Wave { sample_rate: stream.sample_rate, channels }, warnings })
}

/// Decodes a file to one channel at `sample_rate` Hz: all channels averaged with equal weights, then resampled.
///
/// # Errors
/// As [`decode`]; [`AudioError::Rate`] for a `sample_rate` outside [`MIN_SAMPLE_RATE`] to [`MAX_SAMPLE_RATE`].
pub fn load_mono(path: &Path, sample_rate: u32) -> Result<Clip, AudioError> {
    load_mono_until(path, sample_rate, &Interrupt::default())
}

/// [`load_mono`], stopping with [`AudioError::Interrupted`] when asked.
///
/// # Errors
/// As [`load_mono`].
pub fn load_mono_until(path: &Path, sample_rate: u32, interrupt: &Interrupt) -> Result<Clip, AudioError> {
    let (samples, notes) = mono_until(path, sample_rate, interrupt)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Clip { name, samples, sample_rate, warnings: warnings(&path.display().to_string(), &notes) })
}

/// [`load_mono`] for the corpus: the samples, and what is odd about them without the file's name.
pub(super) fn mono_until(
    path: &Path,
    sample_rate: u32,
    interrupt: &Interrupt,
) -> Result<(Vec<f32>, Vec<String>), AudioError> {
    let mut mono = Vec::new();
    let stream = stream(path, interrupt, &mut |count, block| {
        let scale = 1.0 / count as f64;
        #[expect(clippy::cast_possible_truncation, reason = "averaged in float64, kept in float32")]
        mono.extend(block.chunks_exact(count).map(|frame| {
            let sum: f64 = frame.iter().copied().map(f64::from).sum();
            if count == 1 { frame[0] } else { (sum * scale) as f32 }
        }));
    })?;
    Ok((resample_until(&mono, stream.sample_rate, sample_rate, interrupt)?, stream.notes))
}

/// Sentences from notes: "`name` is silent".
pub(super) fn warnings(name: &str, notes: &[String]) -> Vec<String> {
    notes.iter().map(|note| format!("`{name}` {note}")).collect()
}

/// Takes blocks of interleaved frames with their channel count, as they are decoded.
pub(super) type Sink<'a> = dyn FnMut(usize, &[f32]) + 'a;

/// What a decoder knows when it is done.
pub(super) struct Stream {
    pub(super) sample_rate: u32,
    /// What is odd about the file, as predicates: "is silent".
    pub(super) notes: Vec<String>,
}

/// Decodes `path` block by block, and refuses what no caller wants.
fn stream(path: &Path, interrupt: &Interrupt, sink: &mut Sink<'_>) -> Result<Stream, AudioError> {
    let failed = |error| AudioError::read(path, error);
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        return Err(AudioError::IsFolder { path: path.to_owned() });
    }
    if !metadata.is_file() {
        return Err(AudioError::NotAudio { path: path.to_owned(), found: "no data: it is a device or a pipe".into() });
    }
    let mut file = File::open(path).map_err(failed)?;
    let mut head = Vec::new();
    (&mut file).take(512).read_to_end(&mut head).map_err(failed)?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let mut monitor = Monitor::default();
    let mut watched = |channels: usize, block: &[f32]| {
        monitor.watch(channels, block);
        sink(channels, block);
    };
    let mut stream = match Container::of(&head) {
        Container::Wav => wav::stream(path, file, interrupt, &mut watched)?,
        Container::Flac => flac::stream(path, file, interrupt, &mut watched)?,
        Container::Nothing => return Err(AudioError::Empty { path: path.to_owned() }),
        Container::Other(format) => {
            return Err(AudioError::Unsupported { path: path.to_owned(), format: format.to_owned() });
        }
        Container::Unknown => return Err(unknown(path, &head)),
    };
    monitor.judge(path, stream.sample_rate, &mut stream.notes)?;
    Ok(stream)
}

/// Checks a header's sample rate before anything is divided by it.
pub(super) fn checked_rate(path: &Path, found: u32) -> Result<u32, AudioError> {
    if (MIN_SAMPLE_RATE..=MAX_SAMPLE_RATE).contains(&found) {
        Ok(found)
    } else {
        Err(AudioError::FileRate { path: path.to_owned(), found })
    }
}

/// What the first bytes of a file say it is.
enum Container {
    Wav,
    Flac,
    /// Audio that another program can convert.
    Other(&'static str),
    Nothing,
    Unknown,
}

impl Container {
    fn of(head: &[u8]) -> Self {
        let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
        match head {
            [] => Self::Nothing,
            _ if at(0, b"RIFF") && at(8, b"WAVE") => Self::Wav,
            _ if at(0, b"fLaC") => Self::Flac,
            _ if at(0, b"RF64") || at(0, b"BW64") => Self::Other("a 64-bit WAV (RF64)"),
            _ if at(0, b"RIFX") => Self::Other("a big-endian WAV (RIFX)"),
            _ if at(0, b"OggS") => Self::Other("Ogg audio"),
            _ if at(0, b"ID3") => Self::Other("MP3 audio, or something else behind an ID3 tag"),
            _ if at(4, b"ftyp") => Self::Other("MPEG-4 audio (m4a)"),
            _ if at(0, b"FORM") => Self::Other("AIFF audio"),
            _ if at(0, b"caff") => Self::Other("CAF audio"),
            _ if at(0, b".snd") => Self::Other("AU audio"),
            _ if at(0, &[0x30, 0x26, 0xB2, 0x75]) => Self::Other("Windows Media audio"),
            _ if at(0, &[0x1A, 0x45, 0xDF, 0xA3]) => Self::Other("Matroska or WebM audio"),
            // Eleven set bits start an MPEG frame; layer bits 00 are AAC in ADTS.
            [0xFF, second, ..] if second & 0xE6 == 0xE0 || second & 0xF6 == 0xF0 => Self::Other("AAC audio"),
            [0xFF, second, ..] if second & 0xE0 == 0xE0 => Self::Other("MP3 audio"),
            _ => Self::Unknown,
        }
    }
}

/// The error for bytes that are no container we know of.
fn unknown(path: &Path, head: &[u8]) -> AudioError {
    let text = match std::str::from_utf8(head) {
        Ok(text) => Some(text),
        // A character cut in half by the end of the head is still text.
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&head[..error.valid_up_to()]).ok(),
        Err(_) => None,
    };
    let found = match (text, extension(path)) {
        (Some(text), _) if text.chars().all(|c| !c.is_control() || c.is_whitespace()) => "plain text".to_owned(),
        (_, Some(extension)) => format!("no {} data that begins as such a file must", extension.to_uppercase()),
        _ => "bytes that begin no known audio format".to_owned(),
    };
    AudioError::NotAudio { path: path.to_owned(), found }
}

/// Watches samples go by for what must not pass, and for what deserves a warning.
#[derive(Default)]
struct Monitor {
    frames: u64,
    not_finite: u64,
    first_not_finite: u64,
    constant: Option<f32>,
    varies: bool,
}

impl Monitor {
    fn watch(&mut self, channels: usize, block: &[f32]) {
        for frame in block.chunks_exact(channels) {
            for &sample in frame {
                if !sample.is_finite() {
                    if self.not_finite == 0 {
                        self.first_not_finite = self.frames;
                    }
                    self.not_finite += 1;
                }
                self.varies |= *self.constant.get_or_insert(sample) != sample;
            }
            self.frames += 1;
        }
    }

    fn judge(&self, path: &Path, sample_rate: u32, notes: &mut Vec<String>) -> Result<(), AudioError> {
        let path = path.to_owned();
        if self.frames == 0 {
            return Err(AudioError::NoSamples { path });
        }
        if self.not_finite > 0 {
            let first_seconds = self.first_not_finite as f64 / f64::from(sample_rate);
            return Err(AudioError::NotFinite { path, count: self.not_finite, first_seconds });
        }
        match self.constant {
            Some(value) if !self.varies && value == 0.0 => notes.push("is silent: every sample is 0".into()),
            Some(value) if !self.varies => notes.push(format!("holds no sound: every sample is {value}")),
            _ => {}
        }
        Ok(())
    }
}
