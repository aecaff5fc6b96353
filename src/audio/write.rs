//! Wav files out, and the one way this room writes a file: aside, synced, renamed.

use std::fs::File;
use std::io::{self, BufWriter, Cursor, Seek, Write};
use std::path::Path;

use super::AudioError;

/// How samples are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SampleFormat {
    /// 16-bit integers, rounded; what lies beyond full scale is clipped.
    #[default]
    Pcm16,
    /// 32-bit floats, exactly as they are.
    Float32,
}

impl SampleFormat {
    fn bits(self) -> u16 {
        match self {
            Self::Pcm16 => 16,
            Self::Float32 => 32,
        }
    }
}

/// Bytes of header before the samples, at most.
const HEADER_BYTES: usize = 128;

/// Writes `samples` (±1 is full scale) as a mono wav file of `sample_rate` Hz. A former file of that name stays whole
/// until the new one is complete.
///
/// # Errors
/// [`AudioError::Unwritable`] for a sample that is not finite, a sample rate of 0, or more than a wav file holds (4 GiB);
/// [`AudioError::Write`] when the disk refuses.
pub fn write_wav(path: &Path, samples: &[f32], sample_rate: u32, format: SampleFormat) -> Result<(), AudioError> {
    check(path, samples, sample_rate, format)?;
    let written = replace(path, |file| encode(BufWriter::new(file), samples, sample_rate, format));
    written.map_err(|source| AudioError::Write { path: path.to_owned(), source })
}

/// What [`write_wav`] writes, as the bytes of a file called `name`, which only its errors mention.
///
/// # Errors
/// As [`write_wav`].
pub fn wav_bytes(name: &str, samples: &[f32], sample_rate: u32, format: SampleFormat) -> Result<Vec<u8>, AudioError> {
    let path = Path::new(name);
    check(path, samples, sample_rate, format)?;
    let mut bytes = Vec::new();
    encode(Cursor::new(&mut bytes), samples, sample_rate, format)
        .map_err(|source| AudioError::Write { path: path.to_owned(), source })?;
    Ok(bytes)
}

/// That a wav file can hold `samples`.
fn check(path: &Path, samples: &[f32], sample_rate: u32, format: SampleFormat) -> Result<(), AudioError> {
    let refuse = |reason: String| Err(AudioError::Unwritable { path: path.to_owned(), reason });
    if sample_rate == 0 {
        return refuse("the sample rate is 0 Hz".into());
    }
    if let Some(at) = samples.iter().position(|sample| !sample.is_finite()) {
        return refuse(format!("sample {at} is {}, but every sample must be a finite number", samples[at]));
    }
    if samples.len().saturating_mul(usize::from(format.bits()) / 8) + HEADER_BYTES > u32::MAX as usize {
        return refuse(format!("{} samples are more than the 4 GiB of a wav file", samples.len()));
    }
    Ok(())
}

fn encode(target: impl Write + Seek, samples: &[f32], sample_rate: u32, format: SampleFormat) -> io::Result<()> {
    let sample_format = match format {
        SampleFormat::Pcm16 => hound::SampleFormat::Int,
        SampleFormat::Float32 => hound::SampleFormat::Float,
    };
    let spec = hound::WavSpec { channels: 1, sample_rate, bits_per_sample: format.bits(), sample_format };
    let mut writer = hound::WavWriter::new(target, spec).map_err(to_io)?;
    for &sample in samples {
        match format {
            SampleFormat::Pcm16 => writer.write_sample(to_pcm16(sample)),
            SampleFormat::Float32 => writer.write_sample(sample),
        }
        .map_err(to_io)?;
    }
    writer.finalize().map_err(to_io)
}

/// The nearest 16-bit integer; the inverse of dividing by 32768 wherever that is possible.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a float cast to i16 stops at its ends, which is the clipping wanted"
)]
fn to_pcm16(sample: f32) -> i16 {
    (sample * 32_768.0).round() as i16
}

fn to_io(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        other => io::Error::other(other),
    }
}

/// Writes a file under a temporary name beside `path`, syncs it, and renames it to `path`.
pub(super) fn replace(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".wasabi-").suffix(".part");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less the umask, as for any new file
    let mut file = builder.tempfile_in(folder)?;
    write(file.as_file_mut())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
