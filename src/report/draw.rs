//! The figures of a report, drawn for the page and for the folder beside the Markdown.

use super::adaptive;
use super::config::PageTheme;
use super::document::{Part, Report};
use super::error::ReportError;
use crate::interrupt::Interrupt;
use crate::plot::{Figure, PlotError, Theme};
use rayon::prelude::*;

/// Figures drawn at once: a PNG of the largest size takes 280 MB while it is drawn.
const AT_ONCE: usize = 8;

/// What is wanted of each figure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// For the page: SVG in the page's themes.
    pub(super) page: bool,
    /// For the folder: an SVG and a PNG.
    pub(super) files: bool,
}

/// A figure, drawn.
#[derive(Debug, Default)]
pub(super) struct Picture {
    pub(super) title: Option<String>,
    /// In pixels.
    pub(super) size: Option<(u32, u32)>,
    /// For the page: the drawing in its theme, or in both; and a second drawing where one cannot hold both.
    pub(super) page: String,
    pub(super) dark: Option<String>,
    /// For the folder.
    pub(super) svg: String,
    pub(super) png: Vec<u8>,
}

/// Every figure of the report, in order.
pub(super) fn pictures(report: &Report, wanted: Wanted, interrupt: &Interrupt) -> Result<Vec<Picture>, ReportError> {
    let figures: Vec<(&Figure, Option<&str>)> = report
        .parts
        .iter()
        .filter_map(|part| match part {
            Part::Figure { figure, caption } => Some((figure, caption.as_deref())),
            _ => None,
        })
        .collect();
    let theme = report.config.theme;
    let mut drawn = Vec::with_capacity(figures.len());
    for (batch, figures) in figures.chunks(AT_ONCE).enumerate() {
        let one = |(at, (figure, caption)): (usize, &(&Figure, Option<&str>))| {
            if interrupt.is_set() {
                return Err(ReportError::Interrupted);
            }
            draw(figure, theme, wanted).map_err(|source| {
                let number = batch * AT_ONCE + at + 1;
                let named = caption.map_or_else(String::new, |caption| format!(" (“{caption}”)"));
                ReportError::Figure { figure: format!("figure {number}{named}"), source }
            })
        };
        drawn.extend(figures.par_iter().enumerate().map(one).collect::<Result<Vec<_>, _>>()?);
    }
    Ok(drawn)
}

fn draw(figure: &Figure, theme: PageTheme, wanted: Wanted) -> Result<Picture, PlotError> {
    let first = figure.clone().theme(if theme == PageTheme::Dark { Theme::Dark } else { Theme::Paper });
    let svg = first.svg()?;
    let (size, title) = adaptive::facts(&svg);
    let mut picture = Picture { title, size, ..Picture::default() };
    if wanted.page && theme == PageTheme::Auto {
        let dark = figure.clone().theme(Theme::Dark).svg()?;
        match adaptive::adaptive(&svg, &dark) {
            Some(both) => picture.page = both,
            None => (picture.page, picture.dark) = (adaptive::compact(&svg), Some(adaptive::compact(&dark))),
        }
    } else if wanted.page {
        picture.page = adaptive::compact(&svg);
    }
    if wanted.files {
        (picture.png, picture.svg) = (first.png()?, svg);
    }
    Ok(picture)
}
