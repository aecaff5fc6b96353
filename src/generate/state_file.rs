//! States on disk: one safetensors file, whole or absent, that takes go on from another time, in another process.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind};

use super::{GenerateError, SessionState, StreamState, Voice, VoiceState};
use crate::audio;
use crate::model::{Model, ModelError};
use crate::seed::Seed;

/// The metadata key of what is not a tensor.
const HEADER_KEY: &str = "wasabi.state";

/// Of what a state holds, and in which order. States of another schema are refused.
const SCHEMA: u32 = 1;

/// Which weights a state belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelName {
    /// What people call it: the path of its checkpoint.
    pub name: String,
    /// BLAKE3 of its weights and their names.
    pub digest: String,
}

/// Letters of a digest that people are shown.
const SHOWN: usize = 12;

impl std::fmt::Display for ModelName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name, self.digest.get(..SHOWN).unwrap_or(&self.digest))
    }
}

impl ModelName {
    /// The name of `model` as it is now.
    ///
    /// # Errors
    /// libtorch's.
    pub fn of(model: &Model, name: &str) -> Result<Self, GenerateError> {
        let mut hasher = blake3::Hasher::new();
        for (name, tensor) in model.state_dict() {
            let torch = |error| GenerateError::from(ModelError::Torch(error));
            let plain = tensor.f_detach().and_then(|x| x.f_to_device(Device::Cpu)?.f_contiguous()).map_err(torch)?;
            let wide = plain.f_to_kind(Kind::Double).and_then(|x| x.f_view([-1])).map_err(torch)?;
            let mut numbers = vec![0.0_f64; wide.numel()];
            wide.f_copy_data(&mut numbers, wide.numel()).map_err(torch)?;
            hasher.update(name.as_bytes());
            hasher.update(&(numbers.len() as u64).to_le_bytes());
            for number in numbers {
                hasher.update(&number.to_le_bytes());
            }
        }
        Ok(Self { name: name.to_owned(), digest: hasher.finalize().to_hex().to_string() })
    }
}

/// A state with the model that it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct StateFile {
    /// Its model.
    pub model: ModelName,
    /// What to go on from.
    pub state: SessionState,
}

/// What is not a tensor.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    schema: u32,
    model: ModelName,
    seed: Seed,
    position: u64,
    drawn: u64,
    voices: Vec<VoiceHeader>,
    /// BLAKE3 of the rest of this and of the takes' numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contents: Option<String>,
}

impl Header {
    /// What `contents` should be, with the takes' `numbers` in their order.
    fn digest<'a>(&self, numbers: impl Iterator<Item = &'a [u8]>) -> Result<String, serde_json::Error> {
        let Self { schema, model, seed, position, drawn, voices, .. } = self;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&serde_json::to_vec(&(schema, model, seed, position, drawn, voices))?);
        numbers.for_each(|bytes| {
            hasher.update(bytes);
        });
        Ok(hasher.finalize().to_hex().to_string())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct VoiceHeader {
    stream: u64,
    attempt: u64,
    token: u16,
}

fn tensor_name(number: usize) -> String {
    format!("voice.{number}")
}

impl StateFile {
    /// Writes it; a former file there stays whole until it is complete.
    ///
    /// # Errors
    /// [`GenerateError::StateAccess`] with the system's reason, for example a full disk.
    pub fn write(&self, path: &Path) -> Result<(), GenerateError> {
        let access = |source| GenerateError::StateAccess { doing: "write", path: path.display().to_string(), source };
        let SessionState { seed, position, drawn, ref voices } = self.state;
        let header = Header {
            schema: SCHEMA,
            model: self.model.clone(),
            seed,
            position,
            drawn,
            voices: voices
                .iter()
                .map(|state| VoiceHeader {
                    stream: state.voice.stream,
                    attempt: state.voice.attempt,
                    token: state.token,
                })
                .collect(),
            contents: None,
        };
        let bytes: Vec<Vec<u8>> =
            voices.iter().map(|state| state.memory.numbers.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
        let digest = header.digest(bytes.iter().map(Vec::as_slice)).map_err(|error| access(error.into()))?;
        let header = Header { contents: Some(digest), ..header };
        let header = serde_json::to_string(&header).map_err(|error| access(error.into()))?;
        let other = |error: safetensors::SafeTensorError| access(std::io::Error::other(error));
        let views = bytes.iter().enumerate().map(|(number, bytes)| {
            Ok((tensor_name(number), TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes).map_err(other)?))
        });
        let views = views.collect::<Result<Vec<_>, GenerateError>>()?;
        let metadata = HashMap::from([(HEADER_KEY.to_owned(), header)]);
        let file = safetensors::serialize(views, Some(metadata)).map_err(other)?;
        audio::replace(path, |out| out.write_all(&file)).map_err(access)
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`GenerateError::StateAccess`] when it cannot be read, [`GenerateError::StateFile`] when it is none, or not whole.
    pub fn read(path: &Path) -> Result<Self, GenerateError> {
        let name = || path.display().to_string();
        let bytes =
            std::fs::read(path).map_err(|source| GenerateError::StateAccess { doing: "read", path: name(), source })?;
        let refuse = |reason: String| GenerateError::StateFile { path: name(), reason };
        let file = SafeTensors::deserialize(&bytes).map_err(|error| refuse(error.to_string()))?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| refuse(error.to_string()))?;
        let header = header.metadata().as_ref().and_then(|metadata| metadata.get(HEADER_KEY));
        let header =
            header.ok_or_else(|| refuse("its metadata says nothing of takes; is it a checkpoint?".to_owned()))?;
        let header: Header = serde_json::from_str(header).map_err(|error| refuse(error.to_string()))?;
        if header.schema != SCHEMA {
            return Err(refuse(format!("its schema is {}, but this version reads {SCHEMA}", header.schema)));
        }
        let numbers = |number: usize| file.tensor(&tensor_name(number)).map_err(|error| refuse(error.to_string()));
        let all = (0..header.voices.len()).map(numbers).collect::<Result<Vec<_>, _>>()?;
        let digest = header.digest(all.iter().map(TensorView::data)).map_err(|error| refuse(error.to_string()))?;
        match &header.contents {
            None => return Err(refuse("it has no checksum: an earlier version wrote it".to_owned())),
            Some(contents) if *contents != digest => {
                return Err(refuse("it is damaged: what it holds is not what was written".to_owned()));
            }
            Some(_) => {}
        }
        let voice = |(number, voice): (usize, &VoiceHeader)| {
            let tensor = file.tensor(&tensor_name(number)).map_err(|error| refuse(error.to_string()))?;
            if tensor.dtype() != Dtype::F32 {
                return Err(refuse(format!("take {number} is stored as {:?}", tensor.dtype())));
            }
            let numbers = tensor.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            Ok(VoiceState {
                voice: Voice { stream: voice.stream, attempt: voice.attempt },
                token: voice.token,
                memory: StreamState { position: header.position, numbers },
            })
        };
        let voices = header.voices.iter().enumerate().map(voice).collect::<Result<Vec<_>, _>>()?;
        if voices.is_empty() {
            return Err(refuse("it holds no take".to_owned()));
        }
        let state = SessionState { seed: header.seed, position: header.position, drawn: header.drawn, voices };
        Ok(Self { model: header.model, state })
    }

    /// What to go on from, for `model`, from the file at `path`.
    ///
    /// # Errors
    /// Those of [`read`](Self::read); [`GenerateError::StateModel`] when it belongs to other weights.
    pub fn of_model(path: &Path, model: &ModelName) -> Result<SessionState, GenerateError> {
        let found = Self::read(path)?;
        if found.model.digest != model.digest {
            let (found, needed) = (found.model.to_string(), model.to_string());
            return Err(GenerateError::StateModel { path: path.display().to_string(), found, needed });
        }
        Ok(found.state)
    }
}
