//! The parameters of a model: their names, their learning-rate groups, and how they are made.

use super::ModelError;
use crate::seed::Seed;
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
    made: Rc<RefCell<Params>>,
}

impl Builder {
    pub(crate) fn new(seed: Seed, device: Device, kind: Kind) -> Self {
        Self { path: String::new(), seed, kind, device, made: Rc::default() }
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

    /// A random generator for what is drawn at this path under `name`.
    pub(crate) fn draws(&self, name: &str) -> impl Rng + use<> {
        self.seed.stream(&format!("init/{}", self.full(name)), 0)
    }

    pub(crate) fn param(&self, name: &str, shape: &[i64], group: Group, init: Init) -> Result<Tensor, ModelError> {
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
