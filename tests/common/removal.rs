//! Sessions that may remove a device: by card and card PIN, and by the device PIN.

use kartenbund::client::card_login::login_with_card;
use kartenbund::client::device_login::{DeviceLoginError, login_with_device};
use kartenbund::client::login;
use kartenbund::client::service::{Service as Remote, ServiceError};
use kartenbund::egk::ApduLength;
use kartenbund::protocol::DeviceId;
use reqwest::Method;

use super::{Computer, Script, card};

impl Computer {
    /// The same person at the same computer, logged in with card and card PIN.
    pub fn by_card(&self) -> Self {
        let (home, kvnr) = (&self.here.home, &self.here.profile.kvnr);
        let mut card = card(kvnr.as_str());
        self.with(&mut Script::default(), |around| {
            login_with_card(home, &self.remote(), Some(kvnr), &mut card, ApduLength::Extended, around)
        })
        .unwrap();
        self.logged_in()
    }

    /// The same person at the same computer, logged in with the device PIN.
    pub fn by_device(&self) -> Result<Self, DeviceLoginError> {
        self.with(&mut Script::default(), |around| login_with_device(&self.here.home, self.remote(), around))?;
        Ok(self.logged_in())
    }

    /// The device that this computer is registered as.
    pub fn own(&self) -> DeviceId {
        self.here.home.device().unwrap().device_id().unwrap()
    }

    /// Removes a device as far as the session may.
    pub fn remove(&self, id: DeviceId) -> Result<(), ServiceError> {
        self.here.service.command(Method::DELETE, &format!("/v1/devices/{id}"))
    }

    fn remote(&self) -> Remote {
        Remote::at(&self.here.profile.service).unwrap()
    }

    fn logged_in(&self) -> Self {
        let clock = self.clock.clone();
        let now = self.clock.of_client();
        Self { here: login::resume(self.here.home.clone(), now).unwrap(), clock }
    }
}
