//! The `roofprobe` program: parses the command line and exits with the library's verdict.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    roofprobe::cli::run(roofprobe::cli::Arguments::parse())
}
