//! How a record is printed: parts of it and text between them. In comes a template such as `%p:%o %k %v`, out go its parts.
//! Nothing is known here of records: [`print`](super::print) fills the parts in.

/// What stands for a part of the record, for whoever got one wrong.
const PARTS: &str = "write %t topic, %p partition, %o offset, %k key, %v value, %h headers, %d date and time, %T time in milliseconds, \
                     %% a percent sign, and \\t, \\n or \\\\";

/// A piece of a printed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Topic,
    Partition,
    Offset,
    Key,
    Value,
    Headers,
    /// RFC 3339 in UTC.
    Date,
    /// Milliseconds since 1970.
    Millis,
}

/// A line as it is printed, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(pub(super) Vec<Part>);

impl Template {
    /// The value alone, behind the key where there is a separator.
    pub(super) fn of_separator(separator: Option<&str>) -> Template {
        match separator {
            Some(separator) => Template(vec![Part::Key, Part::Text(separator.to_owned()), Part::Value]),
            None => Template(vec![Part::Value]),
        }
    }
}

/// Parses a template; an error says what it may hold.
pub(super) fn template(text: &str) -> Result<Template, String> {
    let (mut parts, mut between) = (Vec::new(), String::new());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let part = match c {
            '%' => match chars.next() {
                Some('%') => {
                    between.push('%');
                    continue;
                }
                Some(letter) => part(letter).ok_or(PARTS)?,
                None => return Err(PARTS.to_owned()),
            },
            '\\' => {
                between.push(chars.next().and_then(escaped).ok_or(PARTS)?);
                continue;
            }
            plain => {
                between.push(plain);
                continue;
            }
        };
        if !between.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut between)));
        }
        parts.push(part);
    }
    if !between.is_empty() {
        parts.push(Part::Text(between));
    }
    Ok(Template(parts))
}

fn part(letter: char) -> Option<Part> {
    Some(match letter {
        't' => Part::Topic,
        'p' => Part::Partition,
        'o' => Part::Offset,
        'k' => Part::Key,
        'v' => Part::Value,
        'h' => Part::Headers,
        'd' => Part::Date,
        'T' => Part::Millis,
        _ => return None,
    })
}

fn escaped(letter: char) -> Option<char> {
    match letter {
        't' => Some('\t'),
        'n' => Some('\n'),
        '\\' => Some('\\'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_parts_and_the_text_between_them() {
        let text = |text: &str| Part::Text(text.to_owned());
        let parsed = template("%p:%o\\t100%% %k=%v\\n").unwrap();
        let expect = vec![
            Part::Partition,
            text(":"),
            Part::Offset,
            text("\t100% "),
            Part::Key,
            text("="),
            Part::Value,
            text("\n"),
        ];
        assert_eq!(parsed, Template(expect));
        assert_eq!(template("").unwrap(), Template(Vec::new()));
    }
    #[test]
    fn a_part_that_is_not_there_is_answered_with_those_there_are() {
        for wrong in ["%x", "%", "\\q", "\\"] {
            assert!(template(wrong).unwrap_err().contains("%k key"), "{wrong}");
        }
    }
}
