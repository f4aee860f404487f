//! What the filters of lists share: fields as they were typed, and the addresses of the other pages of a list.

use crate::model::{IdError, Timestamp};
use std::fmt::Display;
use std::str::FromStr;

/// What a field holds; none where it was left empty.
pub(super) fn given(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// The name or place in a field, or what is wrong with it.
pub(super) fn id<T: FromStr<Err = IdError>>(text: &str) -> Result<Option<T>, String> {
    given(text).map(str::parse).transpose().map_err(|fault: IdError| fault.to_string())
}

/// The time in a field, in UTC, as browsers and logs write it; a day is its beginning.
pub(super) fn moment(text: &str) -> Result<Option<Timestamp>, String> {
    let Some(text) = given(text) else { return Ok(None) };
    let candidates = [text.to_owned(), format!("{text}Z"), format!("{text}:00Z"), format!("{text}T00:00:00Z")];
    let found = candidates.iter().find_map(|full| full.parse().ok());
    found.map(Some).ok_or_else(|| format!("{text:?}: 2026-11-24T12:00"))
}

/// The same filter, after the last row. `raw`: the query of the address.
pub(super) fn older_page(path: &str, raw: &str, last: impl Display) -> String {
    let after = format!("after={last}");
    format!("{path}?{}", conditions(raw).chain([after.as_str()]).collect::<Vec<_>>().join("&"))
}

/// The same filter, from the first row; none where `after` says that this is it.
pub(super) fn newest_page(path: &str, raw: &str, after: &str) -> Option<String> {
    given(after).map(|_| format!("{path}?{}", conditions(raw).collect::<Vec<_>>().join("&")))
}

fn conditions(raw: &str) -> impl Iterator<Item = &str> {
    raw.split('&').filter(|pair| !["", "after", "lang"].contains(&pair.split('=').next().unwrap_or("")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_browsers_and_logs_write_them() {
        let full = "2026-11-24T12:30:00Z".parse().ok();
        for text in ["2026-11-24T12:30", "2026-11-24T12:30:00", "2026-11-24T12:30:00Z", "2026-11-24T13:30:00+01:00"] {
            assert_eq!(moment(text), Ok(full), "{text}");
        }
        assert_eq!(moment("2026-11-24"), Ok("2026-11-24T00:00:00Z".parse().ok()));
        assert_eq!(moment(" "), Ok(None));
        assert!(moment("yesterday").unwrap_err().contains("2026-11-24T12:00"));
    }

    #[test]
    fn a_filter_goes_along_to_the_pages_after_and_before() {
        let raw = "status=retrying&after=7&lang=en&partner=AP1";
        assert_eq!(older_page("/queue", raw, 9), "/queue?status=retrying&partner=AP1&after=9");
        assert_eq!(newest_page("/queue", raw, "7").as_deref(), Some("/queue?status=retrying&partner=AP1"));
        assert_eq!(newest_page("/queue", raw, ""), None);
    }
}
