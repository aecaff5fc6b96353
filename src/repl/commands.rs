//! What the prompt understands besides the language: `help`, `help(name)`.

use crate::script::Session;

/// The answer to a command; None when `line` is no command but a piece of a script.
pub(super) fn answer(session: &Session, line: &str) -> Option<String> {
    let line = line.trim().trim_end_matches(';').trim_end();
    let rest = line.strip_prefix("help")?.trim();
    let name = match rest.strip_prefix('(') {
        Some(inside) => inside.strip_suffix(')')?.trim().trim_matches('"'),
        None if line == "help" || line.starts_with("help ") => rest,
        None => return None,
    };
    if !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return None;
    }
    if name.is_empty() {
        return Some(session.docs().overview());
    }
    Some(session.docs().explain(name).unwrap_or_else(|nearest| match nearest {
        Some(near) => format!("nothing is called `{name}`; did you mean `{near}`?"),
        None => format!("nothing is called `{name}`; `help` lists what there is"),
    }))
}
