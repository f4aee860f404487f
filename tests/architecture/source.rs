//! Source files as words, without comments, texts and test modules: just enough Rust to hold rules against it.

use std::path::Path;

/// One source file.
pub(crate) struct Source {
    /// Path below the package, as `src/as4/mod.rs`.
    pub(crate) path: String,
    /// Path of the module, as `["as4", "header"]`; empty for `lib.rs` and `main.rs`.
    pub(crate) module: Vec<String>,
    /// The file as it stands.
    pub(crate) text: String,
    /// Its lines.
    pub(crate) lines: usize,
    tokens: Vec<Token>,
}

/// A word or a sign, with its line.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Token {
    line: usize,
    text: String,
}

/// All Rust files below `folder`, test files of the library left out of the rules on imports.
pub(crate) fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join(folder), &mut files);
    files.sort();
    assert!(!files.is_empty(), "no source files below {folder}");
    files
        .iter()
        .map(|file| {
            let text = std::fs::read_to_string(file).expect("source files are UTF-8");
            let path = file.strip_prefix(root).expect("files are below the package").display().to_string();
            let test_file = path.ends_with("/tests.rs") || path.contains("/tests/");
            let tokens = if folder == "src" && test_file { Vec::new() } else { without_tests(tokens(&text)) };
            Source { module: module_of(&path), lines: text.lines().count(), path, text, tokens }
        })
        .collect()
}

impl Source {
    /// Whether the file is `place` (`discovery/bdxl`), a file of that name, or below it.
    pub(crate) fn is_in(&self, place: &str) -> bool {
        let place: Vec<&str> = place.split('/').collect();
        self.module.len() >= place.len() && self.module.iter().zip(&place).all(|(a, b)| a == b)
    }

    /// The words of the code.
    pub(crate) fn words(&self) -> impl Iterator<Item = (usize, &str)> {
        self.tokens.iter().map(|t| (t.line, t.text.as_str()))
    }

    /// Macros that are called.
    pub(crate) fn macros(&self) -> impl Iterator<Item = (usize, &str)> {
        self.tokens.windows(2).filter(|w| w[1].text == "!").map(|w| (w[0].line, w[0].text.as_str()))
    }

    /// What is defined here: `(line, "fn" | "struct" | "enum" | "trait" | "mod" | "type", name)`.
    pub(crate) fn definitions(&self) -> impl Iterator<Item = (usize, &str, &str)> {
        let kinds = ["fn", "struct", "enum", "trait", "mod", "type"];
        self.tokens
            .windows(2)
            .filter(move |w| kinds.contains(&w[0].text.as_str()) && is_word(&w[1].text))
            .map(|w| (w[1].line, w[0].text.as_str(), w[1].text.as_str()))
    }

    /// Paths into this crate, `crate` and leading `super`s left out: `use crate::model::Message` gives `model`, `Message`.
    pub(crate) fn crate_paths(&self) -> Vec<(usize, Vec<String>)> {
        let mut found = Vec::new();
        for (place, token) in self.tokens.iter().enumerate() {
            let after = match token.text.as_str() {
                _ if self.follows_colons(place) => continue,
                "crate" | "sluss" => place,
                "super" => {
                    let mut last = place;
                    let mut up = 1;
                    while self.is(last + 1, "::") && self.is(last + 2, "super") {
                        last += 2;
                        up += 1;
                    }
                    if up < self.module.len() {
                        continue;
                    }
                    last
                }
                _ => continue,
            };
            let mut path = Vec::new();
            let mut at = after;
            while self.is(at + 1, "::") && self.tokens.get(at + 2).is_some_and(|t| is_word(&t.text)) {
                path.push(self.tokens[at + 2].text.clone());
                at += 2;
            }
            if !path.is_empty() {
                found.push((token.line, path));
            }
        }
        found
    }

    /// The top modules that the file uses.
    pub(crate) fn crate_modules(&self) -> Vec<(usize, String)> {
        self.crate_paths().into_iter().map(|(line, mut path)| (line, path.swap_remove(0))).collect()
    }

    /// Heads of paths, and what `use` and `extern crate` name: among them all foreign crates.
    pub(crate) fn foreign_crates(&self) -> impl Iterator<Item = (usize, &str)> {
        self.tokens.iter().enumerate().filter_map(|(place, token)| {
            let imported = place > 0 && (self.is(place - 1, "use") || self.is(place - 1, "crate"));
            let head = is_word(&token.text) && (self.is(place + 1, "::") || imported) && !self.follows_colons(place);
            head.then_some((token.line, token.text.as_str()))
        })
    }

    /// `use crate::{…}`, `use crate::*` and `use crate as`: they hide from the table what is used.
    pub(crate) fn grouped_crate_imports(&self) -> Vec<(usize, String)> {
        self.tokens
            .iter()
            .enumerate()
            .filter(|(place, token)| ["crate", "sluss"].contains(&token.text.as_str()) && !self.follows_colons(*place))
            .filter(|(place, _)| {
                let grouped = self.is(place + 1, "::") && (self.is(place + 2, "{") || self.is(place + 2, "*"));
                grouped || (self.is(place + 1, "as") && *place > 0 && self.is(place - 1, "use"))
            })
            .map(|(place, token)| {
                (token.line, format!("{}{}{}", token.text, self.tokens[place + 1].text, self.tokens[place + 2].text))
            })
            .collect()
    }

    fn is(&self, place: usize, text: &str) -> bool {
        self.tokens.get(place).is_some_and(|t| t.text == text)
    }

    fn follows_colons(&self, place: usize) -> bool {
        // `use ::ring::digest` begins a path; `a::ring` does not.
        let before = place.checked_sub(2).and_then(|before| self.tokens.get(before));
        place > 0
            && self.is(place - 1, "::")
            && before.is_some_and(|t| (is_word(&t.text) && t.text != "use") || t.text == ">")
    }
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.expect("the folder can be listed").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

fn module_of(path: &str) -> Vec<String> {
    let inside = path.split_once('/').map_or(path, |(_, rest)| rest).trim_end_matches(".rs");
    let mut parts: Vec<String> = inside.split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|p| ["mod", "lib", "main"].contains(&p.as_str())) {
        parts.pop();
    }
    parts
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Words, `::` and single signs; comments, texts, characters and lifetimes are left out.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let next = chars.get(at + 1).copied();
        let end = match (c, next) {
            ('/', Some('/')) => end_of_line(&chars, at),
            ('/', Some('*')) => end_of_block_comment(&chars, at),
            ('"', _) => end_of_text(&chars, at + 1),
            ('r' | 'b' | 'c', _) if raw_hashes(&chars, at).is_some() => end_of_raw_text(&chars, at),
            ('b' | 'c', Some('"')) => end_of_text(&chars, at + 2),
            ('b', Some('\'')) => end_of_character(&chars, at + 1),
            ('\'', _) => end_of_character(&chars, at),
            (':', Some(':')) => {
                tokens.push(Token { line, text: "::".to_owned() });
                at + 2
            }
            (c, _) if c.is_alphanumeric() || c == '_' => {
                let end =
                    chars[at..].iter().position(|c| !c.is_alphanumeric() && *c != '_').map_or(chars.len(), |n| at + n);
                tokens.push(Token { line, text: chars[at..end].iter().collect() });
                end
            }
            (c, _) => {
                if !c.is_whitespace() {
                    tokens.push(Token { line, text: c.to_string() });
                }
                at + 1
            }
        };
        line += chars[at..end.min(chars.len())].iter().filter(|c| **c == '\n').count();
        at = end;
    }
    tokens
}

fn end_of_line(chars: &[char], at: usize) -> usize {
    chars[at..].iter().position(|c| *c == '\n').map_or(chars.len(), |n| at + n)
}

fn end_of_block_comment(chars: &[char], at: usize) -> usize {
    let mut depth = 0;
    let mut at = at;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                at += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}

fn end_of_text(chars: &[char], inside: usize) -> usize {
    let mut at = inside;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// The number of `#` of a raw text that begins at `at`.
fn raw_hashes(chars: &[char], at: usize) -> Option<usize> {
    let mut place = at;
    if matches!(chars[place], 'b' | 'c') {
        place += 1;
    }
    if chars.get(place) != Some(&'r') {
        return None;
    }
    let hashes = chars[place + 1..].iter().take_while(|c| **c == '#').count();
    (chars.get(place + 1 + hashes) == Some(&'"')).then_some(hashes)
}

fn end_of_raw_text(chars: &[char], at: usize) -> usize {
    let hashes = raw_hashes(chars, at).unwrap_or_default();
    let Some(open) = chars[at..].iter().position(|c| *c == '"').map(|n| at + n) else { return chars.len() };
    let mut place = open + 1;
    while place < chars.len() {
        if chars[place] == '"' && chars[place + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes {
            return place + 1 + hashes;
        }
        place += 1;
    }
    chars.len()
}

/// The end of `'x'`, `'\n'`, `'\u{e5}'`, or of a lifetime.
fn end_of_character(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => chars[at + 3..].iter().position(|c| *c == '\'').map_or(chars.len(), |n| at + 4 + n),
        (Some(_), Some('\'')) => at + 3,
        _ => at + 1,
    }
}

/// Leaves out what stands under `#[cfg(test)]`: test modules may use what they need.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].iter().map(|t| t.text.as_str()).take(MARK.len()).eq(MARK) {
            at = end_of_item(&tokens, at + MARK.len());
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// The place after the item that begins at `at`: after its `;`, or after its closing brace.
fn end_of_item(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0_usize;
    for (place, token) in tokens.iter().enumerate().skip(at) {
        match token.text.as_str() {
            ";" if depth == 0 => return place + 1,
            "{" => depth += 1,
            "}" if depth <= 1 => return place + 1,
            "}" => depth -= 1,
            _ => {}
        }
    }
    tokens.len()
}

#[test]
fn comments_texts_and_tests_do_not_count() {
    let text = r##"
        // use crate::store::Store;
        /* ring:: /* nested */ sled:: */
        /// [`crate::as4`]
        const A: &str = "crate::api \" hyper::";
        const B: &str = r#"crate::cli " "#;
        const C: char = '"';
        fn f<'a>(x: &'a str) -> crate::model::Id { '\'' ; x }
        #[cfg(test)]
        mod tests { use crate::testbed::ca; fn g() { { } } }
        use ::ring::digest;
    "##;
    let source = Source {
        path: "src/as4/mod.rs".to_owned(),
        module: vec!["as4".to_owned()],
        text: text.to_owned(),
        lines: 0,
        tokens: without_tests(tokens(text)),
    };
    assert_eq!(source.crate_modules(), [(8, "model".to_owned())]);
    assert!(source.foreign_crates().any(|found| found == (11, "ring")));
    assert!(source.words().all(|(_, word)| !["sled", "store", "api", "hyper", "cli", "testbed"].contains(&word)));
}

#[test]
fn a_path_through_super_is_seen() {
    let text = "use super::super::store::Store; use super::header;";
    let source = Source {
        path: "src/as4/pack.rs".to_owned(),
        module: vec!["as4".to_owned(), "pack".to_owned()],
        text: text.to_owned(),
        lines: 1,
        tokens: tokens(text),
    };
    assert_eq!(source.crate_modules(), [(1, "store".to_owned())]);
}
