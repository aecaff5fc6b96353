//! Generation against the golden cases, a slow twin, and its own promises.

use crate::support::{Case, Precision};
use proptest::prelude::*;
use rand::Rng;
use tch::{Device, Kind, Tensor};
use wasabi::audio::{Quantizer, Scaling};
use wasabi::generate::{
    Chunks, Distribution, Drawing, GenerateConfig, GenerateError, Keep, LibtorchSteps, Session, Sound, Start,
    StepLogits, Take, generate, generate_on_device,
};
use wasabi::interrupt::Interrupt;
use wasabi::model::{Model, Pass, SashimiConfig};
use wasabi::options;
use wasabi::schedule::Varying;
use wasabi::seed::Seed;

/// Stored logits played back, whatever is fed; remembers what was.
struct Script {
    batch: usize,
    levels: usize,
    /// For each position `(batch, levels)`.
    logits: Vec<Vec<f32>>,
    fed: Vec<Vec<u16>>,
}

impl Script {
    /// From a golden tensor `(batch, positions, levels)`.
    fn golden(case: &Case, name: &str) -> Self {
        let golden = case.tensor(name);
        let [batch, positions, levels] =
            golden.shape[..].try_into().map(|s: [i64; 3]| s.map(|n| n as usize)).expect("3 axes");
        let row = |stream: usize, t: usize| &golden.values[(stream * positions + t) * levels..][..levels];
        let logits = (0..positions)
            .map(|t| (0..batch).flat_map(|stream| row(stream, t).iter().map(|&logit| logit as f32)).collect())
            .collect();
        Self { batch, levels, logits, fed: Vec::new() }
    }
}

impl StepLogits for Script {
    fn batch(&self) -> usize {
        self.batch
    }
    fn levels(&self) -> usize {
        self.levels
    }
    fn reset(&mut self) -> Result<(), GenerateError> {
        self.fed.clear();
        Ok(())
    }
    fn step(&mut self, tokens: &[u16]) -> Result<&[f32], GenerateError> {
        self.fed.push(tokens.to_vec());
        Ok(&self.logits[self.fed.len() - 1])
    }
}

/// A recurrence whose logits depend on everything fed to a stream and on nothing else.
struct Chain {
    states: Vec<u64>,
    logits: Vec<f32>,
    /// At which position stream 1 turns to NaN.
    breaks_at: Option<usize>,
    steps: usize,
}

const LEVELS: usize = 256;

impl Chain {
    fn new(batch: usize) -> Self {
        Self { states: vec![0; batch], logits: vec![0.0; batch * LEVELS], breaks_at: None, steps: 0 }
    }
}

impl StepLogits for Chain {
    fn batch(&self) -> usize {
        self.states.len()
    }
    fn levels(&self) -> usize {
        LEVELS
    }
    fn reset(&mut self) -> Result<(), GenerateError> {
        self.states.fill(0);
        self.steps = 0;
        Ok(())
    }
    fn step(&mut self, tokens: &[u16]) -> Result<&[f32], GenerateError> {
        for (stream, &token) in tokens.iter().enumerate() {
            let state = Seed(self.states[stream]).derive("chain", u64::from(token));
            self.states[stream] = state;
            for (level, logit) in self.logits[stream * LEVELS..][..LEVELS].iter_mut().enumerate() {
                *logit = 3.0 * ((state % 1009) as f32 * 0.1 + level as f32 * 0.37).sin();
            }
        }
        if self.breaks_at == Some(self.steps) {
            self.logits[LEVELS + 7] = f32::NAN;
        }
        self.steps += 1;
        Ok(&self.logits)
    }
}

fn sound() -> Sound {
    Sound { quantizer: Quantizer::MuLaw { bits: 8 }, scaling: Scaling::MinMax, sample_rate: 16_000 }
}

fn config(batch: usize, samples: usize) -> GenerateConfig {
    GenerateConfig { samples: batch, length: Some(samples), ..GenerateConfig::default() }
}

fn takes(config: &GenerateConfig, prompt: &[u16]) -> Vec<Take> {
    generate(&mut Chain::new(config.samples), config, &sound(), prompt, &Interrupt::default(), &mut |_, _| {})
        .expect("a chain generates")
}

fn column(case: &Case, name: &str, position: usize) -> Vec<u16> {
    let golden = case.tensor(name);
    golden.values.chunks_exact(golden.shape[1] as usize).map(|row| row[position] as u16).collect()
}

fn distribution(logits: &[f32]) -> Distribution {
    let mut distribution = Distribution::new(logits.len());
    assert!(distribution.set(logits), "finite logits");
    distribution
}

#[test]
fn sampling_topp_temperature_draws_from_the_golden_probabilities() {
    for case in Case::all(&["sampling_topp_temperature"]) {
        let logits: Vec<f32> = case.tensor("logits").values.iter().map(|&logit| logit as f32).collect();
        let levels = case.hyper("V").as_u64().expect("V") as usize;
        for top_p in case.hyper("top_p").as_array().expect("top_p") {
            for tau in case.hyper("tau").as_array().expect("tau") {
                let drawing = Drawing {
                    top_p: top_p.as_f64().expect("a number"),
                    temperature: tau.as_f64().expect("a number"),
                    ..Drawing::default()
                };
                let mut distribution = Distribution::new(levels);
                let mut found = Vec::new();
                for row in logits.chunks_exact(levels) {
                    assert!(distribution.set(row));
                    distribution.shape(&drawing);
                    found.extend(distribution.probabilities());
                }
                let name = format!("p{top_p}.tau{tau}");
                case.check(&format!("{name}.probs"), &found, Precision::Double);
                if case.has(&format!("{name}.removed")) {
                    let removed: Vec<f64> = found.iter().map(|&p| f64::from(u8::from(p == 0.0))).collect();
                    case.check_within(&format!("{name}.removed"), &removed, 0.0);
                }
            }
        }
    }
}

#[test]
fn sampling_loglik_accounting_counts_what_the_reference_counts() {
    for case in Case::all(&["sampling_loglik_accounting"]) {
        let positions = case.hyper("T").as_u64().expect("T") as usize;
        for l_prefix in case.hyper("l_prefix").as_array().expect("l_prefix") {
            let prompt = l_prefix.as_u64().expect("a count").saturating_sub(1) as usize;
            let mut script = Script::golden(&case, "logits");
            let mut session = Session::new(&mut script, Drawing::default(), Seed(0), 128).expect("256 levels");
            for t in 0..positions {
                if t < prompt {
                    session.absorb(&column(&case, "x", t + 1)).expect("a prompt token");
                } else {
                    session.force(&column(&case, "sampled", t)).expect("a drawn token");
                }
            }
            let name = |tensor: &str| format!("prefix{l_prefix}.{tensor}");
            case.check(&name("logprob"), session.log_likelihood(), Precision::Double);
            case.check(&name("entropy"), session.entropy(), Precision::Double);
            for t in 0..positions {
                assert_eq!(script.fed[t], column(&case, &name("inputs"), t), "{l_prefix}: fed at {t}");
            }
        }
    }
}

#[test]
fn a_prompt_is_fed_through_the_step_and_kept_at_the_front() {
    let prompt = [3, 200, 17];
    let takes = takes(&config(2, 5), &prompt);
    for take in &takes {
        assert_eq!(take.tokens.len(), 8);
        assert_eq!(&take.tokens[..3], &prompt);
        assert_eq!(take.drawn().len(), 5);
        let mut chain = Chain::new(1);
        let mut session = Session::new(&mut chain, Drawing::default(), Seed(0), 128).expect("256 levels");
        for (t, &token) in take.tokens.iter().enumerate() {
            if t < 3 { session.absorb(&[token]) } else { session.force(&[token]) }.expect("a token below 256");
        }
        assert_eq!(session.log_likelihood()[0], take.log_likelihood);
        assert_eq!(session.entropy()[0], take.entropy);
    }
}

#[test]
fn stream_i_is_the_same_whatever_the_batch() {
    let unsorted = |batch| {
        takes(&GenerateConfig { sort: false, temperature: 0.8.into(), top_p: 0.95.into(), ..config(batch, 40) }, &[])
    };
    let (one, three, eight) = (unsorted(1), unsorted(3), unsorted(8));
    assert_eq!(one[..], eight[..1]);
    assert_eq!(three[..], eight[..3]);
    assert_ne!(eight[0].tokens, eight[1].tokens);
}

#[test]
fn a_seed_decides_every_draw() {
    let seeded = |seed| takes(&GenerateConfig { seed, ..config(2, 40) }, &[]);
    assert_eq!(seeded(5), seeded(5));
    assert_ne!(seeded(5), seeded(6));
}

#[test]
fn any_draw_can_be_repeated_alone() {
    let take = &takes(&GenerateConfig { sort: false, seed: 9, ..config(3, 20) }, &[1, 2])[2];
    let mut chain = Chain::new(1);
    let mut fed = 128;
    for (t, &token) in take.tokens.iter().enumerate() {
        let logits = chain.step(&[fed]).expect("a chain steps").to_vec();
        if t >= 2 {
            let u = Seed(9).stream("generate/2", t as u64).random();
            assert_eq!(distribution(&logits).draw(u), token, "position {t}");
        }
        fed = token;
    }
}

#[test]
fn draws_follow_the_probabilities() {
    let logits: Vec<f32> = (0..16).map(|level| (level as f32 * 0.9).sin() * 2.0).collect();
    let mut distribution = distribution(&logits);
    distribution.shape(&Drawing { temperature: 0.7, top_k: 9, ..Drawing::default() });
    let draws = 40_000;
    let mut counts = [0.0; 16];
    for t in 0..draws {
        counts[usize::from(distribution.draw(Seed(1).stream("frequency", t).random()))] += 1.0;
    }
    for (token, p) in distribution.probabilities().enumerate() {
        let expected = p * draws as f64;
        // Five standard deviations of a binomial count: one honest seed in a hundred thousand would fail.
        let allowed = 5.0 * (expected * (1.0 - p)).sqrt();
        assert!((counts[token] - expected).abs() <= allowed, "token {token}: {} of {expected}", counts[token]);
    }
}

#[test]
fn the_ends_of_the_unit_interval_draw_tokens_that_can_be_drawn() {
    let mut distribution = distribution(&[f32::NEG_INFINITY, 0.0, 1.0, f32::NEG_INFINITY]);
    distribution.shape(&Drawing::default());
    assert_eq!(distribution.draw(0.0), 1);
    assert_eq!(distribution.draw(1.0 - f64::EPSILON / 2.0), 2);
}

#[test]
fn temperature_zero_takes_the_most_probable_and_of_equals_the_lowest() {
    let mut distribution = distribution(&[0.0, 2.0, 1.0, 2.0]);
    distribution.shape(&Drawing { temperature: 0.0, ..Drawing::default() });
    assert_eq!(distribution.probabilities().collect::<Vec<_>>(), [0.0, 1.0, 0.0, 0.0]);
    assert_eq!(distribution.draw(0.999), 1);
    // The likelihood is the model's, not that of a certain draw.
    let e = std::f64::consts::E;
    let expected = (e * e / (1.0 + e + 2.0 * e * e)).ln();
    assert!((distribution.log_probability(1) - expected).abs() < 1e-15);
}

#[test]
fn uniform_logits_over_256_levels_cost_eight_bits_a_token() {
    let mut script = Script { batch: 1, levels: 256, logits: vec![vec![0.25; 256]; 30], fed: Vec::new() };
    let take = generate(&mut script, &config(1, 30), &sound(), &[], &Interrupt::default(), &mut |_, _| {})
        .expect("uniform logits")
        .remove(0);
    assert!((take.bits_per_token() - 8.0).abs() < 1e-12, "{}", take.bits_per_token());
}

/// The masks as their definition reads: sort everything, look at the sum of all before.
fn slow_mask(logits: &[f32], top_k: usize, top_p: f64, min_p: f64) -> Vec<bool> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f64> = logits.iter().map(|&logit| (f64::from(logit) - f64::from(largest)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a])); // stable: the lower of equals first
    let mut kept = vec![false; logits.len()];
    let mut before = 0.0;
    for (rank, &token) in order.iter().enumerate() {
        let probable = weights[token] / sum >= min_p * weights[order[0]] / sum;
        kept[token] = probable && (top_p == 1.0 || before <= top_p) && (top_k == 0 || rank < top_k);
        before += weights[token] / sum;
    }
    kept
}

proptest! {
    #[test]
    fn the_partly_sorted_masks_equal_the_fully_sorted_ones(
        rows in prop::collection::vec(prop::collection::vec(prop_oneof![-9.0..9.0_f32, Just(1.0_f32), Just(8.0_f32)], 150), 3),
        top_k in prop_oneof![Just(0_usize), 1..200_usize],
        top_p in prop_oneof![Just(1.0), 1e-6..1.0],
        min_p in prop_oneof![Just(0.0), Just(1.0), 1e-6..1.0],
        temperature in 0.2..3.0,
    ) {
        let mut distribution = Distribution::new(150);
        for row in &rows { // one after another, as the order of one row is where the next starts from
            prop_assert!(distribution.set(row));
            distribution.shape(&Drawing { temperature, top_k, top_p, min_p });
            let kept: Vec<bool> = distribution.probabilities().map(|p| p > 0.0).collect();
            prop_assert_eq!(kept, slow_mask(row, top_k, top_p, min_p));
            prop_assert!((distribution.probabilities().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }
}

#[test]
fn a_schedule_shapes_each_draw_by_the_samples_drawn_before_it() {
    let schedule = |text: &str| serde_json::from_str::<Varying>(text).expect("the test's own JSON");
    let changing = GenerateConfig {
        temperature: schedule(r#"{"kind": "stairs", "points": [[0, 0], [10, 1.5]]}"#),
        top_k: schedule(r#"{"kind": "linear", "from": 1, "to": 201}"#), // over the whole take: 200 samples
        min_p: 0.01.into(),
        ..config(2, 200)
    };
    let prompt = [7, 8, 9, 10, 11];
    let found = takes(&GenerateConfig { sort: false, ..changing.clone() }, &prompt);
    let mut chain = Chain::new(2);
    let mut session = Session::new(&mut chain, Drawing::default(), Seed(0), 128).expect("256 levels");
    session.absorb_all(&prompt).expect("a prompt");
    for drawn in 0..200_usize {
        let temperature = if drawn < 10 { 0.0 } else { 1.5 };
        session.set_drawing(Drawing { temperature, top_k: 1 + drawn, top_p: 1.0, min_p: 0.01 }).expect("a drawing");
        let settled = session.draw().expect("a draw").to_vec();
        assert_eq!(settled, [0, 1].map(|stream: usize| found[stream].drawn()[drawn]), "sample {drawn}");
    }
    let constant = takes(&GenerateConfig { sort: false, temperature: 1.5.into(), ..changing }, &prompt);
    assert_ne!(constant[0].tokens, found[0].tokens);
}

#[test]
fn chunks_put_together_are_the_take() {
    let (sound, stop) = (sound(), Interrupt::default());
    let config = GenerateConfig { temperature: 0.9.into(), seed: 3, ..config(1, 95) };
    let whole = &takes(&config, &[1, 2, 3])[0];
    let start = Start { prompt: &[1, 2, 3], state: None };
    let mut chain = Chain::new(1);
    let mut chunks = Chunks::new(&mut chain, &config, &sound, start, 20, &stop).expect("one take");
    assert_eq!((chunks.samples(), chunks.is_begun()), (95, false));
    let (mut tokens, mut wave, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
    for chunk in &mut chunks {
        let chunk = chunk.expect("a chain generates");
        sizes.push(chunk.tokens.len());
        tokens.extend(chunk.tokens);
        wave.extend(chunk.wave);
    }
    assert_eq!(sizes, [20, 20, 20, 20, 15]);
    assert_eq!((&tokens[..], &wave[..]), (whole.drawn(), &whole.wave[3..]));
    assert_eq!(chunks.finish().expect("a take").as_ref(), Some(whole));

    let mut chain = Chain::new(1);
    let mut chunks = Chunks::new(&mut chain, &config, &sound, start, 20, &stop).expect("one take");
    assert!(chunks.next().is_some());
    stop.set();
    assert!(chunks.next().is_none(), "an interrupted stream ends");
    assert_eq!(chunks.finish().expect("a take").expect("one").tokens, whole.tokens[..23]);
    let two = GenerateConfig { samples: 2, ..config };
    let refused = Chunks::new(&mut chain, &two, &sound, start, 20, &stop).map(drop).expect_err("two takes in one pipe");
    assert!(matches!(refused, GenerateError::ManyTakes(2)), "{refused}");
}

#[test]
fn what_was_drawn_before_the_logits_cease_to_be_numbers_is_kept() {
    let mut chain = Chain { breaks_at: Some(50), ..Chain::new(3) };
    let takes = generate(&mut chain, &config(3, 90), &sound(), &[1], &Interrupt::default(), &mut |_, _| {});
    let takes = takes.expect("what there is");
    assert!(takes.iter().all(|take| take.tokens.len() == 50 && take.wave.len() == 50 && take.seconds[0].samples == 49));
    let reason = takes[0].stopped.as_deref().expect("a reason");
    assert_eq!(reason, "the logits of stream 1 at position 50 are not finite numbers");
}

#[test]
fn the_filter_drops_the_least_likely_and_the_likeliest() {
    let all = takes(&config(20, 30), &[]);
    let keep = |drop_low, drop_high| {
        let config = GenerateConfig { keep: Some(Keep { drop_low, drop_high }), ..config(20, 30) };
        takes(&config, &[])
    };
    assert_eq!(keep(0.4, 0.05), all[1..12]);
    assert_eq!(keep(0.0, 0.0), all);
    assert_eq!(keep(0.99, 0.0).len(), 1);
    assert_eq!(Keep { drop_low: 0.3, drop_high: 0.6 }.ranks(1), 0..1, "one take is never dropped");
}

#[test]
fn takes_come_likeliest_first() {
    let sorted = takes(&config(12, 30), &[]);
    assert!(sorted.windows(2).all(|pair| pair[0].log_likelihood >= pair[1].log_likelihood));
    assert!(sorted.windows(2).any(|pair| pair[0].stream > pair[1].stream), "already in order: the test proves nothing");
    let mut streams: Vec<usize> = sorted.iter().map(|take| take.stream).collect();
    streams.sort_unstable();
    assert_eq!(streams, (0..12).collect::<Vec<_>>());
}

#[test]
fn equally_likely_takes_stay_in_the_order_of_their_streams() {
    let takes = takes(&GenerateConfig { temperature: 0.0.into(), ..config(5, 10) }, &[]);
    assert_eq!(takes.iter().map(|take| take.stream).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

#[test]
fn a_take_sounds_like_its_tokens() {
    let take = &takes(&config(1, 50), &[128, 129])[0];
    assert_eq!(take.wave, sound().quantizer.decode(&take.tokens));
}

#[test]
fn an_interrupt_returns_what_was_generated() {
    let interrupt = Interrupt::default();
    let asked = interrupt.clone();
    let mut seen = Vec::new();
    let mut progress = |done, total| {
        seen.push((done, total));
        if done == 6 {
            asked.set();
        }
    };
    let takes = generate(&mut Chain::new(2), &config(2, 1000), &sound(), &[5, 6], &interrupt, &mut progress)
        .expect("an interrupt is no error");
    assert!(takes.iter().all(|take| take.tokens.len() == 6 && take.drawn().len() == 4 && take.wave.len() == 6));
    assert_eq!(seen, (1..=6).map(|done| (done, 1002)).collect::<Vec<_>>());
}

#[test]
fn an_interrupt_within_the_prompt_returns_that_much_of_it() {
    let interrupt = Interrupt::default();
    let asked = interrupt.clone();
    let takes = generate(&mut Chain::new(1), &config(1, 9), &sound(), &[5, 6, 7], &interrupt, &mut |_, _| asked.set())
        .expect("an interrupt is no error");
    assert_eq!((&takes[0].tokens[..], takes[0].drawn(), takes[0].log_likelihood), (&[5][..], &[][..], 0.0));
}

#[test]
fn logits_that_are_not_finite_name_stream_and_position() {
    let mut chain = Chain { breaks_at: Some(1), ..Chain::new(3) };
    let error = generate(&mut chain, &config(3, 9), &sound(), &[1], &Interrupt::default(), &mut |_, _| {})
        .expect_err("NaN is no distribution");
    assert!(matches!(error, GenerateError::NotFinite { stream: 1, position: 1 }), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("wasabi verify")));
    for logits in [[f32::INFINITY, 0.0], [f32::NEG_INFINITY; 2], [0.0, f32::NAN]] {
        assert!(!Distribution::new(2).set(&logits), "{logits:?}");
    }
}

#[test]
fn an_engine_made_for_something_else_is_refused() {
    let run = |batch, quantizer, prompt: &[u16]| {
        let sound = Sound { quantizer, ..sound() };
        generate(&mut Chain::new(2), &config(batch, 4), &sound, prompt, &Interrupt::default(), &mut |_, _| {})
            .expect_err("refused")
            .to_string()
    };
    let bytes = Quantizer::MuLaw { bits: 8 };
    assert_eq!(run(3, bytes, &[]), "the engine steps 2 streams, but 3 were asked for");
    assert_eq!(run(2, Quantizer::Linear { bits: 4 }, &[]), "the model has 256 levels, but the quantizer has 16");
    assert_eq!(run(2, bytes, &[0, 256]), "token 256 at position 1 is outside the model's 256 levels");
}

#[test]
fn an_option_outside_its_range_is_refused_by_name() {
    for (settings, message) in [
        (r#"{"temperature": -0.5}"#, "`temperature` is -0.5, but must be a finite number of at least 0"),
        (r#"{"top_p": 0}"#, "`top_p` is 0, but must be above 0 and at most 1"),
        (r#"{"top_p": 1.5}"#, "`top_p` is 1.5, but must be above 0 and at most 1"),
        (r#"{"seconds": 0}"#, "`seconds` is 0, but must be a finite number of seconds above 0"),
        (r#"{"length": 0}"#, "`length` is 0, but must be at least 1"),
        (r#"{"samples": 0}"#, "`samples` is 0, but must be 1 to 4096 takes"),
        (r#"{"samples": 4097}"#, "`samples` is 4097, but must be 1 to 4096 takes"),
        (
            r#"{"samples": 2, "length": 536870913}"#,
            "`length` is 536870913, but must be at most 2^30 samples over all takes",
        ),
        (r#"{"prompt": "a.wav", "prefix": -1}"#, "`prefix` is -1, but must be a finite number of seconds above 0"),
        (r#"{"prefix": 1}"#, "`prefix` is 1, but there is no `prompt`"),
        (r#"{"min_p": 1.5}"#, "`min_p` is 1.5, but must be at least 0 and at most 1"),
        (r#"{"top_k": -1}"#, "`top_k` is -1, but must be a whole number of at least 0"),
        (r#"{"top_k": 1.5}"#, "`top_k` is 1.5, but must be a whole number of at least 0"),
        (
            r#"{"top_p": {"kind": "linear", "from": 1, "to": 0}}"#,
            "the schedule of `top_p` comes to 0, but must stay above 0 and at most 1",
        ),
        (
            r#"{"temperature": {"kind": "piecewise", "points": []}}"#,
            "`temperature`: a piecewise schedule needs at least one point, but has none",
        ),
        (r#"{"retry": 101}"#, "`retry` is 101, but must be 0 to 100"),
        (
            r#"{"keep": {"drop_low": 0.5, "drop_high": 0.5}}"#,
            "`keep` is #{ drop_low: 0.5, drop_high: 0.5 }, but must be two shares from 0 to below 1, together below 1",
        ),
    ] {
        let settings = serde_json::from_str(settings).expect("the test's own JSON");
        let error = options::parse::<GenerateConfig>(&settings).expect_err(message);
        assert_eq!(error.to_string(), message);
    }
    for (settings, key) in
        [(r#"{"keep": {"low": 1}}"#, "keep"), (r#"{"samples": 1.5}"#, "samples"), (r#"{"seconds": "4"}"#, "seconds")]
    {
        let settings = serde_json::from_str(settings).expect("the test's own JSON");
        assert_eq!(options::parse::<GenerateConfig>(&settings).expect_err(key).key, key);
    }
    let nan = |change: fn(&mut GenerateConfig)| {
        let mut config = config(2, 4);
        change(&mut config);
        generate(&mut Chain::new(2), &config, &sound(), &[], &Interrupt::default(), &mut |_, _| {})
            .expect_err("NaN")
            .to_string()
    };
    assert!(nan(|config| config.temperature = f64::NAN.into()).starts_with("`temperature` is NaN"));
    assert!(nan(|config| config.top_p = f64::NAN.into()).starts_with("`top_p` is NaN"));
    assert!(nan(|config| config.seconds = f64::NAN).starts_with("`seconds` is NaN"));
}

#[test]
fn a_session_refuses_a_drawing_out_of_range_and_keeps_the_former() {
    let mut chain = Chain::new(1);
    let wrong = Drawing { top_p: 0.0, ..Drawing::default() };
    assert!(Session::new(&mut chain, wrong, Seed(0), 128).is_err());
    let mut session =
        Session::new(&mut chain, Drawing { temperature: 0.0, ..Drawing::default() }, Seed(0), 128).expect("greedy");
    assert!(session.set_drawing(wrong).is_err());
    let first = session.draw().expect("a draw")[0];
    let logits = Chain::new(1).step(&[128]).expect("a chain steps").to_vec();
    assert!(logits.iter().all(|&logit| logit <= logits[usize::from(first)]), "not the most probable token");
}

#[test]
fn lengths_are_counted_in_samples_of_the_sound() {
    let seconds = |seconds| GenerateConfig { seconds, ..GenerateConfig::default() }.tokens(16_000);
    assert_eq!(seconds(0.5), Ok(8_000));
    assert_eq!(config(1, 77).tokens(16_000), Ok(77));
    assert_eq!(
        seconds(1e-6).expect_err("none").to_string(),
        "`seconds` is 0.000001 at 16000 Hz, but must be at least one sample"
    );
    assert_eq!(seconds(1e12).expect_err("too long").key, "seconds");
    assert_eq!(config(1 << 20, 1 << 20).tokens(16_000).expect_err("too many").key, "length");
}

/// A second of a rising tone at 16 kHz, as a file.
fn tone(folder: &tempfile::TempDir) -> (std::path::PathBuf, Vec<f32>) {
    let samples: Vec<f32> = (0..16_000).map(|t| (t as f32 * (0.05 + t as f32 * 1e-6)).sin() * 0.4).collect();
    let path = folder.path().join("tone.wav");
    wasabi::audio::write_wav(&path, &samples, 16_000, wasabi::audio::SampleFormat::Float32)
        .expect("a wav in a fresh folder");
    (path, samples)
}

#[test]
fn a_prompt_is_the_beginning_of_its_file_scaled_as_one_window() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, samples) = tone(&folder);
    let expected = |count: usize| sound().quantizer.encode(&samples[..count], Scaling::MinMax);
    assert_eq!(sound().prompt(&path, Some(0.25)).expect("a quarter"), expected(4_000));
    assert_eq!(sound().prompt(&path, None).expect("all"), expected(16_000));
}

#[test]
fn a_prompt_that_cannot_be_had_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, _) = tone(&folder);
    let refused = |path: &std::path::Path, seconds| sound().prompt(path, seconds).expect_err("refused");
    let error = refused(&path, Some(1.5));
    assert_eq!(
        error.to_string(),
        format!("the prompt {} is 1.000 s long, but 1.5 s of it were asked for", path.display())
    );
    assert!(error.hint().is_some_and(|hint| hint.contains("up to 1.000")));
    assert!(matches!(refused(&path, Some(1e-6)), GenerateError::PromptLength { .. }));
    let absent = folder.path().join("absent.wav");
    assert!(refused(&absent, None).to_string().contains("absent.wav"));
    let empty = folder.path().join("empty.wav");
    wasabi::audio::write_wav(&empty, &[], 16_000, wasabi::audio::SampleFormat::Pcm16).expect("a wav in a fresh folder");
    assert!(refused(&empty, None).to_string().contains("empty.wav"));
}

/// The model of the case `model_tiny`, with its weights.
fn tiny() -> Model {
    let case = Case::load("model_tiny");
    let options = SashimiConfig { d_model: 8, n_layers: 1, d_state: 16, ..SashimiConfig::default() };
    let model = Model::new(&options.spec(), 256, Seed(0), Device::Cpu, Kind::Float).expect("a tiny model");
    let weights: Vec<(String, Tensor)> = case
        .tensors
        .iter()
        .filter_map(|(name, golden)| {
            let tensor = Tensor::from_slice(&golden.values).reshape(&golden.shape);
            let kind = if golden.integer { Kind::Int64 } else { Kind::Float };
            Some((name.strip_prefix("sd.")?.to_owned(), tensor.to_kind(kind)))
        })
        .collect();
    model.load_state_dict(&weights).expect("the weights of the case");
    model
}

#[test]
fn sampling_tiny_model_forced_has_the_golden_likelihood() {
    let case = Case::load("sampling_tiny_model_forced");
    let positions = case.hyper("T").as_u64().expect("T") as usize;
    let batch = case.hyper("batch").as_u64().expect("batch") as usize;
    let model = tiny();
    let mut engine = LibtorchSteps::new(&model, batch).expect("an engine");
    let mut logits = vec![Vec::new(); batch];
    let mut fed = vec![128; batch];
    for t in 0..positions {
        for (stream, row) in engine.step(&fed).expect("a step").chunks_exact(256).enumerate() {
            logits[stream].extend(row.iter().map(|&logit| f64::from(logit)));
        }
        fed = column(&case, "tokens", t);
    }
    case.check("logits", &logits.concat(), Precision::Single);
    // The same engine again, now not fresh: a session starts from silence whatever came before.
    let mut session = Session::new(&mut engine, Drawing::default(), Seed(0), 128).expect("256 levels");
    for t in 0..positions {
        session.force(&column(&case, "tokens", t)).expect("a token below 256");
    }
    case.check("logprob", session.log_likelihood(), Precision::Single);
    case.check("entropy", session.entropy(), Precision::Single);
}

#[test]
fn a_model_draws_the_same_stream_in_any_batch() {
    let model = tiny();
    let drawn = |batch: usize| {
        let mut engine = LibtorchSteps::new(&model, batch).expect("an engine");
        let config = GenerateConfig { sort: false, ..config(batch, 50) };
        generate(&mut engine, &config, &sound(), &[100, 140], &Interrupt::default(), &mut |_, _| {}).expect("takes")
    };
    let (one, four) = (drawn(1), drawn(4));
    assert_eq!(one[0].tokens, four[0].tokens);
    // Matrix products of other shapes may round differently: the likelihood is equal to float32, not to the bit.
    assert!((one[0].log_likelihood - four[0].log_likelihood).abs() < 1e-3);
}

#[test]
fn a_take_is_as_likely_as_the_parallel_form_says() {
    let model = tiny().to_kind(Kind::Double).expect("float64");
    let prompt: Vec<u16> = (0..14).map(|t| 120 + t).collect();
    let mut engine = LibtorchSteps::new(&model, 2).expect("an engine");
    let takes =
        generate(&mut engine, &config(2, 50), &sound(), &prompt, &Interrupt::default(), &mut |_, _| {}).expect("takes");
    for take in takes {
        let tokens: Vec<i64> = take.tokens.iter().map(|&token| i64::from(token)).collect();
        let inputs = Tensor::from_slice(&[&[128][..], &tokens[..63]].concat()).unsqueeze(0);
        let log_p = model.forward(&inputs, &mut Pass::eval()).expect("64 divides by 16").log_softmax(-1, None);
        let each = log_p.gather(-1, &Tensor::from_slice(&tokens).reshape([1, 64, 1]), false);
        let expected = each.narrow(1, 14, 50).sum(None).double_value(&[]);
        // The engine hands its logits over in float32: 50 roundings of 1e-7 of numbers up to 3.
        assert!((take.log_likelihood - expected).abs() < 2e-5, "{} and {expected}", take.log_likelihood);
    }
}

#[test]
fn draws_made_on_the_device_are_those_of_the_host() {
    let (model, sound) = (tiny(), sound());
    let schedule =
        serde_json::from_str::<Varying>(r#"{"kind": "linear", "from": 0.2, "to": 1.4}"#).expect("a schedule");
    let prompt = [7, 200, 31];
    for config in [
        GenerateConfig::default(),
        GenerateConfig { temperature: 0.0.into(), ..GenerateConfig::default() },
        GenerateConfig { top_p: 0.8.into(), temperature: schedule, ..GenerateConfig::default() },
        GenerateConfig { top_k: 5.0.into(), min_p: 0.05.into(), top_p: 0.95.into(), ..GenerateConfig::default() },
    ] {
        let config = GenerateConfig { samples: 3, length: Some(150), seed: 8, ..config };
        let start = Start { prompt: &prompt, state: None };
        let stop = Interrupt::default();
        let mut seen = Vec::new();
        let mut progress = |done, total| seen.push((done, total));
        let found = generate_on_device(&model, &config, &sound, start, &stop, &mut progress).expect("takes");
        assert_eq!(seen, [(3, 153), (67, 153), (131, 153), (153, 153)]);
        let mut steps = LibtorchSteps::new(&model, 3).expect("a stepper");
        let exact = generate(&mut steps, &config, &sound, &prompt, &stop, &mut |_, _| {}).expect("takes");
        for (found, exact) in found.iter().zip(&exact) {
            assert_eq!((found.stream, &found.tokens), (exact.stream, &exact.tokens), "{config:?}");
            assert!((found.log_likelihood - exact.log_likelihood).abs() < 1e-9 * exact.log_likelihood.abs().max(1.0));
            assert!((found.entropy - exact.entropy).abs() < 1e-9 * exact.entropy.abs().max(1.0));
        }
    }
    {
        let _no_grad = tch::no_grad_guard();
        let _ = model.params().list[0].tensor.shallow_clone().fill_(f64::NAN);
    }
    let config = GenerateConfig { length: Some(9), ..GenerateConfig::default() };
    let ended = generate_on_device(&model, &config, &sound, Start::default(), &Interrupt::default(), &mut |_, _| {});
    match ended {
        Err(error) => assert!(matches!(error, GenerateError::NotFinite { .. }), "{error}"),
        Ok(takes) => assert!(takes[0].stopped.is_some() && takes[0].tokens.len() < 9, "{takes:?}"),
    }
}

#[test]
fn a_model_that_looks_ahead_cannot_generate() {
    let options =
        SashimiConfig { d_model: 4, n_layers: 1, d_state: 4, bidirectional: true, ..SashimiConfig::default() };
    let model = Model::new(&options.spec(), 256, Seed(0), Device::Cpu, Kind::Float).expect("a tiny model");
    let error = LibtorchSteps::new(&model, 1).expect_err("not causal");
    assert!(error.to_string().contains("looks ahead"), "{error}");
    assert!(error.hint().is_some());
}
