//! `/etc/vigie-initrd.conf`: the modules that are loaded at every boot.
//!
//! One module per line, `NAME [parameter=value ...]`, `#` begins a comment.

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// The name, with `_` for `-`.
    pub name: String,
    /// Its parameters, as the kernel takes them.
    pub parameters: String,
}

/// Reads the file's text. There is nothing in it that could be wrong: a name
/// that no module has is found out when it is loaded.
pub fn parse(text: &str) -> Vec<Module> {
    text.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<Module> {
    let text = line.split('#').next().unwrap_or_default().trim();
    let (name, parameters) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (!name.is_empty()).then(|| Module {
        name: name.replace('-', "_"),
        parameters: parameters.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        for (text, want) in [
            ("", vec![]),
            ("# all\n\n  \n", vec![]),
            ("dm-verity", vec![("dm_verity", "")]),
            (
                "loop max_loop=0  x=1 # few\n\tisofs\r\n",
                vec![("loop", "max_loop=0  x=1"), ("isofs", "")],
            ),
        ] {
            let got = parse(text);
            let got: Vec<_> = got
                .iter()
                .map(|m| (m.name.as_str(), m.parameters.as_str()))
                .collect();
            assert_eq!(got, want, "{text:?}");
        }
    }
}
