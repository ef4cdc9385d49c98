//! Who the service is (`docs/protocol.md`, the service's keys): a configuration that is signed by a pinned key, or at the
//! first login by a key that it lists itself.

use super::home::{Home, Profile};
use super::service::{ExpectedKey, Service, ServiceError};
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

/// How far the clock of this computer and that of the service may be apart, in seconds, where the person has named the key.
const TOLERANCE: u64 = 600;

/// A configuration that is signed by a key that was pinned before, or that the person knows the thumbprint of.
#[derive(Debug)]
pub struct PinnedConfiguration(Configuration);

impl PinnedConfiguration {
    /// Checks who signed: a pinned key. Whether it is older than what is pinned, [`Profile::take_up`] looks at.
    fn by_pinned(answer: &ConfigurationAnswer, keys: &[P256Jwk]) -> Result<Self, ServiceError> {
        Self::by(answer, |key| keys.contains(key)).unwrap_or(Err(ServiceError::KeyChanged))
    }

    /// Checks who signed, and when: the key that the person has named, and now. Anybody may have kept one that was signed by
    /// this key while another was listed beside it, which was stolen since; and no time is pinned that it could be older than.
    fn by_named(answer: &ConfigurationAnswer, expected: &ExpectedKey) -> Result<Self, ServiceError> {
        let signed = Self::by(answer, |key| key.thumbprint() == expected.thumbprint);
        let signed = signed.unwrap_or(Err(ServiceError::NotTheNamedKey))?;
        let ahead = signed.0.iat.saturating_sub((expected.clock)());
        if ahead.unsigned_abs() <= TOLERANCE { Ok(signed) } else { Err(ServiceError::NotOfNow(ahead)) }
    }

    /// The one of the two in an answer that is by a right key; `None` where none is.
    fn by(answer: &ConfigurationAnswer, is_right: impl Fn(&P256Jwk) -> bool) -> Option<Result<Self, ServiceError>> {
        for compact in [Some(&answer.configuration), answer.by_previous_key.as_ref()].into_iter().flatten() {
            match SelfSigned::read(compact) {
                Ok(signed) if is_right(&signed.signer) => return Some(Ok(Self(signed.configuration))),
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
        }
        None
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
        if let Some(expected) = self.expected_key() {
            return Ok(self.configuration_by(expected)?.0);
        }
        let signed = SelfSigned::read(&self.ask_configuration()?.configuration)?.configuration;
        self.checked(&signed)?;
        Ok(signed)
    }

    /// Asks who the service is, whose `profile` this computer has. The answer is signed by a pinned key, and names this
    /// address.
    ///
    /// # Errors
    /// [`ServiceError::KeyChanged`] where no pinned key has signed.
    pub fn configuration_of(&self, profile: &Profile) -> Result<PinnedConfiguration, ServiceError> {
        let signed = PinnedConfiguration::by_pinned(&self.ask_configuration()?, &profile.service_keys)?;
        self.checked(&signed.0)?;
        Ok(signed)
    }

    /// The same where the person has named the key.
    fn configuration_by(&self, expected: &ExpectedKey) -> Result<PinnedConfiguration, ServiceError> {
        let signed = PinnedConfiguration::by_named(&self.ask_configuration()?, expected)?;
        self.checked(&signed.0)?;
        Ok(signed)
    }

    /// The same, and keeps the keys that it lists: from now on they are the pinned ones. Where the person has named a key,
    /// the answer is by that one, whatever was pinned.
    ///
    /// # Errors
    /// [`ServiceError::KeyChanged`], [`ServiceError::NotTheNamedKey`], [`ServiceError::NotOfNow`]; no profile before the first
    /// login.
    pub fn learn_keys(&self, home: &Home) -> Result<(PinnedConfiguration, Profile), ServiceError> {
        // What is on the disk counts: another command may have learnt more than this one had read.
        let before = home.profile()?;
        let configuration = match self.expected_key() {
            Some(expected) => self.configuration_by(expected)?,
            None => self.configuration_of(&before)?,
        };
        // And once more, since the answer may have taken long.
        let _lock = home.lock_profile()?;
        let mut profile = home.profile()?;
        if profile.service != before.service {
            return Err(ServiceError::Contradiction("aud"));
        }
        let is_new = match self.expected_key() {
            Some(_) => {
                profile.pin(&configuration.0);
                true
            }
            None => profile.take_up(&configuration),
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
