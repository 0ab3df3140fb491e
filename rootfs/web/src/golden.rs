//! Pages as files, for tests: `tests/golden/NAME.html`; `VIGIE_BLESS=1` writes them.

use std::path::Path;

use crate::page::STYLE;
use crate::scripts;

/// The page is the one that is kept; style and scripts have files of their own. What is put into the
/// pages of tests has markup in it, of which nothing may be left.
pub fn page(name: &str, page: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.html"));
    let page = page.replace(STYLE, "");
    let page = scripts::ALL
        .iter()
        .fold(page, |page, script| page.replace(script, ""));
    if std::env::var_os("VIGIE_BLESS").is_some() {
        std::fs::write(&file, &page).expect("written");
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(page, expected, "{}", file.display());
    for markup in ["<b>", "<i>", "<hall>"] {
        assert!(!page.contains(markup), "{name}: {markup}");
    }
    accessible(name, &page);
}

/// What a screen reader and the security policy ask of every page.
fn accessible(name: &str, page: &str) {
    assert!(
        !page.contains(" style=") && !page.contains(" onclick="),
        "{name}"
    );
    let values = |before: &str| -> Vec<String> {
        let parts = page.split(before).skip(1);
        parts
            .map(|part| part.split('"').next().unwrap_or_default().to_owned())
            .collect()
    };
    let ids = values(" id=\"");
    for (number, id) in ids.iter().enumerate() {
        assert!(!ids[..number].contains(id), "{name}: {id} twice");
    }
    for attribute in [" for=\"", " aria-describedby=\"", " aria-labelledby=\""] {
        for id in values(attribute).iter().flat_map(|list| list.split(' ')) {
            assert!(ids.iter().any(|other| other == id), "{name}: no {id}");
        }
    }
    let labelled = values(" for=\"");
    for kind in ["<input", "<select", "<textarea"] {
        for field in page.split(kind).skip(1) {
            let field = field.split('>').next().unwrap_or_default();
            let id = field
                .split(" id=\"")
                .nth(1)
                .and_then(|id| id.split('"').next());
            let has_label = id.is_some_and(|id| labelled.iter().any(|other| other == id));
            // What the browser does not render, nobody meets.
            let hidden = field.contains("type=\"hidden\"") || field.ends_with(" hidden readonly");
            let good = has_label || hidden || field.contains("aria-label");
            assert!(good, "{name}: no label for {kind}{field}");
        }
    }
    for form in page.split("<form method=\"post\"").skip(1) {
        let form = form.split("</form>").next().unwrap_or_default();
        let free = form.contains("action=\"/language\"");
        assert!(free || form.contains("name=\"csrf\""), "{name}: {form}");
    }
}
