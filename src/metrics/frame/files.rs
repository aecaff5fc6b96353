//! Frames in files: parquet and comma-separated values, each written whole or not at all.

use std::io::{Cursor, Write};
use std::path::Path;

use polars::prelude::{
    Column, CsvReadOptions, CsvWriter, DataFrame, ParquetReader, ParquetWriter, SerReader, SerWriter,
};

use super::{Frame, value_of};
use crate::metrics::{MetricsError, Value, atomic};

impl Frame {
    /// Writes a parquet file, whole or not at all.
    ///
    /// # Errors
    /// [`MetricsError::Io`] if it cannot be written; a former file then stays whole.
    pub fn write_parquet(&self, path: &Path) -> Result<(), MetricsError> {
        let mut bytes = Vec::new();
        let mut table = self.0.clone();
        ParquetWriter::new(&mut bytes).finish(&mut table).map_err(MetricsError::frame(encode(path)))?;
        save(path, &bytes)
    }

    /// Reads a parquet file.
    ///
    /// # Errors
    /// [`MetricsError::Io`] if it cannot be read, [`MetricsError::Frame`] if it is not parquet.
    pub fn read_parquet(path: &Path) -> Result<Self, MetricsError> {
        let bytes = std::fs::read(path).map_err(MetricsError::io("read", path))?;
        ParquetReader::new(Cursor::new(bytes)).finish().map(Self).map_err(MetricsError::frame(decode(path)))
    }

    /// Writes comma-separated values with a header, whole or not at all; what is neither number, text nor truth value (a
    /// date, a list) is written as it is shown.
    ///
    /// # Errors
    /// [`MetricsError::Io`] if it cannot be written; a former file then stays whole.
    pub fn write_csv(&self, path: &Path) -> Result<(), MetricsError> {
        let mut bytes = Vec::new();
        let mut table = self.plain();
        CsvWriter::new(&mut bytes).finish(&mut table).map_err(MetricsError::frame(encode(path)))?;
        save(path, &bytes)
    }

    /// Reads comma-separated values with a header; the kinds of the columns are told from all rows.
    ///
    /// # Errors
    /// [`MetricsError::Io`] if it cannot be read, [`MetricsError::Frame`] if its rows are not alike.
    pub fn read_csv(path: &Path) -> Result<Self, MetricsError> {
        let bytes = std::fs::read(path).map_err(MetricsError::io("read", path))?;
        let reader = CsvReadOptions::default().with_has_header(true).with_infer_schema_length(None);
        let reader = reader.into_reader_with_file_handle(Cursor::new(bytes));
        reader.finish().map(Self).map_err(MetricsError::frame(decode(path)))
    }

    /// The table with text in place of all that is neither number, text nor truth value.
    fn plain(&self) -> DataFrame {
        let mut table = self.0.clone();
        for column in self.0.columns() {
            let kind = column.dtype();
            if kind.is_primitive_numeric() || kind.is_bool() || kind.is_string() || kind.is_null() {
                continue;
            }
            let shown = |row| match value_of(&column.get(row).ok()?)? {
                Value::Text(text) => Some(text),
                other => other.number().map(|number| number.to_string()),
            };
            let texts: Vec<Option<String>> = (0..column.len()).map(shown).collect();
            // It stands in for a column of its name and length, which cannot fail.
            drop(table.with_column(Column::new(column.name().clone(), texts)));
        }
        table
    }
}

fn encode(path: &Path) -> String {
    format!("encode {}", path.display())
}

fn decode(path: &Path) -> String {
    format!("read {}", path.display())
}

fn save(path: &Path, bytes: &[u8]) -> Result<(), MetricsError> {
    atomic::replace(path, |file| file.write_all(bytes)).map_err(MetricsError::io("write", path))
}
