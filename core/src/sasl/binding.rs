//! What ties an authentication to its TLS connection.
//!
//! Implements: RFC 9266, section 2; RFC 5929, section 4; XEP-0440 1.0.0, section 2. Complete.
//!
//! `tls-unique`, the default of RFC 5802, does not exist in TLS 1.3 and is not held: a client that asks for it fails.

use crate::io::TlsInfo;

const EXPORTER: &str = "tls-exporter";
const SERVER_END_POINT: &str = "tls-server-end-point";

/// Returns the names of the channel bindings of a connection, strongest first (XEP-0440).
pub fn binding_types(tls: &TlsInfo) -> Vec<&'static str> {
    [EXPORTER, SERVER_END_POINT].into_iter().filter(|name| binding_data(tls, name).is_some()).collect()
}

/// Returns the data of the channel binding of that name, where the connection has it.
pub(super) fn binding_data<'a>(tls: &'a TlsInfo, name: &str) -> Option<&'a [u8]> {
    match name {
        EXPORTER => tls.exporter.as_ref().map(<[u8; 32]>::as_slice),
        SERVER_END_POINT => tls.server_end_point.as_deref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_are_those_that_tls_gave() {
        let end_point = Some(bytes::Bytes::from_static(b"hash"));
        let exporter = Some([7; 32]);
        let types =
            |exporter, server_end_point| binding_types(&TlsInfo { exporter, server_end_point, peer: None });
        assert_eq!(types(None, None), Vec::<&str>::new());
        assert_eq!(types(exporter, None), [EXPORTER]);
        assert_eq!(types(None, end_point.clone()), [SERVER_END_POINT]);
        assert_eq!(types(exporter, end_point), [EXPORTER, SERVER_END_POINT]);
        assert_eq!(binding_data(&TlsInfo::default(), "tls-unique"), None);
    }
}
