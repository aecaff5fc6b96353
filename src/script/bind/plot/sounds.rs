//! Spectrograms and waveforms.

use std::rc::Rc;

use rhai::{Dynamic, Engine, Map};

use super::super::Outcome;
use super::super::audio::Sound;
use crate::audio::{AudioError, StftConfig, mel, stft_until, to_db};
use crate::interrupt::Interrupt;
use crate::options::{OptionError, Options};
use crate::plot::{self, Figure, FrequencyAxis, SpectrogramData};
use crate::script::context::Context;
use crate::script::convert;
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;

crate::options! {
    /// How a spectrogram is computed.
    pub(crate) struct SpectrogramConfig for "spectrogram" {
        /// Length of an analysis window. [samples; 2 to 65536]
        fft_size: usize = 1024,
        /// Distance from one window to the next. [samples; 1 or more]
        hop: usize = 256,
        /// Mel bands instead of the FFT's own bins; 0 for none. [bands; 0 to 4096]
        mels: usize = 0,
    }
    ; validate = validate
}

/// The largest analysis window: four seconds at 16 kHz.
const LARGEST_FFT: usize = 65_536;

/// The most mel bands: more than a picture has rows.
const MOST_MELS: usize = 4096;

/// The most levels (frames × bins) of one spectrogram: 512 MiB of them.
const MOST_LEVELS: usize = 1 << 27;

fn validate(config: &SpectrogramConfig) -> Result<(), OptionError> {
    if !(2..=LARGEST_FFT).contains(&config.fft_size) {
        return Err(OptionError::value("fft_size", config.fft_size, "between 2 and 65536 samples"));
    }
    if config.mels > MOST_MELS {
        return Err(OptionError::value("mels", config.mels, "at most 4096"));
    }
    if config.hop == 0 {
        return Err(OptionError::value("hop", config.hop, "at least 1 sample"));
    }
    Ok(())
}

const DOCS: &[Doc] = &[
    Doc {
        name: "spectrogram",
        of: "",
        signature: "spectrogram(sound[, #{ … }]) -> Figure",
        about: "Levels in dB over time and frequency, of a Sound or a Take.",
        options: Some(SpectrogramConfig::fields),
        example: "spectrogram(audio(\"data/bigband_005.flac\").slice(0, 2), #{ mels: 80 }).save(out + \"/mel.png\");",
    },
    Doc {
        name: "spectrogram_pair",
        of: "",
        signature: "spectrogram_pair(name, sound, name, sound[, #{ … }]) -> Figure",
        about: "Two spectrograms above each other, on one scale of time and of level.",
        options: Some(SpectrogramConfig::fields),
        example: "let piece = audio(\"data/bigband_005.flac\");\nspectrogram_pair(\"intro\", piece.slice(0, 2), \"later\", \
                  piece.slice(20, 22)).save(out + \"/pair.png\");",
    },
    Doc {
        name: "waveform",
        of: "",
        signature: "waveform(sound) -> Figure",
        about: "Amplitude over time, of a Sound or a Take.",
        options: None,
        example: "waveform(audio(\"data/bigband_005.flac\").slice(0, 2)).save(out + \"/wave.svg\");",
    },
];

pub(super) fn register(engine: &mut Engine, docs: &mut Docs, context: &Rc<Context>) {
    docs.add(DOCS);
    let shared = Rc::clone(context);
    engine.register_fn("spectrogram", move |sound: Dynamic| -> Outcome<Figure> {
        shared.finish(spectrogram(&sound, &SpectrogramConfig::default(), &shared.interrupt))
    });
    let shared = Rc::clone(context);
    engine.register_fn("spectrogram", move |sound: Dynamic, options: Map| -> Outcome<Figure> {
        let config = convert::options(&options)?;
        shared.finish(spectrogram(&sound, &config, &shared.interrupt))
    });
    let shared = Rc::clone(context);
    engine.register_fn(
        "spectrogram_pair",
        move |a: &str, upper: Dynamic, b: &str, lower: Dynamic| -> Outcome<Figure> {
            shared.finish(pair((a, &upper), (b, &lower), &SpectrogramConfig::default(), &shared.interrupt))
        },
    );
    let shared = Rc::clone(context);
    engine.register_fn(
        "spectrogram_pair",
        move |a: &str, upper: Dynamic, b: &str, lower: Dynamic, options: Map| -> Outcome<Figure> {
            let config = convert::options(&options)?;
            shared.finish(pair((a, &upper), (b, &lower), &config, &shared.interrupt))
        },
    );
    engine.register_fn("waveform", |sound: Dynamic| -> Outcome<Figure> { Ok(waveform(&Sound::of(&sound)?)?) });
}

/// Amplitude over time.
pub(super) fn waveform(sound: &Sound) -> Result<Figure, Fault> {
    Ok(plot::waveform(&sound.samples, sound.sample_rate)?)
}

fn spectrogram(sound: &Dynamic, config: &SpectrogramConfig, interrupt: &Interrupt) -> Result<Figure, Fault> {
    let sound = Sound::of(sound)?;
    Ok(plot::spectrogram(&levels(&sound, config, interrupt)?, &sound.name)?)
}

fn pair(
    upper: (&str, &Dynamic),
    lower: (&str, &Dynamic),
    config: &SpectrogramConfig,
    interrupt: &Interrupt,
) -> Result<Figure, Fault> {
    let data = |sound: &Dynamic| levels(&Sound::of(sound)?, config, interrupt);
    Ok(plot::spectrogram_pair((upper.0, &data(upper.1)?), (lower.0, &data(lower.1)?))?)
}

/// Below this, in dB, sound is silence.
const FLOOR_DB: f32 = -140.0;

fn levels(sound: &Sound, config: &SpectrogramConfig, interrupt: &Interrupt) -> Result<SpectrogramData, Fault> {
    let (frames, bins) = (1 + sound.samples.len() / config.hop, config.mels.max(config.fft_size / 2 + 1));
    if frames.saturating_mul(bins) > MOST_LEVELS {
        return Err(Fault::new(format!("a spectrogram of {frames} frames × {bins} bins is too large to compute"))
            .with_hint("a longer hop, a smaller fft_size, or a piece of the sound: sound.slice(0, 10)"));
    }
    let stft_config = StftConfig { sample_rate: sound.sample_rate, fft_size: config.fft_size, hop: config.hop };
    let spectrum = stft_until(&sound.samples, &stft_config, interrupt)?;
    let max_hz = f64::from(sound.sample_rate) / 2.0;
    let seconds = sound.seconds();
    if config.mels == 0 {
        let (frames, bins) = (spectrum.frames, spectrum.bins);
        let axis = FrequencyAxis::Linear { max_hz };
        return Ok(SpectrogramData { frames, bins, db: to_db(&spectrum.power, FLOOR_DB), seconds, axis });
    }
    let bands = mel(&spectrum, config.mels, 0.0, max_hz)?;
    if interrupt.is_set() {
        return Err(AudioError::Interrupted.into());
    }
    let axis = FrequencyAxis::Bands { centres_hz: bands.centres };
    Ok(SpectrogramData { frames: bands.frames, bins: bands.n_mels, db: to_db(&bands.power, FLOOR_DB), seconds, axis })
}
