//! Reads the layouts of `table.rs`. None for a text that is no layout.

use super::{Field, Kind};

/// The fields of a whole request.
pub(super) fn fields(text: &str) -> Option<Vec<Field>> {
    let mut words = text.split_whitespace();
    let (fields, closed) = until_end(&mut words)?;
    (!closed).then_some(fields)
}

/// Fields up to a closing brace or the end of the text; which of the two it was.
fn until_end<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<(Vec<Field>, bool)> {
    let mut fields = Vec::new();
    while let Some(word) = words.next() {
        if word == "}" {
            return Some((fields, true));
        }
        let (name, kind) = word.split_once(':')?;
        let kind = kind_of(kind, words)?;
        let (name, tag) = match name.split_once('#') {
            Some((name, tag)) => (name, Some(tag.parse().ok()?)),
            None => (name, None),
        };
        let (from, to) = versions(name.split_once('@').map(|(_, versions)| versions))?;
        fields.push(Field { from, to, tag, kind });
    }
    Some((fields, false))
}

fn kind_of<'a>(text: &str, words: &mut impl Iterator<Item = &'a str>) -> Option<Kind> {
    let mut inner = |text: &str| match text {
        "s" => Some(Kind::Text),
        "b" => Some(Kind::Bytes),
        "{" | "?{" => {
            let (fields, closed) = until_end(words)?;
            let kind = if text == "{" { Kind::Struct(fields) } else { Kind::Maybe(fields) };
            closed.then_some(kind)
        }
        number => number.parse().ok().filter(|len| *len > 0).map(Kind::Fixed),
    };
    match text.strip_prefix('[') {
        Some(item) => Some(Kind::List(Box::new(inner(item)?))),
        None => inner(text),
    }
}

fn versions(text: Option<&str>) -> Option<(i16, i16)> {
    let Some(text) = text else { return Some((0, i16::MAX)) };
    match (text.strip_suffix('+'), text.split_once('-')) {
        (Some(from), _) => Some((from.parse().ok()?, i16::MAX)),
        (None, Some((from, to))) => Some((from.parse().ok()?, to.parse().ok()?)),
        (None, None) => text.parse().ok().map(|only| (only, only)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::LAYOUTS;
    use super::*;

    #[test]
    fn every_layout_reads() {
        for (key, _, text) in LAYOUTS {
            assert!(fields(text).is_some(), "{key:?}");
        }
    }
    #[test]
    fn what_is_no_layout_is_refused() {
        for text in ["a", "a:x", "a:0", "a:{ b:4", "a:4 }", "a@x:4", "a#x:4", "a:[", "a@1-x:4"] {
            assert!(fields(text).is_none(), "{text}");
        }
    }
}
