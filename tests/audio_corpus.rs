//! The corpus: what is listed, how it is split and cut, what is cached, and what is refused.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use wasabi::audio::{AudioError, Corpus, CorpusConfig, OnError, Part, Quantization, SampleFormat, Scaling, write_wav};
use wasabi::interrupt::Interrupt;
use wasabi::options::{OptionError, parse};

use crate::support::Case;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/audio").join(name)
}

/// A wav of `length` samples at 16 kHz, different for each `tone`.
fn tone(path: &Path, length: usize, tone: usize) {
    let samples: Vec<f32> = (0..length).map(|t| (t as f32 * 0.01 * (tone + 1) as f32).sin() * 0.5).collect();
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).expect("a writable folder");
    }
    write_wav(path, &samples, 16_000, SampleFormat::Pcm16).expect("a writable folder");
}

/// A folder of `count` tones of 1000 samples, and options that fit it.
fn tones(count: usize) -> (tempfile::TempDir, CorpusConfig) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for index in 0..count {
        tone(&folder.path().join(format!("t{index}.wav")), 1000, index);
    }
    let config = CorpusConfig {
        from: folder.path().to_owned(),
        window: 256,
        train_fraction: Some(0.5),
        ..CorpusConfig::default()
    };
    (folder, config)
}

fn open(config: &CorpusConfig) -> Result<Corpus, AudioError> {
    Corpus::open(config, &Interrupt::default())
}

fn refused(config: &CorpusConfig) -> (AudioError, String, String) {
    let error = open(config).expect_err("a corpus that must be refused");
    let (text, hint) = (error.to_string(), error.hint().unwrap_or_default());
    (error, text, hint)
}

#[test]
fn golden_examples_are_the_windows_of_the_corpus() {
    for case in Case::all(&["audio_split_and_examples"]) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let lengths = case.json["file_lengths"].as_object().expect("lengths by name");
        let window = case.json["sample_len"].as_u64().expect("a length") as usize;
        for (index, (name, length)) in lengths.iter().enumerate() {
            // The reference lists a file of length 0 and gives it no example; here it is refused as a file without samples.
            if let Some(length) = length.as_u64().filter(|&length| length > 0) {
                tone(&folder.path().join(name), length as usize, index);
            }
        }
        for (drop_last, list) in [(true, "drop_last_true"), (false, "drop_last_false")] {
            let config = CorpusConfig {
                from: folder.path().into(),
                window,
                drop_last,
                train_fraction: Some(0.6),
                ..Default::default()
            };
            let corpus = open(&config).expect("good files");
            let parts = [corpus.train(), corpus.val(), corpus.test()];
            let found: Vec<(String, usize)> = parts
                .iter()
                .flat_map(|part| {
                    (0..part.windows()).map(|i| (part.clip_names()[part.clip_of(i)].clone(), part.window(i).len()))
                })
                .collect();
            let golden = case.json["examples"][list].as_array().expect("examples");
            let expected: Vec<(String, usize)> = golden
                .iter()
                .map(|row| (row[0].as_str().expect("a name").to_owned(), row[2].as_u64().expect("a length") as usize))
                .collect();
            assert_eq!(found, expected, "{}: {list}", case.name);
            assert_eq!(
                parts.iter().map(|part| part.tokens()).sum::<usize>(),
                expected.iter().map(|row| row.1).sum::<usize>()
            );
        }
    }
}

#[test]
fn a_window_is_scaled_by_itself_under_min_max_and_with_its_file_under_peak() {
    let (_folder, config) = tones(4);
    let samples: Vec<f32> = wasabi::audio::load_mono(&config.from.join("t0.wav"), 16_000).expect("a tone").samples;
    for (scaling, whole) in [(Scaling::MinMax, false), (Scaling::Peak, true), (Scaling::FullScale, true)] {
        let corpus = open(&CorpusConfig { scaling, ..config.clone() }).expect("good files");
        let quantizer = corpus.quantizer();
        let expected: Vec<u16> = if whole {
            quantizer.encode(&samples, scaling)[256..512].to_vec()
        } else {
            quantizer.encode(&samples[256..512], scaling)
        };
        assert_eq!(corpus.train().window(1), expected, "{scaling:?}");
    }
}

#[test]
fn files_are_dealt_in_natural_order_of_their_paths_and_hidden_ones_are_left_out() {
    let (folder, mut config) = tones(0);
    for (index, name) in
        ["b/t10.wav", "b/t9.WAV", "a.wav", ".hidden.wav", ".git/x.wav", "b/c/t1.wav"].iter().enumerate()
    {
        tone(&folder.path().join(name), 1000, index);
    }
    std::fs::write(folder.path().join("notes.txt"), "not audio").expect("written");
    config.train_fraction = Some(0.5);
    let corpus = open(&config).expect("good files");
    let files: Vec<(&str, Part, usize)> =
        corpus.files().iter().map(|file| (file.name.as_str(), file.part, file.windows)).collect();
    let expected = [
        ("a.wav", Part::Train, 3),
        ("b/c/t1.wav", Part::Train, 3),
        ("b/t9.WAV", Part::Val, 3),
        ("b/t10.wav", Part::Test, 3),
    ];
    assert_eq!(files, expected);
    assert!((corpus.files()[0].seconds - 1000.0 / 16_000.0).abs() < 1e-12);
    assert_eq!(corpus.warnings(), Vec::<String>::new());
}

#[test]
#[cfg(unix)]
fn a_link_in_a_circle_ends() {
    let (folder, config) = tones(4);
    std::os::unix::fs::symlink(folder.path(), folder.path().join("again")).expect("a link");
    assert_eq!(open(&config).expect("good files").files().len(), 4);
    std::os::unix::fs::symlink("nowhere", folder.path().join("gone.wav")).expect("a link");
    let (_, text, _) = refused(&config);
    assert!(text.contains("gone.wav` does not exist"), "{text}");
}

/// Name and time of change of every cache entry.
fn entries(folder: &Path) -> Vec<(PathBuf, SystemTime)> {
    let mut list: Vec<_> = std::fs::read_dir(folder)
        .expect("a cache")
        .map(|entry| {
            let path = entry.expect("readable").path();
            let changed = path.metadata().and_then(|metadata| metadata.modified()).expect("a time");
            (path, changed)
        })
        .collect();
    list.sort();
    list
}

fn windows(corpus: &Corpus) -> Vec<Vec<u16>> {
    (0..corpus.train().windows()).map(|i| corpus.train().window(i).to_vec()).collect()
}

#[test]
fn tokens_come_from_the_cache_until_contents_or_settings_change() {
    let (folder, config) = tones(4);
    let first = open(&config).expect("good files");
    let cache = folder.path().join(".cache");
    let before = entries(&cache);
    assert_eq!(before.len(), 4);

    // The times of change tell: whatever is decoded is also written.
    std::fs::rename(folder.path().join("t0.wav"), folder.path().join("t00.wav")).expect("renamed");
    let second = open(&config).expect("good files");
    assert_eq!(entries(&cache), before, "a renamed file is the same entry");
    assert_eq!(windows(&first), windows(&second));
    assert_eq!(first.content_hash(), second.content_hash());

    tone(&folder.path().join("t00.wav"), 1000, 77);
    let third = open(&config).expect("good files");
    assert_eq!(entries(&cache).len(), 5, "new contents make a new entry");
    assert_ne!(windows(&first), windows(&third));
    assert_ne!(first.content_hash(), third.content_hash());

    for (change, more) in [
        (CorpusConfig { bits: 10, ..config.clone() }, 4),
        (CorpusConfig { quantization: Quantization::Linear, ..config.clone() }, 4),
        (CorpusConfig { window: 128, ..config.clone() }, 4),
        (CorpusConfig { scaling: Scaling::Peak, ..config.clone() }, 4),
        (CorpusConfig { scaling: Scaling::Peak, window: 128, ..config.clone() }, 0),
        (CorpusConfig { drop_last: false, ..config.clone() }, 0),
        (CorpusConfig { train_fraction: Some(0.6), ..config.clone() }, 0),
    ] {
        let before = entries(&cache).len();
        let changed = open(&change).expect("good files");
        assert_eq!(entries(&cache).len() - before, more, "{change:?}");
        assert_ne!(changed.content_hash(), third.content_hash(), "{change:?}");
        assert_eq!(windows(&changed), windows(&open(&change).expect("good files")), "cached and fresh: {change:?}");
    }
}

#[test]
fn sixteen_bit_tokens_survive_the_cache() {
    let (_folder, config) = tones(4);
    let config = CorpusConfig { bits: 16, ..config };
    let fresh = open(&config).expect("good files");
    assert!(windows(&fresh).iter().flatten().any(|&token| token > 60_000));
    assert_eq!(windows(&fresh), windows(&open(&config).expect("good files")));
}

#[test]
fn a_damaged_cache_entry_is_made_again_and_told() {
    let (folder, config) = tones(4);
    let good = open(&config).expect("good files");
    let cache = folder.path().join(".cache");
    for (path, _) in entries(&cache) {
        let whole = std::fs::read(&path).expect("an entry");
        let mut flipped = whole.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        for bad in [&flipped[..], &whole[..whole.len() / 2], &[], b"wasabi tokens 1\n\xFF\xFF\xFF\xFF"] {
            std::fs::write(&path, bad).expect("written");
            let again = open(&config).expect("good files");
            assert_eq!(windows(&again), windows(&good));
            assert!(again.warnings().len() == 1 && again.warnings()[0].contains("damaged"), "{:?}", again.warnings());
            assert_eq!(std::fs::read(&path).expect("an entry"), whole, "made again");
        }
    }
}

#[test]
fn an_unwritable_cache_is_one_warning_and_nothing_more() {
    let (folder, config) = tones(4);
    let blocked = folder.path().join("file");
    std::fs::write(&blocked, "a file where a folder is needed").expect("written");
    let corpus = open(&CorpusConfig { cache: Some(blocked.join("cache")), ..config }).expect("good files");
    assert!(
        corpus.warnings().len() == 1 && corpus.warnings()[0].contains("cannot be cached"),
        "{:?}",
        corpus.warnings()
    );
}

#[test]
fn broken_files_refuse_the_corpus_by_name_or_are_skipped_with_warnings() {
    let (folder, config) = tones(4);
    let broken =
        ["truncated.flac", "nan_inf_float.wav", "zero_hz.wav", "zero_channels.wav", "empty.wav", "text_renamed.mp3"];
    for name in broken {
        std::fs::copy(fixture(name), folder.path().join(name)).expect("copied");
    }
    let (error, text, hint) = refused(&config);
    assert!(matches!(&error, AudioError::Refused { total: 10, errors, .. } if errors.len() == 6), "{text}");
    assert!(hint.contains(r#"on_error: "skip""#), "{hint}");
    let corpus = open(&CorpusConfig { on_error: OnError::Skip, ..config.clone() }).expect("four good files");
    assert_eq!(corpus.files().len(), 4);
    for name in broken {
        assert!(text.contains(name), "{name} in {text}");
        let told = corpus.warnings().iter().filter(|warning| warning.starts_with("skipped") && warning.contains(name));
        assert_eq!(told.count(), 1, "{name} in {:?}", corpus.warnings());
    }
    // With nothing left, skipping is no way out.
    for index in 0..4 {
        std::fs::remove_file(folder.path().join(format!("t{index}.wav"))).expect("removed");
    }
    assert!(matches!(refused(&CorpusConfig { on_error: OnError::Skip, ..config }).0, AudioError::Refused { .. }));
}

#[test]
fn silence_is_kept_and_named_also_from_the_cache() {
    let (folder, config) = tones(3);
    write_wav(&folder.path().join("quiet.wav"), &[0.0; 1000], 16_000, SampleFormat::Pcm16).expect("written");
    for pass in ["decoded", "cached"] {
        let corpus = open(&config).expect("good files");
        assert_eq!(corpus.warnings(), ["`quiet.wav` is silent: every sample is 0"], "{pass}");
        assert!(corpus.train().window(0).iter().all(|&token| token == 0), "silence is token 0 under min-max");
    }
}

#[test]
fn a_missing_an_empty_and_a_soundless_folder_have_their_own_messages() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = |path: PathBuf| CorpusConfig { from: path, ..CorpusConfig::default() };
    assert!(matches!(refused(&config(folder.path().join("no"))).0, AudioError::NotFound { .. }));
    assert!(matches!(refused(&config(folder.path().to_owned())).0, AudioError::EmptyFolder { .. }));
    std::fs::write(folder.path().join(".hidden.wav"), "").expect("written");
    assert!(matches!(refused(&config(folder.path().to_owned())).0, AudioError::EmptyFolder { .. }));
    let text_file = folder.path().join("notes.txt");
    std::fs::write(&text_file, "words").expect("written");
    let (error, text, _) = refused(&config(folder.path().to_owned()));
    assert!(matches!(error, AudioError::NoAudio { files: 1, .. }));
    assert!([".wav", ".wave", ".flac"].iter().all(|extension| text.contains(extension)), "{text}");
    let (error, _, hint) = refused(&config(text_file));
    assert!(matches!(error, AudioError::NotAFolder { .. }) && hint.contains(&*folder.path().to_string_lossy()));
}

#[test]
fn a_share_that_is_left_open_fills_every_part_of_few_files_and_says_so() {
    let (_folder, config) = tones(6);
    let corpus = open(&CorpusConfig { train_fraction: None, ..config }).expect("no part is empty");
    let parts = [Part::Train, Part::Val, Part::Test].map(|part| corpus.part(part).clip_names().len());
    assert_eq!((parts, corpus.config().train_fraction), ([4, 1, 1], Some(0.83)));
    let told: Vec<_> = corpus.warnings().iter().filter(|warning| warning.contains("train_fraction is 0.83")).collect();
    assert_eq!(told.len(), 1, "{:?}", corpus.warnings());
    let (_folder, config) = tones(17);
    let corpus = open(&CorpusConfig { train_fraction: None, ..config }).expect("enough files");
    assert_eq!(corpus.config().train_fraction, Some(0.88), "that of the reference wherever it fits");
    assert!(!corpus.warnings().iter().any(|warning| warning.contains("train_fraction")), "{:?}", corpus.warnings());
}

#[test]
fn an_empty_part_says_how_many_files_there_are_and_which_fraction_works() {
    let (folder, config) = tones(6);
    let (error, text, hint) = refused(&CorpusConfig { train_fraction: Some(0.88), ..config.clone() });
    let AudioError::EmptySplit { files: 6, counts: [5, 0, 1], works: Some(works), .. } = error else {
        panic!("{text}")
    };
    assert!(text.contains("validation") && text.contains("6 files at train_fraction 0.88"), "{text}");
    assert!(hint.contains(&works.to_string()), "{hint}");
    let corpus =
        open(&CorpusConfig { train_fraction: Some(works), ..config.clone() }).expect("the fraction of the hint");
    assert!([Part::Train, Part::Val, Part::Test].iter().all(|&part| corpus.part(part).windows() > 0));
    let counts = open(&CorpusConfig { train_fraction: Some(0.67), ..config.clone() }).expect("the demo's fraction");
    assert_eq!([counts.train(), counts.val(), counts.test()].map(|part| part.clip_names().len()), [4, 1, 1]);
    for index in 2..6 {
        std::fs::remove_file(folder.path().join(format!("t{index}.wav"))).expect("removed");
    }
    let (_, _, hint) = refused(&config);
    assert!(hint.contains("at least 3 files"), "{hint}");
}

#[test]
fn files_shorter_than_a_window_are_named_and_an_empty_part_is_an_error() {
    let (folder, config) = tones(4);
    std::fs::copy(fixture("too_short_10ms.wav"), folder.path().join("a_short.wav")).expect("copied");
    let corpus = open(&config).expect("enough is left");
    assert_eq!(corpus.files()[0].windows, 0);
    let [warning] = corpus.warnings() else { panic!("{:?}", corpus.warnings()) };
    assert!(
        warning.contains("`a_short.wav`") && warning.contains("1 of 5 files") && warning.contains("256"),
        "{warning}"
    );
    let kept = open(&CorpusConfig { drop_last: false, ..config.clone() }).expect("short windows");
    assert_eq!((kept.warnings().len(), kept.train().window(0).len()), (0, 160));

    let (error, text, hint) = refused(&CorpusConfig { window: 1001, ..config });
    assert!(matches!(error, AudioError::NoWindows { part: "training", window: 1001, longest: 1000, .. }), "{text}");
    assert!(hint.contains("1000"), "{hint}");
}

#[test]
fn options_out_of_range_or_unknown_are_refused_by_name() {
    let blamed = |text: &str| -> OptionError {
        parse::<CorpusConfig>(&serde_json::from_str(text).expect("the test's own JSON")).expect_err("refused")
    };
    for (text, key) in [
        (r#"{"bits": 0}"#, "bits"),
        (r#"{"bits": 17}"#, "bits"),
        (r#"{"window": 0}"#, "window"),
        (r#"{"window": -1}"#, "window"),
        (r#"{"sample_rate": 0}"#, "sample_rate"),
        (r#"{"train_fraction": 1.0}"#, "train_fraction"),
        (r#"{"train_fraction": 0}"#, "train_fraction"),
        (r#"{"on_error": "ignore"}"#, "on_error"),
        (r#"{"quantization": "mulaw"}"#, "quantization"),
    ] {
        assert_eq!(blamed(text).key, key, "{text}");
    }
    assert_eq!(blamed(r#"{"windwo": 4}"#).hint.as_deref(), Some("did you mean `window`?"));
    let (_folder, config) = tones(3);
    assert!(matches!(refused(&CorpusConfig { bits: 0, ..config }).0, AudioError::Option(_)));
}

#[test]
fn an_interrupt_stops_the_opening() {
    let (_folder, config) = tones(4);
    let interrupt = Interrupt::default();
    interrupt.set();
    assert!(matches!(Corpus::open(&config, &interrupt), Err(AudioError::Interrupted)));
}

#[test]
fn every_rate_arrives_at_the_corpus_rate() {
    let (folder, config) = tones(2);
    std::fs::copy(fixture("prompt_5_11k025_mono_8bit.wav"), folder.path().join("u.wav")).expect("copied");
    let corpus = open(&CorpusConfig { train_fraction: Some(0.34), sample_rate: 8_000, ..config }).expect("good files");
    let seconds: Vec<f64> = corpus.files().iter().map(|file| file.seconds).collect();
    assert_eq!(seconds, [0.0625, 0.0625, 4.0]);
}
