//! The options of S4 and S4D layers: which there are, what they default to, which mean something in which mode.

use super::params::Builder;
use super::spec::{ModelSpec, at_least, probability};
use crate::options;
use crate::options::{Field, OptionError, Options};
use crate::ssm::init::{Init, Start, dplr_start, s4d_start};
use crate::ssm::s4d::Discretization;
use crate::ssm::{DtTransform, SsmError};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// The kind of state matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Diagonal plus low rank: S4.
    Dplr,
    /// Diagonal: S4D.
    S4d,
}

options! {
    /// The options of `s4(#{ … })` and `s4d(#{ … })`.
    pub struct S4Config for "s4" {
        /// Kernel: "dplr" (S4) or "s4d" (diagonal). [; "dplr", "s4d"]
        mode: Mode = Mode::Dplr,
        /// State size N, even. [; 2 to 4096]
        d_state: i64 = 64,
        /// Independent state matrices; `()` gives every channel its own. [; 1 or more, a divisor of the channels]
        n_ssm: Option<i64> = Some(1),
        /// Initialisation: legs, legt, fourier, hippo (dplr); lin, inv, legs, diag (s4d). `()` is legs or lin.
        /// [; "legs", "legt", "fourier", "hippo", "lin", "inv", "diag"]
        init: Option<Init> = None,
        /// Terms of the low-rank correction (dplr); `()` is what the initialisation needs. [; 1 to 16]
        rank: Option<i64> = None,
        /// Smallest initial step. [SSM time a sample; above 0]
        dt_min: f64 = 0.001,
        /// Largest initial step. [SSM time a sample; dt_min or more]
        dt_max: f64 = 0.1,
        /// How dt is stored: "softplus" or "exp"; `()` is the preset's. [; "softplus", "exp"]
        dt_transform: Option<DtTransform> = None,
        /// Discretisation of s4d kernels: "zoh" or "bilinear". [; "zoh", "bilinear"]
        discretization: Discretization = Discretization::Zoh,
        /// A second kernel that looks ahead. Such a block cannot generate. [; true, false]
        bidirectional: bool = false,
        /// Dropout after the GELU. [probability; 0 to below 1]
        dropout: f64 = 0.0,
        /// Drop a channel for the whole sequence rather than single samples. [; true, false]
        tie_dropout: bool = false,
    }
    ; validate = check
}

/// The largest state: its dense matrix (for attuning C) already takes 256 MB a channel in complex128.
const LARGEST_STATE: i64 = 4096;

/// The largest low-rank correction; no initialisation needs more than 2.
const LARGEST_RANK: i64 = 16;

fn check(config: &S4Config) -> Result<(), OptionError> {
    if config.d_state < 2 || config.d_state % 2 != 0 {
        let error = SsmError::StateSize(config.d_state);
        let hint = error.hint();
        return Err(OptionError { key: "d_state".to_owned(), message: error.to_string(), hint });
    }
    if config.d_state > LARGEST_STATE {
        return Err(OptionError::value("d_state", config.d_state, &format!("at most {LARGEST_STATE}")));
    }
    if let Some(n_ssm) = config.n_ssm {
        at_least("n_ssm", n_ssm, 1)?;
    }
    if let Some(rank) = config.rank {
        at_least("rank", rank, 1)?;
        if rank > LARGEST_RANK {
            return Err(OptionError::value("rank", rank, &format!("at most {LARGEST_RANK}")));
        }
    }
    if !(config.dt_min > 0.0 && config.dt_min <= config.dt_max && config.dt_max.is_finite()) {
        let error = SsmError::StepRange { dt_min: config.dt_min, dt_max: config.dt_max };
        let hint = error.hint();
        return Err(OptionError { key: "dt_min".to_owned(), message: error.to_string(), hint });
    }
    let suits = match config.mode {
        Mode::Dplr => !matches!(config.init(), Init::Lin | Init::Inv | Init::Diag),
        Mode::S4d => !matches!(config.init(), Init::LegT | Init::Fourier | Init::Hippo),
    };
    if !suits {
        let mode = if config.mode == Mode::Dplr { "dplr" } else { "s4d" };
        let error = SsmError::InitForMode { init: config.init().name(), mode };
        let hint = error.hint();
        return Err(OptionError { key: "init".to_owned(), message: error.to_string(), hint });
    }
    probability("dropout", config.dropout)
}

impl S4Config {
    /// The options that mean something to S4 proper: all but those of S4D.
    #[must_use]
    pub fn dplr_fields() -> &'static [Field] {
        static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| S4Config::fields_but(&["mode", "discretization"], None));
        &FIELDS
    }

    /// The options that mean something to S4D: all but those of the low-rank correction.
    #[must_use]
    pub fn diagonal_fields() -> &'static [Field] {
        static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
            let init = "Initialisation of the diagonal; `()` is lin. [; \"lin\", \"inv\", \"legs\", \"diag\"]";
            S4Config::fields_but(&["mode", "rank"], Some(init))
        });
        &FIELDS
    }

    fn fields_but(absent: &[&str], init: Option<&'static str>) -> Vec<Field> {
        let kept = Self::fields().iter().filter(|field| !absent.contains(&field.name));
        let told = init.unwrap_or(
            "Initialisation of the state matrix; `()` is legs. [; \"legs\", \"legt\", \"fourier\", \"hippo\"]",
        );
        kept.map(|field| if field.name == "init" { Field { doc: told, ..*field } } else { *field }).collect()
    }

    /// The options that mean something in this mode, by name.
    pub(super) fn meaningful(&self) -> impl Iterator<Item = &'static str> {
        let fields = match self.mode {
            Mode::Dplr => Self::dplr_fields(),
            Mode::S4d => Self::diagonal_fields(),
        };
        std::iter::once("mode").chain(fields.iter().map(|field| field.name))
    }

    /// The same block on so many channels under `spec`, with every choice made and what means nothing at its default.
    pub(super) fn resolved(&self, channels: i64, spec: &ModelSpec) -> Self {
        let usual = Self::default();
        Self {
            n_ssm: Some(self.n_ssm.unwrap_or(channels)),
            init: Some(self.init()),
            rank: if self.mode == Mode::Dplr { Some(self.rank()) } else { None },
            dt_transform: Some(self.dt_transform.unwrap_or_else(|| spec.dt_transform())),
            discretization: if self.mode == Mode::S4d { self.discretization } else { usual.discretization },
            ..self.clone()
        }
    }

    /// Terms of the low-rank correction; 0 without one.
    #[must_use]
    pub fn rank(&self) -> i64 {
        let needed = if self.init() == Init::LegT { 2 } else { 1 };
        if self.mode == Mode::Dplr { self.rank.unwrap_or(needed) } else { 0 }
    }

    /// That the state matrices can be dealt out to so many channels.
    pub(super) fn check_tiling(&self, channels: i64) -> Result<(), SsmError> {
        let n_ssm = self.n_ssm.unwrap_or(channels);
        if n_ssm < 1 || channels % n_ssm != 0 { Err(SsmError::Tiling { n_ssm, channels }) } else { Ok(()) }
    }

    /// The initialisation that is used.
    #[must_use]
    pub fn init(&self) -> Init {
        self.init.unwrap_or(match self.mode {
            Mode::Dplr => Init::LegS,
            Mode::S4d => Init::Lin,
        })
    }

    pub(super) fn start(&self, channels: i64, at: &Builder) -> Result<Start, SsmError> {
        self.check_tiling(channels)?;
        let (n_ssm, init, rank) = (self.n_ssm.unwrap_or(channels), self.init(), self.rank());
        at.start((self.mode, init, self.d_state, n_ssm, rank), || match self.mode {
            Mode::S4d => s4d_start(init, self.d_state, n_ssm),
            Mode::Dplr => dplr_start(init, self.d_state, n_ssm, rank),
        })
    }
}
