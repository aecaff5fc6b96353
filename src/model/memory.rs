//! How far back an S4 layer looks: in principle to the beginning, in effect as far as its kernel has energy.

use super::ModelError;
use super::s4_block::S4Block;
use super::s4_config::Mode;
use crate::ssm::dense::{Attune, attune};
use crate::ssm::{Continuous, Tape, dplr, s4d};
use tch::{Kind, Tensor};

/// The share of a kernel's energy that may lie beyond its effective memory.
const TAIL: f64 = 1e-3;

/// The share of a kernel's energy that counts as silence. Once its last quarter is silent, what lies beyond is less still.
const SILENT: f64 = 1e-4;

/// Channels that are looked at: those with the smallest steps, since the memory of a channel is about a number of steps.
const CHANNELS: i64 = 4;

/// Positions beyond which nobody looks: eight seconds at 16 kHz, of a tier at full rate.
const LONGEST: i64 = 1 << 17;

/// A kernel's length for a step dt: the slowest mode of LegS, whose rate is 1, holds e^(−15) of its energy in its last
/// quarter, which is silence even where C weighs that mode a hundred times more than the rest, and e^(−20) beyond.
const TIMES: f64 = 10.0;

/// The largest state whose C is attuned, or recovered, to look further: both take dense powers of Ā.
const LARGEST_STATE: i64 = 256;

/// The lag, in positions of the layer's own tier, beyond which its kernel holds less than a thousandth of its energy
/// (Σ K², each channel by itself): the longest of its slowest channels. At most [`LONGEST`].
///
/// # Errors
/// libtorch's.
pub(super) fn effective_memory(block: &S4Block) -> Result<i64, ModelError> {
    let _no_grad = tch::no_grad_guard();
    let (system, l_kernel) = block.system()?;
    let mut system = system.slowest(CHANNELS)?;
    if l_kernel > 0 {
        // C is attuned to this length, and gives the kernel within it as it stands.
        let kernel = dplr::kernel(&system, l_kernel, &mut Tape::idle())?;
        if is_settled(&kernel)? || block.config().d_state > LARGEST_STATE {
            return lag(&kernel);
        }
        system.c = attune(&system, Attune::Undo(l_kernel))?;
    }
    let slowest = system.dt.f_min()?.f_double_value(&[])?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a range of small integers")]
    let needed = (TIMES / slowest).clamp(64.0, LONGEST as f64) as u64;
    // A length that transforms take fast.
    let mut length = needed.next_multiple_of(512).cast_signed();
    loop {
        let kernel = first(block, &system, length)?;
        if length >= LONGEST || is_settled(&kernel)? {
            return lag(&kernel);
        }
        length = (2 * length).min(LONGEST);
    }
}

/// The first `length` taps, `(outputs, channels, length)`.
fn first(block: &S4Block, system: &Continuous, length: i64) -> Result<Tensor, ModelError> {
    let config = block.config();
    if config.mode == Mode::S4d {
        return Ok(s4d::kernel(system, config.discretization, length, &mut Tape::idle())?);
    }
    // Without attuning C, what lies beyond `length` falls onto the beginning, and shows in the last quarter as much as
    // anywhere; attuning takes dense powers of Ā, so it is left out where there is nothing to see.
    let folded = dplr::kernel(system, length, &mut Tape::idle())?;
    if is_settled(&folded)? || config.d_state > LARGEST_STATE {
        return Ok(folded);
    }
    let c = attune(system, Attune::To(length))?;
    let attuned = Continuous { c, ..system.channels(0, system.sizes().0)? };
    Ok(dplr::kernel(&attuned, length, &mut Tape::idle())?)
}

/// Whether the last quarter of every kernel is silent.
fn is_settled(kernel: &Tensor) -> Result<bool, ModelError> {
    let length = kernel.size()[2];
    let energy = |from: i64| {
        let taps = kernel.f_narrow(2, from, length - from)?;
        taps.f_square()?.f_sum_dim_intlist([2_i64].as_slice(), false, Kind::Double)
    };
    let loud = energy(length - length / 4)?.f_gt_tensor(&energy(0)?.f_mul_scalar(SILENT)?)?;
    Ok(loud.f_any()?.f_int64_value(&[])? == 0)
}

/// Taps before the point beyond which at most [`TAIL`] of the energy lies, at least 1; the most of any output and channel.
fn lag(kernel: &Tensor) -> Result<i64, ModelError> {
    let energy = kernel.f_square()?;
    let beyond = energy.f_flip([-1])?.f_cumsum(-1, Kind::Double)?.f_flip([-1])?; // (outputs, channels, l): Σ over j ≥ l
    let allowed = beyond.f_narrow(-1, 0, 1)?.f_mul_scalar(TAIL)?;
    let above = beyond.f_gt_tensor(&allowed)?.f_sum_dim_intlist([-1_i64].as_slice(), false, Kind::Int64)?;
    Ok(above.f_max()?.f_int64_value(&[])?.max(1))
}
