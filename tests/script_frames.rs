//! Frames and sounds in a session: what an interrupt does to a query, and what is told beside the answer.

use std::time::{Duration, Instant};

use wasabi::metrics::{LOG_NAME, Log, Row};
use wasabi::script::Cause;

use crate::script_fixture::{Listener, scratch};

/// A million rows, made in a moment.
const MILLION: &str = "let f = table([\"x\"], [[0.5]]);\nfor i in 0..20 { f = f.vstack(f) }\n";

/// Runs `script`, asks it to stop after `delay`, and tells how long it took to answer.
fn stopped(script: &str, delay: Duration) -> Duration {
    let listener = Listener::default();
    let interrupt = listener.interrupt.clone();
    let asker = std::thread::spawn(move || {
        std::thread::sleep(delay);
        interrupt.set();
        Instant::now()
    });
    let fault = listener.run("long.rhai", script, &[]).expect_err("stopped");
    let end = Instant::now();
    assert_eq!(fault.cause, Cause::Interrupt, "{fault}");
    end.saturating_duration_since(asker.join().expect("the asker"))
}

#[test]
fn an_interrupt_is_answered_in_the_middle_of_a_query() {
    // Each query takes seconds: 300 sines of a million rows.
    let script = format!(
        "{MILLION}let deep = \"x\";\nfor i in 0..45 {{ deep = `sin(${{deep}})` }}\nlet seven = [];\n\
         for i in 0..7 {{ seven.push(`${{deep}} + ${{i}} AS y${{i}}`) }}\n\
         loop {{ try {{ f.select(seven) }} catch {{ }} }}"
    );
    let waited = stopped(&script, Duration::from_millis(1500));
    assert!(waited < Duration::from_secs(60), "answered after {waited:?}");
}

#[test]
fn an_interrupt_is_answered_while_rows_become_maps() {
    let waited = stopped(&format!("{MILLION}loop {{ f.rows() }}"), Duration::from_millis(1500));
    assert!(waited < Duration::from_secs(60), "answered after {waited:?}");
    let waited = stopped(&format!("{MILLION}loop {{ for row in f {{ }} }}"), Duration::from_millis(1500));
    assert!(waited < Duration::from_secs(60), "answered after {waited:?}");
}

#[test]
fn a_log_that_was_cut_off_is_read_and_noted() {
    let folder = scratch("torn-log");
    let mut log = Log::create(&folder).expect("a new log");
    log.append(&Row::new().with("step", 1).with("loss", 0.5)).expect("appended");
    drop(log);
    let path = folder.join(LOG_NAME);
    let mut text = std::fs::read_to_string(&path).expect("the log");
    text.push_str("{\"step\":2,\"lo");
    std::fs::write(&path, text).expect("written");
    let listener = Listener::default();
    let script =
        format!("print(read_frame(\"{0}\").height);\nprint(read_frame(\"{0}/{LOG_NAME}\").height);", folder.display());
    listener.run("torn.rhai", &script, &[]).expect("readable");
    assert_eq!(listener.lines(), ["1", "1"]);
    assert!(listener.told().iter().any(|note| note.contains("cut off after 13 bytes")), "{:?}", listener.told());
}

#[test]
fn a_frame_shows_itself_as_a_table_and_groups_say_what_to_do() {
    let mut session = Listener::default().session();
    let show = |session: &mut wasabi::script::Session, text: &str| {
        session.evaluate(text).map_err(|fault| fault.message).expect("evaluates").unwrap_or_default()
    };
    let frame = show(&mut session, "let f = table([\"a\", \"day\"], [[1, \"x\"], [2, ()]]); f.sort(\"a\", true)");
    assert_eq!(frame, "a  day\n─  ───\n2  –\n1  x");
    assert_eq!(
        show(&mut session, "f.group_by([\"a\", \"day\"])"),
        "Groups by a, day: `.agg(#{ column: \"mean\" })` makes a frame of them"
    );
}

#[test]
fn a_file_keeps_its_rate_and_its_channels_when_asked() {
    let folder = scratch("stereo");
    let path = folder.join("two.wav");
    let left = wasabi::audio::sine(500.0, 0.5, 4410, 44_100);
    let right = vec![0.0; 4410];
    wasabi::audio::write_channels(&path, &[left, right], 44_100, wasabi::audio::SampleFormat::Float32)
        .expect("written");
    let script = format!(
        "let path = \"{}\";\n\
         let both = audio(path, #{{ rate: (), mono: false }});\n\
         print(both);\n\
         print(`${{both.channels}} ${{both.sample_rate}} ${{both.samples.len()}}`);\n\
         print(`${{fixed(both.peak, 2)}} ${{fixed(both.mono().peak, 2)}} ${{both.mono().channels}}`);\n\
         print(`${{fixed(both.rms, 4)}} ${{audio(path).channels}} ${{audio(path).sample_rate}}`);\n\
         print(`${{both.slice(0.05).channels}} ${{(both * 2 + both).fade(0.01).resample(22050).channels}}`);\n\
         both.save(\"{}\");\n\
         print(audio(\"{}\", #{{ rate: (), mono: false }}).channels);\n\
         print(audio(path, #{{ rate: () }}).sample_rate);\n\
         both + both.mono();",
        path.display(),
        folder.join("copy.wav").display(),
        folder.join("copy.wav").display(),
    );
    let listener = Listener::default();
    let fault = listener.run("stereo.rhai", &script, &[]).expect_err("two channels and one");
    assert_eq!(
        listener.lines(),
        [
            "Sound two.wav: 0.10 s at 44100 Hz, 2 channels, peak 0.500",
            "2 44100 4410",
            "0.50 0.25 1",
            "0.2500 1 16000",
            "2 2",
            "2",
            "44100",
        ]
    );
    assert_eq!(fault.message, "`two.wav` has 2 channels and `two.wav` 1 channel: they cannot be joined as they are");
    assert_eq!(fault.hints, ["mix the channels down first: sound.mono()"]);
}
