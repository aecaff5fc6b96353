//! Playing: with whatever player there is, until it ends or somebody asks to stop.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use wasabi::audio::{AudioError, PLAYER_VARIABLE, Player};
use wasabi::interrupt::Interrupt;

/// A player that is a shell script.
#[cfg(unix)]
fn player(folder: &Path, script: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("player.sh");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("permitted");
    path
}

fn play(command: &str, sound: &Path, interrupt: &Interrupt) -> Result<(), AudioError> {
    Player::named(command)?.play(sound, interrupt, &mut |_| ())
}

#[test]
#[cfg(unix)]
fn a_player_gets_its_arguments_and_then_the_path() {
    let folder = tempfile::tempdir().expect("a folder");
    let sound = folder.path().join("sound.wav");
    let heard = folder.path().join("heard");
    let script = player(folder.path(), &format!("echo \"$@\" > {}", heard.display()));
    play(&format!("{} --loud  -v", script.display()), &sound, &Interrupt::default()).expect("played");
    let arguments = std::fs::read_to_string(heard).expect("it ran");
    assert_eq!(arguments.trim(), format!("--loud -v {}", sound.display()));
}

#[test]
#[cfg(unix)]
fn a_player_that_fails_is_quoted() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = player(folder.path(), "echo first >&2; echo 'no sound device' >&2; exit 3");
    let sound = folder.path().join("sound.wav");
    let error = play(&script.display().to_string(), &sound, &Interrupt::default()).expect_err("failed");
    assert_eq!(error.to_string(), "player.sh could not play the sound: no sound device");
    assert!(error.hint().is_some_and(|hint| hint.contains(PLAYER_VARIABLE)), "{error:?}");
}

#[test]
#[cfg(unix)]
fn an_interrupt_ends_the_player_and_what_it_started() {
    let folder = tempfile::tempdir().expect("a folder");
    let sound = folder.path().join("sound.wav");
    let pid = folder.path().join("pid");
    // The player is a script; the program that makes the sound is its child.
    let script = player(folder.path(), &format!("sleep 30 & echo $! > {}; wait", pid.display()));
    let interrupt = Interrupt::default();
    let asker = interrupt.clone();
    let waiting = pid.clone();
    let thread = std::thread::spawn(move || {
        while std::fs::read_to_string(&waiting).unwrap_or_default().trim().is_empty() {
            std::thread::sleep(Duration::from_millis(5));
        }
        asker.set();
    });
    let begun = Instant::now();
    let outcome = play(&script.display().to_string(), &sound, &interrupt);
    thread.join().expect("the asker");
    assert!(matches!(outcome, Err(AudioError::Interrupted)), "{outcome:?}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let child = std::fs::read_to_string(pid).expect("it ran").trim().to_owned();
    let gone = || {
        let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        state.is_empty() || state.contains(") Z ")
    };
    while !gone() && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(gone(), "process {child} still makes sound");
}

#[test]
fn a_player_that_is_not_there_is_named() {
    let error = Player::named("no-such-player-at-all -q").expect_err("missing");
    let message = error.to_string();
    assert!(message.contains("no-such-player-at-all -q") && message.contains(PLAYER_VARIABLE), "{message}");
}

/// `wasabi run` of a script in `folder`.
fn run(folder: &Path, script: &str) -> Command {
    let path = folder.join("play.rhai");
    std::fs::write(&path, script).expect("written");
    let mut command = Command::cargo_bin("wasabi").expect("the program");
    command.arg("run").arg(path).current_dir(folder).env("TMPDIR", folder);
    command
}

#[test]
#[cfg(unix)]
fn a_script_plays_a_sound_and_leaves_no_file_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("heard.wav");
    let script = player(folder.path(), &format!("cp \"$1\" {}", copy.display()));
    run(folder.path(), "(tone(440, 0.1) + silence(0.1)).play();\nprint(\"over\");")
        .env(PLAYER_VARIABLE, &script)
        .assert()
        .success()
        .stdout("over\n");
    let heard = wasabi::audio::decode(&copy).expect("a wav file").wave;
    assert_eq!((heard.channels[0].len(), heard.sample_rate), (3200, 16_000));
    let left: Vec<String> = std::fs::read_dir(folder.path())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("wasabi-"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_machine_without_a_player_says_what_was_looked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let outcome = run(folder.path(), "tone(440, 0.1).play();")
        .env_remove(PLAYER_VARIABLE)
        .env("PATH", folder.path())
        .assert()
        .failure()
        .code(1);
    let told = String::from_utf8_lossy(&outcome.get_output().stderr).into_owned();
    for name in ["pw-play", "paplay", "aplay", "afplay", "ffplay", "play", "mpv", PLAYER_VARIABLE, "sound.save("] {
        assert!(told.contains(name), "{name} is not in:\n{told}");
    }
}
