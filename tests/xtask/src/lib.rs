//! The checks of the house, shared by `cargo xtask` and by `tests/tests/house.rs`.
//!
//! Reading order: [`repo`] (the files as values), [`tidy`] (the list of checks), then one module per check.
//! A check is a function from the files to its findings, so that its own tests can hand it bad files.

pub mod changelog;
pub mod commands;
pub mod deps;
pub mod floors;
pub mod links;
pub mod mutants;
pub mod names;
pub mod pages;
pub mod purity;
pub mod repo;
pub mod run;
pub mod scenarios;
pub mod sizes;
pub mod source;
pub mod stack;
pub mod tcp;
pub mod tidy;
pub mod xeps;
