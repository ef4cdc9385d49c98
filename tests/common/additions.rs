//! Two computers of one person: one that the card has bound, and one that it is to add.

use std::sync::mpsc::TryRecvError;
use std::time::Duration;

use kartenbund::client::approve::{ApproveError, decide};
use kartenbund::client::register::register_by_device;
use kartenbund::protocol::api::DecisionAnswer;

use super::*;

pub const FORTNIGHT: i64 = 14 * 24 * 60 * 60;

/// What became of the new computer, and of the decision on the old one.
pub struct Added {
    pub new: Result<DeviceAnswer, RegisterError>,
    pub old: Result<DecisionAnswer, ApproveError>,
}

impl World {
    /// Two weeks later, with a session that is as open as before.
    pub fn a_fortnight_later(&self, computer: &Computer) -> Computer {
        // Long before it ends: the service forgets sessions by itself.
        self.stretch_sessions();
        relog(self, &relog(self, computer, FORTNIGHT / 2), FORTNIGHT / 2)
    }

    /// Another computer of the same person, where she has logged in.
    pub fn second_computer(&self, folder: &str) -> Computer {
        self.try_log_in(&self.folder.path().join(folder), ERIKA, PASSWORD).unwrap()
    }

    /// The new computer begins, and `old` decides; `meanwhile` happens before it does, and `afterwards` before the new one
    /// learns of it.
    pub fn add_meanwhile(
        &self,
        (old, new): (&Computer, &Computer),
        verdict: Verdict,
        strings: &Strings,
        meanwhile: impl FnOnce(),
        afterwards: impl FnOnce(),
    ) -> Added {
        let clock = &self.clock;
        let (decided, may_go_on) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let registering = scope.spawn(move || {
                let mut script = Script { strings: strings.clone(), ..Script::default() };
                let mut rounds = 0;
                // At first it waits for the nonce of the old one; then until that one has decided. Where nothing comes of
                // it, time passes.
                let mut sleep = |_: Duration| {
                    std::thread::sleep(Duration::from_millis(20));
                    if strings.is_shown() {
                        let _ = may_go_on.recv_timeout(Duration::from_secs(30));
                    }
                    rounds += u32::from(may_go_on.try_recv() == Err(TryRecvError::Disconnected));
                    if rounds > 10 {
                        clock.advance(120);
                    }
                };
                new.with(&mut script, |around| register_by_device(&new.here, &wish(), &mut sleep, around))
            });
            let mut script = Script { strings: strings.clone(), ..Script::default() };
            let approval_id = strings.approval();
            meanwhile();
            let decision = old.with(&mut script, |around| decide(&old.here, approval_id, verdict, around));
            afterwards();
            drop(decided);
            Added { new: registering.join().unwrap(), old: decision }
        })
    }

    /// The new computer begins, and `old` approves with what the new one shows.
    pub fn add(&self, old: &Computer, new: &Computer) -> Added {
        self.add_meanwhile((old, new), Verdict::Approve, &Strings::default(), || {}, || {})
    }
}

impl Added {
    /// What the new computer was told, where it was not added.
    pub fn refused(self) -> String {
        match self.new {
            Err(RegisterError::Service(ServiceError::Refused { code, .. })) => code,
            Err(RegisterError::NotApproved { expired }) => format!("not approved, expired: {expired}"),
            other => panic!("it must not be added, but: {other:?}"),
        }
    }
}
