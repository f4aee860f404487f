//! Pages of the event log from the index.

use crate::limits::{LIST_EVENTS_LOOKED_AT_MAX, LIST_EVENTS_MAX, LIST_EVENTS_PASSED_FOR_A_LOOK};
use crate::model::{LogPage, LogPlace, LogQuery, Logged, Marks};
use crate::store::StoreError;
use crate::store::index::Index;

/// A place of the log, and its event where that may be one of those asked for.
type Look = Result<(LogPlace, Option<Logged>), StoreError>;

/// Events by conditions, newest first. What is looked at for one page is bounded, what is passed over among it.
pub(super) fn page(index: &Index, query: &LogQuery) -> Result<LogPage, StoreError> {
    let until = query.until.map(|at| LogPlace { at, record: 0, event: 0 });
    let before = query.after.into_iter().chain(until).min();
    let looks: Box<dyn Iterator<Item = Look> + '_> = match query.message {
        Some(id) => Box::new(index.log_of(id).map(|logged| logged.map(|logged| (logged.place, Some(logged))))),
        None => Box::new(index.log(query.since, before, Marks::asked(query))),
    };
    let limit = if query.limit == 0 { LIST_EVENTS_MAX } else { query.limit.min(LIST_EVENTS_MAX) };
    let mut page = LogPage::default();
    let (mut looked_at, mut passed) = (0, 0);
    for look in looks {
        let (place, logged) = look?;
        if before.is_some_and(|before| place >= before) || query.since.is_some_and(|since| place.at < since) {
            continue;
        }
        let enough = looked_at + passed / LIST_EVENTS_PASSED_FOR_A_LOOK >= LIST_EVENTS_LOOKED_AT_MAX;
        if page.events.len() == limit || enough {
            // The next page begins behind the last one that was looked at.
            return Ok(page);
        }
        match logged {
            Some(logged) => {
                looked_at += 1;
                page.events.extend(Some(logged).filter(|logged| query.holds(&logged.event)));
            }
            None => passed += 1,
        }
        page.next = Some(place);
    }
    page.next = None;
    Ok(page)
}
