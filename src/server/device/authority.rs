//! What a session may do with the devices of its account (`docs/protocol.md`, devices). A stolen password, and whoever got a
//! weak device in with it, must neither remove what its owner has bound by better evidence nor undo what she has locked.

use super::OwnDevice;
use crate::protocol::BindingLevel;
use crate::protocol::registration::Evidence;
use crate::protocol::session::SessionMethod;
use crate::server::http::{Code, Refusal};
use crate::server::session::Session;
use crate::server::store::Tx;

/// What stands behind a session. Only [`Authority::of`] makes one.
pub(in crate::server) struct Authority {
    /// That of the device which has opened it, or B3 for card and card PIN; none for anything else.
    level: Option<BindingLevel>,
}

/// The session may remove this device. Only [`Authority::may_remove`] makes one.
pub(in crate::server) struct Removal(pub(super) OwnDevice);

/// The session may unlock devices. Only [`Authority::may_unlock`] makes one.
pub(in crate::server) struct Unlocking(());

impl Authority {
    /// As it is in the transaction that changes something. A session that a device has approved for a browser is worth a
    /// password: the digits of a login can be phished while it is made, and whoever has approved one meant nothing else.
    pub(in crate::server) async fn of(tx: &mut Tx, session: &Session) -> Result<Self, Refusal> {
        let level = match session.method {
            SessionMethod::Card => Some(BindingLevel::B3),
            SessionMethod::Device => {
                let query = "SELECT d.binding_level FROM session s JOIN device d ON d.device_id = s.device_id \
                             WHERE s.session_id = $1";
                let query = sqlx::query_scalar::<_, String>(query).bind(session.id.to_string());
                Some(query.fetch_one(&mut **tx).await?.parse().map_err(|_| Refusal::internal())?)
            }
            SessionMethod::Password
            | SessionMethod::DeviceApproval
            | SessionMethod::InitialPassword
            | SessionMethod::IdentityProvider
            | SessionMethod::Reset => None,
        };
        Ok(Self { level })
    }

    /// With what has just bound another device: card and card PIN are worth what they are at a login. Anything weaker has
    /// to wait first, and removes nothing before.
    pub(in crate::server) fn with(self, evidence: &Evidence) -> Self {
        match evidence {
            Evidence::Card(..) => Self { level: Some(BindingLevel::B3) },
            Evidence::Qr(_) | Evidence::Device(_) | Evidence::Chip(..) => self,
        }
    }

    /// Card and card PIN remove any device; a device removes those that were bound by evidence as weak as its own, or
    /// weaker, and so itself.
    pub(super) fn may_remove(&self, device: OwnDevice) -> Result<Removal, (OwnDevice, Refusal)> {
        match self.level {
            Some(level) if level >= device.level => Ok(Removal(device)),
            _ => Err((device, Refusal::new(Code::StrongerLoginNeeded).with_detail("remove"))),
        }
    }

    /// Card and card PIN unlock, and a device that they have bound. A device that is locked has no session, so that none
    /// unlocks itself.
    pub(super) fn may_unlock(&self) -> Result<Unlocking, Refusal> {
        match self.level {
            Some(BindingLevel::B3) => Ok(Unlocking(())),
            _ => Err(Code::StrongerLoginNeeded.into()),
        }
    }
}
