//! What is shown before anything happens. A counter that is not there before its first event hides that event from `increase()`.

use super::{Door, Labels, Live, towards};
use crate::model::Direction;
use crate::model::faults::{Cause, TABLE};

/// Causes of messages that were given up.
pub const GIVEN_UP: [&str; 29] = [
    "access-point-unreachable",
    "access-point-not-trusted",
    "address-not-called",
    "as4:InvalidReceipt",
    "as4:MissingReceipt",
    "as4:RefusedByPeer",
    "certpub",
    "disk-full",
    "dns-unreachable",
    "dns-unusable",
    "endpoint-certificate",
    "endpoint-not-in-force",
    "message-receipt-missing",
    "no-endpoint",
    "not-offered",
    "pack",
    "participant-unknown",
    "party-id",
    "process-not-offered",
    "smp-answer",
    "smp-malformed",
    "smp-other-document-type",
    "smp-other-participant",
    "smp-redirect",
    "smp-signature",
    "smp-signer",
    "smp-unreachable",
    "store",
    "store-damaged",
];

/// Causes of envelopes that were discarded.
pub const DISCARDED: [&str; 1] = ["nonconforming-envelope"];

/// What every other value of a bounded label is counted as.
pub(super) const OTHER: &str = "other";

/// The cause as it stands in a closed table.
pub(super) fn named(table: &[&'static str], cause: &str) -> &'static str {
    table.iter().find(|known| **known == cause).unwrap_or(&OTHER)
}

fn label(name: &'static str, value: &str) -> Labels {
    vec![(name, value.to_owned())]
}

/// Makes every series whose labels are known.
pub(super) fn expose(live: &Live) {
    let with_other = |table: &[&'static str]| table.iter().copied().chain([OTHER]).collect::<Vec<_>>();
    for partners in [&live.sent, &live.received] {
        drop(partners.get_or_create(&label("partner", OTHER)));
    }
    for result in ["opened", "held", "rejected"] {
        drop(live.delivered.get_or_create(&label("result", result)));
    }
    for cause in with_other(&GIVEN_UP) {
        drop(live.given_up.get_or_create(&label("cause", cause)));
        drop(live.failures.get_or_create(&label("cause", &live.causes.value(cause))));
    }
    for cause in with_other(&DISCARDED) {
        drop(live.discarded.get_or_create(&label("cause", cause)));
    }
    let codes = TABLE.iter().filter_map(|row| match row.cause {
        Cause::Ebms(number) => Some(format!("EBMS:{number:04}")),
        _ => None,
    });
    for code in codes.chain([OTHER.to_owned()]) {
        for sender in ["known", "stranger"] {
            let labels = vec![("cause", live.causes.value(&code)), ("sender", sender.to_owned())];
            drop(live.refused.get_or_create(&labels));
        }
    }
    for reason in ["space", "crowded", "failed"] {
        drop(live.turned_away.get_or_create(&label("reason", reason)));
    }
    for channel in ["mail", "webhook"] {
        for result in ["told", "failed"] {
            let labels = vec![("channel", channel.to_owned()), ("result", result.to_owned())];
            drop(live.alerts.get_or_create(&labels));
        }
    }
    for result in ["exported", "failed", "dropped"] {
        drop(live.spans.get_or_create(&label("result", result)));
    }
    for direction in [Direction::Out, Direction::In] {
        drop(live.attempt.get_or_create(&towards(direction)));
        drop(live.exchange.get_or_create(&towards(direction)));
    }
    for door in [Door::As4, Door::Envelope, Door::Message] {
        drop(live.accept.get_or_create(&label("door", door.word())));
    }
    for result in ["found", "failed"] {
        drop(live.lookup.get_or_create(&label("result", result)));
    }
}
