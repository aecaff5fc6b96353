//! Frames as Markdown.

use std::path::Path;

use super::Frame;
use crate::metrics::{MetricsError, Value, atomic};

impl Frame {
    /// The table in Markdown, numbers to the right, with at most five digits after the point.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let names = self.columns();
        let cells: Vec<Vec<String>> = (0..self.height())
            .map(|row| {
                names.iter().map(|name| self.get(name, row).map_or_else(String::new, |cell| show(&cell))).collect()
            })
            .collect();
        let rule = |name: &&str| if self.is_numeric(name) { "---:" } else { "---" };
        let mut lines = vec![markdown_line(&names), markdown_line(&names.iter().map(rule).collect::<Vec<_>>())];
        lines.extend(cells.iter().map(|row| markdown_line(row)));
        lines.join("\n") + "\n"
    }

    /// Writes the table in Markdown, whole or not at all.
    ///
    /// # Errors
    /// [`MetricsError::Io`] if it cannot be written; a former file then stays whole.
    pub fn write_markdown(&self, path: &Path) -> Result<(), MetricsError> {
        use std::io::Write;
        let text = self.to_markdown();
        atomic::replace(path, |file| file.write_all(text.as_bytes())).map_err(MetricsError::io("write", path))
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::Int(value) => value.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Text(value) => value.replace('|', "\\|").replace('\n', " "),
        Value::Real(value) if *value != 0.0 && !(1e-3..1e7).contains(&value.abs()) && value.is_finite() => {
            format!("{value:.4e}")
        }
        Value::Real(value) if value.is_finite() => {
            let digits = format!("{value:.5}");
            digits.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        Value::Real(value) => value.to_string(),
    }
}

fn markdown_line<T: AsRef<str>>(cells: &[T]) -> String {
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    format!("| {} |", cells.join(" | "))
}
