//! What may be typed about cards.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{CardArgs, PinArgs};

#[derive(Subcommand)]
pub(crate) enum CardCommand {
    #[command(subcommand)]
    Pin(PinCommand),
    Genuine {
        #[command(flatten)]
        card: CardArgs,
        #[arg(long, value_name = "FILE", required = true)]
        cvc_root: Vec<PathBuf>,
    },
}

#[derive(Subcommand)]
pub(crate) enum PinCommand {
    Status(CardArgs),
    Change {
        #[command(flatten)]
        card: CardArgs,
        #[command(flatten)]
        pin: PinArgs,
        #[arg(long)]
        allow_last_try: bool,
        #[arg(long)]
        no_keypad: bool,
    },
    Unblock {
        #[command(flatten)]
        card: CardArgs,
        #[command(flatten)]
        pin: PinArgs,
        #[arg(long)]
        keep_pin: bool,
        #[arg(long)]
        no_keypad: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum VirtualCardCommand {
    New(NewCardArgs),
    Run {
        #[arg(value_name = "IMAGE")]
        card_image: PathBuf,
        #[arg(long)]
        contactless: bool,
        #[arg(long, value_name = "FILE")]
        scenario: Option<PathBuf>,
        #[arg(long, value_name = "HOST:PORT", default_value = DEFAULT_VPCD)]
        vpcd: String,
    },
}

/// Where vsmartcard-vpcd listens unless it is told otherwise.
pub(crate) const DEFAULT_VPCD: &str = "127.0.0.1:35963";

#[derive(Args)]
pub(crate) struct NewCardArgs {
    #[arg(long)]
    pub(crate) kvnr: String,
    #[arg(long)]
    pub(crate) name: String,
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) birth_date: Option<String>,
    #[arg(long, value_enum, ignore_case = true)]
    pub(crate) sex: Option<Sex>,
    #[arg(long, value_name = "IK")]
    pub(crate) payer_ik: Option<String>,
    #[arg(long, value_name = "NAME")]
    pub(crate) payer_name: Option<String>,
    #[arg(long)]
    pub(crate) rsa: bool,
    #[arg(long, value_name = "NUMBER")]
    pub(crate) iccsn: Option<String>,
    #[arg(long, value_name = "YYYY-MM-DD", requires = "not_after")]
    pub(crate) not_before: Option<String>,
    #[arg(long, value_name = "YYYY-MM-DD", requires = "not_before")]
    pub(crate) not_after: Option<String>,
}

/// As the insurance data have it.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Sex {
    M,
    W,
    X,
    D,
}
