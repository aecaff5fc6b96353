//! A sound as a script holds it.

use std::path::Path;
use std::rc::Rc;

use rhai::Dynamic;

use super::options::{DecodeConfig, ReadConfig, SpectrumConfig, TokenConfig, quantizer};
use crate::audio::{
    Player, SampleFormat, amplitude_db, decode_until, faded, load_mono_until, mean_spectrum, mix_down, peak,
    resample_until, rms, scaled, write_channels,
};
use crate::interrupt::Interrupt;
use crate::metrics::Frame;
use crate::script::bind::generate::TakeValue;
use crate::script::bind::make_folder;
use crate::script::context::Context;
use crate::script::convert::a_type;
use crate::script::fault::Fault;

/// A piece of sound. Clones share the samples.
#[derive(Debug, Clone)]
pub(crate) struct Sound {
    pub(crate) name: String,
    /// What a model hears, and what figures show: the only channel, or the average of several.
    pub(crate) samples: Rc<[f32]>,
    /// All of one length, and at least one; the only one is `samples` itself.
    pub(crate) channels: Rc<[Rc<[f32]>]>,
    pub(crate) sample_rate: u32,
}

/// The longest sound that a script may make out of nothing or by joining, in samples of a channel: four hours at 16 kHz,
/// which the loops over samples go through in about a second.
pub(super) const LONGEST: usize = 4 * 3600 * 16_000;

/// A name of joined sounds that is longer than this is cut.
const LONGEST_NAME: usize = 40;

impl Sound {
    /// One channel.
    pub(crate) fn mono(name: impl Into<String>, samples: impl Into<Rc<[f32]>>, sample_rate: u32) -> Self {
        Self::new(name.into(), vec![samples.into()], sample_rate)
    }

    fn new(name: String, channels: Vec<Rc<[f32]>>, sample_rate: u32) -> Self {
        let samples = match channels.as_slice() {
            [only] => Rc::clone(only),
            several => mix_down(several).into(),
        };
        Self { name, samples, channels: channels.into(), sample_rate }
    }

    /// What a script may give where sound is asked for: a sound or a take.
    pub(crate) fn of(value: &Dynamic) -> Result<Self, Fault> {
        if let Some(take) = value.clone().try_cast::<TakeValue>() {
            return Ok(take.sound());
        }
        value.clone().try_cast::<Self>().ok_or_else(|| {
            Fault::new(format!("a sound was needed, but {} was found", a_type(value.type_name())))
                .with_hint("audio(path) is one, and so is a take: generate(…)[0]")
        })
    }

    /// A file; what is odd about it is noted.
    pub(super) fn read(context: &Context, path: &str, config: &ReadConfig) -> Result<Self, Fault> {
        let (path, interrupt) = (Path::new(path), &context.interrupt);
        if let (true, Some(rate)) = (config.mono, config.rate) {
            let clip = load_mono_until(path, rate, interrupt)?;
            clip.warnings.iter().for_each(|warning| context.host.note(warning));
            return Ok(Self::mono(clip.name, clip.samples, clip.sample_rate));
        }
        let decoded = decode_until(path, interrupt)?;
        decoded.warnings.iter().for_each(|warning| context.host.note(warning));
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let channels = decoded.wave.channels.into_iter().map(Rc::from).collect();
        let sound = Self::new(name, channels, decoded.wave.sample_rate);
        let sound = if config.mono { sound.mixed() } else { sound };
        match config.rate {
            Some(rate) => sound.resampled(rate, interrupt),
            None => Ok(sound),
        }
    }

    /// Tokens as sound.
    pub(super) fn from_tokens(tokens: &[u16], config: &DecodeConfig) -> Self {
        let quantizer = quantizer(config.quantization, config.bits);
        Self::mono(format!("{} tokens", tokens.len()), quantizer.decode(tokens), config.sample_rate)
    }

    /// The same with each channel changed.
    fn each(&self, change: impl Fn(&[f32]) -> Vec<f32>) -> Self {
        let channels = self.channels.iter().map(|channel| change(channel).into()).collect();
        Self::new(self.name.clone(), channels, self.sample_rate)
    }

    /// Samples of a channel.
    pub(super) fn len(&self) -> usize {
        self.channels.first().map_or(0, |channel| channel.len())
    }

    /// The duration.
    pub(crate) fn seconds(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a count of samples stays far below 2^53")]
        let samples = self.len() as f64;
        samples / f64::from(self.sample_rate)
    }

    /// The largest magnitude of any channel.
    pub(crate) fn peak(&self) -> f32 {
        self.channels.iter().map(|channel| peak(channel)).fold(0.0, f32::max)
    }

    /// The largest magnitude in decibels; silence is minus infinity.
    pub(super) fn peak_db(&self) -> f64 {
        amplitude_db(f64::from(self.peak()))
    }

    /// The root of the mean square over all channels.
    pub(super) fn rms(&self) -> f64 {
        let squares: f64 = self.channels.iter().map(|channel| rms(channel).powi(2)).sum();
        #[expect(clippy::cast_precision_loss, reason = "a count of channels")]
        let count = self.channels.len().max(1) as f64;
        (squares / count).sqrt()
    }

    /// The channels averaged into one.
    pub(super) fn mixed(&self) -> Self {
        Self::mono(self.name.clone(), Rc::clone(&self.samples), self.sample_rate)
    }

    /// The part between two times, in seconds.
    pub(super) fn slice(&self, from: f64, to: Option<f64>) -> Result<Self, Fault> {
        let seconds = self.seconds();
        let end = to.unwrap_or(seconds);
        if !(0.0 <= from && from < end && end <= seconds) {
            let part = match to {
                Some(to) => format!("between {from} s and {to} s"),
                None => format!("from {from} s on"),
            };
            return Err(Fault::new(format!("no sound {part}: `{}` has {seconds:.2} s", self.name))
                .with_hint("give the start and the end in seconds, the start first"));
        }
        let at = |time: f64| samples_in(time, self.sample_rate).min(self.len());
        Ok(self.each(|channel| channel[at(from)..at(end)].to_vec()))
    }

    /// The same at another rate.
    pub(super) fn resampled(&self, rate: u32, interrupt: &Interrupt) -> Result<Self, Fault> {
        let channels = self.channels.iter().map(|channel| resample_until(channel, self.sample_rate, rate, interrupt));
        let channels = channels.map(|channel| channel.map(Rc::from)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self::new(self.name.clone(), channels, rate))
    }

    /// This sound, then the other.
    pub(super) fn joined(&self, other: &Self) -> Result<Self, Fault> {
        let facing = |ours: String, theirs: String| {
            format!("`{}` has {ours} and `{}` {theirs}: they cannot be joined as they are", self.name, other.name)
        };
        if self.sample_rate != other.sample_rate {
            let (ours, theirs) = (format!("{} Hz", self.sample_rate), format!("{} Hz", other.sample_rate));
            return Err(Fault::new(facing(ours, theirs))
                .with_hint(format!("bring one to the other's rate: sound.resample({})", self.sample_rate)));
        }
        let counts = [self, other].map(|sound| sound.channels.len());
        if counts[0] != counts[1] {
            let [ours, theirs] = counts.map(|count| super::plural(count, "channel"));
            return Err(Fault::new(facing(ours, theirs)).with_hint("mix the channels down first: sound.mono()"));
        }
        if self.len().saturating_add(other.len()) > LONGEST {
            return Err(Fault::new("the joined sound would be longer than a script may make one").with_hint(too_long()));
        }
        let both = self.channels.iter().zip(other.channels.iter());
        let channels = both.map(|(one, next)| [&one[..], &next[..]].concat().into()).collect();
        let name = match (&self.name, &other.name) {
            (one, next) if one == next => one.clone(),
            (one, next) if one.chars().count() + next.chars().count() < LONGEST_NAME => format!("{one} + {next}"),
            (one, _) if one.ends_with('…') => one.clone(),
            (one, _) => format!("{one} + …"),
        };
        Ok(Self::new(name, channels, self.sample_rate))
    }

    /// The same times `gain`.
    pub(super) fn amplified(&self, gain: f64) -> Result<Self, Fault> {
        if !gain.is_finite() {
            return Err(Fault::new(format!("a gain is {gain}, but must be a finite number")));
        }
        let louder = self.each(|channel| scaled(channel, gain));
        if !louder.peak().is_finite() {
            return Err(Fault::new(format!("a gain of {gain} makes the sound larger than samples can be")));
        }
        Ok(louder)
    }

    /// The same rising from silence over `rise` and falling to it over `fall`, in seconds.
    pub(super) fn faded(&self, rise: f64, fall: f64) -> Result<Self, Fault> {
        let seconds = self.seconds();
        for (time, what) in [(rise, "rise"), (fall, "fall")] {
            if !(0.0..=seconds).contains(&time) {
                let message = format!("a {what} of {time} s was asked for, but `{}` has {seconds:.2} s", self.name);
                return Err(Fault::new(message).with_hint("0 leaves that end as it is"));
            }
        }
        let (rise, fall) = (samples_in(rise, self.sample_rate), samples_in(fall, self.sample_rate));
        Ok(self.each(|channel| faded(channel, rise, fall)))
    }

    /// The same with its largest magnitude at `peak`; silence stays silence.
    pub(super) fn normalised(&self, peak: f64) -> Result<Self, Fault> {
        if !(peak > 0.0 && peak.is_finite()) {
            return Err(Fault::new(format!("a peak of {peak} was asked for, but it must be above 0"))
                .with_hint("1 is full scale"));
        }
        match f64::from(self.peak()) {
            0.0 => Ok(self.clone()),
            found => self.amplified(peak / found),
        }
    }

    /// The tokens of the mixed-down sound, scaled as one window.
    pub(super) fn tokens(&self, config: &TokenConfig) -> Vec<u16> {
        quantizer(config.quantization, config.bits).encode(&self.samples, config.scaling)
    }

    /// Mean power over frequency of the mixed-down sound, in dB: a sine of full scale reads 0.
    pub(super) fn spectrum(&self, config: &SpectrumConfig, interrupt: &Interrupt) -> Result<Frame, Fault> {
        let spectrum = mean_spectrum(&self.samples, self.sample_rate, config.fft_size, interrupt)?;
        let db = spectrum.power.iter().map(|power| (10.0 * power.log10()).max(config.floor)).collect();
        Ok(Frame::from_numbers([("hz", spectrum.hz), ("db", db)])?)
    }

    /// Writes a WAV file with all channels, making its folder where needed.
    pub(crate) fn save(&self, path: &Path, format: SampleFormat) -> Result<(), Fault> {
        let extension = path.extension().map(|text| text.to_string_lossy().to_ascii_lowercase());
        if let Some(other) = extension.filter(|text| !["wav", "wave"].contains(&text.as_str())) {
            let wav = path.with_extension("wav");
            return Err(Fault::new(format!("sound is written as WAV, but `{}` ends in .{other}", path.display()))
                .with_hint(format!("name it `{}`; ffmpeg turns that into other formats", wav.display())));
        }
        make_folder(path)?;
        Ok(write_channels(path, &self.channels, self.sample_rate, format)?)
    }

    /// Plays it with the machine's own player, and returns when it is over or somebody asks to stop.
    pub(super) fn play(&self, context: &Context) -> Result<(), Fault> {
        /// Shorter sounds are over before a bar could be read.
        const WORTH_A_BAR: f64 = 2.0;
        let player = Player::find()?;
        let folder = tempfile::Builder::new().prefix("wasabi-").tempdir();
        let folder = folder.map_err(|error| Fault::new(format!("cannot make a temporary folder: {error}")))?;
        let path = folder.path().join("sound.wav");
        self.save(&path, SampleFormat::Pcm16)?;
        let seconds = self.seconds();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds of sound, never negative")]
        let total = seconds.ceil() as u64;
        let mut task = (seconds >= WORTH_A_BAR).then(|| context.host.begin("playing", Some(total)));
        let mut shown = None;
        let mut progress = |played: std::time::Duration| {
            let second = played.as_secs().min(total);
            if let (Some(task), true) = (&mut task, shown != Some(second)) {
                task.advance(second, &format!("{} of {seconds:.1} s", second));
                shown = Some(second);
            }
        };
        Ok(player.play(&path, &context.interrupt, &mut progress)?)
    }

    /// The description with its course below: how loud it is from beginning to end.
    pub(crate) fn describe_with_wave(&self) -> String {
        let wave = course(&self.samples);
        if wave.is_empty() { self.describe() } else { format!("{}\n  {wave}", self.describe()) }
    }

    pub(crate) fn describe(&self) -> String {
        let channels = match self.channels.len() {
            1 => String::new(),
            count => format!(", {count} channels"),
        };
        let (seconds, rate, peak) = (self.seconds(), self.sample_rate, self.peak());
        format!("Sound {}: {seconds:.2} s at {rate} Hz{channels}, peak {peak:.3}", self.name)
    }
}

/// The peak of each piece of a sound as a block, full where the whole sound peaks: `▂▅█▆▃`.
fn course(samples: &[f32]) -> String {
    /// Letters of a line.
    const WIDTH: usize = 64;
    const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let peak = |part: &[f32]| part.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    let highest = peak(samples);
    let pieces = samples.chunks(samples.len().div_ceil(WIDTH).max(1));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to the number of blocks")]
    let block = |part: &[f32]| BLOCKS[((peak(part) / highest.max(f32::MIN_POSITIVE) * 8.0).ceil() as usize).min(8)];
    pieces.map(block).collect()
}

/// How many samples a time is, rounded; a time below 0 has none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast stops at the ends")]
pub(super) fn samples_in(seconds: f64, sample_rate: u32) -> usize {
    (seconds * f64::from(sample_rate)).round() as usize
}

/// What to try instead of a sound that is too long.
pub(super) fn too_long() -> String {
    format!("{} million samples are the most", LONGEST / 1_000_000)
}
