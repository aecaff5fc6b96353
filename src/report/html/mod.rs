//! A report as one HTML file that holds everything it shows.

mod media;
mod table;

use super::document::{Code, Ink, Numbers, Part, Report};
use super::draw::Picture;
use super::error::ReportError;
use super::{config::PageTheme, prose};
use maud::{DOCTYPE, Markup, PreEscaped, Render, html};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What the page may load: nothing but what it holds. The script is named by its SHA-256, so that no other one runs
/// (`tests/report.rs` computes it anew).
const POLICY: &str = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; script-src \
                      'sha256-V1qWtPYUekYQYx3TxR/AdRMNVQfb4vdrA/Hb0BUI6h8='; base-uri 'none'; form-action 'none'";

/// From so many sections on there is a list of contents.
const CONTENTS_FROM: usize = 4;

/// The page of `report`, whose figures are `pictures`.
pub(super) fn render(report: &Report, pictures: &[Picture]) -> Result<String, ReportError> {
    let body = body(report, pictures)?;
    let config = &report.config;
    let generator = format!("wasabi {}", env!("CARGO_PKG_VERSION"));
    let (class, scheme) = match config.theme {
        PageTheme::Auto => ("auto", "light dark"),
        PageTheme::Paper => ("paper", "light"),
        PageTheme::Dark => ("dark", "dark"),
    };
    let page = html! {
        (DOCTYPE)
        html lang=(config.language) class=(class) {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content=(scheme);
                meta name="generator" content=(generator);
                @if let Some(author) = &config.author { meta name="author" content=(author); }
                title { (report.title) }
                link rel="icon" href="data:,"; // or browsers ask a server for one
                style { (PreEscaped(STYLE)) }
            }
            (body)
        }
    };
    Ok(page.into_string() + "\n")
}

fn body(report: &Report, pictures: &[Picture]) -> Result<Markup, ReportError> {
    let mut level = 1;
    let (config, date) = (&report.config, report.date());
    let head = html! {
        header {
            h1 { (report.title) }
            p.byline { @if let Some(author) = &config.author { (author) " · " } (date) }
            @if let Some(summary) = &config.summary { div.summary { (prose::render(summary, &mut level)) } }
        }
        (contents(report))
    };
    let mut anchors = 0;
    let mut numbers = Numbers::default();
    let mut pictures = pictures.iter();
    let mut parts = Vec::new();
    for part in &report.parts {
        let name = numbers.name(part);
        parts.push(match part {
            Part::Section { title, level: depth } => {
                (level, anchors) = (depth + 1, anchors + 1);
                let anchor = format!("section-{anchors}");
                html! { @if *depth == 1 { h2 id=(anchor) { (title) } } @else { h3 id=(anchor) { (title) } } }
            }
            Part::Text(text) => html! { div.prose { (prose::render(text, &mut level)) } },
            Part::Table { frame, caption } => table::render(frame, caption.as_deref(), name.as_deref()),
            Part::Figure { caption, .. } => {
                let picture = pictures.next();
                html! { @if let Some(picture) = picture { (media::figure(picture, caption.as_deref(), name.as_deref())) } }
            }
            Part::Sounds { clips, caption } => media::sounds(clips, caption.as_deref(), name.as_deref())?,
            Part::Code(code) => listing(code),
        });
    }
    Ok(html! {
        body {
            main {
                (head)
                @for part in &parts { (part) }
                (foot(report))
            }
            script { (PreEscaped(SCRIPT)) }
        }
    })
}

/// A list of the sections, where there are enough of them to lose one's way.
fn contents(report: &Report) -> Markup {
    let headings = report.parts.iter().filter_map(|part| match part {
        Part::Section { title, level } => Some((title.as_str(), *level)),
        _ => None,
    });
    let mut sections: Vec<(Entry<'_>, Vec<Entry<'_>>)> = Vec::new();
    for (at, (title, level)) in headings.enumerate() {
        let entry = Entry { anchor: at + 1, title };
        match sections.last_mut() {
            Some((_, below)) if level > 1 => below.push(entry),
            _ => sections.push((entry, Vec::new())),
        }
    }
    if sections.len() < CONTENTS_FROM {
        return Markup::default();
    }
    html! {
        nav aria-label="Contents" {
            ul {
                @for (section, below) in &sections {
                    li {
                        (section)
                        @if !below.is_empty() { ul { @for entry in below { li { (entry) } } } }
                    }
                }
            }
        }
    }
}

/// A line of the contents.
struct Entry<'a> {
    anchor: usize,
    title: &'a str,
}

impl Render for Entry<'_> {
    fn render(&self) -> Markup {
        html! { a href=(format!("#section-{}", self.anchor)) { (self.title) } }
    }
}

/// `Table 1` in bold, then the caption.
fn caption(name: Option<&str>, text: Option<&str>) -> Markup {
    html! {
        @if let Some(text) = text {
            figcaption { @if let Some(name) = name { b { (name) } " " } (text) }
        }
    }
}

fn listing(code: &Code) -> Markup {
    html! {
        figure.code.plain[code.language.is_empty()] {
            @if let Some(caption) = &code.caption { figcaption { (caption) } }
            pre tabindex="0" { code class=[language(code)] { (inked(code)) } }
        }
    }
}

/// The class that highlighters look for.
fn language(code: &Code) -> Option<String> {
    (!code.language.is_empty()).then(|| format!("language-{}", code.language))
}

/// The text with its inks as spans; a range that does not fit the text is left out.
fn inked(code: &Code) -> Markup {
    let mut done = 0;
    let mut pieces: Vec<(&str, Option<Ink>)> = Vec::new();
    for (range, ink) in &code.inks {
        if let (true, Some(before), Some(piece)) =
            (range.start >= done, code.text.get(done..range.start), code.text.get(range.clone()))
        {
            pieces.extend([(before, None), (piece, Some(*ink))]);
            done = range.end;
        }
    }
    let rest = code.text.get(done..).unwrap_or_default();
    html! {
        @for (text, ink) in pieces {
            @if let Some(ink) = ink { span class=(class(ink)) { (text) } } @else { (text) }
        }
        (rest)
    }
}

fn class(ink: Ink) -> &'static str {
    match ink {
        Ink::Comment => "c",
        Ink::Keyword => "k",
        Ink::Number => "n",
        Ink::Text => "s",
    }
}

fn foot(report: &Report) -> Markup {
    let origin = &report.origin;
    html! {
        footer {
            p { "Made by " (report.made().join(", ")) ", " (report.date()) "." }
            @if let Some(command) = &origin.command { p { "With " code { (command) } "." } }
            @else if let Some(script) = &origin.script { p { "With the script " code { (script) } "." } }
        }
    }
}
