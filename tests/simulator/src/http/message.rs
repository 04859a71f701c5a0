//! Requests as they are read, responses as they are written.

use std::io::{self, Read, Write};

/// The longest request head that is read, in bytes.
const HEAD: usize = 64 * 1024;
/// The longest request body that is read, in bytes.
const BODY: usize = 16 * 1024 * 1024;
const HEADERS: usize = 100;
/// Content-Type of the API's answers.
pub(crate) const JSON: &str = "application/json; charset=utf-8";

/// A request, whole.
#[derive(Debug)]
pub(crate) struct Request {
    pub method: String,
    /// Path and query as they came.
    pub target: String,
    /// In their order, names as they came.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    keep_alive: bool,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Whether the client wants to ask again on this connection.
    pub(crate) fn keep_alive(&self) -> bool {
        self.keep_alive
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Reads requests off a connection, one after the other; what came too early is kept for the next.
#[derive(Debug, Default)]
pub(crate) struct Inbox(Vec<u8>);

impl Inbox {
    /// The next request, or None where the client closed the connection between two.
    pub(crate) fn read(&mut self, stream: &mut (impl Read + Write)) -> io::Result<Option<Request>> {
        let (mut request, length, head) = loop {
            if let Some(parsed) = self.head()? {
                break parsed;
            }
            if self.0.len() > HEAD {
                return Err(io::Error::other("the head of the request is too long"));
            }
            if self.fill(stream)? == 0 {
                return if self.0.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        };
        self.0.drain(..head);
        if header(&request.headers, "expect").is_some() {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        request.body = match length {
            Length::Known(length) => self.take(stream, length)?,
            Length::Chunked => self.chunks(stream)?,
        };
        Ok(Some(request))
    }

    fn fill(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        let mut buffer = [0; 8 * 1024];
        let read = stream.read(&mut buffer)?;
        self.0.extend_from_slice(&buffer[..read]);
        Ok(read)
    }

    fn fill_or_fail(&mut self, stream: &mut impl Read) -> io::Result<()> {
        match self.fill(stream)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// The head, if it is here: the request without its body, what the body's length is, the head's length.
    fn head(&self) -> io::Result<Option<(Request, Length, usize)>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(length) = parsed.parse(&self.0).map_err(io::Error::other)? else {
            return Ok(None);
        };
        let headers: Vec<_> = parsed
            .headers
            .iter()
            .map(|header| {
                let value = String::from_utf8_lossy(header.value).into_owned();
                (header.name.to_owned(), value)
            })
            .collect();
        let body = Length::of(&headers)?;
        let request = Request {
            method: parsed.method.unwrap_or_default().to_owned(),
            target: parsed.path.unwrap_or_default().to_owned(),
            keep_alive: match header(&headers, "connection") {
                Some(option) if option.eq_ignore_ascii_case("close") => false,
                Some(option) if option.eq_ignore_ascii_case("keep-alive") => true,
                _ => parsed.version == Some(1),
            },
            headers,
            body: Vec::new(),
        };
        Ok(Some((request, body, length)))
    }

    fn take(&mut self, stream: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
        if length > BODY {
            return Err(io::Error::other("the body of the request is too long"));
        }
        while self.0.len() < length {
            self.fill_or_fail(stream)?;
        }
        Ok(self.0.drain(..length).collect())
    }

    fn chunks(&mut self, stream: &mut impl Read) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let (start, size) = loop {
                match httparse::parse_chunk_size(&self.0) {
                    Ok(httparse::Status::Complete(found)) => break found,
                    Ok(httparse::Status::Partial) => self.fill_or_fail(stream)?,
                    Err(_) => return Err(io::Error::other("bad chunk size")),
                }
            };
            self.0.drain(..start);
            let size = usize::try_from(size).map_err(io::Error::other)?;
            if size.saturating_add(body.len()) > BODY {
                return Err(io::Error::other("the body of the request is too long"));
            }
            // Each chunk ends with CR LF, and so does the empty one at the end (trailers are not read).
            let chunk = self.take(stream, size + 2)?;
            body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                return Ok(body);
            }
        }
    }
}

/// How long a request's body is.
enum Length {
    Known(usize),
    Chunked,
}

impl Length {
    fn of(headers: &[(String, String)]) -> io::Result<Self> {
        let coding = header(headers, "transfer-encoding");
        if coding.is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            return Ok(Length::Chunked);
        }
        match header(headers, "content-length") {
            None => Ok(Length::Known(0)),
            Some(length) => length.trim().parse().map(Length::Known).map_err(io::Error::other),
        }
    }
}

/// An answer, without the headers that its delivery adds.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub(crate) fn empty(status: u16) -> Self {
        Response { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Response { status, headers: vec![("Content-Type".to_owned(), content_type.to_owned())], body: body.into() }
    }

    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Response::new(status, JSON, body.to_string())
    }

    /// Sets a header, in place of one of that name.
    #[must_use]
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The head as it is sent, with one header more, that says where the body ends.
    pub(crate) fn head(&self, framing: &str) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        // RFC 9110, 8.6: no Content-Length in a 204.
        if self.status != 204 {
            head.push_str(framing);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// Head and body as they are sent.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head(&format!("Content-Length: {}", self.body.len()));
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// The phrase beside a status.
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}
