//! Codes on a screen: who shows one, and how it gets to another computer.

use kartenbund::client::card_login::login_with_card;
use kartenbund::client::device_login::login_with_device;
use kartenbund::client::qr;
use kartenbund::protocol::qr::LetterCode;

use super::*;

/// How long a code on a screen holds, in seconds.
pub const CODE_LIFE: i64 = 10 * 60;

impl World {
    /// A person's computer that its device has logged in, which was registered with the card a fortnight ago.
    pub fn logged_in_with_device(&self) -> Computer {
        let computer = self.a_fortnight_later(&self.registered(ERIKA));
        self.log_in_with_device(&computer)
    }

    /// Logs in with the device of this computer and its PIN.
    pub fn log_in_with_device(&self, computer: &Computer) -> Computer {
        let home = computer.here.home.clone();
        computer.with(&mut Script::default(), |around| login_with_device(&home, self.remote(), around)).unwrap();
        Computer { here: login::resume(home, self.clock.of_client()).unwrap(), clock: self.clock.clone() }
    }

    /// A computer where its owner has logged in with card and card PIN.
    pub fn log_in_with_card(&self, folder: &str) -> Computer {
        let home = Home::at(self.folder.path().join(folder));
        let (clock, card) = (self.clock.clone(), card(ERIKA));
        let now = move || clock.now();
        let mut around = Surroundings { ui: &mut Script::default(), rng: &mut rng(), clock: &now };
        login_with_card(&home, &self.remote(), None, card, ApduLength::Extended, &mut around).unwrap();
        Computer { here: login::resume(home, self.clock.of_client()).unwrap(), clock: self.clock.clone() }
    }
}

impl Computer {
    /// Shows a code.
    pub fn show_code(&self) -> Result<LetterCode, ServiceError> {
        self.with(&mut Script::default(), |around| qr::draw(&self.here, around)).map(|(code, _)| code)
    }

    /// Reads what another computer shows, and registers with it.
    pub fn register_from_screen(&self, code: &LetterCode) -> Result<DeviceAnswer, RegisterError> {
        self.register_with(&LetterCode::read(&code.text(), &self.here.profile.service).unwrap())
    }
}
