//! The `wasabi` program.

fn main() -> std::process::ExitCode {
    wasabi::cli::main()
}
