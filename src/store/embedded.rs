//! The embedded store: journal and sled.
