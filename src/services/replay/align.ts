/** Aligns two lists: what is in both, in the same order, stands together, and what is in one only stands between. */

/** Fields of the table that alignment fills; lists whose middle parts need more are compared by their ends only. */
const maxAlignedFields = 16_000_000

/** @returns pairs of places; null where one side has nothing. Pairs whose keys differ are of the same kind. */
export function align<Item>(
  a: readonly Item[],
  b: readonly Item[],
  keyOf: (item: Item) => string,
  kindOf: (item: Item) => string,
): readonly (readonly [Item | null, Item | null])[] {
  const [keysA, keysB] = [a.map(keyOf), b.map(keyOf)]
  let start = 0
  while (start < a.length && start < b.length && keysA[start] === keysB[start]) start += 1
  let [endA, endB] = [a.length, b.length]
  while (endA > start && endB > start && keysA[endA - 1] === keysB[endB - 1]) {
    endA -= 1
    endB -= 1
  }
  const pairs: [Item | null, Item | null][] = a.slice(0, start).map((item, at) => [item, b[at]!])
  pairs.push(...middle(a.slice(start, endA), b.slice(start, endB), keyOf, kindOf))
  for (let at = 0; at < a.length - endA; at += 1) pairs.push([a[endA + at]!, b[endB + at]!])
  return pairs
}

function middle<Item>(
  a: readonly Item[],
  b: readonly Item[],
  keyOf: (item: Item) => string,
  kindOf: (item: Item) => string,
): [Item | null, Item | null][] {
  const same = (a.length + 1) * (b.length + 1) > maxAlignedFields ? [] : longestCommon(a.map(keyOf), b.map(keyOf))
  const pairs: [Item | null, Item | null][] = []
  let [fromA, fromB] = [0, 0]
  for (const [atA, atB] of [...same, [a.length, b.length] as const]) {
    pairs.push(...gap(a.slice(fromA, atA), b.slice(fromB, atB), kindOf))
    if (atA < a.length || atB < b.length) pairs.push([a[atA] ?? null, b[atB] ?? null])
    ;[fromA, fromB] = [atA + 1, atB + 1]
  }
  return pairs
}

/** What two gaps have of the same kind, in order, changed from one to the other. */
function gap<Item>(a: readonly Item[], b: readonly Item[], kindOf: (item: Item) => string): [Item | null, Item | null][] {
  const pairs: [Item | null, Item | null][] = []
  let at = 0
  for (const item of a) {
    const found = b.findIndex((other, place) => place >= at && kindOf(other) === kindOf(item))
    if (found < 0) pairs.push([item, null])
    else {
      for (; at < found; at += 1) pairs.push([null, b[at]!])
      pairs.push([item, b[at]!])
      at += 1
    }
  }
  for (; at < b.length; at += 1) pairs.push([null, b[at]!])
  return pairs
}

/** @returns places of a longest common part, in order */
function longestCommon(a: readonly string[], b: readonly string[]): readonly (readonly [number, number])[] {
  const width = b.length + 1
  const lengths = new Uint32Array((a.length + 1) * width)
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1)
      lengths[i * width + j] =
        a[i] === b[j] ? lengths[(i + 1) * width + j + 1]! + 1 : Math.max(lengths[(i + 1) * width + j]!, lengths[i * width + j + 1]!)
  const found: [number, number][] = []
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i] === b[j]) found.push([i++, j++])
    else if (lengths[(i + 1) * width + j]! >= lengths[i * width + j + 1]!) i += 1
    else j += 1
  }
  return found
}
