//! Member ids: a prefix that a person recognises, and randomness that nobody guesses.

/// `PREFIX-` and 128 random bits in the form of a UUID, as Kafka makes them.
pub(crate) fn member_id(prefix: &str) -> String {
    let hex = format!("{:032x}", rand::random::<u128>());
    format!("{prefix}-{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_begin_with_their_prefix() {
        let (a, b) = (member_id("me"), member_id("me"));
        assert!(a != b && a.starts_with("me-") && a.len() == 3 + 36, "{a} {b}");
    }
}
