//! Figures: the numbers behind them, their SVG, and what they refuse.

use std::fs;
use wasabi::metrics::{Baselines, Bits, Frame, Row};
use wasabi::plot::{
    Figure, FrequencyAxis, Kernel, PlotError, Series, SpectrogramData, Style, Theme, curves, kernel_plot, loss_curve,
    metric_curve, smooth, spectrogram, spectrogram_pair, waveform,
};

fn line(y: &[f64]) -> Series {
    Series::new("loss", (0..y.len()).map(|index| index as f64).collect(), y.to_vec(), Style::Line)
}

fn level(bits: f64) -> Bits {
    Bits { per_token: bits, per_byte: bits }
}

fn run(offset: f64) -> Frame {
    let baselines = Baselines { uniform: level(8.0), unigram: level(7.39), markov: level(5.56), tokens: 1 };
    let mut rows = Vec::new();
    for step in 0..100 {
        let bits = offset + 3.0 * (-f64::from(step) / 20.0).exp();
        rows.push(
            Row::new().with("step", step).with("split", "train").with("loss", bits * 0.7).with("bits_per_byte", bits),
        );
        if step % 50 == 49 {
            rows.push(
                Row::new()
                    .with("step", step)
                    .with("split", "val")
                    .with("bits_per_byte", bits + 0.1)
                    .with_baselines(&baselines),
            );
        }
    }
    Frame::from_rows(&rows).expect("rows")
}

fn sound(frames: usize, loudest: f32) -> SpectrogramData {
    let bins = 5;
    let db = (0..frames * bins).map(|cell| loudest - (cell % 7) as f32 * 10.0).collect();
    SpectrogramData { frames, bins, db, seconds: frames as f64 / 10.0, axis: FrequencyAxis::Linear { max_hz: 8000.0 } }
}

/// The texts of an SVG, in the order they were drawn.
pub(crate) fn texts(figure: &Figure) -> Vec<String> {
    let svg = figure.svg().expect("drawn");
    let after = svg.split("<text ").skip(1);
    after.filter_map(|rest| Some(rest.split_once(">\n")?.1.split_once("\n</text>")?.0.to_owned())).collect()
}

#[test]
fn a_small_chart_is_this_svg() {
    let figure = curves(&[line(&[3.0, 1.0, 2.0])], "Step", "Loss (nats)")
        .expect("a chart")
        .title("Small & <plain>")
        .size(400, 240);
    insta::assert_snapshot!(figure.svg().expect("drawn"));
}

#[test]
fn a_loss_curve_holds_raw_smoothed_validation_and_baselines() {
    let figure = loss_curve(&[("demo", &run(5.0))]).expect("a curve");
    let [raw, smoothed, validation] = figure.series() else { panic!("three series, found {}", figure.series().len()) };
    assert_eq!((raw.style, smoothed.style, validation.style), (Style::Raw, Style::Smoothed, Style::Points));
    assert_eq!((raw.x.len(), raw.y[0]), (100, 8.0));
    assert_eq!(smoothed.y, smooth(&raw.y, 2.0));
    assert_eq!(validation.x, [49.0, 99.0]);
    assert_eq!(
        figure.levels(),
        [("uniform (8.00)", 8.0), ("unigram (7.39)", 7.39), ("first-order Markov (5.56)", 5.56)]
    );
    let texts = texts(&figure);
    for expected in
        ["Step", "Cross-entropy (bits per byte)", "validation", "first-order Markov (5.56)", "training, each step"]
    {
        assert!(texts.iter().any(|text| text == expected), "`{expected}` is missing from {texts:?}");
    }
}

#[test]
fn several_runs_have_their_own_colours_and_share_equal_baselines() {
    let (one, two) = (run(5.0), run(5.2));
    let figure = loss_curve(&[("small", &one), ("large", &two)]).expect("curves");
    assert_eq!(figure.levels().len(), 3);
    let labels: Vec<&str> = figure.series().iter().map(|series| series.label.as_str()).collect();
    assert_eq!(labels, ["", "small, training", "small, validation", "", "large, training", "large, validation"]);
    let colours: Vec<_> = figure.series().iter().map(|series| series.colour).collect();
    assert_eq!(colours, [Some(0), Some(0), Some(0), Some(1), Some(1), Some(1)]);
}

#[test]
fn a_run_without_losses_is_an_error_that_names_it() {
    let empty = Frame::from_rows(&[Row::new().with("step", 1).with("bits_per_byte", f64::NAN)]).expect("a row");
    assert_eq!(
        loss_curve(&[("night", &empty)]).expect_err("only NaN").to_string(),
        "run `night` has no finite value to draw"
    );
    let error = metric_curve(&[("night", &run(5.0))], "bits_per_bit", "y").expect_err("no such column");
    assert!(
        error.to_string().starts_with("run `night` has no column `bits_per_bit` of numbers; it has step, split"),
        "{error}"
    );
    assert_eq!(error.hint().as_deref(), Some("did you mean `bits_per_byte`?"));
    let none: [(&str, &Frame); 0] = [];
    assert!(matches!(loss_curve(&none), Err(PlotError::Empty { .. })));
}

#[test]
fn smoothing_keeps_lines_and_does_not_lag() {
    let ramp: Vec<f64> = (0..100).map(f64::from).collect();
    for (index, value) in smooth(&ramp, 4.0).iter().enumerate().skip(12).take(76) {
        assert!((value - ramp[index]).abs() < 1e-9, "at {index}: {value}");
    }
    assert_eq!(smooth(&[1.0, f64::NAN, 1.0], 1.0), [1.0; 3]);
    assert!(smooth(&[f64::NAN], 1.0)[0].is_nan());
    assert!(smooth(&[], 3.0).is_empty());
}

#[test]
fn values_that_are_not_finite_are_gaps_and_never_a_panic() {
    let hostile = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e308, -1e308, 0.0, -0.0, f64::MIN_POSITIVE, 5e-324];
    for first in hostile {
        for second in hostile {
            let Ok(figure) = curves(&[line(&[first, 1.0, second])], "x", "y") else { continue };
            for (log_x, log_y) in [(false, false), (true, true)] {
                let figure =
                    figure.clone().size(320, 200).log_x(log_x).and_then(|figure| figure.log_y(log_y)).expect("a chart");
                let svg = figure.svg().unwrap_or_else(|error| panic!("{first} and {second}: {error}"));
                assert!(!svg.contains("NaN"), "{first} and {second}");
                figure.png().unwrap_or_else(|error| panic!("{first} and {second}: {error}"));
            }
        }
    }
}

#[test]
fn nothing_to_draw_is_an_error_that_says_what() {
    let refused = |result: Result<Figure, PlotError>| result.expect_err("refused").to_string();
    assert_eq!(refused(curves(&[line(&[f64::NAN])], "x", "y")), "series `loss` has no finite value to draw");
    assert_eq!(refused(curves(&[], "x", "y")), "a chart without series has no finite value to draw");
    assert_eq!(refused(waveform(&[], 16_000)), "the waveform has no finite value to draw");
    assert_eq!(refused(waveform(&[0.0], 0)), "the sample rate is 0, but must be above 0 and finite");
    let kernel = Kernel { label: "block 0".into(), number: 0, taps: Vec::new(), spacing: 1.0 };
    assert_eq!(refused(kernel_plot(&[kernel], "Block")), "series `block 0` has no finite value to draw");
    let mut odd = line(&[1.0, 2.0]);
    odd.y.pop();
    assert_eq!(refused(curves(&[odd], "x", "y")), "values of series `loss`: 1 found, 2 needed");
    let negative = curves(&[line(&[-1.0, -2.0])], "x", "y").and_then(|figure| figure.log_y(true)).expect("a chart");
    assert_eq!(
        negative.svg().expect_err("no logarithm").to_string(),
        "a logarithmic y axis needs values above 0, and none is"
    );
}

#[test]
fn spectrograms_with_wrong_shapes_are_refused() {
    let refused = |change: &dyn Fn(&mut SpectrogramData)| {
        let mut data = sound(8, 0.0);
        change(&mut data);
        spectrogram(&data, "").expect_err("refused").to_string()
    };
    assert_eq!(refused(&|data| data.frames = 9), "levels of the spectrogram (9 frames of 5 bins): 40 found, 45 needed");
    assert_eq!(
        refused(&|data| data.frames = usize::MAX),
        format!("levels of the spectrogram ({} frames of 5 bins): 40 found, {} needed", usize::MAX, usize::MAX)
    );
    assert_eq!(refused(&|data| data.seconds = 0.0), "the duration in seconds is 0, but must be above 0 and finite");
    assert_eq!(refused(&|data| data.db.fill(f32::NAN)), "the spectrogram has no finite value to draw");
    assert_eq!(
        refused(&|data| data.axis = FrequencyAxis::Bands { centres_hz: vec![1.0, 2.0] }),
        "band centres of the spectrogram: 2 found, 5 needed"
    );
    assert_eq!(
        refused(&|data| data.axis = FrequencyAxis::Bands { centres_hz: vec![1.0, 2.0, 2.0, 3.0, 4.0] }),
        "the distance between band centres is 0, but must be above 0 and finite"
    );
}

#[test]
fn a_spectrogram_has_units_and_an_embedded_picture() {
    let figure = spectrogram(&sound(40, -6.0), "Loud").expect("a figure");
    let svg = figure.svg().expect("drawn");
    assert_eq!(svg.matches("<image ").count(), 2, "the sound and the colour bar");
    assert!(svg.contains("href=\"data:image/png;base64,iVBORw0KGgo"), "a PNG begins like this");
    let texts = texts(&figure);
    for expected in ["Loud", "Time (s)", "Frequency (kHz)", "Level (dB)", "8", "4", "−20"] {
        assert!(texts.iter().any(|text| text == expected), "`{expected}` is missing from {texts:?}");
    }
    let mut silent = sound(4, 0.0);
    silent.db.fill(f32::NEG_INFINITY);
    silent.db[3] = -100.0;
    spectrogram(&silent, "").expect("a figure").png().expect("silence can be drawn");
}

#[test]
fn a_pair_shares_one_scale() {
    // The lower one is 40 dB below the upper one: on its own scale it would look the same.
    let (loud, quiet) = (sound(40, 0.0), sound(40, -40.0));
    let pair = spectrogram_pair(("Real", &loud), ("Generated", &quiet)).expect("a figure");
    let images = |figure: &Figure| -> Vec<String> {
        let svg = figure.svg().expect("drawn");
        svg.split("base64,").skip(1).map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect()
    };
    let found = images(&pair);
    assert_eq!(found.len(), 3);
    assert_ne!(found[0], found[1], "the quiet one is darker");
    let same = spectrogram_pair(("Real", &loud), ("Again", &loud)).expect("a figure");
    assert_eq!(images(&same)[0], images(&same)[1]);
}

#[test]
fn a_png_is_twice_as_dense_as_the_page() {
    let figure = waveform(&[0.0, 0.5, -0.5, 0.25], 4).expect("a figure").size(400, 240).theme(Theme::Dark);
    let bytes = figure.png().expect("drawn");
    let side = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    assert_eq!((side(16), side(20)), (800, 480));
    for (width, height) in [(0, 0), (100_000, 300), (400, 10)] {
        assert!(matches!(figure.clone().size(width, height).png(), Err(PlotError::Size { .. })), "{width} by {height}");
    }
}

#[test]
fn a_long_waveform_is_drawn_with_its_peaks() {
    let mut samples = vec![0.0_f32; 200_000];
    samples[123_456] = 0.9; // one sample in two hundred thousand
    let svg = waveform(&samples, 16_000).expect("a figure").svg().expect("drawn");
    assert!(svg.len() < 200_000, "{} bytes", svg.len());
    let silent = waveform(&vec![0.0; 200_000], 16_000).expect("a figure").svg().expect("drawn");
    assert_ne!(svg, silent);
    assert!(texts(&waveform(&samples, 16_000).expect("a figure")).contains(&"0.5".to_owned()));
}

#[test]
fn a_million_steps_make_a_small_figure() {
    let values: Vec<f64> = (0..1_000_000).map(|step| ((step * 7919_u64) % 1000) as f64).collect();
    let svg = curves(&[line(&values)], "Step", "y").expect("a chart").svg().expect("drawn");
    assert!(svg.len() < 200_000, "{} bytes", svg.len());
}

#[test]
fn figures_are_saved_whole_or_refused_with_the_path() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let figure = curves(&[line(&[1.0, 2.0])], "x", "y").expect("a chart");
    for name in ["a.png", "b.SVG"] {
        figure.save(folder.path().join(name)).expect("saved");
    }
    assert!(fs::read_to_string(folder.path().join("b.SVG")).expect("text").ends_with("</svg>\n"));
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 2, "no temporary file stays");

    let error = figure.save(folder.path().join("c.jpeg")).expect_err("no such format");
    assert!(
        error.to_string().ends_with("c.jpeg names no picture format; needed a name that ends in .png or .svg"),
        "{error}"
    );
    assert!(error.hint().is_some_and(|hint| hint.ends_with("c.png")));
    let error = figure.save(folder.path().join("none").join("d.png")).expect_err("no such folder");
    assert!(matches!(&error, PlotError::Io { path, .. } if path.ends_with("none/d.png")), "{error}");
    assert_eq!(error.hint().as_deref(), Some("make the folder first"));
    let error = figure.save("/proc/figure.png").expect_err("nobody can write there");
    assert!(error.to_string().starts_with("cannot write /proc/figure.png: "), "{error}");
}
