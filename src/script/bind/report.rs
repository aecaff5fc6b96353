//! `report`: a document made of what a script has at hand.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, ImmutableString, Map, NativeCallContext};

use super::Outcome;
use super::audio::{Sound, plural};
use super::generate::{TakeValue, Takes};
use super::train::{self, RunValue};
use crate::experiment::RunDir;
use crate::metrics::{Frame, Row};
use crate::options::Options;
use crate::plot::{self, Figure};
use crate::report::{Clip, Code, Ink, Part, Report, ReportConfig};
use crate::script::context::Context;
use crate::script::convert::{self, a_type};
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;
use crate::script::lexer::{self, Kind};
use crate::train::Evaluation;

/// A report. Clones are the same report: what one adds, all have.
#[derive(Debug, Clone)]
pub(crate) struct ReportValue(Rc<RefCell<Report>>);

const DOCS: &[Doc] = &[
    Doc {
        name: "report",
        of: "",
        signature: "report(title[, #{ … }]) -> Report",
        about: "A document that grows as the script goes: headings, Markdown, tables, figures, sounds, code. Every method \
                changes the report and returns it, so calls can be chained. A second variable for it is the same report.",
        options: Some(ReportConfig::fields),
        example: "let page = report(\"Depth: 8 against 2 layers\", #{ author: \"me\", summary: \"Two are **on a par**.\" });\n\
                  page.section(\"Results\").text(\"See below.\").save(out + \"/depth.html\");",
    },
    Doc {
        name: "section",
        of: "Report",
        signature: "page.section(title) -> Report",
        about: "A heading. A page of four sections or more begins with a list of them.",
        options: None,
        example: "report(\"Depth\").section(\"Results\").text(\"Two layers do.\").save(out + \"/depth.html\");",
    },
    Doc {
        name: "subsection",
        of: "Report",
        signature: "page.subsection(title) -> Report",
        about: "A smaller heading, within the last section.",
        options: None,
        example: "report(\"Depth\").section(\"Results\").subsection(\"By seed\").save(out + \"/depth.md\");",
    },
    Doc {
        name: "text",
        of: "Report",
        signature: "page.text(markdown) -> Report",
        about: "Paragraphs, lists, links and tables in Markdown. HTML in it is shown as text, and its headings are smaller \
                than the section's.",
        options: None,
        example: "report(\"Depth\").text(\"Two layers are **on a par**:\\n\\n- faster\\n- smaller\").save(out + \"/depth.html\");",
    },
    Doc {
        name: "table",
        of: "Report",
        signature: "page.table(frame | evaluation | takes[, caption]) -> Report",
        about: "A table: sorted by a click on a heading, folded above 200 rows. Captioned ones are numbered.",
        options: None,
        example: "let frame = table([\"layers\", \"bits\"], [[2, 5.2], [8, 5.1]]);\n\
                  report(\"Depth\").table(frame, \"Bits per byte\").save(out + \"/depth.html\");",
    },
    Doc {
        name: "figure",
        of: "Report",
        signature: "page.figure(figure[, caption]) -> Report",
        about: "A figure, in light and in dark colours, whatever its own theme.",
        options: None,
        example: "let line = curves([[\"squares\", [1, 2, 3], [1, 4, 9]]], \"n\", \"n²\");\n\
                  report(\"Squares\").figure(line, \"They grow\").save(out + \"/squares\");",
    },
    Doc {
        name: "sound",
        of: "Report",
        signature: "page.sound(sound | take[, caption]) -> Report",
        about: "A player, with duration, peak and outline. The sound lies in the page as 16-bit WAV: 43 kB a second at 16 kHz.",
        options: None,
        example: "let bar = audio(\"data/bigband_005.flac\").slice(10, 10.5);\n\
                  report(\"A bar\").sound(bar, \"From the middle\").save(out + \"/bar.html\");",
    },
    Doc {
        name: "sounds",
        of: "Report",
        signature: "page.sounds([[label, sound | take], …] | takes[, caption]) -> Report",
        about: "Players side by side, their outlines on one scale. Sounds without a label go by their own names.",
        options: None,
        example: "let bar = audio(\"data/bigband_005.flac\").slice(10, 10.5);\n\
                  report(\"Two\").sounds([[\"real\", bar], [\"slow\", bar.resample(8000)]]).save(out + \"/two.html\");",
    },
    Doc {
        name: "code",
        of: "Report",
        signature: "page.code(text[, language]) -> Report",
        about: "Text as it is, in a typewriter's letters; \"rhai\" is coloured.",
        options: None,
        example: "report(\"How\").code(\"let net = sashimi();   // as it comes\", \"rhai\").save(out + \"/how.html\");",
    },
    Doc {
        name: "script",
        of: "Report",
        signature: "page.script() -> Report",
        about: "The text of the script that is running; at the prompt, what was typed so far.",
        options: None,
        example: "report(\"How\").section(\"The script\").script().save(out + \"/how.html\");",
    },
    Doc {
        name: "add",
        of: "Report",
        signature: "page.add(value[, caption]) -> Report",
        about: "Anything: text (Markdown), a frame, figure, sound or take; takes as players; a run as its line and its loss \
                curve; an evaluation as a table; a map as a table of two columns; an array as each of its values; and what \
                else there is (a model, a corpus, a schedule) as it prints.",
        options: None,
        example: "let net = sashimi(#{ d_model: 8, n_layers: 1 });\n\
                  report(\"Settings\").add(net).add(#{ steps: 100, lr: 0.004 }, \"Settings\").save(out + \"/settings.html\");",
    },
    Doc {
        name: "save",
        of: "Report",
        signature: "page.save(path) -> text | array",
        about: "Writes the report, making its folder where needed: \"x.html\" is one file that holds everything and needs no \
                network; \"x.md\" is Markdown with its figures and sounds beside it in x-files; \"x\" is both. Returns the path, \
                or the paths. What an earlier report of that name left in x-files and this one does not use is removed; \
                files of your own there stay.",
        options: None,
        example: "print(report(\"Depth\").text(\"Two layers do.\").save(out + \"/depth\"));",
    },
    Doc {
        name: "title",
        of: "Report",
        signature: "page.title -> text",
        about: "The title.",
        options: None,
        example: "print(report(\"Depth\").title);",
    },
];

pub(super) fn register(engine: &mut Engine, docs: &mut Docs, context: &Rc<Context>) {
    docs.add(DOCS);
    engine
        .register_type_with_name::<ReportValue>("Report")
        .register_get("title", |page: &mut ReportValue| page.0.borrow().title().to_owned())
        .register_fn("to_string", |page: &mut ReportValue| page.describe())
        .register_fn("to_debug", |page: &mut ReportValue| page.describe())
        .register_fn("report", |title: &str| -> Outcome<ReportValue> {
            Ok(ReportValue::new(title, ReportConfig::default())?)
        })
        .register_fn("report", |title: &str, options: Map| -> Outcome<ReportValue> {
            Ok(ReportValue::new(title, convert::options(&options)?)?)
        });
    words(engine, context);
    shown(engine);
    anything(engine);
    let shared = Rc::clone(context);
    engine.register_fn("save", move |page: ReportValue, path: &str| -> Outcome<Dynamic> {
        shared.finish(page.save(&shared, Path::new(path)))
    });
}

fn words(engine: &mut Engine, context: &Rc<Context>) {
    engine
        .register_fn("section", |page: ReportValue, title: &str| -> Outcome<ReportValue> {
            Ok(page.with(|report| Ok(report.section(title)?))?)
        })
        .register_fn("subsection", |page: ReportValue, title: &str| -> Outcome<ReportValue> {
            Ok(page.with(|report| Ok(report.subsection(title)?))?)
        })
        .register_fn("text", |page: ReportValue, markdown: &str| -> Outcome<ReportValue> {
            Ok(page.with(|report| Ok(report.text(markdown)?))?)
        })
        .register_fn("code", |page: ReportValue, text: &str| -> Outcome<ReportValue> {
            Ok(page.with(|report| {
                report.code(code(text, "")?);
                Ok(())
            })?)
        })
        .register_fn("code", |page: ReportValue, text: &str, language: &str| -> Outcome<ReportValue> {
            Ok(page.with(|report| {
                report.code(code(text, language)?);
                Ok(())
            })?)
        });
    let shared = Rc::clone(context);
    engine.register_fn("script", move |page: ReportValue| -> Outcome<ReportValue> {
        Ok(page.with(|report| {
            report.code(running(&shared)?);
            Ok(())
        })?)
    });
}

fn shown(engine: &mut Engine) {
    engine
        .register_fn("table", |page: ReportValue, table: Dynamic| -> Outcome<ReportValue> {
            Ok(page.with(|report| Ok(report.table(frame_of(&table)?, None)?))?)
        })
        .register_fn("table", |page: ReportValue, table: Dynamic, caption: &str| -> Outcome<ReportValue> {
            Ok(page.with(|report| Ok(report.table(frame_of(&table)?, Some(caption))?))?)
        })
        .register_fn("figure", |page: ReportValue, figure: Dynamic| -> Outcome<ReportValue> {
            Ok(page.with(|report| {
                report.figure(figure_of(figure)?, None);
                Ok(())
            })?)
        })
        .register_fn("figure", |page: ReportValue, figure: Dynamic, caption: &str| -> Outcome<ReportValue> {
            Ok(page.with(|report| {
                report.figure(figure_of(figure)?, Some(caption));
                Ok(())
            })?)
        })
        .register_fn("sound", |page: ReportValue, sound: Dynamic| -> Outcome<ReportValue> {
            Ok(page.with(|report| Ok(report.sounds(vec![clip(None, &sound)?], None)?))?)
        })
        .register_fn("sound", |page: ReportValue, sound: Dynamic, caption: &str| -> Outcome<ReportValue> {
            Ok(page.with(|report| Ok(report.sounds(vec![clip(None, &sound)?], Some(caption))?))?)
        })
        .register_fn("sounds", |page: ReportValue, sounds: Array| -> Outcome<ReportValue> {
            Ok(page.with(|report| Ok(report.sounds(clips(&sounds)?, None)?))?)
        })
        .register_fn("sounds", |page: ReportValue, sounds: Array, caption: &str| -> Outcome<ReportValue> {
            Ok(page.with(|report| Ok(report.sounds(clips(&sounds)?, Some(caption))?))?)
        })
        .register_fn("sounds", |page: ReportValue, takes: Takes| -> Outcome<ReportValue> {
            Ok(page.with(|report| Ok(report.sounds(clips_of(takes)?, None)?))?)
        })
        .register_fn("sounds", |page: ReportValue, takes: Takes, caption: &str| -> Outcome<ReportValue> {
            Ok(page.with(|report| Ok(report.sounds(clips_of(takes)?, Some(caption))?))?)
        });
}

fn anything(engine: &mut Engine) {
    engine
        .register_fn("add", |call: NativeCallContext<'_>, page: ReportValue, value: Dynamic| -> Outcome<ReportValue> {
            page.add(&call, &value, None)?;
            Ok(page)
        })
        .register_fn(
            "add",
            |call: NativeCallContext<'_>, page: ReportValue, value: Dynamic, caption: &str| -> Outcome<ReportValue> {
                page.add(&call, &value, Some(caption))?;
                Ok(page)
            },
        );
}

impl ReportValue {
    fn new(title: &str, config: ReportConfig) -> Result<Self, Fault> {
        Ok(Self(Rc::new(RefCell::new(Report::new(title, config)?))))
    }

    /// The report after `change`.
    fn with(self, change: impl FnOnce(&mut Report) -> Result<(), Fault>) -> Result<Self, Fault> {
        change(&mut self.0.borrow_mut())?;
        Ok(self)
    }

    /// Adds a value in the form that suits it.
    fn add(&self, call: &NativeCallContext<'_>, value: &Dynamic, caption: Option<&str>) -> Result<(), Fault> {
        if value.is_unit() {
            return Err(Fault::new("there is nothing to add: the value is ()"));
        }
        if let Ok(items) = value.as_array_ref() {
            return items.iter().try_for_each(|item| self.add(call, item, caption));
        }
        if let Ok(map) = value.as_map_ref() {
            let frame = settings(call, &map)?;
            return Ok(self.0.borrow_mut().table(frame, caption)?);
        }
        if let Ok(text) = value.as_immutable_string_ref() {
            let heading = caption.map_or_else(String::new, |caption| format!("**{caption}**\n\n"));
            return Ok(self.0.borrow_mut().text(&(heading + text.as_str()))?);
        }
        let mut report = self.0.borrow_mut();
        if let Some(frame) = value.clone().try_cast::<Frame>() {
            report.table(frame, caption)?;
        } else if let Some(figure) = value.clone().try_cast::<Figure>() {
            report.figure(figure, caption);
        } else if value.is::<Sound>() || value.is::<TakeValue>() {
            report.sounds(vec![clip(None, value)?], caption)?;
        } else if let Some(takes) = value.clone().try_cast::<Takes>() {
            report.sounds(clips_of(takes)?, caption)?;
        } else if let Some(run) = value.clone().try_cast::<RunValue>() {
            add_run(&mut report, &run, caption)?;
        } else if let Some(found) = value.clone().try_cast::<Evaluation>() {
            let usual = format!("Evaluation on {}, {} tokens: {}", found.part, found.tokens, train::accuracies(&found));
            report.table(train::table(&found)?, Some(caption.unwrap_or(&usual)))?;
        } else {
            drop(report); // how a value prints is for the script to say
            let text = printed(call, value)?;
            let caption = caption.map(str::to_owned);
            self.0.borrow_mut().code(Code { text, caption, ..Code::default() });
        }
        Ok(())
    }

    fn save(&self, context: &Context, path: &Path) -> Result<Dynamic, Fault> {
        super::make_folder(path)?;
        let source = context.source.borrow().as_ref().map(|source| source.name().to_owned());
        let mut report = self.0.borrow_mut();
        report.origin().script = source.filter(|name| Path::new(name).extension().is_some());
        report.origin().command = command();
        let saved = report.save(path, &context.interrupt)?;
        let mut saved: Array = saved.into_iter().map(|path| path.display().to_string().into()).collect();
        Ok(if saved.len() == 1 { saved.remove(0) } else { saved.into() })
    }

    fn describe(&self) -> String {
        let report = self.0.borrow();
        let count = |of: fn(&Part) -> usize| report.parts().iter().map(of).sum::<usize>();
        let counts = [
            ("section", count(|part| usize::from(matches!(part, Part::Section { level: 1, .. })))),
            ("table", count(|part| usize::from(matches!(part, Part::Table { .. })))),
            ("figure", count(|part| usize::from(matches!(part, Part::Figure { .. })))),
            ("sound", count(|part| if let Part::Sounds { clips, .. } = part { clips.len() } else { 0 })),
        ];
        let held: Vec<String> =
            counts.iter().filter(|(_, count)| *count > 0).map(|(what, count)| plural(*count, what)).collect();
        let held = if held.is_empty() { plural(report.parts().len(), "part") } else { held.join(", ") };
        format!("Report “{}”: {held}; .save(\"name\") writes name.html and name.md", report.title())
    }
}

/// A frame, or what has one.
fn frame_of(value: &Dynamic) -> Result<Frame, Fault> {
    if let Some(takes) = value.read_lock::<Takes>() {
        return takes.table();
    }
    if let Some(found) = value.read_lock::<Evaluation>() {
        return train::table(&found);
    }
    value.clone().try_cast::<Frame>().ok_or_else(|| {
        Fault::new(format!("a frame was needed, but {} was found", a_type(value.type_name())))
            .with_hint("table(…) and read_frame(…) make one; page.add(value) takes anything")
    })
}

fn figure_of(value: Dynamic) -> Result<Figure, Fault> {
    let found = value.type_name();
    value.try_cast::<Figure>().ok_or_else(|| {
        Fault::new(format!("a figure was needed, but {} was found", a_type(found)))
            .with_hint("loss_curve(run) and spectrogram(sound) are figures; page.add(value) takes anything")
    })
}

/// A sound with its label, or under its own name.
fn clip(label: Option<&str>, value: &Dynamic) -> Result<Clip, Fault> {
    let sound = Sound::of(value)?;
    Ok(Clip::new(label.unwrap_or(&sound.name), Rc::clone(&sound.samples), sound.sample_rate)?)
}

/// `[label, sound]` pairs and bare sounds.
fn clips(items: &Array) -> Result<Vec<Clip>, Fault> {
    let one = |item: &Dynamic| {
        let Ok(pair) = item.as_array_ref() else { return clip(None, item) };
        match pair.as_slice() {
            [label, sound] if label.is_string() => {
                clip(label.as_immutable_string_ref().ok().as_deref().map(ImmutableString::as_str), sound)
            }
            _ => Err(Fault::new("`sounds` needs each sound as [label, sound]")
                .with_hint("page.sounds([[\"real\", sound], [\"generated\", take]])")),
        }
    };
    items.iter().map(one).collect()
}

fn clips_of(takes: Takes) -> Result<Vec<Clip>, Fault> {
    takes.into_iter().map(|take| clip(None, &Dynamic::from(take))).collect()
}

/// A run: its line, its loss curve, and its seed for the foot of the page.
fn add_run(report: &mut Report, run: &RunValue, caption: Option<&str>) -> Result<(), Fault> {
    let (label, frame) = run.labelled()?;
    // A run whose record is gone still has a curve.
    report
        .origin()
        .seeds
        .extend(RunDir::open(run.folder()).and_then(|run| run.read_record()).map(|record| record.seed));
    report.code(Code { text: run.describe(), ..Code::default() });
    report.figure(plot::loss_curve(&[(label.as_str(), &frame)])?, Some(caption.unwrap_or(&format!("Loss of {label}"))));
    Ok(())
}

/// A map as two columns.
fn settings(call: &NativeCallContext<'_>, map: &Map) -> Result<Frame, Fault> {
    let row = |(key, value): (_, &Dynamic)| {
        let value = if value.is_unit() { "–".to_owned() } else { printed(call, value)? };
        Ok(Row::new().with("name", ToString::to_string(key)).with("value", value))
    };
    let rows = map.iter().map(|(key, value)| row((key, value))).collect::<Result<Vec<_>, Fault>>()?;
    if rows.is_empty() {
        return Err(Fault::new("the map is empty: there is nothing to show"));
    }
    Ok(Frame::from_rows(&rows)?)
}

/// A value as `print` shows it.
fn printed(call: &NativeCallContext<'_>, value: &Dynamic) -> Result<String, Fault> {
    let cannot = || Fault::new(format!("a report cannot show {}", a_type(value.type_name())));
    let text = call.call_native_fn::<ImmutableString>("to_string", (value.clone(),));
    text.map(|text| text.to_string()).map_err(|_| cannot().with_hint("page.text(…) takes any words about it"))
}

fn code(text: &str, language: &str) -> Result<Code, Fault> {
    if !language.chars().all(|c| c.is_ascii_alphanumeric() || "+#-_.".contains(c)) {
        return Err(
            Fault::new(format!("`{language}` is no language's name")).with_hint("as in page.code(text, \"rhai\")")
        );
    }
    let inks = if language == "rhai" { inks(text) } else { Vec::new() };
    Ok(Code { text: text.to_owned(), language: language.to_owned(), caption: None, inks })
}

/// What to colour in a script.
fn inks(text: &str) -> Vec<(std::ops::Range<usize>, Ink)> {
    let ink = |kind| match kind {
        Kind::Comment => Some(Ink::Comment),
        Kind::Keyword => Some(Ink::Keyword),
        Kind::Number => Some(Ink::Number),
        Kind::Text => Some(Ink::Text),
        Kind::Name | Kind::Symbol => None,
    };
    lexer::tokens(text).into_iter().filter_map(|token| Some((token.span, ink(token.kind)?))).collect()
}

/// The script that is running.
fn running(context: &Context) -> Result<Code, Fault> {
    let source = context.source.borrow();
    let source = source.as_ref().ok_or_else(|| Fault::new("no script is running"))?;
    Ok(Code { caption: Some(source.name().to_owned()), ..code(source.text().trim_end(), "rhai")? })
}

/// The command line that runs this again, when it is wasabi's own and says what to run.
fn command() -> Option<String> {
    let mut arguments = std::env::args();
    let program = arguments.next()?;
    let is_ours = Path::new(&program).file_stem().is_some_and(|stem| stem == "wasabi");
    let rest: Vec<String> = arguments.map(|argument| quoted(&argument)).collect();
    (is_ours && !rest.is_empty()).then(|| format!("wasabi {}", rest.join(" ")))
}

/// An argument as a shell reads it.
fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_quoted_where_a_shell_would_split_them() {
        assert_eq!(quoted("steps=9"), "steps=9");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
    }
}
