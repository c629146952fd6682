/** Amounts as people read them. */

/** Micro-dollars: 1 234 567 → `$1.23`; small ones keep two digits that count. */
export function moneyText(microDollars: number): string {
  const dollars = microDollars / 1_000_000
  if (dollars === 0) return '$0'
  if (dollars < 0.01) return `$${Number(dollars.toPrecision(2))}`
  return dollars.toLocaleString('en', { style: 'currency', currency: 'USD' })
}

const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

/** 12 345 → `12.3K`. */
export function countText(count: number): string {
  return compact.format(count)
}

/** @returns the noun for that many: `3 calls` */
export function plural(count: number, noun: string, nouns = `${noun}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? noun : nouns}`
}
