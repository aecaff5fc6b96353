//! What a script author reads about sounds.

use super::options::{DecodeConfig, ReadConfig, SpectrumConfig, TokenConfig};
use crate::options::{Field, Options};
use crate::script::docs::Doc;

/// An entry.
const fn doc(
    of: &'static str,
    name: &'static str,
    signature: &'static str,
    about: &'static str,
    options: Option<fn() -> &'static [Field]>,
    example: &'static str,
) -> Doc {
    Doc { name, of, signature, about, options, example }
}

pub(super) const DOCS: &[Doc] = &[
    doc(
        "",
        "audio",
        "audio(path[, rate | #{ … }]) -> Sound",
        "A WAV or FLAC file, mixed down to mono and resampled to 16000 Hz or the given rate. `#{ rate: (), mono: false }` \
         keeps it as it was recorded. Sounds are joined by + and made louder by *: `(intro + verse) * 0.5`.",
        Some(ReadConfig::fields),
        "let piece = audio(\"data/bigband_005.flac\").slice(10, 14);\n\
         print(audio(\"data/bigband_005.flac\", #{ rate: (), mono: false }).channels);",
    ),
    doc(
        "",
        "silence",
        "silence(seconds[, sample_rate]) -> Sound",
        "Silence, at 16000 Hz or the given rate.",
        None,
        "let gap = tone(440, 0.2) + silence(0.1) + tone(550, 0.2);",
    ),
    doc(
        "",
        "tone",
        "tone(hz, seconds[, sample_rate]) -> Sound",
        "A sine at half of full scale (-6 dB), at 16000 Hz or the given rate.",
        None,
        "print(tone(440, 0.5).fade(0.05));",
    ),
    doc(
        "",
        "from_tokens",
        "from_tokens([token, …][, #{ … }]) -> Sound",
        "Tokens as sound: the opposite of `sound.tokens`, at the amplitude that the tokens stand for.",
        Some(DecodeConfig::fields),
        "let piece = tone(440, 0.1);\nprint(from_tokens(piece.tokens(), #{ sample_rate: piece.sample_rate }).seconds);",
    ),
    doc("Sound", "name", "sound.name -> text", "The file that it is from.", None, "print(tone(440, 0.1).name);"),
    doc("Sound", "seconds", "sound.seconds -> real", "The duration.", None, "print(tone(440, 0.1).seconds);"),
    doc(
        "Sound",
        "sample_rate",
        "sound.sample_rate -> integer",
        "Samples a second, in Hz.",
        None,
        "print(tone(440, 0.1, 44100).sample_rate);",
    ),
    doc(
        "Sound",
        "channels",
        "sound.channels -> integer",
        "How many channels there are: 1 unless it was read with `mono: false`.",
        None,
        "print(tone(440, 0.1).channels);",
    ),
    doc(
        "Sound",
        "samples",
        "sound.samples -> array of real",
        "The samples as reals, ±1 being full scale; of several channels, their average.",
        None,
        "print(tone(440, 0.1).samples.len());",
    ),
    doc(
        "Sound",
        "peak",
        "sound.peak -> real",
        "The largest magnitude; 1 is full scale.",
        None,
        "print(tone(440, 0.1).peak);   // 0.5",
    ),
    doc(
        "Sound",
        "peak_db",
        "sound.peak_db -> real",
        "The largest magnitude in dB; full scale is 0, silence minus infinity.",
        None,
        "print(fixed(tone(440, 0.1).peak_db, 1));   // -6.0",
    ),
    doc(
        "Sound",
        "rms",
        "sound.rms -> real",
        "The root of the mean square; a sine of full scale has 0.707.",
        None,
        "print(fixed((tone(440, 0.1) * 2).rms, 3));   // 0.707",
    ),
    doc(
        "Sound",
        "mono",
        "sound.mono() -> Sound",
        "The channels averaged into one, with equal weights.",
        None,
        "let mixed = audio(\"data/bigband_005.flac\", #{ mono: false }).mono();",
    ),
    doc(
        "Sound",
        "slice",
        "sound.slice(from[, to]) -> Sound",
        "The part between two times, in seconds; without the second, to the end.",
        None,
        "let bar = audio(\"data/bigband_005.flac\").slice(10, 12.5);\nprint(bar.slice(2).seconds);",
    ),
    doc(
        "Sound",
        "resample",
        "sound.resample(sample_rate) -> Sound",
        "The same sound at another rate, in Hz.",
        None,
        "let low = audio(\"data/bigband_005.flac\").slice(0, 1).resample(8000);",
    ),
    doc(
        "Sound",
        "fade",
        "sound.fade(seconds[, seconds]) -> Sound",
        "Rising from silence at its beginning and falling to it at its end, in so many seconds; two times are for the one and \
         the other.",
        None,
        "let soft = tone(440, 1).fade(0.01, 0.2);",
    ),
    doc(
        "Sound",
        "normalise",
        "sound.normalise([peak]) -> Sound",
        "The same sound with its largest magnitude at full scale, or at the given peak.",
        None,
        "print(tone(440, 0.1).normalise(0.9).peak);",
    ),
    doc(
        "Sound",
        "tokens",
        "sound.tokens([#{ … }]) -> array of integer",
        "The sound, mixed down, as the integers that a model reads; min-max and peak scaling take all of it as one window.",
        Some(TokenConfig::fields),
        "print(tone(440, 0.001).tokens());\nprint(tone(440, 0.001).tokens(#{ scaling: \"full-scale\", bits: 4 }));",
    ),
    doc(
        "Sound",
        "spectrum",
        "sound.spectrum([#{ … }]) -> Frame",
        "The mean power over the sound at each frequency (columns hz and db), by half overlapping Hann windows. A sine of \
         full scale reads 0 dB.",
        Some(SpectrumConfig::fields),
        "print(tone(1000, 0.5).spectrum(#{ fft_size: 512 }).sort(\"db\", true).head(3));",
    ),
    doc(
        "Sound",
        "save",
        "sound.save(path[, \"float\"]) -> text",
        "Writes a 16-bit WAV file with all channels, or with \"float\" a 32-bit float one, making its folder where needed. \
         Returns the path.",
        None,
        "audio(\"data/bigband_005.flac\").slice(0, 1).save(out + \"/piece.wav\");",
    ),
    doc(
        "Sound",
        "play",
        "sound.play()",
        "Plays it with the machine's own player (pw-play, paplay, aplay, afplay, ffplay, play or mpv; the environment \
         variable WASABI_PLAYER names another). Ctrl-C stops it.",
        None,
        "try { tone(440, 0.01).play() } catch (fault) { print(fault.message) }",
    ),
];
