//! What there is to say about the Step and the Validation that callbacks are handed.

use crate::script::docs::Doc;

/// A training that an example steers: small enough to be over at once.
macro_rules! trained {
    ($option:literal, $function:literal) => {
        concat!(
            "let net = isotropic(#{ d_model: 4, n_layers: 1, d_state: 4 });\n",
            "train(net, music, #{ steps: 2, batch: 1, eval_windows: 1, out: out + \"/run\",\n    ",
            $option,
            ": |",
            $function,
            " });"
        )
    };
}

/// A property or method of a step.
const fn of_step(name: &'static str, signature: &'static str, about: &'static str, example: &'static str) -> Doc {
    Doc { name, of: "Step", signature, about, options: None, example }
}

/// A property or method of a validation.
const fn of_eval(name: &'static str, signature: &'static str, about: &'static str, example: &'static str) -> Doc {
    Doc { name, of: "Validation", signature, about, options: None, example }
}

/// What a Step has.
pub(super) const STEP: &[Doc] = &[
    of_step("step", "s.step -> integer", "Updates done, this one included.", trained!("on_step", "s| print(s.step)")),
    of_step(
        "total",
        "s.total -> integer",
        "Updates in all.",
        trained!("on_step", "s| print(`${s.step} of ${s.total}`)"),
    ),
    of_step(
        "epoch",
        "s.epoch -> real",
        "Passes over the training windows done.",
        trained!("on_step", "s| print(s.epoch)"),
    ),
    of_step("tokens", "s.tokens -> integer", "Tokens trained on so far.", trained!("on_step", "s| print(s.tokens)")),
    of_step(
        "loss",
        "s.loss -> real",
        "Cross-entropy of this update's windows before the update, in nats per token.",
        trained!("on_step", "s| if s.loss < 1 { s.stop() }"),
    ),
    of_step(
        "bits_per_byte",
        "s.bits_per_byte -> real",
        "The same in bits per byte.",
        trained!("on_step", "s| print(s.bits_per_byte)"),
    ),
    of_step(
        "accuracy",
        "s.accuracy -> real",
        "Share of this update's tokens that the model thought the likeliest, 0 to 1; () where `accuracy_every` left it out.",
        trained!("on_step", "s| print(s.accuracy)"),
    ),
    of_step(
        "lr",
        "s.lr -> real",
        "The learning rate. Assigned to, it is the rate of the next update, from where the schedule goes on in proportion; \
         the state spaces' rate is multiplied alike. A run that is resumed keeps it.",
        trained!("on_step", "s| if s.step == 1 { s.lr = 0.001 }"),
    ),
    of_step(
        "grad_norm",
        "s.grad_norm -> real",
        "Norm of the gradient before clipping.",
        trained!("on_step", "s| if s.grad_norm > 100 { print(s) }"),
    ),
    of_step(
        "dropout",
        "s.dropout -> real",
        "Dropout in every block, where it is scheduled; () otherwise.",
        trained!("dropout: linear(0, 0.2), on_step", "s| print(s.dropout)"),
    ),
    of_step(
        "window",
        "s.window -> integer",
        "Tokens of a training window, where they are scheduled; () otherwise.",
        trained!("window: linear(64, 512), on_step", "s| print(s.window)"),
    ),
    of_step(
        "samples_per_second",
        "s.samples_per_second -> real",
        "Tokens (audio samples) trained on in a second of wall time.",
        trained!("on_step", "s| print(s.samples_per_second)"),
    ),
    of_step(
        "wall_seconds",
        "s.wall_seconds -> real",
        "Training time so far, in seconds, over all sittings.",
        trained!("on_step", "s| print(s.wall_seconds)"),
    ),
    of_step(
        "run_folder",
        "s.run_folder -> text",
        "The folder of the run.",
        trained!("on_step", "s| if s.step == 2 { print(read_frame(s.run_folder)) }"),
    ),
    of_step(
        "stop",
        "s.stop([reason])",
        "Ends the run after this step, validated and saved. The reason is kept with it, and it can be resumed.",
        trained!("on_step", "s| if s.loss < 9 { s.stop(\"good enough\") }"),
    ),
    of_step(
        "scale_lr",
        "s.scale_lr(factor)",
        "Multiplies every learning rate from the next update on; the schedule goes on below it. A run that is resumed keeps \
         it.",
        trained!("on_step", "s| if s.step == 1 { s.scale_lr(0.5) }"),
    ),
    of_step(
        "log",
        "s.log(name, value)",
        "Adds a column to this step's row of the metrics: a number, text or bool.",
        trained!("on_step", "s| s.log(\"log_lr\", log(s.lr, 10.0))"),
    ),
];

/// What a Validation has.
pub(super) const VALIDATION: &[Doc] = &[
    of_eval("step", "e.step -> integer", "Updates done.", trained!("on_eval", "e| print(e.step)")),
    of_eval(
        "total",
        "e.total -> integer",
        "Updates in all.",
        trained!("on_eval", "e| print(`${e.step} of ${e.total}`)"),
    ),
    of_eval(
        "epoch",
        "e.epoch -> real",
        "Passes over the training windows done.",
        trained!("on_eval", "e| print(e.epoch)"),
    ),
    of_eval("tokens", "e.tokens -> integer", "Tokens trained on so far.", trained!("on_eval", "e| print(e.tokens)")),
    of_eval(
        "bits_per_byte",
        "e.bits_per_byte -> real",
        "Cross-entropy on the validation windows, in bits per byte. An evaluation's other figures are here too: nll, accuracy, \
         accuracy_at_3, accuracy_at_5, accuracy_at_10, uniform, unigram, markov, below_markov.",
        trained!("on_eval", "e| if e.bits_per_byte < e.markov { e.stop(\"below Markov\") }"),
    ),
    of_eval("nll", "e.nll -> real", "The same in nats per token.", trained!("on_eval", "e| print(e.nll)")),
    of_eval(
        "accuracy",
        "e.accuracy -> real",
        "Share of tokens that the model thought the likeliest, 0 to 1.",
        trained!("on_eval", "e| print(e.accuracy)"),
    ),
    of_eval(
        "accuracy_at_3",
        "e.accuracy_at_3 -> real",
        "Share of tokens among the 3 likeliest, 0 to 1.",
        trained!("on_eval", "e| print(e.accuracy_at_3)"),
    ),
    of_eval(
        "accuracy_at_5",
        "e.accuracy_at_5 -> real",
        "Share of tokens among the 5 likeliest, 0 to 1.",
        trained!("on_eval", "e| print(e.accuracy_at_5)"),
    ),
    of_eval(
        "accuracy_at_10",
        "e.accuracy_at_10 -> real",
        "Share of tokens among the 10 likeliest, 0 to 1.",
        trained!("on_eval", "e| print(e.accuracy_at_10)"),
    ),
    of_eval(
        "uniform",
        "e.uniform -> real",
        "Bits per byte of a guess that knows nothing, on the same windows.",
        trained!("on_eval", "e| print(e.uniform)"),
    ),
    of_eval(
        "unigram",
        "e.unigram -> real",
        "Bits per byte of a guess by how frequent each token is, on the same windows.",
        trained!("on_eval", "e| print(e.unigram)"),
    ),
    of_eval(
        "markov",
        "e.markov -> real",
        "Bits per byte of a guess from the token before, on the same windows.",
        trained!("on_eval", "e| print(e.markov)"),
    ),
    of_eval(
        "below_markov",
        "e.below_markov -> real",
        "How many bits per byte the model is below the Markov baseline; negative when it is above.",
        trained!("on_eval", "e| e.log(\"below_markov\", e.below_markov)"),
    ),
    of_eval(
        "best",
        "e.best -> bool",
        "Whether this is the best validation of the run so far.",
        trained!("on_eval", "e| if e.best { print(e) }"),
    ),
    of_eval(
        "evaluation",
        "e.evaluation -> Evaluation",
        "The validation as what `evaluate` returns, with its tables.",
        trained!("on_eval", "e| print(e.evaluation.clips())"),
    ),
    of_eval(
        "model",
        "e.model -> Model",
        "A copy of the weights as they stand, to draw from or to look into; training does not notice what is done with it.",
        trained!("on_eval", "e| generate(e.model, #{ length: 8, samples: 1 }).save(out + \"/heard\")"),
    ),
    of_eval(
        "frame",
        "e.frame() -> Frame",
        "The metrics so far, this validation included.",
        trained!("on_eval", "e| print(e.frame().tail(1))"),
    ),
    of_eval(
        "lr",
        "e.lr -> real",
        "The learning rate of the update before. Assigned to, it is the rate of the next update, from where the schedule goes \
         on in proportion. A run that is resumed keeps it.",
        trained!("on_eval", "e| if e.bits_per_byte < 4 { e.lr = 0.001 }"),
    ),
    of_eval(
        "wall_seconds",
        "e.wall_seconds -> real",
        "Training time so far, in seconds, over all sittings.",
        trained!("on_eval", "e| print(e.wall_seconds)"),
    ),
    of_eval(
        "run_folder",
        "e.run_folder -> text",
        "The folder of the run.",
        trained!("on_eval", "e| print(e.run_folder + \"/figures\")"),
    ),
    of_eval(
        "stop",
        "e.stop([reason])",
        "Ends the run, saved. The reason is kept with it, and it can be resumed.",
        trained!("on_eval", "e| if !e.best { e.stop(\"no better\") }"),
    ),
    of_eval(
        "scale_lr",
        "e.scale_lr(factor)",
        "Multiplies every learning rate from the next update on; the schedule goes on below it. A run that is resumed keeps \
         it.",
        trained!("on_eval", "e| if !e.best { e.scale_lr(0.5) }"),
    ),
    of_eval(
        "log",
        "e.log(name, value)",
        "Adds a column to this validation's row of the metrics: a number, text or bool.",
        trained!("on_eval", "e| e.log(\"good\", e.best)"),
    ),
];
