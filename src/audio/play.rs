//! Sound out: a wav file played by whatever program the machine has.
//!
//! wasabi opens no audio device itself. The environment variable [`PLAYER_VARIABLE`] names the program (with arguments, the
//! path comes last); without it, the known ones are looked for.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::AudioError;
use crate::interrupt::Interrupt;

/// Names the program that plays.
pub const PLAYER_VARIABLE: &str = "WASABI_PLAYER";

/// Programs that play a wav file and then end, with the arguments that keep them from opening windows: of the sound servers
/// first, since those share the device.
const PLAYERS: [(&str, &[&str]); 7] = [
    ("pw-play", &[]),
    ("paplay", &[]),
    ("aplay", &["-q"]),
    ("afplay", &[]),
    ("ffplay", &["-nodisp", "-autoexit", "-loglevel", "error"]),
    ("play", &["-q"]),
    ("mpv", &["--no-video", "--really-quiet"]),
];

/// How long a look at the player, or at the interrupt, may be away.
const POLL: Duration = Duration::from_millis(20);

/// A program that plays a wav file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Player {
    program: PathBuf,
    arguments: Vec<String>,
}

impl Player {
    /// The program that [`PLAYER_VARIABLE`] names, or the first known one that is installed.
    ///
    /// # Errors
    /// [`AudioError::NoPlayer`] with everything that was looked for.
    pub fn find() -> Result<Self, AudioError> {
        match std::env::var(PLAYER_VARIABLE) {
            Ok(command) if !command.trim().is_empty() => Self::named(&command),
            _ => {
                let found = PLAYERS.iter().find_map(|(name, arguments)| {
                    let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
                    which::which(name).ok().map(|program| Self { program, arguments })
                });
                let names = || PLAYERS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
                found.ok_or_else(|| AudioError::NoPlayer { looked_for: names() })
            }
        }
    }

    /// The program of a command such as `ffplay -nodisp -autoexit`, its words apart at blanks.
    ///
    /// # Errors
    /// [`AudioError::NoPlayer`] when there is no such program.
    pub fn named(command: &str) -> Result<Self, AudioError> {
        let missing = || AudioError::NoPlayer { looked_for: format!("{command} (from {PLAYER_VARIABLE})") };
        let mut words = command.split_whitespace();
        let program = which::which(words.next().ok_or_else(missing)?).map_err(|_| missing())?;
        Ok(Self { program, arguments: words.map(str::to_owned).collect() })
    }

    /// The program's name, for people.
    #[must_use]
    pub fn name(&self) -> String {
        self.program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Plays the file at `path` to its end. `progress` is told now and then for how long it has played.
    ///
    /// # Errors
    /// [`AudioError::Player`] when the program cannot be started or fails; [`AudioError::Interrupted`] when asked to stop: the
    /// program is then ended.
    pub fn play(
        &self,
        path: &Path,
        interrupt: &Interrupt,
        progress: &mut dyn FnMut(Duration),
    ) -> Result<(), AudioError> {
        let failed = |reason: String| AudioError::Player { player: self.name(), reason };
        let told = path.with_extension("told");
        let said = File::create(&told).map_err(|error| failed(error.to_string()))?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        // A group of its own: Ctrl-C of the terminal reaches us alone, and we end it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut running = Running(command.spawn().map_err(|error| failed(error.to_string()))?);
        let begun = Instant::now();
        loop {
            match running.0.try_wait().map_err(|error| failed(error.to_string()))? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    let said = std::fs::read(&told).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                    let said = said.unwrap_or_default();
                    let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty());
                    return Err(failed(last.map_or_else(|| status.to_string(), str::to_owned)));
                }
                None if interrupt.is_set() => return Err(AudioError::Interrupted),
                None => {
                    progress(begun.elapsed());
                    std::thread::sleep(POLL);
                }
            }
        }
    }
}

/// A program that is ended whichever way we leave.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(Some(_))) {
            return;
        }
        // A player may be a script: what it started is in its group, and would go on playing.
        #[cfg(unix)]
        {
            let group = format!("-{}", self.0.id());
            let quiet =
                Command::new("kill").args(["-TERM", "--", &group]).stdout(Stdio::null()).stderr(Stdio::null()).status();
            drop(quiet);
        }
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
