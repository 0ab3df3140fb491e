//! One table laid over another, key by key; every value keeps its place in the text.

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use vigie_settings::line_at;

/// Lays `over` over `base`: tables key by key, anything else (lists too) takes the place of what
/// was there.
pub fn lay_over<'a>(base: &mut DeTable<'a>, over: DeTable<'a>) {
    for (key, value) in over {
        let below = base.get_mut(key.get_ref().as_ref());
        if let Some(DeValue::Table(below)) = below.map(Spanned::get_mut)
            && value.get_ref().is_table()
        {
            if let DeValue::Table(value) = value.into_inner() {
                lay_over(below, value);
            }
            continue;
        }
        // Removed first: inserting alone would keep the place of the old key.
        base.remove(key.get_ref().as_ref());
        base.insert(key, value);
    }
}

/// The line of the deepest part of `path` (`data[1].serial`) that is in the tree; none where
/// nothing of it is.
pub fn line_of(text: &str, tree: &DeTable<'_>, path: &str) -> Option<usize> {
    let mut steps = path
        .split(['.', '['])
        .map(|step| step.trim_end_matches(']'));
    let first = steps.next()?;
    let (key, mut value) = tree.get_key_value(first)?;
    // A table's own place is its header, which for "a.b" is that of b.
    let mut at = match value.get_ref() {
        DeValue::Table(_) => value.span().start,
        _ => key.span().start,
    };
    for step in steps {
        let next = match (value.get_ref(), step.parse::<usize>()) {
            (DeValue::Array(list), Ok(number)) => list.get(number),
            (DeValue::Table(table), _) => table.get(step),
            _ => None,
        };
        let Some(next) = next else { break };
        (at, value) = (next.span().start, next);
    }
    Some(line_at(text, at))
}
