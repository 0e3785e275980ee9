//! How texts of the server and shared bytes stand in CBOR.
//!
//! Each module is named in a `#[cbor(with = "..")]`.

/// Shared bytes, as a byte string.
pub(super) mod octets {
    use bytes::Bytes;
    use minicbor::decode::Error;
    use minicbor::encode::Write;
    use minicbor::{Decoder, Encoder};

    pub(in crate::replica) fn encode<C, W: Write>(
        value: &Bytes,
        out: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        out.bytes(value)?.ok()
    }

    pub(in crate::replica) fn decode<C>(input: &mut Decoder<'_>, _: &mut C) -> Result<Bytes, Error> {
        Ok(Bytes::copy_from_slice(input.bytes()?))
    }
}

/// Shared bytes, or null.
pub(super) mod octets_maybe {
    use bytes::Bytes;
    use minicbor::data::Type;
    use minicbor::decode::Error;
    use minicbor::encode::Write;
    use minicbor::{Decoder, Encoder};

    #[expect(clippy::ref_option, reason = "what the derived code calls")]
    pub(in crate::replica) fn encode<C, W: Write>(
        value: &Option<Bytes>,
        out: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        match value {
            Some(value) => out.bytes(value)?.ok(),
            None => out.null()?.ok(),
        }
    }

    pub(in crate::replica) fn decode<C>(input: &mut Decoder<'_>, cx: &mut C) -> Result<Option<Bytes>, Error> {
        if input.datatype()? == Type::Null {
            return input.null().map(|()| None);
        }
        super::octets::decode(input, cx).map(Some)
    }
}

/// An address, as its text.
pub(super) mod address {
    use minicbor::decode::Error;
    use minicbor::encode::Write;
    use minicbor::{Decoder, Encoder};

    use crate::jid::Jid;

    pub(in crate::replica) fn encode<C, W: Write>(
        value: &Jid,
        out: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        out.str(value.as_str())?.ok()
    }

    pub(in crate::replica) fn decode<C>(input: &mut Decoder<'_>, _: &mut C) -> Result<Jid, Error> {
        let at = input.position();
        Jid::parse(input.str()?).map_err(|_| Error::message("no address").at(at))
    }
}

/// Addresses, as their texts.
pub(super) mod addresses {
    use minicbor::decode::Error;
    use minicbor::encode::Write;
    use minicbor::{Decoder, Encoder};

    use crate::jid::Jid;

    pub(in crate::replica) fn encode<C, W: Write>(
        value: &[Jid],
        out: &mut Encoder<W>,
        cx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        out.array(value.len() as u64)?;
        value.iter().try_for_each(|jid| super::address::encode(jid, out, cx))
    }

    pub(in crate::replica) fn decode<C>(input: &mut Decoder<'_>, cx: &mut C) -> Result<Vec<Jid>, Error> {
        let count = input.array()?.ok_or_else(|| Error::message("a list without a length"))?;
        (0..count).map(|_| super::address::decode(input, cx)).collect()
    }
}
