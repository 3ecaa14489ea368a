//! Records as bytes: for each the length of its key and of its data (32 bits, big-endian), key, data.

use anyhow::Context as _;
use bytes::Bytes;
use lake::stream::Record;

pub(crate) fn encode_records(records: &[Record]) -> Vec<u8> {
    let mut out = Vec::new();
    for record in records {
        for part in [record.partition_key.as_bytes(), &record.data] {
            out.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        }
        out.extend(record.partition_key.as_bytes());
        out.extend(&record.data);
    }
    out
}

pub(crate) fn decode_records(mut bytes: &[u8]) -> anyhow::Result<Vec<Record>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let key_bytes = length(take(&mut bytes, 4)?)?;
        let data_bytes = length(take(&mut bytes, 4)?)?;
        let key =
            std::str::from_utf8(take(&mut bytes, key_bytes)?).context("a key is not UTF-8")?;
        let data = Bytes::copy_from_slice(take(&mut bytes, data_bytes)?);
        records.push(Record { partition_key: key.to_owned(), data });
    }
    Ok(records)
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> anyhow::Result<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count).context("the records end early")?;
    *bytes = rest;
    Ok(taken)
}

fn length(bytes: &[u8]) -> anyhow::Result<usize> {
    Ok(usize::try_from(u32::from_be_bytes(bytes.try_into()?))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn records_read_back(records in proptest::collection::vec((".{0,20}", proptest::collection::vec(any::<u8>(), 0..50)), 0..20)) {
            let records: Vec<Record> = records.into_iter()
                .map(|(partition_key, data)| Record { partition_key, data: data.into() }).collect();
            prop_assert_eq!(decode_records(&encode_records(&records)).unwrap(), records);
        }

        #[test]
        fn any_bytes_are_records_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_records(&bytes);
        }
    }
}
