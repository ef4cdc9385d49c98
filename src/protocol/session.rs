//! How a session was opened, and what follows from it.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::UnknownName;

/// How a person proved who she is when the session was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SessionMethod {
    /// Her own password.
    Password,
    /// The initial password of a letter.
    InitialPassword,
    /// Card and card PIN.
    Card,
    /// A registered device and its PIN.
    Device,
    /// A registered device has approved it, for a browser.
    DeviceApproval,
    /// The statement of an identity provider.
    IdentityProvider,
    /// A reset of the password that was approved.
    Reset,
}

impl SessionMethod {
    const ALL: [Self; 7] = [
        Self::Password,
        Self::InitialPassword,
        Self::Card,
        Self::Device,
        Self::DeviceApproval,
        Self::IdentityProvider,
        Self::Reset,
    ];

    /// The name in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::InitialPassword => "initial_password",
            Self::Card => "card",
            Self::Device => "device",
            Self::DeviceApproval => "device_approval",
            Self::IdentityProvider => "identity_provider",
            Self::Reset => "reset",
        }
    }

    /// Whether the password that holds has to be shown before another one is chosen. Card and card PIN stand in for it.
    pub fn needs_old_password(self) -> bool {
        matches!(self, Self::Password | Self::Device | Self::DeviceApproval)
    }

    /// Whether the session is a setup session: it may do nothing but choose a password.
    pub fn is_setup(self) -> bool {
        match self {
            Self::InitialPassword | Self::IdentityProvider | Self::Reset => true,
            Self::Password | Self::Card | Self::Device | Self::DeviceApproval => false,
        }
    }
}

impl FromStr for SessionMethod {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|method| method.as_str() == text).ok_or(UnknownName)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_in_the_database_and_in_json() {
        for method in SessionMethod::ALL {
            assert_eq!(method.as_str().parse(), Ok(method));
            assert_eq!(serde_json::to_value(method).unwrap(), method.as_str());
        }
    }
}
