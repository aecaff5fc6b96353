//! `audio`: a corpus (`corpus`), and single sounds: the value (`sound`), what can be done with it (`sounds`), its options and
//! docs.

mod corpus;
mod docs;
mod options;
mod sound;
mod sounds;

use std::rc::Rc;

use rhai::Engine;

pub(super) use corpus::plural;
pub use corpus::{CorpusValue, describe, open};
pub(crate) use sound::Sound;
pub(super) use sounds::{Sounding, register_methods, wav_format};

use crate::script::context::Context;
use crate::script::docs::Docs;

pub(super) fn register(engine: &mut Engine, docs: &mut Docs, context: &Rc<Context>) {
    corpus::register(engine, docs, context);
    docs.add(docs::DOCS);
    sounds::register(engine, context);
}
