//! One SVG for both themes, and SVG as an address.
//!
//! A figure drawn on paper and the same figure drawn on dark are the same shapes in other colours. So the page carries the
//! shapes once, in paper colours, with a style that changes them where the reader prefers dark: half the size, one picture
//! to save, and a spectrogram's pixels once. Where a browser ignores the style (Safari before 26 does, inside pictures) or a
//! drawing program does, the figure stands on white.
//!
//! Two drawings that differ in more than colours make no such picture; the caller then embeds both.
//!
//! What is embedded is smaller than what plotters wrote and looks the same: the dashes of a line are one path, the font is
//! named once, and what is the default anyway is left out.

use std::borrow::Cow;
use std::fmt::Write as _;

/// A piece of SVG.
#[derive(Debug, PartialEq)]
enum Piece<'a> {
    /// `<name key="value" …>`
    Open { name: &'a str, attributes: Attributes<'a>, empty: bool },
    /// Text, an end tag, anything else.
    Other(&'a str),
}

type Attributes<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// What a style may change: the presentation attributes that colours live in.
const COLOURS: &[&str] =
    &["fill", "stroke", "opacity", "fill-opacity", "stroke-opacity", "stop-color", "stop-opacity", "color"];

/// The figure in paper colours that turns dark where the reader prefers it; `None` if the drawings differ in more.
pub(super) fn adaptive(paper: &str, dark: &str) -> Option<String> {
    let (paper, dark) = (small(pieces(paper)?), small(pieces(dark)?));
    if paper.len() != dark.len() {
        return None;
    }
    let mut rules: Vec<String> = Vec::new();
    let (mut head, mut body) = (String::new(), String::new());
    for (light, dark) in paper.iter().zip(&dark) {
        let out = if head.is_empty() { &mut head } else { &mut body };
        match (light, dark) {
            (Piece::Other(light), Piece::Other(dark)) if light == dark => out.push_str(light),
            (Piece::Open { name, attributes, empty }, Piece::Open { name: other, attributes: others, .. })
                if name == other && attributes.len() == others.len() =>
            {
                let rule = difference(attributes, others)?;
                let class = (!rule.is_empty()).then(|| {
                    let known = rules.iter().position(|known| *known == rule);
                    known.unwrap_or_else(|| {
                        rules.push(rule);
                        rules.len() - 1
                    })
                });
                open(out, name, attributes, class, *empty);
            }
            _ => return None,
        }
    }
    let style: String = rules.iter().enumerate().fold(String::new(), |mut style, (class, rule)| {
        let _ = write!(style, ".d{class}{{{rule}}}");
        style
    });
    Some(format!("{head}<style>@media (prefers-color-scheme:dark){{{style}}}</style>{body}"))
}

/// The style that turns the one tag's attributes into the other's; empty for none, `None` if no style can.
fn difference(light: &Attributes<'_>, dark: &Attributes<'_>) -> Option<String> {
    let mut rule = String::new();
    for ((key, light_value), (dark_key, dark_value)) in light.iter().zip(dark) {
        if key != dark_key {
            return None;
        }
        if light_value != dark_value {
            let plain = |c: char| c.is_ascii_alphanumeric() || "#.,()% -".contains(c);
            if !COLOURS.contains(key) || !dark_value.chars().all(plain) {
                return None;
            }
            let _ = write!(rule, "{key}:{dark_value};");
        }
    }
    let styled = light.iter().any(|(key, _)| matches!(*key, "class" | "style"));
    (rule.is_empty() || !styled).then_some(rule)
}

/// The same picture in fewer bytes.
pub(super) fn compact(svg: &str) -> String {
    let Some(pieces) = pieces(svg).map(small) else { return svg.to_owned() };
    let mut out = String::with_capacity(svg.len());
    for piece in &pieces {
        match piece {
            Piece::Other(text) => out.push_str(text),
            Piece::Open { name, attributes, empty } => open(&mut out, name, attributes, None, *empty),
        }
    }
    out
}

fn open(out: &mut String, name: &str, attributes: &Attributes<'_>, class: Option<usize>, empty: bool) {
    let _ = write!(out, "<{name}");
    if let Some(class) = class {
        let _ = write!(out, " class='d{class}'");
    }
    for (key, value) in attributes.iter().filter(|(key, value)| !(*key == "opacity" && value == "1")) {
        // Single quotes need no escape inside an HTML attribute.
        let quote = if value.contains('\'') { '"' } else { '\'' };
        let _ = write!(out, " {key}={quote}{}{quote}", value.trim());
    }
    out.push_str(if empty { "/>" } else { ">" });
}

/// The drawing with its lines joined and its font named once.
fn small(pieces: Vec<Piece<'_>>) -> Vec<Piece<'_>> {
    let mut out: Vec<Piece<'_>> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match out.last_mut() {
            Some(last) if joins(last, &piece) => join(last, piece),
            _ => out.push(piece),
        }
    }
    name_font_once(&mut out);
    out
}

const POINTS: &str = "points";

/// Whether two lines in a row are one line with gaps: equal but for where they are. A translucent one must be a dash (two
/// points), since dashes do not lie on each other and longer lines may.
fn joins(last: &Piece<'_>, next: &Piece<'_>) -> bool {
    let (
        Piece::Open { name: "path" | "polyline", attributes: a, empty: true },
        Piece::Open { name: "polyline", attributes: b, empty: true },
    ) = (last, next)
    else {
        return false;
    };
    let opaque = |attributes: &Attributes<'_>| attributes.iter().all(|(key, value)| *key != "opacity" || value == "1");
    let dash = |attributes: &Attributes<'_>| {
        attributes.iter().all(|(key, value)| *key != POINTS || value.split_whitespace().count() == 2)
    };
    let unfilled = a.iter().any(|(key, value)| *key == "fill" && value == "none");
    let alike = a.iter().zip(b).all(|(one, other)| match (one.0, other.0) {
        (POINTS | "d", POINTS) => true,
        _ => one == other,
    });
    unfilled && (opaque(b) || dash(b)) && a.len() == b.len() && alike
}

fn join(last: &mut Piece<'_>, next: Piece<'_>) {
    let (Piece::Open { name, attributes, .. }, Piece::Open { attributes: others, .. }) = (last, next) else { return };
    *name = "path";
    for ((key, value), (_, other)) in attributes.iter_mut().zip(others) {
        if *key == POINTS {
            (*key, *value) = ("d", Cow::Owned(path(value)));
        }
        if *key == "d" {
            value.to_mut().push_str(&path(&other));
        }
    }
}

/// The points of a polyline as a path: `M0,0L1,0 1,1`.
fn path(points: &str) -> String {
    let mut points = points.split_whitespace();
    let first = points.next().unwrap_or_default();
    let rest: Vec<&str> = points.collect();
    if rest.is_empty() { format!("M{first}") } else { format!("M{first}L{}", rest.join(" ")) }
}

/// Moves the font that every text has to the drawing itself, from which texts inherit it.
fn name_font_once(pieces: &mut [Piece<'_>]) {
    const FONT: &str = "font-family";
    let texts = || {
        pieces.iter().filter_map(|piece| match piece {
            Piece::Open { name: "text", attributes, .. } => Some(attributes.iter().find(|(key, _)| *key == FONT)),
            _ => None,
        })
    };
    let Some(Some(font)) = texts().next().map(|font| font.cloned()) else { return };
    if !texts().all(|other| other == Some(&font)) {
        return;
    }
    for (at, piece) in pieces.iter_mut().enumerate() {
        match piece {
            Piece::Open { attributes, .. } if at == 0 => attributes.push(font.clone()),
            Piece::Open { name: "text", attributes, .. } => attributes.retain(|(key, _)| *key != FONT),
            _ => {}
        }
    }
}

/// Width and height in pixels, and the title: the first bold text.
pub(super) fn facts(svg: &str) -> (Option<(u32, u32)>, Option<String>) {
    let Some(pieces) = pieces(svg) else { return (None, None) };
    let value = |piece: &Piece<'_>, wanted: &str| match piece {
        Piece::Open { attributes, .. } => {
            attributes.iter().find(|(key, _)| *key == wanted).map(|(_, value)| value.to_string())
        }
        Piece::Other(_) => None,
    };
    let side = |wanted| value(pieces.first()?, wanted)?.parse::<f64>().ok();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a page of a few thousand pixels")]
    let size = side("width").zip(side("height")).map(|(width, height)| (width.round() as u32, height.round() as u32));
    let bold = |pair: &&[Piece<'_>]| {
        matches!(&pair[0], Piece::Open { name: "text", .. })
            && value(&pair[0], "font-weight").is_some_and(|weight| weight == "bold" || weight == "600")
    };
    let title = pieces.windows(2).find(bold).and_then(|pair| match pair[1] {
        Piece::Other(text) if !text.starts_with('<') => Some(unescape(text)),
        _ => None,
    });
    (size, title)
}

fn unescape(text: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#39;", "'"), ("&amp;", "&")];
    entities.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// SVG as a `data:` address: percent-encoded where it must be, which is shorter than base64 (and embedded pixels, which
/// are base64 already, stay as they are).
pub(super) fn address(svg: &str) -> String {
    let mut out = String::with_capacity(svg.len() + svg.len() / 8);
    out.push_str("data:image/svg+xml,");
    for c in svg.chars() {
        match c {
            '%' => out.push_str("%25"),
            '#' => out.push_str("%23"),
            '"' => out.push_str("%22"),
            '&' => out.push_str("%26"),
            '<' => out.push_str("%3C"),
            '>' => out.push_str("%3E"),
            '\n' => out.push_str("%0A"),
            '\t' => out.push_str("%09"),
            '\r' => out.push_str("%0D"),
            other => out.push(other),
        }
    }
    out
}

/// The pieces of a drawing, without the white space around lines; `None` if it is no SVG that we can read.
fn pieces(svg: &str) -> Option<Vec<Piece<'_>>> {
    let mut found = Vec::new();
    let mut rest = svg;
    while let Some(at) = rest.find('<') {
        let text = rest[..at].trim_matches(['\n', '\r']);
        if !text.is_empty() {
            found.push(Piece::Other(text));
        }
        rest = &rest[at..];
        let end = tag_end(rest)?;
        let tag = &rest[..=end];
        found.push(match tag.as_bytes().get(1)? {
            b'/' | b'!' | b'?' => Piece::Other(tag),
            _ => opening(tag)?,
        });
        rest = &rest[end + 1..];
    }
    let begins = matches!(found.first(), Some(Piece::Open { name: "svg", .. }));
    (begins && rest.trim().is_empty()).then_some(found)
}

/// Where the tag that `rest` begins with is closed; a quoted `>` does not close it.
fn tag_end(rest: &str) -> Option<usize> {
    let mut quote = None;
    rest.bytes().position(|byte| {
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
        byte == b'>' && quote.is_none()
    })
}

fn opening(tag: &str) -> Option<Piece<'_>> {
    let inner = tag.strip_prefix('<')?.strip_suffix('>')?;
    let (inner, empty) = inner.strip_suffix('/').map_or((inner, false), |inner| (inner, true));
    let (name, mut rest) = inner.split_at(inner.find(char::is_whitespace).unwrap_or(inner.len()));
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Some(Piece::Open { name, attributes, empty });
        }
        let (key, after) = rest.split_once('=')?;
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, after) = after[1..].split_once(quote)?;
        attributes.push((key.trim(), Cow::Borrowed(value)));
        rest = after;
    }
}

/// A `data:` address of any bytes.
pub(super) fn base64(kind: &str, bytes: &[u8]) -> String {
    use base64::Engine as _;
    let mut out = format!("data:{kind};base64,");
    base64::engine::general_purpose::STANDARD.encode_string(bytes, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an address stands for.
    fn decoded(address: &str) -> String {
        let pairs =
            [("%3C", "<"), ("%3E", ">"), ("%22", "\""), ("%23", "#"), ("%26", "&"), ("%0A", "\n"), ("%25", "%")];
        pairs.iter().fold(address.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    const PAPER: &str = "<svg xmlns=\"n\" width=\"40\" height=\"20\">\n<rect fill=\"#FFF\"/>\n<text font-weight=\"bold\" fill=\"#111\">\nA &amp; b\n</text>\n<path stroke=\"#111\" d=\"M0 0\"/>\n</svg>\n";

    #[test]
    fn two_themes_become_one_drawing_with_a_dark_style() {
        let dark = PAPER.replace("#FFF", "#000").replace("#111", "#EEE");
        let both = adaptive(PAPER, &dark).expect("they differ in colours only");
        assert_eq!(
            both,
            "<svg xmlns='n' width='40' height='20'><style>@media (prefers-color-scheme:dark){.d0{fill:#000;}.d1{fill:#EEE;}\
             .d2{stroke:#EEE;}}</style><rect class='d0' fill='#FFF'/><text class='d1' font-weight='bold' \
             fill='#111'>A &amp; b</text><path class='d2' stroke='#111' d='M0 0'/></svg>"
        );
    }

    #[test]
    fn drawings_that_differ_in_more_than_colours_are_not_merged() {
        for (from, to) in [("M0 0", "M0 1"), ("A &amp;", "B &amp;"), ("<rect fill=\"#FFF\"/>", ""), ("#FFF", "url(x)}")]
        {
            assert_eq!(adaptive(PAPER, &PAPER.replace(from, to)), None, "{to}");
        }
        let styled = PAPER.replace("<rect ", "<rect style=\"x\" ");
        assert_eq!(adaptive(&styled, &styled.replace("#FFF", "#000")), None);
        assert_eq!(adaptive("no svg", "no svg"), None);
    }

    #[test]
    fn an_address_gives_the_drawing_back_and_needs_no_escape_in_html() {
        let address = address(&compact(PAPER));
        assert!(!address.contains(['"', '<', '>', '&', '#', '\n']), "{address}");
        assert!(decoded(&address).ends_with(&compact(PAPER)));
    }

    #[test]
    fn size_and_title_are_read_from_the_drawing() {
        assert_eq!(facts(PAPER), (Some((40, 20)), Some("A & b".to_owned())));
        assert_eq!(facts("<svg width='9.6' height='2'><text>a</text></svg>"), (Some((10, 2)), None));
    }

    #[test]
    fn dashes_are_one_path_and_the_font_is_named_once() {
        let dash = |points: &str, ink: &str| {
            format!("<polyline fill=\"none\" opacity=\"0.4\" stroke=\"{ink}\" points=\"{points} \"/>\n")
        };
        let drawing = |ink: &str| {
            let lines =
                [dash("0,0 1,0", ink), dash("2,0 3,0", ink), dash("4,0 5,0 6,0", ink), dash("4,0 5,0 6,0", ink)];
            format!(
                "<svg>{}<text font-family=\"F\">\na\n</text><text font-family=\"F\">\nb\n</text></svg>",
                lines.concat()
            )
        };
        assert_eq!(
            compact(&drawing("#111")),
            "<svg font-family='F'><path fill='none' opacity='0.4' stroke='#111' d='M0,0L1,0M2,0L3,0'/>\
             <polyline fill='none' opacity='0.4' stroke='#111' points='4,0 5,0 6,0'/>\
             <polyline fill='none' opacity='0.4' stroke='#111' points='4,0 5,0 6,0'/><text>a</text><text>b</text></svg>"
        );
        let both = adaptive(&drawing("#111"), &drawing("#eee")).expect("one colour differs");
        assert!(both.contains("<path class='d0' "), "{both}");
        let two_fonts = "<svg><text font-family='F'>a</text><text font-family='G'>b</text></svg>";
        assert_eq!(compact(two_fonts), two_fonts);
    }

    #[test]
    fn a_quoted_bracket_closes_no_tag() {
        let found = pieces("<svg a='x > y'><b/></svg>").expect("readable");
        assert_eq!(found.len(), 3);
        assert_eq!(found[0], Piece::Open { name: "svg", attributes: vec![("a", "x > y".into())], empty: false });
    }
}
