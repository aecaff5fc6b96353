//! Windows made into plain numbers on a thread of their own, an update ahead: one thread alone touches tensors.
//!
//! What is made depends on what was asked for and on nothing else, and what was not asked for after all (a schedule reacted
//! to a validation, so windows are cut otherwise) is dropped and made anew. So a run with a thread beside it is, bit for bit,
//! the run without.

use super::batches::TokenRows;
use crate::audio::{Quantizer, Split};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::Scope;

/// Passes of rows that wait to be taken: the thread waits, too, when there are so many.
const WAITING: usize = 2;

/// One pass: each window and where its piece begins, and the tokens of a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) pieces: Vec<(usize, usize)>,
    pub(super) window: usize,
}

/// The thread's end on the side of training. Dropping it ends the thread.
#[derive(Debug)]
pub(super) struct Ahead {
    ask: Sender<Asked>,
    made: Receiver<(Asked, TokenRows)>,
    /// Asked for, and not taken yet.
    open: usize,
}

impl Ahead {
    /// Begins the thread, which lives until this is dropped.
    pub(super) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        split: &'scope Split,
        quantizer: Quantizer,
    ) -> std::io::Result<Self> {
        let (ask, asked) = channel();
        let (make, made) = sync_channel(WAITING);
        let work = move || serve(split, quantizer, &asked, &make);
        std::thread::Builder::new().name("batches".to_owned()).spawn_scoped(scope, work)?;
        Ok(Self { ask, made, open: 0 })
    }

    /// Asks for what will be wanted next, in the order that it will be taken.
    pub(super) fn ask(&mut self, passes: impl IntoIterator<Item = Asked>) {
        for asked in passes {
            // A thread that has died makes nothing: then whoever takes does it alone.
            if self.ask.send(asked).is_ok() {
                self.open += 1;
            }
        }
    }

    /// The rows of `asked`, if they are what was asked for next; what was asked for before in vain is dropped.
    pub(super) fn take(&mut self, asked: &Asked) -> Option<TokenRows> {
        while self.open > 0 {
            self.open -= 1;
            let (made, rows) = self.made.recv().ok()?;
            if made == *asked {
                return Some(rows);
            }
        }
        None
    }
}

fn serve(split: &Split, quantizer: Quantizer, asked: &Receiver<Asked>, make: &SyncSender<(Asked, TokenRows)>) {
    for asked in asked {
        let rows = TokenRows::cut(split, &asked.pieces, quantizer, asked.window);
        if make.send((asked, rows)).is_err() {
            return;
        }
    }
}
