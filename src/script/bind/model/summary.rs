//! A model line by line, as a frame and as the table that the prompt shows.

use std::rc::Rc;

use rhai::{Dynamic, Engine};

use super::super::Outcome;
use super::text::{grouped, runs};
use super::{ModelValue, USUAL_LEVELS};
use crate::metrics::{Frame, Row};
use crate::model::{Group, Line, Summary};
use crate::script::context::Context;
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;
use crate::script::table::show_table;

const DOCS: &[Doc] = &[
    Doc {
        name: "summary",
        of: "Model",
        signature: "model.summary() -> Frame",
        about: "A row for everything that runs, in that order: the embedding, blocks and pools, the final norm, the head. \
                `index` numbers the blocks, for drop_layers and kernel. `shape` is channels × positions, where L is the \
                length of the input. `group` names the optimiser's groups of its parameters (see groups). \
                `macs_per_sample` is multiply-adds for each sample put out, stepped as a recurrence: for H channels and \
                N = d_state, S4 takes (12 + 8·rank)·H·N/2 + H + 2H² and S4D 8·H·N/2 + H + 2H², ff 2·expand·H², an LSTM \
                4h(inputs + h) + 3h a layer and h·H for the map back, a pool expand·H² each way, the head d_model · \
                levels; each divided by the tier's rate. `receptive_field` is how many input samples an output of that \
                row draws on: for S4 its effective memory, the lag beyond which its kernel holds less than a thousandth \
                of its energy (the longest of the four channels with the smallest dt, up to 131072 positions); none for \
                an LSTM, whose memory its input decides. Without training, initial weights are looked at.",
        options: None,
        example: "print(sashimi(#{ d_model: 16, n_layers: 1 }).summary());",
    },
    Doc {
        name: "groups",
        of: "Model",
        signature: "model.groups() -> Frame",
        about: "The optimiser's groups: how many parameters each has, and which options of train are its learning rate and \
                its weight decay.",
        options: None,
        example: "print(sashimi(#{ d_model: 16, n_layers: 1 }).groups());",
    },
    Doc {
        name: "macs_per_sample",
        of: "Model",
        signature: "model.macs_per_sample -> real",
        about: "Multiply-adds for each sample when it is stepped as a recurrence, by the formulas of summary(); () for a \
                model that looks ahead, which cannot be stepped.",
        options: None,
        example: "print(sashimi(#{ n_layers: 2 }).macs_per_sample);",
    },
    Doc {
        name: "receptive_field",
        of: "Model",
        signature: "model.receptive_field -> integer",
        about: "How far back an output looks, in samples: the rows of summary() one after the other, an upper bound of what \
                has any effect to speak of. () with an LSTM, whose memory its input decides.",
        options: None,
        example: "print(sashimi(#{ d_model: 16, n_layers: 1 }).receptive_field);",
    },
];

/// The columns of [`frame`].
const COLUMNS: [&str; 10] =
    ["index", "name", "block", "tier", "shape", "d_state", "parameters", "group", "macs_per_sample", "receptive_field"];

/// The columns of [`folded`].
const FOLDED: [&str; 7] = ["index", "block", "shape", "d_state", "parameters", "macs/sample", "reach"];

pub(super) fn register(engine: &mut Engine, docs: &mut Docs, context: &Rc<Context>) {
    docs.add(DOCS);
    let shared = Rc::clone(context);
    engine.register_fn("summary", move |model: &mut ModelValue| -> Outcome<Frame> {
        shared.finish(model.summary(&shared).and_then(|summary| frame(&summary)))
    });
    let shared = Rc::clone(context);
    engine.register_fn("to_debug", move |model: &mut ModelValue| -> Outcome<String> {
        shared.finish(model.show(&shared))
    });
    let shared = Rc::clone(context);
    engine.register_get("receptive_field", move |model: &mut ModelValue| -> Outcome<Dynamic> {
        let summary = shared.finish(model.summary(&shared))?;
        Ok(summary.receptive_field().map_or(Dynamic::UNIT, Dynamic::from))
    });
    engine
        .register_fn("groups", |model: &mut ModelValue| -> Outcome<Frame> { Ok(groups(&model.counts()?)?) })
        .register_get("macs_per_sample", |model: &mut ModelValue| -> Outcome<Dynamic> {
            Ok(model.counts()?.macs_per_sample().map_or(Dynamic::UNIT, Dynamic::from))
        });
}

impl ModelValue {
    fn summary(&self, context: &Context) -> Result<Summary, Fault> {
        Ok(match &self.trained {
            Some(trained) => Summary::measured(&trained.model, &context.interrupt)?,
            None => Summary::measured_spec(&self.spec, USUAL_LEVELS, &context.interrupt)?,
        })
    }

    /// What the prompt shows: the heading, a table, and what it comes to.
    fn show(&self, context: &Context) -> Result<String, Fault> {
        let summary = self.summary(context)?;
        let table = show_table(&folded(&summary)?, context.host.width());
        let mut text = format!("{}\n{table}", self.heading(summary.parameters()));
        if let Some(macs) = summary.macs_per_sample() {
            text.push_str(&format!("\n{} multiply-adds a sample", grouped(whole(macs))));
            if let Some(samples) = summary.receptive_field() {
                let seconds = samples as f64 / f64::from(self.sound().sample_rate);
                let samples = grouped(usize::try_from(samples).unwrap_or(usize::MAX));
                text.push_str(&format!(", looks back at most {samples} samples ({seconds:.2} s)"));
            }
        }
        Ok(text)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "multiply-adds are positive and far below 2^53"
)]
fn whole(number: f64) -> usize {
    number.round() as usize
}

fn frame(summary: &Summary) -> Result<Frame, Fault> {
    let row = |line: &Line| {
        Row::new()
            .with_some("index", line.index)
            .with("name", line.name.as_str())
            .with("block", line.block)
            .with("tier", line.tier)
            .with("shape", line.shape.as_str())
            .with_some("d_state", line.d_state)
            .with("parameters", line.parameters)
            .with("group", group_names(line))
            .with_some("macs_per_sample", line.macs_per_sample)
            .with_some("receptive_field", line.receptive_field)
    };
    Ok(Frame::from_rows_under(&COLUMNS, &summary.lines.iter().map(row).collect::<Vec<_>>())?)
}

fn group_names(line: &Line) -> String {
    line.groups.iter().map(|(group, _)| group.name()).collect::<Vec<_>>().join(", ")
}

fn groups(summary: &Summary) -> Result<Frame, Fault> {
    let row = |group: Group| {
        let (rate, decay) = match group {
            Group::Dense | Group::Kernel => ("lr", "weight_decay"),
            Group::NoDecay => ("lr", "0"),
            Group::Ssm => ("ssm_lr", "0"),
        };
        let own = summary.lines.iter().flat_map(|line| &line.groups).filter(|(of, _)| *of == group);
        let parameters: usize = own.map(|(_, count)| count).sum();
        Row::new()
            .with("group", group.name())
            .with("parameters", parameters)
            .with("learning_rate", rate)
            .with("weight_decay", decay)
    };
    let rows = [Group::Dense, Group::Kernel, Group::NoDecay, Group::Ssm].map(row);
    Ok(Frame::from_rows(&rows)?)
}

/// The summary for looking at, within 80 columns: what repeats is shown once, with how often, and official names not at all.
fn folded(summary: &Summary) -> Result<Frame, Fault> {
    let alike = |one: &Line, other: &Line| {
        let of = |line: &Line| (line.block, line.tier, line.shape.clone(), line.d_state, line.parameters);
        one.index.is_some() && other.index.is_some() && of(one) == of(other)
    };
    let mut rows = Vec::new();
    for run in runs(&summary.lines, alike) {
        for at in 0..run.period {
            let lines = summary.lines[run.start + at..].iter().step_by(run.period).take(run.times);
            rows.push(folded_row(&lines.collect::<Vec<_>>()));
        }
    }
    let has_states = summary.lines.iter().any(|line| line.d_state.is_some());
    let names: Vec<&str> = FOLDED.into_iter().filter(|name| has_states || *name != "d_state").collect();
    Ok(Frame::from_rows_under(&names, &rows)?)
}

/// One row for `lines`, which are alike but for their receptive fields: the largest is shown.
fn folded_row(lines: &[&Line]) -> Row {
    let (first, last) = (lines[0], lines[lines.len() - 1]);
    let index = |line: &Line| line.index.map_or_else(String::new, |index| index.to_string());
    let indices = match lines.len() {
        1 => index(first),
        2 => format!("{}, {}", index(first), index(last)),
        _ => format!("{} … {}", index(first), index(last)),
    };
    let times = if lines.len() == 1 { String::new() } else { format!(" × {}", lines.len()) };
    // Of a change of shape, what it leads to: what it comes from stands a row above.
    let shape = first.shape.rsplit_once('→').map_or_else(|| first.shape.clone(), |(_, to)| format!("→{to}"));
    Row::new()
        .with("index", indices)
        .with("block", format!("{}{times}", first.block))
        .with("shape", shape)
        .with_some("d_state", first.d_state)
        .with("parameters", first.parameters)
        .with_some("macs/sample", first.macs_per_sample.map(whole))
        .with_some("reach", lines.iter().filter_map(|line| line.receptive_field).max())
}
