#![doc = include_str!("../ARCHITECTURE.md")]
#![forbid(unsafe_code)]
// A module's front names the private stages behind it: links with `--document-private-items`, plain text without.
#![allow(rustdoc::private_intra_doc_links)]

// Ground: no module here knows what a message is for.
pub mod limits;
pub mod crypto;
pub mod model;
pub mod metrics;
pub mod net;
pub mod xml;
// Formats and services: each speaks one standard.
pub mod pki;
pub mod as4;
pub mod xhe;
pub mod sdk;
pub mod discovery;
pub mod store;
pub mod ops;
pub mod audit;
pub mod alert;
pub mod accounts;
// The journey.
pub mod access_point;
pub mod message_service;
// Doors.
pub mod api;
pub mod console;
pub mod inspect;
pub mod config;
pub mod server;
pub mod app;
pub mod testbed;
pub mod bench;
pub mod conformance;
pub mod cli;
