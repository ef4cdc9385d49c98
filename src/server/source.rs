//! Where a request comes from: the address of the connection, or what a proxy that is known says.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;

use super::Service;

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

/// The text is neither an address nor a network such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotANetwork;

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(all), |bits| bits.parse().map_err(|_| NotANetwork))?;
        if bits > all { Err(NotANetwork) } else { Ok(Self { address, bits }) }
    }
}

impl Network {
    /// Whether the address belongs to it.
    pub fn contains(&self, address: IpAddr) -> bool {
        // The first `bits` of 128; an address of version 4 is the last 32 of them.
        match (self.address, address) {
            (IpAddr::V4(one), IpAddr::V4(other)) => {
                let differ = u32::from(one) ^ u32::from(other);
                differ.leading_zeros() >= self.bits
            }
            (IpAddr::V6(one), IpAddr::V6(other)) => {
                let differ = u128::from(one) ^ u128::from(other);
                differ.leading_zeros() >= self.bits
            }
            _ => false,
        }
    }
}

/// The address a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source(pub(super) IpAddr);

impl FromRequestParts<Arc<Service>> for Source {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, Infallible> {
        let connection = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let connection = connection.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip());
        let proxies = service.settings.proxy.as_ref().map_or(&[][..], |proxy| &proxy.addresses);
        let lines = parts.headers.get_all("x-forwarded-for").iter().map(|line| line.to_str().unwrap_or_default());
        let forwarded: Vec<_> = lines.flat_map(|line| line.split(',')).collect();
        Ok(Self(source(connection.to_canonical(), &forwarded, proxies)))
    }
}

/// Each proxy adds the address it was called from at the end: from there on everything is read as long as it was a
/// proxy that wrote it.
fn source(connection: IpAddr, forwarded: &[&str], proxies: &[Network]) -> IpAddr {
    let mut source = connection;
    for said in forwarded.iter().rev() {
        if !proxies.iter().any(|proxy| proxy.contains(source)) {
            break;
        }
        let Ok(said) = said.trim().parse::<IpAddr>() else { break };
        source = said.to_canonical();
    }
    source
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_a_known_proxy_is_believed() {
        let proxies = ["10.0.0.0/8".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        for (connection, forwarded, expected) in [
            ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
            ("10.1.2.3", "198.51.100.1", "198.51.100.1"),
            ("10.1.2.3", "192.0.2.66,198.51.100.1", "198.51.100.1"), // the first was written by whoever sent it
            ("10.1.2.3", "192.0.2.66, 198.51.100.1, 10.9.9.9", "198.51.100.1"),
            ("2001:db8::1", "2001:db8::2", "2001:db8::2"),
            ("2001:db8::3", "2001:db8::2", "2001:db8::3"),
            ("10.1.2.3", "nonsense", "10.1.2.3"),
            ("10.1.2.3", "", "10.1.2.3"),
            ("10.1.2.3", "::ffff:198.51.100.1", "198.51.100.1"),
        ] {
            let forwarded: Vec<_> = forwarded.split(',').collect();
            assert_eq!(source(at(connection), &forwarded, &proxies), at(expected), "{connection} {forwarded:?}");
        }
    }

    #[test]
    fn a_network_is_its_first_bits() {
        for (network, inside, outside) in [
            ("192.0.2.0/25", "192.0.2.127", "192.0.2.128"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.0"),
            ("0.0.0.0/0", "255.255.255.255", "::"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(at(inside)) && !network.contains(at(outside)), "{network:?}");
        }
        for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0/8", "host"] {
            assert_eq!(wrong.parse::<Network>(), Err(NotANetwork), "{wrong}");
        }
    }
}
