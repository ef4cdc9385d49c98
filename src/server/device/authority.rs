//! What a session may do with the devices of its account (`docs/protocol.md`, devices). A stolen password, and whoever got a
//! weak device in with it, must neither remove what its owner has bound by better evidence nor undo what she has locked.

use super::OwnDevice;
use crate::protocol::registration::Evidence;
use crate::protocol::session::SessionMethod;
use crate::protocol::{BindingLevel, DeviceId, NumericDate};
use crate::server::http::{Code, Refusal};
use crate::server::session::{OpenedLately, Session, not_lately};
use crate::server::store::Tx;

/// What stands behind a session. Only [`Authority::of`] makes one.
pub(in crate::server) struct Authority {
    /// That of the device which has opened it, or B3 for card and card PIN; none for anything else.
    level: Option<BindingLevel>,
    /// The device which has opened it.
    own: Option<DeviceId>,
    /// Whether the person is there; none where the session was left open.
    present: Option<Present>,
}

/// What shows that the person is there, and not whoever has come by a session.
enum Present {
    LoggedIn(OpenedLately),
    CardSigned,
}

/// The session may remove this device. Only [`Authority::may_remove`] makes one.
pub(in crate::server) struct Removal(pub(super) OwnDevice);

/// The session may unlock devices. Only [`Authority::may_unlock`] makes one.
pub(in crate::server) struct Unlocking(());

impl Authority {
    /// As it is in the transaction that changes something. A session that a device has approved for a browser is worth a
    /// password: the digits of a login can be phished while it is made, and whoever has approved one meant nothing else. So
    /// is one of a website, with whatever it was opened: others may stand between it and the service.
    pub(in crate::server) async fn of(tx: &mut Tx, session: &Session, now: NumericDate) -> Result<Self, Refusal> {
        let (level, own) = match session.method {
            _ if !session.is_own_program => (None, None),
            SessionMethod::Card => (Some(BindingLevel::B3), None),
            SessionMethod::Device => {
                let query = "SELECT d.binding_level, d.device_id FROM session s JOIN device d \
                             ON d.device_id = s.device_id WHERE s.session_id = $1";
                let query = sqlx::query_as::<_, (String, String)>(query).bind(session.id.to_string());
                let (level, id) = query.fetch_one(&mut **tx).await?;
                let (level, id) = level.parse().ok().zip(id.parse().ok()).ok_or_else(Refusal::internal)?;
                (Some(level), Some(id))
            }
            SessionMethod::Password
            | SessionMethod::DeviceApproval
            | SessionMethod::InitialPassword
            | SessionMethod::IdentityProvider
            | SessionMethod::Reset => (None, None),
        };
        Ok(Self { level, own, present: OpenedLately::check(session.created, now).ok().map(Present::LoggedIn) })
    }

    /// With what has just bound another device: card and card PIN are worth what they are at a login. Anything weaker has
    /// to wait first, and removes nothing before.
    pub(in crate::server) fn with(self, evidence: &Evidence) -> Self {
        match evidence {
            Evidence::Card(..) => Self { level: Some(BindingLevel::B3), own: None, present: Some(Present::CardSigned) },
            Evidence::Qr(_) | Evidence::Device(_) | Evidence::Chip(..) => self,
        }
    }

    /// Card and card PIN remove any device; a device removes those that were bound by evidence as weak as its own, or
    /// weaker, and so itself. Another one than itself takes a login of just now.
    pub(super) fn may_remove(&self, device: OwnDevice) -> Result<Removal, (OwnDevice, Refusal)> {
        if self.level.is_none_or(|level| level < device.level) {
            return Err((device, Refusal::new(Code::StrongerLoginNeeded).with_detail("remove")));
        }
        let is_own = self.own == Some(device.id);
        match self.present {
            _ if is_own => Ok(Removal(device)),
            Some(Present::LoggedIn(OpenedLately { .. }) | Present::CardSigned) => Ok(Removal(device)),
            None => Err((device, not_lately())),
        }
    }

    /// Card and card PIN unlock, and a device that they have bound, at a login of just now. A device that is locked has no
    /// session, so that none unlocks itself.
    pub(super) fn may_unlock(&self) -> Result<Unlocking, Refusal> {
        match (self.level, &self.present) {
            (Some(BindingLevel::B3), Some(Present::LoggedIn(OpenedLately { .. }) | Present::CardSigned)) => {
                Ok(Unlocking(()))
            }
            (Some(BindingLevel::B3), None) => Err(not_lately()),
            _ => Err(Code::StrongerLoginNeeded.into()),
        }
    }
}
