//! `kartenbund-server`: the account service an insurer runs.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this program speaks to operators and scripts")]

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use kartenbund::identity::kvnr::{Ik, Kvnr};
use kartenbund::pki::{AnchorError, Anchors, ProductionAnchors, TestAnchors};
use kartenbund::secret::SecretText;
use kartenbund::server::{ImportError, ServerError, Service, Settings};
use thiserror::Error;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// The account service: devices bound by the health card, and approvals they sign.
#[derive(Parser)]
#[command(name = "kartenbund-server", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Answers requests until SIGTERM or Ctrl+C
    Run(Box<RunArgs>),
    /// Accounts
    #[command(subcommand)]
    Account(AccountCommand),
}

#[derive(Subcommand)]
enum AccountCommand {
    /// Imports members from a CSV file and prints their initial passwords, once
    Import {
        /// CSV with the columns kvnr, given_name, family_name, birth_date, street, house_number, postal_code, city,
        /// country, membership_start; dates as YYYY-MM-DD
        file: PathBuf,
        #[command(flatten)]
        data: DataArgs,
    },
}

#[derive(Args)]
struct DataArgs {
    /// Folder of the database and the service's keys
    #[arg(long, value_name = "DIR", default_value = "kartenbund-data", env = "KARTENBUND_DATA")]
    data: PathBuf,
}

#[derive(Args)]
struct RunArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Address to listen on: loopback only, since TLS is the job of a proxy in this version
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8470", env = "KARTENBUND_LISTEN")]
    listen: SocketAddr,
    /// The URL people use; the service's name in everything that is signed. It must never change
    #[arg(long, value_name = "URL", env = "KARTENBUND_ISSUER")]
    issuer: Option<String>,
    /// The insurer's name, as people know it
    #[arg(long, value_name = "NAME", default_value = "Kartenbund", env = "KARTENBUND_INSURER")]
    insurer: String,
    /// Number of an insurer whose cards are accepted (IK, nine digits); may be repeated
    #[arg(long = "payer-ik", value_name = "IK", env = "KARTENBUND_PAYER_IKS", value_delimiter = ',')]
    payer_iks: Vec<Ik>,
    /// CA of real health cards (PEM); may be repeated
    #[arg(long = "anchor", value_name = "PEM", conflicts_with = "test_anchors")]
    anchors: Vec<PathBuf>,
    /// CA of test cards (PEM); may be repeated. Never for real people
    #[arg(long = "test-anchor", value_name = "PEM")]
    test_anchors: Vec<PathBuf>,
}

/// Why the program ends with an error.
#[derive(Debug, Error)]
enum Failure {
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] std::io::Error),
    #[error("{0} cannot be read")]
    File(PathBuf, #[source] std::io::Error),
    #[error("{0}: {1}")]
    Anchor(PathBuf, AnchorError),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error("{0} rows were not imported")]
    Rejected(usize),
    #[error("the operating system refuses")]
    System(#[from] std::io::Error),
}

impl Failure {
    /// Stable code, exit code, and what to do next.
    fn remedy(&self) -> (&'static str, u8, &'static str) {
        match self {
            Self::Server(ServerError::NotLoopback(_)) => {
                ("not_loopback", 10, "listen on 127.0.0.1 or [::1], and put a proxy with TLS before it")
            }
            Self::Server(ServerError::Database(_) | ServerError::Migration(_)) => {
                ("database", 11, "check the folder behind --data, its rights and the free space")
            }
            Self::Server(ServerError::File(_) | ServerError::Keys(_)) => (
                "keys",
                12,
                "restore service-keys.json from the backup; without it nobody's client accepts the service",
            ),
            Self::Listen(..) => ("listen", 13, "choose another address with --listen, or stop what uses it"),
            Self::File(..) => ("file", 14, "check the path and its rights"),
            Self::Anchor(_, AnchorError::TestCa) => {
                ("test_ca", 15, "a test CA belongs behind --test-anchor, and never to a service for real people")
            }
            Self::Anchor(..) => ("anchor", 16, "name a PEM file with certificates of eGK CAs"),
            Self::Import(_) => ("import", 17, "mend it and import the same file again: what is there is left alone"),
            Self::Rejected(_) => ("rejected_rows", 18, "mend the rows above and import the same file again"),
            Self::System(_) => ("system", 19, "see the cause above"),
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = tokio::runtime::Runtime::new().map_err(Failure::from).and_then(|runtime| match cli.command {
        Command::Run(args) => runtime.block_on(run(*args)),
        Command::Account(AccountCommand::Import { file, data }) => runtime.block_on(import(&file, data.data)),
    });
    match result {
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

async fn run(args: RunArgs) -> Result<(), Failure> {
    // First of all: an address that is refused leaves no folder, no key and no open socket behind.
    if !args.listen.ip().is_loopback() {
        return Err(ServerError::NotLoopback(args.listen).into());
    }
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).init();
    let listener = TcpListener::bind(args.listen).await.map_err(|error| Failure::Listen(args.listen, error))?;
    let address = listener.local_addr()?;
    let issuer = args.issuer.unwrap_or_else(|| format!("http://{address}"));
    let mut settings = Settings::new(args.data.data, issuer.trim_end_matches('/'));
    settings.insurer.name = args.insurer;
    settings.payer_iks = args.payer_iks;
    settings.anchors = anchors(&args.anchors, &args.test_anchors)?;
    if settings.anchors.issuers().is_empty() {
        tracing::warn!("no --anchor and no --test-anchor: no health card will be accepted");
    }
    if settings.payer_iks.is_empty() {
        tracing::warn!("no --payer-ik: the cards of no insurer will be accepted");
    }
    if settings.anchors.accept_test_cards() {
        tracing::warn!("test cards are accepted: this service is not for real people");
    }
    let service = Service::open(settings, Arc::new(OffsetDateTime::now_utc)).await?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        tracing::info!("stopping: requests that run come to their end");
    };
    // Scripts wait for this line: from here on requests are answered.
    println!("listening on http://{address}");
    Ok(service.serve(listener, stop).await?)
}

fn anchors(production: &[PathBuf], test: &[PathBuf]) -> Result<Box<dyn Anchors>, Failure> {
    let read = |path: &Path| std::fs::read(path).map_err(|error| Failure::File(path.to_owned(), error));
    if test.is_empty() {
        let mut anchors = ProductionAnchors::default();
        for path in production {
            anchors.add_pem(&read(path)?).map_err(|error| Failure::Anchor(path.clone(), error))?;
        }
        return Ok(Box::new(anchors));
    }
    let mut anchors = TestAnchors::default();
    for path in test {
        anchors.add_pem(&read(path)?).map_err(|error| Failure::Anchor(path.clone(), error))?;
    }
    Ok(Box::new(anchors))
}

async fn import(path: &Path, data: PathBuf) -> Result<(), Failure> {
    let file = File::open(path).map_err(|error| Failure::File(path.to_owned(), error))?;
    let service = Service::open(Settings::new(data, ""), Arc::new(OffsetDateTime::now_utc)).await?;
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
