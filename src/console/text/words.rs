//! The table of texts: a text without its translation does not compile.

/// Declares the table: a field for each text, and one value of the struct for each language.
macro_rules! texts {
    ($($name:ident: $sv:literal, $en:literal;)*) => {
        /// The texts of one language.
        #[derive(Debug)]
        pub struct Texts { $(
            #[doc = $en]
            pub $name: &'static str,
        )* }
        pub(super) static SV: Texts = Texts { $($name: $sv,)* };
        pub(super) static EN: Texts = Texts { $($name: $en,)* };
    };
}

texts! {
    // Frame
    skip: "Hoppa till innehållet", "Skip to the content";
    access_point: "Accesspunkt", "Access point";
    operations: "Drift", "Operations";
    overview: "Översikt", "Overview";
    queue: "Kö", "Queue";
    refusals: "Avvisade", "Refusals";
    mailboxes: "Brevlådor", "Mailboxes";
    navigation: "Huvudmeny", "Main menu";
    language: "Språk", "Language";
    other_language: "In English", "På svenska";
    log_out: "Logga ut", "Log out";
    times_utc: "Tider visas i UTC.", "Times are shown in UTC.";
    times_local: "Tider visas i svensk tid.", "Times are shown in Swedish time.";
    back: "Tillbaka", "Back";
    refresh: "Uppdatera", "Refresh";
    as_of: "Läget kl.", "As of";
    live_late: "Något har ändrats. Det du håller på med står kvar som det är tills du är klar.",
        "Something has changed. What you are at stays as it is until you are done.";
    live_ended: "Sidan följer inte längre vad som händer. Ladda om den, och logga in igen om det behövs.",
        "This page no longer follows what happens. Load it anew, and log in again where that is asked for.";

    // Login
    login: "Logga in", "Log in";
    login_text: "Saknar du konto? Den som driver accesspunkten lägger till konton med sluss accounts add, och ger med sluss accounts link en länk som loggar in en gång.",
        "No account? Whoever runs the access point adds accounts with sluss accounts add, and gives a link that logs in once with sluss accounts link.";
    account: "Konto", "Account";
    password: "Lösenord", "Password";
    login_wrong: "Kontot eller lösenordet stämmer inte, eller så är kontot låst.",
        "The account or the password is wrong, or the account is locked.";
    login_wait: "För många försök. Vänta {} s och försök igen.",
        "Too many attempts. Wait {} s and try again.";
    link_used: "Länken är redan använd eller för gammal. En ny fås med sluss accounts link.",
        "The link was used already, or is too old. sluss accounts link gives a new one.";

    // Overview
    all_well: "Ingenting behöver en människa just nu.", "Nothing needs a person now.";
    needs_care: "Misslyckade eller avvisade meddelanden", "Failed or refused messages";
    under_way: "På väg ut", "On their way out";
    retrying: "Försöks igen", "Being retried";
    awaiting: "Väntar på kvittens", "Await a message receipt";
    waiting_in: "Inkomna, inte hämtade", "Come in, not taken";
    given_up: "Misslyckade eller avvisade", "Failed or refused";
    oldest: "Äldsta", "Oldest";
    none: "inga", "none";
    by_status: "Meddelanden per status", "Messages by status";
    by_status_empty: "Inga meddelanden har passerat ännu.", "No message has passed yet.";
    count: "Antal", "Count";
    disk_free: "Ledigt diskutrymme", "Free disk space";
    events_kept: "Händelser i loggen", "Events in the log";
    latest_refusals: "Senast avvisade", "Latest refusals";
    see_all: "Visa alla", "Show all";

    // Queue
    direction: "Riktning", "Direction";
    outbound: "Ut", "Out";
    inbound: "In", "In";
    status: "Status", "Status";
    participant: "Deltagare", "Participant";
    partner: "Motpart", "Partner";
    older_than: "Äldre än (30m, 2h, 1d)", "Older than (30m, 2h, 1d)";
    any: "Alla", "All";
    filter: "Filtrera", "Filter";
    clear: "Rensa", "Clear";
    filter_wrong: "Filtret kunde inte användas", "The filter could not be used";
    messages: "Meddelanden", "Messages";
    queue_caption: "Meddelanden, nyaste först", "Messages, newest first";
    queue_not_here: "Inget av de genomsökta meddelandena stämmer. Sök vidare bland äldre.",
        "None of the messages looked through matches. Go on among older ones.";
    queue_empty: "Inga meddelanden stämmer med filtret.", "No message matches the filter.";
    created: "Skapat", "Created";
    from: "Från", "From";
    to: "Till", "To";
    attempts: "Försök", "Attempts";
    priority: "Prioritet", "Priority";
    priority_high: "Hög", "High";
    priority_normal: "Normal", "Normal";
    priority_low: "Låg", "Low";
    next_attempt: "Nästa försök", "Next attempt";
    fault: "Fel", "Fault";
    show: "Visa", "Show";
    older: "Äldre meddelanden", "Older messages";
    newest: "Till de nyaste", "Back to the newest";

    to_send: "Ska skickas", "To be sent";
    any_id: "Sök på id", "Search by id";
    any_id_hint: "Meddelandets, kuvertets, AS4-meddelandets eller konversationens id", "Of the message, the envelope, the AS4 message or the conversation";
    since: "Skapat från och med (UTC)", "Created since (UTC)";
    before: "Skapat före (UTC)", "Created before (UTC)";
    only_held: "Bara kvarhållna", "Only those on hold";
    held_messages: "Kvarhållna meddelanden", "Messages on hold";
    choose: "Välj", "Choose";
    bulk: "Gör med flera", "Do to several";
    bulk_chosen: "De valda meddelandena", "The chosen messages";
    bulk_all: "Alla som stämmer med filtret", "All that match the filter";
    at_most: "högst", "at most";
    bulk_matching: "Meddelanden som stämmer med filtret", "Messages that match the filter";
    bulk_in_part: "De nyaste går först, så många åt gången:", "The newest go first, so many at a time:";
    more_than: "fler än", "more than";
    bulk_done: "Gjort", "Done";
    bulk_refused: "Gick inte", "Not done";
    bulk_more: "Det finns fler som stämmer med filtret.", "There are more that match the filter.";
    bulk_caption: "Vad som hände med varje meddelande", "What became of each message";
    none_chosen: "Inget meddelande är valt.", "No message is chosen.";
    filter_needed: "Filtrera först: utan villkor gäller det alla meddelanden som finns.",
        "Filter first: without a condition it is for every message there is.";
    by_partner: "Väntar per motpart", "Waiting by partner";
    by_participant: "Väntar per deltagare", "Waiting by participant";
    not_looked_up: "(inte uppslagen än)", "(not looked up yet)";

    // Dead letters
    dead_letters: "Misslyckade", "Dead letters";
    dead_text: "Meddelanden som det inte görs fler försök med. Orsaken säger vad som hände, rådet vad som hjälper. Skicka om när orsaken är åtgärdad, eller avbryt det som är utrett.",
        "Messages of which no more attempts are made. The cause says what happened, the advice what helps. Try again when the cause is mended, or cancel what is settled.";
    dead_none: "Inget meddelande har misslyckats.", "No message has failed.";
    dead_caption: "Misslyckade meddelanden, nyaste först", "Dead letters, newest first";
    cause: "Orsak", "Cause";
    cause_hint: "Som i mätvärdena, till exempel smp-unreachable", "As the metrics name it, for example smp-unreachable";
    by_cause: "Efter orsak", "By cause";
    by_cause_newest: "Räknat bland de nyaste", "Counted among the newest";
    no_cause: "Ingen orsak sparad", "No cause kept";
    remedy: "Råd", "Advice";
    remedy_lookup: "Pröva uppslagningen med sluss lookup. Skicka om när den lyckas.",
        "Try the look-up with sluss lookup. Try again when it succeeds.";
    remedy_published: "Be mottagarens driftansvariga att publicera eller rätta sina uppgifter i SMP. Skicka sedan om.",
        "Ask the recipient's operator to publish or correct its entry in SMP. Then try again.";
    remedy_trust: "Jämför förtroendeankarna och miljön med sluss check. Är de rätt behöver motparten ett nytt certifikat.",
        "Compare trust anchors and environment with sluss check. If they are right, the other side needs a new certificate.";
    remedy_reach: "Pröva motparten med sluss ping. Skicka om när den svarar.",
        "Try the partner with sluss ping. Try again when it answers.";
    remedy_partner: "Kontakta motpartens driftansvariga med AS4-id och felkod. Skicka om när felet är rättat.",
        "Contact the partner's operator with the AS4 message id and the error code. Try again when it is corrected.";
    remedy_report: "Rapportera till plattformsägaren (APOP-4.1.1.a). Här finns inget att göra om.",
        "Report it to the platform owner (APOP-4.1.1.a). There is nothing to do again here.";
    remedy_content: "Avsändaren behöver rätta innehållet och skicka ett nytt meddelande.",
        "The sender has to correct the content and send a new message.";
    remedy_resend: "Be avsändaren att slå upp mottagarens certifikat på nytt och skicka igen.",
        "Ask the sender to look the recipient's certificate up anew and to send again.";
    remedy_ask: "Fråga mottagaren på annat sätt om meddelandet har kommit, innan det skickas igen. En sen kvittens räknas. Avbryt det när det är utrett.",
        "Ask the recipient by other means whether it has the message before it is sent again. A late receipt counts. Cancel it when that is settled.";
    remedy_receipt: "Åtgärda felet på meddelandekvittensen och skicka om den. När den är framme är meddelandet nytt.",
        "Mend what failed with the message receipt, and try it again. Once it has arrived the message is new.";
    remedy_own: "Felet är vårt: se på disk, minne och logg (sluss status). Skicka om när det är åtgärdat.",
        "The fault is ours: look at disk, memory and log (sluss status). Try again when it is mended.";
    remedy_cancelled: "Någon i driften avbröt det. Försök igen ifall det ändå ska fram och inte redan är det.",
        "An operator cancelled it. Try again if it is to arrive after all, and has not.";
    remedy_look: "Se meddelandets händelser: den tekniska detaljen säger vad som hittades.",
        "See the message's journey: the technical detail says what was found.";

    // Partners and participants
    partners: "Motparter", "Partners";
    partners_text: "Andra accesspunkter som något har skickats till sedan starten, eller som något väntar på. De som behöver någon kommer först.",
        "Other access points to which something was sent since the start, or for which something waits. Those that need somebody come first.";
    partners_none: "Inget har skickats sedan starten, och inget väntar.", "Nothing has been sent since the start, and nothing waits.";
    partners_failing: "Motparter som misslyckas", "Partners that fail";
    partner_healthy: "Frisk", "Healthy";
    partner_failing: "Misslyckas", "Failing";
    partner_probing: "Brytaren prövas: ett meddelande i taget", "Breaker probing: one message asks";
    partner_open: "Brytaren öppen: inget skickas", "Breaker open: nothing is sent";
    delivery_open: "Brytaren öppen: inget levereras", "Breaker open: nothing is delivered";
    until_when: "till", "until";
    try_partner: "Pröva genast", "Try at once";
    try_partner_text: "Brytaren är öppen när försök efter försök har misslyckats: motparten lämnas i fred en stund, sedan prövar ett meddelande. Är motparten tillbaka kan den prövas genast.",
        "The breaker is open after attempt upon attempt failed: the partner is left alone for a while, then one message asks. A partner that is back can be tried at once.";
    waits_open: "Väntar: brytaren är öppen för motparten", "Waits: the breaker is open for the partner";
    waits_probing: "Väntar: ett annat meddelande prövar motparten", "Waits: another message asks whether it is back: the partner";
    can_do: "Det här kan du göra", "What you can do";
    waits_can: "Det skickas av sig självt när motparten svarar. För att pröva genast: skicka om det här, eller pröva motparten på sidan Motparter. Svarar den inte: kontakta dess driftansvariga.",
        "It is sent by itself when the partner answers. To try at once: try this message again here, or the partner on the page Partners. If it does not answer: contact its operator.";
    condition: "Tillstånd", "Condition";
    waiting: "Väntar", "Waiting";
    in_flight: "Pågår", "Under way";
    failed_attempts: "Misslyckade försök i rad", "Failed attempts in a row";
    since_when: "började", "began";
    last_success: "Senast lyckat", "Last success";
    last_failure: "Senaste fel", "Last failure";
    not_shown: "Visas inte", "Not shown";
    participants: "Deltagare", "Participants";
    participants_text: "Deltagarna här: vad som ska skickas åt dem, vad som kommit in, och när den som har egen meddelandetjänst senast hämtade.",
        "The participants here: what is to be sent for them, what has come in, and when those with a message service of their own last fetched.";
    participants_none: "Inga deltagare är inställda.", "No participants are configured.";
    last_fetch: "Hämtade senast", "Last fetched";
    not_since_start: "Inte sedan starten", "Not since the start";

    // Accounts
    accounts: "Konton", "Accounts";
    accounts_text: "Konton och nycklar ändras på kommandoraden av den som äger datamappen: sluss accounts add, role, password, lock, unlock och remove, sluss tokens add och remove. Varje ändring syns i händelseloggen.",
        "Accounts and tokens are changed on the command line by whoever owns the data folder: sluss accounts add, role, password, lock, unlock and remove, sluss tokens add and remove. Each change is in the event log.";
    accounts_none: "Det finns inga konton.", "There are no accounts.";
    tokens: "Nycklar till API:et", "Tokens of the API";
    tokens_none: "Det finns inga nycklar.", "There are no tokens.";
    name: "Namn", "Name";
    role: "Roll", "Role";
    logs_in_by: "Loggar in med", "Logs in by";
    by_password: "lösenord eller länk", "password or link";
    by_link: "länk", "link";
    locked: "Låst", "Locked";
    open: "Öppet", "Open";
    changed: "Ändrat", "Changed";
    see_events: "Händelser", "Events";

    // Certificates
    certificates: "Certifikat", "Certificates";
    certificates_text: "Våra certifikat och de utfärdare vi litar på, så som de är inställda nu. De som går ut först kommer först.",
        "Our certificates and the authorities that we trust, as configured now. Those that end first come first.";
    certificates_soon: "Går ut inom 30 dagar eller har gått ut", "End within 30 days, or have ended";
    certificate_well: "Gäller", "In force";
    certificate_ends_soon: "Går snart ut", "Ends soon";
    certificate_ended: "Har gått ut", "Has ended";
    certificate_access_point: "Accesspunkten", "The access point";
    certificate_participant: "Deltagare (O2O)", "Participant (O2O)";
    certificate_tls: "Våra lyssnare (TLS)", "Our listeners (TLS)";
    certificate_anchor: "Utfärdare vi litar på", "Authority that we trust";
    renew_access_point: "Beställ nästa certifikat, publicera det i SMP, lägg det på plats och läs om inställningarna (SIGHUP).",
        "Order the next certificate, publish it in the SMP, put it in place, and reload (SIGHUP).";
    renew_participant: "Beställ deltagarens nästa certifikat, publicera det i CertPub, lägg det på plats och läs om inställningarna (SIGHUP).",
        "Order the participant's next certificate, publish it in CertPub, put it in place, and reload (SIGHUP).";
    renew_tls: "Beställ nästa certifikat, lägg det på plats och läs om inställningarna (SIGHUP).",
        "Order the next certificate, put it in place, and reload (SIGHUP).";
    renew_anchor: "Hämta de nya utfärdarna från plattformsägaren, lägg till dem i inställningarna och läs om dem (SIGHUP).",
        "Get the new authorities from the platform owner, add them to the configuration, and reload (SIGHUP).";
    subject: "Innehavare", "Subject";
    used_for: "Används till", "Used for";
    ends: "Går ut", "Ends";
    days_left: "Dagar kvar", "Days left";

    // Event log
    event_log: "Händelselogg", "Event log";
    kind_of_event: "Slag av händelse", "Kind of event";
    actor: "Vem (konto eller nyckel)", "Who (account or token)";
    log_since: "Från och med (UTC)", "Since (UTC)";
    log_until: "Före (UTC)", "Before (UTC)";
    events_none: "Inga händelser stämmer med filtret.", "No event matches the filter.";
    events_not_here: "Inga händelser bland de genomsökta stämmer. Sök vidare bland äldre.",
        "None of the events looked through matches. Go on among older ones.";
    newest_events: "Till de nyaste", "Back to the newest";
    older_events: "Äldre händelser", "Older events";

    // What needs a person first
    needs_person: "Behöver någon först", "Needs a person first";
    care_partners: "Motparter med öppen brytare", "Partners with an open breaker";
    care_certificates: "Certifikat som snart går ut eller har gått ut", "Certificates that end soon or have ended";
    care_space: "Diskutrymmet håller på att ta slut", "Disk space is running low";
    care_health: "Hälsokontrollen är inte bra", "The health check is not well";

    // Message, for operators
    message: "Meddelande", "Message";
    journey: "Händelser", "Journey";
    journey_empty: "Inga händelser är sparade.", "No events are kept.";
    facts: "Uppgifter", "Facts";
    identifiers: "Identiteter", "Identifiers";
    message_id: "Id här", "Id here";
    envelope_id: "Kuvertets id", "Envelope id";
    as4_message_id: "AS4-id", "AS4 message id";
    conversation: "Konversation", "Conversation";
    document_type: "Dokumenttyp", "Document type";
    size: "Storlek", "Size";
    updated: "Ändrat", "Updated";
    endpoint: "Mottagarens adress", "Receiving address";
    as4_receipt: "AS4-kvittens", "AS4 receipt";
    signed_by: "signerad av", "signed by";
    message_receipt: "Meddelandekvittens", "Message receipt";
    rule: "Regel", "Rule";
    code: "Felkod", "Error code";
    technical_detail: "Teknisk detalj (på engelska)", "Technical detail";
    what_now: "Vad hände", "What happened";
    carried: "Bärs åt deltagare med egen meddelandetjänst", "Carried for a participant with a message service of its own";
    own: "Egen meddelandetjänst", "Own message service";
    served_by_nobody: "Inte inställd här: ingen hämtar det som kommit in. Ställ in deltagaren, eller avsluta meddelandena i kön.",
        "Not configured here: nobody takes what has come in. Configure the participant, or end the messages in the queue.";
    carriage: "Hantering", "Handling";

    // Refusals
    refusals_text: "Avvisade AS4-meddelanden lämnar inget efter sig: avsändaren fick felet, och raden här är allt som finns kvar.",
        "Refused AS4 messages leave nothing behind: the sender got the error, and the line here is all that remains.";
    refusals_empty: "Inget har avvisats.", "Nothing has been refused.";

    // Mailboxes
    mailbox: "Brevlåda", "Mailbox";
    mailboxes_none: "Den här processen har ingen meddelandetjänst. Deltagarna hämtar sina kuvert själva.",
        "This process has no message service. Participants take their envelopes themselves.";
    functional_addresses: "Funktionsadresser", "Function addresses";
    inbox: "Inkorg", "Inbox";
    sent: "Skickat", "Sent";
    write: "Skriv nytt", "Write";
    inbox_caption: "Inkomna meddelanden, nyaste först", "Messages that came in, newest first";
    sent_caption: "Skickade meddelanden, nyaste först", "Messages sent, newest first";
    inbox_empty: "Inkorgen är tom.", "The inbox is empty.";
    sent_empty: "Inget är skickat ännu.", "Nothing has been sent yet.";
    received: "Inkom", "Received";
    sent_at: "Skickat", "Sent";
    label: "Rubrik", "Subject";
    no_label: "(utan rubrik)", "(no subject)";
    secrecy: "Sekretess", "Secrecy";
    secrecy_text: "Avsändaren anger att innehållet omfattas av sekretess.", "The sender says that the content is covered by secrecy.";
    documents: "Handlingar", "Documents";
    document: "Handling", "Document";
    download: "Hämta", "Download";
    text_of_message: "Meddelandetext", "Text of the message";
    text_long: "Texten är lång. Hämta den som fil för att läsa allt.", "The text is long. Download it as a file to read it all.";
    unreadable: "Innehållet kan inte visas", "The content cannot be shown";
    reply: "Svara", "Reply";
    to_address: "Till funktionsadress", "To function address";
    from_address: "Från funktionsadress", "From function address";
    sent_notice: "Meddelandet är mottaget för sändning. Det skickas om tills det är framme.",
        "The message has been taken for sending. It is sent again until it is there.";
    technical: "Teknisk information", "Technical information";
    follow: "Följ händelserna", "Follow the journey";

    // Compose
    compose: "Skicka handling", "Send a document";
    recipient: "Mottagare (deltagarens id)", "Recipient (participant id)";
    recipient_hint: "Till exempel 0203:digg.se", "For example 0203:digg.se";
    address: "Funktionsadress hos mottagaren", "Function address at the recipient";
    address_hint: "Lämna tomt om mottagaren bara har en", "Leave empty if the recipient has only one";
    label_hint: "Syns för mottagaren innan meddelandet öppnas. Skriv inga känsliga uppgifter här.",
        "The recipient sees it before the message is opened. Write nothing sensitive here.";
    text_field: "Text", "Text";
    files: "Filer", "Files";
    files_hint: "En eller flera. Filerna krypteras till mottagaren innan de lämnar den här datorn.",
        "One or more. The files are encrypted to the recipient before they leave this machine.";
    secrecy_field: "Innehållet omfattas av sekretess", "The content is covered by secrecy";
    send: "Skicka", "Send";
    not_sent: "Meddelandet skickades inte", "The message was not sent";
    files_again: "Välj filerna igen: webbläsaren glömmer dem.", "Choose the files again: the browser forgets them.";
    in_reply_to: "Svar på", "In reply to";
    nothing_to_send: "Skriv en text eller välj minst en fil.", "Write a text or choose at least one file.";
    recipient_wrong: "Mottagarens id stämmer inte. Skriv det som 0203:digg.se.", "The recipient's id is not right. Write it as 0203:digg.se.";
    label_missing: "Rubriken saknas.", "The subject is missing.";

    // Actions of operators
    actions: "Åtgärder", "Actions";
    reason: "Skäl (sparas med meddelandet)", "Reason (kept with the message)";
    act_retry: "Försök igen nu", "Try again now";
    act_cancel: "Avbryt för gott", "Cancel for good";
    act_hold: "Håll kvar", "Hold";
    act_release: "Släpp", "Release";
    is_held: "Kvarhållet. Det skickas inte förrän det släpps.", "On hold. It is not sent until it is released.";
    // Statuses: what they are called, and what they mean
    status_submitted: "Redo att skickas", "Ready to send";
    status_submitted_means: "Förseglat och sparat. Skickas strax.",
        "Sealed and kept. Will be sent at once.";
    status_scheduled_for_resend: "Försöks igen", "Will be retried";
    status_scheduled_for_resend_means: "Förra försöket misslyckades. Ett nytt görs av sig självt.",
        "The last attempt failed. Another one follows by itself.";
    status_acknowledge: "Framme", "Delivered";
    status_acknowledge_means: "Kvittensen är framme hos mottagarens accesspunkt.",
        "The receipt is at the recipient's access point.";
    status_waiting_for_receipt: "Väntar på kvittens", "Awaits receipt";
    status_waiting_for_receipt_means: "Framme hos mottagarens accesspunkt. Mottagaren har inte kvitterat än.",
        "At the recipient's access point. The recipient has not acknowledged it yet.";
    status_accepted: "Kvitterat", "Accepted";
    status_accepted_means: "Mottagaren har öppnat och godkänt meddelandet.",
        "The recipient has opened and accepted the message.";
    status_rejected: "Avvisat av mottagaren", "Rejected by recipient";
    status_rejected_means: "Mottagaren kunde inte ta emot innehållet. Skicka inte om samma sak utan att ha rättat felet.",
        "The recipient could not take the content. Do not send the same again before the fault is mended.";
    status_message_exchange_error: "Misslyckat", "Failed";
    status_message_exchange_error_means: "Försöken är slut. Meddelandet kom inte fram, eller kvitterades aldrig.",
        "No attempts are left. The message did not arrive, or was never acknowledged.";
    status_send_enqueued: "Redo att skickas", "Ready to send";
    status_send_enqueued_means: "Kuvertet är sparat. Skickas strax.",
        "The envelope is kept. Will be sent at once.";
    status_waiting_for_retry: "Försöks igen", "Will be retried";
    status_waiting_for_retry_means: "Förra försöket misslyckades. Ett nytt görs av sig självt.",
        "The last attempt failed. Another one follows by itself.";
    status_acknowledged: "Framme", "Delivered";
    status_acknowledged_means: "Mottagarens accesspunkt har kuvertet.",
        "The recipient's access point has the envelope.";
    status_send_failure: "Misslyckat", "Failed";
    status_send_failure_means: "Försöken är slut. Kuvertet kom inte fram.",
        "No attempts are left. The envelope did not arrive.";
    status_received: "Mottaget", "Received";
    status_received_means: "Sparat och kvitterat till avsändarens accesspunkt.",
        "Kept, and receipted to the sender's access point.";
    status_deleted: "Avvisat och borttaget", "Refused and deleted";
    status_deleted_means: "Kuvertet följde inte reglerna och är borttaget.",
        "The envelope did not follow the rules and is deleted.";
    status_retrieved: "Öppnat", "Opened";
    status_retrieved_means: "Öppnat. Meddelandekvittensen är på väg.",
        "Opened. The message receipt is on its way.";
    status_error: "Fel", "Error";
    status_error_means: "Meddelandet kunde inte öppnas, avvisades, kunde inte kvitteras eller avslutades av driften. Någon behöver se på det.",
        "The message could not be opened, was rejected, could not be acknowledged, or was ended by an operator. Somebody has to look at it.";

    status_downloaded: "Hämtat", "Taken";
    status_downloaded_means: "Deltagaren har hämtat kuvertet.",
        "The participant has taken the envelope.";
    status_new: "Nytt", "New";
    status_new_means: "Öppnat och kvitterat till avsändaren.",
        "Opened, and acknowledged to the sender.";

    // Errors
    failed: "Det gick inte", "That did not work";
    not_found: "Sidan finns inte", "There is no such page";
    not_found_text: "Adressen leder ingenstans. Den kan vara felskriven, eller så är meddelandet borta.",
        "The address leads nowhere. It may be mistyped, or the message is gone.";
    form_stale: "Formuläret är för gammalt. Ladda sidan igen och försök en gång till.",
        "The form is too old. Load the page again and try once more.";
    form_foreign: "Formuläret kom från en annan webbplats och används inte.",
        "The form came from another site and is not used.";
    form_large: "Formuläret är för stort: högst {} KiB.", "The form is too large: at most {} KiB.";
    form_type: "Formuläret har fel typ. Skicka det från sidan.", "The form is of the wrong type. Send it from the page.";
    form_incomplete: "Formuläret är inte helt ifyllt.", "The form is not filled in completely.";
    wrong_host: "Adressen i webbläsaren är inte den här konsolens. Använd 127.0.0.1 eller localhost.",
        "The address in the browser is not that of this console. Use 127.0.0.1 or localhost.";
}
