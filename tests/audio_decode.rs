//! Files in and out: every layout that is read, every bad file that is refused, and wavs written.

use std::path::{Path, PathBuf};

use wasabi::audio::{AudioError, SampleFormat, decode, load_mono, write_wav};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/audio").join(name)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Writes `frames` of `channels` with hound: an integer file when `bits` is below 33, else 32-bit float.
fn wav(path: &Path, channels: u16, bits: u16, format: hound::SampleFormat, frames: &[f64]) {
    let spec = hound::WavSpec { channels, sample_rate: 16_000, bits_per_sample: bits, sample_format: format };
    let mut writer = hound::WavWriter::create(path, spec).expect("a writable folder");
    for &value in frames {
        match format {
            hound::SampleFormat::Float => writer.write_sample(value as f32).expect("written"),
            hound::SampleFormat::Int => {
                writer.write_sample((value * 2_f64.powi(i32::from(bits) - 1)) as i32).expect("written");
            }
        }
    }
    writer.finalize().expect("written");
}

#[test]
fn every_width_and_channel_count_of_wav_reads_back_exactly() {
    let folder = folder();
    let path = folder.path().join("x.wav");
    // Multiples of 1/128 in -1..1 are exact in every width.
    for channels in [1_u16, 2, 3, 6, 8] {
        let frames: Vec<f64> = (0..i32::from(channels) * 50).map(|i| f64::from((i * 37) % 256 - 128) / 128.0).collect();
        for (bits, format) in [8, 16, 24, 32]
            .map(|bits| (bits, hound::SampleFormat::Int))
            .into_iter()
            .chain([(32, hound::SampleFormat::Float)])
        {
            wav(&path, channels, bits, format, &frames);
            let decoded = decode(&path).expect("a good file");
            assert_eq!(decoded.wave.sample_rate, 16_000);
            assert_eq!(decoded.wave.channels.len(), usize::from(channels));
            for (channel, samples) in decoded.wave.channels.iter().enumerate() {
                let expected: Vec<f32> =
                    frames.iter().skip(channel).step_by(usize::from(channels)).map(|&value| value as f32).collect();
                assert_eq!(*samples, expected, "{bits} bits, {format:?}, channel {channel} of {channels}");
            }
            assert_eq!(decoded.warnings, Vec::<String>::new());
        }
    }
}

#[test]
fn all_channels_weigh_the_same_in_the_mix() {
    let folder = folder();
    let path = folder.path().join("x.wav");
    wav(&path, 4, 16, hound::SampleFormat::Int, &[0.5, 0.25, -0.25, 0.125, 1.0 / 128.0, 0.0, 0.0, 0.0]);
    let clip = load_mono(&path, 16_000).expect("a good file");
    assert_eq!(clip.samples, [0.156_25, 1.0 / 512.0]);
    assert_eq!((clip.name.as_str(), clip.sample_rate), ("x.wav", 16_000));
}

#[test]
fn chunks_of_odd_length_and_a_header_after_them_do_not_derail_the_reader() {
    let folder = folder();
    let path = folder.path().join("x.wav");
    wav(&path, 1, 16, hound::SampleFormat::Int, &[0.5, -0.5]);
    let plain = std::fs::read(&path).expect("just written");
    let mut bytes = plain[..12].to_vec();
    bytes.extend(b"LIST\x03\x00\x00\x00abc\x00");
    bytes.extend(&plain[12..]);
    bytes.extend(b"LIST\x02\x00\x00\x00ab");
    std::fs::write(&path, &bytes).expect("written");
    assert_eq!(decode(&path).expect("a good file").wave.channels, [[0.5, -0.5]]);
}

#[test]
fn fewer_valid_bits_than_the_container_sit_at_its_top() {
    let folder = folder();
    let path = folder.path().join("x.wav");
    wav(&path, 1, 24, hound::SampleFormat::Int, &[0.5, -0.5]);
    let mut bytes = std::fs::read(&path).expect("just written");
    assert_eq!(bytes[38..40], [24, 0], "hound writes 24 bits as an extensible format");
    bytes[38] = 20;
    std::fs::write(&path, &bytes).expect("written");
    assert_eq!(decode(&path).expect("a good file").wave.channels, [[0.5, -0.5]]);
}

#[test]
fn a_flac_of_six_channels_has_the_length_that_its_header_promises() {
    let decoded = decode(&fixture("prompt_4_48k_5.1.flac")).expect("a good file");
    assert_eq!(decoded.wave.sample_rate, 48_000);
    let lengths: Vec<usize> = decoded.wave.channels.iter().map(Vec::len).collect();
    assert_eq!(lengths, [27_648; 6]);
}

#[test]
fn the_contents_decide_and_not_the_name() {
    let folder = folder();
    let path = folder.path().join("good prompt – Ünïcödé 名前 (take 1).flac");
    std::fs::copy(fixture("prompt_5_11k025_mono_8bit.wav"), &path).expect("copied");
    assert_eq!(decode(&path).expect("a WAV").wave.channels[0].len(), 44_100);
}

/// The one sentence that a refused file gets, with its hint.
fn refusal(path: &Path) -> (AudioError, String) {
    let error = decode(path).expect_err("a file that must be refused");
    let text = error.to_string();
    assert!(text.contains(&*path.file_name().expect("a name").to_string_lossy()), "no name in: {text}");
    assert!(!text.contains('\n'), "more than one line: {text}");
    assert!(error.hint().is_some_and(|hint| !hint.is_empty()), "no hint for: {text}");
    (error, text)
}

#[test]
fn broken_files_are_refused_by_name_and_for_the_right_reason() {
    for (name, reason) in [
        ("empty.wav", "is empty"),
        ("truncated.flac", "is truncated: its header promises 8.00 s, but only"),
        ("text_renamed.mp3", "is not audio: it holds plain text"),
        ("zero_channels.wav", "0 channels"),
        ("zero_hz.wav", "0 Hz"),
        ("nan_inf_float.wav", "holds 32000 NaN or infinite samples, the first at 0.000 s"),
    ] {
        let (_, text) = refusal(&fixture(name));
        assert!(text.contains(reason), "{name}: {text}");
    }
}

#[test]
fn a_length_that_was_never_filled_in_reads_what_is_there_with_a_warning() {
    let decoded = decode(&fixture("header_claims_too_much.wav")).expect("readable");
    assert_eq!(decoded.wave.channels[0].len(), 16_000);
    let [warning] = &decoded.warnings[..] else { panic!("{:?}", decoded.warnings) };
    assert!(warning.contains("header_claims_too_much.wav") && warning.contains("1.00 s"), "{warning}");
}

#[test]
fn a_wav_cut_short_is_refused_as_truncated() {
    let folder = folder();
    let path = folder.path().join("cut.wav");
    let bytes = std::fs::read(fixture("prompt_5_11k025_mono_8bit.wav")).expect("a fixture");
    std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("written");
    let (error, _) = refusal(&path);
    assert!(
        matches!(error, AudioError::Truncated { present, claimed, .. } if present < 2.1 && claimed > 3.9),
        "{error}"
    );
    for length in [13, 20, 30, 40] {
        std::fs::write(&path, &bytes[..length]).expect("written");
        assert!(matches!(refusal(&path).0, AudioError::Damaged { .. }), "cut at {length}");
    }
}

#[test]
fn silence_and_a_constant_decode_with_a_warning() {
    let folder = folder();
    let path = folder.path().join("x.wav");
    for (value, warning) in [(0.0, "is silent"), (0.5, "every sample is 0.5")] {
        wav(&path, 1, 16, hound::SampleFormat::Int, &vec![value; 16_000]);
        let clip = load_mono(&path, 8_000).expect("a readable file");
        assert_eq!(clip.samples.len(), 8_000);
        assert!(clip.warnings.len() == 1 && clip.warnings[0].contains(warning), "{:?}", clip.warnings);
    }
}

#[test]
fn a_single_nan_among_good_samples_is_found_where_it_is() {
    let folder = folder();
    let path = folder.path().join("x.wav");
    let mut samples = vec![0.1; 16_000];
    samples[8_000] = f64::NAN;
    wav(&path, 1, 32, hound::SampleFormat::Float, &samples);
    let (error, _) = refusal(&path);
    assert!(matches!(error, AudioError::NotFinite { count: 1, first_seconds, .. } if first_seconds == 0.5), "{error}");
}

#[test]
fn a_file_without_frames_a_missing_one_and_a_folder_are_told_apart() {
    let folder = folder();
    let path = folder.path().join("none.wav");
    wav(&path, 1, 16, hound::SampleFormat::Int, &[]);
    assert!(matches!(refusal(&path).0, AudioError::NoSamples { .. }));
    let (error, _) = refusal(&folder.path().join("nome.wav"));
    assert!(matches!(error, AudioError::NotFound { .. }));
    assert!(error.hint().is_some_and(|hint| hint.contains("none.wav")), "{:?}", error.hint());
    assert!(matches!(refusal(folder.path()).0, AudioError::IsFolder { .. }));
}

#[test]
#[cfg(unix)]
fn permission_denied_is_not_called_missing() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let path = folder.path().join("locked.wav");
    wav(&path, 1, 16, hound::SampleFormat::Int, &[0.5]);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).expect("our own file");
    match std::fs::File::open(&path) {
        Ok(_) => {} // an administrator may read anything; the kinds are also told apart in a unit test
        Err(_) => assert!(matches!(refusal(&path).0, AudioError::Denied { .. })),
    }
}

#[test]
fn formats_for_another_program_come_with_the_command_that_converts_them() {
    let folder = folder();
    for (name, head) in [
        ("a.mp3", &b"ID3\x04\0\0\0\0\0\0"[..]),
        ("b.mp3", b"\xFF\xFB\x90\x64"),
        ("c.ogg", b"OggS\0\x02"),
        ("d.m4a", b"\0\0\0\x20ftypM4A "),
        ("e.aiff", b"FORM\0\0\0\0AIFF"),
        ("f.wav", b"RF64\xFF\xFF\xFF\xFFWAVE"),
        ("g.aac", b"\xFF\xF1\x50\x80"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, head).expect("written");
        let (error, text) = refusal(&path);
        assert!(matches!(error, AudioError::Unsupported { .. }), "{text}");
        assert!(error.hint().is_some_and(|hint| hint.contains("ffmpeg")), "{text}");
    }
}

#[test]
fn wav_formats_without_a_decoder_are_refused_as_such() {
    let folder = folder();
    let path = folder.path().join("x.wav");
    wav(&path, 1, 16, hound::SampleFormat::Int, &[0.5, 0.25]);
    let good = std::fs::read(&path).expect("just written");
    let with = |changes: &[(usize, u8)]| {
        let mut bytes = good.clone();
        for &(at, value) in changes {
            bytes[at] = value;
        }
        std::fs::write(&path, &bytes).expect("written");
        refusal(&path).0
    };
    assert!(matches!(with(&[(20, 6)]), AudioError::Unsupported { .. }), "A-law");
    assert!(matches!(with(&[(20, 3), (32, 8), (34, 64)]), AudioError::Unsupported { .. }), "64-bit float");
    assert!(matches!(with(&[(34, 24)]), AudioError::Damaged { .. }), "24 bits in 2 bytes");
    assert!(matches!(with(&[(34, 0)]), AudioError::Damaged { .. }), "0 bits");
    assert!(matches!(with(&[(27, 0xFF)]), AudioError::FileRate { .. }), "4 GHz");
}

#[test]
fn a_flac_whose_sound_is_not_the_one_it_was_made_from_is_refused() {
    let folder = folder();
    let path = folder.path().join("x.flac");
    let good = std::fs::read(fixture("prompt_4_48k_5.1.flac")).expect("a fixture");
    let mut checksum = good.clone();
    checksum[30] = 1; // inside the MD5 of the stream information, which is all zero (unknown) in the fixture
    std::fs::write(&path, &checksum).expect("written");
    let (error, text) = refusal(&path);
    assert!(matches!(error, AudioError::Damaged { .. }) && text.contains("checksum"), "{text}");
}

#[test]
fn a_flac_damaged_in_the_middle_is_not_called_truncated() {
    let folder = folder();
    let path = folder.path().join("x.flac");
    let mut bytes = std::fs::read(fixture("prompt_4_48k_5.1.flac")).expect("a fixture");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 200].fill(0xA5);
    std::fs::write(&path, &bytes).expect("written");
    assert!(matches!(refusal(&path).0, AudioError::Damaged { .. }));
    bytes.truncate(middle);
    std::fs::write(&path, &bytes).expect("written");
    assert!(matches!(refusal(&path).0, AudioError::Truncated { .. }));
}

#[test]
fn damage_anywhere_in_a_file_is_an_error_or_survivable_but_never_a_panic() {
    let folder = folder();
    for name in ["prompt_4_48k_5.1.flac", "prompt_5_11k025_mono_8bit.wav"] {
        let good = std::fs::read(fixture(name)).expect("a fixture");
        let path = folder.path().join(name);
        // Every byte of the header alone, then places all over the file.
        for at in (0..48).chain((48..good.len().min(60_000)).step_by(1_777)) {
            for flip in [0x01, 0x80, 0xFF] {
                let mut bytes = good.clone();
                bytes[at] ^= flip;
                std::fs::write(&path, &bytes).expect("written");
                if let Ok(decoded) = decode(&path) {
                    assert!(decoded.wave.channels.iter().flatten().all(|sample| sample.is_finite()));
                }
            }
        }
    }
}

#[test]
fn written_wavs_read_back_and_replace_only_when_complete() {
    let folder = folder();
    let path = folder.path().join("take.wav");
    let samples = [0.0, 0.5, -1.0, 1.0, 1.5, -1.5, 1.0 / 65_536.0, 0.1];
    write_wav(&path, &samples, 22_050, SampleFormat::Float32).expect("a writable folder");
    assert_eq!(decode(&path).expect("our own file").wave.channels, [samples]);
    write_wav(&path, &samples, 22_050, SampleFormat::Pcm16).expect("a writable folder");
    let top = 32_767.0 / 32_768.0;
    let expected = [0.0, 0.5, -1.0, top, top, -1.0, 1.0 / 32_768.0, 3_277.0 / 32_768.0];
    assert_eq!(decode(&path).expect("our own file").wave.channels, [expected]);

    let former = std::fs::read(&path).expect("our own file");
    for (samples, rate) in [(&[f32::NAN][..], 16_000), (&[0.0, f32::INFINITY], 16_000), (&[0.0], 0)] {
        assert!(matches!(write_wav(&path, samples, rate, SampleFormat::Pcm16), Err(AudioError::Unwritable { .. })));
    }
    assert_eq!(std::fs::read(&path).expect("our own file"), former);
    assert_eq!(std::fs::read_dir(folder.path()).expect("our own folder").count(), 1, "nothing temporary is left");
    let missing = write_wav(&folder.path().join("no/take.wav"), &[0.0], 16_000, SampleFormat::Pcm16);
    assert!(missing.as_ref().is_err_and(|error| error.hint().is_some_and(|hint| hint.contains("mkdir"))));
}
