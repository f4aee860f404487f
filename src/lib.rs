#![doc = include_str!("../ARCHITECTURE.md")]
#![forbid(unsafe_code)]
// The journeys name functions that are private to their modules; `--document-private-items` makes them links.
#![allow(rustdoc::private_intra_doc_links)]

// Ground: no module here knows what a message is for.
pub mod crypto;
pub mod limits;
pub mod model;
pub mod net;
pub mod xml;
// Formats and services: each speaks one standard.
pub mod as4;
pub mod discovery;
pub mod ops;
pub mod pki;
pub mod sdk;
pub mod store;
pub mod xhe;
// The journey.
pub mod access_point;
pub mod message_service;
// Doors.
pub mod api;
pub mod app;
pub mod cli;
pub mod config;
pub mod console;
pub mod inspect;
pub mod server;
pub mod testbed;
