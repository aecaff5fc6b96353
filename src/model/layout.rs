//! What runs where: every block and pool of a composition in the order that it runs, under its official name.

use super::spec::{BlockSpec, ModelSpec, PoolSpec, TierSpec};
use super::{ModelError, Preset};

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Part<'a> {
    /// A residual block.
    Block(&'a BlockSpec),
    /// The way into a pool's inner tier.
    Down(&'a PoolSpec),
    /// The way out of it.
    Up(&'a PoolSpec),
}

/// One block or pool of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Place<'a> {
    /// As official checkpoints name it, without the leading `model.`: `u_layers.0.1`.
    pub name: String,
    /// What stands there.
    pub part: Part<'a>,
    /// The tier that it is in, 0 outermost. A pool belongs to the tier around it.
    pub tier: usize,
    /// Channels of that tier.
    pub channels: i64,
    /// Samples of the model's input for each position of that tier.
    pub rate: i64,
}

impl<'a> Place<'a> {
    /// The block, if one stands here.
    #[must_use]
    pub fn block(&self) -> Option<&'a BlockSpec> {
        match self.part {
            Part::Block(block) => Some(block),
            Part::Down(_) | Part::Up(_) => None,
        }
    }
}

/// A layer's place in the network as people say it: `c_layers.0` of `model.c_layers.0.layer.layer.kernel`.
pub(super) fn place(path: &str) -> String {
    path.trim_start_matches("model.").trim_end_matches(".kernel").trim_end_matches(".layer").to_owned()
}

/// Official names number the way down, the centre and the way up apart, and number the way up from the inside. There,
/// the pool of a stage is its layer 0; but a U-Net of the modular reference counts the whole way up in one.
struct Naming {
    flat: bool,
    down: usize,
    up: usize,
}

impl Naming {
    fn next_down(&mut self) -> String {
        self.down += 1;
        format!("d_layers.{}", self.down - 1)
    }

    /// The layer `i` of the current stage on the way up.
    fn next_up(&mut self, i: usize) -> String {
        if self.flat {
            self.up += 1;
            return format!("u_layers.{}", self.up - 1);
        }
        format!("u_layers.{}.{i}", self.up)
    }

    fn end_of_stage(&mut self) {
        if !self.flat {
            self.up += 1;
        }
    }
}

impl ModelSpec {
    /// Every block and pool, in the order that they run.
    #[must_use]
    pub fn places(&self) -> Vec<Place<'_>> {
        let mut places = Vec::new();
        let mut naming = Naming { flat: self.unet && self.preset == Preset::Repo, down: 0, up: 0 };
        walk(&self.tier, At { tier: 0, channels: self.d_model, rate: 1 }, &mut naming, &mut places);
        places
    }

    /// The blocks alone, in the order that they run: block 0, 1, ….
    pub fn blocks(&self) -> impl Iterator<Item = Place<'_>> {
        self.places().into_iter().filter(|place| place.block().is_some())
    }

    /// The block of that number, with the number as an index.
    ///
    /// # Errors
    /// [`ModelError::NoBlock`].
    pub fn block(&self, index: i64) -> Result<(usize, Place<'_>), ModelError> {
        let mut blocks: Vec<Place<'_>> = self.blocks().collect();
        match usize::try_from(index) {
            Ok(number) if number < blocks.len() => Ok((number, blocks.swap_remove(number))),
            _ => Err(ModelError::NoBlock { index, blocks: blocks.len() }),
        }
    }
}

#[derive(Clone, Copy)]
struct At {
    tier: usize,
    channels: i64,
    rate: i64,
}

fn walk<'a>(tier: &'a TierSpec, at: At, naming: &mut Naming, places: &mut Vec<Place<'a>>) {
    let place = |name, part| Place { name, part, tier: at.tier, channels: at.channels, rate: at.rate };
    for block in &tier.down {
        places.push(place(naming.next_down(), Part::Block(block)));
    }
    let Some(pool) = &tier.pool else {
        let centre = tier.blocks.iter().enumerate();
        places.extend(centre.map(|(i, block)| place(format!("c_layers.{i}"), Part::Block(block))));
        return;
    };
    places.push(place(naming.next_down(), Part::Down(pool)));
    let inside = At { tier: at.tier + 1, channels: at.channels * pool.expand, rate: at.rate * pool.factor };
    walk(&pool.inner, inside, naming, places);
    places.push(place(naming.next_up(0), Part::Up(pool)));
    for (i, block) in tier.blocks.iter().enumerate() {
        places.push(place(naming.next_up(i + 1), Part::Block(block)));
    }
    naming.end_of_stage();
}
