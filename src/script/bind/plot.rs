//! `plot`: figures.

use std::path::Path;
use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, Map};

use super::audio::Sound;
use super::train::RunValue;
use super::{Outcome, real};
use crate::audio::{StftConfig, mel, stft, to_db};
use crate::metrics::Frame;
use crate::options::{OptionError, Options};
use crate::plot::{self, Figure, FrequencyAxis, Series, SpectrogramData, Style, Theme};
use crate::script::context::Context;
use crate::script::convert::{self, a_type};
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;

crate::options! {
    /// How a spectrogram is computed.
    pub(crate) struct SpectrogramConfig for "spectrogram" {
        /// Samples of an analysis window, 2 to 65536.
        fft_size: usize = 1024,
        /// Samples from one window to the next, at least 1.
        hop: usize = 256,
        /// Mel bands instead of the FFT's own bins, at most 4096; 0 for none.
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
        name: "loss_curve",
        of: "",
        signature: "loss_curve(run | [run, …]) -> Figure",
        about: "Bits per byte over steps: each step faint, smoothed strong, validations as dots, baselines dashed. Also \
                takes a Frame of metrics.",
        options: None,
        example: "loss_curve(read_frame(run_folder)).save(out + \"/loss.svg\");",
    },
    Doc {
        name: "curves",
        of: "",
        signature: "curves([[label, xs, ys], …], x_label, y_label) -> Figure",
        about: "Lines over one x axis.",
        options: None,
        example: "curves([[\"squares\", [1, 2, 3], [1, 4, 9]]], \"n\", \"n²\").save(out + \"/squares.svg\");",
    },
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
    Doc {
        name: "kernels",
        of: "",
        signature: "kernels(model | run[, length]) -> Figure",
        about: "The convolution kernel of the first channel of each S4 block, over its first 512 (or `length`) samples.",
        options: None,
        example: "kernels(sashimi(#{ d_model: 8, n_layers: 1, pool: [], d_state: 16 }), 64).save(out + \"/kernels.svg\");",
    },
    Doc {
        name: "title",
        of: "Figure",
        signature: "figure.title(text) -> Figure",
        about: "The figure with a title above it.",
        options: None,
        example: "",
    },
    Doc {
        name: "size",
        of: "Figure",
        signature: "figure.size(width, height) -> Figure",
        about: "The figure in another size, in pixels.",
        options: None,
        example: "",
    },
    Doc {
        name: "theme",
        of: "Figure",
        signature: "figure.theme(\"paper\" | \"dark\") -> Figure",
        about: "The figure in other colours.",
        options: None,
        example: "",
    },
    Doc {
        name: "log_x",
        of: "Figure",
        signature: "figure.log_x() -> Figure",
        about: "The figure with a logarithmic x axis.",
        options: None,
        example: "",
    },
    Doc {
        name: "log_y",
        of: "Figure",
        signature: "figure.log_y() -> Figure",
        about: "The figure with a logarithmic y axis.",
        options: None,
        example: "",
    },
    Doc {
        name: "save",
        of: "Figure",
        signature: "figure.save(path, …) -> text | array",
        about: "Writes .png or .svg files, up to four at once, making their folders where needed. Returns the path, or \
                the paths.",
        options: None,
        example: "waveform(audio(\"data/bigband_005.flac\").slice(0, 1)).save(out + \"/a.png\", out + \"/a.svg\");",
    },
];

pub(super) fn register(engine: &mut Engine, docs: &mut Docs, context: &Rc<Context>) {
    docs.add(DOCS);
    engine
        .register_type_with_name::<Figure>("Figure")
        .register_fn("title", |figure: Figure, text: &str| figure.title(text))
        .register_fn("size", |figure: Figure, width: i64, height: i64| -> Outcome<Figure> {
            let pixels =
                |found: i64| u32::try_from(found).map_err(|_| Fault::new(format!("{found} pixels are impossible")));
            Ok(figure.size(pixels(width)?, pixels(height)?))
        })
        .register_fn("theme", |figure: Figure, name: &str| -> Outcome<Figure> { Ok(figure.theme(theme(name)?)) })
        .register_fn("log_x", |figure: Figure| figure.log_x(true))
        .register_fn("log_y", |figure: Figure| figure.log_y(true))
        .register_fn("to_string", |_: &mut Figure| "Figure: .save(\"name.png\") or .save(\"name.svg\") writes it")
        .register_fn("to_debug", |_: &mut Figure| "Figure: .save(\"name.png\") or .save(\"name.svg\") writes it");
    saving(engine);
    charts(engine);
    super::model::register_kernels(engine, context);
    sounds(engine);
}

/// Shows a figure at the prompt: saved under the next free name, drawn where the host can, and its path told.
///
/// # Errors
/// What the file system or the figure refuses.
pub(crate) fn show_figure(context: &Context, figure: &Figure) -> Result<String, Fault> {
    let figure = match context.theme.get() {
        Some(theme) => figure.clone().theme(theme),
        None => figure.clone(),
    };
    let folder = context.figures.borrow().clone();
    let path = (1_u32..).map(|number| folder.join(format!("figure-{number:03}.png"))).find(|path| !path.exists());
    let path = path.unwrap_or_else(|| folder.join("figure.png"));
    super::make_folder(&path)?;
    figure.save(&path)?;
    context.host.draw(&figure);
    Ok(format!("Figure: saved as {}", path.display()))
}

fn saving(engine: &mut Engine) {
    fn save(figure: &Figure, paths: &[&str]) -> Outcome<Dynamic> {
        for path in paths.iter().map(Path::new) {
            super::make_folder(path)?;
            figure.save(path).map_err(Fault::from)?;
        }
        let mut saved: Array = paths.iter().map(|path| Dynamic::from((*path).to_owned())).collect();
        Ok(if saved.len() == 1 { saved.remove(0) } else { saved.into() })
    }
    engine
        .register_fn("save", |figure: &mut Figure, a: &str| save(figure, &[a]))
        .register_fn("save", |figure: &mut Figure, a: &str, b: &str| save(figure, &[a, b]))
        .register_fn("save", |figure: &mut Figure, a: &str, b: &str, c: &str| save(figure, &[a, b, c]))
        .register_fn("save", |figure: &mut Figure, a: &str, b: &str, c: &str, d: &str| save(figure, &[a, b, c, d]));
}

fn charts(engine: &mut Engine) {
    engine
        .register_fn("loss_curve", |run: RunValue| -> Outcome<Figure> { Ok(loss_curve(&[run.labelled()?])?) })
        .register_fn("loss_curve", |frame: Frame| -> Outcome<Figure> { Ok(loss_curve(&[("run".to_owned(), frame)])?) })
        .register_fn("loss_curve", |runs: Array| -> Outcome<Figure> {
            let run = |item: &Dynamic| match item.clone().try_cast::<RunValue>() {
                Some(run) => run.labelled(),
                None => Err(Fault::new(format!("`loss_curve` cannot draw {}", a_type(item.type_name())))
                    .with_hint("an array of runs")),
            };
            Ok(loss_curve(&runs.iter().map(run).collect::<Result<Vec<_>, Fault>>()?)?)
        })
        .register_fn("curves", |series: Array, x: &str, y: &str| -> Outcome<Figure> {
            let series = series.iter().map(one_series).collect::<Result<Vec<_>, Fault>>()?;
            Ok(plot::curves(&series, x, y).map_err(Fault::from)?)
        });
}

fn loss_curve(runs: &[(String, Frame)]) -> Result<Figure, Fault> {
    let runs: Vec<(&str, &Frame)> = runs.iter().map(|(label, frame)| (label.as_str(), frame)).collect();
    Ok(plot::loss_curve(&runs)?)
}

/// `[label, xs, ys]`.
fn one_series(item: &Dynamic) -> Result<Series, Fault> {
    let wrong = || Fault::new("`curves` needs each line as [label, xs, ys]");
    let parts = item.as_array_ref().map_err(|_| wrong())?;
    let [label, xs, ys] = parts.as_slice() else { return Err(wrong()) };
    let label = label.as_immutable_string_ref().map_err(|_| wrong())?;
    let numbers = |values: &Dynamic, what: &str| -> Result<Vec<f64>, Fault> {
        values.as_array_ref().map_err(|_| wrong())?.iter().map(|value| real(value, what)).collect()
    };
    let (x, y) = (numbers(xs, "a position of a line")?, numbers(ys, "a value of a line")?);
    Ok(Series::new(label.as_str(), x, y, Style::Line))
}

fn sounds(engine: &mut Engine) {
    engine
        .register_fn("spectrogram", |sound: Dynamic| -> Outcome<Figure> {
            Ok(spectrogram(&sound, &SpectrogramConfig::default())?)
        })
        .register_fn("spectrogram", |sound: Dynamic, options: Map| -> Outcome<Figure> {
            Ok(spectrogram(&sound, &convert::options(&options)?)?)
        })
        .register_fn("spectrogram_pair", |a: &str, upper: Dynamic, b: &str, lower: Dynamic| -> Outcome<Figure> {
            Ok(pair((a, &upper), (b, &lower), &SpectrogramConfig::default())?)
        })
        .register_fn(
            "spectrogram_pair",
            |a: &str, upper: Dynamic, b: &str, lower: Dynamic, options: Map| -> Outcome<Figure> {
                Ok(pair((a, &upper), (b, &lower), &convert::options(&options)?)?)
            },
        )
        .register_fn("waveform", |sound: Dynamic| -> Outcome<Figure> {
            let sound = Sound::of(&sound)?;
            Ok(plot::waveform(&sound.samples, sound.sample_rate).map_err(Fault::from)?)
        });
}

fn spectrogram(sound: &Dynamic, config: &SpectrogramConfig) -> Result<Figure, Fault> {
    let sound = Sound::of(sound)?;
    Ok(plot::spectrogram(&levels(&sound, config)?, &sound.name)?)
}

fn pair(upper: (&str, &Dynamic), lower: (&str, &Dynamic), config: &SpectrogramConfig) -> Result<Figure, Fault> {
    let data = |sound: &Dynamic| levels(&Sound::of(sound)?, config);
    Ok(plot::spectrogram_pair((upper.0, &data(upper.1)?), (lower.0, &data(lower.1)?))?)
}

/// Below this, in dB, sound is silence.
const FLOOR_DB: f32 = -140.0;

fn levels(sound: &Sound, config: &SpectrogramConfig) -> Result<SpectrogramData, Fault> {
    let (frames, bins) = (1 + sound.samples.len() / config.hop, config.mels.max(config.fft_size / 2 + 1));
    if frames.saturating_mul(bins) > MOST_LEVELS {
        return Err(Fault::new(format!("a spectrogram of {frames} frames × {bins} bins is too large to compute"))
            .with_hint("a longer hop, a smaller fft_size, or a piece of the sound: sound.slice(0, 10)"));
    }
    let stft_config = StftConfig { sample_rate: sound.sample_rate, fft_size: config.fft_size, hop: config.hop };
    let spectrum = stft(&sound.samples, &stft_config)?;
    let max_hz = f64::from(sound.sample_rate) / 2.0;
    let seconds = sound.seconds();
    if config.mels == 0 {
        let (frames, bins) = (spectrum.frames, spectrum.bins);
        let axis = FrequencyAxis::Linear { max_hz };
        return Ok(SpectrogramData { frames, bins, db: to_db(&spectrum.power, FLOOR_DB), seconds, axis });
    }
    let bands = mel(&spectrum, config.mels, 0.0, max_hz)?;
    let axis = FrequencyAxis::Bands { centres_hz: bands.centres };
    Ok(SpectrogramData { frames: bands.frames, bins: bands.n_mels, db: to_db(&bands.power, FLOOR_DB), seconds, axis })
}

fn theme(name: &str) -> Result<Theme, Fault> {
    match name {
        "paper" => Ok(Theme::Paper),
        "dark" => Ok(Theme::Dark),
        _ => Err(Fault::new(format!("unknown theme `{name}`")).with_hint("\"paper\" or \"dark\"")),
    }
}
