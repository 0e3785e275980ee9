//! The context a stream works in.

use crate::config::Config;
use crate::entropy::Entropy;
use crate::exchange::FromStream;

/// What a stream may know and do while it handles something.
#[derive(Debug)]
pub(crate) struct StreamCx<'a> {
    /// The configuration.
    pub(crate) config: &'a Config,
    /// The generators.
    pub(crate) entropy: &'a mut Entropy,
    /// Keys the answers to unknown users.
    pub(crate) decoy_secret: &'a [u8],
    /// What the stream wants, in order.
    pub(crate) out: &'a mut Vec<FromStream>,
}
