//! How many devices of an account are used at a time (`docs/protocol.md`, devices).

use super::authority::Authority;
use super::{Act, OwnDevice, acts};
use crate::protocol::DeviceId;
use crate::server::Service;
use crate::server::account::Account;
use crate::server::http::{Code, Refusal};
use crate::server::states::{DeviceState, Event, States as _};
use crate::server::store::Tx;

/// Devices of an account that are active, or wait to be.
const MAX_DEVICES: usize = 5;

/// The account has room for one more device that is active or waits, once those are gone whose place it takes. Only what
/// counts them makes one, in the transaction that uses it.
#[must_use]
pub(in crate::server) struct Room {
    leaving: Vec<OwnDevice>,
}

impl Room {
    /// For another device, in the place of these.
    pub(in crate::server) async fn for_new(
        tx: &mut Tx,
        account: &Account,
        leaving: Vec<OwnDevice>,
    ) -> Result<Self, Refusal> {
        let ids: Vec<_> = leaving.iter().map(|device| device.id).collect();
        check(tx, account, &ids).await?;
        Ok(Self { leaving })
    }

    /// For a device that is there already, and is to be active again.
    pub(in crate::server) async fn for_known(tx: &mut Tx, account: &Account, id: DeviceId) -> Result<Self, Refusal> {
        check(tx, account, &[id]).await?;
        Ok(Self { leaving: Vec::new() })
    }

    /// Those leave whose place was taken: removed where that may be, else locked, which any session may.
    pub(in crate::server) async fn make(
        self,
        service: &Service,
        tx: &mut Tx,
        account: &Account,
        authority: &Authority,
    ) -> Result<(), Refusal> {
        for device in self.leaving {
            let act = match authority.may_remove(device) {
                Ok(removal) => Act::Remove(removal),
                Err((device, _)) if device.state.after(Event::DeviceLocked).is_some() => Act::Lock(device),
                Err(_) => continue, // neither active nor waiting
            };
            acts(service, tx, account, act).await?;
        }
        Ok(())
    }
}

/// The account has fewer such devices than it may, but for these.
async fn check(tx: &mut Tx, account: &Account, but: &[DeviceId]) -> Result<(), Refusal> {
    let devices = OwnDevice::all(tx, account).await?;
    let counts = |device: &&OwnDevice| {
        matches!(device.state, DeviceState::Active | DeviceState::PendingWait) && !but.contains(&device.id)
    };
    if devices.iter().filter(counts).count() < MAX_DEVICES { Ok(()) } else { Err(Code::TooManyDevices.into()) }
}
