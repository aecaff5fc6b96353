//! What a report says about itself, and how it looks.

use super::prose;
use crate::options::OptionError;
use serde::{Deserialize, Serialize};

/// The colours of the page and its figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PageTheme {
    /// What the reader's screen is set to; paper in print.
    #[default]
    Auto,
    /// Dark ink on white.
    Paper,
    /// Light ink on near black.
    Dark,
}

crate::options! {
    /// The options of `report(title, #{ … })`.
    pub struct ReportConfig for "report" {
        /// Who wrote it. [text; any]
        author: Option<String> = None,
        /// When it was made; unless given, the time at which it is saved. [text; any]
        date: Option<String> = None,
        /// What it comes to, in a few sentences of Markdown below the title. [Markdown; any]
        summary: Option<String> = None,
        /// The reader's own setting, or always dark ink on white, or always light ink on black. [; "auto", "paper", "dark"]
        theme: PageTheme = PageTheme::Auto,
        /// A seed to name at the foot of the page; those of runs that are added are named anyway. [seed; 0 or more]
        seed: Option<u64> = None,
        /// The language that it is written in, for hyphenation and for voices that read it aloud. [language tag; "en", "nl", "pt-BR", …]
        language: String = "en".to_owned(),
    }
    ; validate = validate
}

fn validate(config: &ReportConfig) -> Result<(), OptionError> {
    if !is_language(&config.language) {
        let found = format!("\"{}\"", config.language);
        return Err(OptionError::value("language", found, "a language tag such as \"en\" or \"pt-BR\""));
    }
    match config.summary.as_deref().and_then(prose::outside_picture) {
        Some(address) => Err(OptionError {
            key: "summary".to_owned(),
            message: format!("`summary` shows the picture {address}, which would not be inside the page"),
            hint: Some("add pictures with page.figure(…)".to_owned()),
        }),
        None => Ok(()),
    }
}

/// Letters, then letters and digits in groups of at most eight (RFC 5646, without looking the words up).
fn is_language(tag: &str) -> bool {
    let mut groups = tag.split('-');
    let fits = |group: &str| (1..=8).contains(&group.len());
    let first = groups.next().is_some_and(|group| fits(group) && group.chars().all(|c| c.is_ascii_alphabetic()));
    first && groups.all(|group| fits(group) && group.chars().all(|c| c.is_ascii_alphanumeric()))
}
