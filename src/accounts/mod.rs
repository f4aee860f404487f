//! Who may do what at the doors for people and programs: accounts and tokens with a role, one table of permissions that
//! the API and the pages both read, sessions of browsers, and what slows guessing down.
//!
//! Whoever can read the data folder can read everything in it; the token in it (`api.token`) is therefore the *owner*, who may
//! do everything. All others have what an administrator gave them.

mod access;
mod book;
mod change;
mod password;
mod permission;
mod role;
mod sessions;
mod throttle;

pub use access::{Access, Denied, LoggedIn, NOBODY};
pub use book::{Account, Book, Token, book_file};
pub use change::Recorded;
pub use password::Password;
pub use permission::{Door, Need, PERMISSIONS, Permission, Route, permission};
pub use role::{Actor, Mailboxes, Name, Role};
pub use sessions::{By, Session, SessionTimes};
