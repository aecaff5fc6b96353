//! `wasabi generate … --stream`: a take into a pipe while it is made.

use std::io::{self, ErrorKind, IsTerminal, StdoutLock, Write};
use std::path::Path;

use crate::audio::{pcm16_bytes, wav_header};
use crate::generate::{Chunk, GenerateConfig};
use crate::script::actions::{self, ModelValue, Sink, Streamed};
use crate::script::{Context, Diagnostic, Fault};

/// Standard output, as a player reads it.
struct Pipe<'a> {
    out: StdoutLock<'a>,
    /// Without a header.
    raw: bool,
}

impl Sink for Pipe<'_> {
    fn begin(&mut self, samples: usize, sample_rate: u32) -> io::Result<()> {
        if self.raw {
            return Ok(());
        }
        self.out.write_all(&wav_header(sample_rate, samples).map_err(io::Error::other)?)
    }

    fn chunk(&mut self, chunk: &Chunk) -> io::Result<()> {
        self.out.write_all(&pcm16_bytes(&chunk.wave))?;
        self.out.flush()
    }
}

/// Streams the take, then writes what there is of it into `out`, however the stream ended.
///
/// # Errors
/// What stopped it: an interrupt, a disk that is full, a model that gave out. A reader that leaves is none.
pub(super) fn run(
    context: &Context,
    model: &ModelValue,
    config: &GenerateConfig,
    out: &Path,
    raw: bool,
) -> Result<(), Diagnostic> {
    if config.retry > 0 || config.keep.is_some() {
        return Err(Fault::new("`retry` and `keep` look back at whole takes, and what was streamed has been heard")
            .with_hint("leave them out, or leave out --stream")
            .into());
    }
    if io::stdout().is_terminal() {
        return Err(Fault::new("standard output is a terminal, which plays no sound")
            .with_hint("give it to a player, `… --stream | aplay`, or to a file, `… --stream > take.wav`")
            .into());
    }
    let mut pipe = Pipe { out: io::stdout().lock(), raw };
    let streamed = actions::stream(context, model, config, &mut pipe);
    let Streamed { takes, refused, failed } = streamed.map_err(|fault| super::work::stopped(context, fault))?;
    let paths = takes.save(out)?;
    let is_whole = failed.is_none() && refused.is_none() && takes.stopped().is_none() && !context.interrupt.is_set();
    let path = paths.first().map(|path| path.display().to_string()).unwrap_or_default();
    let saved = format!("what was made is in {path}");
    match &refused {
        _ if is_whole => context.host.note(&format!("the whole take, with its prompt, is in {path}, too")),
        // Whoever is told of these by an error is told where the take is by its hint.
        Some(error) if error.kind() != ErrorKind::BrokenPipe => {}
        None if context.interrupt.is_set() => {}
        _ => context.host.note(&saved),
    }
    if let Some(fault) = failed {
        return Err(fault.into());
    }
    if let Some(reason) = takes.stopped() {
        return Err(super::work::gave_out(reason));
    }
    match refused {
        Some(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Fault::new(format!("the stream cannot be written: {error}")).with_hint(saved).into())
        }
        _ if context.interrupt.is_set() => Err(Diagnostic::interrupted("generation stopped as asked").with_hint(saved)),
        _ => Ok(()),
    }
}
