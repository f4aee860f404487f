//! The overview: how many messages are where, how old the oldest is, and what needs a person first.

use super::ConsoleState;
use super::events::EventView;
use super::frame::{Failure, Frame, Visit, or_failure, page};
use super::queue::{GROUPS, Group};
use super::view::{ConditionView, Moment, StatusView, Wall, size};
use crate::access_point::PartnerState;
use crate::model::{Axis, CertificateEnd, Counts, Depth, Direction, Event, PartyId, Timestamp};
use crate::ops::health::{Check, State};
use askama::Template;
use axum::extract;
use axum::response::Response;

/// Refusals on the overview.
const REFUSALS_LATEST: usize = 5;

/// A figure of the overview: a number, and the list behind it.
struct Figure {
    label: &'static str,
    count: u64,
    oldest: Option<Moment>,
    href: String,
    tone: &'static str,
}

struct CountRow {
    outbound: bool,
    status: StatusView,
    messages: u64,
    oldest: Option<Moment>,
}

/// How much waits for one partner or participant.
struct DepthRow {
    outbound: bool,
    name: String,
    messages: u64,
    oldest: Option<Moment>,
    href: String,
    /// Of a partner whose breaker is not closed.
    breaker: Option<ConditionView>,
}

/// Something that needs a person first.
struct Care {
    label: &'static str,
    count: u64,
    /// Where they are; none for a check of the whole, of which is said what was found.
    href: Option<&'static str>,
    found: String,
}

/// What the overview is made of, besides counts.
pub(super) struct Around {
    /// What waits by partner, and by participant.
    pub(super) depths: [Vec<Depth>; 2],
    /// The latest refusals.
    pub(super) refusals: Vec<Event>,
    /// Other access points whose breaker is not closed.
    pub(super) partners_down: Vec<PartnerState>,
    /// Certificates that end soon.
    pub(super) certificates_soon: u64,
    /// The checks of the whole.
    pub(super) checks: Vec<Check>,
}

/// Rows by partner and by participant, those with the most messages first.
const DEPTHS_MAX: usize = 20;

#[derive(Template)]
#[template(path = "overview.html", config = ".config/askama.toml")]
pub(super) struct OverviewPage {
    figures: Vec<Figure>,
    cares: Vec<Care>,
    counts: Vec<CountRow>,
    held: u64,
    partners: Vec<DepthRow>,
    participants: Vec<DepthRow>,
    refusals: Vec<EventView>,
    free: String,
    records: u64,
    now: String,
    frame: Frame,
}

/// `GET /`.
pub(super) async fn overview(extract::State(state): extract::State<ConsoleState>, visit: Visit) -> Response {
    or_failure(&visit, overview_page(&state, &visit).await)
}

async fn overview_page(state: &ConsoleState, visit: &Visit) -> Result<Response, Failure> {
    let counts = state.access_point.counts().await?;
    let mut partners_down = state.access_point.partners();
    partners_down.retain(|partner| !partner.condition.is_closed());
    let soon = |certificate: &&CertificateEnd| certificate.is_soon(visit.now);
    let around = Around {
        depths: [state.access_point.depths(Axis::Partner).await?, state.access_point.depths(Axis::Participant).await?],
        refusals: state.access_point.refusals(REFUSALS_LATEST).await?,
        partners_down,
        certificates_soon: state.outlook.certificates().iter().filter(soon).count() as u64,
        checks: state.outlook.health().checks,
    };
    Ok(page(&render_overview(&counts, around, visit)))
}

fn depth_rows(mut depths: Vec<Depth>, of: &str, down: &[PartnerState], wall: &Wall) -> Vec<DepthRow> {
    depths.sort_by_key(|depth| std::cmp::Reverse(depth.messages));
    depths.truncate(DEPTHS_MAX);
    let row = |depth: Depth| {
        let outbound = depth.direction == Direction::Out;
        let status = if outbound { "to-send" } else { "waiting-in" };
        let name = percent_encoding::utf8_percent_encode(&depth.name, percent_encoding::NON_ALPHANUMERIC);
        let direction = if outbound { "out" } else { "in" };
        let breaker =
            down.iter().find(|partner| outbound && partner.partner.as_ref().map_or("", PartyId::as_str) == depth.name);
        DepthRow {
            outbound,
            breaker: breaker.map(|partner| ConditionView::new(partner, wall)),
            href: format!("/queue?status={status}&direction={direction}&{of}={name}"),
            messages: depth.messages,
            oldest: depth.oldest.map(|at| wall.moment(at)),
            name: depth.name,
        }
    };
    depths.into_iter().map(row).collect()
}

pub(super) fn render_overview(counts: &Counts, around: Around, visit: &Visit) -> OverviewPage {
    let wall = Wall::utc(visit.now, visit.lang());
    let rows = counts.by_status.iter().filter(|count| count.messages > 0).map(|count| CountRow {
        outbound: count.direction == Direction::Out,
        status: StatusView::new(count.status, visit.lang()),
        messages: count.messages,
        oldest: count.oldest.map(|at| wall.moment(at)),
    });
    let figures = figures(counts, visit, &wall);
    OverviewPage {
        cares: cares(&figures, &around, visit),
        figures,
        counts: rows.collect(),
        held: counts.held,
        partners: depth_rows(around.depths[0].clone(), "partner", &around.partners_down, &wall),
        participants: depth_rows(around.depths[1].clone(), "participant", &[], &wall),
        refusals: around.refusals.iter().map(|event| EventView::new(event, &wall, visit)).collect(),
        free: size(counts.free_bytes),
        records: counts.journal_records,
        now: wall.now(),
        frame: visit.frame("overview"),
    }
}

/// What needs a person first: dead letters, partners, certificates, and checks of the whole that are not well.
fn cares(figures: &[Figure], around: &Around, visit: &Visit) -> Vec<Care> {
    let t = visit.text();
    let failed = figures.iter().filter(|figure| figure.tone == "bad").map(|figure| figure.count).sum();
    let counted = [
        (t.needs_care, failed, "/dead-letters"),
        (t.care_partners, around.partners_down.len() as u64, "/partners"),
        (t.care_certificates, around.certificates_soon, "/certificates"),
    ];
    let counted = counted.into_iter().filter(|(_, count, _)| *count > 0);
    let counted = counted.map(|(label, count, href)| Care { label, count, href: Some(href), found: String::new() });
    // The certificates are counted above.
    let unwell = around.checks.iter().filter(|check| check.state != State::Ok && check.check != "certificate");
    let unwell = unwell.map(|check| Care {
        label: if check.check == "space" { t.care_space } else { t.care_health },
        count: 0,
        href: None,
        found: format!("{}: {}", check.check, check.found),
    });
    counted.chain(unwell).collect()
}

/// The figures: each leads to exactly the messages that it counts.
fn figures(counts: &Counts, visit: &Visit, wall: &Wall) -> Vec<Figure> {
    let figure = |group: &Group| {
        let of_group =
            || counts.by_status.iter().filter(|count| group.statuses.contains(&count.status) && count.messages > 0);
        let oldest: Option<Timestamp> = of_group().filter_map(|count| count.oldest).min();
        Figure {
            label: group.label(visit.text()),
            count: of_group().map(|count| count.messages).sum(),
            oldest: oldest.map(|at| wall.moment(at)),
            href: format!("/queue?status={}", group.word),
            tone: group.tone,
        }
    };
    GROUPS.iter().map(figure).collect()
}

#[cfg(test)]
mod tests {
    use super::super::queue::{GROUPS, one_page};
    use super::figures;
    use crate::console::Lang;
    use crate::console::frame::Visit;
    use crate::console::view::Wall;
    use crate::model::{Conditions, Count, Counts, Direction, Status};

    #[test]
    fn each_figure_leads_to_exactly_the_messages_that_it_counts() {
        let now = "2026-11-23T22:00:00Z".parse().unwrap();
        for (figure, group) in
            figures(&Counts::default(), &Visit::made_up(Lang::Sv, now), &Wall::utc(now, Lang::Sv)).iter().zip(GROUPS)
        {
            let status = figure.href.strip_prefix("/queue?status=").unwrap().to_owned();
            let query = one_page(&Conditions { status, ..Conditions::default() }, now).unwrap();
            assert_eq!(query.statuses, group.statuses, "{}", figure.href);
        }
    }

    #[test]
    fn an_envelope_that_was_refused_and_deleted_needs_attention() {
        let now = "2026-11-23T22:00:00Z".parse().unwrap();
        let count = |status, messages| Count { direction: Direction::In, status, messages, oldest: Some(now) };
        let by_status = vec![count(Status::Deleted, 2), count(Status::Error, 1), count(Status::New, 7)];
        let counts = Counts { by_status, ..Counts::default() };
        let shown = figures(&counts, &Visit::made_up(Lang::Sv, now), &Wall::utc(now, Lang::Sv));
        let bad: Vec<u64> = shown.iter().filter(|figure| figure.tone == "bad").map(|figure| figure.count).collect();
        assert_eq!(bad, [3]);
    }
}
