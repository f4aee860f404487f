//! Every bound of the program, with its unit and its reason. Nothing that comes from outside is
//! read, queued, nested or waited for without one of these.

use std::time::Duration;

/// Largest AS4 request accepted, in bytes, attachments included (AS4-2.8.a asks for 100 MB at least).
pub const AS4_BODY_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024 - 1;

/// Largest SOAP part, in bytes, where a partner is not allowed more. It is the only part of a request held in memory.
pub const SOAP_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Most that a partner may be allowed, in bytes: the SOAP part is kept in a record of the journal.
pub const SOAP_RELAXED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Up to this size a SOAP part waits in memory without further ado, in bytes: real ones have 10 to 20 KB.
pub const SOAP_SMALL_BYTES: usize = 32 * 1024;

/// Octets of a body held in memory beside its SOAP part until that is whole: MIME headers, and a transfer encoding.
pub const BEGINNING_EXTRA_BYTES: usize = 128 * 1024;

/// Requests with a larger SOAP part in work at once: 32 MB, whatever the number of connections.
pub const SOAP_LARGE_AT_ONCE_MAX: usize = 16;

/// Of these, requests whose SOAP part is above [`SOAP_BYTES_MAX`]: as many times as much as the most patient setting allows.
pub const SOAP_RELAXED_AT_ONCE_MAX: usize = 2;

/// Most nodes and attributes of a SOAP part. Real ones have below 1,000; each costs up to 500 bytes, so a tree has 10 MB at most.
pub const SOAP_NODES_MAX: usize = 20_000;

/// Look-ups at once for signers who only say the name of their key. Each keeps a parsed SOAP part waiting.
pub const SIGNER_LOOKUPS_AT_ONCE_MAX: usize = 4;

/// Participants of ours whom `sluss check` looks up at once, so that a thousand are seconds and no SMP is flooded.
pub const CHECK_LOOKUPS_AT_ONCE_MAX: usize = 16;

/// Such look-ups in a minute: nothing that asks for them is proven, and an SMP shall not be flooded through us.
pub const SIGNER_LOOKUPS_A_MINUTE: u32 = 30;

/// How long a sender for whom nobody was found is not looked for again.
pub const SIGNER_UNKNOWN_KEPT: Duration = Duration::from_secs(60);

/// Refusals of strangers in a minute that get an event each. Further ones are counted, and share one event a minute.
pub const STRANGERS_RECORDED_A_MINUTE: u32 = 30;

/// Largest block of headers of one MIME part, in bytes.
pub const MIME_HEADER_BYTES_MAX: usize = 16 * 1024;

/// Most parts of a multipart body, the SOAP part included (protocol.md 2.9: peers stop at 30 references).
pub const MIME_PARTS_MAX: usize = 64;

/// Up to this many bytes a gzip part may unpack at any ratio.
pub const GZIP_FREE_BYTES: u64 = 16 * 1024 * 1024;

/// Beyond [`GZIP_FREE_BYTES`]: most bytes out of one packed byte. Sealed envelopes are Base64, which gains less than 2.
pub const GZIP_RATIO_MAX: u64 = 200;

/// Most references of one signature.
pub const SIGNATURE_REFERENCES_MAX: usize = 64;

/// Deepest XML nesting followed. Real messages stay below 40.
pub const XML_DEPTH_MAX: usize = 100;

/// Most attributes and namespace declarations of one element.
pub const XML_ATTRIBUTES_MAX: usize = 256;

/// Largest piece of markup (one tag, comment or processing instruction), in bytes.
pub const XML_MARKUP_BYTES_MAX: usize = 1024 * 1024;

/// Largest piece of text handed on at once, in bytes. Longer texts come in several pieces.
pub const XML_TEXT_CHUNK_BYTES: usize = 64 * 1024;

/// Most nodes and attributes of a document that is held as a tree.
pub const XML_TREE_NODES_MAX: usize = 200_000;

/// Largest sealed envelope accepted for sending, in bytes (AS4-2.8.a: at least 100 MB).
pub const ENVELOPE_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024 - 64 * 1024 * 1024;

/// Largest envelope without its payload, in bytes: header, scope, signature.
pub const ENVELOPE_FRAME_BYTES_MAX: usize = 1024 * 1024;

/// Largest SMP answer, in bytes.
pub const SMP_BYTES_MAX: usize = 1024 * 1024;

/// One question to an SMP, from connecting to the last byte. Digg asks of it 99 % within 2 s (ENV-PROD-6.1.t01).
pub const SMP_EXCHANGE_MAX: Duration = Duration::from_secs(20);

/// How long one DNS server is waited for, each time it is asked.
pub const DNS_ANSWER_MAX: Duration = Duration::from_secs(2);

/// How often each DNS server is asked before a look-up counts as unreachable.
pub const DNS_TRIES_MAX: usize = 2;

/// Most steps from one DNS name to the next (CNAME, non-terminal NAPTR) in one look-up.
pub const DNS_STEPS_MAX: usize = 5;

/// Most look-ups remembered; each is a few kilobytes.
pub const DISCOVERY_CACHE_ENTRIES_MAX: usize = 4096;

/// Largest certificate, in bytes of DER.
pub const CERTIFICATE_BYTES_MAX: usize = 64 * 1024;

/// How far `eb:Timestamp` may lie ahead of our clock.
pub const TIMESTAMP_AHEAD_MAX: Duration = Duration::from_secs(5 * 60);

/// How far `eb:Timestamp` may lie behind our clock.
pub const TIMESTAMP_BEHIND_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// One AS4 exchange, from connecting to the last byte of the answer.
pub const AS4_EXCHANGE_MAX: Duration = Duration::from_secs(10 * 60);

/// How long a worker may keep a claimed message before another may take it.
pub const CLAIM_LEASE: Duration = Duration::from_secs(15 * 60);

// A lease that ran out during an open exchange would have the message sent twice.
const _: () = assert!(AS4_EXCHANGE_MAX.as_secs() < CLAIM_LEASE.as_secs());
const _: () = assert!(SOAP_BYTES_MAX < SOAP_RELAXED_BYTES_MAX && (SOAP_RELAXED_BYTES_MAX as u64) < AS4_BODY_BYTES_MAX);
// A text in JSON may be twice as long.
const _: () = assert!(2 * SOAP_RELAXED_BYTES_MAX < JOURNAL_RECORD_BYTES_MAX);
const _: () = assert!(ENVELOPE_BYTES_MAX < AS4_BODY_BYTES_MAX);

/// Connecting to another host, TLS not included.
pub const CLIENT_CONNECT_MAX: Duration = Duration::from_secs(15);

/// How long a pooled connection is kept unused, and how long an answer may pause.
pub const CLIENT_IDLE_MAX: Duration = Duration::from_secs(30);

/// Open connections of one listening socket, each some 20 KB; less where fewer files may be open. One more closes the oldest
/// that has shown nothing.
pub const SERVER_CONNECTIONS_MAX: usize = 1024;

/// The same for one address. A proxy that ends TLS is one address, so it is no small number.
pub const SERVER_CONNECTIONS_OF_ONE_MAX: usize = 768;

/// Requests in work whose sender is known. Each may hold a thread while its parts come in; the runtime has 512.
pub const SERVER_REQUESTS_MAX: usize = 256;

/// The same for one address.
pub const SERVER_REQUESTS_OF_ONE_MAX: usize = 192;

/// TLS handshake of a client.
pub const SERVER_HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// From the end of one request, or the start of the connection, to the end of the next request's headers.
pub const SERVER_HEADER_MAX: Duration = Duration::from_secs(30);

/// Headers of a request, in bytes, and the buffer they are read into.
pub const SERVER_HEADER_BYTES_MAX: usize = 32 * 1024;

/// How long a client may send nothing of a body it has begun, or take nothing of an answer.
pub const SERVER_IDLE_MAX: Duration = Duration::from_secs(30);

/// Slowest body, in bytes a second: 32 kbit/s, below any line that an access point has.
pub const SERVER_BODY_RATE_LEAST: u64 = 4 * 1024;

/// For so long a body has to be slower than that before it is given up; only time counts that we waited for it.
pub const SERVER_BODY_RATE_OVER: Duration = Duration::from_secs(30);

/// A whole request body: 100 MB take this long at 1.3 Mbit/s.
pub const SERVER_BODY_MAX: Duration = Duration::from_secs(10 * 60);

/// When a client that was told to come again should do so, in seconds.
pub const SERVER_RETRY_AFTER_SECONDS: u32 = 30;

/// How much of a refused body of an unknown client is read and thrown away, in bytes, so that it sees
/// the answer and not a connection that breaks while it is writing.
pub const SERVER_DRAIN_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The same for a client that has shown its token.
pub const API_DRAIN_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Text fields of a form together, in bytes. Documents come as files.
pub const FORM_TEXT_BYTES_MAX: usize = 1024 * 1024;

/// Documents of one message.
pub const FORM_FILES_MAX: usize = 100;
/// Size of one journal segment, in bytes. A group of records that is larger gets a segment of its own.
pub const JOURNAL_SEGMENT_BYTES: u64 = 16 * 1024 * 1024;

/// Largest journal record (one transaction), in bytes. Payloads are files and never in a record.
pub const JOURNAL_RECORD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// An anchor is added after so many records at the latest, so that evidence of one message stays short.
pub const ANCHOR_RECORDS_MAX: u64 = 10_000;

/// How often it is looked at whether an anchor is due.
pub const ANCHOR_LOOK_EVERY: Duration = Duration::from_secs(15);

/// A group of waiting writers is closed for its sync when it has grown to so many bytes.
pub const JOURNAL_GROUP_BYTES: usize = 4 * 1024 * 1024;

/// Records of the journal that are brought into an index at once when it is built or catches up, in bytes.
pub const REPLAY_BYTES: usize = 8 * 1024 * 1024;

/// Most transactions that wait for the store's writer; further callers block.
pub const STORE_QUEUE_MAX: usize = 1024;

/// Memory that the index may use for its pages, in bytes.
pub const INDEX_CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// Size of the index' table in memory, in bytes, at which it is written out. After a crash as much is read from the journal.
pub const INDEX_TABLE_BYTES: u64 = 16 * 1024 * 1024;

/// Size of a file of the index, in bytes: what is merged at once is some of them.
pub const INDEX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Messages of one id that the index has under one key, and senders of one envelope id; more have keys of their own.
pub const NAMED_MAX: usize = 8;

/// Ids of messages that are kept in memory of an index that began empty, some 18 bytes each.
pub const NEW_NAMES_MAX: usize = 500_000;

/// Most files of the index that are kept open: with ten million messages it has some 420. An eighth of what the process may open, where
/// that is less.
pub const INDEX_FILES_OPEN_MAX: usize = 512;

/// Most messages of one list.
pub const LIST_MESSAGES_MAX: usize = 1000;

/// Keys that are looked up for one page of a list, whatever is asked and however many messages there are: with ten million some 90 µs each.
pub const LIST_LOOKS_MAX: usize = 2_000;

/// Keys that a list walks over before it looks for the next one anew.
pub const LIST_STEPS_MAX: usize = 8;

/// Messages that are counted exactly where no tally says how many there are; beyond, it is said that there are more.
pub const COUNTED_MAX: u64 = 10_000;

/// Looks for one such count, most of them a step to the next key: enough for two conditions that all of [`COUNTED_MAX`] fulfil.
pub const COUNT_LOOKS_MAX: usize = 4 * 10_000;

/// What it costs to begin anew at another key, in looks.
pub const COUNT_LOOKS_FOR_A_START: usize = 16;

/// Most other access points of one list.
pub const LIST_PARTNERS_MAX: usize = 1000;

/// Other access points and participants on their pages: those that need a person come first.
pub const STATES_SHOWN_MAX: usize = 200;

/// Most events of one page of the event log.
pub const LIST_EVENTS_MAX: usize = 1000;

/// Other events that belong to no message (log-ins, warnings) that are passed over for a list of refusals.
pub const EVENTS_BESIDE_MAX: usize = 1000;

/// Most events looked at for one page of the event log, whatever the conditions: some 40 ms.
pub const LIST_EVENTS_LOOKED_AT_MAX: usize = 5000;

/// Events passed over, of which the index tells that they are not asked for, that count as one looked at: so many take no longer.
pub const LIST_EVENTS_PASSED_FOR_A_LOOK: usize = 20;

/// Free space that payloads leave to the journal, in bytes: what was received must still be settled.
pub const DISK_RESERVE_BYTES: u64 = 64 * 1024 * 1024;

/// Default of `limits.spool_bytes_max`: payloads that are being written, all together, in bytes. Four of the largest.
pub const SPOOL_BYTES_MAX: u64 = 10_000_000_000;

/// The free space is looked up again after so many bytes of one payload.
pub const DISK_CHECK_EVERY_BYTES: u64 = 16 * 1024 * 1024;

/// Free space that a new journal segment leaves to the index, in bytes: an index that cannot write stops the store.
pub const INDEX_RESERVE_BYTES: u64 = 32 * 1024 * 1024;

// Payloads have to be refused before the journal is.
const _: () = assert!(DISK_RESERVE_BYTES > JOURNAL_SEGMENT_BYTES + INDEX_RESERVE_BYTES);
/// Partners whose certificates are kept in memory, for signatures that name their key by reference only: those heard of last.
pub const KNOWN_PARTNERS_MAX: usize = 4096;

/// Largest answer to an AS4 message: an AS4 receipt of many references, or an ebMS error.
pub const AS4_ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Longest reason and longest name of an operator's action, in characters.
pub const REASON_CHARS_MAX: usize = 500;

/// Largest request for an operator's action, in bytes.
pub const ACTION_BYTES_MAX: usize = 16 * 1024;

/// Steps (attempts to send, envelopes handed over) under way at once.
pub const STEPS_AT_ONCE_MAX: usize = 16;

/// A step that takes longer than this leaves its place to others, while there is room to wait: it mostly waits for somebody.
pub const STEP_SLOW: Duration = Duration::from_secs(2);

/// Room for steps that wait so. Each holds a connection and some pieces of a message.
pub const SLOW_STEPS_MAX: usize = 64;

/// The same for one other access point, or one participant inwards: the rest is for others.
pub const LANE_STEPS_AT_ONCE_MAX: usize = 8;

/// Shortest pause before a message is tried again.
pub const RETRY_PAUSE_LEAST: Duration = Duration::from_secs(1);

/// Longest time that a message may be tried: partners take nothing older.
pub const RETRY_LIFE_MAX: Duration = TIMESTAMP_BEHIND_MAX;

/// A message that cannot be read is read again after this.
pub const UNREADABLE_PAUSE: Duration = Duration::from_secs(60);

/// Messages that cannot be read, of which a claim passes over so many: beyond that nothing seems to be readable.
pub const UNREADABLE_PASSED_MAX: usize = 8;

/// Forms of a message before the one that is sent, of which an AS4 receipt is still known: as often may a receiver have another
/// certificate while one message is tried. Each takes about 3 kB.
pub const EARLIER_FORMS_MAX: usize = 4;

/// Messages that are given up in one go, because their partner is left alone longer than they are tried.
pub const CLAIM_OVERDUE_MAX: usize = 100;

/// Messages, and streams of them, that one look for such goes through while nobody else is served: some milliseconds. The next
/// look goes on from there.
pub const OVERDUE_LOOKED_MAX: usize = 20_000;

/// Messages without the message receipt that they awaited that are ended in one step, with one sync: some milliseconds of the
/// store's thread. The next step follows at once.
pub const UNANSWERED_ENDED_MAX: usize = 100;

/// How often such messages are looked for.
pub const OVERDUE_LOOK: Duration = Duration::from_secs(5);

/// After a start everything that waits is due within this time, and is not given up before; but for what its partner asked to be
/// sent later.
pub const DUE_AFTER_START_MAX: Duration = Duration::from_secs(60);

/// How long something of ours may fail, as a full disk, before what it keeps back is given up: over a weekend, to the day after.
pub const OWN_FAULT_LIFE: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// A wall clock that is ahead of all records by more is not believed at once where something is to be destroyed for its age:
/// a machine may well be off for so long.
pub const CLOCK_LEAP_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// It is believed when the daemon has run for so long with it, and nobody has set it right.
pub const CLOCK_CONFIRMED_AFTER: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// A received message that could not be opened for so long is told of: its sender has an AS4 receipt and waits for an answer.
pub const DELAY_TOLD: Duration = Duration::from_secs(10 * 60);

/// Received messages that are known to be delayed, at most; each has some hundred bytes.
pub const DELAYED_KNOWN_MAX: usize = 10_000;

/// After so many failures in a row an access point is left alone for a while, by default.
pub const LANE_FAILURES_SUSPECT: u32 = 3;

/// Largest message receipt read, in bytes.
pub const MESSAGE_RECEIPT_BYTES_MAX: u64 = 1024 * 1024;

/// Shortest RSA key that is ever trusted, in bits (protocol.md 1.2).
pub const RSA_BITS_LEAST: usize = 2048;

/// Partners that have a name in the metrics; the rest is counted as `other`. Each costs a series for each metric with that label.
pub const METRIC_PARTNERS_MAX: usize = 200;

/// Causes that have a name in the metrics: there are some sixty.
pub const METRIC_CAUSES_MAX: usize = 100;

/// Messages whose contents, state or events one step of retention handles, so that none delays other transactions for long.
pub const PURGE_STEP_MESSAGES: usize = 200;

/// How often what is no longer to be kept is looked for.
pub const PURGE_EVERY: Duration = Duration::from_secs(60 * 60);

/// Between two steps of removing it.
pub const PURGE_PAUSE: Duration = Duration::from_millis(50);

/// How long the AS4 receipt of a received message is kept at least, to be given again. An AS4 message that is older than
/// [`TIMESTAMP_BEHIND_MAX`] is refused anyhow.
pub const ANSWER_KEPT: Duration = Duration::from_secs(35 * 24 * 60 * 60);

/// Default of `limits.free_bytes_least`: with less free space nothing new is accepted. Half of a largest message, and
/// much more than sending and delivering need.
pub const FREE_BYTES_LEAST: u64 = 1_000_000_000;

/// Least value of `limits.free_bytes_least`: below it payloads are refused anyhow, and sending and delivering need the rest.
pub const FREE_BYTES_LEAST_LEAST: u64 = 2 * DISK_RESERVE_BYTES;

/// When a sender that was told to come again for lack of space should do so, in seconds: space comes back slowly.
pub const SPACE_RETRY_AFTER_SECONDS: u32 = 300;

/// How often the health of the whole is looked at.
pub const HEALTH_EVERY: Duration = Duration::from_secs(5);

/// A health that is older than this is none: whoever looks does not come to an end.
pub const HEALTH_AGE_MAX: Duration = Duration::from_secs(30);

/// A small write and its sync that take longer mean a slow disk.
pub const DISK_SLOW: Duration = Duration::from_millis(250);

/// A worker that was not seen for so long is not alive.
pub const WORKER_PULSE_MAX: Duration = Duration::from_secs(60);

/// Longest wait after failed log-ins to one account: guessing is hopeless, and its owner is not kept out for long.
pub const LOGIN_ACCOUNT_WAIT_MAX: Duration = Duration::from_secs(15 * 60);

/// Longest wait after failed log-ins from one address: many people may come from one, as behind a proxy.
pub const LOGIN_ADDRESS_WAIT_MAX: Duration = Duration::from_secs(60);

/// After this time without a failure, earlier ones are forgotten.
pub const LOGIN_FAILURES_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Accounts and addresses whose failed log-ins are remembered; about 100 bytes each.
pub const LOGIN_SLOWED_MAX: usize = 4096;

/// Passwords compared at once: each takes 19 MiB.
pub const LOGIN_AT_ONCE_MAX: usize = 2;

/// Sessions of browsers at once; the one unused for longest ends for a new one.
pub const SESSIONS_MAX: usize = 4096;

/// Sessions of one account at once.
pub const SESSIONS_OF_ONE_MAX: usize = 16;

/// One-time log-ins that wait to be used.
pub const LOGIN_LINKS_MAX: usize = 64;

/// How long a one-time log-in can be used.
pub const LOGIN_LINK_KEPT: Duration = Duration::from_secs(5 * 60);

/// How often it is looked whether accounts were changed, for the event log.
pub const ACCOUNTS_LOOK_EVERY: Duration = Duration::from_secs(2);

/// Most changes of accounts that wait for a daemon that records them.
pub const ACCOUNT_CHANGES_MAX: usize = 1000;

/// Largest file of accounts, in bytes: some thousands of them.
pub const ACCOUNTS_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Messages that one order of an operator on the pages is for; a further one takes the rest.
pub const BULK_MESSAGES_MAX: usize = 1000;

/// Most messages that one order of the command line may be for.
pub const ORDER_MESSAGES_MAX: usize = 1_000_000;

/// Pages of a list that are gone through for one such order: a rare cause among very many messages ends it.
pub const BULK_PAGES_MAX: usize = 100;

/// Dead letters of which causes are counted for their page: the newest.
pub const CAUSES_COUNTED_MAX: usize = LIST_MESSAGES_MAX;

/// Pages that are told of changes at once.
pub const LIVE_CLIENTS_MAX: usize = 64;

/// Pages of one account that are told of changes at once, so that others keep their places.
pub const LIVE_CLIENTS_OF_ONE_MAX: usize = 12;

/// Pages of one session that are told of changes at once: a browser opens six connections to a host.
pub const LIVE_CLIENTS_OF_SESSION_MAX: usize = 6;

/// How often it is looked up whether something changed, for each of them.
pub const LIVE_LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long a page is told, before it has to ask again with its log-in.
pub const LIVE_LIFE_MAX: Duration = Duration::from_secs(10 * 60);

/// Most things of which one receiver of alerts is told each by its name; the rest of a kind is told as one.
pub const ALERTS_STANDING_MAX: usize = 200;

/// How often it is looked whether there is something to tell.
pub const ALERT_LOOK_EVERY: Duration = Duration::from_secs(5);

/// How often one receiver is told at most that more of the same happened: messages given up for one cause, or what does not conform.
pub const ALERT_MORE_EVERY: Duration = Duration::from_secs(5 * 60);

/// How many events are read at once to be told.
pub const ALERT_EVENTS_READ: usize = 1000;

/// Longest pause before an alert that did not arrive is told again.
pub const ALERT_AGAIN_MAX: Duration = Duration::from_secs(10 * 60);

/// How long a mail server or webhook may take.
pub const ALERT_TIME_MAX: Duration = Duration::from_secs(30);

/// Journeys that wait to be exported as traces; what comes beyond is dropped and counted.
pub const TRACES_WAITING_MAX: usize = 2048;

/// Spans of one export; some more where a journey has them.
pub const TRACE_BATCH_SPANS: usize = 512;

/// What was traced is exported after so long at most.
pub const TRACE_EVERY: Duration = Duration::from_secs(2);

/// A collector of traces has so long for one export.
pub const TRACE_TIME_MAX: Duration = Duration::from_secs(10);

/// A partner of which so many attempts in a row failed is told of.
pub const ALERT_PARTNER_FAILURES: u32 = 3;
