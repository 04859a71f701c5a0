//! One request to a provider, before it has an address and credentials.

use serde_json::Value;

use crate::http::client::Method;
use crate::report::secret::Secret;

/// One request.
pub struct Call<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) shown: &'a str,
    pub(super) headers: Vec<(&'a str, &'a str)>,
    pub(super) body: Option<(&'static str, String)>,
    pub(super) wants: Option<&'a str>,
    pub(super) is_order: bool,
    pub(super) is_open: bool,
}

impl<'a> Call<'a> {
    fn new(method: Method, path: &'a str) -> Self {
        Self {
            method,
            path,
            shown: path,
            headers: Vec::new(),
            body: None,
            wants: None,
            is_order: false,
            is_open: false,
        }
    }

    /// A look. A `path` that begins with `http` is a whole address, for an API that stands elsewhere.
    pub fn get(path: &'a str) -> Self {
        Self::new(Method::Get, path)
    }

    /// What is put in the place of another.
    pub fn put(path: &'a str) -> Self {
        Self::new(Method::Put, path)
    }

    /// A change of a part.
    pub fn patch(path: &'a str) -> Self {
        Self::new(Method::Patch, path)
    }

    /// An act.
    pub fn post(path: &'a str) -> Self {
        Self::new(Method::Post, path)
    }

    /// A deletion.
    pub fn delete(path: &'a str) -> Self {
        Self::new(Method::Delete, path)
    }

    /// An order: it may take longer.
    pub fn order(path: &'a str) -> Self {
        Self { is_order: true, ..Self::new(Method::Post, path) }
    }

    /// The same, told as this path in errors and in the log: without secrets.
    pub fn shown(self, shown: &'a str) -> Self {
        Self { shown, ..self }
    }

    /// The same with JSON.
    pub fn json(mut self, body: &Value) -> Self {
        self.body = Some(("application/json", body.to_string()));
        self
    }

    /// The same with a form.
    pub fn form(mut self, body: String) -> Self {
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        self.body = Some((kind, body));
        self
    }

    /// The same with a header.
    pub fn header(mut self, name: &'a str, value: &'a str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The same with the header that lets us in, if there is one.
    pub fn with(self, credential: &'a Option<(&'static str, Secret)>) -> Self {
        match credential {
            Some((name, value)) => self.header(name, value.expose()),
            None => self,
        }
    }

    /// The same, of whose answer this header is wanted.
    pub fn wanting(self, name: &'a str) -> Self {
        Self { wants: Some(name), ..self }
    }

    /// The same without credentials: it fetches them.
    pub fn open(self) -> Self {
        Self { is_open: true, ..self }
    }
}
