//! How templates are written.

use std::fs;
use std::path::Path;

use super::expression::Expression;
use super::template::Part;

/// How deep templates may include others: one that includes itself would never end.
const DEPTH: usize = 4;

/// The parts of a template; what it includes is in `folder`. Errors name the line.
pub(super) fn parts(text: &str, folder: &Path) -> Result<Vec<Part>, String> {
    read(text, folder, DEPTH)
}

fn read(text: &str, folder: &Path, depth: usize) -> Result<Vec<Part>, String> {
    let mut reader = Reader { text, at: 0, is_quoted: false, folder, depth };
    match reader.parts()? {
        (parts, None) => Ok(parts),
        (_, Some(word)) => Err(reader.error(&format!("`{word}` without a beginning"))),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Whether the text so far leaves a JSON text open.
    is_quoted: bool,
    folder: &'a Path,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn error(&self, message: &str) -> String {
        let line = self.text[..self.at].matches('\n').count() + 1;
        format!("line {line}: {message}")
    }

    /// What stands here, up to the `else` or `end` that is not its own.
    fn parts(&mut self) -> Result<(Vec<Part>, Option<&'a str>), String> {
        let mut parts = Vec::new();
        while let Some(tag) = self.tag(&mut parts)? {
            let (word, argument) = tag.split_once(' ').unwrap_or((tag, ""));
            match word {
                "end" | "else" => return Ok((parts, Some(word))),
                "include" => parts.extend(self.included(argument)?),
                "if" | "each" => {
                    let of = self.expression(argument)?;
                    parts.push(self.block(word, of)?);
                }
                _ => parts.push(Part::Value { of: self.expression(tag)?, is_quoted: self.is_quoted }),
            }
        }
        Ok((parts, None))
    }

    /// Takes the text up to the next tag, and what is in that.
    fn tag(&mut self, parts: &mut Vec<Part>) -> Result<Option<&'a str>, String> {
        let rest = &self.text[self.at..];
        let text = rest.split_once("{{").map_or(rest, |cut| cut.0);
        self.at += text.len();
        self.is_quoted ^= text.replace("\\\"", "").matches('"').count() % 2 == 1;
        if !text.is_empty() {
            parts.push(Part::Text(text.to_owned()));
        }
        let Some(rest) = self.text[self.at..].strip_prefix("{{") else {
            return Ok(None);
        };
        let (tag, _) = rest.split_once("}}").ok_or_else(|| self.error("`{{` without `}}`"))?;
        self.at += tag.len() + 4;
        Ok(Some(tag.trim()))
    }

    fn expression(&self, text: &str) -> Result<Expression, String> {
        Expression::try_from(text.to_owned()).map_err(|error| self.error(&error))
    }

    fn block(&mut self, word: &str, of: Expression) -> Result<Part, String> {
        let begun = self.error(&format!("`{word}` without an end"));
        let (body, end) = self.parts()?;
        match (word, end) {
            ("each", Some("end")) => Ok(Part::Each(of, body)),
            ("if", Some("end")) => Ok(Part::If(of, body, Vec::new())),
            ("if", Some("else")) => match self.parts()? {
                (otherwise, Some("end")) => Ok(Part::If(of, body, otherwise)),
                _ => Err(begun),
            },
            _ => Err(begun),
        }
    }

    fn included(&self, name: &str) -> Result<Vec<Part>, String> {
        let named = |error: String| self.error(&format!("{name}: {error}"));
        let deeper = self.depth.checked_sub(1);
        let depth = deeper.ok_or_else(|| named("it is included too deep".to_owned()))?;
        let text = fs::read_to_string(self.folder.join(name));
        let text = text.map_err(|error| named(error.to_string()))?;
        read(text.trim_end(), self.folder, depth).map_err(named)
    }
}
