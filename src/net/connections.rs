//! Who is connected, and who makes room: a connection that has shown nothing is closed for one that comes.
//!
//! Connections are cheap to open, so their number says nothing of whoever opens them. What waits for a
//! request, or for a stranger's proof, can be closed at any time; the oldest of the busiest address goes
//! first. What is in work stays.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::AbortHandle;

/// How many may be open and in work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Open connections.
    pub(super) connections_max: usize,
    /// Open connections of one address.
    pub(super) connections_of_one_max: usize,
    /// Proven requests in work.
    pub(super) requests_max: usize,
    /// Proven requests of one address in work.
    pub(super) requests_of_one_max: usize,
}

/// The open connections of one listener.
#[derive(Debug)]
pub(super) struct Connections {
    bounds: Bounds,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// Counts moments, so that the oldest can be told: nobody needs to know the time.
    moment: u64,
    open: HashMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    address: IpAddr,
    stage: Stage,
    task: Option<AbortHandle>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// No request is in work, or a stranger's: since this moment.
    Unproven(u64),
    /// A request is in work.
    Working,
    /// A request is in work that counts among the proven.
    Proven,
}

/// There is no room for one more request.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("too many requests are in work{}", if *.of_one { " for one address" } else { "" })]
pub struct Crowded {
    /// Whether it is the bound of one address.
    pub of_one: bool,
}

impl Connections {
    pub(super) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { bounds, table: Mutex::default() })
    }

    /// A seat for a connection from `address`; others may lose theirs for it. None where nobody can.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let mut table = self.lock();
        let of_one = table.open.values().filter(|open| open.address == address).count();
        if of_one >= self.bounds.connections_of_one_max {
            table.close_oldest(Some(address))?;
        } else if table.open.len() >= self.bounds.connections_max {
            let busiest = table.busiest();
            table.close_oldest(busiest)?;
        }
        table.moment += 1;
        let id = table.moment;
        table.open.insert(id, Open { address, stage: Stage::Unproven(id), task: None });
        Some(Seat(Standing { connections: Arc::clone(self), id }))
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// The address with the most connections among those that have one to lose.
    fn busiest(&self) -> Option<IpAddr> {
        let mut counts: HashMap<IpAddr, (usize, bool)> = HashMap::new();
        for open in self.open.values() {
            let (count, can_lose) = counts.entry(open.address).or_default();
            *count += 1;
            *can_lose |= matches!(open.stage, Stage::Unproven(_));
        }
        let losing = counts.into_iter().filter(|(_, (_, can_lose))| *can_lose);
        losing.max_by_key(|(_, (count, _))| *count).map(|(address, _)| address)
    }

    fn close_oldest(&mut self, of: Option<IpAddr>) -> Option<()> {
        let of = of?;
        let unproven = self.open.iter().filter_map(|(id, open)| match open.stage {
            Stage::Unproven(since) if open.address == of => Some((since, *id)),
            _ => None,
        });
        let (_, id) = unproven.min()?;
        if let Some(task) = self.open.remove(&id).and_then(|open| open.task) {
            task.abort();
        }
        tracing::debug!(address = %of, "a connection that had shown nothing was closed to make room");
        Some(())
    }

    fn proven(&self, of: Option<IpAddr>) -> usize {
        let all = self.open.values().filter(|open| open.stage == Stage::Proven);
        all.filter(|open| of.is_none_or(|address| open.address == address)).count()
    }
}

/// The place of one connection; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Seat(Standing);

impl Seat {
    pub(super) fn standing(&self) -> Standing {
        self.0.clone()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.connections.lock().open.remove(&self.0.id);
    }
}

/// How a connection stands with us; an extension of every request.
#[derive(Clone, Debug)]
pub struct Standing {
    connections: Arc<Connections>,
    id: u64,
}

impl Standing {
    /// Names the task that ends with the connection.
    pub(super) fn task(&self, task: AbortHandle) {
        if let Some(open) = self.connections.lock().open.get_mut(&self.id) {
            open.task = Some(task);
        }
    }

    /// A request has come. Its answer has gone when the result is dropped.
    pub(super) fn begin(&self) -> InWork {
        self.change(|_| Stage::Working);
        InWork(self.clone())
    }

    /// Says that nothing is known yet of who asks: until [`Self::proven`] the connection may be closed to make room.
    pub fn unproven(&self) {
        self.change(Stage::Unproven);
    }

    /// Says that who asks is known, so that the request is finished if there is room for it.
    ///
    /// # Errors
    ///
    /// [`Crowded`] when too many such requests are in work already.
    pub fn proven(&self) -> Result<(), Crowded> {
        let bounds = self.connections.bounds;
        let mut table = self.connections.lock();
        let Some(address) = table.open.get(&self.id).map(|open| open.address) else { return Ok(()) };
        if table.proven(Some(address)) >= bounds.requests_of_one_max {
            return Err(Crowded { of_one: true });
        }
        if table.proven(None) >= bounds.requests_max {
            return Err(Crowded { of_one: false });
        }
        if let Some(open) = table.open.get_mut(&self.id) {
            open.stage = Stage::Proven;
        }
        Ok(())
    }

    fn change(&self, stage: impl FnOnce(u64) -> Stage) {
        let mut table = self.connections.lock();
        table.moment += 1;
        let now = table.moment;
        if let Some(open) = table.open.get_mut(&self.id) {
            open.stage = stage(now);
        }
    }
}

/// A request in work.
#[derive(Debug)]
pub(super) struct InWork(Standing);

impl Drop for InWork {
    fn drop(&mut self) {
        self.0.unproven();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const BOUNDS: Bounds =
        Bounds { connections_max: 4, connections_of_one_max: 3, requests_max: 2, requests_of_one_max: 1 };

    fn address(last: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, last).into()
    }

    fn is_open(seat: &Seat) -> bool {
        seat.0.connections.lock().open.contains_key(&seat.0.id)
    }

    #[test]
    fn who_waits_longest_at_the_busiest_address_makes_room() {
        let connections = Connections::new(BOUNDS);
        let other = connections.admit(address(1)).unwrap();
        let [a, b, c] = [(); 3].map(|()| connections.admit(address(2)).unwrap());
        let in_work = a.standing().begin();
        let newcomer = connections.admit(address(3)).unwrap();
        assert!(
            [&other, &a, &c, &newcomer].map(is_open) == [true; 4] && !is_open(&b),
            "the oldest that is not in work"
        );
        drop(in_work);
        let next = connections.admit(address(2)).unwrap();
        assert!(!is_open(&c) && is_open(&a) && is_open(&next), "what was in work is younger");
    }

    #[test]
    fn one_address_has_its_own_bound_and_what_is_in_work_stays() {
        let connections = Connections::new(BOUNDS);
        let seats = [(); 3].map(|()| connections.admit(address(1)).unwrap());
        let fourth = connections.admit(address(1)).unwrap();
        assert!(!is_open(&seats[0]), "though there is room for others");
        let in_work = [&seats[1], &seats[2], &fourth].map(|seat| seat.standing().begin());
        assert!(connections.admit(address(1)).is_none());
        fourth.standing().unproven();
        assert!(connections.admit(address(1)).is_some(), "a stranger's request can go");
        assert!(!is_open(&fourth));
        drop(in_work);
    }

    #[test]
    fn proven_requests_are_bounded_in_all_and_for_one_address() {
        let connections = Connections::new(Bounds { connections_max: 9, connections_of_one_max: 9, ..BOUNDS });
        let seats = [1, 1, 2, 3].map(|last| connections.admit(address(last)).unwrap());
        let in_work: Vec<InWork> = seats.iter().map(|seat| seat.standing().begin()).collect();
        let proven = |n: usize| seats[n].standing().proven().map_err(|crowded| crowded.of_one);
        assert_eq!([proven(0), proven(1), proven(2), proven(3)], [Ok(()), Err(true), Ok(()), Err(false)]);
        drop(in_work);
        assert_eq!([proven(3), proven(1)], [Ok(()), Ok(())]);
    }
}
