//! PROXY protocol v2 (haproxy's proxy-protocol.txt): who the client is, told by a trusted proxy before the first byte.

use ppp::v2::{Addresses, Command, Header};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// Signature, version, family and length.
const FIXED: usize = 16;
/// The most bytes of addresses and extensions that are taken; haproxy sends at most 536.
const MOST: usize = 2048;

/// The connection and its client: the peer, or for a peer that speaks the protocol what its header says.
///
/// # Errors
/// A header that is missing, broken or late; the connection is to be closed.
pub(crate) async fn client(
    mut stream: TcpStream,
    peer: SocketAddr,
    speaks_proxy: bool,
    wait: Duration,
) -> io::Result<(TcpStream, SocketAddr)> {
    if !speaks_proxy {
        return Ok((stream, peer));
    }
    let header =
        tokio::time::timeout(wait, read(&mut stream)).await.map_err(|_| io::ErrorKind::TimedOut)??;
    Ok((stream, source(&header, peer)?))
}

async fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut header = vec![0; FIXED];
    stream.read_exact(&mut header).await?;
    let rest = usize::from(u16::from_be_bytes([header[14], header[15]]));
    if rest > MOST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    header.resize(FIXED + rest, 0);
    stream.read_exact(&mut header[FIXED..]).await?;
    Ok(header)
}

/// Whom a header names; a proxy's own connection (a health check) is the proxy's.
fn source(header: &[u8], peer: SocketAddr) -> io::Result<SocketAddr> {
    let header = Header::try_from(header).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    if header.command == Command::Local {
        return Ok(peer);
    }
    Ok(match header.addresses {
        Addresses::IPv4(addresses) => {
            SocketAddr::new(IpAddr::V4(addresses.source_address), addresses.source_port)
        }
        Addresses::IPv6(addresses) => {
            SocketAddr::new(IpAddr::V6(addresses.source_address), addresses.source_port)
        }
        Addresses::Unix(_) | Addresses::Unspecified => peer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The start of every header, and PROXY over TCP and IPv4 with 12 bytes of addresses (the specification's section 2.2).
    const START: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c";
    const ADDRESSES: &[u8] = &[203, 0, 113, 7, 192, 0, 2, 1, 0x30, 0x39, 0x01, 0xbb];

    #[test]
    fn the_source_is_read_and_anything_else_refused() {
        let peer: SocketAddr = "10.0.0.1:1".parse().unwrap();
        let whole = [START, ADDRESSES].concat();
        assert_eq!(source(&whole, peer).unwrap(), "203.0.113.7:12345".parse().unwrap());
        let mut local = whole.clone();
        local[12] = 0x20;
        assert_eq!(source(&local, peer).unwrap(), peer);
        assert!(source(&whole[..20], peer).is_err());
        assert!(source(b"GET / HTTP/1.1\r\nhost", peer).is_err());
    }
}
