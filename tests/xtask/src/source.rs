//! A small reader of Rust source: enough for lengths and imports, no parser.

/// A function and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of `fn`, counted from one.
    pub line: usize,
    /// Lines from `fn` to the closing brace.
    pub lines: usize,
}

/// Returns the text before the inline module of tests of a file. Any other item of the tests before it is left
/// blank; lines stay where they are.
pub fn before_tests(text: &str) -> String {
    let code = code(text);
    let bare: Vec<&str> = code.lines().collect();
    let mut kept = String::with_capacity(text.len());
    let mut shown_from = 0;
    for (index, line) in text.lines().enumerate() {
        if index >= shown_from && bare.get(index).is_some_and(|bare| bare.starts_with("#[cfg(test)]")) {
            match test_item(bare.get(index..).unwrap_or_default()) {
                Some(length) => shown_from = index + length,
                None => break,
            }
        }
        kept.push_str(if index >= shown_from { line } else { "" });
        kept.push('\n');
    }
    kept
}

/// The lines of the item that begins with `#[cfg(test)]`; none when it is an inline module or has no end.
fn test_item(bare: &[&str]) -> Option<usize> {
    let text = bare.join("\n");
    let tokens = tokens(&text);
    let mut depth = 0_usize;
    let mut words = Vec::new();
    for (line, token) in tokens {
        match token {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ if depth == 0 => words.push(token),
            _ => {}
        }
        let first = words.iter().find(|word| !["#", "pub"].contains(word));
        match token {
            "{" if first == Some(&"mod") => return None,
            // A brace of a `use` tree or of a value is followed by the semicolon.
            "}" if depth == 0 && !["use", "const", "static"].iter().any(|word| first == Some(word)) => {
                return Some(line);
            }
            ";" if depth == 0 => return Some(line),
            _ => {}
        }
    }
    None
}

/// Replaces comments and the content of literals by spaces; lines stay where they are.
pub fn code(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let end = match (c, chars.get(at + 1)) {
            ('/', Some('/')) => line_end(&chars, at),
            ('/', Some('*')) => comment_end(&chars, at),
            ('"', _) => string_end(&chars, at),
            ('r', Some('"' | '#')) if !follows_word(&chars, at) => raw_end(&chars, at),
            ('\'', _) => char_end(&chars, at),
            _ => at,
        };
        if end == at {
            out.push(c);
            at += 1;
        } else {
            let hidden = chars.get(at..end).unwrap_or_default();
            out.extend(hidden.iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

fn follows_word(chars: &[char], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|index| chars.get(index));
    // The `b` of a raw byte string is no word of its own.
    before.is_some_and(|c| (c.is_alphanumeric() || *c == '_') && *c != 'b')
}

fn line_end(chars: &[char], at: usize) -> usize {
    chars.iter().skip(at).position(|c| *c == '\n').map_or(chars.len(), |length| at + length)
}

fn comment_end(chars: &[char], at: usize) -> usize {
    let mut depth = 0_usize;
    let mut index = at;
    while index < chars.len() {
        match (chars.get(index), chars.get(index + 1)) {
            (Some('/'), Some('*')) => (depth, index) = (depth + 1, index + 2),
            (Some('*'), Some('/')) => (depth, index) = (depth.saturating_sub(1), index + 2),
            _ => index += 1,
        }
        if depth == 0 {
            break;
        }
    }
    index.min(chars.len())
}

fn string_end(chars: &[char], at: usize) -> usize {
    let mut index = at + 1;
    while let Some(c) = chars.get(index) {
        match c {
            '\\' => index += 2,
            '"' => return index + 1,
            _ => index += 1,
        }
    }
    chars.len()
}

/// The end of a raw string, or `at` when there is none (`r#type`).
fn raw_end(chars: &[char], at: usize) -> usize {
    let hashes = chars.iter().skip(at + 1).take_while(|c| **c == '#').count();
    if chars.get(at + 1 + hashes) != Some(&'"') {
        return at;
    }
    let closing = |index: usize| {
        chars.get(index) == Some(&'"')
            && chars.iter().skip(index + 1).take_while(|c| **c == '#').take(hashes).count() == hashes
    };
    let found = (at + 2 + hashes..chars.len()).find(|index| closing(*index));
    found.map_or(chars.len(), |index| index + 1 + hashes)
}

/// The end of a character literal, or `at` for a lifetime.
fn char_end(chars: &[char], at: usize) -> usize {
    if chars.get(at + 1) == Some(&'\\') {
        let quote = chars.iter().skip(at + 3).take(12).position(|c| *c == '\'');
        return quote.map_or(at, |length| at + 4 + length);
    }
    if chars.get(at + 2) == Some(&'\'') { at + 3 } else { at }
}

/// Splits code (see [`code`]) into words and single signs, each with its line, counted from one.
pub fn tokens(code: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = |c: char| c.is_alphanumeric() || c == '_';
            let length = match rest.find(|c| !word(c)) {
                _ if !word(first) => first.len_utf8(),
                found => found.unwrap_or(rest.len()),
            };
            let (token, after) = rest.split_at(length);
            found.push((index + 1, token));
            rest = after.trim_start();
        }
    }
    found
}

/// Returns the functions with a body, in order.
pub fn functions(code: &str) -> Vec<Function> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    for (index, pair) in tokens.windows(2).enumerate() {
        let [(line, "fn"), (_, name)] = pair else { continue };
        if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            continue;
        }
        if let Some(end) = body_end(tokens.get(index + 2..).unwrap_or_default()) {
            found.push(Function { name: (*name).into(), line: *line, lines: end + 1 - line });
        }
    }
    found
}

/// The line of the brace that closes a function whose signature starts here.
fn body_end(tokens: &[(usize, &str)]) -> Option<usize> {
    let mut round = 0_usize;
    let mut braces = 0_usize;
    for (line, token) in tokens {
        match *token {
            "(" | "[" => round += 1,
            ")" | "]" => round = round.saturating_sub(1),
            ";" if round == 0 && braces == 0 => return None,
            "{" => braces += 1,
            "}" => {
                braces = braces.saturating_sub(1);
                if braces == 0 {
                    return Some(*line);
                }
            }
            _ => {}
        }
    }
    None
}

/// Returns every path that begins with the word `start`, without it, brace groups spelt out.
pub fn paths(code: &str, start: &str) -> Vec<(usize, Vec<String>)> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    for (index, (line, token)) in tokens.iter().enumerate() {
        let inside = index >= 2 && is_path_sign(&tokens, index - 2);
        if *token == start && !inside && is_path_sign(&tokens, index + 1) {
            let mut ends = Vec::new();
            tree(&tokens, index + 3, &mut Vec::new(), &mut ends);
            found.extend(ends.into_iter().map(|path| (*line, path)));
        }
    }
    found
}

fn is_path_sign(tokens: &[(usize, &str)], at: usize) -> bool {
    let sign = |index: usize| tokens.get(index).is_some_and(|(_, token)| *token == ":");
    sign(at) && sign(at + 1)
}

/// Reads one use tree at `at`, adds its paths to `ends`, and returns the index behind it.
fn tree(tokens: &[(usize, &str)], at: usize, prefix: &mut Vec<String>, ends: &mut Vec<Vec<String>>) -> usize {
    let Some((_, token)) = tokens.get(at) else { return at };
    if *token == "{" {
        let mut index = at + 1;
        while tokens.get(index).is_some_and(|(_, token)| *token != "}") {
            let next = tree(tokens, index, prefix, ends);
            // `as NAME` and commas stand between the trees of a group.
            let behind =
                tokens.iter().skip(next).take_while(|(_, token)| !["}", ","].contains(token)).count();
            index = next + behind;
            index += usize::from(tokens.get(index).is_some_and(|(_, token)| *token == ","));
        }
        return index + 1;
    }
    prefix.push((*token).into());
    let next = if is_path_sign(tokens, at + 1) {
        tree(tokens, at + 3, prefix, ends)
    } else {
        ends.push(prefix.clone());
        at + 1
    };
    prefix.pop();
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_hidden_and_lines_stay() {
        let text =
            "a // fn x() {\n/* { /* } */ */ b \"{ \\\" {\" c r#\"}\"#\n'{' '\\'' &'a d b\"x\" br\"}\" r#type";
        let shown = code(text);
        assert_eq!(shown.lines().count(), 3);
        assert!(!shown.contains(['{', '}']), "{shown}");
        assert_eq!(shown.split_whitespace().collect::<String>(), "abc&'adbbr#type");
    }

    #[test]
    fn functions_are_measured_from_fn_to_brace() {
        let text = "trait T { fn none(&self); }\nfn one() {}\nfn three(a: [u8; 2])\n-> u8 {\n { 1 } }\ntype F = fn(u8);\n";
        let found: Vec<_> = functions(text).into_iter().map(|f| (f.name, f.line, f.lines)).collect();
        assert_eq!(found, [("one".into(), 2, 1), ("three".into(), 3, 3)]);
    }

    #[test]
    fn use_trees_are_spelt_out() {
        let text = "use crate::{a::{B, c::D as E}, f};\nlet x = crate::g::H::new(); other::crate::no;";
        let found: Vec<_> = paths(text, "crate").into_iter().map(|(_, path)| path.join("::")).collect();
        assert_eq!(found, ["a::B", "a::c::D", "f", "g::H::new"]);
    }

    #[test]
    fn what_stands_behind_the_test_mark_is_not_read() {
        assert_eq!(before_tests("a\n#[cfg(test)]\nmod tests {}\nb\n"), "a\n");
        let marked = "a\n#[cfg(test)]\n#[expect(x, reason = \"{\")]\npub(crate) mod tests {\n}\n";
        assert_eq!(before_tests(marked), "a\n");
    }

    #[test]
    fn what_stands_behind_another_item_of_the_tests_is_read() {
        for item in [
            "mod harness;",
            "use a::{\nB, C,\n};",
            "impl A {\nfn b(&self) -> [u8; 2] {\n{ [1, 2] }\n}\n}",
            "pub(crate) fn f() {}",
            "const A: B = B {\nc: 1,\n};",
        ] {
            let length = item.lines().count() + 1;
            let text = format!("a\n#[cfg(test)]\n{item}\nb // {{\n#[cfg(test)]\nmod tests {{\n");
            assert_eq!(before_tests(&text), format!("a\n{}b // {{\n", "\n".repeat(length)), "{item}");
        }
    }
}
