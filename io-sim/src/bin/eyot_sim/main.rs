//! `eyot-sim`: runs scenarios and prints what clients and operators saw.

mod child;
mod explain;
mod files;
mod keep;
mod replay;
mod run;
mod shrink;
mod sources;
mod sweep;
mod trace;
mod verify;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The release, and what it was built of: two builds with the same text are of the same sources.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (sources ", env!("EYOT_SOURCES"), ")");

/// Runs an XMPP server in a simulated world: stories, failures, recordings.
///
/// Ends with 1 when something does not hold, with 2 when a file cannot be read or the command line is not understood.
#[derive(Debug, Parser)]
#[command(name = "eyot-sim", version = VERSION)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Sweep(sweep::Sweep),
    Replay(replay::Replay),
    Shrink(shrink::Shrink),
    Keep(keep::Keep),
    Verify(verify::Verify),
    #[command(hide = true)]
    Trace(trace::Trace),
    Redact(replay::Redact),
}

/// What a command came to: its exit code, or the error of whoever reads its output.
type Outcome = std::io::Result<u8>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut out = std::io::stdout().lock();
    match perform(&arguments.command, &mut out) {
        Ok(code) => ExitCode::from(code),
        // A reader that has seen enough (`| head`) is no failure.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told when this fails as well.
            let _told = writeln!(std::io::stderr(), "eyot-sim: {error}").is_ok();
            ExitCode::from(2)
        }
    }
}

fn perform(command: &Command, out: &mut impl Write) -> Outcome {
    match command {
        Command::Run(run) => run.perform(out),
        Command::Sweep(sweep) => sweep.perform(out),
        Command::Replay(replay) => replay.perform(out),
        Command::Shrink(shrink) => shrink.perform(out),
        Command::Keep(keep) => keep.perform(out),
        Command::Verify(verify) => verify.perform(out),
        Command::Trace(trace) => trace.perform(out),
        Command::Redact(redact) => redact.perform(out),
    }
}
