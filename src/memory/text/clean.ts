/**
 * One spelling for what reads the same: Unicode NFKC, no characters that nobody sees, no marks over letters where people leave
 * them out. Case stays, because names are split by it.
 *
 * Marks go from Latin, Greek, Hebrew and Arabic letters (é = e, α = ά, points and harakat), and ё = е, because readers of these
 * scripts type them or not as they like. They stay where they make another letter: й, Japanese か and が, Korean syllables (which
 * NFKC composes), vowel signs of Thai, Hindi and others.
 */

/** Zero-width, bidirectional and other format characters, variation selectors, fillers, tags: nothing of them is seen. */
const unseen = /\p{Default_Ignorable_Code_Point}/gu
const markedLetter = /([\p{Script=Latin}\p{Script=Greek}\p{Script=Hebrew}\p{Script=Arabic}])\p{Mn}+/gu
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const control = /[\u0000-\u0008\u000e-\u001f\u007f-\u009f]/g
// oxlint-disable-next-line no-control-regex -- plain ASCII needs nothing
const plain = /^[\t\n\r\u0020-\u007e]*$/

/** Letters that have no decomposition, as people without the key type them. */
const spelled: Readonly<Record<string, string>> = {
  ß: 'ss',
  ẞ: 'SS',
  æ: 'ae',
  Æ: 'AE',
  œ: 'oe',
  Œ: 'OE',
  ø: 'o',
  Ø: 'O',
  đ: 'd',
  Đ: 'D',
  ł: 'l',
  Ł: 'L',
  ı: 'i',
  þ: 'th',
  Þ: 'Th',
  ð: 'd',
  Ð: 'D',
  ё: 'е',
  Ё: 'Е',
  ς: 'σ',
  ى: 'ي',
  ة: 'ه',
  ـ: '',
  '’': "'",
  '‘': "'",
  '‛': "'",
  ʼ: "'",
  ʻ: "'",
}
const spelledLetter = new RegExp(`[${Object.keys(spelled).join('')}]`, 'gu')

/** Never throws, whatever the text is; a lone half of a pair becomes U+FFFD. */
export function cleanText(text: string): string {
  if (plain.test(text)) return text
  return text
    .toWellFormed()
    .replace(unseen, '')
    .normalize('NFKD')
    .replace(markedLetter, '$1')
    .normalize('NFKC')
    .replace(control, ' ')
    .replace(spelledLetter, (letter) => spelled[letter] ?? letter)
}
