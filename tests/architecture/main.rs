//! The style guide as a test: what a reviewer would have to remember is held here against the code.
//!
//! The table of who may use whom is not repeated: it is read from `ARCHITECTURE.md`, so the page and
//! the code cannot disagree.

mod source;

use source::{Source, sources};
use std::collections::{BTreeMap, BTreeSet};

/// Longest source file, in lines, tests included.
const FILE_LINES_MAX: usize = 600;

/// Crates that only some modules may name: `(crate, files or folders below src/, reason)`.
const FOREIGN: &[(&str, &[&str], &str)] = &[
    ("ring", &["crypto"], "one module knows the cryptographic libraries"),
    ("aws_lc_rs", &["crypto"], "one module knows the cryptographic libraries"),
    ("ghash", &["crypto"], "one module knows the cryptographic libraries"),
    ("crypto_bigint", &["crypto"], "one module knows the cryptographic libraries"),
    ("argon2", &["crypto"], "one module knows the cryptographic libraries"),
    ("unicode_normalization", &["accounts"], "passwords are made comparable in one place"),
    ("lsm_tree", &["store"], "the index can be replaced behind the trait `Keys`"),
    ("xxhash_rust", &["store"], "it is for one list of `lsm_tree`'s"),
    ("sled", &["store"], "the index can be replaced behind the trait `Store`"),
    ("prometheus_client", &["metrics"], "metrics are declared and written in one place"),
    ("crc32fast", &["store"], "checksums are the journal's"),
    ("hyper", &["net"], "bounds of time and size are set in one place"),
    ("hyper_util", &["net"], "bounds of time and size are set in one place"),
    ("hyper_rustls", &["net"], "bounds of time and size are set in one place"),
    ("httpdate", &["net"], "what HTTP says is read in one place"),
    ("tokio_rustls", &["net"], "TLS is set up in one place"),
    ("rustls", &["net", "pki"], "TLS is set up in one place"),
    ("webpki", &["pki"], "chains are built in one place"),
    ("x509_parser", &["pki", "testbed"], "certificates are read in one place"),
    ("rcgen", &["pki", "testbed"], "certificates are made by the testbed, requests by pki"),
    ("p12_keystore", &["pki", "testbed"], "key stores for Java are the testbed's"),
    ("hickory_proto", &["discovery/bdxl", "testbed/dns"], "DNS packets are made and read in two places"),
    ("quick_xml", &["xml"], "limits on markup are set in one place"),
    ("flate2", &["as4", "bench", "conformance"], "gzip is a matter of AS4 parts"),
    ("axum", &["net", "api", "console", "server", "app", "testbed"], "routes are for doors"),
    ("askama", &["console"], "pages are the console's"),
    ("lettre", &["alert"], "mail is one way to tell of alerts"),
    ("clap", &["cli"], "the command line is one door"),
    ("toml", &["config", "testbed", "cli"], "configuration is read once, then taken apart"),
];

/// What the formats must not name: they are pure, so that they can be fuzzed and never block a thread by surprise.
const IMPURE: &[&str] = &[
    "tokio",
    "tokio_util",
    "futures_util",
    "async",
    "await",
    "SystemTime",
    "Instant",
    "SystemClock",
    "TcpStream",
    "UdpSocket",
    "new_v4",
    "now_v7",
];

/// Modules that are synchronous and pure.
const PURE: &[&str] = &["as4", "xhe", "sdk", "xml"];

#[test]
fn every_module_uses_only_what_the_table_allows() {
    let allowed = table();
    let mut wrong = Vec::new();
    for source in sources("src").iter().filter(|s| !s.module.is_empty()) {
        let module = source.module[0].as_str();
        let Some(may_use) = allowed.get(module) else { continue };
        for (line, used) in source.crate_modules() {
            if used != module && !may_use.contains(&used) {
                wrong.push(format!("{}:{line}: `{module}` may not use `{used}`", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "against the table of ARCHITECTURE.md:\n{}", wrong.join("\n"));
}

#[test]
fn every_module_of_the_library_has_a_row_in_the_table() {
    let declared: BTreeSet<String> = declared_modules().into_iter().collect();
    let rows: BTreeSet<String> = table().into_keys().collect();
    assert_eq!(declared, rows, "left: `pub mod` in src/lib.rs, right: rows of the table in ARCHITECTURE.md");
}

#[test]
fn rows_of_the_table_name_only_rows_above() {
    let order = declared_modules();
    for (module, used) in table() {
        let place = order.iter().position(|m| *m == module);
        for name in used {
            let above = order.iter().position(|m| *m == name);
            assert!(above < place, "`{module}` stands before `{name}` in src/lib.rs, but uses it");
        }
    }
}

#[test]
fn the_message_service_sees_the_access_point_from_its_front_only() {
    let all = sources("src");
    let inside = |name: &String| all.iter().any(|s| s.module == ["access_point", name]);
    let mut wrong = Vec::new();
    for source in all.iter().filter(|s| s.is_in("message_service")) {
        for (line, path) in source.crate_paths() {
            if path[0] == "access_point" && path.get(1).is_some_and(inside) {
                wrong.push(format!("{}:{line}: {}", source.path, path.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "the inside of the access point is its own:\n{}", wrong.join("\n"));
}

#[test]
fn foreign_crates_stay_where_they_belong() {
    let mut wrong = Vec::new();
    for source in sources("src") {
        for (line, name) in source.foreign_crates() {
            for (krate, places, reason) in FOREIGN.iter().filter(|(krate, ..)| *krate == name) {
                if !places.iter().any(|place| source.is_in(place)) {
                    wrong.push(format!("{}:{line}: `{krate}` is for {}: {reason}", source.path, places.join(", ")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_formats_are_synchronous_and_pure() {
    let mut wrong = Vec::new();
    for source in sources("src").iter().filter(|s| PURE.iter().any(|pure| s.is_in(pure))) {
        for (line, word) in source.words().filter(|(_, word)| IMPURE.contains(word)) {
            wrong.push(format!("{}:{line}: `{word}`", source.path));
        }
    }
    assert!(wrong.is_empty(), "sockets, clocks and randomness come as arguments:\n{}", wrong.join("\n"));
}

#[test]
fn every_route_of_both_doors_has_one_entry_in_the_table_of_permissions_and_every_entry_has_a_route() {
    let table = read("src/accounts/permission.rs");
    for (door, file) in [("api", "src/api/mod.rs"), ("page", "src/console/mod.rs")] {
        let source = read(file);
        let entries: Vec<(String, String)> = table
            .split(&format!("\n        {door}("))
            .skip(1)
            .map(|entry| {
                let mut texts = entry.split('"').skip(1).step_by(2).map(str::to_owned);
                (texts.next().expect("an entry has a method"), texts.next().expect("an entry has a path"))
            })
            .collect();
        let set: BTreeSet<_> = entries.iter().cloned().collect();
        assert_eq!(entries.len(), set.len(), "{door}: an entry is there twice");
        assert_eq!(routes(&source), set, "left the routes of {file}, right the table in src/accounts/permission.rs");
    }
}

/// The methods and paths that a router is made of, from its source.
fn routes(source: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for rest in source.split(".route(").skip(1) {
        let path = rest.split('"').nth(1).expect("a route begins with its path");
        let service = rest.split("\n    let ").next().unwrap_or(rest);
        for (word, method) in
            [("get(", "GET"), ("post(", "POST"), ("put(", "PUT"), ("delete(", "DELETE"), ("patch(", "PATCH")]
        {
            let begins = |at: usize| !service[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            if service.match_indices(word).any(|(at, _)| begins(at)) {
                found.insert((method.to_owned(), path.to_owned()));
            }
        }
    }
    found
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    let long: Vec<String> = ["src", "tests"]
        .into_iter()
        .flat_map(sources)
        .filter(|s| s.lines > FILE_LINES_MAX)
        .map(|s| format!("{}: {} lines, at most {FILE_LINES_MAX}: split by subject", s.path, s.lines))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn nothing_is_left_for_later() {
    // Put together, so that this file does not find itself.
    let banned = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:"), concat!("HA", "CK:")];
    let mut found = Vec::new();
    for source in ["src", "tests"].into_iter().flat_map(sources) {
        for (number, line) in source.text.lines().enumerate() {
            if banned.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
        for (line, name) in source.macros().filter(|(_, name)| ["todo", "unimplemented"].contains(name)) {
            found.push(format!("{}:{line}: {name}!", source.path));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn imports_are_one_path_a_line_and_nothing_is_unsafe() {
    let mut wrong = Vec::new();
    for source in sources("src") {
        for (line, what) in source.grouped_crate_imports() {
            wrong.push(format!("{}:{line}: {what}: write one `use crate::module::…` a module", source.path));
        }
        for (line, _) in source.words().filter(|(_, word)| *word == "unsafe") {
            wrong.push(format!("{}:{line}: unsafe", source.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_say_what_a_thing_is() {
    let vague = ["Manager", "Helper", "Handler", "Util", "Utils", "Misc", "Impl"];
    let mut wrong = Vec::new();
    for source in sources("src") {
        for (line, kind, name) in source.definitions() {
            let vague = kind != "fn" && vague.iter().any(|v| name.ends_with(v));
            let getter = kind == "fn" && name.starts_with("get_");
            if vague || getter || (kind == "mod" && ["util", "utils", "helpers", "common", "misc"].contains(&name)) {
                wrong.push(format!("{}:{line}: {kind} {name}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_journeys_name_functions_that_exist() {
    let page = read("ARCHITECTURE.md");
    let all = sources("src");
    let named = journey_names(&page);
    assert!(named.len() >= 16, "the two journeys of ARCHITECTURE.md name only {}: {named:?}", named.len());
    let missing: Vec<&String> = named.iter().filter(|path| !exists(&all, path)).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names what is not in the code: {missing:?}");
}

#[test]
fn both_journeys_are_a_step_and_an_outcome() {
    let all = sources("src");
    for function in [
        "access_point::outbound::step",
        "access_point::outbound::outcome",
        "access_point::inbound::step",
        "access_point::inbound::outcome",
    ] {
        assert!(exists(&all, function), "{function}: the two files mirror each other");
    }
}

/// Whether `a::b::name` is a module, something that file `a/b` defines or gives out, or, as `a::Type::name`, a function of a
/// type below `a`.
fn exists(all: &[Source], path: &str) -> bool {
    let parts: Vec<&str> = path.split("::").collect();
    let Some((name, module)) = parts.split_last() else { return false };
    let below = |module: &[&str], name: &str| {
        all.iter()
            .filter(|s| s.module.len() >= module.len() && module.iter().zip(&s.module).all(|(a, b)| a == b))
            .any(|s| s.definitions().any(|(_, _, found)| found == name))
    };
    match module.split_last() {
        Some((kind, module)) if kind.starts_with(char::is_uppercase) => below(module, kind) && below(module, name),
        _ => {
            let named = |s: &&Source| s.module == module && s.words().any(|(_, word)| word == *name);
            all.iter().any(|s| s.module == parts) || (all.iter().any(|s| named(&s)) && below(module, name))
        }
    }
}

/// The paths in backticks of the section on the two journeys, links or not.
fn journey_names(page: &str) -> Vec<String> {
    let (_, section) = page.split_once("## The two journeys").expect("ARCHITECTURE.md has the section");
    let section = section.split("\n## ").next().unwrap_or(section);
    names(section)
        .into_iter()
        .map(|name| name.trim_end_matches("()").to_owned())
        .filter(|name| name.contains("::") && !name.starts_with("std::"))
        .collect()
}

/// The modules of `src/lib.rs`, in their order.
fn declared_modules() -> Vec<String> {
    let lib = sources("src").into_iter().find(|s| s.path.ends_with("src/lib.rs")).expect("there is a src/lib.rs");
    lib.definitions().filter(|(_, kind, _)| *kind == "mod").map(|(_, _, name)| name.to_owned()).collect()
}

/// The table of `ARCHITECTURE.md`: module and what it may use.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let page = read("ARCHITECTURE.md");
    let order = declared_modules();
    let rows = page
        .lines()
        .skip_while(|line| !line.starts_with("| module | may use |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let mut table = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let uses = names(cells[1]);
        for module in names(cells[0]) {
            let above = order.iter().take_while(|m| **m != module).cloned();
            let allowed: BTreeSet<String> = match cells[1] {
                "nothing" => BTreeSet::new(),
                text if text.starts_with("everything above") => above.filter(|m| !uses.contains(m)).collect(),
                _ => uses.iter().cloned().collect(),
            };
            // Bounds are for everybody.
            let allowed = allowed.into_iter().chain((module != "limits").then(|| "limits".to_owned())).collect();
            table.insert(module, allowed);
        }
    }
    assert!(!table.is_empty(), "ARCHITECTURE.md has the table `| module | may use |`");
    table
}

/// The names in backticks.
fn names(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn read(path: &str) -> String {
    let full = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&full).unwrap_or_else(|e| panic!("{}: {e}", full.display()))
}
