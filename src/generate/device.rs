//! Takes drawn where the model is: steps, masks and draws as libtorch operations on its device, in its order, with no number that
//! the host waits for. What was drawn is fetched once for many samples.
//!
//! Random numbers are those of [`Session`](super::Session), so that a take is the one that it draws, up to the rounding of sums.

use tch::{Device, Kind, Tensor};

use super::draw::ENTROPY_FLOOR;
use super::making::{Job, Making};
use super::take::choose;
use super::{Drawing, GenerateConfig, GenerateError, LibtorchSteps, Sound, Start, Take, Voice, retry};
use crate::interrupt::Interrupt;
use crate::model::{Model, ModelError, Stepper};

/// Samples of each take between two fetches: what a GPU is given ahead, and how long an interrupt waits.
const TOGETHER: usize = 64;

/// [`generate`](super::generate()) by [`Stepper`] alone, on the device of `model`.
///
/// # Errors
/// Those of [`generate`](super::generate()); [`GenerateError::NoState`] when a state is to be gone on from or saved.
pub fn generate_on_device(
    model: &Model,
    config: &GenerateConfig,
    sound: &Sound,
    start: Start<'_>,
    interrupt: &Interrupt,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Take>, GenerateError> {
    let levels = usize::try_from(model.levels()).unwrap_or(0);
    let job = Job::new(config, sound, start, start.takes(config), levels)?;
    if start.state.is_some() || config.save_state.is_some() {
        return Err(GenerateError::NoState);
    }
    let wrong = |(&token, position)| GenerateError::Token { token, position, levels };
    if let Some(found) = start.prompt.iter().zip(0..).find(|(token, _)| usize::from(**token) >= levels) {
        return Err(wrong(found));
    }
    let _no_grad = tch::no_grad_guard();
    let mut draws = Draws::new(model, &job)?;
    let mut makings: Vec<Making> = (0..job.takes).map(|_| Making::default()).collect();
    let mut position = 0;
    let mut stopped = None;
    while position < job.total() && !interrupt.is_set() && stopped.is_none() {
        let next = job.next(position, TOGETHER, TOGETHER);
        if let Some(tokens) = start.prompt.get(position..next) {
            draws.hear(tokens)?;
            makings.iter_mut().for_each(|making| making.tokens.extend_from_slice(tokens));
        } else {
            let drawn = position - start.prompt.len();
            match draws.draw(&job, position, next - position, &mut makings) {
                Err(error @ GenerateError::NotFinite { .. }) if makings[0].tokens.len() > start.prompt.len() => {
                    stopped = Some(error.to_string());
                }
                outcome => outcome?,
            }
            debug_assert!(makings[0].tokens.len() >= start.prompt.len() + drawn);
        }
        position = next;
        progress(position, job.total());
    }
    let take = |(stream, making): (usize, Making)| Take { stopped: stopped.clone(), ..making.into_take(&job, stream) };
    let mut takes: Vec<Take> = makings.into_iter().enumerate().map(take).collect();
    if config.retry > 0 {
        let mut alone = LibtorchSteps::new(model, 1)?;
        takes.iter_mut().try_for_each(|take| retry::mend(&job, &mut alone, take, interrupt))?;
    }
    Ok(choose(takes, config))
}

/// A batch of streams on a device.
struct Draws<'m> {
    stepper: Stepper<'m>,
    device: Device,
    generators: Vec<rand_chacha::ChaCha8Rng>,
    /// What was settled last, `(batch)`.
    tokens: Tensor,
    /// `(1, levels)`.
    numbers: Tensor,
}

/// What a step settled, `(batch)` each: the token, its log-probability, the entropy, and 1 where the logits are numbers.
struct Settled([Tensor; 4]);

fn torch(error: tch::TchError) -> GenerateError {
    ModelError::Torch(error).into()
}

impl<'m> Draws<'m> {
    fn new(model: &'m Model, job: &Job<'_>) -> Result<Self, GenerateError> {
        let batch = i64::try_from(job.takes).unwrap_or(i64::MAX);
        let device = model.device();
        let voices = (0..job.takes as u64).map(|stream| Voice { stream, attempt: 0 });
        let whole = (Kind::Int64, device);
        Ok(Self {
            stepper: model.stepper(batch)?,
            device,
            generators: voices.map(|voice| voice.generator(job.config.seed())).collect(),
            tokens: Tensor::f_full([batch], i64::from(job.sound.quantizer.zero_level()), whole).map_err(torch)?,
            numbers: Tensor::f_arange(model.levels(), whole).and_then(|x| x.f_unsqueeze(0)).map_err(torch)?,
        })
    }

    /// Feeds a prompt to every stream.
    fn hear(&mut self, tokens: &[u16]) -> Result<(), GenerateError> {
        for &token in tokens {
            let _logits = self.stepper.step(&self.tokens)?;
            self.tokens = self.tokens.f_full_like(i64::from(token)).map_err(torch)?;
        }
        Ok(())
    }

    /// Draws `count` samples of each stream from `position` on, and counts them.
    fn draw(
        &mut self,
        job: &Job<'_>,
        position: usize,
        count: usize,
        makings: &mut [Making],
    ) -> Result<(), GenerateError> {
        let first = position - job.start.prompt.len();
        let uniform = |at: usize| self.generators.iter().map(move |of| Voice::uniform(of, (position + at) as u64));
        let uniforms: Vec<f64> = (0..count).flat_map(uniform).collect();
        let batch = self.generators.len();
        let uniforms = Tensor::f_from_slice(&uniforms)
            .and_then(|x| x.f_view([count as i64, batch as i64])?.f_to_device(self.device))
            .map_err(torch)?;
        let mut steps: [Vec<Tensor>; 4] = Default::default();
        for at in 0..count {
            let drawing = job.plan.at((first + at) as u64);
            let logits = self.stepper.step(&self.tokens)?;
            let u = uniforms.f_select(0, at as i64).map_err(torch)?;
            let Settled(settled) = self.settle(&logits, &u, &drawing).map_err(torch)?;
            self.tokens = settled[0].shallow_clone();
            for (steps, settled) in steps.iter_mut().zip(settled) {
                steps.push(settled);
            }
        }
        // The one place where the host waits.
        let fetched = steps.iter().map(|steps| fetch(steps)).collect::<Result<Vec<_>, _>>().map_err(torch)?;
        let [tokens, likelihoods, entropies, numbers] = &fetched[..] else { return Ok(()) };
        for at in 0..count {
            let row = at * batch..(at + 1) * batch;
            if let Some(stream) = numbers[row.clone()].iter().position(|&fine| fine == 0.0) {
                return Err(GenerateError::NotFinite { stream, position: (position + at) as u64 });
            }
            for (stream, (making, place)) in makings.iter_mut().zip(row).enumerate() {
                debug_assert!(stream < batch);
                making.count(tokens[place] as u16, first + at, job.second(), (likelihoods[place], entropies[place]));
            }
        }
        Ok(())
    }

    /// The twin of [`Distribution`](super::Distribution) for a batch: `logits` `(batch, levels)`, `u` `(batch)`.
    fn settle(&self, logits: &Tensor, u: &Tensor, drawing: &Drawing) -> Result<Settled, tch::TchError> {
        let logits = logits.f_to_kind(Kind::Double)?;
        let (largest, _) = logits.f_max_dim(-1, true)?;
        let fine = largest.f_isfinite()?.f_squeeze_dim(-1)?.f_to_kind(Kind::Double)?; // NaN is the largest of all
        let shifted = logits.f_sub(&largest)?;
        let exponentials = shifted.f_exp()?;
        let sum = exponentials.f_sum_dim_intlist([-1_i64].as_slice(), true, None)?;
        let p = exponentials.f_div(&sum)?;
        let terms = p.f_mul(&p.f_add_scalar(ENTROPY_FLOOR)?.f_log()?)?;
        let entropy = terms.f_sum_dim_intlist([-1_i64].as_slice(), false, None)?.f_neg()?;
        let tempered = match drawing.temperature {
            0.0 | 1.0 => exponentials.shallow_clone(),
            temperature => shifted.f_div_scalar(temperature)?.f_exp()?,
        };
        let weights = match self.kept(&exponentials, &sum, drawing)? {
            Some(kept) => tempered.f_mul(&kept)?,
            None => tempered,
        };
        let before = weights.f_cumsum(-1, None)?;
        let total = before.f_narrow(-1, before.size()[1] - 1, 1)?;
        let passed = before.f_le_tensor(&total.f_mul(&u.f_unsqueeze(-1)?)?)?;
        let found = passed.f_sum_dim_intlist([-1_i64].as_slice(), false, Some(Kind::Int64))?;
        // Rounding may lead beyond the last token that can be drawn.
        let (last, _) = weights.f_gt(0.0)?.f_to_kind(Kind::Int64)?.f_mul(&self.numbers)?.f_max_dim(-1, false)?;
        let token = found.f_minimum(&last)?;
        let own = shifted.f_gather(-1, &token.f_unsqueeze(-1)?, false)?;
        let likelihood = own.f_sub(&sum.f_log()?)?.f_squeeze_dim(-1)?;
        Ok(Settled([token, likelihood, entropy, fine]))
    }

    /// 1 for the tokens that every mask keeps, 0 for the others; none when all are kept.
    fn kept(&self, exponentials: &Tensor, sum: &Tensor, drawing: &Drawing) -> Result<Option<Tensor>, tch::TchError> {
        let levels = exponentials.size()[1];
        let top_k = if drawing.temperature == 0.0 { 1 } else { i64::try_from(drawing.top_k).unwrap_or(0) };
        let by_rank = top_k > 0 && top_k < levels;
        let mut kept = None;
        if by_rank || drawing.top_p < 1.0 {
            // Stable: of equals, the lower token comes first.
            let (sorted, order) = exponentials.f_sort_stable(true, -1, true)?;
            let mut ranks = sorted.f_ones_like()?;
            if by_rank {
                let cut = ranks.f_narrow(-1, top_k, levels - top_k)?.f_zero_()?;
                debug_assert_eq!(cut.size()[1], levels - top_k);
            }
            if drawing.top_p < 1.0 {
                let before = sorted.f_cumsum(-1, None)?.f_sub(&sorted)?;
                ranks =
                    ranks.f_mul(&before.f_le_tensor(&sum.f_mul_scalar(drawing.top_p)?)?.f_to_kind(Kind::Double)?)?;
            }
            kept = Some(ranks.f_zeros_like()?.f_scatter(-1, &order, &ranks)?);
        }
        if drawing.min_p > 0.0 {
            let probable = exponentials.f_ge(drawing.min_p)?.f_to_kind(Kind::Double)?;
            kept = Some(kept.map_or_else(|| Ok(probable.shallow_clone()), |kept| kept.f_mul(&probable))?);
        }
        Ok(kept)
    }
}

/// `(steps, batch)`, row by row.
fn fetch(steps: &[Tensor]) -> Result<Vec<f64>, tch::TchError> {
    let all = Tensor::f_stack(steps, 0)?.f_to_kind(Kind::Double)?.f_to_device(Device::Cpu)?.f_contiguous()?;
    let mut numbers = vec![0.0; all.numel()];
    all.f_view([-1])?.f_copy_data(&mut numbers, all.numel())?;
    Ok(numbers)
}
