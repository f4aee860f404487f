//! From TOML to types: a mistake in the text names the place, what was found, what was expected and what to write.

use super::Config;
use super::units::{Unit, nearest, quantity};
use serde::Deserialize;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

/// Reads the text; every mistake that can be seen past the others is reported, each on one line.
pub(super) fn read(text: &str) -> Result<Config, Vec<String>> {
    let mut table = DeTable::parse(text).map_err(|error| vec![unparsed(text, &error)])?;
    let (mut said, mut taken) = (Vec::new(), Vec::new());
    // Each turn takes one entry out, so it ends.
    loop {
        let error = match Config::deserialize(Deserializer::from(table.clone())) {
            Ok(config) if said.is_empty() => return Ok(config),
            Ok(_) => return Err(said),
            Err(error) => error,
        };
        let message = error.message().lines().collect::<Vec<_>>().join(" ");
        if let Some(name) = between(&message, "missing field `", "`") {
            if !taken.iter().any(|key| key == name) {
                said.push(missing(table.get_ref(), error.span(), name));
            }
            return Err(said);
        }
        let Some(place) = error.span().and_then(|span| place(table.get_ref(), &span)) else {
            said.push(message);
            return Err(said);
        };
        said.push(format!("line {}: {}", line(text, place.value.start), wrong(text, &place, &message)));
        taken.push(take(table.get_mut(), &place.path));
    }
}

/// Where in the file a mistake is.
struct Place {
    /// Keys and, in lists, indices.
    path: Vec<String>,
    /// The octets of the value.
    value: Range<usize>,
}

impl Place {
    fn key(&self) -> String {
        self.path.join(".").replace(".[", "[")
    }
}

/// The entry whose key or value an error points at.
fn place(table: &DeTable<'_>, span: &Range<usize>) -> Option<Place> {
    table.iter().find_map(|(key, value)| {
        let path = vec![key.get_ref().to_string()];
        if key.span() == *span {
            return Some(Place { path, value: value.span() });
        }
        inside(path, value, span)
    })
}

fn inside(path: Vec<String>, value: &Spanned<DeValue<'_>>, span: &Range<usize>) -> Option<Place> {
    let deeper = match value.get_ref() {
        DeValue::Table(table) => place(table, span)
            .map(|found| Place { path: path.iter().cloned().chain(found.path).collect(), value: found.value }),
        DeValue::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| inside(path.iter().cloned().chain([format!("[{index}]")]).collect(), item, span)),
        _ => None,
    };
    let covers = value.span().start <= span.start && span.end <= value.span().end;
    deeper.or_else(|| covers.then(|| Place { path, value: value.span() }))
}

/// Takes an entry out, so that the ones after it can be looked at; gives the name of its key.
fn take(table: &mut DeTable<'_>, path: &[String]) -> String {
    let Some((first, rest)) = path.split_first() else { return String::new() };
    let index = rest.first().and_then(|part| between(part, "[", "]")).and_then(|number| number.parse::<usize>().ok());
    match (table.get_mut(first.as_str()).map(Spanned::get_mut), index) {
        (Some(DeValue::Table(inner)), None) if !rest.is_empty() => take(inner, rest),
        (Some(DeValue::Array(items)), Some(index)) if rest.len() > 1 => {
            match items.get_mut(index).map(Spanned::get_mut) {
                Some(DeValue::Table(inner)) => take(inner, &rest[1..]),
                _ => removed(table, first),
            }
        }
        _ => removed(table, first),
    }
}

fn removed(table: &mut DeTable<'_>, key: &str) -> String {
    table.remove(key);
    key.to_owned()
}

/// What is wrong at a place, from the message of the types.
fn wrong(text: &str, place: &Place, message: &str) -> String {
    let key = place.key();
    let name = place.path.last().map_or("", String::as_str);
    if message.starts_with("unknown field") {
        let known = names(message);
        let meant = nearest(name, &known).map(|near| format!("did you mean {near}? ")).unwrap_or_default();
        return format!("{key}: found a key that is not known; {meant}expected one of {}", known.join(", "));
    }
    let found = text.get(place.value.clone()).unwrap_or_default().lines().next().unwrap_or_default();
    if let (Some(unit), true) = (Unit::of_key(name), message.starts_with("invalid ")) {
        let remedy = quantity(found.trim_matches(['"', '\'']), unit)
            .map_or_else(|| format!("write a number without quotes, as {}", unit.example()), |n| format!("write {n}"));
        return format!("{key}: found {found}, expected {}; {remedy}", unit.words());
    }
    if message.starts_with("unknown variant") {
        let known = names(message);
        let bare = found.trim_matches(['"', '\'']);
        let meant = nearest(bare, &known).unwrap_or_else(|| known.first().map_or("", String::as_str));
        return format!("{key}: found {found}, expected one of {}; write \"{meant}\"", known.join(", "));
    }
    match message.split_once(", expected ") {
        Some((what, expected)) if what.starts_with("invalid ") => {
            format!("{key}: found {found}, expected {}", plain(expected))
        }
        _ if message.contains("socket address") => {
            format!("{key}: found {found}, expected an address and a port; write it as \"127.0.0.1:8443\"")
        }
        _ => format!("{key}: found {found}: {message}"),
    }
}

/// The words of the types, for people who write TOML.
fn plain(expected: &str) -> String {
    match expected {
        "a string" | "path string" => "a text; write it in quotation marks".to_owned(),
        "a boolean" => "true or false; write it without quotation marks".to_owned(),
        "a sequence" => "a list; write it in square brackets, as [\"one\", \"two\"]".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "usize" => {
            "a whole number, 0 or more; write it without quotation marks".to_owned()
        }
        "socket address" => "an address and a port; write it as \"127.0.0.1:8443\"".to_owned(),
        other if other.starts_with("struct ") => "a table of keys and values; write it below a line [NAME]".to_owned(),
        other => other.to_owned(),
    }
}

fn missing(root: &DeTable<'_>, span: Option<Range<usize>>, name: &str) -> String {
    // That of the whole file is empty.
    let table = span
        .filter(|span| !span.is_empty())
        .and_then(|span| place(root, &span))
        .map(|place| place.key() + ".")
        .unwrap_or_default();
    format!("{table}{name}: found nothing, expected the key; add it, as in the file that `sluss init DIR` makes")
}

fn unparsed(text: &str, error: &toml::de::Error) -> String {
    let at = error.span().map_or_else(String::new, |span| format!("line {}: ", line(text, span.start)));
    format!("{at}found no TOML: {}", error.message().lines().collect::<Vec<_>>().join(" "))
}

/// The names in backticks after the first of a message.
fn names(message: &str) -> Vec<String> {
    message.split('`').skip(1).step_by(2).skip(1).map(str::to_owned).collect()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(inner, _)| inner)
}

fn line(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
