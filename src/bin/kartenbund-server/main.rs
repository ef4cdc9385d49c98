//! `kartenbund-server`: the account service an insurer runs.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this program speaks to operators and scripts")]

mod failure;
mod run;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use kartenbund::identity::kvnr::Kvnr;
use kartenbund::secret::SecretText;
use kartenbund::server::{Config, ServerError, Service};
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
    /// Accounts
    #[command(subcommand)]
    Account(AccountCommand),
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Prints a configuration with every setting, its default or an example, and its meaning
    Example,
    /// Checks the configuration, with the files and variables it names, and changes nothing
    Check,
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
enum AccountCommand {
    /// Imports members from a CSV file and prints their initial passwords, once
    Import {
        /// CSV with the columns kvnr, given_name, family_name, birth_date, street, house_number, postal_code, city,
        /// country, membership_start; dates as YYYY-MM-DD
        file: PathBuf,
    },
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
        Command::Run => runtime.block_on(run::run(config()?)),
        Command::Config(ConfigCommand::Example) => Ok(std::io::stdout().write_all(Config::example().as_bytes())?),
        Command::Config(ConfigCommand::Check) => config().map(|_| println!("the configuration is good")),
        Command::Database(DatabaseCommand::Migrate) => runtime.block_on(migrate(config()?)),
        Command::Database(DatabaseCommand::Backup { file }) => {
            runtime.block_on(Service::back_up(&config()?.settings, &file)).map_err(|error| match error {
                ServerError::File(error) => Failure::File(file, error),
                error => error.into(),
            })
        }
        Command::Account(AccountCommand::Import { file }) => runtime.block_on(import(config()?, &file)),
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

async fn migrate(config: Config) -> Result<(), Failure> {
    Service::open(config.settings, Arc::new(OffsetDateTime::now_utc)).await?.close().await;
    println!("the database is up to date");
    Ok(())
}

async fn import(config: Config, path: &Path) -> Result<(), Failure> {
    let file = File::open(path).map_err(|error| Failure::File(path.to_owned(), error))?;
    let service = Service::open(config.settings, Arc::new(OffsetDateTime::now_utc)).await?;
    let mut out = std::io::stdout();
    writeln!(out, "kvnr,initial_password")?;
    let hand_out = |kvnr: &Kvnr, password: &SecretText| {
        writeln!(out, "{},{}", kvnr.as_str(), password.expose())?;
        out.flush()
    };
    let report = service.import(file, hand_out).await?;
    eprintln!("imported: {}", report.imported);
    for (line, rejected) in &report.rejected {
        eprintln!("line {line}: {rejected}");
    }
    if report.rejected.is_empty() { Ok(()) } else { Err(Failure::Rejected(report.rejected.len())) }
}
