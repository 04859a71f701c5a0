//! XML-RPC as oned speaks it, byte for byte as xmlrpc-c writes it.

use anyhow::{Context, Result};

use crate::xml::Element;

/// A method call.
#[derive(Debug)]
pub(crate) struct Call {
    pub method: String,
    params: Vec<Element>,
}

impl Call {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let root = Element::parse(text)?;
        let method = root.child("methodName").context("no methodName")?.text();
        let params = root
            .child("params")
            .map(|params| params.elements().filter_map(|param| param.child("value")).cloned().collect())
            .unwrap_or_default();
        Ok(Call { method, params })
    }

    /// The nth parameter as text, whatever its type. A value without a type is a string.
    pub(crate) fn text(&self, number: usize) -> Option<String> {
        let value = self.params.get(number)?;
        Some(value.elements().next().unwrap_or(value).text())
    }

    pub(crate) fn integer(&self, number: usize) -> Option<i32> {
        self.text(number)?.trim().parse().ok()
    }

    pub(crate) fn boolean(&self, number: usize) -> bool {
        self.text(number).is_some_and(|text| text.trim() == "1")
    }
}

/// What oned returns. Both forms are arrays, whose first value says which it is.
#[derive(Debug)]
pub(crate) enum Outcome {
    Success(Value),
    Failure {
        message: String,
        code: i32,
        /// The object that the failure is about, -1 for none.
        object: i32,
    },
    /// A failure as 5.8 and 5.10 tell it: in one value less.
    ShortFailure {
        message: String,
        code: i32,
        object: i32,
    },
    Fault {
        code: i32,
        message: String,
    },
}

/// What a successful call returns.
#[derive(Debug)]
pub(crate) enum Value {
    Text(String),
    Integer(i32),
}

impl Value {
    fn xml(&self) -> String {
        match self {
            Value::Text(text) => format!("<string>{}</string>", escape(text)),
            Value::Integer(number) => format!("<i4>{number}</i4>"),
        }
    }
}

impl Outcome {
    pub(crate) fn xml(&self) -> String {
        match self {
            Outcome::Success(value) => {
                array(&["<boolean>1</boolean>".to_owned(), value.xml(), "<i4>0</i4>".to_owned()])
            }
            Outcome::Failure { message, code, object } => array(&[
                "<boolean>0</boolean>".to_owned(),
                format!("<string>{}</string>", escape(message)),
                format!("<i4>{code}</i4>"),
                format!("<i4>{object}</i4>"),
                "<i8>-1</i8>".to_owned(),
            ]),
            Outcome::ShortFailure { message, code, object } => array(&[
                "<boolean>0</boolean>".to_owned(),
                format!("<string>{}</string>", escape(message)),
                format!("<i4>{code}</i4>"),
                format!("<i4>{object}</i4>"),
            ]),
            Outcome::Fault { code, message } => document(&format!(
                "<fault>\r\n<value><struct>\r\n<member><name>faultCode</name>\r\n<value><i4>{code}</i4></value></member>\r\n\
                 <member><name>faultString</name>\r\n<value><string>{}</string></value></member>\r\n</struct></value>\r\n\
                 </fault>\r\n",
                escape(message)
            )),
        }
    }
}

fn array(values: &[String]) -> String {
    let values: String = values.iter().map(|value| format!("<value>{value}</value>\r\n")).collect();
    document(&format!(
        "<params>\r\n<param><value><array><data>\r\n{values}</data></array></value></param>\r\n</params>\r\n"
    ))
}

fn document(content: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<methodResponse>\r\n{content}</methodResponse>\r\n")
}

/// As xmlrpc-c escapes: quotes and apostrophes stay.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#x0d;")
}
