//! `wasabi doctor`: what this machine has, a line for each check, and below what is missing the command that mends it.

use std::path::Path;
use std::process::ExitCode;

use crate::device::{self, Status};
use crate::repl::Console;
use crate::script::Host;

/// Prints the report; fails when something that is needed is missing.
pub(super) fn print(console: &Console) -> ExitCode {
    let checks = device::doctor(Path::new("data"), Path::new("experiments"));
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    for check in &checks {
        let sign = match check.status {
            Status::Ok => "ok     ",
            Status::Warn => "warning",
            Status::Missing => "missing",
        };
        console.print(&format!("{sign}  {:width$}  {}", check.name, check.found));
        if let Some(mend) = &check.mend {
            console.print(&format!("{:9}{:width$}  mend: {mend}", "", ""));
        }
    }
    let missing = checks.iter().any(|check| check.status == Status::Missing);
    ExitCode::from(u8::from(missing))
}
