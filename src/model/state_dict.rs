//! Weights in and out, under the names that official checkpoints use, strictly.

use super::ModelError;
use super::params::Params;
use std::collections::{HashMap, HashSet};
use tch::{Kind, Tensor};

/// Problems listed before the rest is only counted.
const LISTED: usize = 40;

impl Params {
    /// Every weight and every attuned length, in the official order and under the official names. Shares storage.
    #[must_use]
    pub fn state_dict(&self) -> Vec<(String, Tensor)> {
        let weights = self.list.iter().map(|param| (param.name.clone(), param.tensor.detach()));
        let lengths = self.lengths.iter().map(|buffer| {
            let length = Tensor::from_slice(&[buffer.length.get()]).reshape([0_i64; 0]);
            (buffer.name.clone(), length)
        });
        weights.chain(lengths).collect()
    }

    /// Copies `weights` into the parameters.
    ///
    /// # Errors
    /// [`ModelError::StateDict`] lists every name that is unknown or missing and every shape that differs; then nothing
    /// has been changed.
    pub fn load_state_dict(&self, weights: &[(String, Tensor)]) -> Result<(), ModelError> {
        let given: HashMap<&str, &Tensor> = weights.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let problems = self.problems(&given, weights);
        if !problems.is_empty() {
            return Err(ModelError::StateDict(shortened(problems)));
        }
        let _no_grad = tch::no_grad_guard();
        for param in &self.list {
            param.tensor.shallow_clone().f_copy_(given[param.name.as_str()])?;
        }
        for buffer in &self.lengths {
            buffer.length.set(given[buffer.name.as_str()].f_int64_value(&[])?);
        }
        Ok(())
    }

    /// What does not fit: misshapen and missing weights in the official order, then unknown ones by name.
    fn problems(&self, given: &HashMap<&str, &Tensor>, weights: &[(String, Tensor)]) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |name: &str, shape: &[i64], integer: bool| match given.get(name) {
            None => problems.push(format!("missing: {name} {shape:?}")),
            Some(tensor) if tensor.size() != shape || (tensor.kind() == Kind::Int64) != integer => {
                let (found, kind) = (tensor.size(), tensor.kind());
                let needed = if integer { "one int64" } else { "real numbers" };
                problems.push(format!("misshapen: {name} is {found:?} ({kind:?}), but must be {shape:?} ({needed})"));
            }
            Some(_) => {}
        };
        for param in &self.list {
            check(&param.name, &param.tensor.size(), false);
        }
        for buffer in &self.lengths {
            check(&buffer.name, &[], true);
        }
        let known = self.list.iter().map(|param| &param.name).chain(self.lengths.iter().map(|buffer| &buffer.name));
        let known: HashSet<&String> = known.collect();
        let mut unknown: Vec<String> = weights
            .iter()
            .filter(|(name, _)| !known.contains(name))
            .map(|(name, tensor)| format!("unknown: {name} {:?}", tensor.size()))
            .collect();
        unknown.sort();
        problems.extend(unknown);
        problems
    }
}

fn shortened(mut problems: Vec<String>) -> Vec<String> {
    if problems.len() > LISTED {
        let rest = problems.len() - LISTED;
        problems.truncate(LISTED);
        problems.push(format!("… and {rest} more"));
    }
    problems
}
