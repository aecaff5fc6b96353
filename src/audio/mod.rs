//! Sound as numbers: files to samples, samples to tokens, tokens to windows; and back to wav files.
//!
//! Lives here: decoding (WAV, FLAC), mix-down, resampling, mu-law and linear quantisation, the corpus (split, windows,
//! cache of tokens on disk), input and target pairs, spectra, wav writing, cutting and levelling, playing.
//! Does not: tensors, batches on a device and shuffling (`train`); pictures of spectra (`plot`); printing.
//! May use: no other room. `hound`, `symphonia`, `rubato`, `realfft` and `which` stay here.
//!
//! The path of a corpus: [`Corpus::open`] lists a folder in natural order, decodes each file to mono at one sample rate
//! ([`load_mono`]), turns it into tokens ([`Quantizer::encode`]), cuts windows, and splits by file.

mod cache;
mod config;
mod corpus;
mod decode;
mod edit;
mod error;
mod flac;
mod listing;
mod mel;
mod natural;
mod pairs;
mod play;
mod quantize;
mod resample;
mod spectra;
mod split;
mod wav;
mod write;

pub use config::{CorpusConfig, OnError};
pub use corpus::{Corpus, FileEntry};
pub use decode::{Clip, Decoded, Wave, decode, decode_until, load_mono, load_mono_until};
pub use edit::{amplitude_db, faded, mix_down, peak, rms, scaled, sine};
pub use error::AudioError;
pub use mel::{MelSpectrogram, mel};
pub use natural::natural_order;
pub use pairs::{Batch, IGNORED_TARGET, Pair, collate};
pub use play::{PLAYER_VARIABLE, Player};
pub use quantize::{Quantization, Quantizer, Scaling};
pub use resample::{MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, resample, resample_until};
pub use spectra::{Spectrogram, Spectrum, StftConfig, mean_spectrum, stft, stft_until, to_db};
pub use split::{Part, Split, split_points};
pub(crate) use write::replace;
pub use write::{SampleFormat, pcm16_bytes, wav_bytes, wav_header, write_channels, write_wav, write_what_fits};
