//! Every metric as it is declared: its name, what it is, what a rise means, and what to do then.
//!
//! `sluss metrics` prints this table, and `REFERENCE.md` beside this file is what it prints.

/// What kind of figure it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Only grows, from the start of the process; its rate is what matters.
    Counter,
    /// As it is now.
    Gauge,
    /// How often what took how long, in buckets.
    Histogram,
}

/// One metric.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Declared {
    /// Its name, with its unit, as Prometheus has it.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its labels. Their values are bounded: what would be more is counted as `other`.
    pub labels: &'static [&'static str],
    /// What it is.
    pub what: &'static str,
    /// What a rise, or the value said, means.
    pub means: &'static str,
    /// What to do then.
    pub remedy: &'static str,
}

macro_rules! declared {
    ($($constant:ident $kind:ident $name:literal [$($label:literal),*] $what:literal; $means:literal; $remedy:literal)*) => {
        $(
            #[doc = $what]
            pub(super) const $constant: Declared = Declared {
                name: $name, kind: Kind::$kind, labels: &[$($label),*], what: $what, means: $means, remedy: $remedy,
            };
        )*
        /// All of them, in the order of the reference.
        pub const ALL: &[Declared] = &[$($constant),*];
    };
}

declared! {
    QUEUE_MESSAGES Gauge "sluss_queue_messages" ["direction", "status"]
        "Messages in the store by direction and status";
        "a growing number in a status that waits (SUBMITTED, SEND_ENQUEUED, SCHEDULED_FOR_RESEND, WAITING_FOR_RETRY, RECEIVED) means that more comes than goes";
        "`sluss queue list --status STATUS` shows which, `sluss queue show ID` why"
    QUEUE_OLDEST Gauge "sluss_queue_oldest_age_seconds" ["direction", "status"]
        "Age of the oldest message in each status that is not final";
        "something does not move: a partner is down, a participant does not take its messages, or a message is on hold";
        "`sluss queue list --status STATUS --older-than 1h`, then `sluss queue show ID`"
    ACCEPTED Counter "sluss_messages_accepted_total" []
        "Envelopes accepted for sending";
        "its rate is what our participants send; a fall to zero in working hours means that they cannot reach us";
        "look at /health/ready, then at the participants' systems"
    SENT Counter "sluss_messages_sent_total" ["partner"]
        "Messages for which the receiving access point gave a valid AS4 receipt";
        "its rate falls behind sluss_messages_accepted_total when partners fail";
        "see sluss_attempt_failures_total for the cause"
    RECEIVED Counter "sluss_messages_received_total" ["partner"]
        "Messages received from other access points, durable and receipted";
        "its rate is what others send us; a fall to zero in working hours means that they cannot reach us";
        "try the AS4 address from outside, and look at /health/ready"
    DELIVERED Counter "sluss_messages_delivered_total" ["result"]
        "Received messages that were opened by our message service, held for a participant's own, or rejected with a message receipt";
        "a rise of `rejected` means that senders build messages that our participants cannot accept";
        "`sluss queue list --direction in --status REJECTED` and `sluss queue show ID`"
    TAKEN Counter "sluss_messages_taken_total" []
        "Sealed envelopes that participants took";
        "a rate below that of sluss_messages_delivered_total{result=\"held\"} means that a participant does not come";
        "tell the participant whose envelopes wait: `sluss queue list --direction in`"
    PARTNER_CONDITION Gauge "sluss_partner_condition" ["partner"]
        "How each other access point fares: 0 healthy, 1 its last attempts failed, 2 its breaker was open and one message asks whether it is back, 3 its breaker is open and nothing is sent to it; no name: what has to be looked up first";
        "2 and 3 for long: the partner is down, and its messages wait; others are not delayed";
        "the page Partners or `sluss status` shows since when, until when and why; `sluss partners try AP-ID` tries it at once"
    PARTNER_WAITING Gauge "sluss_partner_waiting_messages" ["partner"]
        "Messages that wait for an attempt to each other access point";
        "a growing number: it fails, or takes less than our participants send";
        "`sluss queue list --partner AP-ID --direction out`"
    DUPLICATES Counter "sluss_messages_duplicate_total" []
        "AS4 messages that came again and got the first AS4 receipt again; none was delivered twice";
        "a partner does not get or does not understand our AS4 receipts";
        "ask the partner named in the event log why it repeats"
    GIVEN_UP Counter "sluss_messages_given_up_total" ["cause"]
        "Messages that were given up: dead letters";
        "a participant's message did not reach its recipient";
        "`sluss queue list --status MESSAGE_EXCHANGE_ERROR` and SEND_FAILURE; mend the cause, then `sluss queue retry`"
    DISCARDED Counter "sluss_messages_discarded_total" ["cause"]
        "Received envelopes that do not conform and were deleted (AP-3.2.2)";
        "another access point sends what it must not";
        "report it to Digg with the event (APOP-4.1.1.a)"
    FAILURES Counter "sluss_attempt_failures_total" ["cause"]
        "Attempts to send or to hand over that failed and are made again";
        "the cause says whose fault it is: SMP, DNS, a partner, or our own store";
        "`sluss status` shows the partners that fail; most causes pass by themselves"
    REFUSED Counter "sluss_requests_refused_total" ["cause", "sender"]
        "AS4 requests refused, by cause, and by whether the sender was known (`known`) or not (`stranger`)";
        "`known`: a partner's messages break a rule; `stranger`: somebody without a certificate of the federation knocks";
        "`sluss as4 open` on a recorded request (record_refused), and ask the partner; strangers are bounded, and blocked in a firewall"
    TURNED_AWAY Counter "sluss_requests_turned_away_total" ["reason"]
        "Requests answered with 503 and Retry-After: `space` (too little free space), `crowded` (too much at once), `failed` (our own failure)";
        "senders wait and come again; nothing is lost, but everything is later";
        "`space`: free the disk; `crowded`: look at who sends; `failed`: look at the log"
    ALERTS Counter "sluss_alerts_total" ["channel", "result"]
        "Calls of mail servers and webhooks with alerts: `told` or `failed`";
        "`failed`: an operator is not told by mail or webhook; it is tried again until it arrives";
        "`sluss alert test`; the log says what the receiver answered"
    SPANS Counter "sluss_trace_spans_total" ["result"]
        "Spans of traces: `exported`, `failed` (the collector did not take them) or `dropped` (too many at once)";
        "`failed` or `dropped`: traces have holes; messages do not wait for them";
        "see that the collector at telemetry.endpoint answers"
    ATTEMPT Histogram "sluss_attempt_seconds" ["direction"]
        "One attempt, from claim to settlement: outwards look-up, packing, exchange; inwards check and hand-over";
        "slow partners, a slow SMP, or a slow disk";
        "compare with sluss_as4_exchange_seconds, sluss_lookup_seconds and sluss_journal_sync_seconds"
    ACCEPT Histogram "sluss_accept_seconds" ["door"]
        "Taking what is new until it is durable, by door: `as4` (a message of another access point, from the head of its request), `envelope` (of a participant, from its first byte), `message` (of our message service, from its sealed envelope)";
        "the disk or the processor is busy, or senders' lines are slow";
        "compare with sluss_journal_sync_seconds and process_cpu_seconds_total"
    EXCHANGE Histogram "sluss_as4_exchange_seconds" ["direction"]
        "One AS4 exchange: outwards from connecting to the answer, inwards from the request's head to our answer";
        "outwards: partners or lines are slow; inwards: we are";
        "`sluss ping PARTICIPANT` tries one route; inwards look at disk and processor"
    LOOKUP Histogram "sluss_lookup_seconds" ["result"]
        "One look-up over the network (DNS and SMP), `found` or `failed`; answers from the cache are not counted";
        "the SMP or DNS is slow or down; messages wait";
        "`sluss lookup PARTICIPANT --fresh` shows each step"
    SYNC Histogram "sluss_journal_sync_seconds" []
        "One fdatasync of the journal, for all writers that waited for it";
        "the disk is slow: every accept and every delivery waits for it";
        "look at the disk and at who else uses it; 500 ms is alarming"
    ACCEPTING Gauge "sluss_accepting" []
        "1 while new messages are accepted, 0 while too little space is free";
        "0: senders are told to come again; sending and delivering go on";
        "free space, or give data_dir a larger disk; it goes on by itself"
    CHECK Gauge "sluss_health_check" ["check"]
        "Each check of /health/ready: 0 ok, 1 degraded, 2 failed";
        "1: something will fail soon or slowly; 2: we are not ready";
        "GET /health/ready says what was found and what to do"
    CERTIFICATE Gauge "sluss_certificate_end_timestamp_seconds" ["use", "subject"]
        "When each certificate ends, in Unix time: `access-point`, `participant`, `tls` (ours) and `anchor` (those we trust)";
        "below 30 days from now: it must be renewed; in the past: messages are refused";
        "order the next certificate, put it in place, and reload (SIGHUP)"
    DISK_FREE Gauge "sluss_disk_free_bytes" []
        "Bytes free on the file system of data_dir";
        "a fall towards sluss_disk_free_least_bytes: accepting will stop";
        "free space, or give data_dir a larger disk"
    DISK_TOTAL Gauge "sluss_disk_size_bytes" []
        "Size of the file system of data_dir";
        "changes only when the disk is changed";
        "nothing"
    DISK_LEAST Gauge "sluss_disk_free_least_bytes" []
        "Below so many free bytes no new message is accepted (limits.free_bytes_least)";
        "as configured";
        "nothing"
    JOURNAL_RECORDS Gauge "sluss_journal_records" []
        "Records in the journal, over its whole life";
        "grows with every change of every message";
        "nothing; its rate is the store's work"
    JOURNAL_SEGMENTS Gauge "sluss_journal_segments" []
        "Segment files of the journal";
        "grows with traffic, and start-up time with it where no checkpoint is made";
        "see that retention is configured as you want it"
    JOURNAL_BYTES Gauge "sluss_journal_bytes" []
        "Bytes of the journal's segment files, preallocated room included";
        "as sluss_journal_segments";
        "as sluss_journal_segments"
    JOURNAL_DAMAGED Gauge "sluss_journal_damaged_segments" []
        "Closed segment files that did not hold when they were last read (store.read_through_days)";
        "any: the disk lost or changed what was durable; messages go on, and what is there cannot be built again";
        "`sluss store verify` names all damage; bring the files back from a backup"
    CONNECTIONS Gauge "sluss_connections_open" ["door"]
        "Open connections by listener: as4, api, console, metrics";
        "near 1024 at one door: somebody opens connections and keeps them; those that show nothing are closed first";
        "look at who connects; a firewall helps against a flood"
    STRETCH Histogram "sluss_runtime_stretch_seconds" ["clock"]
        "How long a thread that serves connections works between two rests, by the clock (`wall`) and by its processor time (`processor`); no task keeps others waiting for longer";
        "`wall` alone: other programs or our own work beside it take the processors; both: more connections than the threads can serve, or a task that blocks, which is a fault";
        "compare with the rate of process_cpu_seconds_total; report it where the processors have time left"
    STRETCH_LONGEST Gauge "sluss_runtime_longest_stretch_seconds" ["clock"]
        "The longest of sluss_runtime_stretch_seconds since the start of the process";
        "as sluss_runtime_stretch_seconds";
        "as sluss_runtime_stretch_seconds"
    PROCESS_CPU Counter "process_cpu_seconds_total" []
        "Processor time of this process";
        "a rate near the number of processors: it is the bottleneck";
        "give it more processors, or see what it does (sluss_as4_exchange_seconds, sluss_requests_refused_total)"
    PROCESS_RESIDENT Gauge "process_resident_memory_bytes" []
        "Memory of this process that is in use";
        "memory does not grow with messages' sizes or number; a steady rise is a fault";
        "report it with the traffic of that time"
    PROCESS_VIRTUAL Gauge "process_virtual_memory_bytes" []
        "Address space of this process";
        "says little on its own";
        "nothing"
    PROCESS_FDS Gauge "process_open_fds" []
        "Open files and sockets";
        "near process_max_fds: connections are refused";
        "raise the limit (LimitNOFILE), or see who connects"
    PROCESS_MAX_FDS Gauge "process_max_fds" []
        "How many files and sockets may be open";
        "as configured in the system";
        "nothing"
    PROCESS_START Gauge "process_start_time_seconds" []
        "When this process started, in Unix time";
        "a change means a restart";
        "find out why, where it was not you"
    BUILD Gauge "sluss_build_info" ["version"]
        "Always 1; its label says the version that runs";
        "a change means an upgrade";
        "nothing"
}

/// The reference as a table in Markdown, as `REFERENCE.md` has it.
pub fn reference() -> String {
    let mut text = String::from(
        "# Metrics\n\nWritten by `sluss metrics --reference`; each is declared in `declared.rs`. Values of labels are bounded.\n\n\
         | metric | kind | labels | what it is | what a rise means | what to do |\n|---|---|---|---|---|---|\n",
    );
    for metric in ALL {
        let kind = format!("{:?}", metric.kind).to_lowercase();
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let cells =
            [&format!("`{}`", metric.name), &kind, &labels.join(", "), metric.what, metric.means, metric.remedy];
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        for metric in ALL {
            assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
            if metric.kind == Kind::Histogram {
                assert!(metric.name.ends_with("_seconds"), "{}: a histogram of base units", metric.name);
            }
            assert!(metric.name.starts_with("sluss_") || metric.name.starts_with("process_"), "{}", metric.name);
            assert!(!metric.what.is_empty() && !metric.means.is_empty() && !metric.remedy.is_empty());
        }
        let mut names: Vec<&str> = ALL.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len(), "no name twice");
    }

    #[test]
    fn the_reference_beside_the_code_is_what_the_binary_prints() {
        assert_eq!(
            include_str!("REFERENCE.md"),
            reference(),
            "run `sluss metrics --reference > src/metrics/REFERENCE.md`"
        );
    }
}
