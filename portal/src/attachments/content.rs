//! What a file is, judged by its content alone: what it is called and what the browser says of it is somebody's word. Pure.

/// What may be handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// PDF.
    Pdf,
    /// OFD (GB/T 33190), the national format of fixed pages.
    Ofd,
    /// A text of Word or WPS, without macros.
    Docx,
    /// A table of Excel or WPS, without macros.
    Xlsx,
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
}

impl Content {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Pdf,
        Self::Ofd,
        Self::Docx,
        Self::Xlsx,
        Self::Png,
        Self::Jpeg,
    ];

    /// What content is; nothing where it is none of these.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        for (begins, content) in [
            (&b"%PDF-"[..], Self::Pdf),
            (b"\x89PNG\r\n\x1a\n", Self::Png),
            (b"\xff\xd8\xff", Self::Jpeg),
        ] {
            if bytes.starts_with(begins) {
                return Some(content);
            }
        }
        let entries = entries(bytes)?;
        let has = |name: &[u8]| entries.contains(&name);
        // Macros run at whoever decides.
        if entries.iter().any(|name| name.ends_with(b"vbaProject.bin")) {
            return None;
        }
        if has(b"OFD.xml") {
            Some(Self::Ofd)
        } else if has(b"word/document.xml") {
            Some(Self::Docx)
        } else {
            has(b"xl/workbook.xml").then_some(Self::Xlsx)
        }
    }

    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Ofd => "application/ofd",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
        }
    }

    /// How names of it end.
    #[must_use]
    pub const fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Pdf => &["pdf"],
            Self::Ofd => &["ofd"],
            Self::Docx => &["docx"],
            Self::Xlsx => &["xlsx"],
            Self::Png => &["png"],
            Self::Jpeg => &["jpg", "jpeg"],
        }
    }

    /// Whether a name ends as such files do.
    #[must_use]
    pub fn is_called(self, name: &str) -> bool {
        let ending = name.rsplit_once('.').map(|(_, ending)| ending);
        ending.is_some_and(|ending| {
            let ending = ending.to_ascii_lowercase();
            self.endings().contains(&ending.as_str())
        })
    }
}

/// How names of files may end, as the field of a form says it to a browser.
#[must_use]
pub fn accepted() -> String {
    let endings = Content::ALL.into_iter().flat_map(Content::endings);
    endings
        .map(|ending| format!(".{ending}"))
        .collect::<Vec<_>>()
        .join(",")
}

/// The longest comment at the end of an archive, and the record before it.
const TAIL: usize = 65_535 + 22;

/// The names in an archive's central directory; nothing where it is no archive, or is cut off.
fn entries(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    if !bytes.starts_with(b"PK\x03\x04") {
        return None;
    }
    let tail = bytes.len().saturating_sub(TAIL);
    let end = bytes[tail..]
        .windows(4)
        .rposition(|four| four == b"PK\x05\x06")?;
    let end = bytes.get(tail + end..)?;
    end.get(..22)?;
    let count = short(end, 10)?;
    let from: [u8; 4] = end.get(16..20)?.try_into().ok()?;
    let mut from = usize::try_from(u32::from_le_bytes(from)).ok()?;
    let mut names = Vec::new();
    for _ in 0..count {
        let head = bytes.get(from..)?;
        if !head.starts_with(b"PK\x01\x02") {
            return None;
        }
        let (name, extra, comment) = (short(head, 28)?, short(head, 30)?, short(head, 32)?);
        names.push(head.get(46..46 + name)?);
        from += 46 + name + extra + comment;
    }
    Some(names)
}

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    let two: [u8; 2] = bytes.get(at..at + 2)?.try_into().ok()?;
    Some(u16::from_le_bytes(two).into())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An archive of empty entries.
    pub(crate) fn archive(names: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut directory = Vec::new();
        for name in names {
            let length = u16::try_from(name.len()).unwrap().to_le_bytes();
            let at = u32::try_from(bytes.len()).unwrap().to_le_bytes();
            bytes.extend([b"PK\x03\x04".as_slice(), &[0; 22], &length, &[0; 2]].concat());
            bytes.extend(name.as_bytes());
            directory.extend([b"PK\x01\x02".as_slice(), &[0; 24], &length, &[0; 12], &at].concat());
            directory.extend(name.as_bytes());
        }
        let count = u16::try_from(names.len()).unwrap().to_le_bytes();
        let size = u32::try_from(directory.len()).unwrap().to_le_bytes();
        let at = u32::try_from(bytes.len()).unwrap().to_le_bytes();
        bytes.extend(directory);
        bytes.extend(
            [
                b"PK\x05\x06".as_slice(),
                &[0; 4],
                &count,
                &count,
                &size,
                &at,
                &[0; 2],
            ]
            .concat(),
        );
        bytes
    }

    #[test]
    fn a_file_is_what_its_content_is() {
        for (bytes, content) in [
            (b"%PDF-1.7\n".to_vec(), Some(Content::Pdf)),
            (b"\x89PNG\r\n\x1a\n....".to_vec(), Some(Content::Png)),
            (b"\xff\xd8\xff\xe0JFIF".to_vec(), Some(Content::Jpeg)),
            (
                archive(&["OFD.xml", "Doc_0/Document.xml"]),
                Some(Content::Ofd),
            ),
            (
                archive(&["[Content_Types].xml", "word/document.xml"]),
                Some(Content::Docx),
            ),
            (archive(&["xl/workbook.xml"]), Some(Content::Xlsx)),
            (archive(&["word/document.xml", "word/vbaProject.bin"]), None),
            (archive(&["a.exe"]), None),
            (b"MZ\x90\0".to_vec(), None),
            (b"<html>".to_vec(), None),
            (b"PK\x03\x04".to_vec(), None),
            (Vec::new(), None),
        ] {
            assert_eq!(Content::of(&bytes), content, "{:?}", bytes.get(..8));
        }
    }

    /// Whatever is cut off or turned about: it is judged, and nothing falls over.
    #[test]
    fn no_cut_and_no_flipped_byte_is_taken_for_something_else() {
        let whole = archive(&["[Content_Types].xml", "word/document.xml"]);
        for cut in 0..whole.len() {
            assert_eq!(Content::of(&whole[..cut]), None, "{cut}");
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] = !bytes[at];
            assert!(
                matches!(Content::of(&bytes), None | Some(Content::Docx)),
                "{at}"
            );
        }
    }

    #[test]
    fn a_name_ends_as_its_content_is() {
        assert!(Content::Pdf.is_called("批复.PDF") && Content::Jpeg.is_called("a.b.jpeg"));
        assert!(!Content::Pdf.is_called("pdf") && !Content::Pdf.is_called("a.pdf.exe"));
        assert_eq!(accepted(), ".pdf,.ofd,.docx,.xlsx,.png,.jpg,.jpeg");
    }
}
