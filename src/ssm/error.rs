//! What can be wrong with a state space.

use tch::TchError;

/// Why a state space, its kernel or its recurrence could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SsmError {
    /// Conjugate pairs need an even, positive state size.
    #[error("d_state is {0}, but must be even and at least 2: states come in conjugate pairs")]
    StateSize(i64),
    /// The state matrices are tiled over the channels.
    #[error("n_ssm is {n_ssm}, but must divide the {channels} channels of the layer")]
    Tiling {
        /// Independent state matrices.
        n_ssm: i64,
        /// Channels of the layer.
        channels: i64,
    },
    /// The correction has more terms than were asked for.
    #[error("rank is {rank}, but {init} needs at least {needed}")]
    Rank {
        /// The rank asked for.
        rank: i64,
        /// The least that the initialisation needs.
        needed: i64,
        /// The initialisation.
        init: &'static str,
    },
    /// Time steps must be positive and ordered.
    #[error("dt_min is {dt_min} and dt_max is {dt_max}, but 0 < dt_min <= dt_max is needed")]
    StepRange {
        /// Smallest initial step.
        dt_min: f64,
        /// Largest initial step.
        dt_max: f64,
    },
    /// A kernel has at least one tap.
    #[error("a kernel of length {0} was asked for, but at least 1 is needed")]
    Length(i64),
    /// This initialisation belongs to the other kind of kernel.
    #[error("init `{init}` does not suit a {mode} kernel")]
    InitForMode {
        /// The initialisation.
        init: &'static str,
        /// `dplr` or `s4d`.
        mode: &'static str,
    },
    /// What a stretch of a model found when it was run again for its gradient.
    #[error(transparent)]
    Again(Box<dyn std::error::Error + Send + Sync>),
    /// libtorch refused.
    #[error("libtorch: {}", brief(.0))]
    Torch(#[from] TchError),
}

impl SsmError {
    /// What to try next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::StateSize(n) => Some(format!("try d_state: {}", (n.max(&2) + 1) / 2 * 2)),
            Self::Tiling { .. } => {
                Some("n_ssm: 1 shares one state matrix, n_ssm: () gives each channel its own".into())
            }
            Self::Rank { needed, .. } => Some(format!("try rank: {needed}")),
            Self::StepRange { .. } => Some("the usual range is dt_min: 0.001, dt_max: 0.1".into()),
            Self::InitForMode { mode, .. } => Some(match *mode {
                "dplr" => "a dplr kernel takes legs, legt, fourier or hippo".into(),
                _ => "an s4d kernel takes lin, inv, legs or diag".into(),
            }),
            Self::Length(_) | Self::Again(_) | Self::Torch(_) => None,
        }
    }
}

/// What libtorch said, without the C++ stack that it appends.
#[must_use]
pub fn brief(error: &TchError) -> String {
    let text = match error {
        TchError::Torch(text) => text.clone(),
        other => other.to_string(),
    };
    text.lines().next().unwrap_or_default().to_owned()
}
