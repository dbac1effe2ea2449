//! A nameserver that knows a few records (RFC 1035).

use std::{
    net::{SocketAddr, UdpSocket},
    thread,
};

const TXT: u16 = 16;
const MX: u16 = 15;

/// Answers for these names: a text, or an exchange for `MX`. It ends with the process.
pub(crate) fn start(records: &'static [(&'static str, &'static str, &'static str)]) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut request = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut request) {
            socket.send_to(&answer(&request[..length], records), from).unwrap();
        }
    });
    address
}

fn answer(request: &[u8], records: &[(&str, &str, &str)]) -> Vec<u8> {
    let (mut labels, mut place) = (Vec::new(), 12);
    while request[place] > 0 {
        let length = usize::from(request[place]);
        labels.push(String::from_utf8_lossy(&request[place + 1..=place + length]).to_lowercase());
        place += length + 1;
    }
    let kind = u16::from_be_bytes([request[place + 1], request[place + 2]]);
    let name = labels.join(".");
    let wanted = match kind {
        TXT => "TXT",
        MX => "MX",
        _ => "",
    };
    let found: Vec<_> = records.iter().filter(|(of, kind, _)| *of == name && *kind == wanted).collect();
    let is_known = records.iter().any(|(of, ..)| *of == name);
    // The id; an authoritative answer, that the name does not exist if so; one question.
    let mut answer = request[..2].to_vec();
    answer.extend([0x84, if is_known { 0x80 } else { 0x83 }, 0, 1, 0, u8::try_from(found.len()).unwrap(), 0, 0, 0, 0]);
    answer.extend(&request[12..place + 5]);
    for (_, _, value) in found {
        let mut data = Vec::new();
        if kind == MX {
            data.extend([0, 10]);
            for label in value.split('.') {
                data.push(u8::try_from(label.len()).unwrap());
                data.extend(label.bytes());
            }
            data.push(0);
        } else {
            data.push(u8::try_from(value.len()).unwrap());
            data.extend(value.bytes());
        }
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 60]);
        answer.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        answer.extend(data);
    }
    answer
}
