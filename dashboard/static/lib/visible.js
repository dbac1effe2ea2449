// Text that others wrote, so that nothing in it is hidden or turns the text around it.

/** Control and format characters, separators of lines, halves of a pair, and what is drawn as nothing; but not a tab or the end of a line. */
const HIDDEN = '[[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}\\p{Cs}\\p{Default_Ignorable_Code_Point}]--[\\t\\n]]'

/** Those of them that texts need: between two emoji, after one, within a word of a script that joins its letters, and in the end of a line. */
const NEEDED = [
  '(?<=[\\p{Extended_Pictographic}\\p{Emoji_Modifier}\\uFE0F])\\u200D(?=\\p{Extended_Pictographic})',
  '(?<=\\p{Emoji})\\uFE0F',
  '(?<=[[\\p{L}\\p{M}]--[\\p{Script=Latin}\\p{Script=Greek}\\p{Script=Cyrillic}\\p{Script=Common}\\p{Script=Inherited}]])[\\u200C\\u200D](?=\\p{L})',
  '\\r(?=\\n)',
]

const HIDDEN_OR_NEEDED = new RegExp(`${NEEDED.join('|')}|(${HIDDEN})`, 'gv')
const ANY = new RegExp(HIDDEN, 'v')

/** The text with each hidden character written as JSON would escape it, such as `\u202E`. Everything on this page goes through it. */
export function visible(value) {
  const text = String(value)
  if (!ANY.test(text)) return text
  return text.replace(HIDDEN_OR_NEEDED, (needed, hidden) => (hidden === undefined ? needed : escaped(hidden)))
}

function escaped(character) {
  return Array.from({ length: character.length }, (_, at) => `\\u${character.charCodeAt(at).toString(16).toUpperCase().padStart(4, '0')}`).join('')
}
