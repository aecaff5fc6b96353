//! The map of rooms stays true: who may use whom, which outside crate lives where, and who may print.
//!
//! A new line in one of these tables is a decision about the shape of the crate, made on purpose and reviewed as such;
//! `docs/architecture.md` says why each is as it is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Room, and the rooms that it may use. The ground (`options`, `seed`, `interrupt`, `schedule`) is open to all.
const ARROWS: &[(&str, &[&str])] = &[
    ("options", &[]),
    ("seed", &[]),
    ("interrupt", &[]),
    ("schedule", &[]),
    ("device", &[]),
    ("audio", &[]),
    ("ssm", &["device"]),
    ("metrics", &[]),
    ("model", &["ssm", "device"]),
    ("experiment", &["metrics"]),
    ("train", &["audio", "metrics", "ssm", "model", "experiment", "device"]),
    ("generate", &["audio", "model", "device"]),
    ("plot", &["audio", "metrics"]),
    ("report", &["audio", "metrics", "plot"]),
    ("script", &["audio", "ssm", "metrics", "model", "train", "generate", "plot", "report", "experiment", "device"]),
    ("repl", &["script", "plot", "device"]),
    (
        "cli",
        &["repl", "script", "audio", "ssm", "metrics", "model", "train", "generate", "plot", "experiment", "device"],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

const GROUND: &[&str] = &["options", "seed", "interrupt", "schedule"];

/// Outside crate, and the rooms that may name it; `ANYWHERE` for vocabulary.
const CRATES: &[(&str, &[&str])] = &[
    ("ab_glyph", &["plot"]),
    ("annotate_snippets", &["script"]),
    ("base64", &["plot", "report", "repl"]),
    ("blake3", &["seed", "audio", "experiment", "train", "generate"]),
    ("chrono", &["report"]),
    ("clap", &["cli", "main"]),
    ("console", &["repl", "cli"]),
    ("crc32c", &["metrics"]),
    ("hound", &["audio"]),
    ("icy_sixel", &["repl"]),
    ("indicatif", &["repl", "cli"]),
    ("libc", &["device"]),
    ("libloading", &["device"]),
    ("maud", &["report"]),
    ("plotters", &["plot"]),
    ("png", &["plot"]),
    ("polars", &["metrics"]),
    ("pulldown_cmark", &["report"]),
    ("pulp", &["ssm", "model", "generate"]),
    ("rand", &["seed", "ssm", "model", "train", "generate"]),
    ("rand_chacha", &["seed", "train", "generate"]),
    ("rand_distr", &["ssm", "model", "generate"]),
    ("rayon", &["audio", "ssm", "model", "metrics", "generate", "report"]),
    ("realfft", &["audio", "ssm"]),
    ("regex_automata", &[]), // named for its feature alone: see Cargo.toml
    ("rhai", &["script"]),
    ("rubato", &["audio"]),
    ("rustyline", &["repl"]),
    ("safetensors", &["model", "train", "generate"]),
    ("serde", ANYWHERE),
    ("serde_json", ANYWHERE),
    ("signal_hook", &["repl", "cli"]),
    ("strsim", &["options"]),
    ("symphonia", &["audio"]),
    ("tch", &["ssm", "model", "train", "generate", "device"]),
    ("tempfile", ANYWHERE),
    ("thiserror", ANYWHERE),
    ("toml", &["experiment", "script", "cli"]),
    ("which", &["audio"]),
];

const ANYWHERE: &[&str] = &["*"];

const PRINTERS: &[&str] = &["repl", "cli", "main"];

#[test]
fn every_arrow_between_rooms_is_granted() {
    let mut wrong = Vec::new();
    for (path, room, text) in sources() {
        let submodules = if is_top(&path) { children(&path) } else { BTreeSet::new() };
        for fault in arrow_faults(&room, is_top(&path).then_some(&submodules), &text) {
            wrong.push(format!("{}: {fault}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_outside_crate_stays_in_its_rooms() {
    let mut wrong = Vec::new();
    for (path, room, text) in sources() {
        for fault in crate_faults(&room, &text) {
            wrong.push(format!("{}: {fault}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn only_repl_cli_and_main_print() {
    let mut wrong = Vec::new();
    for (path, room, text) in sources() {
        if !PRINTERS.contains(&room.as_str()) {
            wrong.extend(prints(&text).into_iter().map(|word| format!("{}: {word}", path.display())));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_room_and_every_dependency_is_in_the_tables() {
    for (path, room, _) in sources() {
        assert!(ARROWS.iter().any(|(name, _)| *name == room), "{} is in no room of the table", path.display());
    }
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let manifest: toml::Table = manifest.parse().expect("Cargo.toml is TOML");
    let needed: BTreeSet<String> =
        manifest["dependencies"].as_table().expect("a table").keys().map(|name| name.replace('-', "_")).collect();
    let listed: BTreeSet<String> = CRATES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(needed, listed, "the dependencies in Cargo.toml, and the table of crates in this file");
}

#[test]
fn the_granted_arrows_form_no_circle() {
    fn reaches(from: &str, to: &str) -> bool {
        uses_of(from).iter().any(|next| *next == to || reaches(next, to))
    }
    for (room, _) in ARROWS {
        assert!(!reaches(room, room), "{room} uses itself by way of others");
    }
}

#[test]
fn the_checks_find_what_they_look_for() {
    let arrows = |room, text| arrow_faults(room, None, text);
    assert_eq!(arrows("audio", "use crate::train::Outcome;"), ["audio may not use train"]);
    assert_eq!(arrows("model", "let a = crate :: generate\n::x();"), ["model may not use generate"]);
    assert_eq!(arrows("audio", "use crate::{seed, train};"), ["one room on each `use` line, please"]);
    assert_eq!(arrows("main", "wasabi::train::train();"), ["main may not use train"]);
    assert!(arrows("audio", "use crate::options::parse; use crate::audio::Clip;").is_empty());
    assert!(
        arrows("audio", "// crate::train\n/* crate::train /* crate::model */ */ let s = \"crate::train\";").is_empty()
    );
    assert!(arrows("audio", "let s = r#\"a \" crate::train\"#; let c = '\"'; let l: &'static str = \"\";").is_empty());
    assert_eq!(arrows("audio", "let c = '\"'; crate::train::x()"), ["audio may not use train"]);

    let top = BTreeSet::from(["model".to_owned()]);
    assert_eq!(arrow_faults("audio", Some(&top), "use super::train::X;"), ["audio may not use train"]);
    assert!(arrow_faults("audio", Some(&top), "use super::model::X;").is_empty(), "a submodule of that name");

    assert_eq!(crate_faults("script", "use tch::Tensor;"), ["tch is not for script"]);
    assert_eq!(crate_faults("plot", "use polars as p;"), ["polars is not for plot"]);
    assert_eq!(crate_faults("train", "if tch::Cuda::is_available() {}"), ["only device asks about CUDA"]);
    assert!(crate_faults("plot", "use plotters::prelude; metrics::polars::x(); a.polars();").is_empty());

    assert_eq!(prints("println!(); std::io::stdout().lock();"), ["println!", "stdout"]);
    assert!(prints("writeln!(f, \"println!\"); // println!").is_empty());
    assert!(prints("Command::new(\"aplay\").stdout(Stdio::null());").is_empty());
}

/// What is wrong with the arrows of a file. `top`: the file is its room's topmost module, with these submodules; there
/// `super` is the crate.
fn arrow_faults(room: &str, top: Option<&BTreeSet<String>>, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut faults = Vec::new();
    for window in tokens.windows(3) {
        let [base, colons, used] = window else { continue };
        let is_root = match base.as_str() {
            "crate" => true,
            "wasabi" => room == "main",
            "super" => top.is_some_and(|submodules| !submodules.contains(used)) && is_room(used),
            _ => false,
        };
        if colons != "::" || !is_root {
            continue;
        }
        if used == "{" {
            faults.push("one room on each `use` line, please".to_owned());
        } else if is_room(used)
            && used != room
            && !GROUND.contains(&used.as_str())
            && !uses_of(room).contains(&used.as_str())
        {
            faults.push(format!("{room} may not use {used}"));
        }
    }
    faults
}

fn crate_faults(room: &str, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut faults = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map_or("", |at| &tokens[at]);
        let after = tokens.get(at + 1).map_or("", String::as_str);
        if token == "Cuda" && after == "::" && room != "device" {
            let asked = tokens.get(at + 2).map_or("", String::as_str);
            if ["is_available", "device_count", "cudnn_is_available"].contains(&asked) {
                faults.push("only device asks about CUDA".to_owned());
            }
        }
        if before == "::" || before == "." || !(after == "::" || before == "use") {
            continue;
        }
        if let Some((name, rooms)) = CRATES.iter().find(|(name, _)| name == token)
            && *rooms != ANYWHERE
            && !rooms.contains(&room)
        {
            faults.push(format!("{name} is not for {room}"));
        }
    }
    faults
}

fn prints(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    for (at, pair) in tokens.windows(2).enumerate() {
        // `command.stdout(…)` says where the output of another program goes.
        let is_method = at > 0 && tokens[at - 1] == ".";
        match (pair[0].as_str(), pair[1].as_str()) {
            (name @ ("println" | "print" | "eprintln" | "eprint" | "dbg"), "!") => found.push(format!("{name}!")),
            (name @ ("stdout" | "stderr"), "(") if !is_method => found.push(name.to_owned()),
            _ => {}
        }
    }
    found
}

fn is_room(name: &str) -> bool {
    ARROWS.iter().any(|(room, _)| *room == name)
}

fn uses_of(room: &str) -> &'static [&'static str] {
    ARROWS.iter().find(|(name, _)| *name == room).map_or(&[], |(_, uses)| uses)
}

/// The words and signs of Rust source, without comments and without what is inside strings.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let starts = |at: usize, what: &str| what.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c));
    let mut tokens: Vec<String> = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let here = chars[at];
        if starts(at, "//") {
            at += chars[at..].iter().take_while(|c| **c != '\n').count();
        } else if starts(at, "/*") {
            at = after_block_comment(&chars, at);
        } else if let Some(end) = after_raw_string(&chars, at) {
            at = end;
        } else if here == '"' {
            at = after_quoted(&chars, at);
        } else if here == '\'' && (chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\'')) {
            at = after_quoted(&chars, at); // a character; anything else after ' is a lifetime
        } else if here.is_alphanumeric() || here == '_' {
            let word: String = chars[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').collect();
            at += word.chars().count();
            tokens.push(word);
        } else if starts(at, "::") {
            tokens.push("::".to_owned());
            at += 2;
        } else {
            if !here.is_whitespace() {
                tokens.push(here.to_string());
            }
            at += 1;
        }
    }
    tokens
}

fn after_block_comment(chars: &[char], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at < chars.len() {
        match chars.get(at..at + 2) {
            Some(['/', '*']) => (at, depth) = (at + 2, depth + 1),
            Some(['*', '/']) => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The end of `r"…"` or `r#"…"#` that starts here, if one does (the `b` of `br"…"` is read as a word before it).
fn after_raw_string(chars: &[char], start: usize) -> Option<usize> {
    let is_start = chars[start] == 'r' || (chars[start] == 'b' && chars.get(start + 1) == Some(&'r'));
    let joined = start > 0 && (chars[start - 1].is_alphanumeric() || chars[start - 1] == '_');
    if !is_start || joined {
        return None;
    }
    let body = start + if chars[start] == 'b' { 2 } else { 1 };
    let hashes = chars[body..].iter().take_while(|c| **c == '#').count();
    if chars.get(body + hashes) != Some(&'"') {
        return None;
    }
    let closes =
        |at: usize| chars[at] == '"' && chars[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
    let end = (body + hashes + 1..chars.len()).find(|at| closes(*at))?;
    Some(end + 1 + hashes)
}

fn after_quoted(chars: &[char], start: usize) -> usize {
    let quote = chars[start];
    let mut at = start + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file with its room: the first part of its path below `src`.
fn sources() -> Vec<(PathBuf, String, String)> {
    let src = root().join("src");
    let mut found = Vec::new();
    let mut folders = vec![src.clone()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(&src).expect("below src").to_owned();
                let first = below.iter().next().expect("a name").to_string_lossy();
                let room = first.trim_end_matches(".rs").to_owned();
                found.push((below, room, std::fs::read_to_string(&path).expect("a source file")));
            }
        }
    }
    assert!(found.len() > 20, "only {} source files below {}", found.len(), src.display());
    found.sort();
    found
}

/// Whether a file (its path below `src`) is the topmost module of a room.
fn is_top(path: &Path) -> bool {
    path.components().count() == 1 || (path.components().count() == 2 && path.ends_with("mod.rs"))
}

/// The submodules of a room's topmost module, by their files.
fn children(path: &Path) -> BTreeSet<String> {
    let folder = root().join("src").join(path);
    let folder = folder.parent().filter(|_| path.ends_with("mod.rs"));
    let entries = folder.and_then(|folder| folder.read_dir().ok()).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.file_name().to_string_lossy().trim_end_matches(".rs").to_owned()).collect()
}
