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

/** @returns those of the others that a person may take for this one: they look the same, or differ in one letter or in two that are swapped */
export function alikeNames(name: string, others: Iterable<string>): readonly string[] {
  return [...others].filter((other) => {
    if (other === name) return false
    if (lookOf(other) === lookOf(name)) return true
    return Math.min(name.length, other.length) >= minLetters && isOneOff(name, other)
  })
}

function isOneOff(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false
  let at = 0
  while (at < a.length && a[at] === b[at]) at++
  const [left, right] = [a.slice(at), b.slice(at)]
  const isSwapped = left.length > 1 && left[0] === right[1] && left[1] === right[0] && left.slice(2) === right.slice(2)
  return isSwapped || left.slice(1) === right.slice(1) || left.slice(1) === right || left === right.slice(1)
}
