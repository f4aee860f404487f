//! What happened, by its cause: counted from the event log until it is told.
//!
//! A ledger says up to which place of the log it has counted, and what of that is still to be told. It is kept beside the log, so
//! a restart neither forgets nor repeats anything.

use super::{Bulletin, Kind, State, Times};
use crate::limits::{ALERT_MORE_EVERY, ALERTS_STANDING_MAX};
use crate::model::{Event, Fault, Left, Logged, MessageId, Problem, RECEIPT_MISSING, Stage, Timestamp, time};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The name under which those are told for whom there is no room.
const OTHERS: &str = "others";

/// What one receiver knows of the event log.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Ledger {
    /// Record of the journal, and place in it, of the last event that was counted.
    place: (u64, u32),
    standing: Vec<Happened>,
}

/// Events of one kind and name.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Happened {
    kind: Kind,
    about: String,
    /// When the first was counted, of which it is not over.
    since: Timestamp,
    /// How many there were since.
    total: u64,
    /// How many of them the receiver does not know of.
    untold: u64,
    /// The message of the last one, and what it met.
    last: Option<MessageId>,
    title: String,
    /// When the receiver was told last.
    told: Option<Timestamp>,
    /// Dead letters: how many are left.
    #[serde(default)]
    left: u64,
    /// Since when nothing is left of it.
    gone: Option<Timestamp>,
}

impl Ledger {
    /// Counts from this record of the journal on.
    pub fn behind(record: u64) -> Self {
        Self { place: (record, u32::MAX), standing: Vec::new() }
    }

    /// Record of the journal, and place in it, behind which nothing was counted yet.
    pub fn place(&self) -> (u64, u32) {
        self.place
    }

    /// Counts an event where its kind is `wanted`. Events come in the order of the journal, each once.
    pub fn count(&mut self, logged: &Logged, wanted: impl Fn(Kind) -> bool) {
        self.place = (logged.record, logged.place.event);
        let Some((kind, about)) = subject(&logged.event).filter(|(kind, _)| wanted(*kind)) else { return };
        let event = &logged.event;
        let has_room = self.place_of(kind, &about).is_some() || self.standing.len() < ALERTS_STANDING_MAX;
        let about = if has_room { about } else { OTHERS.to_owned() };
        let place = self.place_of(kind, &about).unwrap_or_else(|| {
            self.standing.push(Happened::new(kind, about, event.at));
            self.standing.len() - 1
        });
        self.standing[place].count(event);
    }

    fn place_of(&self, kind: Kind, about: &str) -> Option<usize> {
        self.standing.iter().position(|one| one.kind == kind && one.about == about)
    }

    /// The cause of messages that were given up; none where they have several.
    pub fn cause(about: &str) -> Option<&str> {
        Some(about).filter(|about| *about != OTHERS)
    }

    /// What is told of messages that were given up, as far as there were dead letters at the last look, and one that was one of them.
    pub fn dead_letters(&self) -> Vec<(String, Option<MessageId>)> {
        let dead = self.standing.iter().filter(|one| one.kind == Kind::SendFailure && one.gone.is_none());
        dead.map(|one| (one.about.clone(), one.last)).collect()
    }

    /// What is left of such dead letters.
    pub fn looked(&mut self, about: &str, left: Left, now: Timestamp) {
        let of = |one: &&mut Happened| one.kind == Kind::SendFailure && one.about == about;
        let Some(one) = self.standing.iter_mut().find(of) else { return };
        one.left = left.messages;
        if left.messages > 0 {
            (one.last, one.gone) = (left.one, None);
        } else {
            one.gone = one.gone.or(Some(now));
        }
    }

    /// What is to be told at `now`: what is new, at most every [`ALERT_MORE_EVERY`] of one name; dead letters of a cause that are
    /// still there a `reminder` after they were told; and that all of them have been gone for as long as `settle`. It stays news until
    /// it is [`told`](Self::told).
    pub fn news(&self, times: &Times, now: Timestamp) -> Vec<Bulletin> {
        self.standing.iter().filter_map(|one| Some(one.bulletin(one.state(times, now)?))).collect()
    }

    /// All of it has arrived.
    pub fn told(&mut self, bulletins: &[Bulletin], now: Timestamp) {
        let of = |one: &Happened| bulletins.iter().find(|told| told.kind == one.kind && told.about == one.about);
        self.standing.retain(|one| of(one).is_none_or(|told| told.state != State::Ended));
        for one in self.standing.iter_mut().filter(|one| of(one).is_some()) {
            (one.untold, one.told) = (0, Some(now));
        }
    }

    /// Forgets what nobody can say of that it is over, when nothing more of it came for as long as `settle`.
    pub fn settle(&mut self, settle: Duration, now: Timestamp) {
        let quiet = |told| passed(told, settle.max(ALERT_MORE_EVERY), now);
        self.standing.retain(|one| one.kind == Kind::SendFailure || one.untold > 0 || !one.told.is_some_and(quiet));
    }
}

impl Happened {
    fn new(kind: Kind, about: String, since: Timestamp) -> Self {
        let title = "no cause".to_owned();
        Self { kind, about, since, total: 0, untold: 0, last: None, title, told: None, left: 0, gone: None }
    }

    fn count(&mut self, event: &Event) {
        (self.total, self.untold) = (self.total + 1, self.untold + 1);
        (self.last, self.gone) = (event.message, None);
        if let Some(problem) = &event.problem {
            let rule = problem.rule.as_deref().map(|rule| format!(" ({rule})")).unwrap_or_default();
            self.title = format!("{}{rule}", problem.title);
        }
    }

    fn state(&self, times: &Times, now: Timestamp) -> Option<State> {
        if self.gone.is_some_and(|gone| passed(gone, times.settle, now)) {
            return Some(State::Ended);
        }
        let lasts = self.kind == Kind::SendFailure && self.gone.is_none();
        match self.told {
            None => (self.untold > 0).then_some(State::Begins),
            Some(told) if self.untold > 0 => passed(told, ALERT_MORE_EVERY, now).then_some(State::Lasts),
            Some(told) => (lasts && passed(told, times.reminder, now)).then_some(State::Lasts),
        }
    }

    fn bulletin(&self, state: State) -> Bulletin {
        let id = self.last.map(|id| format!(" {id}")).unwrap_or_default();
        let (see, all) = match self.last {
            Some(id) => (format!("queue show {id}"), format!(" {id}")),
            None if self.about == OTHERS => ("queue list --status attention".to_owned(), " ID".to_owned()),
            None => {
                let all = format!(" --status attention --cause {}", self.about);
                (format!("queue list{all}"), all)
            }
        };
        let (what, remedy) = match self.kind {
            Kind::Conformance => {
                let attached = match self.last {
                    Some(id) => format!("queue show {id}"),
                    None if self.about == OTHERS => "audit list --stage refused".to_owned(),
                    None => format!("audit list --stage refused --partner {}", self.about),
                };
                (
                    "messages that do not conform were refused or deleted",
                    format!("report it to Digg as a conformance error; `sluss {attached}` has what to attach"),
                )
            }
            _ if self.about == RECEIPT_MISSING => (
                "messages were given up",
                format!(
                    "their recipients' access points have them: ask the recipients by other means before anything is sent again; `sluss \
                     {see}` has the ids; then `sluss queue cancel{all}`"
                ),
            ),
            _ => {
                ("messages were given up", format!("see `sluss {see}`, mend the cause, then `sluss queue retry{all}`"))
            }
        };
        let (untold, total, since) = (self.untold, self.total, time::millis(self.since));
        let found = match state {
            State::Ended => {
                format!("of {total} that were given up since {since}, none is left of which its sender does not know")
            }
            State::Lasts if untold == 0 => {
                format!(
                    "{} of this cause are left, {total} were given up since {since}, the last{id}: {}",
                    self.left, self.title
                )
            }
            _ if untold == total => format!("{untold} {what}, the last{id}: {}", self.title),
            _ => format!("{untold} more {what}, {total} since {since}, the last{id}: {}", self.title),
        };
        Bulletin { kind: self.kind, about: self.about.clone(), state, since: self.since, found, remedy }
    }
}

/// What an event is told as; nothing where a stranger was refused, whom nobody can report, or where it was nobody's mistake.
fn subject(event: &Event) -> Option<(Kind, String)> {
    if event.follows_from_receipt() {
        return None;
    }
    let partner = event.facts.get("partner").cloned();
    let refused = event.problem.as_ref().is_some_and(|problem| problem.fault == Fault::Refused);
    let (kind, about) = match event.stage {
        Stage::Refused => (Kind::Conformance, Some(partner.filter(|_| refused)?)),
        Stage::Discarded => (Kind::Conformance, partner),
        _ => (Kind::SendFailure, event.problem.as_ref().map(|problem| Problem::cause(problem).to_owned())),
    };
    Some((kind, about.unwrap_or_else(|| OTHERS.to_owned())))
}

/// Whether so long has passed. A clock that was set back makes nobody wait.
fn passed(since: Timestamp, wanted: Duration, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(since)).map_or(true, |passed| passed >= wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LogPlace;

    const SETTLE: Duration = Duration::from_secs(60);

    /// A day, as where nothing else is said.
    const TIMES: Times = Times { reminder: Duration::from_secs(86_400), settle: SETTLE };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn given_up(record: u64, cause: &str) -> Logged {
        let problem = Problem::new(Fault::Refused, cause, "nobody answered", "x");
        let event = Event::new(at(0), Some(MessageId::now()), Stage::GivenUp, "given up").problem(problem);
        Logged { record, place: LogPlace { at: event.at, record, event: 0 }, event }
    }

    fn discarded(record: u64) -> Logged {
        let event = Event::new(at(0), Some(MessageId::now()), Stage::Discarded, "x").fact("partner", "AP0002");
        Logged { record, place: LogPlace { at: event.at, record, event: 0 }, event }
    }

    /// What is told at this second, to a receiver that is there.
    fn tell(ledger: &mut Ledger, second: i64) -> Vec<(State, String)> {
        let news = ledger.news(&TIMES, at(second));
        ledger.told(&news, at(second));
        ledger.settle(SETTLE, at(second));
        news.into_iter().map(|one| (one.state, one.found)).collect()
    }

    /// What a restart makes of it.
    fn restarted(ledger: &Ledger) -> Ledger {
        let kept = serde_json::to_value(ledger).unwrap();
        serde_json::from_value(kept).unwrap()
    }

    #[test]
    fn every_one_is_counted_once_whatever_is_told_meanwhile_and_a_restart_forgets_nothing() {
        let mut ledger = Ledger::behind(1);
        let (mut told, mut seen) = (0, Vec::new());
        for n in 0..14 {
            ledger.count(&given_up(10 + n, "access-point-unreachable"), |_| true);
            ledger = restarted(&ledger);
            // The receiver is away for the first three.
            if n > 2 {
                for (state, found) in tell(&mut ledger, 50 * i64::try_from(n).unwrap()) {
                    told += found.split(' ').next().unwrap().parse::<u64>().unwrap();
                    seen.push(state);
                }
            }
        }
        told += tell(&mut ledger, 3600)[0].1.split(' ').next().unwrap().parse::<u64>().unwrap();
        assert_eq!((told, ledger.place()), (14, (23, 0)));
        assert_eq!(seen, [State::Begins, State::Lasts], "every five minutes at most");
        assert_eq!(tell(&mut ledger, 86_000), [], "without a new one, nothing is repeated within a day");
    }

    #[test]
    fn dead_letters_that_are_left_are_told_again_each_day_until_they_are_handled() {
        let mut ledger = Ledger::behind(1);
        (2..5).for_each(|record| ledger.count(&given_up(record, "smp-unreachable"), |_| true));
        ledger.count(&discarded(6), |_| true);
        assert_eq!(tell(&mut ledger, 0).len(), 2);
        for day in 1..4 {
            assert_eq!(tell(&mut ledger, day * 86_400 - 10), []);
            let left = Left { messages: 1_200 - day.cast_unsigned(), one: Some(MessageId::now()) };
            ledger.looked("smp-unreachable", left, at(day * 86_400 - 5));
            let [(state, found)] = &tell(&mut ledger, day * 86_400)[..] else {
                panic!("one for all of a cause, each day")
            };
            let left = 1_200 - day;
            assert!(
                *state == State::Lasts && found.starts_with(&format!("{left} of this cause are left, 3 were ")),
                "{found}"
            );
            assert!(found.contains(", the last ") && found.ends_with(": nobody answered"), "{found}");
            ledger = restarted(&ledger);
        }
        let (cause, _) = ledger.dead_letters().remove(0);
        ledger.looked(&cause, Left::default(), at(4 * 86_400 - 10));
        assert_eq!(tell(&mut ledger, 4 * 86_400), [], "what is gone is not told of again");
        assert_eq!(tell(&mut ledger, 4 * 86_400 + 60)[0].0, State::Ended);
        assert_eq!(tell(&mut ledger, 6 * 86_400), []);
    }

    #[test]
    fn what_got_no_message_receipt_is_not_to_be_sent_again_and_what_only_follows_is_not_told() {
        let mut ledger = Ledger::behind(1);
        ledger.count(&given_up(2, crate::model::RECEIPT_NOT_SENT), |_| true);
        assert_eq!((ledger.news(&TIMES, at(0)), ledger.place()), (vec![], (2, 0)));
        ledger.count(&given_up(3, RECEIPT_MISSING), |_| true);
        let [told] = &ledger.news(&TIMES, at(0))[..] else { panic!("one") };
        assert!(told.remedy.contains("ask the recipients") && !told.remedy.contains("retry"), "{told:?}");
    }

    #[test]
    fn it_is_over_when_no_dead_letter_of_the_cause_is_left_and_not_before() {
        let mut ledger = Ledger::behind(1);
        ledger.count(&given_up(2, "smp-unreachable"), |_| true);
        assert_eq!(tell(&mut ledger, 0)[0].0, State::Begins);
        let (cause, last) = ledger.dead_letters().remove(0);
        ledger.looked(&cause, Left { messages: 1, one: last }, at(5000));
        assert_eq!(tell(&mut ledger, 5000), []);
        ledger.looked(&cause, Left::default(), at(5005));
        assert_eq!(tell(&mut ledger, 5010), []);
        assert_eq!(ledger.dead_letters(), [], "nothing is looked for any more");
        // It failed again after the retry.
        ledger.count(&given_up(3, "smp-unreachable"), |_| true);
        assert_eq!(tell(&mut ledger, 5090)[0].0, State::Lasts);
        ledger.looked(&cause, Left::default(), at(5091));
        ledger.looked(&cause, Left::default(), at(5150));
        let ended = tell(&mut ledger, 5151);
        assert_eq!((ended.len(), ended[0].0), (1, State::Ended), "{ended:?}");
        assert_eq!(tell(&mut ledger, 9999), []);
        ledger.count(&given_up(3, "smp-unreachable"), |_| true);
        assert_eq!(tell(&mut ledger, 9999)[0].0, State::Begins);
    }

    #[test]
    fn what_does_not_conform_has_no_end_and_begins_anew_after_a_while() {
        let mut ledger = Ledger::behind(1);
        ledger.count(&discarded(2), |_| true);
        assert_eq!(tell(&mut ledger, 0)[0].0, State::Begins);
        ledger.count(&discarded(3), |_| true);
        assert_eq!(tell(&mut ledger, 10), [], "not so soon");
        assert_eq!(tell(&mut ledger, 300)[0].0, State::Lasts);
        assert_eq!(tell(&mut ledger, 700), []);
        ledger.count(&discarded(4), |_| true);
        assert_eq!(tell(&mut ledger, 700)[0].0, State::Begins);
    }

    #[test]
    fn what_a_partner_sends_that_is_refused_is_told_and_what_strangers_send_or_what_broke_off_is_not() {
        let refused = |fault, name: &str| {
            let problem = Problem::new(fault, "as4:Other", "not served here", "x").rule("AS4-2.5.a");
            let event = Event::new(at(0), None, Stage::Refused, "x").fact(name, "AP0002").problem(problem);
            Logged { record: 2, place: LogPlace { at: event.at, record: 2, event: 0 }, event }
        };
        let mut ledger = Ledger::behind(1);
        for (fault, name) in [(Fault::Refused, "claimed_partner"), (Fault::Temporary, "partner")] {
            ledger.count(&refused(fault, name), |_| true);
            assert_eq!(tell(&mut ledger, 0), []);
        }
        ledger.count(&refused(Fault::Refused, "partner"), |_| true);
        let [told] = &ledger.news(&TIMES, at(0))[..] else { panic!("{ledger:?}") };
        assert_eq!((told.kind, told.about.as_str()), (Kind::Conformance, "AP0002"));
        assert!(told.found.ends_with("the last: not served here (AS4-2.5.a)"), "{}", told.found);
        assert!(told.remedy.contains("`sluss audit list --stage refused --partner AP0002`"), "{}", told.remedy);
    }

    #[test]
    fn what_a_receiver_does_not_want_is_passed_over_and_what_stands_is_bounded() {
        let mut ledger = Ledger::behind(1);
        ledger.count(&discarded(2), |kind| kind == Kind::SendFailure);
        assert_eq!((tell(&mut ledger, 0), ledger.place()), (vec![], (2, 0)));
        for n in 0..ALERTS_STANDING_MAX as u64 + 50 {
            ledger.count(&given_up(3 + n, &format!("cause-{n}")), |_| true);
        }
        let told = tell(&mut ledger, 0);
        assert_eq!(told.len(), ALERTS_STANDING_MAX + 1);
        assert!(told.iter().any(|(_, found)| found.starts_with("50 messages")), "{told:?}");
    }
}
