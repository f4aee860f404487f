//! The testbed's DNS: authoritative for the SML zone, answering NAPTR for registered participants over UDP and TCP.

use super::fault::Kind;
use super::federation::{Federation, Registry};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{NAPTR, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

/// Seconds an answer may be kept: none, so that registrations and faults count at once.
const TTL: u32 = 0;

/// The two sockets on one port.
pub(super) struct Sockets {
    udp: UdpSocket,
    tcp: TcpListener,
}

impl Sockets {
    /// Binds UDP and TCP to a loopback port; zero: to any that both have free.
    pub(super) async fn bind(port: u16) -> io::Result<Self> {
        let mut failure = io::Error::other("no attempt was made");
        for _ in 0..20 {
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).await?;
            match TcpListener::bind(udp.local_addr()?).await {
                Ok(tcp) => return Ok(Self { udp, tcp }),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }

    /// Answers until the task is ended. `smp` is the base address that participants' records lead to.
    pub(super) async fn serve(self, federation: Federation, smp: String) {
        let zone = Arc::new(Zone { federation, smp });
        tokio::join!(over_udp(self.udp, &zone), over_tcp(self.tcp, &zone));
    }
}

async fn over_udp(socket: UdpSocket, zone: &Zone) {
    let mut buffer = [0_u8; 4096];
    loop {
        // An error here is of an earlier answer (ICMP), never of the socket.
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else { continue };
        if let Some(answer) = zone.answer(&buffer[..length]) {
            let _ = socket.send_to(&answer, peer).await;
        }
    }
}

async fn over_tcp(listener: TcpListener, zone: &Arc<Zone>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let zone = zone.clone();
        tokio::spawn(async move {
            let _ = timeout(Duration::from_secs(5), one_stream(stream, &zone)).await;
        });
    }
}

async fn one_stream(mut stream: TcpStream, zone: &Zone) -> io::Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut question = vec![0; length.into()];
        stream.read_exact(&mut question).await?;
        let Some(answer) = zone.answer(&question) else { return Ok(()) };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes()[..], &answer].concat()).await?;
    }
}

struct Zone {
    federation: Federation,
    smp: String,
}

impl Zone {
    /// The answer to one packet; `None` for what is no question.
    fn answer(&self, packet: &[u8]) -> Option<Vec<u8>> {
        let question =
            Message::from_vec(packet).ok().filter(|message| message.metadata.message_type == MessageType::Query)?;
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        answer.metadata.authoritative = true;
        answer.metadata.recursion_desired = question.metadata.recursion_desired;
        answer.queries.clone_from(&question.queries);
        answer.metadata.response_code = match (question.metadata.op_code, question.queries.as_slice()) {
            (OpCode::Query, [query]) => self.fill(&mut answer, query),
            (OpCode::Query, _) => ResponseCode::FormErr,
            _ => ResponseCode::NotImp,
        };
        answer.to_vec().ok()
    }

    fn fill(&self, answer: &mut Message, query: &Query) -> ResponseCode {
        let Ok(registry) = self.federation.registry() else { return ResponseCode::ServFail };
        let Ok(apex) = Name::from_ascii(format!("{}.", registry.zone)) else { return ResponseCode::ServFail };
        if registry.broken(Kind::DnsDown).is_some() {
            return ResponseCode::ServFail;
        }
        if !apex.zone_of(&query.name) {
            return ResponseCode::Refused;
        }
        let regexp = self.regexp(&registry, &query.name);
        match (regexp, query.query_type) {
            (Some(regexp), RecordType::NAPTR | RecordType::ANY) => {
                let naptr = NAPTR::new(
                    100,
                    10,
                    (*b"U").into(),
                    (*b"Meta:SMP").into(),
                    regexp.into_bytes().into(),
                    Name::root(),
                );
                answer.add_answer(Record::from_rdata(query.name.clone(), TTL, RData::NAPTR(naptr)));
                ResponseCode::NoError
            }
            (found, _) => {
                let soa = SOA::new(apex.clone(), apex.clone(), 1, 60, 60, 60, TTL);
                let exists = found.is_some() || apex == query.name;
                answer.add_authority(Record::from_rdata(apex, TTL, RData::SOA(soa)));
                if exists { ResponseCode::NoError } else { ResponseCode::NXDomain }
            }
        }
    }

    /// The substitution of a registered participant's record.
    fn regexp(&self, registry: &Registry, name: &Name) -> Option<String> {
        let owner = name.to_ascii().trim_end_matches('.').to_lowercase();
        let participant = registry.participants.get(&owner)?;
        if registry.broken_for(Kind::DnsUnregistered, participant.id.as_str()).is_some() {
            return None;
        }
        // Port 1 has no service: a wrong record leads to where nobody answers.
        let smp = if registry.broken(Kind::DnsWrong).is_some() { "http://127.0.0.1:1/" } else { &self.smp };
        Some(format!("!.*!{smp}!"))
    }
}
