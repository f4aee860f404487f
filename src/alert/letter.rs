//! What a mail says, in the language of its readers. What was found has names and figures and is written in English for logs and
//! programs; in Swedish the kind of alert is said, what it means and what to do, and what was found follows as a technical detail.

use super::{Bulletin, Kind, Sender, State};
use crate::model::{Lang, RECEIPT_MISSING, time};
use std::fmt::Write;

/// The line that a mail is known by in a list.
pub(super) fn subject(lang: Lang, sender: &Sender, bulletins: &[Bulletin]) -> String {
    let of = &sender.access_point;
    match bulletins {
        [one] => format!("[sluss {of}] {}", heading(lang, one)),
        many => format!("[sluss {of}] {} {}", many.len(), lang.pick("larm", "alerts")),
    }
}

/// All of it.
pub(super) fn text(lang: Lang, sender: &Sender, bulletins: &[Bulletin]) -> String {
    let whose = lang.pick("Accesspunkt", "Access point");
    let mut text = format!("{whose} {} ({})\n", sender.access_point, sender.environment);
    for one in bulletins {
        let (lines, since) = (lang.pick(swedish(one), english(one)), time::millis(one.since));
        let names =
            lang.pick(["sedan:", "vad:", "att göra:", "detalj:", "åtgärd:"], ["since:", "found:", "to do:", "", ""]);
        // Writing into a text cannot fail.
        let _ = writeln!(text, "\n{}\n  {:<9} {since}", heading(lang, one), names[0]);
        for (name, line) in names.iter().skip(1).zip(lines).filter(|(_, line)| !line.is_empty()) {
            let _ = writeln!(text, "  {name:<9} {line}");
        }
    }
    text
}

fn heading(lang: Lang, one: &Bulletin) -> String {
    match lang {
        Lang::En => format!("{} {}: {}", one.kind.word(), english_state(one.state), one.about),
        Lang::Sv => format!("{}: {} ({})", title(one.kind), one.about, swedish_state(one.state)),
    }
}

fn english_state(state: State) -> &'static str {
    match state {
        State::Begins => "begins",
        State::Lasts => "lasts",
        State::Ended => "is over",
        State::Trial => "is a trial",
    }
}

fn swedish_state(state: State) -> &'static str {
    match state {
        State::Begins => "börjar",
        State::Lasts => "kvarstår",
        State::Ended => "är över",
        State::Trial => "prov",
    }
}

/// What was found, and what to do where there is something to do.
fn english(one: &Bulletin) -> [&str; 4] {
    let remedy = if one.state == State::Ended { "" } else { &one.remedy };
    [&one.found, remedy, "", ""]
}

/// What it means, what to do, and both as they are written in English.
fn swedish(one: &Bulletin) -> [&str; 4] {
    let (means, advice) = match (one.state, one.kind) {
        (State::Trial, _) => ("Någon vill se om larm kommer fram.", "Inget."),
        (_, kind) => meaning(kind, &one.about),
    };
    match one.state {
        State::Ended => ["Det som larmet gällde är över.", "", &one.found, ""],
        State::Trial => [means, advice, "", ""],
        State::Begins | State::Lasts => [means, advice, &one.found, &one.remedy],
    }
}

/// What an alert of this kind is called in Swedish.
fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::SendFailure => "Misslyckade meddelanden",
        Kind::QueueAge => "Lång väntan",
        Kind::PartnerDown => "Motpart svarar inte",
        Kind::DiscoveryDown => "DNS eller SMP svarar inte",
        Kind::Certificate => "Certifikat går ut",
        Kind::Space => "Ont om utrymme",
        Kind::Disk => "Fel på disk eller lager",
        Kind::Process => "Fel i processen eller klockan",
        Kind::Conformance => "Bristande överensstämmelse",
    }
}

/// What it means in Swedish, and what to do.
fn meaning(kind: Kind, about: &str) -> (&'static str, &'static str) {
    match kind {
        Kind::SendFailure if about == RECEIPT_MISSING => (
            "Meddelanden har nått mottagarens accesspunkt, men ingen meddelandekvittens kom i tid.",
            "Fråga mottagaren på annat sätt om meddelandet har kommit, innan något skickas igen. Avbryt det när det är utrett.",
        ),
        Kind::SendFailure => (
            "Meddelanden har getts upp: det görs inga fler försök med dem.",
            "Se sidan Misslyckade i konsolen. Åtgärda orsaken och försök igen, eller avbryt det som är utrett.",
        ),
        Kind::QueueAge if about == "delivery" => (
            "Inkomna meddelanden kan inte levereras, eller är till en deltagare som inte är inställd här.",
            "Se sidan Deltagare i konsolen: där står vad som väntar, hur länge och varför.",
        ),
        Kind::QueueAge => (
            "Meddelanden i det här läget har väntat för länge.",
            "Se sidan Kö i konsolen: varje meddelande säger varför det väntar.",
        ),
        Kind::PartnerDown => (
            "Motpartens accesspunkt går inte att nå. Meddelanden till den väntar och prövas igen av sig själva.",
            "Se sidan Motparter i konsolen, och fråga motpartens drift.",
        ),
        Kind::DiscoveryDown => (
            "Mottagare går inte att slå upp. Meddelanden väntar och prövas igen av sig själva.",
            "Se om den här maskinen når DNS och SMP.",
        ),
        Kind::Certificate => (
            "Ett certifikat går snart ut eller har gått ut.",
            "Beställ nästa certifikat, lägg det på plats och läs in det (SIGHUP).",
        ),
        Kind::Space => (
            "Det lediga utrymmet är eller blir snart för litet: då tas inget nytt emot, men det som finns skickas och levereras.",
            "Frigör utrymme, eller ge data_dir en större disk. Det går vidare av sig självt.",
        ),
        Kind::Disk => (
            "Disken är långsam eller tar inte emot det som skrivs, eller det som är sparat stämmer inte.",
            "Se om disken är full, skrivskyddad eller trasig (dmesg), och gör som åtgärden nedan säger.",
        ),
        Kind::Process => (
            "Programmet eller dess klocka är inte som det ska vara.",
            "Se loggen och klockan (NTP), och gör som åtgärden nedan säger.",
        ),
        Kind::Conformance => (
            "En annan accesspunkt har skickat något som inte följer specifikationen; det avvisades eller togs bort.",
            "Anmäl det till Digg. Åtgärden nedan säger vad som visar underlaget.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    const KINDS: [Kind; 9] = [
        Kind::SendFailure,
        Kind::QueueAge,
        Kind::PartnerDown,
        Kind::DiscoveryDown,
        Kind::Certificate,
        Kind::Space,
        Kind::Disk,
        Kind::Process,
        Kind::Conformance,
    ];

    fn bulletin(kind: Kind, about: &str, state: State) -> Bulletin {
        let (about, found, remedy) = (about.to_owned(), "3 messages".to_owned(), "see `sluss queue list`".to_owned());
        Bulletin { kind, about, state, since: Timestamp::UNIX_EPOCH, found, remedy }
    }

    fn sender() -> Sender {
        Sender { access_point: "AP0001".to_owned(), environment: "test".to_owned() }
    }

    #[test]
    fn a_mail_in_english_says_what_was_found_and_what_to_do() {
        let one = bulletin(Kind::PartnerDown, "AP0002", State::Begins);
        assert_eq!(
            subject(Lang::En, &sender(), std::slice::from_ref(&one)),
            "[sluss AP0001] partner-down begins: AP0002"
        );
        assert_eq!(
            text(Lang::En, &sender(), &[one]),
            "Access point AP0001 (test)\n\npartner-down begins: AP0002\n  since:    1970-01-01T00:00:00.000Z\n  found:    3 messages\n  \
             to do:    see `sluss queue list`\n"
        );
        let over = text(Lang::En, &sender(), &[bulletin(Kind::PartnerDown, "AP0002", State::Ended)]);
        assert!(over.contains("partner-down is over: AP0002") && !over.contains("to do:"), "{over}");
    }

    #[test]
    fn a_mail_in_swedish_says_what_it_means_and_what_to_do_and_keeps_what_was_found() {
        let one = bulletin(Kind::PartnerDown, "AP0002", State::Begins);
        assert_eq!(
            subject(Lang::Sv, &sender(), std::slice::from_ref(&one)),
            "[sluss AP0001] Motpart svarar inte: AP0002 (börjar)"
        );
        assert_eq!(subject(Lang::Sv, &sender(), &[one.clone(), one.clone()]), "[sluss AP0001] 2 larm");
        assert_eq!(
            text(Lang::Sv, &sender(), &[one]),
            "Accesspunkt AP0001 (test)\n\nMotpart svarar inte: AP0002 (börjar)\n  sedan:    1970-01-01T00:00:00.000Z\n  vad:      \
             Motpartens accesspunkt går inte att nå. Meddelanden till den väntar och prövas igen av sig själva.\n  att göra: Se sidan \
             Motparter i konsolen, och fråga motpartens drift.\n  detalj:   3 messages\n  åtgärd:   see `sluss queue list`\n"
        );
        let over = text(Lang::Sv, &sender(), &[bulletin(Kind::PartnerDown, "AP0002", State::Ended)]);
        assert!(over.contains("(är över)") && over.contains("detalj:   3 messages"), "{over}");
        assert!(!over.contains("att göra:") && !over.contains("åtgärd:"), "{over}");
    }

    #[test]
    fn every_kind_has_swedish_words_of_its_own_and_what_has_arrived_is_not_sent_again() {
        let said: std::collections::BTreeSet<(&str, &str)> =
            KINDS.into_iter().map(|kind| (title(kind), meaning(kind, "x").0)).collect();
        assert_eq!(said.len(), KINDS.len());
        let missing = meaning(Kind::SendFailure, RECEIPT_MISSING).1;
        assert!(missing.contains("Fråga mottagaren") && !missing.contains("försök igen"), "{missing}");
        let trial = text(Lang::Sv, &sender(), &[bulletin(Kind::Process, "trial", State::Trial)]);
        assert!(trial.contains("Någon vill se om larm kommer fram.") && trial.contains("(prov)"), "{trial}");
    }
}
