//! `sashimi(#{ … })`: the options that tiers of S4 and feed-forward blocks are short for.

use super::feed_forward::FeedForwardConfig;
use super::norm::NormKind;
use super::s4_config::{Mode, S4Config};
use super::spec::{BlockSpec, ModelSpec, PoolSpec, Preset, TierSpec, at_least, probability};
use crate::options;
use crate::options::{Field, OptionError, Options};
use crate::ssm::DtTransform;
use crate::ssm::init::Init;
use crate::ssm::s4d::Discretization;
use std::sync::LazyLock;

options! {
    /// The options of `sashimi(#{ … })`: tiers of S4 and feed-forward blocks, pooled and widened on the way in.
    pub struct SashimiConfig for "sashimi" {
        /// Channels of the outermost tier. [channels; 1 or more]
        d_model: i64 = 64,
        /// S4 blocks in each tier (each with its feed-forward block). [blocks; 1 or more]
        n_layers: i64 = 8,
        /// Pooling factors, outermost first; `[]` is an isotropic model. [samples; 1 or more each]
        pool: Vec<i64> = vec![4, 4],
        /// Channels grow by this factor with every pool. [times; 1 or more]
        expand: i64 = 2,
        /// Width of the feed-forward blocks; 0 leaves them out. [times the channels; 0 or more]
        ff: i64 = 2,
        /// Kernel of the S4 blocks: "dplr" (S4) or "s4d" (diagonal). [; "dplr", "s4d"]
        mode: Mode = Mode::Dplr,
        /// State size N, even. [; 2 to 4096]
        d_state: i64 = 64,
        /// Independent state matrices a layer; `()` gives every channel its own. [; 1 or more, a divisor of the channels]
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
        /// Kernels that look both ways. Such a model cannot generate. [; true, false]
        bidirectional: bool = false,
        /// Dropout inside the blocks. [probability; 0 to below 1]
        dropout: f64 = 0.0,
        /// Drop a channel for the whole sequence rather than single samples. [; true, false]
        tie_dropout: bool = false,
        /// Dropout on what each residual block adds. [probability; 0 to below 1]
        dropres: f64 = 0.0,
        /// Conventions: "repo" (released checkpoints) or "standalone". [; "repo", "standalone"]
        preset: Preset = Preset::Repo,
        /// Norm inside residual blocks: "scalar" or "affine"; `()` is the preset's. [; "scalar", "affine"]
        norm: Option<NormKind> = None,
        /// U-Net wiring: blocks on the way down too, and a skip around every layer. [; true, false]
        unet: bool = false,
    }
    ; validate = check_sashimi
}

fn check_sashimi(config: &SashimiConfig) -> Result<(), OptionError> {
    at_least("n_layers", config.n_layers, 1)?;
    at_least("ff", config.ff, 0)?;
    at_least("d_model", config.d_model, 1)?;
    at_least("expand", config.expand, 1)?;
    probability("dropres", config.dropres)?;
    if let Some(factor) = config.pool.iter().find(|factor| **factor < 1) {
        return Err(OptionError::value("pool", factor, "a list of factors of at least 1"));
    }
    config.s4().validate()
}

impl SashimiConfig {
    /// The options that mean something without pools: those of `isotropic(#{ … })`.
    #[must_use]
    pub fn isotropic_fields() -> &'static [Field] {
        static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
            let pooling = ["pool", "expand", "unet"];
            SashimiConfig::fields().iter().filter(|field| !pooling.contains(&field.name)).copied().collect()
        });
        &FIELDS
    }

    /// The options that `spec` is short for, where there are such.
    #[must_use]
    pub fn of(spec: &ModelSpec) -> Option<Self> {
        let own = [&spec.tier.blocks, &spec.tier.down].into_iter().flatten();
        let s4 = own.clone().find_map(|block| if let BlockSpec::S4(config) = block { Some(config) } else { None })?;
        let ff =
            own.clone().find_map(|block| if let BlockSpec::Ff(config) = block { Some(config.expand) } else { None });
        let layers = spec.tier.blocks.iter().filter(|block| matches!(block, BlockSpec::S4(_))).count();
        let S4Config { mode, d_state, n_ssm, init, rank, dt_min, dt_max, dt_transform, .. } = *s4;
        let S4Config { discretization, bidirectional, dropout, tie_dropout, .. } = *s4;
        let config = Self {
            d_model: spec.d_model,
            n_layers: i64::try_from(layers).ok()?,
            pool: spec.tier.pool_factors(),
            expand: spec.tier.pool.as_ref().map_or(Self::default().expand, |pool| pool.expand),
            ff: ff.unwrap_or(0),
            mode,
            d_state,
            n_ssm,
            init,
            rank,
            dt_min,
            dt_max,
            dt_transform,
            discretization,
            bidirectional,
            dropout,
            tie_dropout,
            dropres: spec.dropres,
            preset: spec.preset,
            norm: spec.norm,
            unet: spec.unet,
        };
        (config.validate().is_ok() && config.spec() == *spec).then_some(config)
    }

    fn s4(&self) -> S4Config {
        S4Config {
            mode: self.mode,
            d_state: self.d_state,
            n_ssm: self.n_ssm,
            init: self.init,
            rank: self.rank,
            dt_min: self.dt_min,
            dt_max: self.dt_max,
            dt_transform: self.dt_transform,
            discretization: self.discretization,
            bidirectional: self.bidirectional,
            dropout: self.dropout,
            tie_dropout: self.tie_dropout,
        }
    }

    fn blocks(&self) -> Vec<BlockSpec> {
        let mut blocks = Vec::new();
        for _ in 0..self.n_layers {
            blocks.push(BlockSpec::S4(self.s4()));
            if self.ff > 0 {
                let (dropout, tie_dropout) = (self.dropout, self.tie_dropout);
                blocks.push(BlockSpec::Ff(FeedForwardConfig { expand: self.ff, dropout, tie_dropout }));
            }
        }
        blocks
    }

    /// The composition that these options are short for.
    #[must_use]
    pub fn spec(&self) -> ModelSpec {
        let mut tier = TierSpec { blocks: self.blocks(), ..TierSpec::default() };
        for &factor in self.pool.iter().rev() {
            let down = if self.unet { self.blocks() } else { Vec::new() };
            let pool = PoolSpec { factor, expand: self.expand, inner: Box::new(tier) };
            tier = TierSpec { down, pool: Some(pool), blocks: self.blocks() };
        }
        ModelSpec {
            d_model: self.d_model,
            preset: self.preset,
            norm: self.norm,
            unet: self.unet,
            dropres: self.dropres,
            tier,
        }
    }
}
