//! The client against a server written by hand.

mod kept;
mod line;
mod resumption;
