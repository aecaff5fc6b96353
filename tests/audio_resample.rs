//! Resampling: close to the reference converter, exact in time and length.

use std::f64::consts::TAU;
use std::path::PathBuf;

use proptest::prelude::*;
use realfft::RealFftPlanner;
use wasabi::audio::{AudioError, load_mono, resample};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/audio").join(name)
}

/// Signal over difference in dB, of what lies below `cutoff_hz`; both are Hann-windowed first, so that cut ends do not leak.
pub(crate) fn agreement_db(reference: &[f32], found: &[f32], sample_rate: f64, cutoff_hz: f64) -> f64 {
    let n = reference.len().min(found.len());
    let fft = RealFftPlanner::<f64>::new().plan_fft_forward(n);
    let energy = |value: &dyn Fn(usize) -> f64| -> f64 {
        let mut input: Vec<f64> = (0..n).map(|t| value(t) * (0.5 - 0.5 * (TAU * t as f64 / n as f64).cos())).collect();
        let mut output = fft.make_output_vec();
        fft.process(&mut input, &mut output).expect("matching lengths");
        let bins = (cutoff_hz / sample_rate * n as f64) as usize;
        output[..bins].iter().map(|bin| bin.norm_sqr()).sum()
    };
    let signal = energy(&|t| f64::from(reference[t]));
    let difference = energy(&|t| f64::from(reference[t]) - f64::from(found[t]));
    10.0 * (signal / difference).log10()
}

#[test]
fn prompts_are_converted_as_the_reference_converter_does() {
    // 57 dB is what an independent conversion reaches, below 6.5 kHz or 0.4 of the input rate (shared/data/README).
    // The fixtures of prompts 0 and 4 are the first second and half second: their last 50 ms, which ring with the cut, are
    // left out.
    for (name, extension, cutoff_hz, excerpt) in [
        ("prompt_0_44k1_stereo_24bit", "wav", 6_500.0, true),
        ("prompt_4_48k_5.1", "flac", 6_500.0, true),
        ("prompt_5_11k025_mono_8bit", "wav", 0.4 * 11_025.0, false),
    ] {
        let clip = load_mono(&fixture(&format!("{name}.{extension}")), 16_000).expect("a good file");
        let reference = load_mono(&fixture(&format!("{name}.reference.wav")), 16_000).expect("a good file");
        assert!(clip.samples.len().abs_diff(reference.samples.len()) <= 1, "{name}: {} frames", clip.samples.len());
        let end = reference.samples.len() - if excerpt { 800 } else { 1 };
        let agreement = agreement_db(&reference.samples[..end], &clip.samples[..end], 16_000.0, cutoff_hz);
        assert!(agreement >= 57.0, "{name}: {agreement:.1} dB");
    }
}

#[test]
fn the_same_rate_changes_nothing_and_no_samples_stay_none() {
    let samples = [0.25, -1.0, 0.125];
    assert_eq!(resample(&samples, 44_100, 44_100).expect("rates in range"), samples);
    assert!(resample(&[], 44_100, 16_000).expect("rates in range").is_empty());
}

#[test]
fn an_impulse_stays_where_it_was() {
    for (from, to) in [(44_100, 16_000), (48_000, 16_000), (8_000, 16_000), (11_025, 16_000), (22_050, 44_100)] {
        // Both rates have a frame at 0.5 s, unless a half frame is in the way.
        let mut samples = vec![0.0_f32; from as usize];
        samples[from as usize / 2] = 1.0;
        let found = resample(&samples, from, to).expect("rates in range");
        let peak = (0..found.len()).max_by(|&a, &b| found[a].total_cmp(&found[b])).expect("not empty");
        let expected = (from / 2) as f64 / f64::from(from) * f64::from(to);
        assert!((peak as f64 - expected).abs() <= 0.5 + 1e-9, "{from} to {to}: {peak}, not {expected}");
    }
}

#[test]
fn rates_that_no_recording_has_are_refused() {
    for (from, to) in [(0, 16_000), (16_000, 0), (999, 16_000), (16_000, 768_001), (u32::MAX, 16_000)] {
        assert!(matches!(resample(&[0.0; 4], from, to), Err(AudioError::Rate { .. })), "{from} to {to}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_sine_keeps_its_frequency_phase_and_level(
        from in prop::sample::select(vec![8_000_u32, 11_025, 16_000, 22_050, 44_100, 48_000, 44_101, 96_000]),
        to in prop::sample::select(vec![8_000_u32, 16_000, 22_050, 44_100]),
        frequency in 0.01_f64..0.4,
        phase in 0.0..TAU,
        length in 6_000_usize..20_000,
    ) {
        let hz = frequency * f64::from(from.min(to));
        let sine = |t: usize, rate: u32| (TAU * hz * t as f64 / f64::from(rate) + phase).sin() * 0.5;
        let samples: Vec<f32> = (0..length).map(|t| sine(t, from) as f32).collect();
        let found = resample(&samples, from, to).expect("rates in range");
        let expected_len = (length as f64 * f64::from(to) / f64::from(from)).round();
        prop_assert_eq!(found.len() as f64, expected_len);
        // The ends, half a filter wide, ring with the cut: 1025 frames of the lower rate. Of coprime rates a filter is longer
        // than these clips; only their length is checked.
        let margin = (1_100.0 * f64::from(to) / f64::from(from.min(to))).ceil() as usize;
        let middle = if from == 44_101 { 0..0 } else { margin..found.len().saturating_sub(margin) };
        for t in middle {
            let difference = (f64::from(found[t]) - sine(t, to)).abs();
            prop_assert!(difference < 2e-5, "{from} to {to}, {hz:.1} Hz, frame {t}: off by {difference:.2e}");
        }
    }
}
