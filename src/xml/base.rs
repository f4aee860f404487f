//! Joining `xml:base` values, as Canonical XML 1.1 asks for a subtree whose ancestors are left out (2.4).

/// The parts of a URI reference without its fragment (RFC 3986, appendix B).
struct Parts<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
}

fn parts(uri: &str) -> Parts<'_> {
    let uri = uri.split_once('#').map_or(uri, |(before, _)| before);
    let (rest, query) = uri.split_once('?').map_or((uri, None), |(rest, query)| (rest, Some(query)));
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    };
    let (scheme, rest) = match rest.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
        _ => (None, rest),
    };
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            (Some(authority), path)
        }
        None => (None, rest),
    };
    Parts { scheme, authority, path, query }
}

/// Whether a URI reference has a scheme; namespace names without one have no canonical form.
pub(super) fn is_absolute(uri: &str) -> bool {
    parts(uri).scheme.is_some()
}

/// `reference` as seen from `base`, both perhaps relative (join-URI-References).
pub(super) fn join(base: &str, reference: &str) -> String {
    let (b, r) = (parts(base), parts(reference));
    let mut joined = String::new();
    let absolute = r.scheme.is_some() || r.authority.is_some();
    if let Some(scheme) = r.scheme.or(b.scheme) {
        joined.push_str(scheme);
        joined.push(':');
    }
    if let Some(authority) = if absolute { r.authority } else { b.authority } {
        joined.push_str("//");
        joined.push_str(authority);
    }
    let query = if absolute || !r.path.is_empty() || r.query.is_some() { r.query } else { b.query };
    if absolute || r.path.starts_with('/') {
        joined.push_str(&without_dots(r.path));
    } else if r.path.is_empty() {
        joined.push_str(b.path);
    } else {
        joined.push_str(&without_dots(&merged(&b, r.path)));
    }
    if let Some(query) = query {
        joined.push('?');
        joined.push_str(query);
    }
    joined
}

/// The path of the base up to its last slash, and the relative path (RFC 3986, 5.2.3).
fn merged(base: &Parts<'_>, path: &str) -> String {
    if base.authority.is_some() && base.path.is_empty() {
        return format!("/{path}");
    }
    if base.path == ".." || base.path.ends_with("/..") {
        return format!("{}/{path}", base.path);
    }
    let folder = base.path.rfind('/').map_or("", |at| &base.path[..=at]);
    format!("{folder}{path}")
}

/// Remove Dot Segments as modified by Canonical XML 1.1: leading `..` stay, slashes are single, `..` at the end gets one.
fn without_dots(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').filter(|segment| !matches!(*segment, "" | ".")) {
        match (segment, kept.last()) {
            ("..", None) if absolute => {}
            ("..", Some(&last)) if last != ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    let folder = matches!(path.rsplit('/').next(), Some("" | "." | ".."));
    let ending = if folder && !kept.is_empty() { "/" } else { "" };
    format!("{}{}{ending}", if absolute { "/" } else { "" }, kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of Canonical XML 1.1, appendix A.
    #[test]
    fn dot_segments_are_removed_as_appendix_a_shows() {
        for (path, expected) in [
            ("no/.././/pseudo-netpath/seg/file.ext", "pseudo-netpath/seg/file.ext"),
            ("yes/no//..//.///pseudo-netpath/seg/file.ext", "yes/pseudo-netpath/seg/file.ext"),
            ("no/../yes/no/..", "yes/"),
            ("../../no/../..", "../../../"),
            ("no/..", ""),
            ("/a/b/c/./../../g", "/a/g"),
            ("mid/content=5/../6", "mid/6"),
            ("..yes/..no/..no/..no/../../../..yes", "..yes/..yes"),
            ("../..", "../../"),
            ("//no/..", "/"),
            ("/.././..", "/"),
            ("./.", ""),
        ] {
            assert_eq!(without_dots(path), expected, "{path}");
        }
    }

    #[test]
    fn references_are_joined_with_bases_that_may_be_relative() {
        assert_eq!(join("http://a/b/c?q", "../d#f"), "http://a/d");
        assert_eq!(join("a/b/", "c/d"), "a/b/c/d");
        assert_eq!(join("..", "x"), "../x");
        assert_eq!(join("http://a", "x"), "http://a/x");
        assert_eq!(join("http://a/b", "urn:x"), "urn:x");
        assert_eq!(join("http://a/b?q", ""), "http://a/b?q");
    }
}
