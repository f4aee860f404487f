//! Pages of the event log from the index.

use crate::limits::{LIST_EVENTS_LOOKED_AT_MAX, LIST_EVENTS_MAX};
use crate::model::{LogPage, LogPlace, LogQuery, Logged};
use crate::store::StoreError;
use crate::store::index::Index;

/// Events by conditions, newest first. What is looked at for one page is bounded.
pub(super) fn page(index: &Index, query: &LogQuery) -> Result<LogPage, StoreError> {
    let until = query.until.map(|at| LogPlace { at, record: 0, event: 0 });
    let before = query.after.into_iter().chain(until).min();
    let events: Box<dyn Iterator<Item = Result<Logged, StoreError>> + '_> = match query.message {
        Some(id) => Box::new(index.log_of(id)),
        None => Box::new(index.log(query.since, before)),
    };
    let limit = if query.limit == 0 { LIST_EVENTS_MAX } else { query.limit.min(LIST_EVENTS_MAX) };
    let mut page = LogPage::default();
    let mut looked_at = 0;
    for logged in events {
        let logged = logged?;
        let place = logged.place;
        if before.is_some_and(|before| place >= before) || query.since.is_some_and(|since| place.at < since) {
            continue;
        }
        if page.events.len() == limit || looked_at == LIST_EVENTS_LOOKED_AT_MAX {
            // The next page begins behind the last one that was looked at.
            return Ok(page);
        }
        looked_at += 1;
        if query.holds(&logged.event) {
            page.events.push(logged);
        }
        page.next = Some(place);
    }
    page.next = None;
    Ok(page)
}
