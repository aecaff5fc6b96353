//! What a script author reads about frames.

use crate::metrics::{PivotConfig, UnpivotConfig};
use crate::options::Options;
use crate::script::docs::Doc;

/// A frame for examples.
macro_rules! runs {
    ($($rest:literal),* $(,)?) => {
        concat!(
            "let runs = table([\"d_state\", \"lr\", \"bits\"], [[16, 1e-3, 3.1], [64, 1e-3, 2.7], [64, 4e-3, 2.9]]);\n",
            $($rest),*
        )
    };
}

/// An entry without options.
const fn doc(
    of: &'static str,
    name: &'static str,
    signature: &'static str,
    about: &'static str,
    example: &'static str,
) -> Doc {
    Doc { name, of, signature, about, options: None, example }
}

pub(super) const DOCS: &[Doc] = &[
    doc(
        "",
        "read_frame",
        "read_frame(path | run_folder) -> Frame",
        "A table from a .parquet or .csv file, or from the folder of a run (its metrics.jsonl, also while the run goes on). \
         Dates in a file are read as text.",
        "print(read_frame(run_folder).tail(3));",
    ),
    doc(
        "",
        "table",
        "table([name, …], [[value, …], …]) -> Frame",
        "A frame from column names and rows; () is null. `table([#{ … }, …])` takes rows as maps; their columns are sorted \
         by name.",
        "print(table([\"what\", \"bits\"], [[\"uniform\", 8.0], [\"model\", 5.2]]));",
    ),
    doc(
        "",
        "concat",
        "concat([frame, …]) -> Frame",
        "Frames below one another, with every column that one of them has; null where a frame lacks it. Integers beside \
         reals become real.",
        "print(concat([table([\"a\"], [[1]]), table([\"a\", \"b\"], [[2, true]])]));",
    ),
    doc(
        "Frame",
        "height",
        "frame.height -> integer",
        "How many rows there are.",
        "print(table([\"n\"], [[1], [2]]).height);",
    ),
    doc(
        "Frame",
        "width",
        "frame.width -> integer",
        "How many columns there are.",
        "print(table([\"n\"], [[1], [2]]).width);",
    ),
    doc(
        "Frame",
        "columns",
        "frame.columns() -> array of text",
        "The names of the columns.",
        "print(read_frame(run_folder).columns());",
    ),
    doc(
        "Frame",
        "column",
        "frame.column(name) -> array",
        "The values of a column; () where there is none. `frame[\"name\"]` is the same, and so is `frame.name` where no property \
         or method is called so.",
        runs!("print(runs.column(\"bits\"));\nprint(runs[\"bits\"][0]);"),
    ),
    doc(
        "Frame",
        "rows",
        "frame.rows() -> array of map",
        "The rows as maps. `for row in frame { … }` goes through them without making them all at once.",
        runs!("for row in runs { print(`${row.d_state}: ${row.bits}`) }\nprint(runs.rows().len());"),
    ),
    doc(
        "Frame",
        "row",
        "frame.row(i) -> map",
        "One row as a map; the first is 0, and -1 is the last. `frame[i]` is the same.",
        runs!("print(runs.sort(\"bits\").row(0).d_state);\nprint(runs[-1].bits);"),
    ),
    doc(
        "Frame",
        "head",
        "frame.head([n]) -> Frame",
        "The first n rows, or the first 10.",
        "print(read_frame(run_folder).head(2));",
    ),
    doc(
        "Frame",
        "tail",
        "frame.tail([n]) -> Frame",
        "The last n rows, or the last 10.",
        "print(read_frame(run_folder).tail(2));",
    ),
    doc(
        "Frame",
        "slice",
        "frame.slice(from[, count]) -> Frame",
        "The rows from a number on, as many as asked for or all that follow; a number below 0 counts from the end.",
        runs!("print(runs.slice(1));\nprint(runs.slice(-1, 1));"),
    ),
    doc(
        "Frame",
        "filter",
        "frame.filter(condition) -> Frame",
        "The rows for which an SQL condition is true: AND, OR, NOT, = <> < <= > >=, BETWEEN … AND …, IN (…), LIKE 'a%', IS \
         NULL, calculations and functions (see `with_column`). Text stands in single quotes. An aggregate in it is that of \
         the whole column, and with OVER (PARTITION BY …) that of the row's part.",
        runs!(
            "print(runs.filter(\"d_state = 64 AND lr < 1e-2\"));\n",
            "print(runs.filter(\"bits = min(bits) OVER (PARTITION BY d_state)\"));"
        ),
    ),
    doc(
        "Frame",
        "select",
        "frame.select([column | expression, …]) -> Frame",
        "Only these columns, in this order; each is a name or an SQL expression, as in `with_column`. A text is taken as a \
         list with commas; * stands for all columns.",
        runs!(
            "print(runs.select([\"d_state\", \"bits / 8 AS share\"]));\nprint(runs.select(\"d_state, round(bits) AS about\"));"
        ),
    ),
    doc(
        "Frame",
        "with_column",
        "frame.with_column(name, expression | values) -> Frame",
        "The frame with one more column (or one replaced): an SQL expression, an array with a value for each row, or one \
         number for all. SQL has + - * / % and //, CASE WHEN … THEN … ELSE … END, CAST(… AS BIGINT | DOUBLE | VARCHAR | \
         BOOLEAN), abs, round(x, digits) (halves to the even neighbour), floor, ceil, sign, sqrt, cbrt, exp, ln, log2, log10, log1p, log(x, base), \
         power, mod, least, greatest, coalesce, nullif, if, sin, cos, tan, pi(), lower, upper, length, replace, substr, \
         starts_with, ends_with, strpos, concat, ||; the aggregates mean, std, var, min, max, sum, median, count, first, \
         last, quantile_cont(x, 0.9), corr, also with OVER (PARTITION BY … ORDER BY …); and over such parts rank, \
         dense_rank, row_number, lag, lead, first_value, last_value.",
        runs!(
            "print(runs.with_column(\"gap\", \"bits - min(bits)\"));\n",
            "print(runs.with_column(\"name\", [\"a\", \"b\", \"c\"]));"
        ),
    ),
    doc(
        "Frame",
        "drop",
        "frame.drop([name, …]) -> Frame",
        "All columns but these.",
        runs!("print(runs.drop([\"lr\"]).columns());"),
    ),
    doc(
        "Frame",
        "rename",
        "frame.rename(#{ old: \"new\" }) -> Frame",
        "Columns under other names.",
        runs!("print(runs.rename(#{ bits: \"bits per byte\" }).columns());"),
    ),
    doc(
        "Frame",
        "unique",
        "frame.unique([[name, …]]) -> Frame",
        "The first row of each that are alike in these columns, or in all.",
        runs!("print(runs.unique(\"d_state\"));"),
    ),
    doc(
        "Frame",
        "sort",
        "frame.sort(by[, descending]) -> Frame",
        "The rows in the order of a column, an array of them, or an SQL order (`\"d_state DESC, bits\"`); the smallest first, \
         or with `true` the largest; an array of directions has one for each. Equal rows stay as they were, nulls come last.",
        runs!("print(runs.sort(\"bits\", true));\nprint(runs.sort([\"d_state\", \"bits\"], [true, false]));"),
    ),
    doc(
        "Frame",
        "group_by",
        "frame.group_by([column | expression, …]) -> Groups",
        "Gathers the rows that are alike in these columns, for `agg` and `count`.",
        runs!("print(runs.group_by(\"d_state\").agg(#{ bits: \"min\" }));"),
    ),
    doc(
        "Groups",
        "agg",
        "groups.agg(#{ column: aggregate, … }) -> Frame",
        "A row for each group, in the order in which they first appear: \"mean\", \"std\", \"min\", \"max\", \"sum\", \
         \"median\", \"count\" (of values that are not null), \"first\", \"last\", \"ci95\" (half the width of the 95 % \
         interval of the mean by Student's t; null for a single value), an array of them (columns `bits_mean`, …), or an \
         SQL expression. The columns of a map come sorted by name; `agg([\"mean(bits) AS bits\", …])` takes expressions in their order.",
        runs!(
            "print(runs.group_by(\"d_state\").agg(#{ bits: [\"mean\", \"ci95\", \"count\"], gap: \"max(bits) - min(bits)\" }));"
        ),
    ),
    doc(
        "Groups",
        "count",
        "groups.count() -> Frame",
        "How many rows each group has, as the column `count`.",
        runs!("print(runs.group_by([\"d_state\"]).count());"),
    ),
    doc(
        "Frame",
        "join",
        "frame.join(other, on[, how]) -> Frame",
        "The rows of both that agree in a column, an array of columns, or a map of names here to names there. how: \
         \"inner\" (rows with a partner), \"left\" (all of this frame), \"full\" (all of both), \"semi\" (those of this \
         frame with a partner, without its columns), \"anti\" (those without). A column that both have is called `…_right` \
         the second time.",
        runs!("print(runs.join(table([\"d_state\", \"size\"], [[64, \"large\"]]), \"d_state\", \"left\"));"),
    ),
    doc(
        "Frame",
        "vstack",
        "frame.vstack(other) -> Frame",
        "The rows of this frame, then those of the other; as `concat([frame, other])`.",
        runs!("print(runs.vstack(table([\"d_state\", \"note\"], [[128, \"failed\"]])));"),
    ),
    Doc {
        name: "pivot",
        of: "Frame",
        signature: "frame.pivot(#{ rows, columns, values[, aggregate] }) -> Frame",
        about: "A wide table: a row for each value of one column, a column for each of another, both as they first appear; \
                null where there is no value.",
        options: Some(PivotConfig::fields),
        example: runs!("print(runs.pivot(#{ rows: \"d_state\", columns: \"lr\", values: \"bits\" }));"),
    },
    Doc {
        name: "unpivot",
        of: "Frame",
        signature: "frame.unpivot(#{ keep, … }) -> Frame",
        about: "A long table, the opposite of `pivot`: a row for each value of the columns that are not kept, beside the \
                name of its column.",
        options: Some(UnpivotConfig::fields),
        example: runs!("print(runs.unpivot(#{ keep: \"d_state\" }));"),
    },
    Doc {
        name: "melt",
        of: "Frame",
        signature: "frame.melt(#{ keep, … }) -> Frame",
        about: "Another name of `unpivot`.",
        options: Some(UnpivotConfig::fields),
        example: runs!("print(runs.melt(#{ keep: [\"d_state\"], values: [\"bits\"], value: \"bits\" }));"),
    },
    doc(
        "Frame",
        "describe",
        "frame.describe() -> Frame",
        "What each column comes to: count, nulls, mean, std, min, quartiles, max.",
        "print(read_frame(run_folder).describe());",
    ),
    doc(
        "Frame",
        "mean",
        "frame.mean(column) -> real",
        "The mean of a column; nulls are left out. () where there is none.",
        runs!("print(runs.mean(\"bits\"));"),
    ),
    doc(
        "Frame",
        "std",
        "frame.std(column) -> real",
        "The standard deviation with one degree of freedom less; () for a single value.",
        runs!("print(runs.std(\"bits\"));"),
    ),
    doc(
        "Frame",
        "ci95",
        "frame.ci95(column) -> real",
        "Half the width of the 95 % confidence interval of the mean, by Student's t; () for a single value.",
        runs!("print(`${runs.mean(\"bits\")} ± ${runs.ci95(\"bits\")}`);"),
    ),
    doc("Frame", "min", "frame.min(column) -> real", "The least value.", runs!("print(runs.min(\"bits\"));")),
    doc("Frame", "max", "frame.max(column) -> real", "The largest value.", runs!("print(runs.max(\"bits\"));")),
    doc("Frame", "sum", "frame.sum(column) -> real", "The sum.", runs!("print(runs.sum(\"bits\"));")),
    doc("Frame", "median", "frame.median(column) -> real", "The median.", runs!("print(runs.median(\"bits\"));")),
    doc(
        "Frame",
        "count",
        "frame.count(column) -> integer",
        "How many values are not null.",
        runs!("print(runs.count(\"bits\"));"),
    ),
    doc(
        "Frame",
        "first",
        "frame.first(column) -> real",
        "The first value, null or not.",
        runs!("print(runs.first(\"bits\"));"),
    ),
    doc(
        "Frame",
        "last",
        "frame.last(column) -> real",
        "The last value, null or not.",
        runs!("print(runs.last(\"bits\"));"),
    ),
    doc(
        "Frame",
        "sql",
        "frame.sql(query[, #{ name: frame, … }]) -> Frame",
        "The answer to an SQL query: SELECT … FROM self [JOIN name ON …] [WHERE …] [GROUP BY … [HAVING …]] [ORDER BY …] \
         [LIMIT …], also with WITH, UNION and subqueries after IN. The frame is the table `self`; others come by name. \
         Without ORDER BY the order of groups is open.",
        runs!(
            "print(runs.sql(\"SELECT d_state, min(bits) AS best FROM self GROUP BY d_state ORDER BY best\"));\n",
            "print(runs.sql(\"SELECT self.bits, s.size FROM self JOIN s ON self.d_state = s.d_state\", \
             #{ s: table([\"d_state\", \"size\"], [[64, \"large\"]]) }));"
        ),
    ),
    doc(
        "Frame",
        "to_csv",
        "frame.to_csv(path) -> text",
        "Writes comma-separated values, making the folder where needed. Returns the path.",
        runs!("runs.to_csv(out + \"/runs.csv\");"),
    ),
    doc(
        "Frame",
        "to_parquet",
        "frame.to_parquet(path) -> text",
        "Writes a parquet file, making its folder where needed. Returns the path.",
        runs!("runs.to_parquet(out + \"/runs.parquet\");"),
    ),
    doc(
        "Frame",
        "to_markdown",
        "frame.to_markdown([path]) -> text",
        "The frame as a Markdown table; with a path it is written there, and the path returned.",
        runs!("print(runs.to_markdown());\nruns.to_markdown(out + \"/runs.md\");"),
    ),
    doc(
        "Frame",
        "save",
        "frame.save(path) -> text",
        "Writes a .parquet, .csv or .md file, making its folder where needed. Returns the path.",
        "table([\"n\"], [[1], [2]]).save(out + \"/n.parquet\");",
    ),
];
