//! Fields by their paths, as `system.hostname`, `users.anna.role` or `volumes.0.mount`, in a document
//! as a tree. Entries of a list go by their number or by their `name`.

use toml::{Table, Value};

/// No field lies deeper; a path is walked by recursion, and others choose it.
const DEEPEST: usize = 8;

/// The parts of a path; one with points in it stands in quotes: `users."j.martin".role`. Nothing
/// where it is no path.
#[must_use]
pub fn parts(path: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = path;
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (part, after) = quoted.split_once('"')?;
                (part, after)
            }
            None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
        };
        if part.is_empty() || parts.len() == DEEPEST {
            return None;
        }
        parts.push(part.to_owned());
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None if after.is_empty() => return Some(parts),
            None => return None,
        }
    }
}

/// A part as it stands in a path.
#[must_use]
pub fn quoted(part: &str) -> String {
    match part.contains('.') {
        true => format!("\"{part}\""),
        false => part.to_owned(),
    }
}

/// The field of a path.
#[must_use]
pub fn find<'a>(document: &'a Value, parts: &[String]) -> Option<&'a Value> {
    parts.iter().try_fold(document, |value, part| match value {
        Value::Table(table) => table.get(part),
        Value::Array(list) => list.get(position(list, part)?),
        _ => None,
    })
}

/// Puts a field at a path, in tables that are made where they are missing; `+` is behind the end
/// of a list. `false` where the path leads nowhere.
#[must_use]
pub fn put(document: &mut Table, parts: &[String], value: Value) -> bool {
    let Some((first, rest)) = parts.split_first() else {
        return false;
    };
    if rest.is_empty() {
        document.insert(first.clone(), value);
        return true;
    }
    let missing = match rest[0].as_str() {
        "+" => Value::Array(Vec::new()),
        _ => Value::Table(Table::new()),
    };
    put_below(
        document.entry(first.clone()).or_insert(missing),
        rest,
        value,
    )
}

fn put_below(parent: &mut Value, parts: &[String], value: Value) -> bool {
    match parent {
        Value::Table(table) => put(table, parts, value),
        Value::Array(list) => match parts {
            [part] if part == "+" => {
                list.push(value);
                true
            }
            [part, rest @ ..] => {
                let Some(at) = position(list, part) else {
                    return false;
                };
                if rest.is_empty() {
                    list[at] = value;
                    return true;
                }
                put_below(&mut list[at], rest, value)
            }
            [] => false,
        },
        _ => false,
    }
}

/// Takes the field at a path away; `false` where there is none.
#[must_use]
pub fn take(document: &mut Value, parts: &[String]) -> bool {
    let Some((part, rest)) = parts.split_first() else {
        return false;
    };
    match document {
        Value::Table(table) if rest.is_empty() => table.remove(part).is_some(),
        Value::Table(table) => table.get_mut(part).is_some_and(|value| take(value, rest)),
        Value::Array(list) => match position(list, part) {
            Some(at) if rest.is_empty() => {
                list.remove(at);
                true
            }
            Some(at) => take(&mut list[at], rest),
            None => false,
        },
        _ => false,
    }
}

fn position(list: &[Value], part: &str) -> Option<usize> {
    let named = |value: &Value| value.get("name").and_then(Value::as_str) == Some(part);
    let number = || part.parse().ok().filter(|at| *at < list.len());
    list.iter().position(named).or_else(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Value {
        toml::from_str("version = 3\n[system]\nhostname = \"a\"\n[[users]]\nname = \"j.m\"\nrole = \"viewer\"\n[[users]]\nname = \"anna\"\nrole = \"operator\"\n")
            .expect("a document")
    }

    fn at<'a>(document: &'a Value, path: &str) -> Option<&'a Value> {
        find(document, &parts(path)?)
    }

    #[test]
    fn a_path_is_no_deeper_than_a_document() {
        let deep = |parts: usize| vec!["a"; parts].join(".");
        assert_eq!(
            parts(&deep(DEEPEST)).map(|parts| parts.len()),
            Some(DEEPEST)
        );
        for too_deep in [deep(DEEPEST + 1), deep(100_000)] {
            assert_eq!(parts(&too_deep), None);
        }
    }

    #[test]
    fn paths() {
        let document = document();
        for (path, found) in [
            ("version", Some("3")),
            ("system.hostname", Some("\"a\"")),
            ("users.anna.role", Some("\"operator\"")),
            ("users.1.role", Some("\"operator\"")),
            ("users.\"j.m\".role", Some("\"viewer\"")),
            ("users.2.role", None),
            ("users.j.m.role", None),
            ("system.hostname.x", None),
            ("", None),
            (".", None),
            ("system.", None),
            ("users.\"j.m", None),
            ("users.\"j.m\"x", None),
        ] {
            let value = at(&document, path).map(ToString::to_string);
            assert_eq!(value.as_deref(), found, "{path}");
        }
        assert_eq!((quoted("a"), quoted("j.m")), ("a".into(), "\"j.m\"".into()));
    }

    #[test]
    fn fields_are_put_and_taken() {
        let mut value = document();
        let table = value.as_table_mut().expect("a table");
        for (path, done) in [
            ("system.hostname", true),
            ("registration.site", true),
            ("users.anna.role", true),
            ("users.0.language", true),
            ("users.+", true),
            ("time.ntp.+", true),
            ("users.nobody.role", false),
            ("version.x", false),
        ] {
            let parts = parts(path).expect(path);
            assert_eq!(put(table, &parts, "x".into()), done, "{path}");
        }
        for (path, gone) in [
            ("registration.site", true),
            ("registration.site", false),
            ("users.anna", true),
            ("users.anna", false),
            ("version.x", false),
        ] {
            assert_eq!(take(&mut value, &parts(path).expect(path)), gone, "{path}");
        }
        assert_eq!(at(&value, "users.\"j.m\".language"), Some(&"x".into()));
        assert_eq!(at(&value, "users.1"), Some(&"x".into()));
        assert_eq!(at(&value, "time.ntp.0"), Some(&"x".into()));
    }
}
