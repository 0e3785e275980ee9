//! What led to a failure, printed.

use std::io::Write;

/// Tells what led to the failure of a text.
///
/// # Errors
///
/// Those of whoever reads the output.
pub(crate) fn explain(name: &str, text: &str, out: &mut impl Write) -> std::io::Result<()> {
    match eyot_io_sim::repro::explain(name, text) {
        Ok(Some(found)) => write!(out, "\nWhat led to it:\n{found}"),
        Ok(None) => writeln!(out, "{name}: two runs differ: verify finds where"),
        Err(error) => writeln!(out, "{error}"),
    }
}
