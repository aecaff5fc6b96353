//! The demo as a new user runs it, from its script and its defaults, and the README's script. A binary of its own: it runs
//! after the other tests, with both cores to itself.

use std::path::Path;
use std::process::Command;

fn run(script: &Path, settings: &[String]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wasabi"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("run").arg(script);
    for setting in settings {
        command.args(["--set", setting]);
    }
    let output = command.output().expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// A figure of the demo's printed table.
fn figure(printed: &str, what: &str) -> f64 {
    let line = printed.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("no `{what}` in\n{printed}"));
    let cell = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).nth(1).expect("two cells");
    cell.parse().unwrap_or_else(|_| panic!("`{cell}` is not a number"))
}

#[test]
fn the_demos_model_ends_clearly_below_the_markov_baseline_of_its_validation_split() {
    let folder = tempfile::tempdir().expect("a folder");
    let (lab, report) = (folder.path().join("lab"), folder.path().join("report"));
    let settings = [format!("out={}", lab.display()), format!("report={}", report.display())];
    let printed = run(Path::new("scripts/demo.rhai"), &settings);
    let model = figure(&printed, "the model (bits per byte)");
    let markov = figure(&printed, "first-order Markov (bits per byte)");
    assert!(model <= markov - 0.15, "{model} is not clearly below {markov}:\n{printed}");
    assert!(model > 3.0, "{model} bits per byte is too good to be true of music in two minutes");
    let files = ["results.csv", "metrics.parquet", "loss.png", "loss.svg", "spectrograms.png", "spectrograms.svg"];
    for file in files.iter().chain(&["real.wav", "generated.wav"]) {
        let size = std::fs::metadata(report.join(file)).unwrap_or_else(|error| panic!("{file}: {error}")).len();
        assert!(size > 100, "{file} has {size} bytes");
    }
    let seconds = |file: &str| {
        let wav = hound::WavReader::open(report.join(file)).expect("a wav file");
        f64::from(wav.duration()) / f64::from(wav.spec().sample_rate)
    };
    assert_eq!(seconds("generated.wav"), 3.0);
    assert_eq!(seconds("real.wav"), 3.0);
    assert!(lab.join("run/run.toml").exists() && lab.join("run/checkpoints/best.safetensors").exists());
}

#[test]
fn the_readmes_script_runs() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("a README");
    let script = readme.split("```rhai\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a script");
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path().display().to_string();
    // The same script, smaller and elsewhere.
    let mut small = script.to_owned();
    for (from, to) in [
        ("steps: 400", "steps: 2".to_owned()),
        ("seconds: 4.0", "seconds: 0.05".to_owned()),
        ("\"experiments/first\"", format!("\"{here}/run\"")),
        ("\"reports/first/", format!("\"{here}/report/")),
    ] {
        assert!(small.contains(from), "the README's script has no `{from}` any more");
        small = small.replace(from, &to);
    }
    let file = folder.path().join("readme.rhai");
    std::fs::write(&file, small).expect("the folder can be written");
    run(&file, &[]);
    for made in ["report/take.wav", "report/loss.png", "report/take.svg"] {
        assert!(folder.path().join(made).exists(), "{made}");
    }
}
