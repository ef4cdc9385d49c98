//! What stands in the place of a TPM in a program that was built without.

use super::{AttestationKey, AuthValue, Certified, Endorsement, TpmError, WrappedKey};
use crate::jose::P256Jwk;

/// There is none.
#[derive(Debug)]
pub enum Tpm {}

impl Tpm {
    /// # Errors
    /// [`TpmError::NotBuiltIn`].
    pub fn open(_: &str) -> Result<Self, TpmError> {
        Err(TpmError::NotBuiltIn)
    }

    /// # Errors
    /// It is never called.
    pub fn make(&mut self, _: &AuthValue) -> Result<WrappedKey, TpmError> {
        match *self {}
    }

    /// # Errors
    /// It is never called.
    pub fn check(&mut self, _: &WrappedKey) -> Result<(), TpmError> {
        match *self {}
    }

    /// # Errors
    /// It is never called.
    pub fn sign(&mut self, _: &WrappedKey, _: &AuthValue, _: &[u8]) -> Result<[u8; 64], TpmError> {
        match *self {}
    }

    /// # Errors
    /// It is never called.
    pub fn change_auth(&mut self, _: &WrappedKey, _: &AuthValue, _: &AuthValue) -> Result<WrappedKey, TpmError> {
        match *self {}
    }

    /// # Errors
    /// It is never called.
    pub fn endorsement(&mut self) -> Result<Option<Endorsement>, TpmError> {
        match *self {}
    }

    /// # Errors
    /// It is never called.
    pub fn activate(&mut self, _: &AttestationKey, _: &[u8], _: &[u8]) -> Result<Vec<u8>, TpmError> {
        match *self {}
    }

    /// # Errors
    /// It is never called.
    pub fn certify(
        &mut self,
        _: &WrappedKey,
        _: &AuthValue,
        _: &AttestationKey,
        _: &[u8; 32],
    ) -> Result<Certified, TpmError> {
        match *self {}
    }
}

impl WrappedKey {
    /// # Errors
    /// [`TpmError::NotBuiltIn`].
    pub fn public_key(&self) -> Result<P256Jwk, TpmError> {
        Err(TpmError::NotBuiltIn)
    }
}
