//! A frame about a frame: what each of its columns comes to.

use polars::prelude::{Column, NamedFrom, QuantileMethod, Series};

use super::query::frame;
use super::{Aggregate, Frame};
use crate::metrics::{MetricsError, Value};

/// The rows, in order.
const STATISTICS: [&str; 9] = ["count", "nulls", "mean", "std", "min", "25%", "50%", "75%", "max"];

impl Frame {
    /// A row for each of count, nulls, mean, std, min, 25%, 50%, 75% and max (named in the column `statistic`), and a column
    /// for each of this frame's. Columns of text hold text: count, nulls, min and max.
    ///
    /// # Errors
    /// [`MetricsError::Frame`] if a column is called `statistic`.
    pub fn describe(&self) -> Result<Self, MetricsError> {
        let mut columns = vec![Column::new("statistic".into(), STATISTICS.to_vec())];
        for name in self.columns() {
            columns.push(match self.number_column(name) {
                Some(column) => numbers(name, &column).into(),
                None => self.texts(name)?.into(),
            });
        }
        frame(STATISTICS.len(), columns, "describe the frame")
    }

    fn texts(&self, name: &str) -> Result<Series, MetricsError> {
        let column = self.0.column(name).map_err(MetricsError::frame("describe"))?;
        let shown = |aggregate| -> Result<Option<String>, MetricsError> {
            if column.dtype().is_nested() {
                return Ok(None);
            }
            Ok(self.aggregate(name, aggregate)?.map(|value| match value {
                Value::Text(text) => text,
                other => other.number().map(|number| number.to_string()).unwrap_or_default(),
            }))
        };
        let nulls = column.null_count();
        let mut texts: Vec<Option<String>> = vec![None; STATISTICS.len()];
        texts[0] = Some((column.len() - nulls).to_string());
        texts[1] = Some(nulls.to_string());
        texts[4] = shown(Aggregate::Min)?;
        texts[8] = shown(Aggregate::Max)?;
        Ok(Series::new(name.into(), texts))
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows stay far below 2^53")]
fn numbers(name: &str, column: &Column) -> Series {
    let series = column.as_materialized_series();
    let quantile = |part| series.quantile_reduce(part, QuantileMethod::Linear).ok()?.value().extract::<f64>();
    let nulls = series.null_count();
    let values: [Option<f64>; STATISTICS.len()] = [
        Some((series.len() - nulls) as f64),
        Some(nulls as f64),
        series.mean(),
        series.std(1),
        series.min::<f64>().ok().flatten(),
        quantile(0.25),
        quantile(0.5),
        quantile(0.75),
        series.max::<f64>().ok().flatten(),
    ];
    Series::new(name.into(), values.to_vec())
}
