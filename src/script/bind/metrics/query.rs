//! Questions: conditions, expressions, orders, aggregates, whole queries. Their language is SQL.

use std::rc::Rc;

use rhai::{Dynamic, Engine, Map};

use super::values::{cell, dynamic};
use super::{FrameValue, borrowed, names, patiently};
use crate::metrics::{Aggregate, Aggregation, Groups, Value};
use crate::script::bind::{Outcome, texts};
use crate::script::context::Context;
use crate::script::convert::a_type;
use crate::script::fault::Fault;

pub(super) fn register(engine: &mut Engine, context: &Rc<Context>) {
    let shared = Rc::clone(context);
    engine.register_fn("filter", move |frame: FrameValue, condition: &str| -> Outcome<FrameValue> {
        let condition = condition.to_owned();
        patiently(&shared, move || frame.filter(&condition))
    });
    let shared = Rc::clone(context);
    engine.register_fn("select", move |frame: FrameValue, items: Dynamic| -> Outcome<FrameValue> {
        let items = names(&items, "what to select")?;
        patiently(&shared, move || frame.select(&borrowed(&items)))
    });
    let shared = Rc::clone(context);
    engine.register_fn("with_column", move |frame: FrameValue, name: &str, what: Dynamic| -> Outcome<FrameValue> {
        with_column(&shared, frame, name.to_owned(), &what)
    });
    let shared = Rc::clone(context);
    engine.register_fn("sort", move |frame: FrameValue, by: Dynamic| -> Outcome<FrameValue> {
        sort(&shared, frame, &by, &Dynamic::FALSE)
    });
    let shared = Rc::clone(context);
    engine.register_fn("sort", move |frame: FrameValue, by: Dynamic, descending: Dynamic| -> Outcome<FrameValue> {
        sort(&shared, frame, &by, &descending)
    });
    let shared = Rc::clone(context);
    engine.register_fn("sql", move |frame: FrameValue, query: &str| -> Outcome<FrameValue> {
        sql(&shared, frame, query.to_owned(), &Map::new())
    });
    let shared = Rc::clone(context);
    engine.register_fn("sql", move |frame: FrameValue, query: &str, tables: Map| -> Outcome<FrameValue> {
        sql(&shared, frame, query.to_owned(), &tables)
    });
    aggregates(engine, context);
}

fn aggregates(engine: &mut Engine, context: &Rc<Context>) {
    engine.register_fn("group_by", |frame: &mut FrameValue, keys: Dynamic| -> Outcome<Groups> {
        let keys = names(&keys, "what to group by")?;
        Ok(frame.group_by(&borrowed(&keys)).map_err(Fault::from)?)
    });
    let shared = Rc::clone(context);
    engine.register_fn("agg", move |groups: Groups, wanted: Dynamic| -> Outcome<FrameValue> {
        let wanted = aggregations(&groups, &wanted)?;
        patiently(&shared, move || groups.agg(&wanted))
    });
    let shared = Rc::clone(context);
    engine.register_fn("count", move |groups: Groups| -> Outcome<FrameValue> {
        patiently(&shared, move || groups.agg(&[Aggregation::sql("count", "count(*)")]))
    });
    for aggregate in Aggregate::ALL {
        let shared = Rc::clone(context);
        engine.register_fn(aggregate.name(), move |frame: FrameValue, column: &str| -> Outcome<Dynamic> {
            let column = column.to_owned();
            patiently(&shared, move || frame.aggregate(&column, aggregate)).map(dynamic)
        });
    }
    let shared = Rc::clone(context);
    engine.register_fn("describe", move |frame: FrameValue| -> Outcome<FrameValue> {
        patiently(&shared, move || frame.describe())
    });
}

/// An SQL expression, an array of values, or one value for every row.
fn with_column(context: &Context, frame: FrameValue, name: String, what: &Dynamic) -> Outcome<FrameValue> {
    if let Ok(text) = what.as_immutable_string_ref() {
        let text = text.to_string();
        return patiently(context, move || frame.with_column(&name, &text));
    }
    let wrong = |found: String| {
        Fault::new(format!("a column cannot be made from {found}"))
            .with_hint("an SQL expression, or an array of numbers, texts or bools")
    };
    let values: Vec<Option<Value>> = match what.as_array_ref() {
        Ok(array) => {
            array.iter().map(cell).collect::<Result<_, _>>().map_err(|found| wrong(format!("an array with {found}")))?
        }
        Err(_) => vec![cell(what).map_err(wrong)?; frame.height()],
    };
    Ok(frame.with_values(&name, &values).map_err(Fault::from)?)
}

fn sort(context: &Context, frame: FrameValue, by: &Dynamic, descending: &Dynamic) -> Outcome<FrameValue> {
    let by = names(by, "what to sort by")?;
    let down = match (descending.as_bool(), descending.as_array_ref()) {
        (Ok(down), _) => vec![down; by.len()],
        (_, Ok(array)) => array.iter().map(Dynamic::as_bool).collect::<Result<_, _>>().map_err(|found| {
            Fault::new(format!("a direction is {}, but must be true (descending) or false", a_type(found)))
        })?,
        _ => {
            return Err(Fault::new(format!(
                "the direction is {}, but must be true (descending), false, or an array of them",
                a_type(descending.type_name())
            ))
            .into());
        }
    };
    if down.len() != by.len() {
        return Err(Fault::new(format!("{} columns to sort by, but {} directions", by.len(), down.len()))
            .with_hint("one direction for each column, or one for all")
            .into());
    }
    patiently(context, move || frame.sort_by(&borrowed(&by).into_iter().zip(down).collect::<Vec<_>>()))
}

fn sql(context: &Context, frame: FrameValue, query: String, tables: &Map) -> Outcome<FrameValue> {
    let table = |(name, value): (_, &Dynamic)| -> Result<(String, FrameValue), Fault> {
        let name = format!("{name}");
        match value.clone().try_cast::<FrameValue>() {
            Some(frame) => Ok((name, frame)),
            None => {
                Err(Fault::new(format!("the table `{name}` is {}, but must be a Frame", a_type(value.type_name()))))
            }
        }
    };
    let tables: Vec<(String, FrameValue)> = tables.iter().map(table).collect::<Result<_, Fault>>()?;
    patiently(context, move || {
        let tables: Vec<(&str, &FrameValue)> = tables.iter().map(|(name, frame)| (name.as_str(), frame)).collect();
        frame.sql(&query, &tables)
    })
}

/// What `agg` takes: a map of aggregates by column, or SQL expressions with names.
fn aggregations(groups: &Groups, wanted: &Dynamic) -> Result<Vec<Aggregation>, Fault> {
    let Ok(map) = wanted.as_map_ref() else {
        if wanted.as_immutable_string_ref().is_err() && wanted.as_array_ref().is_err() {
            let found = a_type(wanted.type_name());
            return Err(Fault::new(format!("aggregates are {found}, but must be a map")).with_hint(
                "agg(#{ val_bpb: \"mean\" }), or an array of SQL expressions: agg([\"mean(val_bpb) AS bits\"])",
            ));
        }
        let items = names(wanted, "the list of aggregates")?;
        return Ok(groups.aggregations(&borrowed(&items))?);
    };
    let mut all = Vec::new();
    for (name, what) in map.iter() {
        // The caret goes to the entry at fault.
        let parse = |text: &str| {
            let parsed = Aggregation::parse(name, text).map_err(Fault::from);
            parsed.map_err(|fault| Fault { option: Some(name.to_string()), ..fault })
        };
        if let Ok(text) = what.as_immutable_string_ref() {
            all.push(parse(&text)?);
        } else if let Ok(array) = what.as_array_ref() {
            for text in texts(&array, &format!("the list of aggregates of `{name}`"))? {
                let one = parse(&text)?;
                all.push(one.named(format!("{name}_{}", text.trim())));
            }
        } else {
            return Err(Fault::new(format!(
                "the aggregate of `{name}` is {}, but must be a text",
                a_type(what.type_name())
            ))
            .with_hint("an aggregate's name such as \"mean\", an array of them, or an SQL expression"));
        }
    }
    Ok(all)
}
