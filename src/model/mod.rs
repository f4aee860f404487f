//! The nouns: ids, document types, messages, statuses, events, problems, time. No input, no output.

pub mod certificate;
pub mod conditions;
pub mod document;
pub mod effort;
pub mod event;
pub mod faults;
pub mod finding;
pub mod id;
pub mod lane;
pub mod lang;
pub mod log;
pub mod marks;
pub mod message;
pub mod priority;
pub mod problem;
pub mod query;
pub mod status;
pub mod text;
pub mod time;
pub mod warrant;

pub use certificate::{CertificateEnd, ends_soon};
pub use conditions::Conditions;
pub use document::{DocumentType, ProcessId};
pub use effort::{Effort, Obstacle, Said, Tried};
pub use event::{Event, Stage};
pub use faults::Cause;
pub use finding::{Finding, Severity};
pub use id::{As4MessageId, BlobId, EnvelopeId, IdError, MessageId, ParticipantId, PartyId};
pub use lane::{Lane, Rank, Stream};
pub use lang::Lang;
pub use log::{LogPage, LogPlace, LogQuery, Logged};
pub use marks::Marks;
pub use message::{
    As4ReceiptSummary, Carriage, Change, Content, Direction, Document, EarlierForm, Enveloped, Message, Packing, Piece,
    SignedReference,
};
pub use priority::Priority;
pub use problem::{CANCELLED, Fault, Problem, RECEIPT_MISSING, RECEIPT_NOT_SENT, TRIED_AGAIN};
pub use query::{Axis, Count, Counted, Counts, Depth, Left, Page, Query};
pub use status::{IllegalStep, Outcome, Status, StatusGroup};
pub use time::{Clock, SteadyClock, SystemClock, Timestamp};
pub use warrant::Warrant;
