//! A report in a real browser: every picture and player loads, tables sort, the page stays within a phone, nothing is
//! asked of the network, and the console is silent.
//!
//! Runs where a Chromium is on the machine, and says so and passes where there is none.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::script_fixture::{Listener, TINY, scratch, tones_corpus};

const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Longest that the browser may take for one page.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a page looks like from inside. It clicks before it looks, so that one load tells all.
const PROBE: &str = r"
addEventListener('load', () => {
  const all = selector => [...document.querySelectorAll(selector)];
  const table = document.querySelector('table.sortable');
  const column = at => [...table.tBodies[0].rows].map(row => row.cells[at].textContent);
  const head = at => table.tHead.rows[0].cells[at];
  const click = at => { head(at).querySelector('button').click(); return [head(at).getAttribute('aria-sort'), column(at)]; };
  const before = column(1);
  const sorts = [click(1), click(1), click(1), click(2)];
  for (const details of all('details')) details.open = true;
  const facts = {
    images: all('img').map(image => [image.complete, image.naturalWidth, image.alt]),
    players: all('audio').map(player => [player.readyState, player.duration, player.getAttribute('aria-label')]),
    before, sorts,
    width: innerWidth,
    scroll: document.documentElement.scrollWidth,
    paper: getComputedStyle(document.body).backgroundColor,
    requests: performance.getEntriesByType('resource').map(entry => entry.name.slice(0, 40)),
    wide: all('main > *').filter(part => part.getBoundingClientRect().right > innerWidth).length,
  };
  const out = document.createElement('pre');
  out.id = 'facts';
  out.textContent = JSON.stringify(facts);
  document.body.append(out);
});
";

/// A browser that starts, or a word about why the test is skipped.
fn browser(test: &str) -> Option<PathBuf> {
    let found = BROWSERS.iter().find_map(|name| which::which(name).ok());
    let started = found.filter(|program| {
        let page = scratch(test).join("blank.html");
        fs::write(&page, "<!DOCTYPE html><title>blank</title><p>here").expect("written");
        load(program, &page, &["--window-size=800,600"]).is_some_and(|(dom, _)| dom.contains("here"))
    });
    if started.is_none() {
        // Past the capture of the test's output: a skipped check must be seen.
        let _ = writeln!(std::io::stderr(), "skipped: {test}: no Chromium that starts on this machine");
    }
    started
}

/// The page's tree after it has loaded, and what the browser logged; `None` if it does not run.
fn load(program: &Path, page: &Path, flags: &[&str]) -> Option<(String, String)> {
    let home = tempfile::tempdir().expect("a temporary folder");
    let (out, log) = (home.path().join("out"), home.path().join("log"));
    let mut child = Command::new(program)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"])
        .args(["--hide-scrollbars", "--enable-logging=stderr", "--v=0", "--dump-dom"])
        .arg("--host-resolver-rules=MAP * ~NOTFOUND") // a page that asks the network shows in the log
        .arg(format!("--user-data-dir={}", home.path().join("profile").display()))
        .args(flags)
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .stdout(fs::File::create(&out).expect("a file"))
        .stderr(fs::File::create(&log).expect("a file"))
        .spawn()
        .ok()?;
    let begun = Instant::now();
    while child.try_wait().ok()?.is_none() {
        if begun.elapsed() > PATIENCE {
            drop(child.kill());
            drop(child.wait());
            return None;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Some((fs::read_to_string(out).ok()?, String::from_utf8_lossy(&fs::read(log).ok()?).into_owned()))
}

/// What the page wrote to its console.
fn console(log: &str) -> Vec<&str> {
    log.lines().filter(|line| line.contains(":CONSOLE")).collect()
}

/// A report of a real run, by a script.
fn page(folder: &Path) -> PathBuf {
    let script = format!(
        "let music = {};\n\
         let run = train({TINY}, music, #{{ steps: 4, batch: 2, eval_every: 2, eval_windows: 2, out: \"{folder}/run\" }});\n\
         let real = audio(music.paths(\"val\")[0]);\n\
         let page = report(\"A page <b>with</b> everything\", #{{ summary: \"In *short*.\" }});\n\
         page.section(\"Table\").text(\"Words, and a [link](https://example.org).\");\n\
         page.table(table([\"name\", \"bits\", \"note\"], [[\"a\", 10.5, \"x10\"], [\"b\", (), \"x9\"], [\"c\", -2.25, \"x1\"], [\"d\", 1e-9, ()]]), \"Four\");\n\
         let many = []; for i in 0..300 {{ many.push(#{{ a: i, b: `a rather long text in row ${{i}}`, c: i * 0.1, d: i, e: i, f: i, g: i, h: i, some_very_long_name_of_a_column: i, another_very_long_name: i }}) }}\n\
         page.table(table(many), \"Many\");\n\
         page.section(\"Figures\").figure(loss_curve(run), \"Loss\").figure(spectrogram_pair(\"a\", real, \"b\", real.slice(0, 0.2)));\n\
         page.figure(waveform(real), \"Wave\").add(run);\n\
         page.section(\"Sounds\").sounds([[\"real\", real], [\"slower\", real.resample(8000)], [\"part\", real.slice(0, 0.1)]], \"Three\").sound(real);\n\
         page.section(\"Script\").script();\n\
         page.save(\"{folder}/page.html\");",
        tones_corpus(),
        folder = folder.display(),
    );
    Listener::default().run("page.rhai", &script, &[]).expect("a report");
    folder.join("page.html")
}

/// What the probe saw in a copy of the page, whose policy lets the probe run beside the page's own script.
fn probe(program: &Path, page: &Path, flags: &[&str]) -> (Value, String) {
    let text = fs::read_to_string(page).expect("the page");
    let hash = text.split("script-src '").nth(1).and_then(|rest| rest.split('\'').next()).expect("a policy");
    let text = text.replace(&format!("'{hash}'"), "'unsafe-inline'");
    let text = text.replace("</body>", &format!("<script>{PROBE}</script></body>"));
    let copy = page.with_file_name("probed.html");
    fs::write(&copy, text).expect("written");
    let (dom, log) = load(program, &copy, flags).expect("the browser that started before");
    let facts =
        dom.rsplit("<pre id=\"facts\">").next().and_then(|rest| rest.split("</pre>").next()).unwrap_or_default();
    let facts = facts.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    (serde_json::from_str(&facts).unwrap_or_else(|error| panic!("{error}: the probe wrote `{facts}`\n{log}")), log)
}

#[test]
fn a_browser_shows_every_part_and_sorts_the_tables() {
    let Some(program) = browser("report-in-browser") else { return };
    let page = page(&scratch("report-in-browser"));

    // As it is, its policy in force.
    let (dom, log) = load(&program, &page, &["--window-size=1280,900"]).expect("the browser that started before");
    assert!(dom.contains("A page &lt;b&gt;with&lt;/b&gt; everything"));
    assert_eq!(console(&log), Vec::<&str>::new(), "the console is silent");

    let (desktop, log) = probe(&program, &page, &["--window-size=1280,900"]);
    assert_eq!(console(&log), Vec::<&str>::new());
    let list = |facts: &Value, key: &str| facts[key].as_array().cloned().unwrap_or_default();
    let images = list(&desktop, "images");
    assert_eq!(images.len(), 4);
    for image in images {
        assert_eq!(image[0], true, "{image}");
        assert!(image[1].as_f64() > Some(100.0) && image[2].as_str() != Some(""), "{image}");
    }
    let durations: Vec<f64> = list(&desktop, "players")
        .iter()
        .map(|player| {
            assert!(player[0].as_i64() >= Some(1) && player[2].as_str() != Some(""), "no metadata: {player}");
            (player[1].as_f64().unwrap_or_default() * 100.0).round() / 100.0
        })
        .collect();
    assert_eq!(durations, [0.4, 0.4, 0.1, 0.4]);
    let requests = list(&desktop, "requests");
    assert!(requests.iter().all(|name| name.as_str().is_some_and(|name| name.starts_with("data:"))), "{requests:?}");

    let first = "[\"10.50\",\"–\",\"-2.25\",\"1.00e-9\"]";
    assert_eq!(desktop["before"].to_string(), first);
    let sorts = list(&desktop, "sorts");
    assert_eq!(sorts[0].to_string(), "[\"ascending\",[\"-2.25\",\"1.00e-9\",\"10.50\",\"–\"]]");
    assert_eq!(
        sorts[1].to_string(),
        "[\"descending\",[\"10.50\",\"1.00e-9\",\"-2.25\",\"–\"]]",
        "missing ones stay last"
    );
    assert_eq!(sorts[2].to_string(), format!("[\"none\",{first}]"), "the third click gives the first order back");
    assert_eq!(
        sorts[3].to_string(),
        "[\"ascending\",[\"x1\",\"x9\",\"x10\",\"–\"]]",
        "numbers within texts count as such"
    );
}

#[test]
fn a_phone_needs_no_sideways_scrolling_and_the_dark_setting_is_followed() {
    let Some(program) = browser("report-on-phone") else { return };
    let page = page(&scratch("report-on-phone"));
    let (phone, _) = probe(&program, &page, &["--window-size=390,844", "--blink-settings=preferredColorScheme=1"]);
    assert!(phone["width"].as_i64() <= Some(500), "{}", phone["width"]);
    assert_eq!(phone["scroll"], phone["width"], "the page itself does not move sideways");
    assert_eq!(phone["wide"], 0);
    assert_eq!(phone["paper"], "rgb(255, 255, 255)");
    let (dark, _) = probe(&program, &page, &["--window-size=1280,900", "--blink-settings=preferredColorScheme=0"]);
    assert_eq!(dark["paper"], "rgb(21, 23, 28)");
    assert_eq!(dark["scroll"], dark["width"]);
}
