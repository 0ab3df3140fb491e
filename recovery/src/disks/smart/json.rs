//! Values of smartctl's answer, as far as they are of the good kind.

use serde_json::Value;

/// Texts of a disk that are longer are cut.
pub(super) const LONGEST: usize = 100;

pub(super) fn model(json: &Value) -> Option<String> {
    let names = ["/model_name", "/scsi_model_name", "/scsi_product"];
    names.into_iter().find_map(|path| text(json, path))
}

/// What smartctl says is why it cannot tell.
pub(super) fn message(json: &Value) -> Option<String> {
    let messages = json.pointer("/smartctl/messages")?.as_array()?;
    messages.iter().find_map(|one| text(one, "/string"))
}

/// A number that is none of the good kind is not there. Large ones come as text, too.
pub(super) fn number(json: &Value, path: &str) -> Option<u64> {
    let value = json.pointer(path)?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// A count that is more than nothing.
pub(super) fn some(count: Option<u64>) -> Option<u64> {
    count.filter(|count| *count > 0)
}

/// A text without what a terminal would act on.
pub(super) fn text(json: &Value, path: &str) -> Option<String> {
    let text = json.pointer(path)?.as_str()?;
    let plain: String = text
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST)
        .collect();
    let plain = plain.trim().to_owned();
    (!plain.is_empty()).then_some(plain)
}
