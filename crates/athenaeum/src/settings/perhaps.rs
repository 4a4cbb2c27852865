//! An address, or none: `off`, or nothing at all.

use std::net::SocketAddr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

const OFF: &str = "off";

pub(super) fn serialize<S: Serializer>(addr: &Option<SocketAddr>, serializer: S) -> Result<S::Ok, S::Error> {
    match addr {
        Some(addr) => addr.serialize(serializer),
        None => OFF.serialize(serializer),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() || text == OFF {
        return Ok(None);
    }
    let wrong = |_| D::Error::custom(format!("'{text}' is no address such as 127.0.0.1:7879, or off"));
    text.parse().map(Some).map_err(wrong)
}
