//! What can be done with sounds. Takes can do it too: [`register_methods`] is called for both.

use std::path::Path;
use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, Map};

use super::options::{DecodeConfig, RATE, ReadConfig, SpectrumConfig, TokenConfig};
use super::sound::{LONGEST, Sound, samples_in, too_long};
use crate::audio::{MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, SampleFormat, sine};
use crate::metrics::Frame;
use crate::options::OptionError;
use crate::script::bind::generate::TakeValue;
use crate::script::bind::{Outcome, fits_array, real};
use crate::script::context::Context;
use crate::script::convert::{self, a_type};
use crate::script::fault::Fault;

/// A value that is, or holds, a sound.
pub(in crate::script::bind) trait Sounding: Clone + 'static {
    /// The sound.
    fn as_sound(&self) -> Sound;
}

impl Sounding for Sound {
    fn as_sound(&self) -> Sound {
        self.clone()
    }
}

pub(super) fn register(engine: &mut Engine, context: &Rc<Context>) {
    reading(engine, context);
    making(engine);
    engine
        .register_type_with_name::<Sound>("Sound")
        .register_get("seconds", |sound: &mut Sound| sound.seconds())
        .register_get("name", |sound: &mut Sound| sound.name.clone())
        .register_fn("save", |sound: &mut Sound, path: &str| -> Outcome<String> {
            Ok(save(sound, path, SampleFormat::Pcm16)?)
        })
        .register_fn("save", |sound: &mut Sound, path: &str, format: &str| -> Outcome<String> {
            Ok(save(sound, path, wav_format(format)?)?)
        })
        .register_fn("tokens", |sound: &mut Sound| -> Outcome<Array> { Ok(tokens(sound, &TokenConfig::default())?) })
        .register_fn("to_string", |sound: &mut Sound| sound.describe())
        .register_fn("to_debug", |sound: &mut Sound| sound.describe_with_wave());
    register_methods::<Sound>(engine, context);
    register_sum::<Sound, Sound>(engine);
    register_sum::<Sound, TakeValue>(engine);
    register_sum::<TakeValue, Sound>(engine);
    register_sum::<TakeValue, TakeValue>(engine);
}

fn reading(engine: &mut Engine, context: &Rc<Context>) {
    let shared = Rc::clone(context);
    engine.register_fn("audio", move |path: &str| -> Outcome<Sound> {
        shared.finish(Sound::read(&shared, path, &ReadConfig::default()))
    });
    let shared = Rc::clone(context);
    engine.register_fn("audio", move |path: &str, rate: i64| -> Outcome<Sound> {
        let config = ReadConfig { rate: Some(hertz(rate)?), ..ReadConfig::default() };
        shared.finish(Sound::read(&shared, path, &config))
    });
    let shared = Rc::clone(context);
    engine.register_fn("audio", move |path: &str, options: Map| -> Outcome<Sound> {
        let config = convert::options(&options)?;
        shared.finish(Sound::read(&shared, path, &config))
    });
}

/// Amplitude of a test tone: half of full scale, -6 dB, so that it neither clips nor startles.
const TONE: f64 = 0.5;

fn making(engine: &mut Engine) {
    engine
        .register_fn("silence", |seconds: Dynamic| -> Outcome<Sound> { Ok(silence(&seconds, i64::from(RATE))?) })
        .register_fn("silence", |seconds: Dynamic, rate: i64| -> Outcome<Sound> { Ok(silence(&seconds, rate)?) })
        .register_fn("tone", |hz: Dynamic, seconds: Dynamic| -> Outcome<Sound> {
            Ok(tone(&hz, &seconds, i64::from(RATE))?)
        })
        .register_fn("tone", |hz: Dynamic, seconds: Dynamic, rate: i64| -> Outcome<Sound> {
            Ok(tone(&hz, &seconds, rate)?)
        })
        .register_fn("from_tokens", |tokens: Array| -> Outcome<Sound> {
            Ok(from_tokens(&tokens, &DecodeConfig::default())?)
        })
        .register_fn("from_tokens", |tokens: Array, options: Map| -> Outcome<Sound> {
            Ok(from_tokens(&tokens, &convert::options(&options)?)?)
        });
}

/// The methods that sounds and takes share.
pub(in crate::script::bind) fn register_methods<S: Sounding>(engine: &mut Engine, context: &Rc<Context>) {
    engine
        .register_get("sample_rate", |value: &mut S| i64::from(value.as_sound().sample_rate))
        .register_get("channels", |value: &mut S| whole(value.as_sound().channels.len()))
        .register_get("peak", |value: &mut S| f64::from(value.as_sound().peak()))
        .register_get("peak_db", |value: &mut S| value.as_sound().peak_db())
        .register_get("rms", |value: &mut S| value.as_sound().rms())
        .register_get("samples", |value: &mut S| -> Outcome<Array> {
            let sound = value.as_sound();
            fits_array(sound.samples.len(), "the sound")?;
            Ok(sound.samples.iter().map(|&sample| Dynamic::from(f64::from(sample))).collect())
        })
        .register_fn("mono", |value: &mut S| value.as_sound().mixed())
        .register_fn("slice", |value: &mut S, from: Dynamic| -> Outcome<Sound> {
            Ok(value.as_sound().slice(real(&from, "the start")?, None)?)
        })
        .register_fn("slice", |value: &mut S, from: Dynamic, to: Dynamic| -> Outcome<Sound> {
            Ok(value.as_sound().slice(real(&from, "the start")?, Some(real(&to, "the end")?))?)
        })
        .register_fn("fade", |value: &mut S, both: Dynamic| -> Outcome<Sound> {
            let both = real(&both, "the fade")?;
            Ok(value.as_sound().faded(both, both)?)
        })
        .register_fn("fade", |value: &mut S, rise: Dynamic, fall: Dynamic| -> Outcome<Sound> {
            Ok(value.as_sound().faded(real(&rise, "the rise")?, real(&fall, "the fall")?)?)
        })
        .register_fn("normalise", |value: &mut S| -> Outcome<Sound> { Ok(value.as_sound().normalised(1.0)?) })
        .register_fn("normalise", |value: &mut S, peak: Dynamic| -> Outcome<Sound> {
            Ok(value.as_sound().normalised(real(&peak, "the peak")?)?)
        })
        .register_fn("tokens", |value: &mut S, options: Map| -> Outcome<Array> {
            Ok(tokens(&value.as_sound(), &convert::options(&options)?)?)
        });
    long_methods::<S>(engine, context);
    register_gain::<S>(engine);
}

/// Those that may take a while.
fn long_methods<S: Sounding>(engine: &mut Engine, context: &Rc<Context>) {
    let shared = Rc::clone(context);
    engine.register_fn("resample", move |value: &mut S, rate: i64| -> Outcome<Sound> {
        let outcome = hertz(rate).and_then(|rate| value.as_sound().resampled(rate, &shared.interrupt));
        shared.finish(outcome)
    });
    let shared = Rc::clone(context);
    engine.register_fn("spectrum", move |value: &mut S| -> Outcome<Frame> {
        shared.finish(value.as_sound().spectrum(&SpectrumConfig::default(), &shared.interrupt))
    });
    let shared = Rc::clone(context);
    engine.register_fn("spectrum", move |value: &mut S, options: Map| -> Outcome<Frame> {
        let config = convert::options(&options)?;
        shared.finish(value.as_sound().spectrum(&config, &shared.interrupt))
    });
    let shared = Rc::clone(context);
    engine.register_fn("play", move |value: &mut S| -> Outcome<()> { shared.finish(value.as_sound().play(&shared)) });
}

fn register_sum<A: Sounding, B: Sounding>(engine: &mut Engine) {
    engine.register_fn("+", |one: A, next: B| -> Outcome<Sound> { Ok(one.as_sound().joined(&next.as_sound())?) });
}

fn register_gain<S: Sounding>(engine: &mut Engine) {
    #[expect(clippy::cast_precision_loss, reason = "Rhai itself widens so")]
    let widened = |gain: i64| gain as f64;
    engine
        .register_fn("*", |value: S, gain: f64| -> Outcome<Sound> { Ok(value.as_sound().amplified(gain)?) })
        .register_fn("*", |gain: f64, value: S| -> Outcome<Sound> { Ok(value.as_sound().amplified(gain)?) })
        .register_fn("*", move |value: S, gain: i64| -> Outcome<Sound> {
            Ok(value.as_sound().amplified(widened(gain))?)
        })
        .register_fn("*", move |gain: i64, value: S| -> Outcome<Sound> {
            Ok(value.as_sound().amplified(widened(gain))?)
        });
}

fn tokens(sound: &Sound, config: &TokenConfig) -> Result<Array, Fault> {
    fits_array(sound.len(), "the sound")?;
    Ok(sound.tokens(config).into_iter().map(|token| Dynamic::from(i64::from(token))).collect())
}

fn from_tokens(tokens: &Array, config: &DecodeConfig) -> Result<Sound, Fault> {
    let levels = 1_i64 << config.bits;
    let token = |(at, found): (usize, &Dynamic)| {
        let token = found
            .as_int()
            .map_err(|kind| Fault::new(format!("token {at} is {}, but must be an integer", a_type(kind))))?;
        match u16::try_from(token) {
            Ok(token) if i64::from(token) < levels => Ok(token),
            _ => Err(Fault::new(format!(
                "token {at} is {token}, but {} bits have the levels 0 to {}",
                config.bits,
                levels - 1
            ))
            .with_hint("bits: 16 has the most levels")),
        }
    };
    if tokens.is_empty() {
        return Err(Fault::new("no tokens, and so no sound").with_hint("sound.tokens() gives an array of them"));
    }
    let tokens = tokens.iter().enumerate().map(token).collect::<Result<Vec<_>, Fault>>()?;
    Ok(Sound::from_tokens(&tokens, config))
}

fn silence(seconds: &Dynamic, rate: i64) -> Result<Sound, Fault> {
    let (samples, rate) = length(seconds, rate)?;
    Ok(Sound::mono("silence", vec![0.0; samples], rate))
}

fn tone(hz: &Dynamic, seconds: &Dynamic, rate: i64) -> Result<Sound, Fault> {
    let hz = real(hz, "the frequency")?;
    let (samples, rate) = length(seconds, rate)?;
    let highest = f64::from(rate) / 2.0;
    if !(hz > 0.0 && hz < highest) {
        return Err(Fault::new(format!(
            "a tone of {hz} Hz was asked for, but {rate} samples a second hold 0 to {highest} Hz"
        ))
        .with_hint("a higher sample rate holds higher tones: tone(hz, seconds, rate)"));
    }
    Ok(Sound::mono(format!("{hz} Hz"), sine(hz, TONE, samples, rate), rate))
}

/// Samples of a sound that is made, and its rate.
fn length(seconds: &Dynamic, rate: i64) -> Result<(usize, u32), Fault> {
    let (seconds, rate) = (real(seconds, "the duration")?, hertz(rate)?);
    if !(MIN_SAMPLE_RATE..=MAX_SAMPLE_RATE).contains(&rate) {
        let range = format!("between {MIN_SAMPLE_RATE} and {MAX_SAMPLE_RATE} Hz");
        return Err(OptionError::value("sample_rate", rate, &range).into());
    }
    let samples = samples_in(seconds, rate);
    if samples == 0 || samples > LONGEST {
        return Err(Fault::new(format!(
            "a sound of {seconds} s was asked for, but it must be longer than 0, and not endless"
        ))
        .with_hint(too_long()));
    }
    Ok((samples, rate))
}

fn hertz(rate: i64) -> Result<u32, Fault> {
    u32::try_from(rate)
        .map_err(|_| Fault::new(format!("a sample rate of {rate} Hz was asked for, but it must be above 0")))
}

fn save(sound: &Sound, path: &str, format: SampleFormat) -> Result<String, Fault> {
    sound.save(Path::new(path), format)?;
    Ok(path.to_owned())
}

/// The format that a script names.
pub(in crate::script::bind) fn wav_format(name: &str) -> Result<SampleFormat, Fault> {
    match name {
        "pcm16" => Ok(SampleFormat::Pcm16),
        "float" => Ok(SampleFormat::Float32),
        _ => Err(Fault::new(format!("unknown WAV format `{name}`")).with_hint("\"pcm16\" or \"float\"")),
    }
}

/// A count as Rhai's integer.
fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
