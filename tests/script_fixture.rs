//! What the tests of scripts, prompt and command line share: a small corpus of tones, a tiny trained run, and a host that
//! remembers what it was told.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::OnceLock;

use wasabi::audio::{SampleFormat, write_wav};
use wasabi::device::Selection;
use wasabi::interrupt::Interrupt;
use wasabi::script::{Context, Diagnostic, Host, Session, Source, Task};

/// A folder of our own below `target/tmp`.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("script").join(name);
    // Left by an earlier run of the tests, or absent.
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).expect("target/tmp can be written");
    folder
}

/// Six files of 0.4 s at 16 kHz: with windows of 512 and a train fraction of 0.67, 4 / 1 / 1 files of 12 windows each.
pub(crate) fn tones() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = scratch("tones");
        for file in 0..6_u32 {
            let pitch = 220.0 * 1.25_f64.powi(file.cast_signed());
            let sample = |t: u32| {
                let phase = std::f64::consts::TAU * pitch * f64::from(t) / 16_000.0;
                #[expect(clippy::cast_possible_truncation, reason = "samples are single precision")]
                let value = (0.5 * phase.sin() + 0.2 * (2.7 * phase).sin()) as f32;
                value
            };
            let samples: Vec<f32> = (0..6_400).map(sample).collect();
            let path = folder.join(format!("tone_{file}.wav"));
            write_wav(&path, &samples, 16_000, SampleFormat::Pcm16).expect("target/tmp can be written");
        }
        folder
    })
}

/// The corpus of [`tones`], as a script says it.
pub(crate) fn tones_corpus() -> String {
    format!("corpus(#{{ from: \"{}\", window: 512, train_fraction: 0.67 }})", tones().display())
}

/// A model that trains in a moment, as a script says it.
pub(crate) const TINY: &str = "sashimi(#{ d_model: 8, n_layers: 1, pool: [4], d_state: 8 })";

/// The folder of a run of two steps on [`tones`].
pub(crate) fn tiny_run() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = scratch("tiny-run").join("run");
        let (corpus, out) = (tones_corpus(), folder.display());
        let script = format!("train({TINY}, {corpus}, #{{ steps: 2, batch: 2, eval_windows: 2, out: \"{out}\" }});");
        Listener::default().run("tiny.rhai", &script, &[]).expect("a run of two steps");
        folder
    })
}

/// A host that remembers.
#[derive(Default, Clone)]
pub(crate) struct Listener {
    printed: Rc<RefCell<Vec<String>>>,
    told: Rc<RefCell<Vec<String>>>,
    pub(crate) interrupt: Interrupt,
    /// Asks for a stop when a task has come this far.
    stop_at: Option<u64>,
    insists: bool,
}

impl Listener {
    /// A host that asks for a stop when a task has come to `step`.
    pub(crate) fn stopping_at(step: u64) -> Self {
        Self { stop_at: Some(step), ..Self::default() }
    }

    /// A host that asks twice, and so insists, when a task has come to `step`.
    pub(crate) fn giving_up_at(step: u64) -> Self {
        Self { stop_at: Some(step), insists: true, ..Self::default() }
    }

    /// What the script printed, a line each.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.printed.borrow().iter().flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    /// Notes and lines of tasks.
    pub(crate) fn told(&self) -> Vec<String> {
        self.told.borrow().clone()
    }

    pub(crate) fn session(&self) -> Session {
        Session::new(Context::new(Rc::new(self.clone()), self.interrupt.clone(), Selection::Cpu))
    }

    pub(crate) fn run(&self, name: &str, text: &str, given: &[(&str, &str)]) -> Result<(), Diagnostic> {
        let given: BTreeMap<String, String> =
            given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.session().run(&Source::new(name, text), given)
    }
}

impl Host for Listener {
    fn print(&self, text: &str) {
        self.printed.borrow_mut().push(text.to_owned());
    }

    fn note(&self, text: &str) {
        self.told.borrow_mut().push(text.to_owned());
    }

    fn begin(&self, name: &str, _total: Option<u64>) -> Box<dyn Task> {
        self.told.borrow_mut().push(format!("begin {name}"));
        Box::new(self.clone())
    }
}

impl Task for Listener {
    fn advance(&mut self, done: u64, _message: &str) {
        if self.stop_at.is_some_and(|stop| done >= stop) {
            self.interrupt.set();
            (0..u8::from(self.insists)).for_each(|_| self.interrupt.set());
        }
    }

    fn line(&mut self, text: &str) {
        self.told.borrow_mut().push(text.to_owned());
    }
}
