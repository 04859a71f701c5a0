//! What is given to be checked: the XML of a host, or a provision template. What it holds decides, not what it is called.

use std::path::Path;

use anyhow::Result;

use crate::opennebula::deployment_file;

/// How a file says that it is in UTF-8.
const MARK: &[u8] = &[0xef, 0xbb, 0xbf];

/// What a file holds, or STDIN.
pub(super) struct Given<'a> {
    /// The file, if it is one.
    pub(super) path: Option<&'a Path>,
    pub(super) bytes: Vec<u8>,
}

impl<'a> Given<'a> {
    /// Reads the file `name`, or STDIN where that is `-`.
    pub(super) fn read(name: &'a str) -> Result<Self> {
        if name == "-" {
            return Ok(Self { path: None, bytes: deployment_file::read_stdin_alone()? });
        }
        let path = Path::new(name);
        Ok(Self { path: Some(path), bytes: deployment_file::read_bytes(path)? })
    }

    /// Whether it is XML: YAML that begins like this has no names with values.
    pub(super) fn is_xml(&self) -> bool {
        let text = self.bytes.strip_prefix(MARK).unwrap_or(&self.bytes);
        text.trim_ascii_start().starts_with(b"<")
    }

    /// What it is called, if it is such a file.
    pub(super) fn name(&self, kind: &str) -> String {
        match self.path {
            Some(path) => format!("the {kind} {}", path.display()),
            None => "STDIN".to_owned(),
        }
    }
}
