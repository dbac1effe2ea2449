"""What the formats of openapi.json allow, and which cases are not sent.

Without the formats hardly any email that Schemathesis makes up would be accepted.
"""

import base64

import schemathesis
from hypothesis import strategies as st

word = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12)
address = st.builds("{}@{}.example".format, word, word)
name = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters='"\\'), max_size=20)

schemathesis.openapi.format("mailbox", address | st.builds('"{}" <{}>'.format, name, address))
schemathesis.openapi.format("base64", st.binary(max_size=100).map(lambda data: base64.b64encode(data).decode()))
schemathesis.openapi.format("media-type", st.builds("{}/{}".format, st.sampled_from(["text", "image", "x-y"]), word))
schemathesis.openapi.format(
    "schedule",
    st.builds("in {} {}".format, st.integers(1, 29), st.sampled_from(["min", "hours", "days"]))
    | st.builds("tomorrow at {}:{:02}".format, st.integers(0, 23), st.integers(0, 59)),
)


@schemathesis.hook
def filter_case(context, case):
    """The phase `coverage` does not keep to `exclude-header-characters`; why it should, schemathesis.toml says."""
    return all(str(value).isascii() for value in (case.headers or {}).values())
