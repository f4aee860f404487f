//! The signals that end a command which stays: SIGTERM and SIGINT.

use crate::model::{Fault, Problem};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Hears them from the moment it is made.
pub(super) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    pub(super) fn hear() -> Result<Self, Problem> {
        Ok(Self { terminate: heard(SignalKind::terminate())?, interrupt: heard(SignalKind::interrupt())? })
    }

    /// Comes back when an end was asked for.
    pub(super) async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Any signal.
pub(super) fn heard(kind: SignalKind) -> Result<Signal, Problem> {
    signal(kind)
        .map_err(|error| Problem::new(Fault::Temporary, "signals", "signals cannot be heard", error.to_string()))
}
