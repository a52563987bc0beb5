//! What is served: each API with its versions. ApiVersions answers exactly this, and nothing else reaches a handler.
//! The table is ours, not the codec's: that one knows unstable versions and APIs that nobody implements here. Minimums are
//! those of Kafka 4 (KIP-896), maximums the newest that is implemented whole.

use kafka_protocol::messages::ApiKey;

/// An API, its first version and its last.
pub(crate) type Served = (ApiKey, i16, i16);

/// Everything that is served, by key.
pub(crate) const SERVED: &[Served] = &[(ApiKey::Metadata, 0, 13), (ApiKey::ApiVersions, 0, 4)];

/// The versions of this API; none when it is not served.
pub(crate) fn versions(key: ApiKey) -> Option<(i16, i16)> {
    SERVED.iter().find(|(served, _, _)| *served == key).map(|(_, min, max)| (*min, *max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_rise_and_versions_are_ranges() {
        assert!(SERVED.is_sorted_by_key(|(key, _, _)| *key as i16));
        assert!(SERVED.windows(2).all(|pair| pair[0].0 != pair[1].0));
        assert!(SERVED.iter().all(|(_, min, max)| 0 <= *min && min <= max));
    }
}
