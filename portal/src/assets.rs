//! The files that a browser gets beside the pages: embedded by `build.rs`, named by their content, kept for ever.

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use crate::error::AppError;

struct Asset {
    name: &'static str,
    file: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

mod embedded {
    use super::Asset;
    include!(concat!(env!("OUT_DIR"), "/assets.rs"));
}

/// The address of an asset by its plain name.
#[must_use]
pub fn url(name: &str) -> String {
    let file = embedded::ASSETS
        .iter()
        .find(|asset| asset.name == name)
        .map_or("missing", |asset| asset.file);
    format!("/assets/{file}")
}

/// Serves an asset.
///
/// # Errors
/// Not found, where no asset of this content exists.
pub async fn serve(Path(file): Path<String>) -> Result<Response, AppError> {
    let asset = embedded::ASSETS
        .iter()
        .find(|asset| asset.file == file)
        .ok_or(AppError::NoPage)?;
    let keep = [
        (CONTENT_TYPE, asset.kind),
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((keep, asset.bytes).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_asset_that_pages_name_is_embedded_under_its_hash() {
        for name in ["portal.css", "portal.js", "icons.svg", "mark.svg"] {
            let url = url(name);
            assert!(!url.ends_with("missing"), "{name}");
            assert_eq!(url.split('.').nth(1).map(str::len), Some(16), "{url}");
        }
    }

    #[test]
    fn every_icon_of_the_templates_is_in_the_sprite() {
        let sprite = embedded::ASSETS
            .iter()
            .find(|a| a.name == "icons.svg")
            .unwrap()
            .bytes;
        let sprite = std::str::from_utf8(sprite).unwrap();
        let templates = concat!(env!("CARGO_MANIFEST_DIR"), "/templates");
        for file in std::fs::read_dir(templates).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            for use_of in text.split("icon(\"").skip(1) {
                let name = use_of.split('"').next().unwrap();
                assert!(sprite.contains(&format!("id=\"{name}\"")), "{name}");
            }
        }
    }
}
