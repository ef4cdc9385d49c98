//! Kartenbund binds a computer to a person's health-insurance account with the electronic health card (eGK).
//!
//! The layers, bottom up. A module imports only modules above it in this list; `tests/layers.rs` holds that.
//!
//! | module | what it is | feature |
//! |---|---|---|
//! | [`secret`] | PINs, passwords, key bytes: wiped on drop, never printed | |
//! | `disk` | files that are whole or not there | `client` or `server` |
//! | [`chip`] | the number of a chip, and what it signs to show that it is there | |
//! | [`apdu`] | command and response APDUs, status words, TLV | |
//! | `reader` | a line to one card: PC/SC, keypads, recorded session, recorder, PACE and secure messaging | `client` |
//! | `egk` | the health card: identification, files, PIN, key, presence of the chip | `client` |
//! | [`identity`] | who the card belongs to: KVNR, insurance data, certificate | |
//! | [`pki`] | is a certificate to be trusted: the only maker of `VerifiedCertificate`, `VerifiedChip` and `VerifiedTpm` | |
//! | [`jose`] | signed JSON as gematik and we use it | |
//! | [`voprf`] | the service's share in the device PIN: blind, evaluate, finish (RFC 9497) | |
//! | `device_key` | the key of this computer, locked by the device PIN | `client` |
//! | [`protocol`] | messages and checks of both sides, no input or output | |
//! | `virtual_card` | a health card in software | `client` |
//! | `server` | the account service | `server` |
//! | `client` | talks to a service and asks the person through a trait | `client` |
//! | `ui` | sentences, terminal | `client` |
//!
//! Bytes enter at `reader`, `device_key`, `virtual_card::vpcd`, `client` and `server`; everything between is pure and
//! takes time and randomness as arguments.

pub mod apdu;
pub mod chip;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "client")]
pub mod device_key;
#[cfg(any(feature = "client", feature = "server"))]
pub mod disk;
#[cfg(feature = "client")]
pub mod egk;
pub mod identity;
pub mod jose;
pub mod pki;
pub mod protocol;
#[cfg(feature = "client")]
pub mod reader;
pub mod secret;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "client")]
pub mod ui;
#[cfg(feature = "client")]
pub mod virtual_card;
pub mod voprf;
