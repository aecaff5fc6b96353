//! Many runs: a frame of them, what differs between two, their figures at an equal point.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, Map};

use super::super::{Outcome, RUNS};
use super::run::RunValue;
use crate::experiment::{Book, Comparison, RunDir, compare, differing};
use crate::metrics::Frame;
use crate::options::Options;
use crate::script::context::Context;
use crate::script::convert::{self, a_type};
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;

const DOCS: &[Doc] = &[
    Doc {
        name: "runs",
        of: "",
        signature: "runs([folder]) -> Frame",
        about: "All runs below a folder (`experiments`) as a frame, the one that changed last at the end: state, steps, figures, \
                the settings that differ between them under their dotted names (`train.lr`, `model.d_model`), and where they \
                come from. In conditions such names stand in quotes: runs().filter(`\"train.lr\" < 0.01`). What was read is kept \
                in an index beside the runs, `.wasabi-index.json`, which may be deleted at any time.",
        options: None,
        example: "let all = runs(run_folder + \"/..\");\nprint(all.sort(\"best_bits_per_byte\").select([\"run\", \"state\", \"best_bits_per_byte\"]));",
    },
    Doc {
        name: "diff",
        of: "",
        signature: "diff(run, run) -> Frame",
        about: "Everything in which two runs (or the runs in two folders) differ, beside their figures: a row for each setting, \
                with the value in the `first` and in the `second`.",
        options: None,
        example: "let run = load_run(run_folder);\nlet other = run.fork(#{ steps: 3, lr: 0.001, out: out + \"/other\" });\n\
                  print(diff(run, other));",
    },
    Doc {
        name: "compare",
        of: "",
        signature: "compare([run, …][, #{ … }]) -> Frame",
        about: "The figures of runs (or of the runs in folders) at an equal number of steps or tokens, or at an equal training \
                time: those of the last update and the last validation that lie not beyond it, and the best validation up to \
                there.",
        options: Some(Comparison::fields),
        example: "let run = load_run(run_folder);\nprint(compare([run, run_folder], #{ at: \"tokens\" }));",
    },
];

pub(super) fn register(engine: &mut Engine, docs: &mut Docs, context: &Rc<Context>) {
    docs.add(DOCS);
    let shared = Rc::clone(context);
    engine.register_fn("runs", move || -> Outcome<Frame> { Ok(runs(&shared, Path::new(RUNS))?) });
    let shared = Rc::clone(context);
    engine.register_fn("runs", move |folder: &str| -> Outcome<Frame> { Ok(runs(&shared, Path::new(folder))?) });
    engine.register_fn("diff", |one: RunValue, other: RunValue| -> Outcome<Frame> {
        Ok(differing_in(one.folder(), other.folder())?)
    });
    engine.register_fn("diff", |one: RunValue, other: &str| -> Outcome<Frame> {
        Ok(differing_in(one.folder(), Path::new(other))?)
    });
    engine.register_fn("diff", |one: &str, other: RunValue| -> Outcome<Frame> {
        Ok(differing_in(Path::new(one), other.folder())?)
    });
    engine.register_fn("diff", |one: &str, other: &str| -> Outcome<Frame> {
        Ok(differing_in(Path::new(one), Path::new(other))?)
    });
    let shared = Rc::clone(context);
    engine.register_fn("compare", move |runs: Array| -> Outcome<Frame> {
        Ok(compared(&shared, &runs, &Comparison::default())?)
    });
    let shared = Rc::clone(context);
    engine.register_fn("compare", move |runs: Array, options: Map| -> Outcome<Frame> {
        Ok(compared(&shared, &runs, &convert::options(&options)?)?)
    });
}

/// The runs below `root`; what is wrong with their files is told.
pub(crate) fn runs(context: &Context, root: &Path) -> Result<Frame, Fault> {
    if !root.is_dir() && root != Path::new(RUNS) {
        return Err(Fault::new(format!("{} is no folder", root.display())).with_hint("a folder that holds runs"));
    }
    let book = Book::open(root);
    book.problems().iter().for_each(|problem| context.host.note(problem));
    Ok(book.frame()?)
}

/// What differs between the runs in two folders.
pub(crate) fn differing_in(one: &Path, other: &Path) -> Result<Frame, Fault> {
    Ok(differing(&RunDir::open(one)?.read_record()?, &RunDir::open(other)?.read_record()?)?)
}

fn compared(context: &Context, runs: &[Dynamic], how: &Comparison) -> Result<Frame, Fault> {
    let folder = |run: &Dynamic| -> Result<PathBuf, Fault> {
        if let Some(run) = run.read_lock::<RunValue>() {
            return Ok(run.folder().to_owned());
        }
        match run.as_immutable_string_ref() {
            Ok(text) => Ok(PathBuf::from(text.as_str())),
            Err(_) => Err(Fault::new(format!("{} cannot be compared with runs", a_type(run.type_name())))
                .with_hint("a list of runs, or of their folders")),
        }
    };
    let named = |run: &Dynamic| -> Result<(String, RunDir), Fault> {
        let dir = RunDir::open(&folder(run)?)?;
        Ok((dir.name(), dir))
    };
    let runs = runs.iter().map(named).collect::<Result<Vec<_>, Fault>>()?;
    let (frame, problems) = compare(&runs, how)?;
    problems.iter().for_each(|problem| context.host.note(problem));
    Ok(frame)
}
