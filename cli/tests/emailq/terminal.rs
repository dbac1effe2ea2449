//! A terminal, as a person sits before it: the program in a pseudo terminal (by `script`), and what an emulator makes of its output.

use std::{
    io::{Read, Write},
    num::NonZeroU16,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use vt100::{Color, Parser};

pub(crate) const WIDTH: u16 = 120;
pub(crate) const HEIGHT: u16 = 34;

pub(crate) struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: Arc<Mutex<Parser>>,
}

impl Terminal {
    pub(crate) fn start(url: &str, arguments: &str) -> Self {
        let line = format!("stty rows {HEIGHT} cols {WIDTH}; exec {} {arguments}", env!("CARGO_BIN_EXE_emailq"));
        let mut command = Command::new("script");
        command.args(["-qefc", &line, "/dev/null"]).env("EMAIL_QUEUE_REDIS_URL", url).env("TERM", "xterm-256color");
        command.env("TZ", "UTC").env_remove("NO_COLOR").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let screen = Arc::new(Mutex::new(Parser::new(nonzero(HEIGHT), nonzero(WIDTH), 0)));
        let (mut output, shown) = (child.stdout.take().unwrap(), Arc::clone(&screen));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut bytes) {
                shown.lock().unwrap().process(&bytes[..length]);
            }
        });
        let keys = child.stdin.take().unwrap();
        Self { child, keys, screen }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    pub(crate) fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Waits until this is on the screen.
    #[track_caller]
    pub(crate) fn wait_for(&self, wanted: &str) {
        self.wait_until(wanted, |text| text.contains(wanted));
    }

    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, is_met: impl Fn(&str) -> bool) {
        let began = Instant::now();
        while !is_met(&self.text()) {
            assert!(began.elapsed() < testkit::DEADLINE, "{what} is not on the screen:\n{}", self.text());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The exit code, when it has ended.
    pub(crate) fn end(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }

    /// The screen as a picture.
    pub(crate) fn svg(&self) -> String {
        const CELL: (u16, u16) = (8, 17);
        let parser = self.screen.lock().unwrap();
        let (width, height) = (WIDTH * CELL.0 + 16, HEIGHT * CELL.1 + 16);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"emailq top\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#16181d\"/>\n<g font-family=\"monospace\" font-size=\"13.3\">\n"
        );
        for row in 0..HEIGHT {
            let mut column = 0;
            while column < WIDTH {
                let (begin, style) = (column, style(&parser, row, column));
                let mut text = String::new();
                while column < WIDTH && self::style(&parser, row, column) == style {
                    let cell = parser.screen().cell(row, column).map(vt100::Cell::contents).unwrap_or_default();
                    text.push_str(if cell.is_empty() { " " } else { cell });
                    column += 1;
                }
                let (x, y, length) = (begin * CELL.0 + 8, row * CELL.1 + 21, (column - begin) * CELL.0);
                let (colour, is_bold, is_reversed) = style;
                if is_reversed {
                    svg += &format!(
                        "<rect x=\"{x}\" y=\"{}\" width=\"{length}\" height=\"{}\" fill=\"#3a4150\"/>\n",
                        y - 13,
                        CELL.1
                    );
                }
                if !text.trim().is_empty() {
                    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                    let weight = if is_bold { " font-weight=\"bold\"" } else { "" };
                    svg += &format!(
                        "<text x=\"{x}\" y=\"{y}\" textLength=\"{length}\" fill=\"{colour}\"{weight} xml:space=\"preserve\">{text}</text>\n"
                    );
                }
            }
        }
        svg + "</g>\n</svg>\n"
    }
}

fn style(parser: &Parser, row: u16, column: u16) -> (&'static str, bool, bool) {
    let Some(cell) = parser.screen().cell(row, column) else { return ("#d8dee9", false, false) };
    let colour = match cell.fgcolor() {
        Color::Idx(1 | 9) => "#f07178",
        Color::Idx(2 | 10) => "#a3d977",
        Color::Idx(3 | 11) => "#ffcb6b",
        _ => "#d8dee9",
    };
    (colour, cell.bold(), cell.inverse())
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

fn nonzero(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}
