//! A folder of audio as windows of tokens, split by file.

use std::path::PathBuf;
use std::sync::Mutex;

use rayon::prelude::*;

use super::cache::{self, Entry, Lookup};
use super::decode::{mono_until, warnings};
use super::listing::{Listed, list};
use super::split::{Part, Split, USUAL_FRACTION, fraction_that_works, split_counts, split_points, usual_fraction};
use super::{AudioError, CorpusConfig, OnError, Quantizer, Scaling};
use crate::interrupt::Interrupt;
use crate::options::Options;

/// Files named in one warning, at most; the rest are counted.
const NAMES_IN_A_WARNING: usize = 20;

/// A file of a corpus, as people look it up.
#[derive(Debug, Clone, PartialEq)]
pub struct FileEntry {
    /// Its path below the corpus folder.
    pub name: String,
    /// Its length in seconds.
    pub seconds: f64,
    /// The part it belongs to.
    pub part: Part,
    /// How many windows it gives.
    pub windows: usize,
}

/// A folder of audio, tokenised, windowed and split into training, validation and test.
#[derive(Debug, Clone)]
pub struct Corpus {
    config: CorpusConfig,
    files: Vec<FileEntry>,
    warnings: Vec<String>,
    parts: [Split; 3],
    content_hash: String,
}

/// One usable file.
struct Tokenised {
    name: String,
    content: blake3::Hash,
    entry: Entry,
}

impl Corpus {
    /// Reads every audio file in `config.from` and its subfolders, on all cores, from the cache of tokens where it can.
    ///
    /// Files are sorted by [`natural_order`](super::natural_order) of their paths below the folder, and whole files are
    /// dealt to the parts by [`split_points`](super::split_points); with `on_error: "skip"`, the files that are left.
    ///
    /// # Errors
    /// [`AudioError`] for options out of range; a folder that is missing, may not be read, is empty or has no audio; files
    /// that cannot be used (all of them are named) unless they are to be skipped; a training or validation part with no
    /// file or no window. [`AudioError::Interrupted`] when asked to stop.
    pub fn open(config: &CorpusConfig, interrupt: &Interrupt) -> Result<Self, AudioError> {
        config.validate()?;
        let listed = list(&config.from)?;
        let (files, mut warnings) = tokenise_all(&listed, config, interrupt)?;
        let fraction = config.train_fraction.unwrap_or_else(|| usual_fraction(files.len()));
        if config.train_fraction.is_none() && fraction.to_bits() != USUAL_FRACTION.to_bits() {
            let files = files.len();
            warnings.push(format!(
                "train_fraction is {fraction}: {USUAL_FRACTION} would leave a part of these {files} files empty"
            ));
        }
        let config = &CorpusConfig { train_fraction: Some(fraction), ..config.clone() };
        let counts = split_counts(files.len(), fraction);
        for (part, count) in ["training", "validation"].into_iter().zip(counts) {
            if count == 0 {
                let files = files.len();
                let works = fraction_that_works(files, fraction);
                return Err(AudioError::EmptySplit { part, files, fraction, counts, works });
            }
        }
        let content_hash = content_hash(&files, config, fraction);
        let (entries, parts) = deal(files, config, fraction);
        warnings.extend(short_files(&entries, config));
        for (part, name) in [(Part::Train, "training"), (Part::Val, "validation")] {
            if parts[part as usize].windows() == 0 {
                return Err(no_windows(part, name, &entries, config));
            }
        }
        Ok(Self { config: config.clone(), files: entries, warnings, parts, content_hash })
    }

    /// The options it was opened with; the share of files that train is a number, though it may have been left open.
    #[must_use]
    pub fn config(&self) -> &CorpusConfig {
        &self.config
    }

    /// What turns its samples into tokens, and tokens into samples.
    #[must_use]
    pub fn quantizer(&self) -> Quantizer {
        self.config.quantizer()
    }

    /// Its files, in natural order.
    #[must_use]
    pub fn files(&self) -> &[FileEntry] {
        &self.files
    }

    /// What was odd while opening it, one sentence each: skipped files, files shorter than a window, silence, an unwritable
    /// cache.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// One part.
    #[must_use]
    pub fn part(&self, part: Part) -> &Split {
        &self.parts[part as usize]
    }

    /// The part that a model is fitted on.
    #[must_use]
    pub fn train(&self) -> &Split {
        self.part(Part::Train)
    }

    /// The part that choices are made on.
    #[must_use]
    pub fn val(&self) -> &Split {
        self.part(Part::Val)
    }

    /// The part that is left for the end; it may be empty.
    #[must_use]
    pub fn test(&self) -> &Split {
        self.part(Part::Test)
    }

    /// BLAKE3, in hexadecimal, of everything that decides what the windows hold: the files' contents in order, and the
    /// settings. Equal hashes mean equal windows in equal parts; names and places do not count.
    #[must_use]
    pub fn content_hash(&self) -> String {
        self.content_hash.clone()
    }
}

/// Tokenises all files in parallel, and deals with those that cannot be used.
fn tokenise_all(
    listed: &[Listed],
    config: &CorpusConfig,
    interrupt: &Interrupt,
) -> Result<(Vec<Tokenised>, Vec<String>), AudioError> {
    let cache = Cache { folder: config.cache_folder(), trouble: Mutex::default() };
    let results: Vec<_> = listed.par_iter().map(|file| tokenise(file, config, &cache, interrupt)).collect();
    let (mut files, mut errors, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for (file, result) in listed.iter().zip(results) {
        match result {
            Ok((tokenised, damaged)) => {
                notes.extend(warnings(&file.name, &tokenised.entry.notes));
                notes.extend(
                    damaged.then(|| format!("the cached tokens of `{}` were damaged; they were made again", file.name)),
                );
                files.push(tokenised);
            }
            Err(AudioError::Interrupted) => return Err(AudioError::Interrupted),
            Err(error) => errors.push(error),
        }
    }
    if !errors.is_empty() && (config.on_error == OnError::Refuse || files.is_empty()) {
        return Err(AudioError::Refused { folder: config.from.clone(), total: listed.len(), errors });
    }
    let mut all: Vec<String> = errors.iter().map(|error| format!("skipped: {error}")).collect();
    all.extend(notes);
    all.extend(cache.trouble.into_inner().unwrap_or_default());
    Ok((files, all))
}

/// The cache's folder, and the first trouble in writing to it: one warning is enough for all files.
struct Cache {
    folder: PathBuf,
    trouble: Mutex<Option<String>>,
}

impl Cache {
    fn store(&self, key: &str, entry: &Entry, bits: u8) {
        if let Err(error) = cache::store(&self.folder, key, entry, bits)
            && let Ok(mut trouble) = self.trouble.lock()
        {
            trouble.get_or_insert_with(|| {
                format!(
                    "tokens cannot be cached in `{}` ({error}); the files will be decoded again next time",
                    self.folder.display()
                )
            });
        }
    }
}

/// The tokens of one file, and whether its cached ones were damaged.
fn tokenise(
    file: &Listed,
    config: &CorpusConfig,
    cache: &Cache,
    interrupt: &Interrupt,
) -> Result<(Tokenised, bool), AudioError> {
    if interrupt.is_set() {
        return Err(AudioError::Interrupted);
    }
    let content = cache::content(&file.path)?;
    let key = cache::key(content, config);
    let found = cache::load(&cache.folder, &key);
    let damaged = matches!(found, Lookup::Damaged);
    let entry = if let Lookup::Hit(entry) = found {
        entry
    } else {
        let (samples, notes) = mono_until(&file.path, config.sample_rate, interrupt)?;
        let entry = Entry { tokens: encode(&samples, config), notes };
        cache.store(&key, &entry, config.bits);
        entry
    };
    Ok((Tokenised { name: file.name.clone(), content, entry }, damaged))
}

/// The tokens of a whole file: scaled by window where the scaling is the window's own.
fn encode(samples: &[f32], config: &CorpusConfig) -> Vec<u16> {
    let quantizer = config.quantizer();
    match config.scaling {
        Scaling::MinMax => {
            samples.chunks(config.window).flat_map(|window| quantizer.encode(window, Scaling::MinMax)).collect()
        }
        scaling => quantizer.encode(samples, scaling),
    }
}

/// Deals files to parts and cuts their windows.
fn deal(files: Vec<Tokenised>, config: &CorpusConfig, fraction: f64) -> (Vec<FileEntry>, [Split; 3]) {
    let (train, val) = split_points(files.len(), fraction);
    let mut parts = [Split::default(), Split::default(), Split::default()];
    let mut entries = Vec::with_capacity(files.len());
    for (index, file) in files.into_iter().enumerate() {
        let part = match index {
            _ if index < train => Part::Train,
            _ if index < val => Part::Val,
            _ => Part::Test,
        };
        let windows = parts[part as usize].add(&file.name, &file.entry.tokens, config.window, config.drop_last);
        let seconds = file.entry.tokens.len() as f64 / f64::from(config.sample_rate);
        entries.push(FileEntry { name: file.name, seconds, part, windows });
    }
    (entries, parts)
}

/// A warning that names the files which give no window.
fn short_files(entries: &[FileEntry], config: &CorpusConfig) -> Option<String> {
    let short: Vec<&str> = entries.iter().filter(|file| file.windows == 0).map(|file| file.name.as_str()).collect();
    if short.is_empty() {
        return None;
    }
    let shown: Vec<String> = short.iter().take(NAMES_IN_A_WARNING).map(|name| format!("`{name}`")).collect();
    let more = match short.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let seconds = config.window as f64 / f64::from(config.sample_rate);
    Some(format!(
        "{} of {} files are shorter than a window of {} tokens ({seconds:.2} s) and are not used: {}{more}",
        short.len(),
        entries.len(),
        config.window,
        shown.join(", "),
    ))
}

fn no_windows(part: Part, name: &'static str, entries: &[FileEntry], config: &CorpusConfig) -> AudioError {
    let seconds = entries.iter().filter(|file| file.part == part).map(|file| file.seconds).fold(0.0, f64::max);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of tokens, back from seconds")]
    let longest = (seconds * f64::from(config.sample_rate)).round() as usize;
    AudioError::NoWindows { part: name, window: config.window, longest, seconds }
}

fn content_hash(files: &[Tokenised], config: &CorpusConfig, fraction: f64) -> String {
    let settings = serde_json::json!([
        config.sample_rate,
        config.quantization,
        config.bits,
        config.scaling,
        config.window,
        config.drop_last,
        fraction,
    ]);
    let mut hasher = blake3::Hasher::new_derive_key("wasabi 2026 corpus, version 1");
    for file in files {
        hasher.update(file.content.as_bytes());
    }
    hasher.update(settings.to_string().as_bytes());
    hasher.finalize().to_hex().to_string()
}
