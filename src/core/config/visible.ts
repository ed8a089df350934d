// Text that shows what it is.  Some characters do what they are not seen to do: they move the
// cursor, colour the terminal, end a line of a log, or turn the order of what follows.  They are no
// part of a name, and are never printed as they are.

// Control characters, halves of pairs, line and paragraph separators, marks that turn the
// direction of writing, what is no character, and what has no width (but for the joiners that
// scripts and emoji are written with).
const UNSEEN = '\\p{Cc}\\p{Cs}\\p{Zl}\\p{Zp}\\p{Bidi_Control}\\p{Noncharacter_Code_Point}'
const WITHOUT_WIDTH = '\\u200b\\u2060-\\u2064\\ufeff\\u{e0000}-\\u{e007f}'
const HIDDEN = new RegExp(`[${UNSEEN}${WITHOUT_WIDTH}]`, 'u')
const ALL_HIDDEN = new RegExp(HIDDEN.source, 'gu')

/** True when every character of a text is one that a reader sees. */
export const isVisible = (text: string): boolean => !HIDDEN.test(text)

/** The text with what would not be seen written as JSON writes it: a JSON text stays the same. */
export const visible = (text: string): string =>
  isVisible(text) ? text : text.replace(ALL_HIDDEN, escaped)

/** Of several lines, each for itself. */
export const visibleLines = (text: string): string =>
  isVisible(text) ? text : text.split('\n').map(visible).join('\n')

const escaped = (character: string): string =>
  Array.from({ length: character.length }, (_, i) => {
    const unit = character.charCodeAt(i).toString(16).padStart(4, '0')
    return `\\u${unit}`
  }).join('')
