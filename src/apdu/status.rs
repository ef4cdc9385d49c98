use std::fmt;

/// Status word SW1‖SW2 of a response (ISO/IEC 7816-4, 5.6; gemSpec_COS, 16.2). Unknown words survive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StatusWord(pub u16);

impl StatusWord {
    /// `9000`: done.
    pub const OK: Self = Self(0x9000);
    /// `6281`: data read, but their checksum is wrong.
    pub const CORRUPT_DATA: Self = Self(0x6281);
    /// `6282`: the end of the file came before as many bytes as asked for; the data are valid.
    pub const END_OF_FILE: Self = Self(0x6282);
    /// `6283`: selected, but the file is deactivated.
    pub const FILE_DEACTIVATED: Self = Self(0x6283);
    /// `62C1`: the PIN is still a transport PIN.
    pub const TRANSPORT_PIN: Self = Self(0x62C1);
    /// `62C7`: no PIN has been set yet (Leer-PIN).
    pub const EMPTY_PIN: Self = Self(0x62C7);
    /// `62D0`: the PIN is switched off.
    pub const PIN_DISABLED: Self = Self(0x62D0);
    /// `6300`: the card does not accept what was to prove something.
    pub const AUTHENTICATION_FAILED: Self = Self(0x6300);
    /// `6700`: a length in the command is wrong or not supported.
    pub const WRONG_LENGTH: Self = Self(0x6700);
    /// `6981`: the command does not fit the type of the file.
    pub const WRONG_FILE_TYPE: Self = Self(0x6981);
    /// `6982`: an access rule is not met.
    pub const SECURITY_STATUS_NOT_SATISFIED: Self = Self(0x6982);
    /// `6983`: the PIN is blocked.
    pub const BLOCKED: Self = Self(0x6983);
    /// `6985`: the conditions of use are not met.
    pub const CONDITIONS_NOT_SATISFIED: Self = Self(0x6985);
    /// `6986`: no elementary file is selected.
    pub const NO_CURRENT_EF: Self = Self(0x6986);
    /// `6A80`: the data field is wrong.
    pub const WRONG_DATA: Self = Self(0x6A80);
    /// `6A81`: the function is not supported.
    pub const FUNCTION_NOT_SUPPORTED: Self = Self(0x6A81);
    /// `6A82`: no such file or application.
    pub const FILE_NOT_FOUND: Self = Self(0x6A82);
    /// `6A86`: P1 or P2 is wrong.
    pub const WRONG_P1_P2: Self = Self(0x6A86);
    /// `6A88`: no such key or password.
    pub const REFERENCE_NOT_FOUND: Self = Self(0x6A88);
    /// `6B00`: the offset lies behind the end of the file.
    pub const OFFSET_TOO_BIG: Self = Self(0x6B00);
    /// `6D00`: the instruction is unknown.
    pub const INS_NOT_SUPPORTED: Self = Self(0x6D00);
    /// `6E00`: the class is unknown.
    pub const CLA_NOT_SUPPORTED: Self = Self(0x6E00);

    /// `63Cx`: `tries` more wrong PINs until it is blocked (0 to 15).
    pub const fn wrong_pin(tries: u8) -> Self {
        Self(0x63C0 | (tries & 0x0F) as u16)
    }

    /// Tries left after a wrong PIN, or now: the `x` of `63Cx`.
    pub const fn tries_left(self) -> Option<u8> {
        match self.0 {
            0x63C0..=0x63CF => Some((self.0 & 0x0F) as u8),
            _ => None,
        }
    }

    /// Whether the command was carried out.
    pub fn is_ok(self) -> bool {
        self == Self::OK
    }
}

impl fmt::Display for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

impl fmt::Debug for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
