//! A transcript in the colours of a terminal.

use std::collections::BTreeMap;

use crate::transcript::{Line, Transcript};

/// Colours of names, told apart on light and dark grounds.
const NAMES: [u8; 6] = [36, 35, 34, 33, 96, 95];
const RED: u8 = 31;
const GREEN: u8 = 32;
const YELLOW: u8 = 33;
const BLUE: u8 = 34;
const BOLD: u8 = 1;
const DIM: u8 = 2;
/// The word with which the names of what went wrong begin or end.
const WRONG: [&str; 12] = [
    " error ",
    "stream error",
    "failed",
    "refused",
    "reset",
    "timed out",
    "not trusted",
    "nonsense",
    "cannot ",
    "does not offer",
    "killed",
    "power off",
];

/// Returns a transcript as a terminal shows it: the same letters as without colours.
pub fn paint(transcript: &Transcript) -> String {
    let lines = || transcript.chapters().iter().flatten();
    let times = lines().map(|line| line.at.to_string().len()).max().unwrap_or(0);
    let names = lines().map(|line| line.who.chars().count()).max().unwrap_or(0);
    let colours = colours(lines().map(|line| line.who.as_str()));
    let mut out = String::new();
    for (index, chapter) in transcript.chapters().iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        for line in chapter {
            let name = format!("{:<names$}", line.who);
            let colour = colours.get(line.who.as_str()).copied().unwrap_or(YELLOW);
            let time = format!("{:>times$}", line.at.to_string());
            out.extend([
                ink(DIM, &time),
                "  ".into(),
                ink(colour, &name),
                " ".into(),
                what(line),
                "\n".into(),
            ]);
        }
    }
    out
}

/// Returns a verdict, green or red.
pub fn verdict(text: &str, good: bool) -> String {
    ink(if good { GREEN } else { RED }, text)
}

/// Returns a title, and what stands below it.
pub fn title(story: &str, name: &str) -> String {
    format!("{}\n{}\n", ink(BOLD, story), ink(DIM, name))
}

/// Gives each name a colour that depends on the names alone; neighbours in the alphabet differ.
fn colours<'a>(names: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, u8> {
    let mut found: BTreeMap<&str, u8> = names.map(|name| (name, 0)).collect();
    for (index, colour) in found.values_mut().enumerate() {
        *colour = NAMES[index % NAMES.len()];
    }
    found
}

fn what(line: &Line) -> String {
    let (sign, text) = line.what.split_once(' ').unwrap_or((&line.what, ""));
    // What people write to each other is no error, whatever it says.
    let told = text.split(": ").next().unwrap_or_default();
    let wrong = WRONG.iter().any(|word| told.contains(word));
    let colour = match sign {
        ">" => BLUE,
        "<" => GREEN,
        _ => YELLOW,
    };
    let text = if wrong { ink(RED, text) } else { text.into() };
    format!("{} {text}", ink(if wrong { RED } else { colour }, sign))
}

fn ink(colour: u8, text: &str) -> String {
    format!("\x1b[{colour}m{text}\x1b[0m")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{RunOptions, Scenario, run};

    #[test]
    fn colours_add_nothing_but_colours() {
        let text = "# A story.\n# RFC 6121\naccount alice\nclient alice on a\nclient x on a as alice\nalice comes online\n\
            x logs in password \"wrong\"\nsettle\nalice says to nobody: a reset failed\n";
        let told = run(&Scenario::parse("story", text).unwrap(), RunOptions::default()).transcript;
        let painted = paint(&told);
        let mut plain = String::new();
        for part in painted.split('\x1b') {
            plain.push_str(part.strip_prefix('[').map_or(part, |part| part.split_once('m').unwrap().1));
        }
        assert_eq!(plain, told.to_string());
        assert!(painted.contains("\x1b[31mlogin failed"), "{painted}");
        assert!(painted.contains("nobody: a reset failed\n"), "{painted}");
        assert!(!told.to_string().contains('\x1b'));
    }
}
