/** Emoji as terms: read before the text is cleaned, because what joins them is not seen. */

const maybe = /\p{Extended_Pictographic}|\p{Regional_Indicator}|\u20e3/u
/**
 * Flags, keycaps, and signs with their tone, their tags and what is joined to them: the grammar of UTS 51 with bounds. The list
 * of sequences that Unicode recommends (`RGI_Emoji`) is a tenth as fast, and new ones are not in it.
 */
const sequence =
  /\p{Regional_Indicator}{2}|[#*0-9]\ufe0f?\u20e3|[\p{Extended_Pictographic}--[©®™]](?:\ufe0f|\p{Emoji_Modifier})?(?:[\u{e0020}-\u{e007f}]{1,8})?(?:\u200d\p{Extended_Pictographic}(?:\ufe0f|\p{Emoji_Modifier})?){0,8}/gv
const skinTone = /\p{Emoji_Modifier}/gu
const selector = /[\ufe0e\ufe0f\u{e0020}-\u{e007f}]/gu
const joiner = '\u200d'

/**
 * Takes the emoji out of a text. One with a tone of skin is the one without; one that is made of others (👩‍💻) is also found by
 * each of them.
 * @returns the text with a space for each, and their terms in order
 */
export function takeEmoji(text: string): { readonly rest: string; readonly terms: readonly string[] } {
  if (!maybe.test(text)) return { rest: text, terms: [] }
  const terms: string[] = []
  const rest = text.replace(sequence, (emoji) => {
    const bare = emoji.replace(selector, '').replace(skinTone, '') || emoji
    const parts = bare.split(joiner).filter((part) => part !== '')
    if (parts.length > 1) terms.push(parts.join(''))
    terms.push(...parts)
    return ' '
  })
  return { rest, terms }
}
