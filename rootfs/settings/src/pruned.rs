//! A TOML document without some of its values: those that were refused, so that what stands behind them is read, too.

use serde_path_to_error::{Path, Segment};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// A step on the way to a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Of a table.
    Key(String),
    /// Of a list, from 0.
    Index(usize),
}

/// As serde's paths are written; `.` for the whole document.
pub fn written(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => text.extend([".", key]),
            Step::Index(at) => text.push_str(&format!("[{at}]")),
        }
    }
    match text.is_empty() {
        true => ".".to_owned(),
        false => text,
    }
}

/// Places of values that are taken away, as the whole document has them.
#[derive(Debug, Default)]
pub struct Taken(Vec<Vec<Step>>);

impl Taken {
    /// Takes away one more; false where there is nothing that could be.
    pub fn add(&mut self, path: Vec<Step>) -> bool {
        if path.is_empty() || self.0.contains(&path) {
            return false;
        }
        self.0.push(path);
        // From behind: the places of those before stay what they are.
        self.0.sort_unstable_by(|one, other| other.cmp(one));
        true
    }

    /// Whether a field of a table was taken away.
    pub fn has(&self, table: &[Step], field: &str) -> bool {
        let is_field = |step: &Step| matches!(step, Step::Key(key) if key == field);
        self.0.iter().any(|path| {
            path.split_last()
                .is_some_and(|(last, parents)| parents == table && is_field(last))
        })
    }

    /// Where a place of the document that is left is in the whole one.
    pub fn original(&self, path: &Path) -> Vec<Step> {
        let mut whole = Vec::new();
        for segment in path {
            match segment {
                Segment::Map { key } => whole.push(Step::Key(key.clone())),
                Segment::Seq { index } => {
                    let at = self.counted(&whole, *index);
                    whole.push(Step::Index(at));
                }
                // A part of a value, which is taken away as one.
                Segment::Enum { .. } | Segment::Unknown => break,
            }
        }
        whole
    }

    /// The number that the `left`-th of what is left of a list has in all of it.
    fn counted(&self, list: &[Step], left: usize) -> usize {
        let gone = |at: usize| {
            self.0
                .iter()
                .any(|path| path.split_last() == Some((&Step::Index(at), list)))
        };
        (0..).filter(|at| !gone(*at)).nth(left).unwrap_or(left)
    }

    /// Takes all of them out of the document.
    pub fn out_of(&self, document: &mut DeTable<'_>) {
        for path in &self.0 {
            if let Some((Step::Key(key), rest)) = path.split_first() {
                take(document, key, rest);
            }
        }
    }
}

fn take(table: &mut DeTable<'_>, key: &str, rest: &[Step]) {
    match rest.is_empty() {
        true => drop(table.remove(key)),
        false => {
            if let Some(value) = table.get_mut(key) {
                take_below(value, rest);
            }
        }
    }
}

fn take_below(value: &mut Spanned<DeValue<'_>>, path: &[Step]) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    match (value.get_mut(), first) {
        (DeValue::Table(table), Step::Key(key)) => take(table, key, rest),
        (DeValue::Array(list), Step::Index(at)) if rest.is_empty() => {
            let all = std::mem::replace(list, DeArray::new());
            let left = all.into_iter().enumerate();
            *list = left
                .filter_map(|(number, one)| (number != *at).then_some(one))
                .collect();
        }
        (DeValue::Array(list), Step::Index(at)) => {
            if let Some(value) = list.get_mut(*at) {
                take_below(value, rest);
            }
        }
        _ => {}
    }
}
