//! Who the service is (`docs/protocol.md`, the service's keys): a configuration that is signed by a pinned key, or at the
//! first login by a key that it lists itself.

use super::home::{Home, Profile};
use super::service::{Service, ServiceError};
use crate::jose::{Es256, Message, P256Jwk, base64url, json, jws};
use crate::protocol::VERSION;
use crate::protocol::api::ConfigurationAnswer;
use crate::protocol::application::is_plain_text;
use crate::protocol::service::{ClientVersion, Configuration};

/// A configuration that is signed by a key that it lists: somebody who has that key says this. Whether it is the service,
/// the configuration alone does not tell.
struct SelfSigned {
    configuration: Configuration,
    signer: P256Jwk,
}

impl SelfSigned {
    fn read(compact: &str) -> Result<Self, ServiceError> {
        // The keys are in the message: read them, then verify the message with them.
        let keys = listed_keys(compact).ok_or(ServiceError::Malformed)?;
        let (signer, configuration) = jws::verify_by_any(compact, &keys).map_err(|_| ServiceError::Malformed)?;
        Ok(Self { configuration, signer: signer.clone() })
    }
}

/// A configuration that is signed by a key that was pinned before, or that the person knows the thumbprint of.
#[derive(Debug)]
pub struct PinnedConfiguration(Configuration);

impl PinnedConfiguration {
    /// Checks who signed.
    fn check(answer: &ConfigurationAnswer, is_pinned: impl Fn(&P256Jwk) -> bool) -> Result<Self, ServiceError> {
        let mut signed = SelfSigned::read(&answer.configuration)?;
        if !is_pinned(&signed.signer)
            && let Some(by_previous_key) = &answer.by_previous_key
        {
            signed = SelfSigned::read(by_previous_key)?;
        }
        if is_pinned(&signed.signer) { Ok(Self(signed.configuration)) } else { Err(ServiceError::KeyChanged) }
    }

    /// What it says.
    pub fn get(&self) -> &Configuration {
        &self.0
    }
}

impl Service {
    /// Asks who the service is, where no key of it is known. The answer is signed by a key that it lists itself, and names
    /// this address.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub fn configuration(&self) -> Result<Configuration, ServiceError> {
        let answer = self.ask_configuration()?;
        let signed = match self.expected_key() {
            Some(key) => PinnedConfiguration::check(&answer, |signer| signer.thumbprint() == key)?.0,
            None => SelfSigned::read(&answer.configuration)?.configuration,
        };
        self.checked(&signed)?;
        Ok(signed)
    }

    /// Asks who the service is, whose `profile` this computer has. The answer is signed by a pinned key, and names this
    /// address.
    ///
    /// # Errors
    /// [`ServiceError::KeyChanged`] where no pinned key has signed.
    pub fn configuration_of(&self, profile: &Profile) -> Result<PinnedConfiguration, ServiceError> {
        let signed = PinnedConfiguration::check(&self.ask_configuration()?, |key| profile.service_keys.contains(key))?;
        self.checked(&signed.0)?;
        Ok(signed)
    }

    /// The same, and keeps the keys that it lists: from now on they are the pinned ones. Where the person has named a key,
    /// the answer is by that one, whatever was pinned.
    ///
    /// # Errors
    /// [`ServiceError::KeyChanged`]; no profile before the first login.
    pub fn learn_keys(&self, home: &Home) -> Result<(PinnedConfiguration, Profile), ServiceError> {
        // What is on the disk counts: another command may have learnt more than this one had read.
        let mut profile = home.profile()?;
        let (configuration, is_new) = match self.expected_key() {
            Some(_) => {
                let configuration = PinnedConfiguration(self.configuration()?);
                profile.pin(&configuration.0);
                (configuration, true)
            }
            None => {
                let configuration = self.configuration_of(&profile)?;
                let is_new = profile.take_up(&configuration);
                (configuration, is_new)
            }
        };
        if is_new {
            home.keep_profile(&profile)?;
        }
        Ok((configuration, profile))
    }

    /// Reads a message the service signed with a pinned key. One by a key that is not known yet is read once the service
    /// has listed that key, in a configuration by a pinned one.
    ///
    /// # Errors
    /// [`ServiceError::KeyChanged`], [`ServiceError::Contradiction`].
    pub(super) fn signed<M: Message<Algorithm = Es256>>(
        &self,
        compact: &str,
        home: &Home,
        what: &'static str,
    ) -> Result<M, ServiceError> {
        let read = |keys: &[P256Jwk]| jws::verify_by_any(compact, keys).map(|(_, message)| message);
        if let Ok(message) = read(&home.profile()?.service_keys) {
            return Ok(message);
        }
        let (_, profile) = self.learn_keys(home)?;
        read(&profile.service_keys).map_err(|_| ServiceError::Contradiction(what))
    }

    fn checked(&self, configuration: &Configuration) -> Result<(), ServiceError> {
        let hotline = &configuration.hotline;
        if !is_plain_text(&configuration.insurer) || !(hotline.is_empty() || is_plain_text(hotline)) {
            return Err(ServiceError::Malformed);
        }
        if configuration.v != VERSION || configuration.aud != self.address() {
            return Err(ServiceError::Contradiction("aud"));
        }
        if ClientVersion::own().is_none_or(|own| own < configuration.min_client) {
            return Err(ServiceError::TooOld(configuration.min_client));
        }
        Ok(())
    }
}

/// The keys that a configuration lists, not verified yet.
fn listed_keys(compact: &str) -> Option<Vec<P256Jwk>> {
    let payload = compact.split('.').nth(1)?;
    let payload = base64url::decode(payload)?;
    json::read::<Configuration>(&payload).ok().map(|configuration| configuration.service_keys.into())
}
