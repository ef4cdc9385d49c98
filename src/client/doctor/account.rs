//! The account service this computer belongs to, the way there, and the key of this computer.

use std::env;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use reqwest::Url;

use crate::client::home::{Home, HomeError, Place, Profile};
use crate::client::rebind;
use crate::client::service::{Service, ServiceError};
use crate::protocol::NumericDate;

/// How long names are looked up and a line is tried, each.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most addresses of a name that are tried.
const MAX_ADDRESSES: usize = 4;

/// What became of the account service.
#[derive(Debug)]
pub enum Account {
    /// Nobody has logged in on this computer yet.
    None,
    /// The file that names it cannot be used.
    Unusable(HomeError),
    /// It was asked.
    Asked {
        /// How far the network goes.
        network: Network,
        /// What it answered.
        answer: Result<Answer, ServiceError>,
    },
}

/// A configuration that is signed by a pinned key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How far the service's clock is ahead, in seconds.
    pub skew: i64,
    /// Whether the person is logged in.
    pub has_session: bool,
}

/// How far the network goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// The service answered in the protocol's own words.
    Connected,
    /// Somebody takes the call at its address; whether it is the service cannot be seen.
    Answers,
    /// The name of the service has no address.
    NoName,
    /// Nobody takes the call at its address.
    NoLine,
    /// A proxy stands between; what it does cannot be seen.
    Proxy,
    /// It was not tried: the address of the service is none.
    NotTried,
}

/// The device key of this computer.
#[derive(Debug)]
pub enum KeyStore {
    /// This computer is not registered.
    Empty,
    /// The key is there, and can be read.
    Usable,
    /// A registration was sent and its answer has not come.
    Pending,
    /// It is there, and its registration ends soon, as the service calls it.
    EndsSoon,
    /// It is there, and its registration has ended.
    Ended,
    /// It cannot be used.
    Unusable(HomeError),
}

/// The secrets of the session.
#[derive(Debug)]
pub enum SessionStore {
    /// Nobody has logged in.
    Empty,
    /// They are there, and can be read.
    Usable(Place),
    /// They cannot be used.
    Unusable(HomeError),
}

impl Account {
    /// Asks the service of the profile who it is. Says nothing about the person to it.
    pub fn of(home: &Home, now: NumericDate) -> Self {
        let profile = match home.profile() {
            Ok(profile) => profile,
            Err(HomeError::NoProfile) => return Self::None,
            Err(error) => return Self::Unusable(error),
        };
        let answer = ask(&profile, home, now);
        let network = match &answer {
            Err(ServiceError::Unreachable(_)) => network(&profile.service),
            Err(ServiceError::Address) => Network::NotTried,
            _ => Network::Connected,
        };
        Self::Asked { network, answer }
    }
}

fn ask(profile: &Profile, home: &Home, now: NumericDate) -> Result<Answer, ServiceError> {
    let configuration = Service::at(&profile.service)?.configuration_of(profile)?;
    Ok(Answer { skew: configuration.get().iat.saturating_sub(now), has_session: home.has_session(now) })
}

impl KeyStore {
    /// The key in `home` at this moment, by the service's clock. The device PIN is not asked for.
    pub fn of(home: &Home, now: NumericDate) -> Self {
        match (home.device(), home.pending_device()) {
            (Ok(_), Ok(None)) => match rebind::reminder(home, now) {
                Some(ends_at) if ends_at <= now => Self::Ended,
                Some(_) => Self::EndsSoon,
                None => Self::Usable,
            },
            (Ok(_) | Err(HomeError::NoDevice), Ok(Some(_))) => Self::Pending,
            (Err(HomeError::NoDevice), Ok(None)) => Self::Empty,
            (Err(error), _) | (_, Err(error)) => Self::Unusable(error),
        }
    }
}

impl SessionStore {
    /// The secrets of the session in `home`.
    pub fn of(home: &Home) -> Self {
        match (home.place(), home.session()) {
            (Ok(Some(place)), Ok(Some(_))) => Self::Usable(place),
            (Ok(_), Ok(_)) => Self::Empty,
            (Err(error), _) | (_, Err(error)) => Self::Unusable(error),
        }
    }
}

/// How far the network goes towards a service that did not answer.
fn network(address: &str) -> Network {
    let Ok(url) = Url::parse(address) else { return Network::NotTried };
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else { return Network::NotTried };
    if url.scheme() == "https" && has_proxy() {
        return Network::Proxy;
    }
    let host = host.trim_matches(['[', ']']).to_owned();
    let (tell, told) = mpsc::channel();
    // The system looks names up as long as it likes.
    thread::spawn(move || {
        let addresses = (host.as_str(), port).to_socket_addrs().map(|found| found.take(MAX_ADDRESSES).collect());
        let _ = tell.send(addresses.unwrap_or_default());
    });
    let addresses: Vec<SocketAddr> = told.recv_timeout(PATIENCE).unwrap_or_default();
    match addresses.iter().any(|address| TcpStream::connect_timeout(address, PATIENCE).is_ok()) {
        true => Network::Answers,
        false if addresses.is_empty() => Network::NoName,
        false => Network::NoLine,
    }
}

/// Whether requests leave through a proxy, as the HTTP library reads it from the environment.
fn has_proxy() -> bool {
    ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
        .iter()
        .any(|name| env::var(name).is_ok_and(|value| !value.is_empty()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_network_is_followed_as_far_as_it_goes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        assert_eq!(network(&address), Network::Answers, "nobody has said a word yet");
        drop(listener);
        assert_eq!(network(&address), Network::NoLine);
        assert_eq!(network("http://nobody.invalid"), Network::NoName);
        assert_eq!(network("no address"), Network::NotTried);
    }
}
