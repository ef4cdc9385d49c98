//! Against data of others: gematik's card images, its test certificates and trust lists. They are no part of the
//! project: `make conformance SHARED=../shared`. And against a program of others, schemathesis, which needs none of it:
//! `make openapi`.
#![cfg(all(feature = "client", feature = "server"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../operating/process.rs"]
mod process;

mod cards;
mod certificates;
mod chips;
mod contactless;
mod openapi;
mod registration;

use std::path::PathBuf;

/// A path below the folder that `KARTENBUND_SHARED` names.
fn shared(path: &str) -> PathBuf {
    let folder = std::env::var_os("KARTENBUND_SHARED").expect("KARTENBUND_SHARED names the folder with the data");
    PathBuf::from(folder).join(path)
}
