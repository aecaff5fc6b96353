//! What the prompt understands besides the language: `:help`, `:vars`, `:runs`, `:load`, `:save`, `:time`, `:set`,
//! `:device`, `:quit`; `?name`, `??name` and `name?`; `!command` of the shell; and `help` and `quit` as words.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::console::Console;
use super::graphics::Graphics;
use crate::device::{self, Selection};
use crate::options::nearest;
use crate::plot::Theme;
use crate::script::{Diagnostic, Host, Session};

/// A command: its name, what follows it, and what it does.
pub(super) struct Command {
    pub(super) name: &'static str,
    pub(super) takes: &'static str,
    pub(super) about: &'static str,
}

/// Every command, in the order of the help.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: ":help",
        takes: "[name]",
        about: "all there is, or about a function, type or topic; ?name is short, ??name long",
    },
    Command { name: ":vars", takes: "", about: "the variables and functions of this session" },
    Command { name: ":runs", takes: "[folder]", about: "the runs below experiments/ (or a folder), newest last" },
    Command { name: ":load", takes: "FILE", about: "run a script here; its variables and functions stay" },
    Command { name: ":save", takes: "FILE", about: "write this session as a script that runs" },
    Command { name: ":time", takes: "CODE", about: "evaluate, and say how long it took" },
    Command { name: ":set", takes: "[name value]", about: "show or change how the prompt behaves" },
    Command { name: ":device", takes: "[name]", about: "where models are built: auto, cpu, cuda, cuda:1" },
    Command { name: ":quit", takes: "", about: "leave; Ctrl-D does the same" },
];

/// What `:set` can change, with what it takes.
pub(super) const SETTINGS: &[(&str, &str)] = &[
    ("graphics", "how figures are drawn here: auto, kitty, iterm, sixel, blocks, off"),
    ("theme", "colours of figures shown here: auto, paper, dark"),
    ("figures", "the folder that figures shown here are saved in"),
    ("threads", "threads within one operation"),
];

/// What comes of a line.
pub(super) enum Reply {
    /// Something to say.
    Say(String),
    /// A piece of a script, to be evaluated; `timed` says how long it took.
    Evaluate { code: String, timed: Option<Instant> },
    /// A command of the shell, to be run.
    Shell(String),
    /// The session ends.
    Leave,
}

/// What to do with `line`.
///
/// # Errors
/// For a command that does not exist, or that cannot do what was asked.
pub(super) fn reply(session: &mut Session, console: &Console, line: &str) -> Result<Reply, Diagnostic> {
    let line = line.trim();
    if let Some(command) = line.strip_prefix(':') {
        let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        return obey(session, console, name, rest.trim());
    }
    if let Some(command) = line.strip_prefix('!').filter(|_| is_shell(line) && !is_negation(session, line)) {
        if !std::io::stdin().is_terminal() {
            return Err(Diagnostic::new("what is piped into the prompt cannot run commands of the shell")
                .with_hint("a script of the shell can, and `wasabi` within it"));
        }
        return Ok(Reply::Shell(command.to_owned()));
    }
    let question = line.strip_prefix('?').or_else(|| line.strip_suffix('?'));
    if let Some(name) = question.and_then(|name| name.strip_prefix('?').or(Some(name))) {
        let long = line.starts_with("??") || line.ends_with("??");
        let name = name.trim_end_matches('?').trim();
        if name.is_empty() || is_path(name) {
            return if long || name.is_empty() {
                help(session, console, name).map(Reply::Say)
            } else {
                Ok(Reply::Say(brief(session, console, name)))
            };
        }
    }
    let bare = line.trim_end_matches(';').trim_end();
    // Rhai has a function `exit`; a variable of that name is somebody's own.
    if matches!(bare, "quit" | "exit" | "quit()" | "exit()") && !session.variables().iter().any(|name| name == bare) {
        return Ok(Reply::Leave);
    }
    match asks_for_help(bare) {
        Some(name) => help(session, console, name).map(Reply::Say),
        None => Ok(Reply::Evaluate { code: line.to_owned(), timed: None }),
    }
}

/// Whether the line is no piece of a script, so that Enter always ends it.
pub(super) fn is_command(line: &str) -> bool {
    let line = line.trim_start();
    (line.starts_with(':') && !line.starts_with("::") && !line.starts_with(":time"))
        || line.starts_with('?')
        || is_shell(line)
}

/// Whether the line may be one of the shell: `!ls`, `!./a.sh`.
fn is_shell(line: &str) -> bool {
    let mut chars = line.trim_start().chars();
    chars.next() == Some('!') && chars.next().is_some_and(|c| c.is_alphabetic() || matches!(c, '.' | '/' | '~' | '_'))
}

/// Whether `!name…` is a value of the language, turned to its opposite.
fn is_negation(session: &Session, line: &str) -> bool {
    let name: &str = line[1..].split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
    let rest = &line[1 + name.len()..];
    let called = rest.starts_with('(');
    // `!nett.is_trained`: nothing of the shell, and so a mistake that names what was meant.
    let asked = !name.is_empty() && rest.strip_prefix('.').is_some_and(|rest| rest.starts_with(char::is_alphabetic));
    let near = || session.variables().iter().any(|known| nearest(name, [known.as_str()]).is_some());
    matches!(name, "true" | "false")
        || (asked && near())
        || session.variables().iter().any(|known| known == name)
        || (called && session.names().iter().any(|known| known == name))
}

fn obey(session: &mut Session, console: &Console, name: &str, rest: &str) -> Result<Reply, Diagnostic> {
    Ok(match name {
        "help" | "h" => Reply::Say(help(session, console, rest.trim_matches('?'))?),
        "vars" | "v" => Reply::Say(variables(session, console.width())),
        "runs" => Reply::Say(session.runs_shown(rest)?),
        "load" | "l" => {
            session.load(Path::new(file(rest, ":load FILE")?))?;
            Reply::Say(String::new())
        }
        "save" | "s" => Reply::Say(save(session, file(rest, ":save FILE")?)?),
        "time" | "t" if rest.is_empty() => {
            return Err(Diagnostic::new("`:time` needs something to evaluate: :time CODE"));
        }
        "time" | "t" => Reply::Evaluate { code: rest.to_owned(), timed: Some(Instant::now()) },
        "set" => Reply::Say(set(session, console, rest)?),
        "device" => Reply::Say(device_of(session, rest)?),
        "quit" | "q" | "exit" => Reply::Leave,
        _ => return Err(unknown(name)),
    })
}

fn unknown(name: &str) -> Diagnostic {
    let names = || COMMANDS.iter().map(|command| command.name.trim_start_matches(':'));
    let hint = match nearest(name, names()) {
        Some(near) => format!("did you mean `:{near}`?"),
        None => format!("there are {}", COMMANDS.iter().map(|command| command.name).collect::<Vec<_>>().join(", ")),
    };
    Diagnostic::new(format!("unknown command `:{name}`")).with_hint(hint)
}

fn file<'a>(rest: &'a str, usage: &str) -> Result<&'a str, Diagnostic> {
    let path = rest.trim_matches('"');
    if path.is_empty() { Err(Diagnostic::new(format!("a file was needed: {usage}"))) } else { Ok(path) }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// A name, or a member of one: `frame.filter`.
fn is_path(text: &str) -> bool {
    text.splitn(2, '.').all(|part| is_name(part.trim()))
}

/// The name that `help`, `help name` or `help(name)` asks about; empty for all.
fn asks_for_help(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("help")?;
    let name = match rest.trim().strip_prefix('(') {
        Some(inside) => inside.strip_suffix(')')?.trim().trim_matches('"'),
        None if rest.is_empty() || rest.starts_with(char::is_whitespace) => rest.trim(),
        None => return None,
    };
    (name.is_empty() || is_path(name)).then_some(name)
}

fn help(session: &Session, console: &Console, name: &str) -> Result<String, Diagnostic> {
    if name.is_empty() {
        let width = COMMANDS.iter().map(|c| c.name.len() + 1 + c.takes.len()).max().unwrap_or(0);
        let lines = COMMANDS.iter().map(|c| format!("  {:width$}  {}\n", format!("{} {}", c.name, c.takes), c.about));
        let more = "  `!ls` runs a command of the shell; `_` is the last value shown\n";
        let keys = "Keys\n  Tab completes, Ctrl-R searches the history, Ctrl-C stops work (twice: gives it up)\n";
        let overview = session.docs().overview(console.prose_width());
        let text = format!("{overview}\n\nCommands\n{}{more}{keys}", lines.collect::<String>());
        return Ok(headed(console, text.trim_end()));
    }
    let asked = of_variable(session, name);
    let text = session.docs().explain(&asked, console.prose_width()).map_err(|near| nothing(name, near))?;
    Ok(headed(console, &text))
}

/// `text` with its headings in bold: lines that begin at the margin and have something indented below them.
fn headed(console: &Console, text: &str) -> String {
    if !console.paints() {
        return text.to_owned();
    }
    let lines: Vec<&str> = text.lines().collect();
    let below = |at: usize| lines[at + 1..].iter().find(|line| !line.is_empty());
    let is_heading =
        |at: usize| lines[at].starts_with(char::is_alphabetic) && below(at).is_some_and(|line| line.starts_with("  "));
    let bold =
        |at: usize| if is_heading(at) { format!("\u{1b}[1m{}\u{1b}[0m", lines[at]) } else { lines[at].to_owned() };
    (0..lines.len()).map(bold).collect::<Vec<_>>().join("\n")
}

/// `run.frame` as `Run.frame`, where `run` is a variable.
fn of_variable(session: &Session, name: &str) -> String {
    let kind = |name: &str| session.variables_shown().into_iter().find(|variable| variable.name == name.trim());
    match name.split_once('.') {
        Some((value, member)) => {
            kind(value).map_or_else(|| name.to_owned(), |found| format!("{}.{member}", found.kind))
        }
        None => name.to_owned(),
    }
}

fn brief(session: &Session, console: &Console, name: &str) -> String {
    if let Some(variable) = session.variables_shown().into_iter().find(|variable| variable.name == name) {
        return format!(
            "{name}: {} = {}\n  `:help {}` tells what it has",
            variable.kind, variable.value, variable.kind
        );
    }
    let asked = of_variable(session, name);
    session.docs().brief(&asked, console.prose_width()).unwrap_or_else(|near| {
        let nothing = nothing(name, near);
        format!("{}; {}", nothing.message, nothing.hints.join("; "))
    })
}

fn nothing(name: &str, near: Option<&str>) -> Diagnostic {
    let nothing = Diagnostic::new(format!("nothing is called `{name}`"));
    match near {
        Some(near) => nothing.with_hint(format!("did you mean `{near}`?")),
        None => nothing.with_hint("`:help` lists what there is"),
    }
}

fn variables(session: &Session, width: usize) -> String {
    let (variables, functions) = (session.variables_shown(), session.functions_shown());
    if variables.is_empty() && functions.is_empty() {
        return "nothing is defined yet".to_owned();
    }
    let longest = |cell: fn(&crate::script::Variable) -> &str| {
        variables.iter().map(|v| cell(v).chars().count()).max().unwrap_or(0)
    };
    let (names, kinds) = (longest(|v| &v.name), longest(|v| &v.kind));
    let line = |v: &crate::script::Variable| {
        let line = format!("{:names$}  {:kinds$}  {}", v.name, v.kind, v.value);
        console::truncate_str(&line, width, "…").trim_end().to_owned()
    };
    let lines = variables.iter().map(line).chain(functions.iter().map(|function| format!("fn {function}")));
    lines.collect::<Vec<_>>().join("\n")
}

fn save(session: &Session, path: &str) -> Result<String, Diagnostic> {
    let mut path = PathBuf::from(path);
    if path.extension().is_none() {
        path.set_extension("rhai");
    }
    let lines = session.save(&path)?;
    let lines = if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") };
    Ok(format!("{}: {lines}; run it with `wasabi run {0}`", path.display()))
}

fn set(session: &Session, console: &Console, rest: &str) -> Result<String, Diagnostic> {
    let (name, value) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let value = value.trim().trim_matches('"');
    let settings = session.context();
    let now = || {
        [
            console.graphics().to_string(),
            settings.theme.get().map_or("auto", Theme::name).to_owned(),
            settings.figures.borrow().display().to_string(),
            device::threads().to_string(),
        ]
    };
    let line = |((name, about), now): (&(&str, &str), String)| format!("{name:9} {now:18} {about}");
    if name.is_empty() {
        return Ok(SETTINGS.iter().zip(now()).map(line).collect::<Vec<_>>().join("\n"));
    }
    if let Some(asked) = SETTINGS.iter().zip(now()).find(|((known, _), _)| *known == name).filter(|_| value.is_empty())
    {
        return Ok(line(asked));
    }
    let wrong = |needed: &str| Diagnostic::new(format!("`{name}` cannot be `{value}`")).with_hint(needed.to_owned());
    match name {
        "graphics" => {
            let graphics: Graphics = value.parse().map_err(|()| wrong("auto, kitty, iterm, sixel, blocks or off"))?;
            console.set_graphics(graphics);
        }
        "theme" if value == "auto" => settings.theme.set(None),
        "theme" => {
            let named = Theme::NAMES.into_iter().find(|(name, _)| *name == value);
            settings.theme.set(Some(named.ok_or_else(|| wrong("auto, paper or dark"))?.1));
        }
        "figures" => *settings.figures.borrow_mut() = value.into(),
        "threads" => {
            let threads: usize = value.parse().map_err(|_| wrong("a whole number, at least 1"))?;
            device::set_threads(Some(threads)).map_err(|error| Diagnostic::new(error.to_string()))?;
        }
        _ => {
            let hint = match nearest(name, SETTINGS.iter().map(|(name, _)| *name)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`:set` alone lists what can be set".to_owned(),
            };
            return Err(Diagnostic::new(format!("unknown setting `{name}`")).with_hint(hint));
        }
    }
    Ok(String::new())
}

fn device_of(session: &Session, rest: &str) -> Result<String, Diagnostic> {
    let refused = |error: device::DeviceError| {
        let refused = Diagnostic::new(error.to_string());
        match error.hint() {
            Some(hint) => refused.with_hint(hint),
            None => refused,
        }
    };
    if !rest.is_empty() {
        let selection: Selection = rest.parse().map_err(refused)?;
        device::open(selection).map_err(refused)?; // refused now, and not at the next model
        session.set_device(selection);
    }
    let selection = session.context().device.get();
    Ok(format!("{selection}: {}", device::describe(selection).map_err(refused)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_is_asked_for_in_three_ways_and_a_name_that_begins_with_it_in_none() {
        assert_eq!(
            ["help", "help train", "help(train)", "help(\"train\")"].map(asks_for_help),
            [Some(""), Some("train"), Some("train"), Some("train")]
        );
        assert_eq!(["helper", "help = 3", "help(1 + 1)"].map(asks_for_help), [None, None, None]);
    }

    #[test]
    fn a_line_of_the_shell_begins_with_a_mark_and_a_name() {
        assert!(["!ls -l \"a", "!./run.sh", "!~/a"].iter().all(|line| is_shell(line) && is_command(line)));
        assert!(!is_shell("!(a && b)") && !is_shell("! a") && !is_shell("a != b") && !is_shell("!"));
    }

    #[test]
    fn a_command_is_complete_as_it_stands() {
        assert!(
            is_command(":save a(b.rhai") && is_command("?train") && !is_command("a ? b") && !is_command("let a = 1")
        );
        assert!(!is_command(":time train(net,"), "what is timed may go on over lines");
    }
}
