use bytes::Bytes;

/// The JSON of an email, to be read.
#[derive(Debug, Clone, Copy)]
pub struct Json<'j> {
    pub(in crate::email) text: &'j [u8],
    memory: Option<&'j Bytes>,
    pub(super) line_ends: LineEnds,
}

/// What the line ends of a long body become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineEnds {
    AsTheyAre,
    Crlf,
}

impl<'j> Json<'j> {
    /// The JSON of an email that is about to be sent, and is read with as few copies as can be. Its files share the memory of the
    /// JSON, and line ends may become CRLF, as a message has them, in `text` and `html`.
    #[must_use]
    pub fn to_send(json: &'j Bytes) -> Self {
        Self { text: json, memory: Some(json), line_ends: LineEnds::Crlf }
    }

    /// A part of the text.
    pub(super) fn part(self, part: &[u8]) -> Bytes {
        self.memory.map_or_else(|| Bytes::copy_from_slice(part), |memory| memory.slice_ref(part))
    }
}

impl<'j> From<&'j [u8]> for Json<'j> {
    fn from(text: &'j [u8]) -> Self {
        Self { text, memory: None, line_ends: LineEnds::AsTheyAre }
    }
}
