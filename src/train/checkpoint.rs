//! Checkpoints: one safetensors file that is whole or absent.
//!
//! `NAME.safetensors` holds the weights under the names of official checkpoints, the optimiser's flat moments under
//! `optimizer.`, and the manifest as metadata: one rename replaces all of it at once, so a crash or a full disk can never
//! pair weights with the moments of another step. `NAME.json` is the same manifest for people; nothing reads it back.

use super::manifest::Manifest;
use super::{AdamW, TrainError};
use crate::experiment::{RunDir, find_runs, make_way};
use crate::metrics::atomic;
use crate::model::{Model, ModelError};
use crate::seed::Seed;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// The metadata key of the manifest.
const MANIFEST_KEY: &str = "wasabi";
/// What the optimiser's tensors are called in front.
const OPTIMIZER_PREFIX: &str = "optimizer.";

/// Writes a checkpoint: `path` (`….safetensors`) and the manifest beside it (`….json`).
///
/// # Errors
/// [`TrainError::Save`] with the system's reason, for example a full disk; a former checkpoint there stays whole.
pub fn save(path: &Path, model: &Model, optimizer: Option<&AdamW>, manifest: &Manifest) -> Result<(), TrainError> {
    let mut tensors = model.state_dict();
    tensors.extend(named(optimizer.map(AdamW::state).unwrap_or_default()));
    write(path, &tensors, manifest)
}

/// Writes what was read from a checkpoint to another place.
///
/// # Errors
/// As [`save`].
pub(super) fn copy(checkpoint: &Checkpoint, path: &Path) -> Result<(), TrainError> {
    let shallow = |tensors: &[(String, Tensor)]| -> Vec<(String, Tensor)> {
        tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
    };
    let mut tensors = shallow(&checkpoint.weights);
    tensors.extend(named(shallow(&checkpoint.moments)));
    write(path, &tensors, &checkpoint.manifest)
}

/// The optimiser's tensors under the names that they have in a file.
fn named(moments: Vec<(String, Tensor)>) -> impl Iterator<Item = (String, Tensor)> {
    moments.into_iter().map(|(name, tensor)| (format!("{OPTIMIZER_PREFIX}{name}"), tensor))
}

fn write(path: &Path, tensors: &[(String, Tensor)], manifest: &Manifest) -> Result<(), TrainError> {
    let failed = |source: io::Error| TrainError::Save {
        path: path.to_owned(),
        step: manifest.step,
        source,
        former: path.is_file().then(|| path.to_owned()),
    };
    let json = serde_json::to_string_pretty(manifest).map_err(|error| failed(error.into()))?;
    let bytes = to_bytes(tensors, &json)?;
    make_way(path)?;
    atomic::replace(path, |out| out.write_all(&bytes)).map_err(failed)?;
    let beside = path.with_extension("json");
    make_way(&beside)?;
    atomic::replace(&beside, |out| writeln!(out, "{json}")).map_err(failed)
}

fn to_bytes(tensors: &[(String, Tensor)], manifest: &str) -> Result<Vec<u8>, TrainError> {
    let mut stored = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let shape: Vec<usize> = tensor.size().iter().map(|&size| usize::try_from(size).unwrap_or(0)).collect();
        let plain = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_contiguous()?;
        let kind = plain.kind();
        let mut bytes = vec![0; plain.numel() * kind.elt_size_in_bytes()];
        plain.f_copy_data_u8(&mut bytes, plain.numel())?;
        stored.push((name, dtype_of(kind)?, shape, bytes));
    }
    let mut views = Vec::with_capacity(stored.len());
    for (name, dtype, shape, bytes) in &stored {
        views.push((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).map_err(refused)?));
    }
    let metadata = HashMap::from([(MANIFEST_KEY.to_owned(), manifest.to_owned())]);
    safetensors::serialize(views, Some(metadata)).map_err(refused)
}

fn refused(error: safetensors::SafeTensorError) -> TrainError {
    TrainError::Torch(tch::TchError::Convert(error.to_string()))
}

fn dtype_of(kind: Kind) -> Result<Dtype, TrainError> {
    Ok(match kind {
        Kind::Float => Dtype::F32,
        Kind::Double => Dtype::F64,
        Kind::Int64 => Dtype::I64,
        Kind::Half => Dtype::F16,
        Kind::BFloat16 => Dtype::BF16,
        other => return Err(TrainError::Torch(tch::TchError::Kind(format!("{other:?} cannot be saved")))),
    })
}

fn kind_of(dtype: Dtype) -> Option<Kind> {
    Some(match dtype {
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
        Dtype::I64 => Kind::Int64,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        _ => return None,
    })
}

/// A checkpoint in memory, not yet in a model.
#[derive(Debug)]
pub struct Checkpoint {
    /// Where it was read from.
    pub path: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
    /// The weights, under their official names.
    pub weights: Vec<(String, Tensor)>,
    /// The optimiser's moments; empty in a checkpoint that was saved without.
    pub moments: Vec<(String, Tensor)>,
}

impl Checkpoint {
    /// Reads a checkpoint: its `.safetensors`, the `.json` beside it, or the folder of a run, which stands for its best
    /// checkpoint, or its last where no validation was made.
    ///
    /// # Errors
    /// [`TrainError::Load`] when it cannot be read, [`TrainError::Damaged`] when it is not whole, [`TrainError::Foreign`]
    /// when it is whole but not a checkpoint of this program and this schema.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let given = path;
        let path = locate(given);
        if given.is_dir() && !path.exists() && RunDir::open(given).is_err() {
            let runs = find_runs(given).into_iter().map(|run| run.folder).collect();
            return Err(TrainError::NoRun { path: given.to_owned(), runs });
        }
        let bytes = std::fs::read(&path).map_err(|source| TrainError::Load { path: path.clone(), source })?;
        let damaged = |reason: String| TrainError::Damaged { path: path.clone(), bytes: bytes.len(), reason };
        let foreign = |reason: String| TrainError::Foreign { path: path.clone(), reason };
        let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged(error.to_string()))?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| damaged(error.to_string()))?;
        let manifest = header.metadata().as_ref().and_then(|metadata| metadata.get(MANIFEST_KEY));
        let manifest = manifest.ok_or_else(|| foreign("its metadata holds no manifest".to_owned()))?;
        let manifest = Manifest::from_json(manifest).map_err(&foreign)?;
        let (mut weights, mut moments) = (Vec::new(), Vec::new());
        for (name, view) in file.iter() {
            let tensor = to_tensor(&view).ok_or_else(|| foreign(format!("`{name}` has type {:?}", view.dtype())))??;
            match name.strip_prefix(OPTIMIZER_PREFIX) {
                Some(name) => moments.push((name.to_owned(), tensor)),
                None => weights.push((name.to_owned(), tensor)),
            }
        }
        Ok(Self { path, manifest, weights, moments })
    }

    /// Puts the weights into `model`, all or none.
    ///
    /// # Errors
    /// [`TrainError::Misfit`], listing every key that is unknown, missing or of another shape.
    pub fn load_into(&self, model: &mut Model) -> Result<(), TrainError> {
        let misfit = |source: ModelError| TrainError::Misfit { path: self.path.clone(), source };
        model.load_state_dict(&self.weights).map_err(misfit)
    }
}

fn to_tensor(view: &TensorView<'_>) -> Option<Result<Tensor, TrainError>> {
    let kind = kind_of(view.dtype())?;
    let shape: Vec<i64> = view.shape().iter().map(|&size| i64::try_from(size).unwrap_or(i64::MAX)).collect();
    Some(Tensor::f_from_data_size(view.data(), &shape, kind).map_err(TrainError::Torch))
}

/// The safetensors file that `path` stands for.
fn locate(path: &Path) -> PathBuf {
    if path.is_dir() {
        let inside = if path.join("checkpoints").is_dir() { path.join("checkpoints") } else { path.to_owned() };
        let best = inside.join("best.safetensors");
        return if best.is_file() { best } else { inside.join("last.safetensors") };
    }
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => path.with_extension("safetensors"),
        _ => path.to_owned(),
    }
}

/// The model that a checkpoint holds, built from its manifest, with its weights.
///
/// # Errors
/// As [`Checkpoint::read`] and [`Checkpoint::load_into`], and [`TrainError::Model`] for a composition that cannot be built.
pub fn load_model(path: &Path, device: Device) -> Result<(Model, Manifest), TrainError> {
    let checkpoint = Checkpoint::read(path)?;
    let manifest = &checkpoint.manifest;
    let kind = manifest.precision.kind();
    let mut model = Model::new(&manifest.model, manifest.levels, Seed(manifest.seed), device, kind)?;
    checkpoint.load_into(&mut model)?;
    Ok((model, checkpoint.manifest))
}
