//! The command line: what it prints, how it ends, and that its flags are the scripts' options.

use std::path::Path;
use std::process::Command as Process;
use std::time::Duration;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;

use crate::script_fixture::{TINY, scratch, tiny_run, tones, tones_corpus};

/// The program, on the CPU, with nothing of this machine's terminal.
fn wasabi(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wasabi"));
    command.current_dir(folder).env_remove("NO_COLOR").env("TERM", "xterm").args(["--device", "cpu", "--threads", "1"]);
    command.timeout(Duration::from_secs(300));
    command
}

fn script(folder: &Path, text: &str) -> String {
    std::fs::write(folder.join("script.rhai"), text).expect("target/tmp can be written");
    "script.rhai".to_owned()
}

/// The flags that make [`TINY`] on [`tones`].
fn tiny_flags() -> Vec<String> {
    let from = tones().display().to_string();
    let flags = ["--from", &from, "--window", "512", "--train-fraction", "0.67", "--d-model", "8", "--n-layers", "1"];
    let flags = flags.iter().chain(&["--pool", "4", "--d-state", "8", "--batch", "2", "--eval-windows", "2"]);
    flags.map(|flag| (*flag).to_owned()).collect()
}

#[test]
fn a_script_prints_to_standard_output_and_ends_with_zero() {
    let folder = scratch("cli-run");
    let file = script(&folder, "print(param(\"steps\", 9) + 1);");
    wasabi(&folder).args(["run", &file]).assert().success().stdout("10\n").stderr("");
    wasabi(&folder).args(["run", &file, "--set", "steps=50"]).assert().success().stdout("51\n");
}

#[test]
fn a_mistake_in_a_script_ends_with_one_and_shows_its_line_without_colours_in_a_pipe() {
    let folder = scratch("cli-mistake");
    let file = script(&folder, "print(\"before\");\nlet net = sashimi(#{ d_modle: 64 });\n");
    let seen = contains("script.rhai:2:22").and(contains("^^^^^^^")).and(contains("did you mean `d_model`?"));
    let plain = contains("\u{1b}").not();
    wasabi(&folder).args(["run", &file]).assert().code(1).stdout("").stderr(seen.and(plain));
}

#[test]
fn a_mistake_on_the_command_line_ends_with_two() {
    let folder = scratch("cli-usage");
    let file = script(&folder, "print(param(\"steps\", 9));");
    wasabi(&folder)
        .args(["run", &file, "--set", "stesp=1"])
        .assert()
        .code(2)
        .stdout("")
        .stderr(contains("--set steps=…"));
    wasabi(&folder).args(["run", &file, "--set", "steps"]).assert().code(2).stderr(contains("has no `=`"));
    wasabi(&folder).args(["run", "absent.rhai"]).assert().code(2).stderr(contains("absent.rhai"));
    wasabi(&folder).args(["rum", &file]).assert().code(2);
    wasabi(&folder).args(["train", "--lr", "-1"]).assert().code(2).stderr(contains("`lr` is -1"));
    wasabi(&folder).args(["train", "--d-state", "many"]).assert().code(2).stderr(contains("expected an integer"));
    for line in ["train --resume run --pool 4", "train --resume run --window 64", "verify run --d-model 99"] {
        wasabi(&folder).args(line.split(' ')).assert().code(2).stderr(contains("cannot be used with"));
    }
    Command::new(env!("CARGO_BIN_EXE_wasabi")).args(["--device", "cdua"]).assert().code(2).stderr(contains("`cuda`"));
    Command::new(env!("CARGO_BIN_EXE_wasabi")).args(["--threads", "0", "doctor"]).assert().code(2);
}

#[test]
fn an_interrupt_ends_with_130_and_leaves_a_run_that_can_go_on() {
    let folder = scratch("cli-interrupt");
    let (corpus, file) = (tones_corpus(), "script.rhai");
    script(
        &folder,
        &format!("train({TINY}, {corpus}, #{{ steps: 100000, batch: 1, eval_windows: 1, out: \"run\" }});"),
    );
    let child = Process::new(env!("CARGO_BIN_EXE_wasabi"))
        .args(["--device", "cpu", "run", file])
        .current_dir(&folder)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    let log = folder.join("run/metrics.jsonl");
    for _ in 0..600 {
        if std::fs::read_to_string(&log).is_ok_and(|text| text.lines().count() > 3) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let signalled = Process::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(signalled.success());
    let ended = child.wait_with_output().expect("the program ends");
    assert_eq!(ended.status.code(), Some(130));
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(told.contains("saved in run, up to step") && told.contains("resume(\"run\")"), "{told}");
    assert!(!told.contains("last_run"), "a script has no such variable: {told}");
    assert!(folder.join("run/checkpoints/last.safetensors").is_file(), "an interrupted run saves");
}

#[test]
fn training_evaluating_and_generating_work_from_flags_alone() {
    let folder = scratch("cli-work");
    let train =
        wasabi(&folder).arg("train").args(tiny_flags()).args(["--steps", "2", "--out", "run"]).assert().success();
    train.stdout(contains("6 files").and(contains("Run run: finished after 2 steps")));
    let record = std::fs::read_to_string(folder.join("run/run.toml")).expect("a record");
    assert!(record.contains("d_model = 8") && record.contains("d_state = 8"), "{record}");

    // The corpus is that of the run, train fraction and all.
    let table = contains("markov").and(contains("model")).and(contains("Evaluation on val, 1024 tokens"));
    wasabi(&folder).args(["evaluate", "run", "--windows", "2"]).assert().success().stdout(table);
    let other = wasabi(&folder).args(["evaluate", "run", "--scaling", "peak", "--sample-rate", "8000"]).assert();
    other.code(1).stderr(contains("opened with sample_rate: 8000, scaling: \"peak\"").and(contains("\"min-max\"")));

    let draw = ["generate", "run", "--length", "32", "--samples", "2", "--out", "sound", "--seed", "7"];
    wasabi(&folder).args(draw).assert().success().stdout(contains("sound/take-1.wav"));
    assert!(folder.join("sound/take-0.wav").is_file());

    let draw = ["generate", "--checkpoint", "run", "--length", "32"];
    wasabi(&folder).args(draw).assert().success().stdout(contains("run/samples/take-0.wav"));

    wasabi(&folder).args(["train", "--resume", "run"]).assert().success().stdout(contains("after 2 steps"));
    let more = ["train", "--resume", "run", "--steps", "3", "--train-window", "64", "--train-dropout", "0.1"];
    wasabi(&folder).args(more).assert().success().stdout(contains("after 3 steps"));
    wasabi(&folder)
        .args(["train", "--resume", "run", "--batch", "9"])
        .assert()
        .code(1)
        .stderr(contains("dealt to updates"));
    let again = wasabi(&folder).arg("train").args(tiny_flags()).args(["--steps", "2", "--out", "run"]).assert();
    again.code(1).stderr(contains("overwrite"));
}

#[test]
fn a_run_may_be_written_only_where_that_is_possible_and_that_is_found_first() {
    let folder = scratch("cli-unwritable");
    std::fs::write(folder.join("file"), "").expect("a file");
    let train = wasabi(&folder).arg("train").args(tiny_flags()).args(["--steps", "2", "--out", "file/run"]).assert();
    train.code(1).stderr(contains("file/run").and(contains("training").not()));
    let run = tiny_run().display().to_string();
    let draw = ["generate", &run, "--length", "8", "--out", "file/sound"];
    wasabi(&folder).args(draw).assert().code(1).stderr(contains("file/sound"));
    wasabi(&folder).args(["generate", "absent", "--out", "new"]).assert().code(1).stderr(contains("absent"));
    assert!(!folder.join("new").exists(), "no folder for takes that cannot be drawn");
}

#[test]
fn verification_compares_both_forms_of_a_checkpoint_or_of_a_fresh_model() {
    let folder = scratch("cli-verify");
    let run = tiny_run().display().to_string();
    let agree = || contains("logits").and(contains("convolution and recurrence agree"));
    wasabi(&folder).args(["verify", &run, "--length", "64"]).assert().success().stdout(agree());
    let tone = tones().join("tone_1.wav").display().to_string();
    wasabi(&folder).args(["verify", &run, "--length", "64", "--tokens", &tone]).assert().success().stdout(agree());
    let fresh = ["verify", "--d-model", "4", "--n-layers", "1", "--pool", "3,5", "--d-state", "4", "--length", "45"];
    wasabi(&folder).args(fresh).assert().success().stdout(agree());
    wasabi(&folder).args(["verify", &run, "--length", "63"]).assert().code(1).stderr(contains("does not divide"));
    std::fs::write(folder.join("tokens.txt"), "1, 2, 300").expect("a file");
    let bad = wasabi(&folder).args(["verify", &run, "--tokens", "tokens.txt"]).assert();
    bad.code(1).stderr(contains("`300`").and(contains("0 to 255")));
}

#[test]
fn the_flags_are_the_options_of_the_scripts() {
    use wasabi::audio::CorpusConfig;
    use wasabi::generate::GenerateConfig;
    use wasabi::model::SashimiConfig;
    use wasabi::options::Options;
    use wasabi::train::{EvaluateConfig, TrainConfig};
    let folder = scratch("cli-help");
    let train = [CorpusConfig::fields(), SashimiConfig::fields(), TrainConfig::fields()].concat();
    let commands = [
        ("train", train),
        ("evaluate", EvaluateConfig::fields().to_vec()),
        ("generate", GenerateConfig::fields().to_vec()),
    ];
    for (command, fields) in commands {
        let help = wasabi(&folder).args([command, "--help"]).output().expect("the program starts").stdout;
        let help = String::from_utf8_lossy(&help).into_owned();
        for field in fields {
            let flag = format!("--{}", field.name.replace('_', "-"));
            assert!(help.contains(&flag), "{command} --help does not know {flag}:\n{help}");
        }
    }
}

#[test]
fn the_doctor_tells_what_is_there_and_what_is_missing() {
    let folder = scratch("cli-doctor");
    let report = || contains("libtorch").and(contains("CUDA")).and(contains("threads")).and(contains("SIMD"));
    let missing = contains("missing").and(contains("mend:"));
    wasabi(&folder).arg("doctor").assert().code(1).stdout(report().and(missing));
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    wasabi(repository).arg("doctor").assert().success().stdout(report());
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let folder = scratch("cli-pipe");
    script(&folder, "for i in 0..20000 { print(i) }");
    let pipe = format!("'{}' run script.rhai | head -n 1", env!("CARGO_BIN_EXE_wasabi"));
    let output = Process::new("bash").args(["-c", &pipe]).current_dir(&folder).output().expect("bash");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn what_is_piped_into_the_prompt_runs_to_the_first_mistake_in_plain_lines() {
    let folder = scratch("cli-piped");
    let plain = contains("\u{1b}").not();
    let input = "let a = [1,\n2];\na.len()\n:vars\n";
    wasabi(&folder)
        .write_stdin(input)
        .assert()
        .success()
        .stdout(contains("2\n").and(contains("array")).and(contains("\u{1b}").not()));
    let failed = wasabi(&folder).write_stdin("print(1);\nnett.x\nprint(2);\n").assert().code(1);
    failed.stdout("1\n").stderr(contains("unknown variable `nett`").and(plain));
}

#[test]
fn a_script_ends_itself_with_the_code_that_it_chooses() {
    let folder = scratch("cli-exit");
    for (text, code) in [("exit(3)", 3), ("exit()", 0), ("if true { exit(0) }", 0)] {
        let file = script(&folder, &format!("print(\"so far\");\n{text};\nprint(\"never\");"));
        wasabi(&folder).args(["run", &file]).assert().code(code).stdout("so far\n").stderr("");
    }
    for (text, found) in [("exit(300)", "300"), ("exit(-1)", "-1"), ("exit(2.5)", "a real"), ("exit(true)", "a bool")] {
        let file = script(&folder, text);
        let told = contains("a code from 0 to 255").and(contains(found)).and(contains("script.rhai:1:1"));
        wasabi(&folder).args(["run", &file]).assert().code(1).stderr(told);
    }
    let file = script(&folder, "exit(\"no music here\");");
    wasabi(&folder).args(["run", &file]).assert().code(1).stderr(contains("no music here"));
    wasabi(&folder).write_stdin("let x = 7;\nif x > 6 { exit(x) }\nprint(1);\n").assert().code(7).stdout("");
}

#[test]
fn a_parameter_that_another_way_through_the_script_reads_may_be_set() {
    let folder = scratch("cli-unread");
    let file =
        script(&folder, "let kind = param(\"kind\", \"s4\");\nif kind == \"lstm\" { print(param(\"units\", 8)) }");
    wasabi(&folder).args(["run", &file, "--set", "units=9"]).assert().success().stderr("");
    let file = script(&folder, "let n = \"a\"; param(n, 1);\nif false { print(param(\"units\", 8)) }");
    wasabi(&folder).args(["run", &file, "--set", "units=9"]).assert().success().stderr("");
    wasabi(&folder).args(["run", &file, "--set", "b=9"]).assert().code(2);
}

#[test]
fn the_parameters_of_a_script_and_of_its_modules_are_listed() {
    let folder = scratch("cli-params");
    std::fs::write(folder.join("common.rhai"), "fn f() { param(\"depth\", 2) }").expect("a module");
    let file = script(&folder, "import \"common\" as c;\nlet steps = param(\"steps\", 9); // updates\n");
    let listed = contains("steps").and(contains("updates")).and(contains("depth"));
    wasabi(&folder).args(["run", &file, "--params"]).assert().success().stdout(listed);
    wasabi(&folder).args(["run", &file, "--params", "--set", "steps=1"]).assert().code(2);
    let file = script(&folder, "import \"common\" as c; print(\"ran\"); print(c::f());");
    wasabi(&folder).args(["run", &file, "--set", "depth=7"]).assert().success().stdout("ran\n7\n");
    let stray = wasabi(&folder).args(["run", &file, "--set", "detph=7"]).assert().code(2);
    stray.stdout("").stderr(contains("--set depth=…"));
}

#[test]
fn a_script_is_read_from_standard_input_and_a_table_in_a_pipe_keeps_every_column() {
    let folder = scratch("cli-stdin");
    let names: Vec<String> = (0..40).map(|n| format!("\"column_{n}\"")).collect();
    let cells: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    let text = format!("print(table([{}], [[{}]]));", names.join(", "), cells.join(", "));
    let seen = contains("column_0").and(contains("column_39")).and(contains("more column").not());
    wasabi(&folder).args(["run", "-"]).write_stdin(text).assert().success().stdout(seen);
    let given = wasabi(&folder).args(["run", "-", "--set", "n=4"]).write_stdin("print(param(\"n\", 1));").assert();
    given.success().stdout("4\n");
    wasabi(&folder).args(["run", "-"]).write_stdin("nett.x").assert().code(1).stderr(contains("standard input:1:1"));
}

#[test]
fn computed_names_of_parameters_are_told_once() {
    let folder = scratch("cli-computed");
    let file = script(&folder, "let i = 1; print(param(\"a\" + i, 0));");
    let told = wasabi(&folder).args(["run", &file, "--params"]).assert().success().stderr("");
    told.stdout(contains("names are computed").and(contains("reads no parameter").not()));
}

#[test]
fn definitions_for_editors_name_every_function() {
    let folder = scratch("cli-defs");
    wasabi(&folder).args(["defs", "--to", "defs"]).assert().success().stdout(contains("defs/wasabi.d.rhai"));
    let own = std::fs::read_to_string(folder.join("defs/wasabi.d.rhai")).expect("definitions");
    assert!(own.starts_with("module static;"));
    for line in [
        "fn sashimi(options: Map) -> Model;",
        "fn get height(value: Frame) -> int;",
        "fn train(model: ?, corpus: ?) -> Run;",
    ] {
        assert!(own.contains(line), "{line}");
    }
    let page = wasabi(&folder).args(["defs", "--markdown"]).assert().success();
    page.stdout(contains("# The language of wasabi").and(contains("### `train(")));
}

/// The command that draws `more` from the tiny run, its take going to `sound` in `folder`.
fn drawing(folder: &Path, more: &[&str]) -> Process {
    let mut command = Process::new(env!("CARGO_BIN_EXE_wasabi"));
    let run = tiny_run().display().to_string();
    command.current_dir(folder).args(["--device", "cpu", "generate", "--checkpoint", &run]).args(more);
    if !more.contains(&"--out") {
        command.args(["--out", "sound"]);
    }
    command
}

/// The bytes of a wav file after its header.
fn data(bytes: &[u8]) -> &[u8] {
    assert_eq!((&bytes[..4], &bytes[8..16], &bytes[36..40]), (&b"RIFF"[..], &b"WAVEfmt "[..], &b"data"[..]));
    &bytes[44..]
}

#[test]
fn the_command_of_the_issue_draws_so_many_takes_of_so_many_seconds_after_a_prompt() {
    let folder = scratch("cli-generate");
    let prompt = tones().join("tone_2.wav").display().to_string();
    let line = ["--seconds", "0.05", "--samples", "3", "--prompt", &prompt, "--prefix", "0.1", "--temperature", "1.0"];
    let more = ["--top-p", "1.0", "--min-p", "0.01", "--seed", "1", "--save-state", "end.state"];
    let drawn = drawing(&folder, &[&line[..], &more].concat()).output().expect("the program starts");
    let told = String::from_utf8_lossy(&drawn.stderr).into_owned();
    assert!(drawn.status.success() && told.contains("times real time"), "{told}");
    for take in 0..3 {
        let wave = std::fs::read(folder.join(format!("sound/take-{take}.wav"))).expect("a take");
        assert_eq!(data(&wave).len(), 2 * (1600 + 800), "0.1 s of the prompt, 0.05 s more");
    }
    // The same without a stop in between.
    let more =
        drawing(&folder, &["--seconds", "0.02", "--state", "end.state", "--out", "more"]).status().expect("a start");
    assert!(more.success());
    let line = [&line[..], &["--seed", "1", "--top-p", "1.0", "--min-p", "0.01", "--out", "whole"]].concat();
    let line: Vec<&str> = line.iter().map(|word| if *word == "0.05" { "0.07" } else { word }).collect();
    assert!(drawing(&folder, &line).status().expect("a start").success());
    for take in 0..3 {
        let read = |part: &str| std::fs::read(folder.join(part).join(format!("take-{take}.wav"))).expect("a take");
        let (begun, more, whole) = (read("sound"), read("more"), read("whole"));
        assert_eq!([data(&begun), data(&more)].concat(), data(&whole), "take {take}");
    }
    let wrong = drawing(&folder, &["--state", "end.state", "--samples", "2"]).output().expect("a start");
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("that of 3 takes, but 2 were asked for"));
}

#[test]
fn a_stream_is_the_take_in_a_pipe() {
    let folder = scratch("cli-stream");
    let line = ["--length", "1000", "--seed", "5"];
    let wav = drawing(&folder, &[&line[..], &["--stream"]].concat()).output().expect("the program starts");
    assert!(wav.status.success(), "{}", String::from_utf8_lossy(&wav.stderr));
    let saved = std::fs::read(folder.join("sound/take-0.wav")).expect("a take");
    assert_eq!(wav.stdout, saved, "the very file");
    let raw = drawing(&folder, &[&line[..], &["--stream=raw"]].concat()).output().expect("the program starts");
    assert_eq!(raw.stdout, data(&saved));
    let two = drawing(&folder, &["--stream", "--samples", "2"]).output().expect("the program starts");
    assert_eq!((two.status.code(), &two.stdout[..]), (Some(1), &b""[..]));
    assert!(String::from_utf8_lossy(&two.stderr).contains("2 takes cannot be streamed"));
}

#[test]
fn a_stream_that_nobody_hears_to_the_end_saves_what_was_made() {
    let folder = scratch("cli-stream-ends");
    let saved = |folder: &Path| data(&std::fs::read(folder.join("sound/take-0.wav")).expect("a take")).len() / 2;
    let hour = ["--seconds", "3600", "--stream"];
    // A reader that leaves is no error.
    let mut child = drawing(&folder, &hour).stdout(std::process::Stdio::piped()).spawn().expect("the program starts");
    let mut heard = [0; 4000];
    std::io::Read::read_exact(child.stdout.as_mut().expect("a pipe"), &mut heard).expect("sound");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert!((1978..57_600_000).contains(&saved(&folder)), "{} samples", saved(&folder));
    // Ctrl-C is one that a shell must hear of.
    let mut child = drawing(&folder, &hour).stdout(std::process::Stdio::piped()).spawn().expect("the program starts");
    let mut pipe = child.stdout.take().expect("a pipe");
    std::io::Read::read_exact(&mut pipe, &mut heard).expect("sound");
    let reader = std::thread::spawn(move || std::io::copy(&mut pipe, &mut std::io::sink()).expect("the rest"));
    let signalled = Process::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(signalled.success());
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    let rest = usize::try_from(reader.join().expect("a reader")).expect("a length");
    assert_eq!(saved(&folder), (4000 - 44 + rest) / 2, "what was heard is what was saved");
    // A full disk is an error with the place of what there is.
    let full = std::fs::File::create("/dev/full").expect("Linux has one");
    let child = drawing(&folder, &hour).stdout(full).output().expect("the program starts");
    let told = String::from_utf8_lossy(&child.stderr).into_owned();
    assert_eq!(child.status.code(), Some(1), "{told}");
    assert!(told.contains("No space left on device") && told.contains("sound/take-0.wav"), "{told}");
}

#[test]
fn of_takes_that_a_disk_has_no_room_for_what_fits_is_kept() {
    let folder = scratch("cli-full");
    let run = tiny_run().display().to_string();
    // No file may be longer than 20 blocks of 1024 bytes: as if the disk were full then, without filling one.
    let line = format!(
        "trap '' XFSZ; ulimit -f 20; exec {} --device cpu generate {run} --seconds 1 --samples 2 --out sound",
        env!("CARGO_BIN_EXE_wasabi")
    );
    let ended = Process::new("bash").current_dir(&folder).args(["-c", &line]).output().expect("bash");
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{told}");
    assert!(
        told.contains("it holds the first 0.64 of 1.00 s") && told.contains("could not be written at all"),
        "{told}"
    );
    let mut files = std::fs::read_dir(folder.join("sound")).expect("a folder").filter_map(Result::ok);
    let (file, none) = (files.next().expect("a take"), files.next());
    assert!(none.is_none(), "nothing half-written is left");
    // A state that finds no room costs no take.
    let line = format!(
        "trap '' XFSZ; ulimit -f 1; exec {} --device cpu generate {run} --length 40 --out short --save-state end.state",
        env!("CARGO_BIN_EXE_wasabi")
    );
    let ended = Process::new("bash").current_dir(&folder).args(["-c", &line]).output().expect("bash");
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.code() == Some(1) && told.contains("cannot write the state end.state"), "{told}");
    assert!(folder.join("short/take-0.wav").is_file(), "{told}");
    let wave = wasabi::audio::load_mono(&file.path(), 16_000).expect("a whole file");
    assert_eq!(wave.samples.len(), (20 * 1024 - 44) / 2);
}

#[test]
fn drawing_is_told_over_time_at_a_shell_as_in_a_script() {
    let folder = scratch("cli-expressions");
    let more =
        ["--length", "200", "--samples", "3", "--temperature", "linear(1.1, 0.5, 100)", "--keep", "#{ drop_low: 0.4 }"];
    let drawn = drawing(&folder, &more).output().expect("the program starts");
    assert!(drawn.status.success(), "{}", String::from_utf8_lossy(&drawn.stderr));
    assert_eq!(
        std::fs::read_dir(folder.join("sound")).expect("takes").count(),
        2,
        "the least likely of three is dropped"
    );
    let wrong = drawing(&folder, &["--keep", "5"]).output().expect("the program starts");
    let told = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(wrong.status.code() == Some(2) && told.contains("a map, as in #{ drop_low"), "{told}");
    let runs = tiny_run().parent().expect("a folder").display().to_string();
    let ended = wasabi(&folder).args(["generate", &runs]).assert().code(1);
    ended.stderr(contains("is not the folder of a run").and(contains("runs in it: ")));
}

#[test]
fn faults_of_generation_end_with_what_to_do() {
    use wasabi::train::{load_model, save};
    let folder = scratch("cli-faults");
    let (model, manifest) = load_model(tiny_run(), tch::Device::Cpu).expect("the tiny run");
    {
        let _no_grad = tch::no_grad_guard();
        let _ = model.params().list[0].tensor.shallow_clone().fill_(f64::NAN);
    }
    let path = folder.join("nan.safetensors");
    save(&path, &model, None, &manifest).expect("a checkpoint");
    let path = path.display().to_string();
    let prompt = tones().join("tone_1.wav").display().to_string();
    for more in [&[][..], &["--prompt", &prompt], &["--engine", "libtorch"], &["--stream"]] {
        let line = [&["generate", &path, "--length", "64", "--out", "sound"], more].concat();
        let ended = wasabi(&folder).args(line).assert().code(1);
        ended.stderr(contains("are not finite numbers").and(contains("wasabi verify")));
    }
    let silent = folder.join("empty.wav");
    wasabi::audio::write_wav(&silent, &[], 16_000, wasabi::audio::SampleFormat::Pcm16).expect("a file");
    let run = tiny_run().display().to_string();
    let empty = silent.display().to_string();
    let ended = wasabi(&folder).args(["generate", &run, "--prompt", &empty, "--length", "8"]).assert().code(1);
    ended.stderr(contains("empty.wav").and(contains("hint")));
    // Another rate is heard at the model's: 0.1 s stays 0.1 s.
    let other = folder.join("other.wav");
    let tone = wasabi::audio::sine(440.0, 0.5, 4410, 44_100);
    wasabi::audio::write_wav(&other, &tone, 44_100, wasabi::audio::SampleFormat::Pcm16).expect("a file");
    let other = other.display().to_string();
    wasabi(&folder).args(["generate", &run, "--prompt", &other, "--length", "8", "--out", "other"]).assert().success();
    let wave = std::fs::read(folder.join("other/take-0.wav")).expect("a take");
    assert_eq!(data(&wave).len(), 2 * (1600 + 8));
    let state = ["generate", &run, "--length", "8", "--out", "other", "--save-state", "a.state"];
    wasabi(&folder).args(state).assert().success();
    let ended = wasabi(&folder).args(["generate", &path, "--state", "a.state", "--length", "8"]).assert().code(1);
    ended.stderr(contains("a.state is of the model").and(contains("nan.safetensors")));
}
