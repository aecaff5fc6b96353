//! AdamW over flat storage: an update is a handful of tensor operations, however many layers there are.
//!
//! All parameters of a group become views into one flat tensor, and so do their gradients: libtorch's backward pass then
//! adds straight into the flat gradient, which makes accumulation, the norm and (one day) an all-reduce one call each.
//! The moments are flat too, and are saved and restored bit for bit.

use super::TrainError;
use crate::model::{Group, Params};
use tch::{Device, Kind, Tensor};

/// Added to the gradient's norm before dividing by it, as torch's `clip_grad_norm_` does.
const CLIP_EPS: f64 = 1e-6;

/// The constants of AdamW.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWConstants {
    /// How fast the mean gradient forgets.
    pub beta1: f64,
    /// How fast the mean squared gradient forgets.
    pub beta2: f64,
    /// Added to the root of the mean squared gradient.
    pub eps: f64,
}

impl Default for AdamWConstants {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, eps: 1e-8 }
    }
}

/// What one update multiplies with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Learning rate of the dense weights, the kernels' C, biases and norms.
    pub lr: f64,
    /// Learning rate of dt, A, B and P.
    pub ssm_lr: f64,
    /// Weight decay of the dense weights and of C.
    pub weight_decay: f64,
}

impl Rates {
    /// Learning rate and weight decay of a group (golden 3.14).
    const fn of(self, group: Group) -> (f64, f64) {
        match group {
            Group::Dense | Group::Kernel => (self.lr, self.weight_decay),
            Group::NoDecay => (self.lr, 0.0),
            Group::Ssm => (self.ssm_lr, 0.0),
        }
    }
}

/// One parameter's place in the flat storage of its group.
#[derive(Debug)]
struct Slot {
    name: String,
    tensor: Tensor,
    /// The part of the flat values that the parameter is a view of, in its shape.
    values: Tensor,
    /// The part of the flat gradient that its gradient is a view of.
    gradient: Tensor,
}

/// All parameters of one group, end to end.
#[derive(Debug)]
struct FlatGroup {
    group: Group,
    slots: Vec<Slot>,
    values: Tensor,   // (n)
    gradient: Tensor, // (n)
    mean: Tensor,     // (n), moving average of the gradient
    square: Tensor,   // (n), moving average of its square
}

/// The optimiser of one model.
#[derive(Debug)]
pub struct AdamW {
    constants: AdamWConstants,
    groups: Vec<FlatGroup>,
    updates: u64,
}

const GROUPS: [(Group, &str); 4] =
    [(Group::Dense, "dense"), (Group::Kernel, "kernel"), (Group::NoDecay, "no_decay"), (Group::Ssm, "ssm")];

fn name_of(group: Group) -> &'static str {
    GROUPS.iter().find(|(known, _)| *known == group).map_or("other", |(_, name)| name)
}

impl AdamW {
    /// An optimiser for `params`, which from now on are views into its storage; their values do not change.
    ///
    /// # Errors
    /// libtorch's, for parameters of different kinds or devices in one group.
    pub fn new(params: &Params, constants: AdamWConstants) -> Result<Self, TrainError> {
        let mut groups = Vec::new();
        for (group, _) in GROUPS {
            let members: Vec<_> = params.list.iter().filter(|param| param.group == group).collect();
            if !members.is_empty() {
                let named = members.iter().map(|param| (param.name.clone(), param.tensor.shallow_clone()));
                groups.push(FlatGroup::new(group, named.collect())?);
            }
        }
        Ok(Self { constants, groups, updates: 0 })
    }

    /// Updates made so far.
    #[must_use]
    pub const fn updates(&self) -> u64 {
        self.updates
    }

    /// Sets every gradient to zero; call it before the first backward pass of an update.
    ///
    /// # Errors
    /// libtorch's.
    pub fn zero_gradient(&mut self) -> Result<(), TrainError> {
        let _guard = tch::no_grad_guard();
        for group in &mut self.groups {
            let _ = group.gradient.f_zero_()?;
        }
        Ok(())
    }

    /// The Euclidean norm of the whole gradient, `()`, still on its device.
    ///
    /// # Errors
    /// libtorch's.
    pub fn gradient_norm(&mut self) -> Result<Tensor, TrainError> {
        let _guard = tch::no_grad_guard();
        let mut norms = Vec::with_capacity(self.groups.len());
        for group in &mut self.groups {
            group.take_up()?;
            norms.push(group.gradient.f_norm()?);
        }
        if norms.is_empty() {
            return Ok(Tensor::f_zeros([], (Kind::Float, Device::Cpu))?);
        }
        Ok(Tensor::f_stack(&norms, 0)?.f_norm()?)
    }

    /// Shortens the gradient to `limit` if its `norm` is above it, without reading either on the host.
    ///
    /// # Errors
    /// libtorch's.
    pub fn clip(&mut self, norm: &Tensor, limit: f64) -> Result<(), TrainError> {
        let _guard = tch::no_grad_guard();
        let scale = norm.f_add_scalar(CLIP_EPS)?.f_reciprocal()?.f_mul_scalar(limit)?.f_clamp_max(1.0)?;
        for group in &mut self.groups {
            let _ = group.gradient.f_mul_(&scale)?;
        }
        Ok(())
    }

    /// One update from the gradients as they stand.
    ///
    /// `p ← p (1 − lr wd)`, `m ← m + (1 − β₁)(g − m)`, `v ← β₂ v + (1 − β₂) g²`,
    /// `p ← p − lr m̂ / (√v̂ + ε)` with `m̂ = m / (1 − β₁ᵗ)`, `v̂ = v / (1 − β₂ᵗ)`.
    ///
    /// # Errors
    /// libtorch's.
    /// # Source
    /// Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2; the order of operations is torch's.
    pub fn step(&mut self, rates: Rates) -> Result<(), TrainError> {
        let _guard = tch::no_grad_guard();
        let updates = self.updates + 1;
        for group in &mut self.groups {
            group.take_up()?;
            group.update(self.constants, rates, updates)?;
        }
        self.updates = updates;
        Ok(())
    }

    /// The moments and the number of updates, as tensors to save; [`AdamW::load_state`] takes them back.
    #[must_use]
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let moments = self.groups.iter().flat_map(|group| {
            let name = name_of(group.group);
            [(format!("{name}.mean"), &group.mean), (format!("{name}.square"), &group.square)]
        });
        let mut state: Vec<_> = moments.map(|(name, tensor)| (name, tensor.shallow_clone())).collect();
        state.push(("updates".to_owned(), Tensor::from(i64::try_from(self.updates).unwrap_or(i64::MAX))));
        state
    }

    /// Takes back what [`AdamW::state`] gave.
    ///
    /// # Errors
    /// [`TrainError::Moments`], listing everything missing, unknown or of another size; nothing is changed then.
    pub fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<(), TrainError> {
        let _guard = tch::no_grad_guard();
        let own = self.state();
        let find = |name: &str| state.iter().find(|(known, _)| known == name).map(|(_, tensor)| tensor);
        let mut differences: Vec<String> = own
            .iter()
            .filter_map(|(name, tensor)| match find(name) {
                None => Some(format!("`{name}` is missing")),
                Some(found) if found.size() != tensor.size() || found.kind() != tensor.kind() => Some(format!(
                    "`{name}` is {:?} {:?}, needed {:?} {:?}",
                    found.kind(),
                    found.size(),
                    tensor.kind(),
                    tensor.size()
                )),
                Some(_) => None,
            })
            .collect();
        let unknown = state.iter().filter(|(name, _)| !own.iter().any(|(known, _)| known == name));
        differences.extend(unknown.map(|(name, _)| format!("`{name}` is unknown")));
        if !differences.is_empty() {
            return Err(TrainError::Moments { differences });
        }
        for (name, mut tensor) in own {
            if let Some(found) = find(&name) {
                if name == "updates" {
                    self.updates = u64::try_from(found.f_int64_value(&[])?).unwrap_or(0);
                } else {
                    tensor.f_copy_(found)?;
                }
            }
        }
        Ok(())
    }
}

impl FlatGroup {
    fn new(group: Group, members: Vec<(String, Tensor)>) -> Result<Self, TrainError> {
        define_gradients(&members)?;
        let _guard = tch::no_grad_guard();
        let flat = members.iter().map(|(_, tensor)| tensor.f_reshape([-1])).collect::<Result<Vec<_>, _>>()?;
        let values = Tensor::f_cat(&flat, 0)?.f_detach()?;
        let gradient = values.f_zeros_like()?;
        let mut start = 0;
        let mut slots = Vec::with_capacity(members.len());
        for (name, tensor) in members {
            let (size, length) = (tensor.size(), i64::try_from(tensor.numel()).unwrap_or(i64::MAX));
            let part = |whole: &Tensor| whole.f_narrow(0, start, length)?.f_view(size.as_slice());
            let slot = Slot { values: part(&values)?, gradient: part(&gradient)?, name, tensor };
            slot.point_here()?;
            slots.push(slot);
            start += length;
        }
        let (mean, square) = (values.f_zeros_like()?, values.f_zeros_like()?);
        Ok(Self { group, slots, values, gradient, mean, square })
    }

    /// Takes up again a parameter or gradient that somebody replaced instead of writing into it.
    fn take_up(&mut self) -> Result<(), TrainError> {
        for slot in &mut self.slots {
            let gradient = slot.tensor.f_grad()?;
            if slot.tensor.data_ptr() != slot.values.data_ptr() {
                slot.values.f_copy_(&slot.tensor)?;
                slot.point_here()?;
            }
            if gradient.defined() && gradient.data_ptr() != slot.gradient.data_ptr() {
                slot.gradient.f_copy_(&gradient)?;
                slot.point_here()?;
            }
        }
        Ok(())
    }

    fn update(&mut self, constants: AdamWConstants, rates: Rates, updates: u64) -> Result<(), TrainError> {
        let AdamWConstants { beta1, beta2, eps } = constants;
        let (lr, weight_decay) = rates.of(self.group);
        let exponent = i32::try_from(updates).unwrap_or(i32::MAX);
        let (correction1, correction2) = (1.0 - beta1.powi(exponent), 1.0 - beta2.powi(exponent));
        if weight_decay != 0.0 {
            let _ = self.values.f_mul_scalar_(1.0 - lr * weight_decay)?;
        }
        let _ = self.mean.f_lerp_(&self.gradient, 1.0 - beta1)?;
        let mut square = self.gradient.f_mul_scalar(1.0 - beta2)?;
        let _ = square.f_mul_(&self.gradient)?;
        let _ = self.square.f_mul_scalar_(beta2)?.f_add_(&square)?;
        let mut root = self.square.f_sqrt()?;
        let _ = root.f_div_scalar_(correction2.sqrt())?.f_add_scalar_(eps)?;
        let mut change = self.mean.f_mul_scalar(lr / correction1)?;
        let _ = change.f_div_(&root)?;
        let _ = self.values.f_sub_(&change)?;
        Ok(())
    }
}

impl Slot {
    /// Makes the parameter, and its gradient, views of the flat storage. Every handle on the parameter follows.
    fn point_here(&self) -> Result<(), TrainError> {
        self.tensor.shallow_clone().f_set_data(&self.values)?;
        let mut gradient = self.tensor.f_grad()?;
        if gradient.defined() {
            gradient.f_set_data(&self.gradient)?;
        } else {
            return Err(TrainError::Moments { differences: vec![format!("`{}` takes no gradient", self.name)] });
        }
        Ok(())
    }
}

/// Gives every member a gradient tensor, so that it can be re-pointed before the first real backward pass.
///
/// tch cannot set a gradient. Without this the first backward pass of a fresh process would *store* its gradients and
/// later ones *add* theirs, and −0 + 0 = 0 would make a resumed run differ from an uninterrupted one in the sign of zeros.
fn define_gradients(members: &[(String, Tensor)]) -> Result<(), TrainError> {
    for (name, tensor) in members {
        if !tensor.requires_grad() {
            return Err(TrainError::Moments { differences: vec![format!("`{name}` takes no gradient")] });
        }
        if !tensor.f_grad()?.defined() {
            tch::with_grad(|| tensor.f_sum(tensor.kind())?.f_backward())?;
        }
    }
    Ok(())
}
