//! The journal: the truth.
