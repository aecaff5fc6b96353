//! Sound cut, faded, levelled, mixed, made and measured.

use wasabi::audio::{AudioError, StftConfig};
use wasabi::audio::{
    SampleFormat, amplitude_db, decode, faded, mean_spectrum, mix_down, peak, rms, scaled, sine, stft, wav_bytes,
    write_channels,
};
use wasabi::interrupt::Interrupt;

#[test]
fn channels_are_averaged_with_equal_weights() {
    assert_eq!(mix_down(&[vec![1.0, -0.5], vec![0.0, 0.5]]), [0.5, 0.0]);
    assert_eq!(mix_down(&[vec![0.3_f32, 0.1]]), [0.3, 0.1], "one channel stays as it is, to the last bit");
    assert_eq!(mix_down::<Vec<f32>>(&[]), [0.0; 0]);
}

#[test]
fn a_sine_has_the_peak_and_the_power_of_a_sine() {
    let tone = sine(1000.0, 0.5, 16_000, 16_000);
    assert!((peak(&tone) - 0.5).abs() < 1e-6);
    assert!((rms(&tone) - 0.5 / 2.0_f64.sqrt()).abs() < 1e-6);
    assert!((amplitude_db(0.5) + 6.0206).abs() < 1e-4);
    assert_eq!((peak(&[]), rms(&[]), amplitude_db(0.0)), (0.0, 0.0, f64::NEG_INFINITY));
    // An hour on, the phase is still right: whole turns are dropped before they cost precision.
    let late = sine(440.0, 1.0, 3600 * 16_000 + 1, 16_000);
    assert!(late.last().is_some_and(|last| last.abs() < 1e-5), "{:?}", late.last());
}

#[test]
fn a_fade_begins_and_ends_in_silence_and_leaves_the_middle_alone() {
    let ones = vec![1.0; 100];
    let soft = faded(&ones, 10, 20);
    assert!(soft[0] < 0.01 && soft[99] < 0.01, "{soft:?}");
    assert_eq!(soft[10..80], ones[10..80]);
    assert!(soft[..10].windows(2).all(|pair| pair[0] < pair[1]) && soft[80..].windows(2).all(|pair| pair[0] > pair[1]));
    assert!((soft[4] + soft[5] - 1.0).abs() < 1e-6, "half way the halves meet");
    assert_eq!(faded(&ones, 0, 0), ones);
    assert_eq!(faded(&[], 3, 3), [0.0; 0]);
    assert_eq!(scaled(&[0.5, -0.25], 2.0), [1.0, -0.5]);
}

#[test]
fn the_mean_spectrum_of_a_full_sine_reads_0_db_at_its_bin() {
    let tone = sine(1000.0, 1.0, 16_000, 16_000);
    let spectrum = mean_spectrum(&tone, 16_000, 512, &Interrupt::default()).expect("a spectrum");
    assert_eq!((spectrum.hz.len(), spectrum.hz[32], spectrum.hz[256]), (257, 1000.0, 8000.0));
    assert!((10.0 * spectrum.power[32].log10()).abs() < 0.01, "{}", spectrum.power[32]);
    assert!(10.0 * spectrum.power[64].log10() < -100.0, "{}", spectrum.power[64]);
    // Its twin: the mean of the frames of the spectrogram that lie wholly inside.
    let noise: Vec<f32> =
        (0..16_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 8) as f32 / 8_388_608.0 - 1.0).collect();
    let mean = mean_spectrum(&noise, 16_000, 512, &Interrupt::default()).expect("a spectrum");
    let frames = stft(&noise, &StftConfig { sample_rate: 16_000, fft_size: 512, hop: 256 }).expect("a spectrogram");
    let inside = 1..frames.frames - 1;
    let count = inside.len();
    for bin in 0..257 {
        let twin: f64 = inside.clone().map(|t| f64::from(frames.frame(t)[bin])).sum::<f64>() / count as f64;
        assert!((mean.power[bin] - twin).abs() <= 1e-5 * twin, "bin {bin}: {} and {twin}", mean.power[bin]);
    }
    let short = mean_spectrum(&tone[..100], 16_000, 512, &Interrupt::default()).expect("a short sound");
    assert_eq!(short.power.len(), 257);
    let stopped = Interrupt::default();
    stopped.set();
    assert!(matches!(mean_spectrum(&tone, 16_000, 512, &stopped), Err(AudioError::Interrupted)));
}

#[test]
fn every_channel_survives_a_wav_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("three.wav");
    let channels = [sine(300.0, 0.5, 400, 8000), sine(500.0, 0.25, 400, 8000), vec![0.0; 400]];
    write_channels(&path, &channels, 8000, SampleFormat::Float32).expect("written");
    let wave = decode(&path).expect("read").wave;
    assert_eq!((wave.channels.as_slice(), wave.sample_rate), (&channels[..], 8000));
    let refused = write_channels(&path, &[vec![0.0; 3], vec![0.0; 4]], 8000, SampleFormat::Pcm16).expect_err("lengths");
    assert!(refused.to_string().ends_with("one channel has 3 samples, another 4"), "{refused}");
    let refused = write_channels::<Vec<f32>>(&path, &[], 8000, SampleFormat::Pcm16).expect_err("no channel");
    assert!(refused.to_string().contains("0 channels"), "{refused}");
    assert_eq!(decode(&path).expect("still whole").wave.channels.len(), 3);
    let bytes = wav_bytes("one.wav", &channels[0], 8000, SampleFormat::Float32).expect("bytes");
    let one = folder.path().join("one.wav");
    std::fs::write(&one, bytes).expect("written");
    assert_eq!(decode(&one).expect("read").wave.channels, channels[..1]);
}
