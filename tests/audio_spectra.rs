//! Spectra: against a slow transform, and on sines whose place is known.

use std::f64::consts::TAU;

use wasabi::audio::{StftConfig, mel, stft, to_db};

fn sine(hz: f64, amplitude: f64, length: usize) -> Vec<f32> {
    (0..length).map(|t| (amplitude * (TAU * hz * t as f64 / 16_000.0).sin()) as f32).collect()
}

#[test]
fn the_transform_equals_the_sum_that_defines_it() {
    for fft_size in [2_usize, 7, 16, 33] {
        let config = StftConfig { sample_rate: 16_000, fft_size, hop: 5 };
        let samples: Vec<f32> = (0..41).map(|t| ((t * t) % 17) as f32 / 17.0 - 0.4).collect();
        let found = stft(&samples, &config).expect("good options");
        assert_eq!((found.frames, found.bins), (1 + 41 / 5, fft_size / 2 + 1));
        let window: Vec<f64> = (0..fft_size).map(|n| 0.5 - 0.5 * (TAU * n as f64 / fft_size as f64).cos()).collect();
        let sum: f64 = window.iter().sum();
        for t in 0..found.frames {
            for bin in 0..found.bins {
                let (mut re, mut im) = (0.0, 0.0);
                for (n, weight) in window.iter().enumerate() {
                    let at = (t * 5 + n) as i64 - (fft_size / 2) as i64;
                    let sample = usize::try_from(at).ok().and_then(|at| samples.get(at)).map_or(0.0, |&x| f64::from(x));
                    let angle = TAU * (bin * n) as f64 / fft_size as f64;
                    re += sample * weight * angle.cos();
                    im -= sample * weight * angle.sin();
                }
                let mirrored = bin > 0 && 2 * bin != fft_size;
                let full_scale = if mirrored { sum / 2.0 } else { sum };
                let expected = (re * re + im * im) / (full_scale * full_scale);
                let difference = (expected - f64::from(found.frame(t)[bin])).abs();
                assert!(
                    difference < 1e-5 * expected.max(1.0),
                    "size {fft_size}, frame {t}, bin {bin}: off by {difference:.1e}"
                );
            }
        }
    }
}

#[test]
fn a_full_scale_sine_on_a_bin_reads_zero_decibels_there() {
    let found = stft(&sine(1_000.0, 1.0, 16_000), &StftConfig::default()).expect("good options");
    let frame = found.frames / 2;
    let bin = 64; // 1000 Hz at 16000 / 1024 Hz a bin
    assert!((found.frequency(bin) - 1_000.0).abs() < 1e-9);
    assert!((found.seconds(frame) - frame as f64 * 256.0 / 16_000.0).abs() < 1e-12);
    let decibels = to_db(found.frame(frame), -120.0);
    assert!(decibels[bin].abs() < 0.01, "{} dB", decibels[bin]);
    assert!(decibels.iter().enumerate().all(|(at, &db)| at.abs_diff(bin) <= 1 || db < -60.0));
}

#[test]
fn silence_is_at_the_floor_and_no_samples_are_one_silent_frame() {
    for samples in [&[][..], &[0.0; 3000]] {
        let found = stft(samples, &StftConfig::default()).expect("good options");
        assert_eq!(found.frames, 1 + samples.len() / 256);
        assert!(to_db(&found.power, -80.0).iter().all(|&db| db == -80.0));
    }
}

#[test]
fn a_sine_is_loudest_in_the_mel_band_around_it() {
    let spectrogram = stft(&sine(1_000.0, 1.0, 16_000), &StftConfig::default()).expect("good options");
    for n_mels in [10, 40, 80, 400] {
        let bands = mel(&spectrogram, n_mels, 0.0, 8_000.0).expect("good options");
        assert_eq!(
            (bands.frames, bands.n_mels, bands.power.len()),
            (spectrogram.frames, n_mels, spectrogram.frames * n_mels)
        );
        let frame = &bands.power[20 * n_mels..21 * n_mels];
        let loudest = (0..n_mels).max_by(|&a, &b| frame[a].total_cmp(&frame[b])).expect("bands");
        let nearest = (0..n_mels)
            .min_by(|&a, &b| (bands.centres[a] - 1_000.0).abs().total_cmp(&(bands.centres[b] - 1_000.0).abs()))
            .expect("bands");
        assert!(loudest.abs_diff(nearest) <= 1, "{n_mels} bands: {loudest}, not {nearest}");
    }
}

#[test]
fn flat_power_stays_flat_in_every_mel_band() {
    let mut spectrogram = stft(&[0.0; 2000], &StftConfig::default()).expect("good options");
    spectrogram.power.fill(0.25);
    for n_mels in [1, 20, 128, 600] {
        let bands = mel(&spectrogram, n_mels, 50.0, 7_600.0).expect("good options");
        assert!(bands.power.iter().all(|&power| (power - 0.25).abs() < 1e-5), "{n_mels} bands");
    }
}

#[test]
fn spectra_that_cannot_be_are_refused() {
    for (fft_size, hop, sample_rate) in [(0, 256, 16_000), (1, 256, 16_000), (1024, 0, 16_000), (1024, 256, 0)] {
        assert!(stft(&[0.0; 10], &StftConfig { sample_rate, fft_size, hop }).is_err());
    }
    let spectrogram = stft(&[0.0; 10], &StftConfig::default()).expect("good options");
    for (n_mels, f_min, f_max) in
        [(0, 0.0, 8e3), (10, 0.0, 8001.0), (10, -1.0, 8e3), (10, 5e3, 5e3), (10, f64::NAN, 8e3)]
    {
        assert!(mel(&spectrogram, n_mels, f_min, f_max).is_err(), "{n_mels} {f_min} {f_max}");
    }
}

#[test]
fn a_spectrogram_ends_when_somebody_asks() {
    let interrupt = wasabi::interrupt::Interrupt::default();
    let samples = vec![0.5; 16_000];
    assert!(wasabi::audio::stft_until(&samples, &StftConfig::default(), &interrupt).is_ok());
    interrupt.set();
    let stopped = wasabi::audio::stft_until(&samples, &StftConfig::default(), &interrupt);
    assert!(matches!(stopped, Err(wasabi::audio::AudioError::Interrupted)));
}
