//! `cargo xtask`: the one runner of everything that is not a plain `cargo` command.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool speaks to its user")]

use std::process::ExitCode;

use xtask::commands::{self, Outcome};
use xtask::repo::Repo;
use xtask::{mutants, tcp, tidy};

const USAGE: &str = "\
cargo xtask COMMAND

  check                       format, lints, tidy, tests, documentation: before each commit
  tidy                        floors, purity, lengths, links, reasons, licences, changelog
  scenarios [NAME] [--update] run the stories of scenarios/, or rewrite their transcripts
  bench [ARGS]                measure costs: instructions, nanoseconds, bytes
  stack                       the production driver on the simulator's executor
  xeps [--check]              write docs/xeps.md from the first lines of the sources
  interop [CASE..]            other people's clients against a real server
  mutants [NAME..]            planted bugs: found by the simulator, and shrunk
  record-tcp [CASE..]         record anew how Linux TCP behaves (root)
  fuzz --check | run TARGET   type-check the fuzz targets, or run one with cargo-fuzz";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Outcome {
    let Some((command, rest)) = args.split_first() else { return Err(USAGE.into()) };
    let repo = Repo::open()?;
    match command.as_str() {
        "check" => commands::check(&repo, &mut |line| println!("{line}")),
        "tidy" => {
            commands::tidy_all(&repo)?;
            println!("tidy: {} checks, nothing found", tidy::CHECKS.len());
            Ok(())
        }
        "scenarios" => commands::scenarios(&repo, rest),
        "bench" => commands::bench(&repo, rest),
        "stack" => commands::stack(&repo),
        "xeps" => commands::xeps(&repo, rest),
        "interop" => commands::interop(&repo, rest),
        "record-tcp" => tcp::record(&repo, rest),
        "mutants" => mutants::hunt(&repo, rest, &mut |line| println!("{line}")),
        "fuzz" => commands::fuzz(&repo, rest),
        other => Err(format!("there is no command `{other}`\n\n{USAGE}")),
    }
}
