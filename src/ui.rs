//! What people read and type: sentences in German and English, the terminal, reports.

pub mod doctor;
pub mod document;
pub mod failure;
pub mod numbers;
pub mod report;
pub mod session;
pub mod symbol;
pub mod system;
pub mod terminal;
pub mod text;
