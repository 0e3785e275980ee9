//! `eyot-sim`: runs scenarios and prints what clients and operators saw.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use eyot_core::record::{End, redact};
use eyot_io_sim::replay::replay;
use eyot_io_sim::script::{Outcome, RunOptions, Scenario, Trouble, run};
use eyot_io_sim::transcript::Form;
use eyot_io_sim::world::Slices;

const USAGE: &str = "\
eyot-sim run FILE|DIR... [--seed N] [--slices N|random] [--batch] [--xml] [--quiet] [--record OUT]
eyot-sim replay RECORDING
eyot-sim redact RECORDING OUT

  FILE       a scenario (scenarios/README.md has the verbs), DIR all scenarios below it
  --seed N   the seed of the world; 0 unless given
  --slices   cut what arrives into pieces of N bytes, or of random length
  --batch    let nodes read late, so that much arrives at once
  --xml      show every byte of XML
  --quiet    no transcript: only what does not hold
  --record   write what the node was given from its first start; it holds passwords and keys

  RECORDING  what `--record` wrote, here or on a server: given to a new node, and what it answers is digested
  redact     copies a recording with the text of bodies and subjects replaced by filler of equal length;
             passwords and keys stay in it, or it would not replay

Ends with 1 when an expectation does not hold, with 2 when a file cannot be read.
";

/// What the command line asks for.
struct Arguments {
    paths: Vec<PathBuf>,
    options: RunOptions,
    quiet: bool,
    record: Option<PathBuf>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut out = std::io::stdout().lock();
    if let [command, file] = words.as_slice()
        && command == "replay"
    {
        let (text, code) = replay_file(Path::new(file));
        return finish(&writeln!(out, "{text}"), code);
    }
    if let [command, from, to] = words.as_slice()
        && command == "redact"
    {
        let (text, code) = redact_file(Path::new(from), Path::new(to));
        return finish(&writeln!(out, "{text}"), code);
    }
    let arguments = match words.split_first() {
        Some((command, rest)) if command == "run" => parse(rest),
        Some((help, _)) if help == "--help" || help == "-h" || help == "help" => {
            return finish(&out.write_all(USAGE.as_bytes()), ExitCode::SUCCESS);
        }
        Some((other, _)) => Err(format!("there is no command {other}")),
        None => Err("a command is missing".into()),
    };
    let arguments = match arguments {
        Ok(arguments) => arguments,
        Err(what) => {
            let said = write!(std::io::stderr().lock(), "{what}\n\n{USAGE}");
            return finish(&said, ExitCode::from(2));
        }
    };
    match run_all(&arguments, &mut out) {
        Ok(code) => code,
        // A reader that has seen enough (`| head`) is no failure.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(2),
    }
}

fn finish(said: &std::io::Result<()>, code: ExitCode) -> ExitCode {
    if said.is_ok() { code } else { ExitCode::from(2) }
}

fn parse(words: &[String]) -> Result<Arguments, String> {
    let mut arguments =
        Arguments { paths: Vec::new(), options: RunOptions::default(), quiet: false, record: None };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seed" => {
                let seed = words.next().ok_or("--seed needs a number")?;
                arguments.options.world.seed = seed.parse().map_err(|_| format!("{seed} is no seed"))?;
            }
            "--slices" => {
                let slices = words.next().ok_or("--slices needs a number of bytes, or random")?;
                arguments.options.world.slices = match slices.parse() {
                    Ok(bytes) if bytes > 0 => Slices::Every(bytes),
                    _ if slices == "random" => Slices::Random,
                    _ => return Err(format!("--slices takes a number of bytes, or random, not {slices}")),
                };
            }
            "--batch" => arguments.options.world.batch = true,
            "--xml" => arguments.options.form = Form::Xml,
            "--record" => {
                arguments.record = Some(words.next().ok_or("--record needs a file")?.into());
                arguments.options.world.record = true;
            }
            "--quiet" => arguments.quiet = true,
            unknown if unknown.starts_with('-') => return Err(format!("there is no option {unknown}")),
            path => collect(Path::new(path), &mut arguments.paths)?,
        }
    }
    if arguments.paths.is_empty() {
        return Err("there is no scenario to run".into());
    }
    Ok(arguments)
}

/// Finds the scenarios at and below a path, in order.
fn collect(path: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("{}: {error}", path.display());
    if !std::fs::metadata(path).map_err(fail)?.is_dir() {
        found.push(path.into());
        return Ok(());
    }
    let mut below = Vec::new();
    for entry in std::fs::read_dir(path).map_err(fail)? {
        below.push(entry.map_err(fail)?.path());
    }
    below.sort();
    for entry in below {
        if entry.is_dir() {
            collect(&entry, found)?;
        } else if entry.extension().is_some_and(|extension| extension == "scn") {
            found.push(entry);
        }
    }
    Ok(())
}

fn run_all(arguments: &Arguments, out: &mut impl std::io::Write) -> std::io::Result<ExitCode> {
    let mut worst = 0;
    for path in &arguments.paths {
        let name = path.display().to_string();
        let scenario = std::fs::read_to_string(path)
            .map_err(|error| format!("{name}: {error}"))
            .and_then(|text| Scenario::parse(&name, &text).map_err(|error| error.to_string()));
        let code = match scenario {
            Ok(scenario) => tell(&scenario, arguments, out)?,
            Err(what) => {
                writeln!(out, "{what}")?;
                2
            }
        };
        worst = worst.max(code);
    }
    Ok(ExitCode::from(worst))
}

/// Runs one scenario and tells it; returns its share of the exit code.
fn tell(scenario: &Scenario, arguments: &Arguments, out: &mut impl std::io::Write) -> std::io::Result<u8> {
    let outcome = run(scenario, arguments.options);
    if !arguments.quiet {
        writeln!(out, "{}\n{}\n", scenario.story, scenario.name)?;
        writeln!(out, "{}", outcome.transcript)?;
    }
    if let (Some(path), Some(recording)) = (&arguments.record, outcome.recordings.first()) {
        write_secretly(path, &recording.bytes)?;
        writeln!(out, "recorded to {}: digest {}\n", path.display(), hex(&recording.digest))?;
    }
    if let Some(capability) = &scenario.pending {
        if outcome.is_good() {
            writeln!(out, "{}: now passes: remove the mark", scenario.name)?;
            return Ok(1);
        }
        if outcome.pending() == Some(capability) {
            writeln!(out, "{}: pending: {capability}", scenario.name)?;
            return Ok(0);
        }
    }
    tell_verdicts(scenario, &outcome, arguments, out)?;
    Ok(u8::from(!outcome.is_good()))
}

fn tell_verdicts(
    scenario: &Scenario,
    outcome: &Outcome,
    arguments: &Arguments,
    out: &mut impl std::io::Write,
) -> std::io::Result<()> {
    for verdict in outcome.verdicts.iter().filter(|verdict| !verdict.met) {
        writeln!(out, "{}:{}: does not hold: {}", scenario.name, verdict.line, verdict.text)?;
        for seen in &verdict.seen {
            writeln!(out, "    seen: {seen}")?;
        }
    }
    for complaint in &outcome.complaints {
        writeln!(out, "{}: {complaint}", scenario.name)?;
    }
    match &outcome.trouble {
        Some((line, Trouble::Pending(capability))) => {
            writeln!(out, "{}:{line}: needs what is not there yet: {capability}", scenario.name)?;
        }
        Some((line, Trouble::Wrong(what))) => writeln!(out, "{}:{line}: {what}", scenario.name)?,
        None => {}
    }
    let met = outcome.verdicts.iter().filter(|verdict| verdict.met).count();
    let all = outcome.verdicts.len();
    let seed = arguments.options.world.seed;
    let verdict = if outcome.is_good() { "all hold" } else { "FAILED" };
    if !arguments.quiet || !outcome.is_good() {
        writeln!(out, "{met} of {all} expectations: {verdict}  (seed {seed}, hash {})\n", outcome.hash)?;
    }
    Ok(())
}

/// Replays a recording and tells what came of it.
fn replay_file(path: &Path) -> (String, ExitCode) {
    let name = path.display();
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => return (format!("{name}: {error}"), ExitCode::from(2)),
    };
    match replay(bytes.into(), |_| {}) {
        Ok(found) => {
            let end = match (found.end, found.torn_at) {
                (Some(End::Stopped), _) => "the node stopped".into(),
                (Some(End::SizeBound), _) => "the recording reached its bound".into(),
                (None, Some(offset)) => format!("torn at byte {offset}"),
                (None, None) => "the process died".into(),
            };
            let counts = format!("{} inputs, {} outputs, then {end}", found.inputs, found.outputs);
            (format!("{name}: {counts}\ndigest {}", hex(&found.digest)), ExitCode::SUCCESS)
        }
        Err(error) => (format!("{name}: {error}"), ExitCode::from(2)),
    }
}

/// Copies a recording without what people said.
fn redact_file(from: &Path, to: &Path) -> (String, ExitCode) {
    let bytes = match std::fs::read(from) {
        Ok(bytes) => bytes,
        Err(error) => return (format!("{}: {error}", from.display()), ExitCode::from(2)),
    };
    let redacted = match redact(bytes.into()) {
        Ok(redacted) => redacted,
        Err(error) => return (format!("{}: {error:?}", from.display()), ExitCode::from(2)),
    };
    match write_secretly(to, &redacted) {
        Ok(()) => (format!("{}: {} bytes, without bodies", to.display(), redacted.len()), ExitCode::SUCCESS),
        Err(error) => (format!("{}: {error}", to.display()), ExitCode::from(2)),
    }
}

/// Writes a new file that nobody else may read: a recording holds passwords and keys.
fn write_secretly(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
