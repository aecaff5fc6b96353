//! Weights in and out, under the names that official checkpoints use, strictly.

use super::ModelError;
use super::params::Params;
use std::collections::HashMap;
use tch::{Kind, Tensor};

/// Problems listed before the rest is only counted.
const LISTED: usize = 12;

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

    fn problems(&self, given: &HashMap<&str, &Tensor>, weights: &[(String, Tensor)]) -> Vec<String> {
        let mut problems = Vec::new();
        let mut known: HashMap<&str, Option<Vec<i64>>> = HashMap::new();
        for param in &self.list {
            known.insert(&param.name, Some(param.tensor.size()));
        }
        for buffer in &self.lengths {
            known.insert(&buffer.name, None);
        }
        for (name, tensor) in weights {
            match known.get(name.as_str()) {
                None => problems.push(format!("unknown: {name} {:?}", tensor.size())),
                Some(Some(shape)) if *shape != tensor.size() => {
                    problems.push(format!("misshapen: {name} is {:?}, but must be {shape:?}", tensor.size()));
                }
                Some(None) if tensor.numel() != 1 || tensor.kind() != Kind::Int64 => {
                    problems.push(format!("misshapen: {name} is {:?}, but must be one int64", tensor.size()));
                }
                Some(_) => {}
            }
        }
        let names = self.list.iter().map(|param| &param.name).chain(self.lengths.iter().map(|buffer| &buffer.name));
        problems.extend(names.filter(|name| !given.contains_key(name.as_str())).map(|name| format!("missing: {name}")));
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
