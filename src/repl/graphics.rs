//! How a figure reaches a terminal: as a picture where the terminal has a way for that, else drawn in characters.
//!
//! No terminal is asked: one that does not answer would hang the prompt. The environment tells, and `WASABI_GRAPHICS` or
//! `:set graphics` overrules it.

use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::plot::{Figure, Ink, PlotError};

/// A way to draw a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Graphics {
    /// What the environment says the terminal can.
    #[default]
    Auto,
    /// Kitty's graphics protocol: kitty, Ghostty, Konsole.
    Kitty,
    /// iTerm2's inline images: iTerm2, WezTerm, mintty, VS Code.
    Iterm,
    /// DEC's sixels: foot, mlterm, xterm with `-ti vt340`.
    Sixel,
    /// Characters: braille for lines, half blocks for colours.
    Blocks,
    /// Not at all; figures are saved and their path is told.
    Off,
}

const NAMES: &[(&str, Graphics)] = &[
    ("auto", Graphics::Auto),
    ("kitty", Graphics::Kitty),
    ("iterm", Graphics::Iterm),
    ("sixel", Graphics::Sixel),
    ("blocks", Graphics::Blocks),
    ("off", Graphics::Off),
];

impl FromStr for Graphics {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        NAMES.iter().find(|(name, _)| *name == text).map(|(_, graphics)| *graphics).ok_or(())
    }
}

impl fmt::Display for Graphics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES.iter().find(|(_, graphics)| graphics == self).map_or("auto", |(name, _)| name))
    }
}

impl Graphics {
    /// The way that `asked` comes to under an environment of `variable`s.
    pub(super) fn resolve(self, variable: impl Fn(&str) -> Option<String>) -> Self {
        if self != Self::Auto {
            return self;
        }
        let is = |name: &str, words: &[&str]| {
            variable(name).is_some_and(|value| words.iter().any(|word| value.contains(word)))
        };
        if let Some(named) = variable("WASABI_GRAPHICS").and_then(|text| text.parse().ok()).filter(|g| *g != Self::Auto)
        {
            return named;
        }
        // Multiplexers pass no pictures on unless told to.
        if variable("TMUX").is_some() || is("TERM", &["screen", "tmux"]) {
            Self::Blocks
        } else if is("TERM", &["kitty", "ghostty"])
            || is("TERM_PROGRAM", &["ghostty"])
            || variable("KONSOLE_VERSION").is_some()
        {
            Self::Kitty
        } else if is("TERM_PROGRAM", &["iTerm", "WezTerm", "mintty", "vscode"]) || is("LC_TERMINAL", &["iTerm2"]) {
            Self::Iterm
        } else if is("TERM", &["foot", "mlterm", "sixel"]) {
            Self::Sixel
        } else {
            Self::Blocks
        }
    }

    /// The escape codes and characters that draw `figure`, `columns` wide; None where nothing is drawn.
    ///
    /// # Errors
    /// What the figure refuses.
    pub(super) fn draw(self, figure: &Figure, columns: usize, ink: Ink) -> Result<Option<String>, PlotError> {
        Ok(match self {
            Self::Off => None,
            Self::Kitty => Some(kitty(&figure.png_at(PIXELS)?)),
            Self::Iterm => Some(iterm(&figure.png_at(PIXELS)?)),
            Self::Sixel => {
                let (rgb, width, height) = figure.rgb(PIXELS)?;
                sixel(&rgb, width, height)
            }
            Self::Auto | Self::Blocks => Some(figure.text(columns.clamp(NARROWEST, WIDEST), ink)?),
        })
    }
}

/// Width of a picture in a terminal's pixels: about 100 columns.
const PIXELS: u32 = 920;

/// The fewest columns that axes and labels fit into.
const NARROWEST: usize = 44;

/// The most columns that characters draw in: wider figures do not say more.
const WIDEST: usize = 110;

/// Kitty's protocol: PNG (`f=100`), shown at once (`a=T`), in pieces of at most 4096 bytes of base64.
fn kitty(png: &[u8]) -> String {
    const PIECE: usize = 4096;
    let data = STANDARD.encode(png);
    let mut codes = String::with_capacity(data.len() + data.len() / PIECE * 16 + 32);
    let pieces = data.len().div_ceil(PIECE);
    for (at, piece) in data.as_bytes().chunks(PIECE).enumerate() {
        let head = if at == 0 { "f=100,a=T,q=2," } else { "" };
        let more = u8::from(at + 1 < pieces);
        let _ = write!(codes, "\u{1b}_G{head}m={more};{}\u{1b}\\", String::from_utf8_lossy(piece));
    }
    codes
}

/// iTerm2's protocol: the file, inline.
fn iterm(png: &[u8]) -> String {
    format!("\u{1b}]1337;File=inline=1;size={};preserveAspectRatio=1:{}\u{7}", png.len(), STANDARD.encode(png))
}

fn sixel(rgb: &[u8], width: u32, height: u32) -> Option<String> {
    let rgba: Vec<u8> = rgb.chunks_exact(3).flat_map(|dot| [dot[0], dot[1], dot[2], u8::MAX]).collect();
    let image =
        icy_sixel::SixelImage::try_from_rgba(rgba, usize::try_from(width).ok()?, usize::try_from(height).ok()?).ok()?;
    image.encode().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Graphics {
        Graphics::Auto
            .resolve(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_environment_tells_what_a_terminal_can() {
        assert_eq!(found(&[("TERM", "xterm-kitty")]), Graphics::Kitty);
        assert_eq!(found(&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "iTerm.app")]), Graphics::Iterm);
        assert_eq!(found(&[("TERM", "foot")]), Graphics::Sixel);
        assert_eq!(found(&[("TERM", "xterm-256color")]), Graphics::Blocks);
        assert_eq!(found(&[("TERM", "xterm-kitty"), ("TMUX", "1")]), Graphics::Blocks, "a multiplexer in between");
        assert_eq!(found(&[("TERM", "xterm-kitty"), ("WASABI_GRAPHICS", "off")]), Graphics::Off);
        assert_eq!(Graphics::Sixel.resolve(|_| None), Graphics::Sixel, "what was asked for");
    }

    #[test]
    fn a_picture_goes_to_kitty_in_pieces_that_it_takes() {
        let codes = kitty(&[7; 10_000]);
        let pieces: Vec<&str> = codes.split("\u{1b}\\").filter(|piece| !piece.is_empty()).collect();
        assert_eq!(pieces.len(), 4);
        assert!(pieces[0].starts_with("\u{1b}_Gf=100,a=T,q=2,m=1;") && pieces[3].starts_with("\u{1b}_Gm=0;"));
        let data: String = pieces.iter().filter_map(|piece| Some(piece.split_once(';')?.1)).collect();
        assert_eq!(STANDARD.decode(data).expect("base64"), [7; 10_000]);
    }

    #[test]
    fn sixels_are_made_of_a_picture() {
        let codes = sixel(&[200; 3 * 12 * 6], 12, 6).expect("encoded");
        assert!(codes.starts_with("\u{1b}P") && codes.ends_with("\u{1b}\\"), "{codes:?}");
    }
}
//TEMP
trait At {
    fn png_at(&self, w: u32) -> Result<Vec<u8>, PlotError>;
    fn rgb(&self, w: u32) -> Result<(Vec<u8>, u32, u32), PlotError>;
}
impl At for Figure {
    fn png_at(&self, _w: u32) -> Result<Vec<u8>, PlotError> {
        self.png()
    }
    fn rgb(&self, _w: u32) -> Result<(Vec<u8>, u32, u32), PlotError> {
        Ok((vec![0; 3 * 100], 10, 10))
    }
}
