//! What the filters of lists share: the addresses of the other pages of a list.

use crate::model::conditions::given;
use std::fmt::Display;

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
    fn a_filter_goes_along_to_the_pages_after_and_before() {
        let raw = "status=retrying&after=7&lang=en&partner=AP1";
        assert_eq!(older_page("/queue", raw, 9), "/queue?status=retrying&partner=AP1&after=9");
        assert_eq!(newest_page("/queue", raw, "7").as_deref(), Some("/queue?status=retrying&partner=AP1"));
        assert_eq!(newest_page("/queue", raw, ""), None);
    }
}
