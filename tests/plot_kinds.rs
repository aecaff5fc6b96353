//! Figures of frames: the numbers behind them, what they say, what they refuse, and what modifiers do.

use wasabi::metrics::{Frame, Row};
use wasabi::plot::{
    Aggregate, BarsConfig, Base, Best, CurvesConfig, Figure, GridConfig, HeatmapConfig, Height, HistogramConfig,
    Interval, Kernel, Names, ParallelConfig, Place, Plane, PlotError, ScatterConfig, Series, Spectrum, Style, Theme,
    bars, curves, curves_of, curves_of_runs, eigen_plot, grid, heatmap, histogram, histogram_of, kernel_plot, parallel,
    scatter, scatter_of, spectrogram, waveform,
};
use wasabi::plot::{FrequencyAxis, SpectrogramData};

use crate::plot::texts;

fn column(name: &str) -> Option<String> {
    Some(name.to_owned())
}

/// Two seeds of two state sizes at two steps, and a row without a value.
fn sweep() -> Frame {
    let row = |n: i64, step: i64, bits: f64| Row::new().with("d_state", n).with("step", step).with("val_bpb", bits);
    Frame::from_rows(&[
        row(64, 10, 5.0),
        row(64, 0, 7.0),
        row(16, 0, 8.0),
        row(16, 10, 6.0),
        row(16, 10, 4.0),
        row(16, 0, f64::NAN),
    ])
    .expect("rows")
}

fn sweep_curves(interval: Interval) -> Figure {
    let y = Some(Names::One("val_bpb".into()));
    let config = CurvesConfig { y, by: column("d_state"), interval, ..CurvesConfig::default() };
    curves_of(&sweep(), &config).expect("curves")
}

fn has(figure: &Figure, expected: &[&str]) {
    let found = texts(figure);
    for expected in expected {
        assert!(found.iter().any(|text| text == expected), "`{expected}` is missing from {found:?}");
    }
}

fn lacks(figure: &Figure, unexpected: &str) {
    let found = texts(figure);
    assert!(!found.iter().any(|text| text == unexpected), "`{unexpected}` is in {found:?}");
}

fn line(label: &str, y: &[f64]) -> Series {
    Series::new(label, (0..y.len()).map(|index| index as f64).collect(), y.to_vec(), Style::Line)
}

fn chart() -> Figure {
    curves(&[line("one", &[1.0, 2.0, 3.0]), line("two", &[3.0, 2.0, 100.0])], "x", "y").expect("a chart")
}

#[test]
fn rows_that_share_a_position_become_their_mean_with_a_band() {
    let figure = sweep_curves(Interval::Std);
    let [small, large] = figure.series() else { panic!("two lines, found {}", figure.series().len()) };
    assert_eq!((small.label.as_str(), &small.x[..], &small.y[..]), ("16", &[0.0, 10.0][..], &[8.0, 5.0][..]));
    assert_eq!((large.label.as_str(), &large.x[..], &large.y[..]), ("64", &[0.0, 10.0][..], &[7.0, 5.0][..]));
    let ends = |interval| {
        let figure = sweep_curves(interval);
        let band = figure.series()[0].band.clone().expect("two rows at step 10");
        assert!(band.low[0].is_nan() && band.high[0].is_nan(), "a single row has no known spread");
        (band.low[1], band.high[1])
    };
    let (low, high) = ends(Interval::Std);
    assert!((low - (5.0 - 2.0_f64.sqrt())).abs() < 1e-12 && (high - (5.0 + 2.0_f64.sqrt())).abs() < 1e-12);
    // Student's t with one degree of freedom, times √2 / √2.
    let (low, high) = ends(Interval::Ci95);
    assert!((low + 7.7062).abs() < 1e-3 && (high - 17.7062).abs() < 1e-3, "{low} to {high}");
    assert_eq!(ends(Interval::Range), (4.0, 6.0));
    assert!(large.band.is_none(), "no position of it has two rows");
    has(&figure, &["d_state", "16", "64", "± 1 std. deviation", "Step", "Validation (bits per byte)"]);
}

#[test]
fn a_line_of_a_frame_without_spread_has_no_band() {
    let y = Some(Names::One("val_bpb".into()));
    let config = CurvesConfig { y, by: column("d_state"), band: false, ..CurvesConfig::default() };
    let figure = curves_of(&sweep(), &config).expect("curves");
    assert!(figure.series().iter().all(|series| series.band.is_none()));
    lacks(&figure, "± 1 std. deviation");
}

#[test]
fn training_and_validation_in_one_column_are_two_lines() {
    let row = |step: i64, split: &str, bits: f64| {
        Row::new().with("step", step).with("split", split).with("bits_per_byte", bits).with("lr", 0.1)
    };
    let frame = Frame::from_rows(&[row(1, "train", 8.0), row(2, "train", 7.0), row(2, "val", 9.0)]).expect("rows");
    let config = |split: Option<&str>| CurvesConfig {
        y: Some(Names::One("bits_per_byte".into())),
        split: split.map(str::to_owned),
        ..CurvesConfig::default()
    };
    let labels = |figure: &Figure| figure.series().iter().map(|series| series.label.clone()).collect::<Vec<_>>();
    assert_eq!(labels(&curves_of(&frame, &config(None)).expect("two lines")), ["train", "val"]);
    let only = curves_of(&frame, &config(Some("val"))).expect("a line");
    assert_eq!((labels(&only), &only.series()[0].y[..]), (vec![String::new()], &[9.0][..]));
    let error = curves_of(&frame, &config(Some("test"))).expect_err("no such split");
    assert_eq!(error.to_string(), "`split` is \"test\", but no row has that");
    assert_eq!(error.hint().as_deref(), Some("there are \"train\", \"val\""));
    let runs = [("a".to_owned(), frame.clone()), ("b".to_owned(), frame)];
    assert_eq!(labels(&curves_of_runs(&runs, &config(Some("train"))).expect("two runs")), ["a", "b"]);
}

#[test]
fn more_numbers_than_the_palette_has_colours_get_a_bar_that_names_them() {
    let rows: Vec<Row> = (0..16)
        .map(|index| {
            Row::new().with("n", 2_i64.pow(index / 2)).with("step", i64::from(index % 2)).with("y", f64::from(index))
        })
        .collect();
    let config = CurvesConfig { y: Some(Names::One("y".into())), by: column("n"), ..CurvesConfig::default() };
    let figure = curves_of(&Frame::from_rows(&rows).expect("rows"), &config).expect("eight lines");
    let shades: Vec<f64> = figure.series().iter().filter_map(|series| series.shade).collect();
    assert_eq!((shades.len(), shades[0], shades[7]), (8, 0.0, 1.0));
    has(&figure, &["n", "1", "128"]);
}

#[test]
fn a_column_that_is_not_there_is_blamed_on_its_option() {
    let config = ScatterConfig { x: column("d_stat"), y: column("val_bpb"), ..ScatterConfig::default() };
    let error = scatter_of(&sweep(), &config).expect_err("misspelt");
    assert!(matches!(&error, PlotError::Option { source } if source.key == "x"), "{error:?}");
    assert_eq!(error.to_string(), "`x` is \"d_stat\", but the frame has no such column");
    assert_eq!(error.hint().as_deref(), Some("did you mean \"d_state\"?"));
    let texts = Frame::from_rows(&[Row::new().with("x", "a").with("y", 1)]).expect("a row");
    let config = ScatterConfig { x: column("x"), y: column("y"), ..ScatterConfig::default() };
    let error = scatter_of(&texts, &config).expect_err("text is no position");
    assert_eq!(error.to_string(), "`x` is the column `x`, which holds text, but must hold numbers");
    let error = scatter_of(&texts, &ScatterConfig::default()).expect_err("no columns");
    assert_eq!(error.to_string(), "scatter of a frame needs `x`: the name of a column");
}

#[test]
fn dots_are_grouped_sized_and_labelled() {
    let row = |x: f64, y: f64, net: &str| Row::new().with("x", x).with("y_ms", y).with("net", net).with("size", x);
    let rows = [row(1.0, 2.0, "s4"), row(4.0, 1.0, "s4d"), row(2.0, f64::NAN, "s4"), row(3.0, 5.0, "s4")];
    let config = ScatterConfig {
        x: column("x"),
        y: column("y_ms"),
        by: column("net"),
        label: column("net"),
        size: column("size"),
        ..ScatterConfig::default()
    };
    let frame = Frame::from_rows(&rows).expect("rows");
    let figure = scatter_of(&frame, &config).expect("dots");
    assert_eq!(figure.dots(), [("s4", vec![(1.0, 2.0), (3.0, 5.0)]), ("s4d", vec![(4.0, 1.0)])]);
    has(&figure, &["Y (ms)", "s4", "s4d", "size = 4"]);
    let negative = ScatterConfig { size: column("y_ms"), ..config };
    let frame = Frame::from_rows(&[row(1.0, -2.0, "s4")]).expect("a row");
    let error = scatter_of(&frame, &negative).expect_err("an area below 0");
    assert_eq!(error.to_string(), "`size` is the column `y_ms`, which holds -2, but an area must be 0 or more");
    assert!(matches!(scatter(&[1.0], &[1.0, 2.0], "x", "y"), Err(PlotError::Lengths { .. })));
}

#[test]
fn bars_are_means_with_intervals_and_begin_at_zero_unless_told() {
    let row = |net: &str, bits: f64, error: f64| Row::new().with("net", net).with("bpb", bits).with("error", error);
    let frame = Frame::from_rows(&[row("s4", 5.0, 0.5), row("s4d", 6.0, 0.25), row("s4", 5.2, 0.5)]).expect("rows");
    let config = BarsConfig { x: column("net"), y: column("bpb"), values: true, ..BarsConfig::default() };
    let figure = bars(&frame, &config).expect("bars");
    let found = figure.bars();
    let [s4, s4d] = found[0].1[..] else { panic!("two bars, found {found:?}") };
    let half = 12.7062 * 0.02_f64.sqrt() / 2.0_f64.sqrt();
    assert!((s4[0] - 5.1).abs() < 1e-12 && (s4[2] - s4[1] - 2.0 * half).abs() < 1e-3, "{s4:?}");
    assert!(s4d[0] == 6.0 && s4d[1].is_nan(), "a single row has no interval: {s4d:?}");
    has(&figure, &["s4", "s4d", "95 % interval (n = 2)", "5.100", "6.000", "0"]);

    let given = bars(&frame, &BarsConfig { error: column("error"), ..config.clone() }).expect("bars");
    assert_eq!(given.bars()[0].1[1], [6.0, 5.75, 6.25], "one row: its own error");
    let near = BarsConfig { from: Base::Data, error: column("error"), ..config };
    lacks(&bars(&frame, &near).expect("bars"), "0");
}

#[test]
fn bars_of_negative_values_hang_from_zero() {
    let row = |name: &str, value: f64| Row::new().with("name", name).with("value", value);
    let frame = Frame::from_rows(&[row("a", -3.0), row("b", -1.0)]).expect("rows");
    let config = BarsConfig { x: column("name"), y: column("value"), ..BarsConfig::default() };
    has(&bars(&frame, &config).expect("bars"), &["−3.0", "−1.0", "0.0"]);
}

#[test]
fn a_heatmap_orders_numbers_averages_rows_and_leaves_gaps() {
    let row = |n: i64, d: i64, bits: f64| Row::new().with("n", n).with("d", d).with("bpb", bits);
    let rows = [row(128, 64, 2.5), row(16, 64, 3.0), row(16, 32, 3.5), row(16, 64, 3.2), row(16, 32, f64::NAN)];
    let frame = Frame::from_rows(&rows).expect("rows");
    let config = HeatmapConfig {
        x: column("n"),
        y: column("d"),
        value: column("bpb"),
        best: Some(Best::Min),
        ..HeatmapConfig::default()
    };
    let figure = heatmap(&frame, &config).expect("a heatmap");
    let cells = figure.cells();
    assert_eq!((cells[0][0], cells[1]), (3.5, &[3.1, 2.5][..]), "the least d at the bottom, the least n to the left");
    assert!(cells[0][1].is_nan());
    has(&figure, &["3.500", "3.100", "2.500", "16", "128", "n", "d", "bpb"]);
    let svg = figure.svg().expect("drawn");
    let bold = svg.split("<text ").find(|text| text.contains("2.500")).expect("the best cell");
    assert!(bold.contains("font-weight=\"bold\""), "{bold}");
    let median = HeatmapConfig { aggregate: Aggregate::Max, ..config.clone() };
    assert_eq!(heatmap(&frame, &median).expect("a heatmap").cells()[1][0], 3.2);
    let unwritten = HeatmapConfig { numbers: Some(false), ..config };
    lacks(&heatmap(&frame, &unwritten).expect("a heatmap"), "3.500");
}

#[test]
fn parallel_lines_end_with_the_best_and_name_their_axes() {
    let row = |lr: f64, net: &str, bits: f64| Row::new().with("lr", lr).with("net", net).with("val_bpb", bits);
    let rows = [row(0.1, "s4", 3.0), row(0.01, "s4d", 2.0), row(0.001, "s4", 4.0), row(0.01, "s4", f64::NAN)];
    let frame = Frame::from_rows(&rows).expect("rows");
    let config = ParallelConfig {
        columns: vec!["lr".into(), "net".into()],
        value: column("val_bpb"),
        ..ParallelConfig::default()
    };
    let figure = parallel(&frame, &config).expect("lines");
    assert_eq!(figure.lines(), [[0.001, 0.0, 4.0], [0.1, 0.0, 3.0], [0.01, 1.0, 2.0]], "the worst first");
    has(&figure, &["Learning rate", "net", "s4", "s4d", "0.001", "0.01", "0.1"]);
    let most = parallel(&frame, &ParallelConfig { best: Best::Max, ..config.clone() }).expect("lines");
    assert_eq!(most.lines()[2][2], 4.0);
    let error = parallel(&frame, &ParallelConfig { log: Some(vec!["nett".into()]), ..config }).expect_err("no axis");
    assert_eq!(error.to_string(), "`log` names \"nett\", which is no axis");
}

#[test]
fn bins_follow_the_rule_and_hold_every_value() {
    let values: Vec<f64> = (0..100).map(f64::from).collect();
    let figure = histogram(&values, &HistogramConfig::default()).expect("a histogram");
    let found = figure.bins();
    let (_, edges, heights) = found[0];
    // 2 · 49.5 / ∛100 = 21.3 wide: 99 / 21.3 rounds up to 5 bins.
    assert_eq!((edges.len(), edges[0], edges[5]), (6, 0.0, 99.0));
    assert_eq!(heights, [20.0; 5], "the largest value is in the last bin");
    let equal = histogram(&[5.0, 5.0, f64::NAN], &HistogramConfig::default()).expect("a histogram");
    assert_eq!(equal.bins()[0].2, [0.0, 0.0, 2.0, 0.0, 0.0]);
    assert!(matches!(histogram(&[f64::NAN], &HistogramConfig::default()), Err(PlotError::Empty { .. })));
    let log = HistogramConfig { log: true, bins: Some(2), ..HistogramConfig::default() };
    let figure = histogram(&[1.0, 10.0, 100.0, -5.0], &log).expect("a histogram");
    assert_eq!(figure.bins()[0].2, [1.0, 2.0], "what has no logarithm is left out");
}

#[test]
fn groups_of_a_histogram_share_bins_and_sum_to_one() {
    let row = |group: &str, value: f64| Row::new().with("group", group).with("value", value);
    let frame = Frame::from_rows(&[row("a", 0.0), row("b", 1.0), row("b", 4.0), row("b", 3.0)]).expect("rows");
    let config =
        HistogramConfig { by: column("group"), bins: Some(4), height: Height::Share, ..HistogramConfig::default() };
    let figure = histogram_of(&frame, "value", &config).expect("a histogram");
    let found = figure.bins();
    assert_eq!(found[0].1, found[1].1);
    for (label, _, heights) in &found {
        assert!((heights.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{label}");
    }
    let density = histogram_of(&frame, "value", &HistogramConfig { height: Height::Density, ..config }).expect("one");
    for (label, edges, heights) in density.bins() {
        let area: f64 = heights.iter().zip(edges.windows(2)).map(|(height, edge)| height * (edge[1] - edge[0])).sum();
        assert!((area - 1.0).abs() < 1e-12, "{label}");
    }
}

#[test]
fn kernels_of_a_pool_are_as_long_as_the_sound() {
    let kernels = [(2, 4.0, 3), (5, 1.0, 9)].map(|(number, spacing, taps)| Kernel {
        label: format!("block {number}"),
        number,
        taps: vec![0.5; taps],
        spacing,
    });
    let figure = kernel_plot(&kernels, "Block").expect("kernels");
    assert_eq!(figure.series()[0].x, [0.0, 4.0, 8.0]);
    assert_eq!(figure.series()[1].x.last(), Some(&8.0));
    has(&figure, &["block 2", "block 5", "Lag (samples)"]);
}

#[test]
fn eigenvalues_lie_in_a_plane_whose_unit_is_equally_long_both_ways() {
    let values = vec![(-0.4, 0.2), (-0.4, -0.2)];
    let spectrum = Spectrum { label: "block 0".into(), number: 0, values: values.clone(), dt: Some(0.01) };
    let figure = eigen_plot(&[spectrum], Plane::Discrete).expect("a plane");
    assert_eq!(figure.dots(), [("block 0, Δ = 0.0100", values)]);
    has(&figure, &["unit circle", "Real part of the eigenvalues of Ā"]);
    // The circle is as wide as it is high.
    let svg = figure.svg().expect("drawn");
    let longest = svg.split("points=\"").skip(1).map(|rest| rest.split('"').next().unwrap_or_default());
    let longest = longest.max_by_key(|points| points.len()).expect("polylines");
    let points: Vec<(f64, f64)> = longest
        .split_whitespace()
        .filter_map(|point| point.split_once(','))
        .map(|(x, y)| (x.parse().expect("a number"), y.parse().expect("a number")))
        .collect();
    let span = |pick: fn(&(f64, f64)) -> f64| {
        let (low, high) = points.iter().map(pick).fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        high - low
    };
    let (width, height) = (span(|point| point.0), span(|point| point.1));
    assert!((width - height).abs() <= 2.0, "{width} by {height} tenths of a pixel");
}

#[test]
fn a_modifier_that_makes_no_sense_is_refused_with_the_reason() {
    let frame = sweep();
    let heat =
        HeatmapConfig { x: column("d_state"), y: column("step"), value: column("val_bpb"), ..Default::default() };
    let heat = heatmap(&frame, &heat).expect("a heatmap");
    let barred = BarsConfig { x: column("d_state"), y: column("val_bpb"), ..Default::default() };
    let barred = bars(&frame, &barred).expect("bars");
    let wave = waveform(&[0.0, 0.5, -0.5], 4).expect("a waveform");
    let grid = grid(&[chart()], 1, &GridConfig::default()).expect("a grid");
    let refused = |result: Result<Figure, PlotError>| result.expect_err("refused").to_string();
    assert_eq!(
        refused(heat.clone().log_x(true)),
        "`log_x` makes no sense for a heatmap: its axes hold categories, not numbers"
    );
    assert_eq!(
        refused(heat.clone().legend(Place::Below)),
        "`legend` makes no sense for a heatmap: its colour bar says what the colours mean"
    );
    let error = heat.limits(Some((0.0, 1.0)), None).expect_err("refused");
    assert!(error.hint().is_some_and(|hint| hint.contains("range")), "{error:?}");
    assert_eq!(
        refused(barred.vline(3.0, "")),
        "`vline` makes no sense for a bar chart: its axis holds categories, not numbers"
    );
    assert_eq!(
        refused(wave.log_y(true)),
        "`log_y` makes no sense for a waveform: time begins at 0, and amplitudes lie on both sides of it"
    );
    assert_eq!(
        refused(grid.annotate(0.0, 0.0, "")),
        "`annotate` makes no sense for a grid: each of its figures has its own"
    );
    let error = chart().limits(Some((2.0, 1.0)), None).expect_err("refused");
    assert_eq!(error.to_string(), "the limits of the x axis are 2 to 1, but must be finite, the lower one first");
    let log = chart().log_x(true).and_then(|figure| figure.limits(Some((0.0, 1.0)), None)).expect("asked for");
    assert_eq!(
        log.svg().expect_err("no logarithm").to_string(),
        "the x axis is logarithmic, so its limits cannot begin at 0"
    );
}

#[test]
fn limits_cut_the_axes_and_the_other_axis_follows() {
    let near = chart().limits(Some((0.0, 1.5)), None).expect("limits");
    lacks(&near, "100");
    has(&near, &["1.4", "3.00"]);
    lacks(&near, "1.6");
    has(&chart().limits(None, Some((0.0, 10.0))).expect("limits"), &["0", "10"]);
    let beyond = chart().limits(Some((50.0, 60.0)), None).expect("limits");
    assert_eq!(
        beyond.svg().expect_err("nothing there").to_string(),
        "nothing lies within the limits, so the y axis has no range"
    );
}

#[test]
fn rules_and_notes_are_named_and_stretch_the_axes() {
    let figure = chart()
        .hline(250.0, "target")
        .and_then(|figure| figure.vline(1.0, "cut"))
        .and_then(|figure| figure.annotate(2.0, 100.0, "an outlier"))
        .expect("a chart");
    has(&figure, &["target", "cut", "an outlier", "250"]);
    let outside = chart().annotate(99.0, 0.0, "far away").expect("a chart");
    lacks(&outside, "far away");
}

#[test]
fn a_legend_goes_where_it_is_told() {
    let left_of = |figure: Figure| {
        let svg = figure.svg().expect("drawn");
        let text = svg.split("<text ").find(|text| text.contains("\none\n"))?.to_owned();
        text.split("x=\"").nth(1)?.split('"').next()?.parse::<f64>().ok()
    };
    let right = left_of(chart().legend(Place::Right).expect("a chart")).expect("a legend");
    let below = left_of(chart().legend(Place::Below).expect("a chart")).expect("a legend");
    assert!(right > 8000.0 && below < 6000.0, "{right} and {below} tenths of a pixel");
    assert_eq!(left_of(chart().legend(Place::None).expect("a chart")), None);
    let narrow = left_of(chart().size(400, 300)).expect("a legend");
    assert!(narrow < 3000.0, "below on a narrow page: {narrow}");
}

#[test]
fn a_grid_holds_every_panel_and_a_shared_legend_once() {
    let panels: Vec<Figure> = (0..3).map(|index| chart().title(&format!("panel {index}"))).collect();
    let config = GridConfig { letters: true, ..GridConfig::default() };
    let figure = grid(&panels, 2, &config).expect("a grid").title("All");
    has(&figure, &["All", "panel 0", "panel 2", "a", "b", "c"]);
    let ones = |figure: &Figure| texts(figure).iter().filter(|text| *text == "one").count();
    assert_eq!(ones(&figure), 1);
    let own = grid(&panels, 2, &GridConfig { share_legend: false, ..config }).expect("a grid");
    assert_eq!(ones(&own), 3);
    let dark = figure.theme(Theme::Dark).svg().expect("drawn");
    assert!(dark.contains("fill=\"#15171C\""), "panels take the theme of the grid");
    assert!(matches!(grid(&[], 2, &GridConfig::default()), Err(PlotError::Empty { .. })));
    assert!(matches!(grid(&panels, 0, &GridConfig::default()), Err(PlotError::NotPositive { .. })));
    let narrow = GridConfig { width: Some(400), ..GridConfig::default() };
    let error = grid(&panels, 3, &narrow).expect_err("133 pixels each");
    assert_eq!(error.to_string(), "3 columns are more than a figure can show; needed at most 2");
}

fn sound(loudest: f32) -> Figure {
    let db = (0..40 * 5).map(|cell| loudest - (cell % 7) as f32 * 10.0).collect();
    let axis = FrequencyAxis::Linear { max_hz: 8000.0 };
    spectrogram(&SpectrogramData { frames: 40, bins: 5, db, seconds: 4.0, axis }, "").expect("a spectrogram")
}

#[test]
fn spectrograms_in_a_grid_share_their_colours_and_stay_pictures() {
    let panels = [sound(0.0), sound(-40.0)];
    let images = |figure: &Figure| -> Vec<String> {
        let svg = figure.svg().expect("drawn");
        svg.split("base64,").skip(1).map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect()
    };
    let shared = grid(&panels, 2, &GridConfig::default()).expect("a grid");
    let found = images(&shared);
    assert_eq!(found.len(), 3, "two sounds and one bar");
    assert_ne!(found[0], found[1], "the quiet one is darker");
    let own = grid(&panels, 2, &GridConfig { share_levels: false, ..GridConfig::default() }).expect("a grid");
    assert_eq!(images(&own).len(), 4);
    let cut = sound(0.0).limits(Some((1.0, 2.0)), Some((0.0, 4000.0))).expect("limits");
    has(&cut, &["1.0", "2.0", "4"]);
}

#[test]
fn sixteen_spectrograms_are_a_few_megabytes() {
    // Noise, which nothing can pack.
    let panel = |seed: u32| {
        let noise = |cell: u32| (cell.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 8) as f32 / 16_777_216.0;
        let db = (0..400 * 513).map(|cell| -80.0 * noise(cell)).collect();
        let axis = FrequencyAxis::Linear { max_hz: 8000.0 };
        spectrogram(&SpectrogramData { frames: 400, bins: 513, db, seconds: 4.0, axis }, "take").expect("a spectrogram")
    };
    let panels: Vec<Figure> = (0..16).map(panel).collect();
    let bytes = grid(&panels, 4, &GridConfig::default()).expect("a grid").png().expect("drawn");
    assert!(bytes.len() < 6_000_000, "{} bytes", bytes.len());
}

#[test]
fn a_picture_of_a_given_width_has_just_that() {
    for width in [160, 333, 640, 920, 1840] {
        let (rgb, columns, rows) = chart().rgb(width).expect("drawn");
        assert_eq!((columns, rgb.len()), (width, 3 * (columns * rows) as usize));
        assert!(f64::from(rows) / f64::from(columns) > 0.4, "{columns} by {rows}");
        let png = chart().png_at(width).expect("drawn");
        assert_eq!(u32::from_be_bytes(png[16..20].try_into().expect("four bytes")), width);
    }
    assert!(matches!(chart().rgb(100), Err(PlotError::Size { .. })));
    assert!(matches!(chart().rgb(100_000), Err(PlotError::Size { .. })));
}

#[test]
fn every_kind_of_figure_takes_awkward_texts_and_makes_sound_svg() {
    let name = "<a> & \"b\" 'c' \u{1} \u{200d} 音 a very long name that no axis of this figure can hold in one line";
    let row = |index: i64| {
        Row::new().with("name", format!("{index} {name}")).with("x", index).with("y", 1.0 / (index as f64 + 0.5))
    };
    let frame = Frame::from_rows(&(0..30).map(row).collect::<Vec<_>>()).expect("rows");
    let (x, y, names) = (column("x"), column("y"), column("name"));
    let figures = [
        curves_of(
            &frame,
            &CurvesConfig { x: "x".into(), y: Some(Names::One("y".into())), by: names.clone(), ..Default::default() },
        ),
        scatter_of(
            &frame,
            &ScatterConfig { x, y: y.clone(), by: names.clone(), label: names.clone(), ..Default::default() },
        ),
        bars(&frame, &BarsConfig { x: names.clone(), y: y.clone(), values: true, ..Default::default() }),
        heatmap(&frame, &HeatmapConfig { x: names.clone(), y: names, value: y.clone(), ..Default::default() }),
        parallel(&frame, &ParallelConfig { columns: vec!["name".into(), "x".into()], value: y, ..Default::default() }),
        histogram_of(&frame, "y", &HistogramConfig { by: column("name"), ..Default::default() }),
    ];
    let figures: Vec<Figure> = figures.into_iter().map(|figure| figure.expect("a figure").title(name)).collect();
    for figure in figures.iter().chain([&grid(&figures, 3, &GridConfig::default()).expect("a grid")]) {
        for figure in [figure.clone(), figure.clone().size(400, 300)] {
            // Six panels do not fit into 400 pixels; that is refused, not drawn on each other.
            let svg = match figure.svg() {
                Err(PlotError::Cramped { .. }) if figure.kind() == "a grid" => continue,
                drawn => drawn.unwrap_or_else(|error| panic!("{}: {error}", figure.kind())),
            };
            assert_eq!(unclosed(&svg), Vec::<String>::new(), "{}", figure.kind());
            assert!(!svg.contains("NaN") && !svg.contains('\u{1}'), "{}", figure.kind());
            figure.png().expect("drawn");
        }
    }
}

/// The tags of an XML text that are not closed in order.
fn unclosed(xml: &str) -> Vec<String> {
    let mut open: Vec<String> = Vec::new();
    for tag in xml.split('<').skip(1) {
        let (tag, text) = tag.split_once('>').unwrap_or((tag, ""));
        assert!(!text.contains('&') || text.contains(';'), "a bare ampersand in {text:?}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().unwrap_or_default().to_owned());
        }
    }
    open
}

#[test]
fn a_long_sound_is_drawn_as_fine_as_its_limits_ask() {
    let mut samples = vec![0.0_f32; 200_000];
    samples[100_000] = 0.9;
    let whole = waveform(&samples, 16_000).expect("a waveform");
    let cut = whole.clone().limits(Some((6.2495, 6.2505)), None).expect("limits");
    let svg = cut.svg().expect("drawn");
    let longest = svg.split("points=\"").skip(1).map(|rest| rest.split('"').next().unwrap_or_default());
    let points = longest.max_by_key(|points| points.len()).expect("a line").split_whitespace().count();
    assert!((16..=20).contains(&points), "a millisecond is 16 samples: {points} points");
}
