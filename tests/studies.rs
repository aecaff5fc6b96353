//! The scripts that come with wasabi, each run whole, with settings that end in a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use wasabi::script::Doc;
use wasabi::script::lexer::{Kind, tokens};

use crate::script_fixture::{Listener, scratch, tiny_run, tones};

/// Runs `scripts/NAME.rhai` with `settings`, and returns what it printed and the folder that it wrote into.
fn run(name: &str, settings: &[(&str, &str)]) -> (String, PathBuf) {
    let folder = scratch(&format!("study-{name}"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name).with_extension("rhai");
    let text = std::fs::read_to_string(&path).expect("the script");
    let usual = [
        ("data", tones().display().to_string()),
        ("window", "512".to_owned()),
        ("eval_windows", "2".to_owned()),
        ("out", folder.join("runs").display().to_string()),
        ("report", folder.join("report").display().to_string()),
    ];
    let asked = |name: &str| text.contains(&format!("param(\"{name}\""));
    let mut given: BTreeMap<String, String> =
        usual.into_iter().filter(|(name, _)| asked(name)).map(|(name, value)| (name.to_owned(), value)).collect();
    given.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let listener = Listener::default();
    if let Err(fault) = listener.session().run_file(&path, given) {
        panic!("{name}.rhai\n{fault}");
    }
    (listener.lines().join("\n"), folder)
}

fn has(folder: &Path, files: &[&str]) {
    for file in files {
        let path = folder.join(file);
        let size = std::fs::metadata(&path).map(|found| found.len()).unwrap_or_default();
        assert!(size > 200, "{} holds {size} bytes", path.display());
    }
}

#[test]
fn depth_compares_two_depths_over_seeds() {
    let settings = [("depths", "[1, 2]"), ("seeds", "2"), ("steps", "4"), ("d_model", "8")];
    let (printed, folder) = run("depth", &settings);
    has(&folder, &["report/results.csv", "report/depth.png", "report/depth.svg", "report/curves.png"]);
    assert!(printed.contains("test_bpb_mean") && printed.contains("test_bpb_ci95"), "{printed}");
    assert_eq!(std::fs::read_dir(folder.join("runs")).expect("the runs").count(), 4);
}

#[test]
fn grid_draws_a_heat_map_of_two_options() {
    let (printed, folder) =
        run("grid", &[("d_state", "[4, 8]"), ("d_model", "[4, 8]"), ("steps", "2"), ("n_layers", "1")]);
    has(&folder, &["report/grid.csv", "report/grid.png", "report/grid.svg", "report/cost.png"]);
    assert_eq!(printed.lines().filter(|line| line.contains("finished after 2 steps")).count(), 4, "{printed}");
}

#[test]
fn nesting_trains_a_composition_of_its_own() {
    let settings = [("steps", "2"), ("d_state", "8"), ("d_model", "8"), ("seconds", "0.05")];
    let (printed, folder) = run("nesting", &settings);
    has(&folder, &["report/take.wav", "report/nesting.png"]);
    assert!(printed.contains("s4d"), "{printed}");
}

#[test]
fn schedule_draws_the_rate_and_compares_it() {
    let (printed, folder) = run("schedule", &[("steps", "6"), ("d_model", "8"), ("n_layers", "1")]);
    has(&folder, &["report/rate.png", "report/curves.png"]);
    assert_eq!(printed.lines().filter(|line| line.contains("finished after 6 steps")).count(), 2, "{printed}");
}

#[test]
fn report_makes_a_page_and_its_twin() {
    let runs = format!("[\"{}\"]", tiny_run().display());
    let (printed, folder) = run("report", &[("runs", &runs), ("seconds", "0.05")]);
    has(&folder, &["report.html", "report.md"]);
    assert!(printed.contains("report.html"), "{printed}");
    let page = std::fs::read_to_string(folder.join("report.html")).expect("the page");
    assert!(page.contains("<audio") && page.contains("Best validation of each run"));
}

#[test]
fn the_tour_runs_from_sound_to_a_report() {
    let (printed, folder) = run("tour", &[("steps", "10"), ("seconds", "0.05")]);
    assert!(printed.contains("── Sound\n") && printed.contains("── A report\n"), "{printed}");
    assert!(printed.contains("stopped by the script, because: seen enough"), "{printed}");
    assert!(printed.contains("changed back, it is the same: true"), "{printed}");
    has(&folder, &["runs/first/so-far.png", "runs/first/take-at-4.wav"]);
    for figure in ["sound", "tokens", "schedules", "eigenvalues", "loss", "scores", "sweep", "marked", "spectrograms"] {
        has(&folder, &[&format!("report/{figure}.png")]);
    }
    has(
        &folder,
        &["report/metrics.parquet", "report/take.wav", "report/marked.svg", "report/tour.html", "report/tour.md"],
    );
}

/// What the tour leaves out, and why.
const NOT_ON_THE_TOUR: &[(&str, &str)] = &[(".melt(…)", "another name of `unpivot`, which is there")];

#[test]
fn the_tour_shows_all_of_the_language() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut used = BTreeSet::new();
    for file in ["tour.rhai", "studies/common.rhai"] {
        gather(&std::fs::read_to_string(scripts.join(file)).expect("the script"), &mut used);
    }
    let session = Listener::default().session();
    let documented: BTreeSet<String> = session.docs().iter().map(as_used).collect();
    let excused: BTreeSet<String> = NOT_ON_THE_TOUR.iter().map(|(name, _)| (*name).to_owned()).collect();

    let missing: Vec<&String> = documented.difference(&used).filter(|name| !excused.contains(*name)).collect();
    assert!(missing.is_empty(), "the tour (scripts/tour.rhai) leaves out {missing:?}: give each a place there");
    let idle: Vec<&String> =
        excused.iter().filter(|name| used.contains(*name) || !documented.contains(*name)).collect();
    assert!(idle.is_empty(), "{idle:?} need no excuse in NOT_ON_THE_TOUR: the tour has them, or the language does not");
}

/// A name as a script has it: `train(…)`, `.filter(…)` or `.height`. Members of several types may share one.
fn as_used(doc: &Doc) -> String {
    let dot = if doc.of.is_empty() { "" } else { "." };
    format!("{dot}{}{}", doc.name, if doc.is_property() { "" } else { "(…)" })
}

/// Every name that `script` calls or reads a member by, also within `${ … }` of its texts, written as [`as_used`] does.
fn gather(script: &str, used: &mut BTreeSet<String>) {
    let all: Vec<_> = tokens(script).into_iter().filter(|token| token.kind != Kind::Comment).collect();
    let word = |at: Option<usize>| at.and_then(|at| all.get(at)).map_or("", |token| &script[token.span.clone()]);
    for (at, token) in all.iter().enumerate() {
        let text = &script[token.span.clone()];
        if token.kind == Kind::Text && text.starts_with('`') {
            text.match_indices("${").for_each(|(from, _)| gather(embedded(&text[from + 2..]), used));
        }
        let (member, called) = (word(at.checked_sub(1)) == ".", word(at.checked_add(1)) == "(");
        if token.kind == Kind::Name && (member || called) {
            used.insert(format!("{}{text}{}", if member { "." } else { "" }, if called { "(…)" } else { "" }));
        }
    }
}

/// What stands before the brace that closes the `${` in front of `rest`.
fn embedded(rest: &str) -> &str {
    let mut open = 1_usize;
    for (at, c) in rest.char_indices() {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return &rest[..at];
        }
    }
    rest
}

#[test]
fn a_name_counts_where_it_is_called_or_read_and_nowhere_else() {
    let mut used = BTreeSet::new();
    gather(
        "// play()\nlet mean = #{ std: \"max()\" }; `min() ${a.rms} ${f(`${b.sum(1)}`)}`; x.tail.head(2)",
        &mut used,
    );
    let expected = [".head(…)", ".rms", ".sum(…)", ".tail", "f(…)"];
    assert_eq!(used, expected.iter().map(|name| (*name).to_owned()).collect());
}
