//! The scripts that come with wasabi, each run whole, with settings that end in a moment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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
fn the_tour_shows_all_of_the_language() {
    let (printed, folder) = run("tour", &[("steps", "10"), ("seconds", "0.05")]);
    for part in ["Sound", "A corpus", "Architectures", "Schedules", "Training", "Frames", "A small sweep", "A report"] {
        assert!(printed.contains(&format!("── {part}")), "the tour leaves out {part}");
    }
    has(
        &folder,
        &["report/tour.html", "report/tour.md", "report/sweep.png", "report/take.wav", "report/spectrograms.png"],
    );
}
