//! Reports: what the page and its Markdown say, that neither lets a text become markup, that the page asks for nothing
//! outside itself, and what happens to the files of an earlier one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use wasabi::audio::{StftConfig, load_mono, stft};
use wasabi::interrupt::Interrupt;
use wasabi::metrics::{Frame, Row};
use wasabi::plot::{Figure, Series, SpectrogramData, Style, curves, spectrogram};
use wasabi::report::{Clip, Code, Ink, PageTheme, Report, ReportConfig, ReportError};

const NEVER: fn() -> Interrupt = Interrupt::default;

/// What must stay text wherever it is said.
const EVIL: &str = "<script>alert('x')</script> & \"q\" <img src=x onerror=y>";

fn report(title: &str) -> Report {
    Report::new(title, ReportConfig { date: Some("today".to_owned()), ..ReportConfig::default() }).expect("a title")
}

fn line(points: u32) -> Figure {
    let xs: Vec<f64> = (0..points).map(f64::from).collect();
    let ys = xs.iter().map(|x| 8.0 - 3.0 * (x / f64::from(points)).sqrt() + 0.1 * (x * 1.7).sin()).collect();
    let series = [Series::new("loss", xs, ys, Style::Line)];
    curves(&series, "Step", "Bits per byte").expect("a chart").title("A run")
}

/// Two seconds of the music in `data/`.
fn heat() -> Figure {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/bigband_005.flac");
    let clip = load_mono(&path, 16_000).expect("the repository's music");
    let config = StftConfig { sample_rate: 16_000, fft_size: 1024, hop: 256 };
    let spectrum = stft(&clip.samples[160_000..192_000], &config).expect("a spectrum");
    spectrogram(&SpectrogramData::from(&spectrum), "Levels").expect("a spectrogram")
}

fn tone(label: &str, seconds: u32) -> Clip {
    #[expect(clippy::cast_precision_loss, reason = "a test tone")]
    let samples: Vec<f32> = (0..seconds * 16_000).map(|t| 0.5 * (t as f32 * 0.05).sin()).collect();
    Clip::new(label, samples.into(), 16_000).expect("a sound")
}

fn frame(rows: u32) -> Frame {
    let row = |n: u32| {
        Row::new().with("layers", n).with("bits_per_byte", 5.0 + f64::from(n) / 7.0).with("name", format!("run {n}"))
    };
    Frame::from_rows(&(0..rows).map(row).collect::<Vec<_>>()).expect("rows of one kind")
}

/// A page with everything that a report can hold.
fn full() -> Report {
    let mut page = report("Depth: 8 against 2 layers");
    page.section("Results").expect("a heading");
    page.text("Two layers are **on a par**.\n\n# Aside\n\nMore.").expect("text");
    page.table(frame(3), Some("Both models")).expect("a table");
    page.figure(line(50), Some("Loss"));
    page.subsection("Levels").expect("a heading");
    page.figure(heat(), None);
    for title in ["Sound", "Metrics", "How"] {
        page.section(title).expect("a heading");
    }
    page.sounds(vec![tone("real", 1), tone("generated", 1)], Some("Side by side")).expect("sounds");
    page.table(frame(300), Some("All of them")).expect("a table");
    let inks = vec![(0..3, Ink::Keyword), (8..9, Ink::Number)];
    page.code(Code {
        text: "let a = 1;".to_owned(),
        language: "rhai".to_owned(),
        caption: Some("a.rhai".to_owned()),
        inks,
    });
    page
}

fn html(report: &Report) -> String {
    report.html(&NEVER()).expect("a page")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Every start tag of the page, without the text between.
fn tags(page: &str) -> Vec<&str> {
    page.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(tag, _)| tag).collect()
}

#[test]
fn a_page_has_its_parts_in_order() {
    let page = html(&full());
    assert!(page.starts_with("<!DOCTYPE html><html lang=\"en\" class=\"auto\"><head><meta charset=\"utf-8\">"));
    assert!(page.contains("<title>Depth: 8 against 2 layers</title>"));
    assert!(page.contains("content=\"width=device-width, initial-scale=1\""));
    let mut at = 0;
    for expected in [
        "<h1>Depth: 8 against 2 layers</h1>",
        "<nav aria-label=\"Contents\">",
        "<a href=\"#section-2\">Levels</a>",
        "<h2 id=\"section-1\">Results</h2>",
        "<strong>on a par</strong>",
        "<h3>Aside</h3>",
        "<figcaption><b>Table 1</b> Both models</figcaption>",
        "<th scope=\"col\" class=\"num\" aria-sort=\"none\"><button type=\"button\">layers<wbr></button></th>",
        "bits_<wbr>per_<wbr>byte<wbr>",
        "<td class=\"num\" data-v=\"5.142857142857143\">5.1429</td>",
        "alt=\"A run\" width=\"",
        "<b>Figure 1</b> Loss",
        "<h3 id=\"section-2\">Levels</h3>",
        "alt=\"Levels\"",
        "<audio controls preload=\"metadata\" src=\"data:audio/wav;base64,UklGR",
        "aria-label=\"real\"",
        "1.00 s · peak 0.50 · 16 kHz",
        "<b>Sound 1</b> Side by side",
        "<details><summary>300 rows, 3 columns</summary>",
        "<figcaption>a.rhai</figcaption>",
        "<code class=\"language-rhai\"><span class=\"k\">let</span> a = <span class=\"n\">1</span>;</code>",
        "<footer><p>Made by wasabi ",
    ] {
        let found = page[at..].find(expected);
        at += found.unwrap_or_else(|| panic!("`{expected}` is not where it should be"));
    }
}

#[test]
fn headings_skip_no_level() {
    let levels: Vec<u32> =
        tags(&html(&full())).iter().filter_map(|tag| tag.strip_prefix('h')?.chars().next()?.to_digit(10)).collect();
    assert_eq!(levels.first(), Some(&1));
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
}

#[test]
fn three_sections_need_no_contents() {
    let mut page = report("Short");
    for title in ["a", "b", "c"] {
        page.section(title).expect("a heading");
        page.subsection(title).expect("a heading");
    }
    assert!(!html(&page).contains("<nav"));
}

#[test]
fn no_text_becomes_markup() {
    let config = ReportConfig {
        author: Some(EVIL.to_owned()),
        summary: Some(EVIL.to_owned()),
        date: Some(EVIL.to_owned()),
        ..ReportConfig::default()
    };
    let mut page = Report::new(EVIL, config).expect("a title");
    for _ in 0..4 {
        page.section(EVIL).expect("a heading");
    }
    page.subsection(EVIL).expect("a heading");
    page.text(&format!("{EVIL}\n\n{EVIL}\n\n`{EVIL}`\n\n[a](javascript:alert(1))")).expect("text");
    let rows = [Row::new().with(EVIL, EVIL)];
    page.table(Frame::from_rows(&rows).expect("a frame"), Some(EVIL)).expect("a table");
    page.figure(line(5).title(EVIL), Some(EVIL));
    page.sounds(vec![tone(EVIL, 1)], Some(EVIL)).expect("a sound");
    page.code(Code {
        text: EVIL.to_owned(),
        language: String::new(),
        caption: Some(EVIL.to_owned()),
        inks: Vec::new(),
    });
    page.origin().command = Some(EVIL.to_owned());
    let text = html(&page);
    let scripts = tags(&text).iter().filter(|tag| tag.starts_with("script")).count();
    assert_eq!(scripts, 1, "our own and no other");
    assert!(!tags(&text).iter().any(|tag| tag.contains(" onerror") && !tag.contains("&quot;")), "no handler of events");
    assert!(!tags(&text).iter().any(|tag| tag.starts_with("img src=x")));
    assert!(!text.contains("javascript:"));
    page.origin().command = None;
    page.origin().script = Some(EVIL.to_owned());

    let out = folder();
    page.save(&out.path().join("evil.md"), &NEVER()).expect("saved");
    let twin = fs::read_to_string(out.path().join("evil.md")).expect("Markdown");
    let outside_code: String = twin.split('`').step_by(2).collect();
    for at in outside_code.match_indices(['<']).map(|(at, _)| at) {
        assert!(outside_code[..at].ends_with('\\'), "`{}`", &outside_code[at..(at + 20).min(outside_code.len())]);
    }
}

#[test]
fn a_page_asks_for_nothing_outside_itself() {
    let page = html(&full());
    for tag in tags(&page) {
        for key in ["src=\"", "href=\"", "srcset=\"", "poster=\"", "action=\""] {
            for value in tag.split(key).skip(1) {
                assert!(value.starts_with("data:") || value.starts_with('#'), "{}", &tag[..tag.len().min(120)]);
            }
        }
    }
    let style = page.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).expect("a style");
    assert!(!style.contains("@import") && !style.contains("url("), "the style loads nothing");
    assert!(page.contains("Content-Security-Policy") && page.contains("default-src 'none'"));
}

#[test]
fn the_policy_names_the_script_that_is_in_the_page() {
    let page = html(&report("Policy"));
    let named = page.split("'sha256-").nth(1).and_then(|rest| rest.split('\'').next()).expect("a hash");
    let out = folder();
    let path = out.path().join("page.html");
    fs::write(&path, &page).expect("written");
    // Python's standard library knows SHA-256, and `make setup` needs it anyway.
    let program = "import base64, hashlib, sys\n\
                   page = open(sys.argv[1], encoding='utf-8').read()\n\
                   script = page.split('<script>')[1].split('</script>')[0]\n\
                   print(base64.b64encode(hashlib.sha256(script.encode()).digest()).decode())";
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let output = Command::new(python).arg("-c").arg(program).arg(&path).output().expect("python3");
    assert_eq!(named, String::from_utf8_lossy(&output.stdout).trim(), "SCRIPT's hash in src/report/html/mod.rs");
}

#[test]
fn figures_carry_both_themes_in_one_drawing() {
    let page = html(&full());
    assert_eq!(page.matches("<source").count(), 0, "a figure differs between the themes in more than its colours");
    let pictures: Vec<&str> = tags(&page).into_iter().filter(|tag| tag.starts_with("img ")).collect();
    assert_eq!(pictures.len(), 2);
    assert!(pictures.iter().all(|tag| tag.contains("prefers-color-scheme:dark")));
    for (theme, class) in [(PageTheme::Paper, "paper"), (PageTheme::Dark, "dark")] {
        let mut page = Report::new("One", ReportConfig { theme, ..ReportConfig::default() }).expect("a title");
        page.figure(line(5), None);
        let page = html(&page);
        assert!(page.contains(&format!("class=\"{class}\"")));
        assert!(!page.contains("prefers-color-scheme:dark){.d"), "one theme, one colour");
    }
}

#[test]
fn tables_say_what_is_missing_and_what_is_left_out() {
    let mut page = report("Tables");
    let rows = [Row::new().with("a", 1).with("b", f64::NAN), Row::new().with("a", 2).with("c", "x")];
    page.table(Frame::from_rows(&rows).expect("a frame"), None).expect("a table");
    let text = html(&page);
    assert!(text.contains("<td data-v=\"\">–</td>") && text.contains("<td class=\"num\">NaN</td>"), "{text}");
    assert!(!text.contains("Table 1"), "only captioned tables are numbered");

    let mut page = report("Empty");
    page.table(frame(2).head(0), None).expect("a table");
    assert!(html(&page).contains("no rows"));

    let mut page = report("Long");
    page.table(frame(30_000), None).expect("a table");
    let text = html(&page);
    assert_eq!(text.matches("<tr>").count(), 20_001);
    assert!(text.contains("the first 20000 of 30000 rows"));
}

#[test]
fn a_hundred_figures_and_twenty_sounds_are_a_small_page_soon_made() {
    let mut page = report("Large");
    for _ in 0..90 {
        page.figure(line(2000), Some("A curve"));
    }
    let music = heat();
    for _ in 0..10 {
        page.figure(music.clone(), Some("A spectrogram"));
    }
    for number in 0..20 {
        page.sounds(vec![tone(&format!("take {number}"), 10)], None).expect("a sound");
    }
    let begun = Instant::now();
    let size = html(&page).len();
    let seconds = begun.elapsed().as_secs_f64();
    assert!(size < 15_000_000, "{size} bytes");
    assert!(seconds < 60.0, "{seconds} s"); // about 2 s; tests share their machine
}

#[test]
fn the_markdown_names_files_that_are_there() {
    let out = folder();
    let saved = full().save(&out.path().join("depth"), &NEVER()).expect("saved");
    assert_eq!(saved, [out.path().join("depth.html"), out.path().join("depth.md")]);
    let twin = fs::read_to_string(&saved[1]).expect("Markdown");
    let linked: Vec<&str> = twin.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert_eq!(linked.len(), 7, "{linked:?}");
    for link in &linked {
        let length = fs::metadata(out.path().join(link)).unwrap_or_else(|error| panic!("{link}: {error}")).len();
        assert!(length > 100, "{link}: {length} bytes");
    }
    assert_eq!(names(out.path()), ["depth-files", "depth.html", "depth.md"], "nothing else stays");
    insta::assert_snapshot!(without_made(&twin));
}

/// The Markdown without the program's version.
fn without_made(twin: &str) -> String {
    let lines = twin.lines().map(|line| if line.starts_with("Made by wasabi") { "Made by …" } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn code_in_the_markdown_stays_inside_its_fence() {
    let mut page = report("Fences");
    let text = "a\n```\nb\n````\n</code>";
    page.code(Code { text: text.to_owned(), language: "rhai".to_owned(), ..Code::default() });
    let out = folder();
    page.save(&out.path().join("f.md"), &NEVER()).expect("saved");
    let twin = fs::read_to_string(out.path().join("f.md")).expect("Markdown");
    assert!(twin.contains(&format!("`````rhai\n{text}\n`````")), "{twin}");
}

#[test]
fn rows_of_sounds_stay_lists_of_their_own() {
    let mut page = report("Rows");
    page.text("- one").expect("text");
    for name in ["a", "b"] {
        page.sounds(vec![tone(name, 1)], None).expect("a sound");
    }
    let out = folder();
    page.save(&out.path().join("r.md"), &NEVER()).expect("saved");
    let twin = fs::read_to_string(out.path().join("r.md")).expect("Markdown");
    let bullets: Vec<&str> =
        twin.lines().filter_map(|line| line.split(' ').next().filter(|word| ["-", "*"].contains(word))).collect();
    assert_eq!(bullets, ["-", "*", "-"], "{twin}");
}

#[test]
fn a_new_report_takes_the_old_ones_files_away_and_no_other() {
    let out = folder();
    let (path, files) = (out.path().join("a.md"), out.path().join("a-files"));
    full().save(&path, &NEVER()).expect("saved");
    assert_eq!(names(&files).len(), 7);
    fs::write(files.join("photo.png"), "mine").expect("written");
    fs::write(files.join("figure-mine.png"), "mine").expect("written");
    let mut second = report("Second");
    second.figure(line(3), None);
    second.save(&path, &NEVER()).expect("saved");
    assert_eq!(names(&files), ["figure-1.png", "figure-1.svg", "figure-mine.png", "photo.png"]);
    fs::remove_file(files.join("photo.png")).expect("removed");
    fs::remove_file(files.join("figure-mine.png")).expect("removed");
    report("Third").save(&path, &NEVER()).expect("saved");
    assert_eq!(names(out.path()), ["a.md"], "an empty folder goes too");
}

#[test]
fn names_may_hold_anything() {
    for name in ["größe", "実験 3 (b)", "100% #1", "lr-0.001", "a'b\"c"] {
        let out = folder();
        let mut page = report("Names");
        page.figure(line(3), None);
        let saved = page.save(&out.path().join(name), &NEVER()).expect("saved");
        assert_eq!(names(out.path()), {
            let mut expected = vec![format!("{name}-files"), format!("{name}.html"), format!("{name}.md")];
            expected.sort();
            expected
        });
        let twin = fs::read_to_string(&saved[1]).expect("Markdown");
        let link = twin.split("](").nth(1).and_then(|rest| rest.split(')').next()).expect("a link");
        assert!(out.path().join(decoded(link)).is_file(), "{link}");
        assert!(link.bytes().all(|byte| byte.is_ascii_graphic() && !b"()<>\"' ".contains(&byte)), "{link}");
    }
}

fn decoded(link: &str) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = link.bytes();
    while let Some(byte) = rest.next() {
        let hex: String = if byte == b'%' { rest.by_ref().take(2).map(char::from).collect() } else { String::new() };
        bytes.push(u8::from_str_radix(&hex, 16).unwrap_or(byte));
    }
    String::from_utf8(bytes).expect("UTF-8").into()
}

#[test]
fn a_report_is_written_whole_or_not_at_all() {
    let out = folder();
    let path = out.path().join("a");
    full().save(&path, &NEVER()).expect("saved");
    let before: Vec<_> =
        ["a.html", "a.md", "a-files/figure-1.svg"].map(|name| fs::read(out.path().join(name)).ok()).into();
    let after = || -> Vec<_> {
        ["a.html", "a.md", "a-files/figure-1.svg"].map(|name| fs::read(out.path().join(name)).ok()).into()
    };

    let mut broken = report("Broken");
    broken.figure(line(9), None);
    broken.figure(line(3).size(10, 10), Some("Too small"));
    let error = broken.save(&path, &NEVER()).expect_err("no figure of 10 by 10");
    let message = "figure 2 (“Too small”) cannot be drawn: a figure of 10 by 10 pixels found, ";
    assert!(error.to_string().starts_with(message), "{error}");
    assert_eq!(after(), before);

    let interrupt = Interrupt::default();
    interrupt.set();
    assert!(matches!(full().save(&path, &interrupt), Err(ReportError::Interrupted)));
    assert_eq!(after(), before);
    assert_eq!(names(out.path()), ["a-files", "a.html", "a.md"]);
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let error = report("x").save(Path::new("/proc/nowhere.html"), &NEVER()).expect_err("nobody can write there");
    assert!(error.to_string().starts_with("cannot write /proc/nowhere.html: "), "{error}");
    let out = folder();
    let error = full().save(&out.path().join("none/x.md"), &NEVER()).expect_err("no such folder");
    assert_eq!(error.hint().as_deref(), Some("make the folder first"));
    fs::create_dir(out.path().join("b.html")).expect("made");
    let error = report("x").save(&out.path().join("b.html"), &NEVER()).expect_err("a folder is there");
    assert!(error.to_string().contains("b.html"), "{error}");
    fs::write(out.path().join("c-files"), "a file").expect("written");
    let error = full().save(&out.path().join("c.md"), &NEVER()).expect_err("a file is in the way");
    assert!(error.to_string().contains("c-files"), "{error}");
    assert!(!out.path().join("c.md").exists());
    let error = report("x").save(&out.path().join("x.pdf"), &NEVER()).expect_err("no such format");
    assert!(
        error
            .to_string()
            .ends_with("x.pdf names no report format; needed a name that ends in .html or .md, or in neither for both")
    );
    assert!(error.hint().is_some_and(|hint| hint.ends_with("x.html")));
}

#[test]
fn seeds_command_and_script_stand_at_the_foot() {
    let mut page = Report::new("Foot", ReportConfig { seed: Some(7), ..ReportConfig::default() }).expect("a title");
    page.origin().seeds.extend([3, 1]);
    page.origin().script = Some("scripts/depth.rhai".to_owned());
    let text = html(&page);
    assert!(text.contains("seeds 1, 3, 7, 20"), "and the date");
    assert!(text.contains("With the script <code>scripts/depth.rhai</code>."));
    page.origin().command = Some("wasabi run scripts/depth.rhai --set steps=9".to_owned());
    assert!(html(&page).contains("With <code>wasabi run scripts/depth.rhai --set steps=9</code>."));
}
