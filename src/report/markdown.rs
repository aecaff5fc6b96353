//! A report as Markdown (GitHub's kind), with its figures, sounds and long tables as files in a folder beside it.

use super::document::{Code, Numbers, Part, Report};
use super::draw::Picture;
use super::error::ReportError;
use super::prose;
use super::sound::Clip;
use crate::metrics::Frame;
use std::fmt::Write as _;

/// The Markdown, and what lies beside it.
#[derive(Debug)]
pub(super) struct Twin {
    pub(super) text: String,
    /// Name within the folder, and content.
    pub(super) files: Vec<(String, Content)>,
}

/// What a file of the folder holds.
#[derive(Debug)]
pub(super) enum Content {
    Bytes(Vec<u8>),
    Csv(Frame),
}

/// How the names of the folder's files begin: nothing else in it is ours to remove.
pub(super) const KINDS: [&str; 3] = ["figure-", "sound-", "table-"];

/// A longer table is written as CSV, and shown by its first rows.
const MOST_ROWS: usize = 200;
/// Rows that are shown of a longer one.
const FIRST_ROWS: usize = 20;

/// The twin of `report`, with its files in `folder` (as links have it).
pub(super) fn render(report: &Report, pictures: Vec<Picture>, folder: &str) -> Result<Twin, ReportError> {
    let mut writer = Writer { folder, blocks: Vec::new(), files: Vec::new(), level: 1, counts: [0; KINDS.len()] };
    writer.head(report);
    let mut numbers = Numbers::default();
    let mut pictures = pictures.into_iter();
    for part in &report.parts {
        let name = numbers.name(part);
        let name = name.as_deref();
        match part {
            Part::Section { title, level } => {
                writer.level = usize::from(*level) + 1;
                writer.block(format!("{} {}", "#".repeat(writer.level), escaped(title)));
            }
            Part::Text(text) => writer.prose(text),
            Part::Table { frame, caption } => writer.table(frame, name, caption.as_deref()),
            Part::Figure { caption, .. } => {
                if let Some(picture) = pictures.next() {
                    writer.figure(picture, name, caption.as_deref());
                }
            }
            Part::Sounds { clips, caption } => writer.sounds(clips, name, caption.as_deref())?,
            Part::Code(code) => writer.code(code),
        }
    }
    writer.foot(report);
    Ok(Twin { text: writer.blocks.join("\n\n") + "\n", files: writer.files })
}

struct Writer<'a> {
    folder: &'a str,
    blocks: Vec<String>,
    files: Vec<(String, Content)>,
    /// Of the last heading.
    level: usize,
    counts: [usize; KINDS.len()],
}

impl Writer<'_> {
    fn block(&mut self, text: String) {
        self.blocks.push(text);
    }

    fn prose(&mut self, text: &str) {
        let neutral = prose::neutral(text, u8::try_from(self.level).unwrap_or(6));
        self.block(neutral.trim_matches('\n').to_owned());
    }

    fn head(&mut self, report: &Report) {
        self.block(format!("# {}", escaped(&report.title)));
        let author = report.config.author.as_ref().map(|author| format!("{} · ", escaped(author)));
        self.block(format!("{}{}", author.unwrap_or_default(), escaped(&report.date())));
        if let Some(summary) = &report.config.summary {
            self.prose(summary);
        }
    }

    fn foot(&mut self, report: &Report) {
        let origin = &report.origin;
        let mut text = format!("Made by {}, {}.", escaped(&report.made().join(", ")), escaped(&report.date()));
        if let Some(command) = &origin.command {
            let _ = write!(text, " With {}.", code_span(command));
        } else if let Some(script) = &origin.script {
            let _ = write!(text, " With the script {}.", code_span(script));
        }
        self.block("---".to_owned());
        self.block(text);
    }

    /// `**Table 1** caption`, if there is one.
    fn caption(&mut self, name: Option<&str>, caption: Option<&str>) {
        if let (Some(name), Some(caption)) = (name, caption) {
            self.block(format!("**{name}** {}", escaped(caption)));
        }
    }

    /// The number of the next file of a kind.
    fn next(&mut self, kind: usize) -> String {
        self.counts[kind] += 1;
        format!("{}{}", KINDS[kind], self.counts[kind])
    }

    /// Adds a file, and returns the address of it.
    fn file(&mut self, name: String, content: Content) -> String {
        let link = format!("{}/{name}", self.folder);
        self.files.push((name, content));
        link
    }

    fn table(&mut self, frame: &Frame, name: Option<&str>, caption: Option<&str>) {
        self.caption(name, caption);
        let long = frame.height() > MOST_ROWS;
        let shown = if long { frame.head(FIRST_ROWS).to_markdown() } else { frame.to_markdown() };
        self.block(without_html(shown.trim_end()));
        if long {
            let file = self.next(2) + ".csv";
            let link = self.file(file.clone(), Content::Csv(frame.clone()));
            self.block(format!("The first {FIRST_ROWS} of {} rows; all of them: [{file}]({link})", frame.height()));
        }
    }

    fn figure(&mut self, picture: Picture, name: Option<&str>, caption: Option<&str>) {
        let alternative = picture.title.as_deref().or(caption).unwrap_or("Figure").to_owned();
        let file = self.next(0);
        let svg = self.file(format!("{file}.svg"), Content::Bytes(picture.svg.into_bytes()));
        let png = self.file(format!("{file}.png"), Content::Bytes(picture.png));
        self.block(format!("[![{}]({png})]({svg})", escaped(&alternative)));
        self.caption(name, caption);
    }

    fn sounds(&mut self, clips: &[Clip], name: Option<&str>, caption: Option<&str>) -> Result<(), ReportError> {
        // A list right below another of the same bullets would be part of it.
        let above = self.blocks.last().and_then(|block| block.lines().last()).unwrap_or_default();
        let bullet = if above.trim_start().starts_with("- ") { '*' } else { '-' };
        let mut lines = Vec::new();
        for clip in clips {
            let file = format!("{}{}.wav", self.next(1), slug(clip.label()));
            let link = self.file(file, Content::Bytes(clip.wav()?));
            let label = if clip.label().is_empty() { "sound" } else { clip.label() };
            lines.push(format!("{bullet} [{}]({link}) ({})", escaped(label), clip.facts()));
        }
        self.block(lines.join("\n"));
        self.caption(name, caption);
        Ok(())
    }

    fn code(&mut self, code: &Code) {
        if let Some(caption) = &code.caption {
            self.block(code_span(caption));
        }
        let fence = "`".repeat(longest_run(&code.text, '`').max(2) + 1);
        self.block(format!("{fence}{}\n{}\n{fence}", code.language, code.text.trim_end_matches('\n')));
    }
}

/// Plain text as Markdown that reads the same.
fn escaped(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    for (at, c) in chars.iter().enumerate() {
        let wordy = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|c| c.is_alphanumeric());
        let (before, after) = (wordy(at.checked_sub(1)), wordy(Some(at + 1)));
        let special = match c {
            '\\' | '`' | '*' | '[' | ']' | '<' | '~' => true,
            '_' => !(before && after), // within a word it means nothing
            '&' => after || chars.get(at + 1) == Some(&'#'),
            '#' => at == 0 || at + 1 == chars.len(),
            _ => false,
        };
        if special {
            out.push('\\');
        }
        out.push(*c);
    }
    out
}

/// A table's Markdown with what would be HTML as text.
fn without_html(markdown: &str) -> String {
    let mut out = String::with_capacity(markdown.len());
    let mut before = ' ';
    for c in markdown.chars() {
        if c == '<' && before != '\\' {
            out.push_str("&lt;")
        } else {
            out.push(c)
        }
        before = c;
    }
    out
}

/// Text between more backticks than it has in a row.
fn code_span(text: &str) -> String {
    let ticks = "`".repeat(longest_run(text, '`') + 1);
    let gap = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{ticks}{gap}{text}{gap}{ticks}")
}

fn longest_run(text: &str, wanted: char) -> usize {
    text.split(|c| c != wanted).map(str::len).max().unwrap_or(0)
}

/// `-real-sound` for a file's name; empty where nothing of the label is plain.
fn slug(label: &str) -> String {
    const LONGEST: usize = 40;
    let mut out = String::new();
    for word in label.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        if out.len() + word.len() > LONGEST {
            break;
        }
        out.push('-');
        out.push_str(&word.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_reads_the_same_as_markdown() {
        let cases =
            ["a *b* _c_ d_state <script> [x](y) `z` \\ & &amp; R&D ~~no~~ # end #", "# not a heading", "a_b _ c_"];
        for text in cases {
            let page = prose::render(&escaped(text), &mut 1).into_string();
            let plain = page.trim().trim_start_matches("<p>").trim_end_matches("</p>");
            let read = plain.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
            assert_eq!(read, text);
        }
        assert_eq!(escaped("d_state and bits_per_byte"), "d_state and bits_per_byte");
    }

    #[test]
    fn code_is_fenced_by_more_than_it_holds() {
        assert_eq!(code_span("a`b``c"), "```a`b``c```");
        assert_eq!(code_span("`a"), "`` `a ``");
        assert_eq!(longest_run("a ```` b ``", '`'), 4);
    }

    #[test]
    fn names_of_files_are_plain() {
        assert_eq!(slug("take 0"), "-take-0");
        assert_eq!(slug("../../etc/pässwd"), "-etc-p-sswd");
        assert_eq!(slug("録音"), "");
    }

    #[test]
    fn a_tables_html_is_text_once() {
        assert_eq!(without_html("| <b> | \\<i> |"), "| &lt;b> | \\<i> |");
    }
}
