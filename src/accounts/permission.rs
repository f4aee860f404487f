//! The one table of permissions: what each route of API and pages needs. A route without an entry lets nobody in.

use super::role::Role;

/// A kind of action, as roles allow it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Permission {
    /// Health checks, the log-in page, the style sheet: without being known.
    Open,
    /// What everybody who is known may do: look at the first page, log out.
    Enter,
    /// Sees queues, journeys, refusals, states and routes; no content.
    See,
    /// Acts on messages and partners: retry, cancel, hold, release, ping.
    Operate,
    /// Accounts, tokens, and what concerns the whole.
    Administer,
    /// Opens mailboxes and envelopes of the participants that the actor is bound to, and writes for them.
    Mailbox,
    /// Hands out log-ins of others.
    Impersonate,
}

/// What a permission asks of an actor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Need {
    /// Nothing: strangers too.
    Nothing,
    /// To be known.
    Anybody,
    /// To be bound to a participant; to which, the route says.
    Mailbox,
    /// At least this role.
    Role(Role),
}

impl Permission {
    /// What it asks of an actor.
    pub fn need(self) -> Need {
        match self {
            Self::Open => Need::Nothing,
            Self::Enter => Need::Anybody,
            Self::See => Need::Role(Role::Viewer),
            Self::Operate => Need::Role(Role::Operator),
            Self::Administer => Need::Role(Role::Admin),
            Self::Mailbox => Need::Mailbox,
            Self::Impersonate => Need::Role(Role::Owner),
        }
    }
}

/// One of the two doors.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Door {
    /// REST, below `/api/v1`.
    Api,
    /// The pages.
    Console,
}

/// A method of a path, and what it needs.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// At which door.
    pub door: Door,
    /// `GET` (and HEAD with it) or `POST`.
    pub method: &'static str,
    /// The path as the router has it.
    pub path: &'static str,
    /// What it needs.
    pub permission: Permission,
}

const fn api(method: &'static str, path: &'static str, permission: Permission) -> Route {
    Route { door: Door::Api, method, path, permission }
}

const fn page(method: &'static str, path: &'static str, permission: Permission) -> Route {
    Route { door: Door::Console, method, path, permission }
}

/// Every route of both doors.
pub const PERMISSIONS: &[Route] = {
    use Permission::{Administer, Enter, Impersonate, Mailbox, Open, Operate, See};
    &[
        api("GET", "/health/live", Open),
        api("GET", "/health/ready", Open),
        api("POST", "/participants/{id}/envelopes", Mailbox),
        api("GET", "/participants/{id}/envelopes", Mailbox),
        api("GET", "/participants/{id}/envelopes/{message}", Mailbox),
        api("POST", "/participants/{id}/envelopes/{message}/confirm", Mailbox),
        api("GET", "/participants/{id}/notices", Mailbox),
        api("POST", "/participants/{id}/notices/{message}/confirm", Mailbox),
        api("POST", "/messages", Mailbox),
        api("GET", "/messages/{id}", Mailbox),
        api("GET", "/messages/{id}/documents/{index}", Mailbox),
        api("GET", "/inbox", Mailbox),
        api("GET", "/queue", See),
        api("GET", "/queue/{id}", See),
        api("POST", "/queue/{id}/{action}", Operate),
        api("GET", "/events", See),
        api("GET", "/refusals", See),
        api("GET", "/partners", See),
        api("POST", "/partners/{id}/try", Operate),
        api("GET", "/participants", See),
        api("GET", "/status", See),
        api("GET", "/lookup", See),
        api("POST", "/ping", Operate),
        api("POST", "/store/backup", Administer),
        api("GET", "/metrics", See),
        api("GET", "/accounts", Administer),
        api("POST", "/links", Impersonate),
        page("GET", "/login", Open),
        page("POST", "/login", Open),
        page("GET", "/style.css", Open),
        page("GET", "/icon.svg", Open),
        page("POST", "/logout", Enter),
        page("GET", "/", Enter),
        page("GET", "/queue", See),
        page("POST", "/queue/actions", Operate),
        page("GET", "/dead-letters", See),
        page("GET", "/live", See),
        page("GET", "/live.js", Open),
        page("GET", "/messages/{id}", See),
        page("POST", "/messages/{id}", Operate),
        page("GET", "/partners", See),
        page("POST", "/partners", Operate),
        page("GET", "/participants", See),
        page("GET", "/certificates", See),
        page("GET", "/accounts", Administer),
        page("GET", "/events", See),
        page("GET", "/refusals", See),
        page("GET", "/mailbox", Mailbox),
        page("GET", "/mailbox/{participant}", Mailbox),
        page("GET", "/mailbox/{participant}/sent", Mailbox),
        page("GET", "/mailbox/{participant}/messages/{id}", Mailbox),
        page("GET", "/mailbox/{participant}/messages/{id}/documents/{index}", Mailbox),
        page("GET", "/mailbox/{participant}/write", Mailbox),
        page("POST", "/mailbox/{participant}/write", Mailbox),
    ]
};

/// What a route needs; `None` where the table has no entry, and then nobody may pass.
pub fn permission(door: Door, method: &str, path: &str) -> Option<Permission> {
    let method = if method == "HEAD" { "GET" } else { method };
    let route = PERMISSIONS.iter().find(|route| route.door == door && route.method == method && route.path == path);
    route.map(|route| route.permission)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_that_is_not_in_the_table_is_nobodys() {
        assert_eq!(permission(Door::Api, "GET", "/queue"), Some(Permission::See));
        assert_eq!(permission(Door::Api, "HEAD", "/queue"), Some(Permission::See));
        assert_eq!(permission(Door::Api, "DELETE", "/queue"), None);
        assert_eq!(permission(Door::Api, "GET", "/new"), None);
    }
}
