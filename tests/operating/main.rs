//! `kartenbund-server` as an operator meets it: on the command line, behind TLS, beside a second process, when it stops.
#![cfg(all(feature = "client", feature = "server"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "../common/mod.rs"]
mod common;

mod admin;
mod audit;
mod clients;
mod command_line;
mod crash;
mod database;
mod decider;
mod decisions;
mod descriptors;
mod hotline;
mod keys;
mod letters;
mod manual;
mod newcomer;
mod notices;
mod people;
mod process;
mod processes;
mod registers;
mod reload;
mod restore;
mod stopping;
mod tls;
