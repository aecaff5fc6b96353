//! Sound as numbers: files to samples, samples to tokens, tokens to windows; and back to wav files.
//!
//! Lives here: decoding (WAV, FLAC), mix-down, resampling, mu-law and linear quantisation, the corpus (split, windows,
//! cache of tokens on disk), input and target pairs, spectra, wav writing.
//! Does not: tensors, batches on a device and shuffling (`train`); pictures of spectra (`plot`); printing.
//! May use: no other room. `hound`, `symphonia`, `rubato` and `realfft` stay here.
//!
//! The path of a corpus: [`Corpus::open`] lists a folder in natural order, decodes each file to mono at one sample rate
//! ([`load_mono`]), turns it into tokens ([`Quantizer::encode`]), cuts windows, and splits by file.

mod cache;
mod config;
mod corpus;
mod decode;
mod error;
mod flac;
mod listing;
mod mel;
mod natural;
mod pairs;
mod quantize;
mod resample;
mod spectra;
mod split;
mod wav;
mod write;

pub use config::{CorpusConfig, OnError};
pub use corpus::{Corpus, FileEntry};
pub use decode::{Clip, Decoded, Wave, decode, load_mono};
pub use error::AudioError;
pub use mel::{MelSpectrogram, mel};
pub use natural::natural_order;
pub use pairs::{Batch, IGNORED_TARGET, Pair, collate};
pub use quantize::{Quantization, Quantizer, Scaling};
pub use resample::{MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, resample};
pub use spectra::{Spectrogram, StftConfig, stft, to_db};
pub use split::{Part, Split, split_points};
pub use write::{SampleFormat, wav_bytes, write_wav};
