//! FLAC in, through `symphonia`, with the stream's own MD5 checked.

use std::fs::File;
use std::path::Path;

use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use super::AudioError;
use super::decode::{Sink, Stream, checked_rate};
use crate::interrupt::Interrupt;

/// Decodes a FLAC file block by block.
pub(super) fn stream(
    path: &Path,
    file: File,
    interrupt: &Interrupt,
    sink: &mut Sink<'_>,
) -> Result<Stream, AudioError> {
    let failed = |error| flac_error(path, error);
    let source = MediaSourceStream::new(Box::new(file), Default::default());
    let mut hint = Hint::new();
    hint.with_extension("flac");
    let mut format: Box<dyn FormatReader> = symphonia::default::get_probe()
        .probe(&hint, source, FormatOptions::default(), MetadataOptions::default())
        .map_err(failed)?;
    let (promised, parameters) = {
        let track = format.default_track(TrackType::Audio);
        let parameters = track.and_then(|track| track.codec_params.as_ref()?.audio());
        let parameters = parameters.ok_or_else(|| AudioError::damaged(path, "it has no stream information"))?;
        (track.and_then(|track| track.num_frames), parameters.clone())
    };
    let sample_rate = checked_rate(path, parameters.sample_rate.unwrap_or(0))?;
    let options = AudioDecoderOptions::default().verify(true);
    let mut decoder = symphonia::default::get_codecs().make_audio_decoder(&parameters, &options).map_err(failed)?;
    let mut frames = 0_u64;
    let mut cut = false;
    let mut reached = 0_u64; // the end of the last packet, by its own word
    let mut block: Vec<f32> = Vec::new();
    let broken = loop {
        if interrupt.is_set() {
            return Err(AudioError::Interrupted);
        }
        let packet = match format.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break None,
            Err(Error::IoError(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                cut = true;
                break None;
            }
            Err(error) => break Some(error),
        };
        match decoder.decode(&packet) {
            Ok(decoded) => {
                frames += decoded.frames() as u64;
                reached = packet.pts.get().unsigned_abs().saturating_add(packet.dur.get());
                decoded.copy_to_vec_interleaved(&mut block);
                sink(decoded.num_planes().max(1), &block);
            }
            // What a cut leaves of the last packet cannot be decoded; with more packets behind it, it is damage.
            Err(_) if !matches!(format.next_packet(), Ok(Some(_))) => {
                cut = true;
                break None;
            }
            Err(error) => break Some(error),
        }
    };
    if let Some(error) = broken {
        return Err(failed(error));
    }
    if let Some(promised) = promised.filter(|&promised| promised > frames) {
        let seconds = |frames: u64| frames as f64 / f64::from(sample_rate);
        if reached > frames {
            return Err(AudioError::damaged(path, format!("{:.3} s are missing within it", seconds(reached - frames))));
        }
        let (present, claimed) = (seconds(frames), seconds(promised));
        return Err(AudioError::Truncated { path: path.to_owned(), present, claimed });
    }
    if cut && promised.is_none() {
        return Err(AudioError::damaged(path, "it ends within a frame"));
    }
    if decoder.finalize().verify_ok == Some(false) {
        return Err(AudioError::damaged(path, "its sound does not have the checksum that its header promises"));
    }
    Ok(Stream { sample_rate, notes: Vec::new() })
}

fn flac_error(path: &Path, error: Error) -> AudioError {
    match error {
        Error::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            AudioError::damaged(path, "it ends within its header")
        }
        Error::IoError(error) => AudioError::read(path, error),
        other => AudioError::damaged(path, other.to_string()),
    }
}
