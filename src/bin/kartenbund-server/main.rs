//! `kartenbund-server`: the account service an insurer runs.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this program speaks to operators and scripts")]

mod audit;
mod failure;
mod jobs;
mod run;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use kartenbund::identity::kvnr::Kvnr;
use kartenbund::jose::{JwkSet, Thumbprint};
use kartenbund::protocol::api::NoticeLanguage;
use kartenbund::server::{Config, RollStep, ServerError, Service, Settings, Texts, rotate_pepper, rotate_token_key};
use time::OffsetDateTime;

use failure::Failure;

/// The account service: devices bound by the health card, and approvals they sign.
#[derive(Parser)]
#[command(name = "kartenbund-server", version)]
struct Cli {
    /// The configuration, a TOML file: `kartenbund-server config example` prints one with every setting
    #[arg(long, value_name = "FILE", env = "KARTENBUND_CONFIG", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Answers requests until SIGTERM or Ctrl+C
    Run,
    /// The configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// The database
    #[command(subcommand)]
    Database(DatabaseCommand),
    /// The service's keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// The register of members
    #[command(subcommand)]
    Register(RegisterCommand),
    /// Letters to members
    #[command(subcommand)]
    Letters(LettersCommand),
    /// The audit
    #[command(subcommand)]
    Audit(AuditCommand),
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Prints a configuration with every setting, its default or an example, and its meaning
    Example,
    /// Checks the configuration, with the files and variables it names, and changes nothing
    Check,
    /// Prints what letters and notices say: a file to begin with for the section `texts`
    Texts {
        /// de or en
        language: NoticeLanguage,
    },
}

#[derive(Subcommand)]
enum DatabaseCommand {
    /// Makes the database and the keys where there are none, and brings the database up to date; `run` does it, too
    Migrate,
    /// Copies a database in SQLite into a new file, while the service may run; PostgreSQL has pg_dump
    Backup {
        /// The file to make
        file: PathBuf,
    },
}

#[derive(Subcommand)]
enum KeysCommand {
    /// Adds a key that is used from now on in place of the one before, which stays for what was made with it
    Rotate {
        /// token: while the service runs, nobody is logged out; pepper (of passwords): while no process runs
        kind: KeyKind,
    },
    /// Takes a step from the key that signs configuration, challenges, receipts and the audit to the next one. The service may
    /// run. Clients learn the new key while both are listed: let months pass before the last step
    Roll {
        /// announce: makes the new key; activate: it signs from now on; retire: the old one is erased
        step: Step,
    },
    /// Revokes keys that somebody may have stolen: they are not handed out any more as ones that verify
    Revoke {
        /// This retired key
        #[arg(value_name = "THUMBPRINT", value_parser = thumbprint, allow_hyphen_values = true, required_unless_present = "all")]
        former: Option<Thumbprint>,
        /// Every key whose private key is in the key file. A new one signs at once, every client has to pin it anew, everybody is
        /// logged out. Stop all processes before, and hand the file on
        #[arg(long, conflicts_with = "former")]
        all: bool,
    },
    /// Prints the public keys that verify what the service has signed, as a JWK Set: the one that signs first. Their thumbprints
    /// are told on standard error, and those of revoked ones, which are not in the set
    Show,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Step {
    Announce,
    Activate,
    Retire,
}

impl From<Step> for RollStep {
    fn from(step: Step) -> Self {
        match step {
            Step::Announce => Self::Announce,
            Step::Activate => Self::Activate,
            Step::Retire => Self::Retire,
        }
    }
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum KeyKind {
    Token,
    Pepper,
}

#[derive(Subcommand)]
enum RegisterCommand {
    /// Imports members from a CSV file: who is new gets an account, and what the register has changed is changed here.
    /// The same file can be imported again
    Import {
        /// CSV with the columns kvnr, given_name, family_name, birth_date, street, house_number, postal_code, city,
        /// country, membership_start, and where wanted membership_end, password_hash and email; dates as YYYY-MM-DD
        file: PathBuf,
    },
}

#[derive(Subcommand)]
enum LettersCommand {
    /// Makes the letters that are ordered, and those to new members, and puts them into the outbox
    Create,
    /// Orders a letter with an initial password for one member
    Order {
        /// Insurance number
        kvnr: Kvnr,
        /// A letter with a code to register a device with, instead
        #[arg(long)]
        device_code: bool,
    },
}

#[derive(Subcommand)]
enum AuditCommand {
    /// Checks that the audit is whole: every entry follows the one before, and nothing the service has signed says
    /// otherwise. The service may run meanwhile
    Verify(VerifyArgs),
}

#[derive(clap::Args)]
struct VerifyArgs {
    /// Heads and receipts that were handed out: a saved /.well-known/kartenbund-audit, evidence, or any text they stand in
    #[arg(long, value_name = "FILE")]
    against: Vec<PathBuf>,
    /// Lines of the operators' endpoint for the audit, in place of the database
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Public keys of the service (JWK or JWK Set; may be repeated), one of which has signed what stands in --against; needed
    /// with --file
    #[arg(long, value_name = "JWK", requires = "file")]
    service_key: Vec<PathBuf>,
}

fn main() -> ExitCode {
    match carry_out(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let (code, exit_code, remedy) = failure.remedy();
            eprintln!("{failure}");
            let mut source = std::error::Error::source(&failure);
            while let Some(cause) = source {
                eprintln!("  because: {cause}");
                source = cause.source();
            }
            eprintln!("next: {remedy}\ncode: {code} ({exit_code})");
            ExitCode::from(exit_code)
        }
    }
}

fn carry_out(cli: Cli) -> Result<(), Failure> {
    let config = || Config::read(cli.config.as_deref().ok_or(Failure::NoConfig)?, &variable).map_err(Failure::from);
    let runtime = tokio::runtime::Runtime::new()?;
    match cli.command {
        Command::Run => runtime.block_on(run::run(config()?, config)),
        Command::Config(ConfigCommand::Example) => Ok(std::io::stdout().write_all(Config::example().as_bytes())?),
        Command::Config(ConfigCommand::Check) => config().map(|config| {
            config.warnings().iter().for_each(|warning| eprintln!("warning: {warning}"));
            println!("the configuration is good");
        }),
        Command::Config(ConfigCommand::Texts { language }) => {
            Ok(std::io::stdout().write_all(Texts::example(language).as_bytes())?)
        }
        Command::Database(DatabaseCommand::Migrate) => runtime.block_on(migrate(config()?)),
        Command::Database(DatabaseCommand::Backup { file }) => {
            runtime.block_on(Service::back_up(&config()?.settings, &file)).map_err(|error| match error {
                ServerError::File(error) => Failure::File(file, error),
                error => error.into(),
            })
        }
        Command::Keys(KeysCommand::Rotate { kind }) => rotate(&config()?.settings, kind),
        Command::Keys(KeysCommand::Roll { step }) => runtime.block_on(jobs::roll(config()?, step.into())),
        Command::Keys(KeysCommand::Revoke { former, all: _ }) => runtime.block_on(jobs::revoke(config()?, former)),
        Command::Keys(KeysCommand::Show) => show_keys(&config()?.settings),
        Command::Register(RegisterCommand::Import { file }) => runtime.block_on(jobs::import(config()?, &file)),
        Command::Audit(AuditCommand::Verify(VerifyArgs { against, file: Some(file), service_key })) => {
            audit::verify_file(&file, &against, &service_key)
        }
        Command::Audit(AuditCommand::Verify(VerifyArgs { against, file: None, .. })) => {
            runtime.block_on(audit::verify_database(&config()?.settings, &against))
        }
        Command::Letters(LettersCommand::Create) => runtime.block_on(jobs::create_letters(config()?)),
        Command::Letters(LettersCommand::Order { kvnr, device_code }) => {
            runtime.block_on(jobs::order_letter(config()?, &kvnr, device_code))
        }
    }
}

fn thumbprint(text: &str) -> Result<Thumbprint, &'static str> {
    Thumbprint::parse(text).ok_or("not 43 characters of base64url")
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

async fn migrate(config: Config) -> Result<(), Failure> {
    Service::open(config.settings, Arc::new(OffsetDateTime::now_utc)).await?.close().await;
    println!("the database is up to date");
    Ok(())
}

/// What goes to standard output can be handed out as it is.
fn show_keys(settings: &Settings) -> Result<(), Failure> {
    let keys = Service::public_keys(settings)?;
    jobs::print_keys(&keys, &mut std::io::stderr())?;
    let set = serde_json::to_string(&JwkSet { keys: keys.believed() }).map_err(std::io::Error::from)?;
    println!("{set}");
    Ok(())
}

fn rotate(settings: &Settings, kind: KeyKind) -> Result<(), Failure> {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    match kind {
        KeyKind::Token => rotate_token_key(&settings.data, settings.sessions.longest(), now)?,
        KeyKind::Pepper => rotate_pepper(&settings.data)?,
    }
    println!("the new key is in service-keys.json: back it up");
    Ok(())
}
