//! The stories of the stack. Each is played with several seeds, and twice with each.

#![cfg(madsim)]

mod crash;
mod login;
mod slow;
mod stop;
mod tls;
