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
/// As [`write_channels`].
pub fn write_wav(path: &Path, samples: &[f32], sample_rate: u32, format: SampleFormat) -> Result<(), AudioError> {
    write_channels(path, &[samples], sample_rate, format)
}

/// Writes `channels` (±1 is full scale) as one wav file of `sample_rate` Hz. A former file of that name stays whole until
/// the new one is complete.
///
/// # Errors
/// [`AudioError::Unwritable`] for a sample that is not finite, channels of different lengths or none, a sample rate of 0,
/// or more than a wav file holds (4 GiB); [`AudioError::Write`] when the disk refuses.
pub fn write_channels<C: AsRef<[f32]>>(
    path: &Path,
    channels: &[C],
    sample_rate: u32,
    format: SampleFormat,
) -> Result<(), AudioError> {
    let spec = check(path, channels, sample_rate, format)?;
    let written = replace(path, |file| encode(BufWriter::new(file), channels, spec, format));
    written.map_err(|source| AudioError::Write { path: path.to_owned(), source })
}

/// What [`write_wav`] writes, as the bytes of a file called `name`, which only its errors mention.
///
/// # Errors
/// As [`write_wav`].
pub fn wav_bytes(name: &str, samples: &[f32], sample_rate: u32, format: SampleFormat) -> Result<Vec<u8>, AudioError> {
    let path = Path::new(name);
    let spec = check(path, &[samples], sample_rate, format)?;
    let mut bytes = Vec::new();
    encode(Cursor::new(&mut bytes), &[samples], spec, format)
        .map_err(|source| AudioError::Write { path: path.to_owned(), source })?;
    Ok(bytes)
}

/// The header of a mono wav file of 16-bit integers at `sample_rate` Hz, for `samples` that come one after another into a pipe.
/// More than a wav file holds count as "until the end".
///
/// # Errors
/// [`AudioError::Unwritable`] for a sample rate of 0.
pub fn wav_header(sample_rate: u32, samples: usize) -> Result<Vec<u8>, AudioError> {
    /// What programs that write into a pipe say of a length that they do not know.
    const UNKNOWN: u32 = u32::MAX;
    let mut header = wav_bytes("the stream", &[], sample_rate, SampleFormat::Pcm16)?;
    let data = samples.checked_mul(2).and_then(|bytes| u32::try_from(bytes).ok());
    let before = u32::try_from(header.len()).unwrap_or(0).saturating_sub(8); // RIFF counts what comes after it and its length
    let whole = data.and_then(|data| data.checked_add(before)).unwrap_or(UNKNOWN);
    let last = header.len().saturating_sub(4);
    for (at, length) in [(4, whole), (last, data.filter(|_| whole != UNKNOWN).unwrap_or(UNKNOWN))] {
        if let Some(slot) = header.get_mut(at..at + 4) {
            slot.copy_from_slice(&length.to_le_bytes());
        }
    }
    Ok(header)
}

/// Writes as much of a mono sound as the disk has room for, as a wav file of 16-bit integers that is whole in itself. Returns how
/// many samples that is; where it is none, there is no file. Unlike [`write_wav`], it writes in place: a second copy would need
/// the room that is missing.
///
/// # Errors
/// [`AudioError::Unwritable`] for a sample rate of 0; [`AudioError::Write`] for another reason than a full disk.
pub fn write_what_fits(path: &Path, samples: &[f32], sample_rate: u32) -> Result<usize, AudioError> {
    let failed = |source| AudioError::Write { path: path.to_owned(), source };
    let header = wav_header(sample_rate, samples.len())?;
    let room = || -> io::Result<usize> {
        let mut file = File::create(path)?;
        let mut pieces = std::iter::once(header.clone()).chain(samples.chunks(2048).map(pcm16_bytes));
        let written = pieces.try_for_each(|piece| file.write_all(&piece)).and_then(|()| file.sync_all());
        match written {
            Err(error) if !is_full(&error) => return Err(error),
            _ => {}
        }
        let bytes = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        let fitting = (bytes.saturating_sub(header.len()) / 2).min(samples.len());
        file.set_len((header.len() + 2 * fitting) as u64)?;
        file.seek(io::SeekFrom::Start(0))?;
        file.write_all(&wav_header(sample_rate, fitting).map_err(io::Error::other)?)?;
        Ok(fitting)
    };
    let fitting = match room() {
        Err(error) if is_full(&error) => 0,
        other => other.map_err(failed)?,
    };
    if fitting == 0 && path.is_file() {
        std::fs::remove_file(path).map_err(failed)?;
    }
    Ok(fitting)
}

/// Whether a disk has no room, or a user no more of it.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

/// Samples as what follows such a header: 16-bit integers, the low byte first.
#[must_use]
pub fn pcm16_bytes(samples: &[f32]) -> Vec<u8> {
    samples.iter().flat_map(|&sample| to_pcm16(sample).to_le_bytes()).collect()
}

/// That a wav file can hold `channels`, and its header.
fn check<C: AsRef<[f32]>>(
    path: &Path,
    channels: &[C],
    sample_rate: u32,
    format: SampleFormat,
) -> Result<hound::WavSpec, AudioError> {
    let refuse = |reason: String| Err(AudioError::Unwritable { path: path.to_owned(), reason });
    let count = match u16::try_from(channels.len()) {
        Ok(count) if count > 0 => count,
        _ => return refuse(format!("{} channels, but 1 to 65535 are possible", channels.len())),
    };
    if sample_rate == 0 {
        return refuse("the sample rate is 0 Hz".into());
    }
    let frames = channels[0].as_ref().len();
    for channel in channels.iter().map(AsRef::as_ref) {
        if channel.len() != frames {
            return refuse(format!("one channel has {frames} samples, another {}", channel.len()));
        }
        if let Some(at) = channel.iter().position(|sample| !sample.is_finite()) {
            return refuse(format!("sample {at} is {}, but every sample must be a finite number", channel[at]));
        }
    }
    let samples = frames.saturating_mul(channels.len());
    if samples.saturating_mul(usize::from(format.bits()) / 8) + HEADER_BYTES > u32::MAX as usize {
        return refuse(format!("{samples} samples are more than the 4 GiB of a wav file"));
    }
    let sample_format = match format {
        SampleFormat::Pcm16 => hound::SampleFormat::Int,
        SampleFormat::Float32 => hound::SampleFormat::Float,
    };
    Ok(hound::WavSpec { channels: count, sample_rate, bits_per_sample: format.bits(), sample_format })
}

/// Frame by frame, the channels of each side by side.
fn encode<C: AsRef<[f32]>>(
    target: impl Write + Seek,
    channels: &[C],
    spec: hound::WavSpec,
    format: SampleFormat,
) -> io::Result<()> {
    let mut writer = hound::WavWriter::new(target, spec).map_err(to_io)?;
    for at in 0..channels.first().map_or(0, |channel| channel.as_ref().len()) {
        for channel in channels {
            match format {
                SampleFormat::Pcm16 => writer.write_sample(to_pcm16(channel.as_ref()[at])),
                SampleFormat::Float32 => writer.write_sample(channel.as_ref()[at]),
            }
            .map_err(to_io)?;
        }
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
pub(crate) fn replace(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
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
