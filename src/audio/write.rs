//! Wav files out, and the one way this room writes a file: aside, synced, renamed.

use std::fs::File;
use std::io::{self, BufWriter};
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

/// Bytes of header before the samples, at most.
const HEADER_BYTES: usize = 128;

/// Writes `samples` (±1 is full scale) as a mono wav file of `sample_rate` Hz. A former file of that name stays whole
/// until the new one is complete.
///
/// # Errors
/// [`AudioError::Unwritable`] for a sample that is not finite, a sample rate of 0, or more than a wav file holds (4 GiB);
/// [`AudioError::Write`] when the disk refuses.
pub fn write_wav(path: &Path, samples: &[f32], sample_rate: u32, format: SampleFormat) -> Result<(), AudioError> {
    let refuse = |reason: String| Err(AudioError::Unwritable { path: path.to_owned(), reason });
    let (bits_per_sample, sample_format) = match format {
        SampleFormat::Pcm16 => (16, hound::SampleFormat::Int),
        SampleFormat::Float32 => (32, hound::SampleFormat::Float),
    };
    if sample_rate == 0 {
        return refuse("the sample rate is 0 Hz".into());
    }
    if let Some(at) = samples.iter().position(|sample| !sample.is_finite()) {
        return refuse(format!("sample {at} is {}, but every sample must be a finite number", samples[at]));
    }
    if samples.len().saturating_mul(usize::from(bits_per_sample) / 8) + HEADER_BYTES > u32::MAX as usize {
        return refuse(format!("{} samples are more than the 4 GiB of a wav file", samples.len()));
    }
    let spec = hound::WavSpec { channels: 1, sample_rate, bits_per_sample, sample_format };
    let written = replace(path, |file| {
        let mut writer = hound::WavWriter::new(BufWriter::new(file), spec).map_err(to_io)?;
        for &sample in samples {
            match format {
                SampleFormat::Pcm16 => writer.write_sample(to_pcm16(sample)),
                SampleFormat::Float32 => writer.write_sample(sample),
            }
            .map_err(to_io)?;
        }
        writer.finalize().map_err(to_io)
    });
    written.map_err(|source| AudioError::Write { path: path.to_owned(), source })
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
