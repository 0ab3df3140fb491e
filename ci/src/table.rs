//! A table of measurements.

use std::fmt;
use std::time::Duration;

/// A measured quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A time.
    Time(Duration),
    /// A size in bytes.
    Bytes(u64),
    /// Bytes in a second.
    Speed(f64),
    /// So many in a second.
    Rate(f64),
    /// Hundredths of something.
    Percent(f64),
}

impl Value {
    fn number(self) -> f64 {
        match self {
            Value::Time(time) => time.as_secs_f64(),
            Value::Bytes(bytes) => bytes as f64,
            Value::Speed(number) | Value::Rate(number) | Value::Percent(number) => number,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Time(time) if *time < Duration::from_secs(1) => {
                write!(f, "{} ms", time.as_millis())
            }
            Value::Time(time) => write!(f, "{:.1} s", time.as_secs_f64()),
            Value::Bytes(bytes) if *bytes < 1_000_000 => {
                write!(f, "{:.1} kB", *bytes as f64 / 1e3)
            }
            Value::Bytes(bytes) => write!(f, "{:.1} MB", *bytes as f64 / 1e6),
            Value::Speed(speed) => write!(f, "{:.0} MB/s", speed / 1e6),
            Value::Rate(rate) => write!(f, "{rate:.0} /s"),
            Value::Percent(percent) => write!(f, "{percent:.2} %"),
        }
    }
}

/// What a measured quantity must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// This or less.
    AtMost(Value),
    /// This or more.
    AtLeast(Value),
    /// This share of the reference, or more.
    Share(f64),
}

impl Target {
    fn is_met(self, measured: Value, ratio: Option<f64>) -> bool {
        match self {
            Target::AtMost(value) => measured.number() <= value.number(),
            Target::AtLeast(value) => measured.number() >= value.number(),
            Target::Share(share) => ratio.is_some_and(|ratio| ratio >= share),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::AtMost(value) => write!(f, "<= {value}"),
            Target::AtLeast(value) => write!(f, ">= {value}"),
            Target::Share(share) => write!(f, "ratio >= {share:.2}"),
        }
    }
}

/// One measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// What came out.
    pub measured: Value,
    /// What it must be.
    pub target: Option<Target>,
    /// The same on this host at this time for something known; takes the host's speed out.
    pub reference: Option<Value>,
}

impl Row {
    /// A measurement without target or reference.
    pub fn new(what: impl Into<String>, measured: Value) -> Row {
        Row {
            what: what.into(),
            measured,
            target: None,
            reference: None,
        }
    }

    /// It may be this at most.
    pub fn at_most(mut self, target: Value) -> Row {
        self.target = Some(Target::AtMost(target));
        self
    }

    /// It must be this at least.
    pub fn at_least(mut self, target: Value) -> Row {
        self.target = Some(Target::AtLeast(target));
        self
    }

    /// It must be this share of the reference at least.
    pub fn at_least_share(mut self, share: f64) -> Row {
        self.target = Some(Target::Share(share));
        self
    }

    /// Compared with this.
    pub fn against(mut self, reference: Value) -> Row {
        self.reference = Some(reference);
        self
    }

    fn cells(&self) -> [String; 6] {
        let ratio = self.reference.filter(|reference| reference.number() > 0.0);
        let ratio = ratio.map(|reference| self.measured.number() / reference.number());
        let verdict = match self.target {
            None => "-",
            Some(target) if target.is_met(self.measured, ratio) => "met",
            Some(_) => "MISSED",
        };
        [
            self.what.clone(),
            self.measured.to_string(),
            or_dash(self.target.as_ref()),
            verdict.to_owned(),
            or_dash(self.reference.as_ref()),
            ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}")),
        ]
    }
}

const HEAD: [&str; 6] = ["what", "measured", "target", "", "reference", "ratio"];

fn or_dash(value: Option<&impl fmt::Display>) -> String {
    value.map_or("-".to_owned(), ToString::to_string)
}

/// The table as aligned text (Markdown, so that it can go into a README as it is).
pub fn print(rows: &[Row]) -> String {
    let mut cells = vec![HEAD.map(str::to_owned)];
    cells.extend(rows.iter().map(Row::cells));
    let widths: [usize; 6] = std::array::from_fn(|column| {
        let lengths = cells.iter().map(|row| row[column].chars().count());
        lengths.max().unwrap_or_default().max(3)
    });
    let rule = widths.map(|width| "-".repeat(width));
    cells.insert(1, rule);
    cells.iter().map(|row| line(row, &widths)).collect()
}

fn line(row: &[String; 6], widths: &[usize; 6]) -> String {
    let cell = |(column, text): (usize, &String)| {
        let width = widths[column];
        // Words to the left, numbers to the right.
        match column {
            0 | 3 => format!("| {text:width$} "),
            _ => format!("| {text:>width$} "),
        }
    };
    let cells: String = row.iter().enumerate().map(cell).collect();
    format!("{cells}|\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_and_judges() {
        let seconds = |seconds| Value::Time(Duration::from_secs(seconds));
        let rows = [
            Row::new("medium", Value::Bytes(221_000_000)).at_most(Value::Bytes(220_000_000)),
            Row::new("health", seconds(40))
                .at_most(seconds(45))
                .against(seconds(8)),
            Row::new("nothing", seconds(1)).against(seconds(0)),
            Row::new("writing", Value::Speed(8.5e8))
                .at_least_share(0.85)
                .against(Value::Speed(1e9)),
            Row::new("plans", Value::Rate(9999.0)).at_least(Value::Rate(1e4)),
            Row::new("read", Value::Bytes(16_384)).at_most(Value::Bytes(65_536)),
            Row::new("part", Value::Percent(1.234)).at_most(Value::Percent(1.0)),
        ];
        let expected = "\
| what    | measured |        target |        | reference | ratio |
| ------- | -------- | ------------- | ------ | --------- | ----- |
| medium  | 221.0 MB |   <= 220.0 MB | MISSED |         - |     - |
| health  |   40.0 s |     <= 45.0 s | met    |     8.0 s |  5.00 |
| nothing |    1.0 s |             - | -      |      0 ms |     - |
| writing | 850 MB/s | ratio >= 0.85 | met    | 1000 MB/s |  0.85 |
| plans   |  9999 /s |   >= 10000 /s | MISSED |         - |     - |
| read    |  16.4 kB |    <= 65.5 kB | met    |         - |     - |
| part    |   1.23 % |     <= 1.00 % | MISSED |         - |     - |
";
        assert_eq!(print(&rows), expected);
    }
}
