//! Every text of the pages, in Swedish and English side by side.

mod words;

pub use crate::model::Lang;
pub use words::Texts;

use crate::access_point::Action;
use crate::model::{Priority, Stage, Status};
use words::{EN, SV};

impl Texts {
    /// What a priority is called.
    pub fn priority(&self, priority: Priority) -> &'static str {
        match priority {
            Priority::High => self.priority_high,
            Priority::Normal => self.priority_normal,
            Priority::Low => self.priority_low,
        }
    }
}

impl Lang {
    /// The texts of this language.
    pub fn texts(self) -> &'static Texts {
        match self {
            Self::Sv => &SV,
            Self::En => &EN,
        }
    }

    /// What a status is called, and what it means.
    pub fn status(self, status: Status) -> (&'static str, &'static str) {
        let t = self.texts();
        match status {
            Status::Submitted => (t.status_submitted, t.status_submitted_means),
            Status::ScheduledForResend => (t.status_scheduled_for_resend, t.status_scheduled_for_resend_means),
            Status::Acknowledge => (t.status_acknowledge, t.status_acknowledge_means),
            Status::WaitingForReceipt => (t.status_waiting_for_receipt, t.status_waiting_for_receipt_means),
            Status::Accepted => (t.status_accepted, t.status_accepted_means),
            Status::Rejected => (t.status_rejected, t.status_rejected_means),
            Status::MessageExchangeError => (t.status_message_exchange_error, t.status_message_exchange_error_means),
            Status::SendEnqueued => (t.status_send_enqueued, t.status_send_enqueued_means),
            Status::WaitingForRetry => (t.status_waiting_for_retry, t.status_waiting_for_retry_means),
            Status::Acknowledged => (t.status_acknowledged, t.status_acknowledged_means),
            Status::SendFailure => (t.status_send_failure, t.status_send_failure_means),
            Status::Received => (t.status_received, t.status_received_means),
            Status::Downloaded => (t.status_downloaded, t.status_downloaded_means),
            Status::New => (t.status_new, t.status_new_means),
            Status::Deleted => (t.status_deleted, t.status_deleted_means),
            Status::Retrieved => (t.status_retrieved, t.status_retrieved_means),
            Status::Error => (t.status_error, t.status_error_means),
        }
    }

    /// What happened at a stage of the journey, where the page is not in the language of the events.
    pub fn stage_means(self, stage: Stage) -> Option<&'static str> {
        let sv = match stage {
            Stage::Sealed => "Handlingarna är förseglade till mottagaren.",
            Stage::Accepted => "Det förseglade kuvertet är sparat och ska skickas.",
            Stage::Routed => "Mottagarens accesspunkt är uppslagen.",
            Stage::Packed => "Kuvertet är signerat, krypterat och packat.",
            Stage::Receipted => "Mottagarens accesspunkt har tagit emot det.",
            Stage::AttemptFailed => "Försöket misslyckades och görs om.",
            Stage::GivenUp => "Försöken är slut.",
            Stage::Received => "Ett meddelande kom in och fick sin AS4-kvittens.",
            Stage::Duplicate => "Samma meddelande kom igen och fick samma svar.",
            Stage::Refused => "Ett AS4-meddelande avvisades.",
            Stage::Discarded => "Kuvertet avvisades och togs bort. Raden är kvar.",
            Stage::Held => "Kuvertet följer reglerna och väntar på att deltagaren hämtar det.",
            Stage::Taken => "Deltagaren har hämtat det förseglade kuvertet.",
            Stage::Told => "Avsändaren känner till att det inte skickades.",
            Stage::Opened => "Innehållet är öppnat och kontrollerat.",
            Stage::Failed => "Innehållet kunde inte tas om hand.",
            Stage::Answered => "Mottagarens meddelandekvittens kom.",
            Stage::Retried => "Driften lät meddelandet prövas igen.",
            Stage::Cancelled => "Driften avbröt meddelandet. Det går inte vidare.",
            Stage::Suspended => "Driften håller kvar meddelandet. Det skickas inte förrän det släpps.",
            Stage::Resumed => "Driften släppte meddelandet. Det skickas strax.",
            Stage::PartnerTried => "Driften lät en motpart prövas genast.",
            Stage::Warned => "Driften varnas.",
            Stage::Cleared => "Varningen är över.",
            Stage::LoggedIn => "Någon loggade in.",
            Stage::LoggedOut => "Någon loggade ut.",
            Stage::LogInFailed => "En inloggning misslyckades.",
            Stage::AccessChanged => "Ett konto eller en nyckel till API:et ändrades.",
            Stage::Purged => "Det som inte ska sparas längre gallrades.",
        };
        self.pick(Some(sv), None)
    }

    /// Every action, by its word and its button.
    pub fn actions(self) -> Vec<(&'static str, &'static str)> {
        Action::ALL.into_iter().map(|action| (action.word(), self.action(action))).collect()
    }

    /// What the button of an action says.
    pub fn action(self, action: Action) -> &'static str {
        let t = self.texts();
        match action {
            Action::Retry => t.act_retry,
            Action::Cancel => t.act_cancel,
            Action::Hold => t.act_hold,
            Action::Release => t.act_release,
        }
    }

    /// What a stage of the journey is called.
    pub fn stage(self, stage: Stage) -> &'static str {
        let (sv, en) = match stage {
            Stage::Sealed => ("Förseglat", "Sealed"),
            Stage::Accepted => ("Mottaget för sändning", "Accepted for sending"),
            Stage::Routed => ("Väg funnen", "Route found"),
            Stage::Packed => ("Packat", "Packed"),
            Stage::Receipted => ("AS4-kvittens", "AS4 receipt"),
            Stage::AttemptFailed => ("Försök misslyckades", "Attempt failed"),
            Stage::GivenUp => ("Uppgivet", "Given up"),
            Stage::Received => ("Inkommet", "Received"),
            Stage::Duplicate => ("Dubblett", "Duplicate"),
            Stage::Refused => ("Avvisat", "Refused"),
            Stage::Discarded => ("Kuvert avvisat", "Envelope refused"),
            Stage::Held => ("Väntar på deltagaren", "Held for the participant"),
            Stage::Taken => ("Hämtat", "Taken"),
            Stage::Told => ("Avsändaren underrättad", "Sender told"),
            Stage::Opened => ("Öppnat", "Opened"),
            Stage::Failed => ("Kunde inte öppnas", "Could not be opened"),
            Stage::Answered => ("Meddelandekvittens", "Message receipt"),
            Stage::Retried => ("Prövas igen", "Tried again"),
            Stage::Cancelled => ("Avbrutet", "Cancelled"),
            Stage::Suspended => ("Kvarhållet", "On hold"),
            Stage::Resumed => ("Släppt", "Released"),
            Stage::PartnerTried => ("Motpart prövas", "Partner tried"),
            Stage::Warned => ("Varning", "Warning"),
            Stage::Cleared => ("Varning över", "Warning over"),
            Stage::LoggedIn => ("Inloggning", "Log-in"),
            Stage::LoggedOut => ("Utloggning", "Log-out"),
            Stage::LogInFailed => ("Misslyckad inloggning", "Failed log-in"),
            Stage::AccessChanged => ("Konto ändrat", "Account changed"),
            Stage::Purged => ("Gallrat", "Purged"),
        };
        self.pick(sv, en)
    }
}
