/** Names that a person takes for another one: a plugin may have been given one on purpose. */

/** Characters of names of plugins that look alike, as one of them. */
const looks: readonly (readonly [RegExp, string])[] = [
  [/rn/g, 'm'],
  [/vv/g, 'w'],
  [/[1i]/g, 'l'],
  [/0/g, 'o'],
  [/5/g, 's'],
  [/-/g, ''],
]

const lookOf = (name: string): string => looks.reduce((text, [from, to]) => text.replaceAll(from, to), name)

/** Shorter names differ in one letter by chance. */
const minLetters = 5

/** The name of the product, which no plugin of somebody else has. */
const product = 'oxbow'

/** Words that make no other name: `weather-plugin` and `the-weather` pass for `weather`. */
const fillers: ReadonlySet<string> = new Set(
  `${product} app core ext extension helper lib module my new official original plugin plugins pro real service the tool tools true v`.split(
    ' ',
  ),
)

/** @returns the words of a name that say what it is, without numbers and plural */
function wordsOf(name: string): readonly string[] {
  const words = name.split('-').map((word) => word.replace(/\d+$/, ''))
  return words
    .filter((word) => word !== '' && !fillers.has(word))
    .map((word) => (word.length > minLetters - 1 ? word.replace(/s$/, '') : word))
}

/**
 * @returns names among the others, and the product's name, that a person may take for this one: they look the same, differ in one letter or in
 * two that are swapped, in a number, a plural or a word such as `plugin`; or the name contains them
 */
export function alikeNames(name: string, others: Iterable<string>): readonly string[] {
  const all = [...others]
  const words = wordsOf(name)
  const core = lookOf(words.join('-'))
  const cores = new Map(all.map((other) => [other, lookOf(wordsOf(other).join('-'))]))
  const isMadeOfOthers = words.length > 1 && words.every((word) => all.some((other) => other !== name && other === word))
  const isProduct = looksLike(name, product) || (core === '' && name.split('-').includes(product))
  return [
    ...all.filter(
      (other) =>
        other !== name &&
        (looksLike(name, other) || (core !== '' && cores.get(other) === core) || (isMadeOfOthers && words.includes(other))),
    ),
    ...(isProduct ? [product] : []),
  ]
}

function looksLike(name: string, other: string): boolean {
  return lookOf(other) === lookOf(name) || (Math.min(name.length, other.length) >= minLetters && isOneOff(name, other))
}

function isOneOff(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false
  let at = 0
  while (at < a.length && a[at] === b[at]) at++
  const [left, right] = [a.slice(at), b.slice(at)]
  const isSwapped = left.length > 1 && left[0] === right[1] && left[1] === right[0] && left.slice(2) === right.slice(2)
  return isSwapped || left.slice(1) === right.slice(1) || left.slice(1) === right || left === right.slice(1)
}
