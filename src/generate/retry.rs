//! Takes that fail, mended: what was good of them is heard again, and the rest drawn with other random numbers.

use super::making::{Job, Making};
use super::quality::{QualityConfig, first_failure};
use super::{GenerateError, Session, StepLogits, Take, Voice};
use crate::interrupt::Interrupt;

/// Draws the end of a failing take again, as often as the job allows, and keeps what lasts longest.
///
/// An attempt goes back a whole second at least before the failure, and a second further each time that it did not last longer.
/// The take stays as it is when it does not fail, is not whole, or nothing lasts longer. An interrupt ends it between attempts,
/// and drops the one under way. `engine` steps one stream.
///
/// # Errors
/// Whatever the engine reports.
pub(super) fn mend<E: StepLogits + ?Sized>(
    job: &Job<'_>,
    engine: &mut E,
    take: &mut Take,
    interrupt: &Interrupt,
) -> Result<(), GenerateError> {
    if take.tokens.len() < job.total() {
        return Ok(());
    }
    let lasts = |take: &Take| -> Result<Option<f64>, GenerateError> {
        let failure = first_failure(&take.wave[take.prompt..], job.sound.sample_rate, &QualityConfig::default())?;
        Ok(failure.map(|(_, seconds)| seconds))
    };
    let mut back = 1;
    let mut failing = lasts(take)?;
    for attempt in 1..=job.config.retry {
        let Some(until) = failing else { break };
        let kept = (until.floor() as usize).saturating_sub(back);
        let again = match draw_again(job, engine, take, kept, attempt, interrupt) {
            // An attempt that diverges is one that did not last.
            Err(GenerateError::NotFinite { .. }) => {
                back += 1;
                continue;
            }
            other => other?,
        };
        let Some(again) = again else { break };
        let found = lasts(&again)?;
        if found.is_none_or(|found| found > until) {
            (*take, failing, back) = (again, found, 1);
        } else {
            back += 1;
        }
    }
    Ok(())
}

/// Samples between two looks at the interrupt.
const LOOK_EVERY: usize = 512;

/// `take` with all after its first `kept` seconds drawn anew; nothing when interrupted.
fn draw_again<E: StepLogits + ?Sized>(
    job: &Job<'_>,
    engine: &mut E,
    take: &Take,
    kept: usize,
    attempt: usize,
    interrupt: &Interrupt,
) -> Result<Option<Take>, GenerateError> {
    let stream = take.stream as u64;
    let state = job.start.state.and_then(|state| state.only(stream));
    let tries = attempt;
    let attempt = attempt as u64 + state.as_ref().map_or(0, |state| state.voices[0].voice.attempt);
    let voice = Voice { stream, attempt };
    let before = state.as_ref().map_or(0, |state| state.drawn);
    let mut session = match state {
        Some(mut state) => {
            state.voices[0].voice = voice;
            Session::resume(engine, job.plan.clone(), &state)?
        }
        None => {
            let zero = job.sound.quantizer.zero_level();
            Session::of_voices(vec![voice], engine, job.plan.clone(), job.config.seed(), zero)?
        }
    };
    let kept_samples = kept * job.second();
    let heard = &take.tokens[..take.prompt + kept_samples];
    for tokens in heard.chunks(session.absorbs_together()) {
        if interrupt.is_set() {
            return Ok(None);
        }
        session.absorb_all(tokens)?;
    }
    session.set_drawn(before + kept_samples as u64);
    let mut making = Making { tokens: heard.to_vec(), seconds: take.seconds[..kept].to_vec() };
    for drawn in kept_samples..job.drawn {
        if drawn.is_multiple_of(LOOK_EVERY) && interrupt.is_set() {
            return Ok(None);
        }
        let token = session.draw()?[0];
        making.count(token, drawn, job.second(), session.last()[0]);
    }
    let ending = if take.ending.is_some() { Some(Box::new(session.state()?)) } else { None };
    Ok(Some(Take {
        stream: take.stream,
        prompt: take.prompt,
        log_likelihood: making.seconds.iter().map(|sums| sums.log_likelihood).sum(),
        entropy: making.seconds.iter().map(|sums| sums.entropy).sum(),
        seconds: making.seconds,
        stopped: None,
        retries: tries,
        ending,
        wave: job.sound.quantizer.decode(&making.tokens),
        tokens: making.tokens,
    }))
}
