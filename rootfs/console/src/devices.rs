//! The answer of `vigie-install devices --json` → lines. Pure.

use serde_json::Value;

use crate::status::size;

/// One line a disk; `None` when the answer is no list of disks.
pub fn lines(json: &str) -> Option<Vec<String>> {
    let answer: Value = serde_json::from_str(json).ok()?;
    let list = answer
        .as_array()
        .or_else(|| answer.get("devices")?.as_array())?;
    Some(list.iter().map(line).collect())
}

fn line(device: &Value) -> String {
    let text = |key: &str| {
        device
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or("-")
            .trim()
            .to_owned()
    };
    let bytes = ["size_bytes", "size", "bytes"]
        .iter()
        .find_map(|key| device.get(key)?.as_u64());
    let size = bytes.map_or_else(|| "-".to_owned(), size);
    format!(
        "  {:<14} {:>8}  {:<24} {}",
        text("path"),
        size,
        text("model"),
        text("serial")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let disk =
            r#"{"path":"/dev/vda","size":17179869184,"model":"QEMU HARDDISK","serial":"disk0"}"#;
        let expected = vec!["  /dev/vda          17 GB  QEMU HARDDISK            disk0".to_owned()];
        assert_eq!(lines(&format!("[{disk}]")), Some(expected.clone()));
        assert_eq!(lines(&format!("{{\"devices\":[{disk}]}}")), Some(expected));
        assert_eq!(lines("[]"), Some(vec![]));
        assert_eq!(lines("[{}]").map(|lines| lines.len()), Some(1));
        assert_eq!(lines("nonsense"), None);
    }
}
