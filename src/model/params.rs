//! The parameters of a model: their names, their learning-rate groups, and how they are made.

use super::ModelError;
use super::s4_config::Mode;
use crate::seed::Seed;
use crate::ssm::SsmError;
use crate::ssm::init::{Init as StateInit, Start};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

/// Which learning rate and weight decay a parameter is trained with (the reference's four optimiser groups).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// Weights of linear maps, pools, `D`, embedding and head: full learning rate, weight decay.
    Dense,
    /// The kernels' `C`: as [`Group::Dense`], kept apart as the reference does.
    Kernel,
    /// Biases and norms of the backbone: full learning rate, no weight decay.
    NoDecay,
    /// dt, A, B and P of the state spaces: their own learning rate, no weight decay.
    Ssm,
}

impl Group {
    /// The name of the group, as the optimiser's state in a checkpoint has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Kernel => "kernel",
            Self::NoDecay => "no_decay",
            Self::Ssm => "ssm",
        }
    }
}

/// One trainable tensor.
#[derive(Debug)]
pub struct Param {
    /// The name that official checkpoints use: `model.c_layers.0.layer.layer.kernel.C`.
    pub name: String,
    /// A leaf that requires its gradient. Handles inside the model share it.
    pub tensor: Tensor,
    /// How it is trained.
    pub group: Group,
}

/// A length that a DPLR kernel is attuned to (`l_kernel`; 0 before the first use): saved beside the weights.
#[derive(Debug, Clone)]
pub(crate) struct LengthBuffer {
    pub(crate) name: String,
    pub(crate) length: Rc<Cell<i64>>,
}

/// Every parameter of a model, in the order of the official state dict.
#[derive(Debug, Default)]
pub struct Params {
    /// The trainable tensors.
    pub list: Vec<Param>,
    pub(crate) lengths: Vec<LengthBuffer>,
}

impl Params {
    /// The number of trainable real numbers.
    #[must_use]
    pub fn count(&self) -> usize {
        self.list.iter().map(|param| param.tensor.numel()).sum()
    }

    /// Adds up where each gradient stands: `true` when every parameter has one.
    #[must_use]
    pub fn all_have_gradients(&self) -> bool {
        self.list.iter().all(|param| param.tensor.grad().defined())
    }
}

/// How the entries of a new parameter are drawn.
#[derive(Debug)]
pub(crate) enum Init {
    /// Uniform in `±bound`.
    Uniform(f64),
    /// Normal with mean 0 and this standard deviation.
    Normal(f64),
    /// One value everywhere.
    Constant(f64),
    /// These values.
    Values(Tensor),
}

/// Makes parameters under a path of names: `builder.at("c_layers").at(0)`.
#[derive(Clone)]
pub(crate) struct Builder {
    path: String,
    seed: Seed,
    kind: Kind,
    device: Device,
    /// Only names and shapes of what is not the state spaces': see [`Builder::sketch`].
    is_sketch: bool,
    made: Rc<RefCell<Params>>,
    starts: Rc<RefCell<Vec<(StartKey, Start)>>>,
}

/// What the start of a state space depends on: the kind of its matrix, its initialisation, d_state, n_ssm and rank.
pub(crate) type StartKey = (Mode, StateInit, i64, i64, i64);

impl Builder {
    pub(crate) fn new(seed: Seed, device: Device, kind: Kind) -> Self {
        let (made, starts) = Default::default();
        Self { path: String::new(), seed, kind, device, is_sketch: false, made, starts }
    }

    /// A builder for a look at a network: the state spaces have the values that a real one has, and everything else has
    /// its name and shape alone (zeros that take no memory).
    pub(crate) fn sketch(seed: Seed, kind: Kind) -> Self {
        Self { is_sketch: true, ..Self::new(seed, Device::Cpu, kind) }
    }

    pub(crate) fn is_sketch(&self) -> bool {
        self.is_sketch
    }

    /// The start of a state space, made once for all layers that begin alike: it takes an eigendecomposition.
    pub(crate) fn start(
        &self,
        key: StartKey,
        make: impl FnOnce() -> Result<Start, SsmError>,
    ) -> Result<Start, SsmError> {
        let share = |start: &Start| Start {
            lambda: start.lambda.shallow_clone(),
            p: start.p.shallow_clone(),
            b: start.b.shallow_clone(),
        };
        if let Some((_, start)) = self.starts.borrow().iter().find(|(known, _)| *known == key) {
            return Ok(share(start));
        }
        let start = make()?;
        self.starts.borrow_mut().push((key, share(&start)));
        Ok(start)
    }

    pub(crate) fn at(&self, name: impl std::fmt::Display) -> Self {
        Self { path: self.full(&name.to_string()), ..self.clone() }
    }

    fn full(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn device(&self) -> Device {
        self.device
    }

    /// A random generator for what is drawn at this path under `name`.
    pub(crate) fn draws(&self, name: &str) -> impl Rng + use<> {
        self.seed.stream(&format!("init/{}", self.full(name)), 0)
    }

    pub(crate) fn param(&self, name: &str, shape: &[i64], group: Group, init: Init) -> Result<Tensor, ModelError> {
        if self.is_sketch && matches!(group, Group::Dense | Group::NoDecay) {
            let tensor = Tensor::f_zeros([1], (self.kind, self.device))?.f_expand(shape, false)?;
            self.made.borrow_mut().list.push(Param { name: self.full(name), tensor: tensor.shallow_clone(), group });
            return Ok(tensor);
        }
        let size = usize::try_from(shape.iter().product::<i64>()).unwrap_or(0);
        let values = match init {
            Init::Values(values) => values.f_reshape(shape)?,
            Init::Constant(value) => Tensor::from_slice(&vec![value; size]).f_reshape(shape)?,
            Init::Uniform(bound) => draw_uniform(bound, shape, self.draws(name))?,
            Init::Normal(deviation) => {
                let mut rng = self.draws(name);
                let drawn: Vec<f64> = (0..size)
                    .map(|_| {
                        let z: f64 = StandardNormal.sample(&mut rng);
                        z * deviation
                    })
                    .collect();
                Tensor::from_slice(&drawn).f_reshape(shape)?
            }
        };
        // Drawn in float64 and narrowed here, so that a float32 and a float64 model of one seed start alike.
        let tensor = values.f_to_kind(self.kind)?.f_to_device(self.device)?.copy().set_requires_grad(true);
        self.made.borrow_mut().list.push(Param { name: self.full(name), tensor: tensor.shallow_clone(), group });
        Ok(tensor)
    }

    pub(crate) fn length(&self, name: &str) -> Rc<Cell<i64>> {
        let length = Rc::new(Cell::new(0));
        self.made.borrow_mut().lengths.push(LengthBuffer { name: self.full(name), length: Rc::clone(&length) });
        length
    }

    pub(crate) fn finish(self) -> Params {
        std::mem::take(&mut self.made.borrow_mut())
    }
}

/// Uniform in `±bound`, float64.
pub(crate) fn draw_uniform(bound: f64, shape: &[i64], mut rng: impl Rng) -> Result<Tensor, ModelError> {
    let size = usize::try_from(shape.iter().product::<i64>()).unwrap_or(0);
    let drawn: Vec<f64> = (0..size).map(|_| rng.random_range(-bound..=bound)).collect();
    Ok(Tensor::from_slice(&drawn).f_reshape(shape)?)
}
