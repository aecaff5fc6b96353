//! What there is to say about takes.

use crate::generate::{GenerateConfig, QualityConfig};
use crate::options::Options;
use crate::script::docs::Doc;

/// Takes for examples.
macro_rules! takes {
    ($rest:literal) => {
        concat!("let takes = generate(load_model(run_folder), #{ length: 16, samples: 2 });\n", $rest)
    };
}

/// A take for examples.
macro_rules! take {
    ($rest:literal) => {
        concat!("let take = generate(load_model(run_folder), #{ length: 16 })[0];\n", $rest)
    };
}

/// What a take can do because it holds a sound.
const fn as_sound(name: &'static str, signature: &'static str, example: &'static str) -> Doc {
    Doc { name, of: "Take", signature, about: "As of a Sound, of the take's sound.", options: None, example }
}

pub(super) const DOCS: &[Doc] = &[
    Doc {
        name: "generate",
        of: "",
        signature: "generate(model | run[, #{ … }]) -> Takes",
        about: "Draws sound from a trained model, one sample at a time; of a run, its best weights. The likeliest take \
                comes first. Several takes are drawn side by side, which costs little more than one.",
        options: Some(GenerateConfig::fields),
        example: "let takes = generate(load_model(run_folder), #{ seconds: 0.01, samples: 2, seed: 7 });\n\
                  takes[0].save(out + \"/take.wav\");\n\
                  let wilder = generate(load_model(run_folder), #{ seconds: 0.01, temperature: linear(0.9, 1.1), min_p: 0.02 });\n\
                  let best = generate(load_model(run_folder), #{ seconds: 0.01, samples: 5, retry: 2, keep: #{ drop_low: 0.4 } });\n\
                  generate(load_model(run_folder), #{ seconds: 0.01, save_state: out + \"/take.state\" });\n\
                  let more = generate(load_model(run_folder), #{ seconds: 0.01, state: out + \"/take.state\" });",
    },
    Doc {
        name: "table",
        of: "Takes",
        signature: "takes.table() -> Frame",
        about: "A row for each take: stream, seconds, log-likelihood in nats, bits per token, entropy in bits per token, how often \
                its end was drawn again, and how and when (in seconds after the prompt) it fails, if it does.",
        options: None,
        example: takes!("print(takes.table().sort(\"bits_per_token\"));"),
    },
    Doc {
        name: "quality",
        of: "Takes",
        signature: "takes.quality([#{ … }]) -> Frame",
        about: "The takes second by second, without their prompts: `take.quality()` of each, under its stream. `plot(takes)` draws it.",
        options: Some(QualityConfig::fields),
        example: takes!("print(takes.quality().sort(\"rms\").head(3));"),
    },
    Doc {
        name: "plot",
        of: "",
        signature: "plot(takes) -> Figure",
        about: "How takes hold up: level, flatness, onsets, entropy and bits per token of each second, a line for each take.",
        options: None,
        example: takes!("plot(takes).save(out + \"/takes.png\");"),
    },
    Doc {
        name: "len",
        of: "Takes",
        signature: "takes.len() -> integer",
        about: "How many takes there are. `takes[i]` is one, and `for take in takes` goes through them.",
        options: None,
        example: takes!("print(takes.len());\nfor take in takes { print(take.bits_per_token) }"),
    },
    Doc {
        name: "save",
        of: "Takes",
        signature: "takes.save(folder) -> array of text",
        about: "Writes every take as `take-<stream>.wav`, and returns the paths.",
        options: None,
        example: takes!("print(takes.save(out));"),
    },
    Doc {
        name: "save",
        of: "Take",
        signature: "take.save(path[, \"float\"]) -> Take",
        about: "Writes a 16-bit WAV file, or with \"float\" a 32-bit float one, making its folder where needed.",
        options: None,
        example: take!("take.save(out + \"/take.wav\");"),
    },
    Doc {
        name: "sound",
        of: "Take",
        signature: "take.sound -> Sound",
        about: "The take as a Sound. What a sound can do, a take can do too, joining by + and * among it.",
        options: None,
        example: take!("print((take + silence(0.01) + take.sound).seconds);"),
    },
    Doc {
        name: "play",
        of: "Take",
        signature: "take.play()",
        about: "Plays it, as `sound.play()`.",
        options: None,
        example: take!("try { take.play() } catch (fault) { print(fault.message) }"),
    },
    Doc {
        name: "tokens",
        of: "Take",
        signature: "take.tokens([#{ … }]) -> array of integer",
        about: "The prompt's and the drawn tokens as the model has them; with options, those of the sound, as `sound.tokens`.",
        options: None,
        example: take!("print(take.tokens());"),
    },
    as_sound("sample_rate", "take.sample_rate -> integer", take!("print(take.sample_rate);")),
    as_sound("channels", "take.channels -> integer", take!("print(take.channels);")),
    as_sound("samples", "take.samples -> array of real", take!("print(take.samples.len());")),
    as_sound("peak", "take.peak -> real", take!("print(take.peak);")),
    as_sound("peak_db", "take.peak_db -> real", take!("print(take.peak_db);")),
    as_sound("rms", "take.rms -> real", take!("print(take.rms);")),
    as_sound("mono", "take.mono() -> Sound", take!("print(take.mono());")),
    as_sound("slice", "take.slice(from[, to]) -> Sound", take!("print(take.slice(0.0005));")),
    as_sound("resample", "take.resample(sample_rate) -> Sound", take!("print(take.resample(8000));")),
    as_sound("fade", "take.fade(seconds[, seconds]) -> Sound", take!("print(take.fade(0.0001));")),
    as_sound("normalise", "take.normalise([peak]) -> Sound", take!("print(take.normalise());")),
    as_sound("spectrum", "take.spectrum([#{ … }]) -> Frame", take!("print(take.spectrum(#{ fft_size: 8 }));")),
    Doc {
        name: "log_likelihood",
        of: "Take",
        signature: "take.log_likelihood -> real",
        about: "Of what was drawn, under the model's own distribution, in nats.",
        options: None,
        example: take!("print(take.log_likelihood);"),
    },
    Doc {
        name: "bits_per_token",
        of: "Take",
        signature: "take.bits_per_token -> real",
        about: "What each drawn token cost the model on average.",
        options: None,
        example: take!("print(take.bits_per_token);"),
    },
    Doc {
        name: "stream",
        of: "Take",
        signature: "take.stream -> integer",
        about: "Its number in the batch: the same sound, whatever the batch size.",
        options: None,
        example: take!("print(take.stream);"),
    },
    Doc {
        name: "seconds",
        of: "Take",
        signature: "take.seconds -> real",
        about: "The duration.",
        options: None,
        example: take!("print(take.seconds);"),
    },
    Doc {
        name: "quality",
        of: "Take",
        signature: "take.quality([#{ … }]) -> Frame",
        about: "The take second by second, without its prompt: `second` at which it begins, `rms` and `rms_db` of the samples less \
                their mean, `flatness` of the spectrum (0 a tone, 0.56 white noise), `onset_rate` in onsets a second, \
                `entropy_bits` and `bits_per_token` of the model, `log_likelihood` in nats a token, and the `failure` that the \
                whole second is: silence or runaway (loud noise).",
        options: Some(QualityConfig::fields),
        example: take!("print(take.quality(#{ silence_db: -50 }));"),
    },
    Doc {
        name: "time_to_failure",
        of: "Take",
        signature: "take.time_to_failure -> real or ()",
        about: "Seconds after the prompt until it is silent, or noise, for a second; () where it never is.",
        options: None,
        example: take!("if take.time_to_failure != () { print(take.time_to_failure) }"),
    },
    Doc {
        name: "failure",
        of: "Take",
        signature: "take.failure -> text or ()",
        about: "How it fails first: \"silence\" or \"runaway\"; () where it does not.",
        options: None,
        example: take!("print(take.failure == ());"),
    },
];
