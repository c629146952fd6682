/** How times, money and lists look in a terminal. */
import { minIdChars } from '../limits.ts'

export function formatMs(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  return ms < 60_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1_000)} s`
}

export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} bytes`
  return bytes < 1_000_000 ? `${(bytes / 1_000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`
}

export function formatMoney(microDollars: number): string {
  return `$${(microDollars / 1_000_000).toFixed(microDollars !== 0 && microDollars < 10_000 ? 6 : 2)}`
}

/** @returns rows in columns as wide as their widest cell, no spaces at the end of a line. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length)
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** @returns the shortest beginning of an id that no other one of the list has. */
export function shortId(id: string, all: readonly string[]): string {
  for (let length = minIdChars; length < id.length; length++) {
    const prefix = id.slice(0, length)
    if (!prefix.endsWith('-') && !all.some((other) => other !== id && other.startsWith(prefix))) return prefix
  }
  return id
}

export function formatTime(at: number): string {
  const date = new Date(at)
  const two = (number: number): string => String(number).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`
}
