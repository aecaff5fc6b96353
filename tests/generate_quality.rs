//! Quality over time: what is measured of known sounds, when takes fail, and takes drawn again.

use rand::Rng;
use wasabi::audio::{Quantizer, Scaling, sine};
use wasabi::generate::{
    Failure, GenerateConfig, GenerateError, QualityConfig, Sound, StepLogits, Take, first_failure, generate, stretch,
};
use wasabi::interrupt::Interrupt;
use wasabi::seed::Seed;

const RATE: u32 = 16_000;

fn noise(samples: usize, amplitude: f32) -> Vec<f32> {
    let mut rng = Seed(1).stream("noise", 0);
    (0..samples).map(|_| amplitude * rng.random_range(-1.0..1.0_f32)).collect()
}

fn whole(wave: &[f32]) -> wasabi::generate::Stretch {
    stretch(wave, 0..wave.len(), RATE).expect("a stretch")
}

#[test]
fn known_sounds_have_the_figures_that_they_should() {
    let tone = whole(&sine(440.0, 0.5, 16_000, RATE));
    assert!((tone.rms - 0.5 / 2.0_f64.sqrt()).abs() < 1e-3 && tone.flatness < 0.01, "{tone:?}");
    let white = whole(&noise(16_000, 0.9));
    // The geometric mean of an exponential variable is e^-γ of its mean.
    assert!((white.flatness - 0.5615).abs() < 0.03 && (white.rms - 0.9 / 3.0_f64.sqrt()).abs() < 0.01, "{white:?}");
    let steady = whole(&vec![0.7; 8000]);
    assert!(steady.rms < 1e-6, "a constant is silent: {steady:?}");
}

#[test]
fn onsets_are_counted() {
    for count in [1, 3, 5, 8] {
        let mut wave = vec![0.0_f32; 16_000];
        for note in 0..count {
            let from = 600 + note * 15_000 / count;
            for (at, sample) in wave[from..].iter_mut().enumerate() {
                let time = at as f32 / 16_000.0;
                *sample +=
                    0.6 * (-30.0 * time).exp() * (std::f32::consts::TAU * 330.0 * (note + 1) as f32 * time).sin();
            }
        }
        assert_eq!(whole(&wave).onset_rate, count as f64, "{count} notes in a second");
    }
    assert_eq!(whole(&sine(440.0, 0.5, 16_000, RATE)[..]).onset_rate, 0.0, "a steady tone");
    assert_eq!(whole(&noise(16_000, 0.5)).onset_rate, 0.0, "steady noise");
}

#[test]
fn failures_are_found_where_they_begin() {
    let failure = |wave: &[f32]| first_failure(wave, RATE, &QualityConfig::default()).expect("a wave");
    let tone = sine(330.0, 0.6, 40_000, RATE); // 2.5 s
    assert_eq!(failure(&tone), None);
    let (kind, at) = failure(&[&tone[..], &vec![0.0; 20_000]].concat()).expect("it dies away");
    assert!(kind == Failure::Silence && (2.5..=2.625).contains(&at), "{kind:?} at {at}");
    let (kind, at) = failure(&[&tone[..], &noise(20_000, 0.8)].concat()).expect("it runs away");
    assert!(kind == Failure::Runaway && (2.5..=2.625).contains(&at), "{kind:?} at {at}");
    let rest = [&tone[..], &vec![0.0; 12_000], &tone].concat();
    assert_eq!(failure(&rest), None, "a rest of three quarters of a second is music");
    assert_eq!(failure(&noise(40_000, 0.02)), None, "soft noise is a brush on a drum");
    let impatient = QualityConfig { window: 0.5, ..QualityConfig::default() };
    let found = first_failure(&rest, RATE, &impatient).expect("a wave");
    assert!(found.is_some_and(|(_, at)| (2.5..=2.5625).contains(&at)), "{found:?}");
}

/// A tone with a rare token after which nothing but silence comes.
struct Fragile {
    steps: Vec<u64>,
    dead: Vec<bool>,
    logits: Vec<f32>,
}

const POISON: u16 = 3;

impl Fragile {
    fn new(batch: usize) -> Self {
        Self { steps: vec![0; batch], dead: vec![false; batch], logits: vec![0.0; batch * 256] }
    }
}

impl StepLogits for Fragile {
    fn batch(&self) -> usize {
        self.steps.len()
    }
    fn levels(&self) -> usize {
        256
    }
    fn reset(&mut self) -> Result<(), GenerateError> {
        self.steps.fill(0);
        self.dead.fill(false);
        Ok(())
    }
    fn step(&mut self, tokens: &[u16]) -> Result<&[f32], GenerateError> {
        for (stream, &token) in tokens.iter().enumerate() {
            self.dead[stream] |= token == POISON;
            let row = &mut self.logits[stream * 256..][..256];
            row.fill(-30.0);
            let phase = self.steps[stream] as f64 * 0.7;
            let target = if self.dead[stream] { 128 } else { (128.0 + 90.0 * phase.sin()) as usize };
            (row[target], row[target + 1]) = (0.0, if self.dead[stream] { -30.0 } else { 0.0 });
            row[usize::from(POISON)] = if self.dead[stream] { -30.0 } else { -7.6 }; // once in 4000 steps
            self.steps[stream] += 1;
        }
        Ok(&self.logits)
    }
    fn another(&self, batch: usize) -> Result<Box<dyn StepLogits + '_>, GenerateError> {
        Ok(Box::new(Self::new(batch)))
    }
}

fn sound() -> Sound {
    Sound { quantizer: Quantizer::MuLaw { bits: 8 }, scaling: Scaling::MinMax, sample_rate: 1000 }
}

fn takes(samples: usize, retry: usize) -> Vec<Take> {
    let config = GenerateConfig { samples, retry, length: Some(8500), sort: false, ..GenerateConfig::default() };
    generate(&mut Fragile::new(samples), &config, &sound(), &[100, 120], &Interrupt::default(), &mut |_, _| {})
        .expect("takes")
}

fn lasts(take: &Take) -> Option<f64> {
    let failure = first_failure(&take.wave[take.prompt..], 1000, &QualityConfig::default()).expect("a wave");
    failure.map(|(kind, seconds)| {
        assert_eq!(kind, Failure::Silence);
        seconds
    })
}

#[test]
fn takes_that_fail_are_drawn_again_from_before_the_failure() {
    let (plain, once, often) = (takes(12, 0), takes(12, 1), takes(12, 60));
    let failing = |takes: &[Take]| takes.iter().filter(|take| lasts(take).is_some()).count();
    assert!(failing(&plain) >= 6, "only {} fail: the test proves little", failing(&plain));
    assert!(failing(&once) < failing(&plain));
    assert_eq!(failing(&often), 0);
    for ((plain, once), often) in plain.iter().zip(&once).zip(&often) {
        match lasts(plain) {
            None => assert_eq!((plain, plain), (once, often), "what does not fail stays"),
            Some(until) => {
                let kept = 2 + 1000 * (until.floor() as usize).saturating_sub(1);
                assert_eq!(plain.tokens[..kept], once.tokens[..kept]);
                assert!(lasts(once).is_none_or(|found| found >= until), "an attempt never makes it worse");
                assert!(often.retries >= 1 && often.tokens.len() == 8502 && often.prompt == 2);
                let drawn: usize = often.seconds.iter().map(|sums| sums.samples).sum();
                assert_eq!((drawn, often.seconds.len()), (8500, 9));
            }
        }
    }
    assert_eq!(often[..3], takes(3, 60), "an attempt does not depend on the batch");
}

#[test]
fn a_take_is_told_second_by_second() {
    let plain = takes(12, 0);
    let failing = plain.iter().find(|take| lasts(take).is_some_and(|until| until < 6.0)).expect("one fails early");
    let until = lasts(failing).expect("it fails");
    let quality = failing.quality(1000, &QualityConfig::default()).expect("a take");
    assert_eq!(quality.seconds.len(), 9);
    assert_eq!(quality.failure, Some((Failure::Silence, until)));
    for second in &quality.seconds {
        let expected = (second.start >= until).then_some(Failure::Silence);
        assert!(second.failure == expected, "{second:?}, failing from {until}");
        // Two equal tokens and a rare one; then one.
        let entropy = if second.start >= until { 0.0 } else { std::f64::consts::LN_2 };
        assert!(
            second.start + 1.0 > until && second.start < until || (second.entropy - entropy).abs() < 0.01,
            "{second:?}"
        );
    }
    let total: f64 = failing.seconds.iter().map(|sums| sums.log_likelihood).sum();
    assert_eq!(total, failing.log_likelihood);
    let count = |take: &Take| take.seconds.iter().map(|sums| sums.samples).sum::<usize>();
    assert!(plain.iter().all(|take| count(take) == 8500));
}

#[test]
fn thresholds_out_of_range_are_refused_by_name() {
    for (settings, key) in [
        (r#"{"window": 0.01}"#, "window"),
        (r#"{"silence_db": 0}"#, "silence_db"),
        (r#"{"loud_db": 3}"#, "loud_db"),
        (r#"{"flatness": 0}"#, "flatness"),
    ] {
        let settings = serde_json::from_str(settings).expect("the test's own JSON");
        assert_eq!(wasabi::options::parse::<QualityConfig>(&settings).expect_err(key).key, key);
    }
}
