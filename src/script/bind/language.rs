//! What belongs to no room: parameters, help, faults that a script caught.

use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, EvalAltResult, NativeCallContext, Position};

use super::Outcome;
use crate::script::context::Context;
use crate::script::convert::a_type;
use crate::script::docs::{Doc, Docs};
use crate::script::fault::Fault;

const DOCS: &[Doc] = &[
    Doc {
        name: "param",
        of: "",
        signature: "param(name, default) -> value",
        about: "A value that `wasabi run FILE --set name=value` can change. What is given is read as the default's \
                type: number, text, bool, array or map.",
        options: None,
        example: "let steps = param(\"steps\", 900);",
    },
    Doc {
        name: "print",
        of: "",
        signature: "print(value)",
        about: "Prints a value: a frame as a table, text as it is.",
        options: None,
        example: "print(`two and two is ${2 + 2}`);",
    },
    Doc {
        name: "exit",
        of: "",
        signature: "exit([code])",
        about: "Ends the script, at the prompt the program, with an exit code from 0 to 255, or with 1 and a message.",
        options: None,
        example: "if 1 > 2 { exit(3) }",
    },
    Doc {
        name: "fixed",
        of: "",
        signature: "fixed(number, digits) -> text",
        about: "A number with so many digits after the point.",
        options: None,
        example: "print(fixed(2.0 / 3, 3));   // 0.667",
    },
    Doc {
        name: "repeat",
        of: "",
        signature: "repeat(n, [block, …]) -> array",
        about: "The array n times over, as one array.",
        options: None,
        example: "print(repeat(2, [1, 2]));   // [1, 2, 1, 2]",
    },
];

pub(super) fn register(engine: &mut Engine, docs: &mut Docs, context: &Rc<Context>) {
    docs.add(DOCS);
    let shared = Rc::clone(context);
    engine.register_fn(
        "param",
        move |call: NativeCallContext<'_>, name: &str, default: Dynamic| -> Result<Dynamic, Box<EvalAltResult>> {
            Ok(shared.params.borrow_mut().get(call.engine(), name, default)?)
        },
    );
    // In place of Rhai's own, which ends a script as if it had come to its end.
    engine.register_fn("exit", || -> Outcome<()> { exit(Dynamic::from(0_i64)) });
    engine.register_fn("exit", exit);
    engine.register_fn("repeat", repeat);
    engine.register_fn("fixed", |number: Dynamic, digits: i64| -> Result<String, Box<EvalAltResult>> {
        let digits = super::count(digits, "the number of digits")?.min(MOST_DIGITS);
        Ok(format!("{:.digits$}", super::real(&number, "the number")?))
    });
    engine
        .register_type_with_name::<Fault>("Fault")
        .register_get("message", |fault: &mut Fault| fault.message.clone())
        .register_get("hint", |fault: &mut Fault| fault.hint.clone().unwrap_or_default())
        .register_fn("to_string", |fault: &mut Fault| fault.message.clone())
        .register_fn("to_debug", |fault: &mut Fault| fault.message.clone());
}

/// Ends the evaluation without a `catch` being able to hold it, as its interruption does; that has no value.
fn exit(value: Dynamic) -> Outcome<()> {
    let found = match value.as_int() {
        Ok(code) if u8::try_from(code).is_ok() => None,
        Ok(code) => Some(code.to_string()),
        Err(_) if value.is_string() => None,
        Err(_) => Some(a_type(value.type_name())),
    };
    match found {
        None => Err(EvalAltResult::ErrorTerminated(value, Position::NONE).into()),
        Some(found) => {
            Err(Fault::new(format!("`exit` takes a code from 0 to 255, or a message, but {found} was found"))
                .with_hint("exit(1) says that something is wrong, exit(\"why\") says what")
                .into())
        }
    }
}

/// The most digits after the point: a double holds no more than 17.
const MOST_DIGITS: usize = 17;

/// The most elements that [`repeat`] makes: a network deeper than this is a slip of the finger.
const MOST: usize = 4096;

fn repeat(times: i64, blocks: Array) -> Result<Array, Box<EvalAltResult>> {
    let count = usize::try_from(times).ok().filter(|times| times.saturating_mul(blocks.len()) <= MOST);
    let Some(count) = count else {
        return Err(Fault::new(format!("`repeat` was asked for {times} × {} blocks", blocks.len()))
            .with_hint(format!("0 to {MOST} blocks in all"))
            .into());
    };
    Ok(std::iter::repeat_n(blocks, count).flatten().collect())
}
