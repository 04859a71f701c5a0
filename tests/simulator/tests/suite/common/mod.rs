//! A client as plain as can be: what it reads is what the server wrote.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use simulator::{Options, Simulator};

/// An answer, taken apart.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The reasons of a refusal.
    pub fn errors(&self) -> Vec<String> {
        let body = self.json();
        let list = body["errors"].as_array().cloned().unwrap_or_default();
        list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

/// A connection that is kept.
pub struct Client(pub TcpStream);

impl Client {
    /// To a URL's host and port.
    pub fn connect(url: &str) -> io::Result<Self> {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let stream = TcpStream::connect(rest.split('/').next().unwrap_or_default())?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.set_nodelay(true)?;
        Ok(Client(stream))
    }

    pub fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> io::Result<()> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        self.0.write_all(format!("{head}\r\n{body}").as_bytes())
    }

    /// Fails where the answer is not whole.
    pub fn receive(&mut self) -> io::Result<Answer> {
        let mut bytes = Vec::new();
        let mut buffer = [0; 16 * 1024];
        loop {
            let read = self.0.read(&mut buffer)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            bytes.extend_from_slice(&buffer[..read]);
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let mut head = httparse::Response::new(&mut headers);
            let httparse::Status::Complete(start) = head.parse(&bytes).map_err(io::Error::other)? else {
                continue;
            };
            let mut answer = Answer {
                status: head.code.unwrap_or_default(),
                headers: head
                    .headers
                    .iter()
                    .map(|header| (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned()))
                    .collect(),
                body: Vec::new(),
            };
            let length: usize = match answer.header("Content-Length") {
                Some(length) => length.parse().map_err(io::Error::other)?,
                None if answer.status == 204 => 0,
                None => return Err(io::Error::other("no Content-Length")),
            };
            let mut body = bytes[start..].to_vec();
            let here = body.len();
            body.resize(length, 0);
            self.0.read_exact(&mut body[here.min(length)..])?;
            answer.body = body;
            return Ok(answer);
        }
    }
}

/// A client of the API with the valid token.
pub struct Api {
    pub client: Client,
    pub token: String,
}

impl Api {
    pub fn of(simulator: &Simulator) -> Self {
        Api {
            client: Client::connect(&simulator.api_url()).expect("the server listens"),
            token: simulator.token().to_owned(),
        }
    }

    pub fn try_ask(&mut self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Answer> {
        let text = body.map(Value::to_string).unwrap_or_default();
        let headers = [("X-Auth-Token", self.token.as_str()), ("Content-Type", "application/json")];
        self.client.send(method, path, &headers, &text)?;
        self.client.receive()
    }

    pub fn ask(&mut self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.try_ask(method, path, body).expect("an answer")
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, None)
    }

    pub fn create(&mut self, body: &Value) -> Answer {
        self.ask("POST", &devices(), Some(body))
    }

    /// Orders a machine, and returns its id.
    pub fn created(&mut self) -> String {
        let answer = self.create(&order());
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    pub fn act(&mut self, id: &str, action: &str) -> Answer {
        self.ask("POST", &format!("/devices/{id}/actions"), Some(&json!({"type": action})))
    }

    pub fn state(&mut self, id: &str) -> String {
        let answer = self.get(&format!("/devices/{id}"));
        if answer.status == 200 {
            answer.json()["state"].as_str().expect("a state").to_owned()
        } else {
            answer.status.to_string()
        }
    }

    /// Looks until the machine is in this state, for five seconds at most.
    pub fn until(&mut self, id: &str, state: &str) {
        wait(state, || self.state(id) == state);
    }
}

/// Waits until it holds, for five seconds at most.
pub fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{what} does not come");
}

/// The path of the project's devices.
pub fn devices() -> String {
    format!("/projects/{}/devices", simulator::PROJECT)
}

/// An order that is accepted.
pub fn order() -> Value {
    json!({
        "facility": "ams1",
        "plan": "baremetal_0",
        "operating_system": "centos_7",
        "hostname": "centos-host",
        "tags": ["OpenNebula", "ONE_HOST_ID=7"],
    })
}

pub fn start(options: Options) -> Simulator {
    Simulator::start(options).expect("free ports")
}

/// A simulator with the default options, and a client of its API.
pub fn ready() -> (Simulator, Api) {
    let simulator = start(Options::default());
    let api = Api::of(&simulator);
    (simulator, api)
}

/// Writes a script of the shell, to be run. Another process writes it: a descriptor of ours that is open for writing
/// could be inherited by what another test starts at that moment, and a file that anyone writes cannot be run.
pub fn write_script(path: &Path, body: &str) {
    let mut install = Command::new("install")
        .args(["-m", "755", "/dev/stdin"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("install");
    let text = format!("#!/bin/sh\n{body}\n");
    let mut pipe = install.stdin.take().expect("its input");
    pipe.write_all(text.as_bytes()).expect("written");
    drop(pipe);
    assert!(install.wait().expect("its end").success());
}

/// A file of the recordings.
pub fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
