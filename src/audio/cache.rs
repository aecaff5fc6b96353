//! Tokens on disk, so that a corpus is decoded once.
//!
//! An entry is named by BLAKE3 of the file's contents and of every setting that shapes the tokens: a changed file, or a
//! changed setting, is another entry, and a renamed or moved file is the same one. An entry ends with the BLAKE3 of all its bytes;
//! one that does not match is made again. Entries are written under a temporary name, synced and renamed.
//!
//! Layout: `MAGIC`, length of the header (u32, little-endian), header (JSON), tokens (u8 up to 8 bits, else u16
//! little-endian), checksum (32 bytes).

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{AudioError, CorpusConfig, Scaling};

const MAGIC: &[u8; 16] = b"wasabi tokens 1\n";
const CHECKSUM_BYTES: usize = 32;

/// A file as tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) tokens: Vec<u16>,
    /// What is odd about the file, without its name.
    pub(super) notes: Vec<String>,
}

/// What the cache knows about a key.
pub(super) enum Lookup {
    Hit(Entry),
    Missing,
    Damaged,
}

/// BLAKE3 of the contents of `path`.
pub(super) fn content(path: &Path) -> Result<blake3::Hash, AudioError> {
    let failed = |error| AudioError::read(path, error);
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path).map_err(failed)?).map_err(failed)?;
    Ok(hasher.finalize())
}

/// The name of the entry for a file with these contents under these settings.
///
/// `drop_last`, the split and the window under scalings that do not look at it leave the tokens alone and are not part.
pub(super) fn key(content: blake3::Hash, config: &CorpusConfig) -> String {
    let window = (config.scaling == Scaling::MinMax).then_some(config.window);
    let settings =
        serde_json::json!([config.sample_rate, config.quantization, config.bits, config.scaling, window]).to_string();
    let mut hasher = blake3::Hasher::new_derive_key("wasabi 2026 corpus tokens, version 1");
    hasher.update(content.as_bytes()).update(settings.as_bytes());
    hasher.finalize().to_hex().to_string()
}

fn place(folder: &Path, key: &str) -> PathBuf {
    folder.join(format!("{key}.tokens"))
}

#[derive(Serialize, Deserialize)]
struct Header {
    key: String,
    tokens: usize,
    token_bytes: usize,
    notes: Vec<String>,
}

/// Looks an entry up; whatever cannot be read back whole is damaged.
pub(super) fn load(folder: &Path, key: &str) -> Lookup {
    match std::fs::read(place(folder, key)) {
        Ok(bytes) => parse(&bytes, key).map_or(Lookup::Damaged, Lookup::Hit),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Lookup::Missing,
        // An unreadable cache is told about when writing to it fails too.
        Err(_) => Lookup::Missing,
    }
}

fn parse(bytes: &[u8], key: &str) -> Option<Entry> {
    let (body, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_BYTES)?)?;
    if blake3::hash(body).as_bytes() != checksum {
        return None;
    }
    let rest = body.strip_prefix(MAGIC)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (header, payload) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let header: Header = serde_json::from_slice(header).ok()?;
    if header.key != key || payload.len() != header.tokens.checked_mul(header.token_bytes)? {
        return None;
    }
    let tokens = match header.token_bytes {
        1 => payload.iter().map(|&byte| u16::from(byte)).collect(),
        2 => payload.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect(),
        _ => return None,
    };
    Some(Entry { tokens, notes: header.notes })
}

/// Writes an entry for tokens of `bits` bits.
pub(super) fn store(folder: &Path, key: &str, entry: &Entry, bits: u8) -> io::Result<()> {
    let token_bytes = if bits <= 8 { 1 } else { 2 };
    let header = Header { key: key.to_owned(), tokens: entry.tokens.len(), token_bytes, notes: entry.notes.clone() };
    let header = serde_json::to_vec(&header)?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend(u32::try_from(header.len()).map_err(io::Error::other)?.to_le_bytes());
    bytes.extend(header);
    bytes.extend(entry.tokens.iter().flat_map(|token| token.to_le_bytes().into_iter().take(token_bytes)));
    bytes.extend(blake3::hash(&bytes).as_bytes());
    std::fs::create_dir_all(folder)?;
    super::write::replace(&place(folder, key), |file| file.write_all(&bytes))
}
