//! What problems are called on the pages. Their own title and detail are English, for logs and programs; a page in
//! Swedish says the kind of problem in Swedish, and keeps what was found as a technical detail.

use super::text::{Lang, Texts};
use crate::model::{Fault, Problem};

/// A problem as a page shows it.
#[derive(Clone, Debug)]
pub(super) struct ProblemView {
    pub(super) title: String,
    pub(super) text: String,
    /// English, where the rest is not.
    pub(super) technical: Option<String>,
    pub(super) rule: Option<String>,
    pub(super) code: Option<String>,
    /// Whether it may pass by itself.
    pub(super) passing: bool,
}

/// The kind of a problem whose words are in the reader's language already.
pub(super) const INCOMPLETE: &str = "incomplete-form";

impl ProblemView {
    pub(super) fn new(problem: &Problem, lang: Lang) -> Self {
        let english = (problem.title.clone(), problem.detail.clone(), None);
        let (title, text, technical) = match lang {
            Lang::En => english,
            Lang::Sv if problem.cause() == INCOMPLETE => english,
            Lang::Sv => {
                let (title, text) = swedish(problem);
                let text = if problem.given_up { remedy(Some(problem), lang.texts()) } else { text };
                (title.to_owned(), text.to_owned(), Some(format!("{}: {}", problem.title, problem.detail)))
            }
        };
        let (rule, code) = (problem.rule.clone(), problem.code.clone());
        Self { title, text, technical, rule, code, passing: problem.fault == Fault::Temporary && !problem.given_up }
    }
}

/// The title alone, for lists.
pub(super) fn title(problem: &Problem, lang: Lang) -> String {
    match lang {
        Lang::Sv => swedish(problem).0.to_owned(),
        Lang::En => problem.title.clone(),
    }
}

/// What helps against the cause of a dead letter.
pub(super) fn remedy(problem: Option<&Problem>, t: &'static Texts) -> &'static str {
    match problem.map_or("none", Problem::cause) {
        "cancelled" => t.remedy_cancelled,
        "access-point-unreachable" => t.remedy_reach,
        "nonconforming-envelope" => t.remedy_report,
        "access-point-not-trusted" | "smp-signer" | "smp-signature" | "signer-not-trusted" => t.remedy_trust,
        "dns-unreachable" | "dns-unusable" | "smp-unreachable" | "smp-answer" | "smp-malformed" => t.remedy_lookup,
        "participant-unknown"
        | "smp-redirect"
        | "smp-other-participant"
        | "smp-other-document-type"
        | "process-not-offered"
        | "no-endpoint"
        | "endpoint-not-in-force"
        | "endpoint-certificate"
        | "not-offered"
        | "party-id"
        | "address-not-called"
        | "certpub" => t.remedy_published,
        "rejected" | "draft" | "envelope" | "too-large" | "not-yours" => t.remedy_content,
        "not-opened" | "not-xml" | "signature" | "message-receipt" => t.remedy_resend,
        "message-receipt-missing" => t.remedy_ask,
        "message-receipt-not-sent" => t.remedy_receipt,
        "store" | "store-damaged" | "store-stopped" | "spool" | "spool-full" | "space" | "disk-full" | "pack"
        | "receipt" | "error-signal" | "internal" => t.remedy_own,
        as4 if as4.starts_with("as4:") => t.remedy_partner,
        _ => t.remedy_look,
    }
}

/// Title and sentence; a kind that is not known is named by whose turn it is.
fn swedish(problem: &Problem) -> (&'static str, &'static str) {
    let found = KINDS.iter().find(|(known, ..)| *known == problem.cause()).map(|(_, title, text)| (*title, *text));
    found.unwrap_or(match problem.fault {
        Fault::Refused => ("Avvisat", "Det följde inte reglerna och gick inte vidare."),
        Fault::Usage => ("Uppgifterna kunde inte användas", "Rätta uppgifterna och försök igen."),
        Fault::Temporary => ("Tillfälligt fel", "Felet kan gå över. Försök igen om en stund."),
    })
}

/// Kind, title and sentence.
const KINDS: [(&str, &str, &str); 82] = [
    (
        "forbidden",
        "Det är inte tillåtet för kontot",
        "Kontots roll räcker inte, eller så hör brevlådan till en annan deltagare. En administratör kan ändra det.",
    ),
    // Discovery
    (
        "participant-unknown",
        "Mottagaren är inte registrerad",
        "Deltagaren finns inte i SML. Kontrollera deltagarens id och miljön.",
    ),
    ("dns-unreachable", "Ingen namnserver svarar", "Mottagaren kunde inte slås upp. Det görs om av sig självt."),
    ("dns-unusable", "Namnuppslaget leder inte till någon SMP", "Den som sköter SML-zonen behöver rätta posten."),
    ("smp-unreachable", "SMP svarar inte", "Mottagarens accesspunkt kunde inte slås upp. Det görs om av sig självt."),
    ("smp-answer", "Svaret från SMP går inte att använda", "Den som driver SMP behöver rätta det."),
    (
        "smp-malformed",
        "Uppgifterna i SMP är felaktiga",
        "De följer inte standarden. Den som driver SMP behöver rätta dem.",
    ),
    ("smp-signature", "Signaturen på uppgifterna i SMP håller inte", "Uppgifterna används därför inte."),
    (
        "smp-signer",
        "Undertecknaren av uppgifterna i SMP är inte betrodd",
        "Jämför de inställda förtroendeankarna med miljön.",
    ),
    ("smp-redirect", "SMP hänvisar vidare", "Sådana hänvisningar finns inte i SDK och följs inte."),
    ("smp-other-participant", "SMP svarade om en annan deltagare", "Den som driver SMP behöver rätta det."),
    (
        "smp-other-document-type",
        "SMP svarade om en annan dokumenttyp",
        "Mottagarens driftansvariga behöver publicera tjänsten.",
    ),
    (
        "process-not-offered",
        "Mottagaren erbjuder inte processen",
        "Mottagarens driftansvariga behöver publicera tjänsten.",
    ),
    (
        "no-endpoint",
        "Mottagaren saknar adress för SDK",
        "Mottagarens driftansvariga behöver publicera sin accesspunkt.",
    ),
    (
        "endpoint-not-in-force",
        "Mottagarens adress gäller inte nu",
        "Den är utgången eller gäller från ett senare datum.",
    ),
    (
        "endpoint-certificate",
        "Mottagarens accesspunktscertifikat går inte att använda",
        "Mottagarens driftansvariga behöver publicera ett giltigt certifikat.",
    ),
    ("not-offered", "Mottagaren tar inte emot dokumenttypen", "Mottagarens driftansvariga behöver publicera tjänsten."),
    (
        "access-point-not-trusted",
        "Mottagarens accesspunkt är inte betrodd",
        "Certifikatet är ogiltigt eller hör till en annan miljö.",
    ),
    (
        "party-id",
        "Mottagarens certifikat namnger ingen accesspunkt",
        "Mottagarens driftansvariga behöver publicera rätt certifikat.",
    ),
    (
        "address-not-called",
        "Adressen anropas inte",
        "Den publicerade adressen är inte tillåten. Den som publicerade den behöver rätta den.",
    ),
    (
        "certpub",
        "Deltagarens certifikat saknas eller går inte att använda",
        "Deltagaren behöver publicera eller förnya sitt certifikat.",
    ),
    // Between access points
    ("access-point-unreachable", "Mottagarens accesspunkt kan inte nås", "Meddelandet skickas om av sig självt."),
    (
        "attempt-cut-off",
        "Försöket bröts av",
        "Om meddelandet kom fram är inte känt. Det skickas igen under samma id, så det levereras inte två gånger.",
    ),
    ("pack", "Meddelandet kunde inte packas", "Det kunde inte signeras eller krypteras till mottagarens accesspunkt."),
    ("receipt", "AS4-kvittensen kunde inte signeras", "Avsändaren fick ingen kvittens och skickar om."),
    ("error-signal", "Felsvaret kunde inte signeras", "Avsändaren fick inget felsvar."),
    (
        "as4:RefusedByPeer",
        "Mottagarens accesspunkt avvisade meddelandet",
        "Den tekniska detaljen säger vad den svarade.",
    ),
    ("as4:MissingReceipt", "AS4-kvittens saknas", "Mottagarens accesspunkt kvitterade inte. Meddelandet skickas om."),
    (
        "as4:InvalidReceipt",
        "AS4-kvittensen är inte giltig",
        "Den styrker inte att mottagarens accesspunkt har meddelandet.",
    ),
    (
        "as4:FailedAuthentication",
        "Avsändaren kunde inte styrkas",
        "Signaturen håller inte, eller så är undertecknaren inte betrodd.",
    ),
    (
        "as4:FailedDecryption",
        "Meddelandet kunde inte dekrypteras",
        "Det är krypterat till en annan nyckel eller skadat.",
    ),
    (
        "as4:PolicyNoncompliance",
        "Meddelandet är inte skyddat som profilen kräver",
        "Alla delar ska vara signerade och krypterade.",
    ),
    ("as4:DecompressionFailure", "En del kunde inte packas upp", "Den komprimerade delen är skadad."),
    ("as4:MimeInconsistency", "Meddelandets delar är fel ordnade", "MIME-strukturen följer inte standarden."),
    (
        "as4:FeatureNotSupported",
        "Meddelandet kräver något som profilen inte har",
        "Avsändaren behöver rätta sin inställning.",
    ),
    ("as4:InvalidHeader", "Meddelandets huvud är inte giltigt", "Det följer inte AS4-standarden."),
    ("as4:ValueInconsistent", "Meddelandet motsäger sig självt", "Uppgifter i huvudet stämmer inte med varandra."),
    (
        "as4:ProcessingModeMismatch",
        "Meddelandet följer inte transportprofilen",
        "Avsändaren behöver rätta sin inställning.",
    ),
    ("as4:ExternalPayloadError", "Delarna är inte de som huvudet nämner", "Någon del saknas eller är för mycket."),
    ("as4:Other", "Meddelandet togs inte emot", "Den tekniska detaljen säger varför."),
    (
        "nonconforming-envelope",
        "Kuvertet följer inte reglerna och är borttaget",
        "Det ska rapporteras till plattformsägaren (APOP-4.1.1.a).",
    ),
    // What our participants hand in, and what is in their messages
    ("envelope", "Kuvertet följer inte reglerna", "Det gick inte vidare. Den tekniska detaljen säger vilken regel."),
    ("not-yours", "Kuvertet har en annan avsändare", "En deltagare kan bara lämna in egna kuvert."),
    ("not-served", "Deltagaren finns inte här", "Den betjänas inte av den här accesspunkten."),
    ("duplicate-envelope", "Ett kuvert med samma id är redan skickat", "Ge det nya kuvertet ett nytt id."),
    ("gone", "Innehållet finns inte kvar", "Det har tagits bort. Händelserna säger varför."),
    ("unknown-message", "Meddelandet finns inte", "Det kan ha tagits bort, eller så är id:t felskrivet."),
    ("unknown-document", "Handlingen finns inte", "Meddelandet har färre handlingar."),
    (
        "draft",
        "Meddelandet kan inte skickas så här",
        "Rubrik, text, filer eller adresser följer inte reglerna för SDK-meddelanden.",
    ),
    (
        "too-large",
        "Meddelandet är för stort",
        "Skicka färre eller mindre filer. En fil växer med en tredjedel när den läggs i meddelandet.",
    ),
    ("seal", "Meddelandet kunde inte förseglas", "Det är inte skickat. Försök igen."),
    (
        "rejected",
        "Innehållet avvisades",
        "Det följde inte reglerna för SDK-meddelanden. Rätta det och skicka ett nytt meddelande.",
    ),
    ("message-receipt", "Meddelandekvittensen är inte giltig", "Den räknas därför inte."),
    (
        "message-receipt-missing",
        "Ingen meddelandekvittens kom",
        "Mottagarens accesspunkt har meddelandet. Fråga mottagaren på annat sätt om det har kommit, innan det skickas igen.",
    ),
    (
        "message-receipt-not-sent",
        "Meddelandekvittensen kunde inte skickas",
        "Meddelandet är öppnat, men avsändaren vet det inte. Skicka om kvittensen när felet är åtgärdat.",
    ),
    ("not-opened", "Meddelandet kunde inte öppnas", "Ingen kvittens skickas. Be avsändaren att skicka igen."),
    ("not-xml", "Innehållet är inget SDK-meddelande", "Ingen kvittens skickas. Be avsändaren att skicka igen."),
    ("in-hand", "Samma kuvert öppnas redan", "Det ses på igen av sig självt."),
    (
        "signer-not-trusted",
        "Kuvertets undertecknare är inte betrodd",
        "Certifikatet är inte det som är publicerat för avsändaren.",
    ),
    (
        "signature",
        "Signaturen håller inte",
        "Kuvertet är ändrat, eller signerat på ett sätt som reglerna inte tillåter.",
    ),
    // This machine
    ("disk-full", "Disken är full", "Inget sparades. Frigör utrymme och försök igen."),
    ("spool-full", "För mycket tas emot samtidigt", "Inget sparades. Försök igen om en stund."),
    ("broken-off", "Överföringen avbröts", "Inget sparades. Försök igen."),
    ("store", "Lagringen svarade inte som den skulle", "Inget ändrades. Den driftansvariga behöver se på datamappen."),
    (
        "store-stopped",
        "Lagringen har stannat",
        "Det som just lämnades in kan ha sparats: lämna in det igen, det tas inte emot två gånger. Driften behöver åtgärda orsaken och starta om.",
    ),
    ("spool", "Meddelandet kunde inte sparas", "Avsändaren fick veta det och skickar om."),
    (
        "store-damaged",
        "Det som är sparat är skadat",
        "Den driftansvariga behöver se på datamappen. Den tekniska detaljen säger var. Det som är återställt kan prövas igen.",
    ),
    ("crowded", "För mycket pågår samtidigt", "Försök igen om en stund."),
    ("internal", "Arbetet avbröts", "Försök igen, och rapportera det om det kommer tillbaka."),
    ("reason", "Varje åtgärd behöver ett skäl", "Skriv en rad om varför, högst 500 tecken."),
    ("busy", "Ett försök pågår", "Inget ändrades. Försök igen om en stund."),
    ("cancelled", "Driften avbröt meddelandet", "Det skickas inte. Vid behov kan det skickas om."),
    ("breaker-closed", "Motpartens brytare är inte öppen", "Inget att göra: det som väntar skickas när det är dags."),
    ("note", "En anteckning går inte att läsa", "En annan version av programmet skrev den. Driften behöver se på det."),
    (
        "partner-not-found",
        "Motparten finns inte",
        "Inget har skickats till den. Sidan Motparter visar dem som är kända.",
    ),
    ("illegal-step", "Meddelandet är i fel läge för det", "Ladda om sidan och se vilken status det har nu."),
    ("form", "Formuläret togs inte emot", "Kontrollera det som är ifyllt och försök igen."),
    (
        "store-format",
        "Lagret skrevs av en annan version",
        "Inget är ändrat. Starta den version av Sluss som skrev det.",
    ),
    ("store-unfit", "Lagret eller dess kopia duger inte till det", "Driften behöver se den tekniska orsaken."),
    (
        "store-in-use",
        "Lagret används av en annan process",
        "Stoppa den andra processen, eller vänta tills den är klar.",
    ),
    (
        "space",
        "Disken är snart full",
        "Inget nytt tas emot förrän det finns utrymme. Det som redan tagits emot skickas och lämnas ut som vanligt.",
    ),
    ("body", "Formuläret kom inte fram helt", "Försök igen."),
];

#[cfg(test)]
mod tests {
    use super::{KINDS, ProblemView, remedy, title};
    use crate::console::Lang;
    use crate::model::{Fault, Problem};
    use std::path::Path;

    fn sources(folder: &Path, texts: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                sources(&entry.path(), texts);
            } else {
                texts.push(std::fs::read_to_string(entry.path()).unwrap());
            }
        }
    }

    #[test]
    fn every_kind_of_problem_on_the_way_of_a_message_has_a_swedish_name() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut texts = Vec::new();
        for module in ["access_point", "message_service", "discovery", "as4"] {
            sources(&root.join(module), &mut texts);
        }
        let mut kinds: Vec<String> = Vec::new();
        for text in &texts {
            for after in text.split("Problem::new(").skip(1) {
                let arguments = after.trim_start().strip_prefix("Fault::").and_then(|rest| rest.split_once(','));
                let literal = arguments.and_then(|(_, rest)| rest.trim_start().strip_prefix('"')?.split_once('"'));
                kinds.extend(literal.map(|(kind, _)| kind.to_owned()));
            }
        }
        assert!(kinds.len() > 20, "{kinds:?}");
        // Of tests beside the code.
        kinds.retain(|kind| !["x", "test"].contains(&kind.as_str()));
        let unknown: Vec<&String> =
            kinds.iter().filter(|kind| !KINDS.iter().any(|(known, ..)| known == kind)).collect();
        assert!(unknown.is_empty(), "no Swedish for {unknown:?}");
        let own = |kind: &&&str| !KINDS.iter().any(|(known, ..)| known == *kind);
        let unknown: Vec<&&str> = crate::metrics::GIVEN_UP.iter().filter(own).collect();
        assert!(unknown.is_empty(), "no Swedish for the metrics' {unknown:?}");
    }

    #[test]
    fn a_swedish_page_says_the_problem_in_swedish_and_keeps_the_technical_detail() {
        let problem =
            Problem::new(Fault::Refused, "participant-unknown", "The participant is not registered", "found x");
        let view = ProblemView::new(&problem, Lang::Sv);
        assert_eq!(view.title, "Mottagaren är inte registrerad");
        assert_eq!(view.technical.as_deref(), Some("The participant is not registered: found x"));
        let english = ProblemView::new(&problem, Lang::En);
        assert_eq!(
            (english.title.as_str(), english.text.as_str(), english.technical),
            ("The participant is not registered", "found x", None)
        );
        let t = Lang::Sv.texts();
        let detail = format!("no answer; {}: ask", crate::model::TRIED_AGAIN);
        let down = Problem::new(Fault::Temporary, "access-point-unreachable", "x", detail);
        let (waits, dead) = (ProblemView::new(&down, Lang::Sv), ProblemView::new(&down.given_up(), Lang::Sv));
        assert_eq!((waits.text.as_str(), waits.passing), ("Meddelandet skickas om av sig självt.", true));
        assert_eq!((dead.text.as_str(), dead.passing), (t.remedy_reach, false), "nothing is sent by itself any more");
        assert!(!dead.technical.unwrap().contains("by itself"));
        let unknown = Problem::new(Fault::Temporary, "of-tomorrow", "x", "y");
        assert_eq!(title(&unknown, Lang::Sv), "Tillfälligt fel");
    }

    #[test]
    fn what_ends_a_message_has_an_advice_of_its_own_in_both_languages() {
        for lang in [Lang::Sv, Lang::En] {
            let t = lang.texts();
            let advice = |kind| remedy(Some(&Problem::new(Fault::Refused, kind, "x", "y")), t);
            for (kind, expected) in [
                ("smp-unreachable", t.remedy_lookup),
                ("participant-unknown", t.remedy_published),
                ("access-point-not-trusted", t.remedy_trust),
                ("access-point-unreachable", t.remedy_reach),
                ("as4:RefusedByPeer", t.remedy_partner),
                ("nonconforming-envelope", t.remedy_report),
                ("rejected", t.remedy_content),
                ("not-opened", t.remedy_resend),
                ("message-receipt-missing", t.remedy_ask),
                ("message-receipt-not-sent", t.remedy_receipt),
                ("store", t.remedy_own),
                ("cancelled", t.remedy_cancelled),
            ] {
                assert_eq!(advice(kind), expected, "{kind}");
            }
            assert_eq!(remedy(None, t), t.remedy_look);
        }
    }

    #[test]
    fn no_kind_is_there_twice() {
        for (index, (kind, ..)) in KINDS.iter().enumerate() {
            assert!(KINDS[..index].iter().all(|(other, ..)| other != kind), "{kind}");
        }
    }
}
