//! Figures and players.

use super::super::adaptive;
use super::super::draw::Picture;
use super::super::error::ReportError;
use super::super::sound::Clip;
use super::caption;
use maud::{Markup, html};

/// A figure, wider than the text where the screen is.
pub(super) fn figure(picture: &Picture, text: Option<&str>, name: Option<&str>) -> Markup {
    let title = picture.title.as_deref();
    let alternative = title.or(text).unwrap_or("Figure");
    let (width, height) = picture.size.unzip();
    html! {
        figure.picture {
            div.scroll {
                picture {
                    @if let Some(dark) = &picture.dark {
                        // An address in a list ends at a blank: base64 has none.
                        source media="(prefers-color-scheme: dark)"
                            srcset=(adaptive::base64("image/svg+xml", dark.as_bytes()));
                    }
                    img src=(adaptive::address(&picture.page)) alt=(alternative) width=[width] height=[height] decoding="async";
                }
            }
            (caption(name, text))
        }
    }
}

/// Players side by side, their strips on one scale so that loudness compares.
pub(super) fn sounds(clips: &[Clip], text: Option<&str>, name: Option<&str>) -> Result<Markup, ReportError> {
    let loudest = clips.iter().map(Clip::peak).fold(0.0, f32::max);
    let players = clips.iter().map(|clip| player(clip, loudest)).collect::<Result<Vec<_>, _>>()?;
    // Three in the column of the text, four where it is wide; five and six go in two rows of three.
    let across = match clips.len() {
        few @ 1..=4 => few,
        5 | 6 | 9 => 3,
        _ => 4,
    };
    Ok(html! {
        figure.sounds.many[across > 3] {
            div.players style=(format!("--n: {across}")) { @for player in players { (player) } }
            (caption(name, text))
        }
    })
}

fn player(clip: &Clip, loudest: f32) -> Result<Markup, ReportError> {
    let address = adaptive::base64("audio/wav", &clip.wav()?);
    let label = if clip.label().is_empty() { "sound" } else { clip.label() };
    Ok(html! {
        div.player {
            p.label { (label) }
            svg viewBox=(Clip::view_box()) preserveAspectRatio="none" aria-hidden="true" {
                path d=(clip.outline(loudest)) fill="currentColor" {}
            }
            audio controls preload="metadata" src=(address) aria-label=(label) {}
            p.facts { (clip.facts()) }
        }
    })
}
