//! The device of this computer where approvals are listed and watched: its transport key signs for each request, so that
//! neither password nor PIN is needed, however long nobody was there (`docs/protocol.md`, watching).

use std::sync::atomic::{AtomicI64, Ordering};

use p256::ecdsa::SigningKey;
use rand_core::UnwrapErr;
use reqwest::header::HeaderValue;

use crate::client::home::{Home, HomeError, Profile};
use crate::client::service::{Service, ServiceError};
use crate::client::session::Clock;
use crate::protocol::DeviceId;
use crate::protocol::watch::{SCHEME, WatchStatement};

/// A device that may be shown approvals.
pub struct WatchingDevice {
    device_id: DeviceId,
    transport_key: SigningKey,
    home: Home,
    profile: Profile,
    clock: Clock,
    /// How far the service's clock is ahead, in seconds.
    skew: AtomicI64,
}

impl std::fmt::Debug for WatchingDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WatchingDevice").field("device_id", &self.device_id).finish_non_exhaustive()
    }
}

impl WatchingDevice {
    /// The device of this computer.
    ///
    /// # Errors
    /// There is none, or its file cannot be read.
    pub fn of(home: &Home, profile: Profile, clock: Clock) -> Result<Self, HomeError> {
        let device = home.device()?;
        let device_id = device.device_id().ok_or(HomeError::NoDevice)?;
        let transport_key = device.key.transport_key().map_err(|_| HomeError::NoDevice)?;
        Ok(Self { device_id, transport_key, home: home.clone(), profile, clock, skew: AtomicI64::new(0) })
    }

    /// What is sent along with one request. It names the service of the profile, whoever answers at its address.
    pub(in crate::client) fn credentials(&self) -> Result<HeaderValue, ServiceError> {
        let iat = (self.clock)().saturating_add(self.skew.load(Ordering::Relaxed));
        let (aud, rng) = (&self.profile.service, &mut UnwrapErr(getrandom::SysRng));
        let credentials = WatchStatement::credentials(aud, self.device_id, &self.transport_key, iat, rng);
        let credentials = credentials.map_err(|_| ServiceError::Malformed)?;
        let mut header =
            HeaderValue::from_str(&format!("{SCHEME} {credentials}")).map_err(|_| ServiceError::Malformed)?;
        header.set_sensitive(true);
        Ok(header)
    }

    /// Finds out how far the service's clock is ahead: it took a message for too old, or not made yet.
    pub(in crate::client) fn set_clock(&self, service: &Service) -> Result<(), ServiceError> {
        let skew = service.skew_of(&self.home, &self.clock)?;
        self.skew.store(skew, Ordering::Relaxed);
        Ok(())
    }
}
