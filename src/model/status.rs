//! The life of a message: one enum, and one function that says what may follow what.
//!
//! The words are those of API-ST (B1.4.2) for a message of our own message service, and of Domibus
//! (protocol.md 8.1) for an envelope that the access point carries for a participant elsewhere.

use serde::{Deserialize, Serialize};

/// Where a message is on its way. Stored with the message, shown as is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Out, own: sealed and durable; no transport receipt yet.
    Submitted,
    /// Out, own: the last attempt failed in a way that may pass.
    ScheduledForResend,
    /// Out, own message receipt: the receiving access point has it. Final: receipts get no receipt (BAS-3.2.d).
    Acknowledge,
    /// Out, own message: the receiving access point has it; the message receipt is awaited.
    WaitingForReceipt,
    /// Out, own: the receiving participant accepted the content. Final.
    Accepted,
    /// Out, own: the receiving participant rejected the content. Final.
    Rejected,
    /// Out, own: given up. Final, but for a message receipt that comes all the same.
    MessageExchangeError,
    /// Out, carried: durable; nothing has left yet.
    SendEnqueued,
    /// Out, carried: the last attempt failed in a way that may pass.
    WaitingForRetry,
    /// Out, carried: the receiving access point has it. Final.
    Acknowledged,
    /// Out, carried: given up. Final.
    SendFailure,
    /// In: durable and receipted to the sending access point.
    Received,
    /// In, carried: taken and confirmed by its participant. In, own: a message receipt that was matched. Final.
    Downloaded,
    /// In: refused after reception and deleted, the log row kept (AP-3.2.1, AP-3.2.2). Final.
    Deleted,
    /// In, own: opened; its message receipt is on its way.
    Retrieved,
    /// In, own: opened; the message receipt reached the sender's access point. The message is there to be read. Final.
    New,
    /// In: could not be opened, or an operator ended it, or, own, was rejected, or its message receipt could not be sent; an operator
    /// has to look. Final, but for one that nobody was answered, which can be tried again, and for a message receipt that arrives all
    /// the same.
    Error,
}

/// What happened to a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Out: a valid AS4 receipt came for a message that awaits a message receipt.
    Receipted,
    /// Out: a valid AS4 receipt came, and nothing more is awaited (carried envelopes, own message receipts).
    Delivered,
    /// Out: the attempt failed; waiting may help.
    Defer,
    /// Out: the attempt failed for good.
    GiveUp,
    /// Out: a message receipt ACCEPTED came.
    Confirm,
    /// Out: a message receipt REJECTED came.
    Reject,
    /// In: the envelope conforms and stays for its participant to take.
    Hold,
    /// In: taken by its participant, or consumed by the message service.
    Take,
    /// In: the envelope does not conform, or disagrees with the AS4 header.
    Discard,
    /// In, own: opened, and its message receipt queued.
    Open,
    /// In, own: not to be opened, or rejected.
    Fail,
    /// In, own: its message receipt arrived.
    Answered,
    /// Own. Out: no message receipt came in the time that there is for it. In: its message receipt was given up.
    Unanswered,
    /// An operator has it tried now, also after it was given up.
    Retry,
    /// An operator ends it: it is sent, or delivered, to nobody. What was given up is where it was, and somebody has dealt with it.
    Cancel,
    /// Out: an operator keeps it back.
    Suspend,
    /// Out: an operator lets it go on.
    Resume,
}

impl Outcome {
    /// Whether a person decided it, and not an attempt.
    pub fn is_operators(self) -> bool {
        matches!(self, Self::Retry | Self::Cancel | Self::Suspend | Self::Resume)
    }
}

/// A step that the state machine does not have.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a message in status {status:?} cannot take the outcome {outcome:?}")]
pub struct IllegalStep {
    /// Where it is.
    pub status: Status,
    /// What was to happen.
    pub outcome: Outcome,
}

impl Status {
    /// The status after `outcome`. The store calls this inside its transaction, and nothing else
    /// writes a status, so a step that is not listed here never reaches the disk.
    ///
    /// # Errors
    ///
    /// [`IllegalStep`] for every pair that is not listed.
    pub fn after(self, outcome: Outcome) -> Result<Self, IllegalStep> {
        use Outcome as O;
        Ok(match (self, outcome) {
            (Self::Submitted | Self::ScheduledForResend, O::Receipted) => Self::WaitingForReceipt,
            (Self::Submitted | Self::ScheduledForResend, O::Delivered) => Self::Acknowledge,
            (Self::Submitted | Self::ScheduledForResend, O::Defer) => Self::ScheduledForResend,
            (Self::Submitted | Self::ScheduledForResend, O::GiveUp) => Self::MessageExchangeError,
            // The recipient's word is final, and may overtake the AS4 receipt or come after we gave
            // up because that receipt was lost.
            (
                Self::Submitted | Self::ScheduledForResend | Self::WaitingForReceipt | Self::MessageExchangeError,
                O::Confirm,
            ) => Self::Accepted,
            (
                Self::Submitted | Self::ScheduledForResend | Self::WaitingForReceipt | Self::MessageExchangeError,
                O::Reject,
            ) => Self::Rejected,
            // A later REJECTED (duplicate) never takes an ACCEPTED back (C-12), and a late AS4 receipt changes nothing.
            (Self::Accepted, O::Confirm | O::Reject | O::Receipted | O::Defer | O::GiveUp) => Self::Accepted,
            (Self::Rejected, O::Confirm | O::Reject | O::Receipted | O::Defer | O::GiveUp) => Self::Rejected,
            (Self::SendEnqueued | Self::WaitingForRetry, O::Delivered) => Self::Acknowledged,
            (Self::SendEnqueued | Self::WaitingForRetry, O::Defer) => Self::WaitingForRetry,
            (Self::SendEnqueued | Self::WaitingForRetry, O::GiveUp) => Self::SendFailure,
            (Self::MessageExchangeError, O::Retry) => Self::ScheduledForResend,
            (Self::SendFailure, O::Retry) => Self::WaitingForRetry,
            (Self::Error, O::Retry) => Self::Received,
            // Whoever never answers ends in time, or by a person's word (API-ST.t04); if the answer comes after all, it counts.
            (Self::WaitingForReceipt, O::Unanswered) => Self::MessageExchangeError,
            (Self::Submitted | Self::ScheduledForResend | Self::WaitingForReceipt, O::Cancel) => {
                Self::MessageExchangeError
            }
            (Self::SendEnqueued | Self::WaitingForRetry, O::Cancel) => Self::SendFailure,
            (Self::MessageExchangeError | Self::SendFailure | Self::Error, O::Cancel) => self,
            (
                Self::Submitted | Self::ScheduledForResend | Self::SendEnqueued | Self::WaitingForRetry,
                O::Retry | O::Suspend | O::Resume,
            ) => self,
            (Self::Received, O::Hold | O::Defer) => Self::Received,
            (Self::Received, O::Take) => Self::Downloaded,
            (Self::Received, O::Discard) => Self::Deleted,
            (Self::Received, O::Open) => Self::Retrieved,
            // Not deleted: what an operator ended by mistake is tried again.
            (Self::Received, O::Fail | O::Cancel) => Self::Error,
            (Self::Retrieved | Self::Error, O::Answered) => Self::New,
            (Self::Retrieved, O::Unanswered) => Self::Error,
            // Taking twice is one taking: the confirmation may be lost on its way to the participant.
            (Self::Downloaded, O::Take) => Self::Downloaded,
            (Self::New, O::Answered) => Self::New,
            (status, outcome) => return Err(IllegalStep { status, outcome }),
        })
    }

    /// Whether nothing more is expected to happen by itself.
    pub fn is_final(self) -> bool {
        !matches!(
            self,
            Self::Submitted
                | Self::ScheduledForResend
                | Self::WaitingForReceipt
                | Self::SendEnqueued
                | Self::WaitingForRetry
                | Self::Received
                | Self::Retrieved
        )
    }

    /// The word of the interface, as `WAITING_FOR_RECEIPT`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Submitted => "SUBMITTED",
            Self::ScheduledForResend => "SCHEDULED_FOR_RESEND",
            Self::Acknowledge => "ACKNOWLEDGE",
            Self::WaitingForReceipt => "WAITING_FOR_RECEIPT",
            Self::Accepted => "ACCEPTED",
            Self::Rejected => "REJECTED",
            Self::MessageExchangeError => "MESSAGE_EXCHANGE_ERROR",
            Self::SendEnqueued => "SEND_ENQUEUED",
            Self::WaitingForRetry => "WAITING_FOR_RETRY",
            Self::Acknowledged => "ACKNOWLEDGED",
            Self::SendFailure => "SEND_FAILURE",
            Self::Received => "RECEIVED",
            Self::Downloaded => "DOWNLOADED",
            Self::Deleted => "DELETED",
            Self::Retrieved => "RETRIEVED",
            Self::New => "NEW",
            Self::Error => "ERROR",
        }
    }

    /// Every status, in the order of the enum.
    pub const ALL: [Self; 17] = [
        Self::Submitted,
        Self::ScheduledForResend,
        Self::Acknowledge,
        Self::WaitingForReceipt,
        Self::Accepted,
        Self::Rejected,
        Self::MessageExchangeError,
        Self::SendEnqueued,
        Self::WaitingForRetry,
        Self::Acknowledged,
        Self::SendFailure,
        Self::Received,
        Self::Downloaded,
        Self::Deleted,
        Self::Retrieved,
        Self::New,
        Self::Error,
    ];
}

/// Statuses that belong together, and the word by which lists take them.
#[derive(Clone, Copy, Debug)]
pub struct StatusGroup {
    /// Its word.
    pub word: &'static str,
    /// Which.
    pub statuses: &'static [Status],
}

impl StatusGroup {
    /// Every group.
    pub const ALL: [Self; 6] = [
        Self { word: "under-way", statuses: &[Status::Submitted, Status::SendEnqueued] },
        Self { word: "retrying", statuses: &[Status::ScheduledForResend, Status::WaitingForRetry] },
        Self { word: "awaiting", statuses: &[Status::WaitingForReceipt] },
        Self { word: "waiting-in", statuses: &[Status::Received, Status::Retrieved] },
        // Refused envelopes among them: they have to be reported (APOP-4.1.1.a).
        Self {
            word: "attention",
            statuses: &[
                Status::Rejected,
                Status::MessageExchangeError,
                Status::SendFailure,
                Status::Error,
                Status::Deleted,
            ],
        },
        // What depths by partner and participant count outwards.
        Self {
            word: "to-send",
            statuses: &[Status::Submitted, Status::SendEnqueued, Status::ScheduledForResend, Status::WaitingForRetry],
        },
    ];

    /// The statuses that a word names: those of a group, or one.
    ///
    /// # Errors
    ///
    /// What words there are.
    pub fn statuses(word: &str) -> Result<Vec<Status>, String> {
        if let Some(group) = Self::ALL.iter().find(|group| group.word == word) {
            return Ok(group.statuses.to_vec());
        }
        let groups = Self::ALL.map(|group| group.word).join(", ");
        word.parse().map(|status| vec![status]).map_err(|error: String| format!("{error}, {groups}"))
    }
}

impl std::str::FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|s| s.word().eq_ignore_ascii_case(text)).ok_or_else(|| {
            let words: Vec<&str> = Self::ALL.iter().map(|s| s.word()).collect();
            format!("status {text:?} is unknown; expected one of {}", words.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTCOMES: [Outcome; 17] = [
        Outcome::Receipted,
        Outcome::Delivered,
        Outcome::Defer,
        Outcome::GiveUp,
        Outcome::Confirm,
        Outcome::Reject,
        Outcome::Hold,
        Outcome::Take,
        Outcome::Discard,
        Outcome::Open,
        Outcome::Fail,
        Outcome::Answered,
        Outcome::Unanswered,
        Outcome::Retry,
        Outcome::Cancel,
        Outcome::Suspend,
        Outcome::Resume,
    ];

    /// Statuses that can be reached from `start`, with it.
    fn reachable(start: Status) -> Vec<Status> {
        let mut found = vec![start];
        let mut next = 0;
        while next < found.len() {
            let status: Status = found[next];
            for after in OUTCOMES.iter().filter_map(|outcome| status.after(*outcome).ok()) {
                if !found.contains(&after) {
                    found.push(after);
                }
            }
            next += 1;
        }
        found
    }

    #[test]
    fn a_sent_message_never_turns_into_a_received_one() {
        use Status as S;
        let own = reachable(S::Submitted);
        let carried = reachable(S::SendEnqueued);
        let received = reachable(S::Received);
        assert_eq!(
            own.len() + carried.len() + received.len(),
            S::ALL.len(),
            "the three lives share no status and leave none out"
        );
        for status in S::ALL {
            assert_eq!(
                [&own, &carried, &received].into_iter().filter(|life| life.contains(&status)).count(),
                1,
                "{status:?}"
            );
        }
    }

    #[test]
    fn every_unfinished_message_can_still_come_to_an_end() {
        for status in Status::ALL.into_iter().filter(|status| !status.is_final()) {
            assert!(reachable(status).iter().any(|after| after.is_final()), "{status:?}");
        }
    }

    #[test]
    fn what_is_final_leaves_only_by_the_recipients_word_or_when_it_is_tried_again() {
        for status in Status::ALL.into_iter().filter(|status| status.is_final()) {
            for outcome in OUTCOMES {
                match status.after(outcome) {
                    Err(step) => assert_eq!(step, IllegalStep { status, outcome }),
                    Ok(after) if after == status => {}
                    Ok(after) => {
                        let late_word = matches!(outcome, Outcome::Confirm | Outcome::Reject);
                        let again = outcome == Outcome::Retry && status == Status::SendFailure;
                        let own = status == Status::MessageExchangeError && (late_word || outcome == Outcome::Retry);
                        let reopened = matches!(outcome, Outcome::Retry | Outcome::Answered) && status == Status::Error;
                        assert!(own || again || reopened, "{status:?} {outcome:?} {after:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn operators_end_or_try_again_what_is_under_way_or_was_given_up_and_nothing_else() {
        use Status as S;
        for status in Status::ALL {
            let under_way =
                matches!(status, S::Submitted | S::ScheduledForResend | S::SendEnqueued | S::WaitingForRetry);
            let given_up = matches!(status, S::MessageExchangeError | S::SendFailure | S::Error);
            assert_eq!(status.after(Outcome::Retry).is_ok(), under_way || given_up, "{status:?}");
            for outcome in [Outcome::Suspend, Outcome::Resume] {
                assert_eq!(status.after(outcome).is_ok(), under_way, "{status:?} {outcome:?}");
            }
            let waits = matches!(status, S::WaitingForReceipt | S::Received);
            assert_eq!(status.after(Outcome::Cancel).is_ok(), under_way || waits || given_up, "{status:?}");
        }
        assert_eq!(S::Submitted.after(Outcome::Cancel), Ok(S::MessageExchangeError));
        assert_eq!(S::WaitingForRetry.after(Outcome::Cancel), Ok(S::SendFailure));
        assert_eq!(S::Received.after(Outcome::Cancel), Ok(S::Error));
    }

    #[test]
    fn only_what_awaits_a_message_receipt_ends_without_it_and_a_late_one_counts() {
        use Status as S;
        for status in S::ALL {
            let expected = match status {
                S::WaitingForReceipt => Ok(S::MessageExchangeError),
                S::Retrieved => Ok(S::Error),
                _ => Err(IllegalStep { status, outcome: Outcome::Unanswered }),
            };
            assert_eq!(status.after(Outcome::Unanswered), expected, "{status:?}");
        }
        assert_eq!(S::MessageExchangeError.after(Outcome::Confirm), Ok(S::Accepted));
        assert_eq!(S::MessageExchangeError.after(Outcome::Reject), Ok(S::Rejected));
        assert_eq!(S::Error.after(Outcome::Answered), Ok(S::New));
    }

    #[test]
    fn a_late_rejected_never_takes_an_accepted_back() {
        assert_eq!(Status::Accepted.after(Outcome::Reject), Ok(Status::Accepted));
        assert_eq!(Status::Rejected.after(Outcome::Confirm), Ok(Status::Rejected));
    }

    #[test]
    fn the_recipients_word_may_overtake_the_as4_receipt() {
        for status in [Status::Submitted, Status::ScheduledForResend, Status::WaitingForReceipt] {
            assert_eq!(status.after(Outcome::Confirm), Ok(Status::Accepted));
            assert_eq!(status.after(Outcome::Reject), Ok(Status::Rejected));
        }
        for late in [Outcome::Receipted, Outcome::Defer, Outcome::GiveUp] {
            assert_eq!(Status::Accepted.after(late), Ok(Status::Accepted));
        }
    }

    #[test]
    fn taking_or_answering_twice_is_once() {
        assert_eq!(Status::Downloaded.after(Outcome::Take), Ok(Status::Downloaded));
        assert_eq!(Status::New.after(Outcome::Answered), Ok(Status::New));
    }

    #[test]
    fn words_are_those_of_the_stored_form_and_are_read_back() {
        for status in Status::ALL {
            assert_eq!(serde_json::to_string(&status).unwrap(), format!("\"{}\"", status.word()));
            assert_eq!(status.word().to_lowercase().parse(), Ok(status));
        }
        let refused = "SENT".parse::<Status>().unwrap_err();
        assert!(refused.contains("\"SENT\"") && refused.contains("SUBMITTED, SCHEDULED_FOR_RESEND"), "{refused}");
    }
}
