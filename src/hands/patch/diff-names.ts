/** The names in the headers of a diff. */

/** What stands after `--- ` or `+++ `. @returns null for /dev/null. */
export function headerName(text: string): string | null {
  // Behind a tab stands a time; git puts one behind a name with spaces too, which may end in one.
  const plain = text.includes('\t') ? text.slice(0, text.indexOf('\t')) : text.trimEnd()
  const name = text.startsWith('"') ? unquote(text) : plain
  return name === '/dev/null' ? null : name
}

/** `diff --git a/x b/x`, where nothing else names the file. @returns null when the two names cannot be told apart. */
export function gitNames(text: string): readonly [string, string] | null {
  const quoted = /^("(?:\\.|[^"\\])*") ("(?:\\.|[^"\\])*")$/.exec(text)
  if (quoted !== null) return [unquote(quoted[1]!), unquote(quoted[2]!)]
  // The names are the same but for the letter in front, so the space between them is the one in the middle.
  const half = (text.length - 1) / 2
  const [old, now] = [text.slice(0, half), text.slice(half + 1)]
  return text[half] === ' ' && old.startsWith('a/') && now.startsWith('b/') && old.slice(2) === now.slice(2) ? [old, now] : null
}

/** Takes the letters away that git puts before its names; a pair without them stands as it is. */
export function withoutPrefix(old: string | null, now: string | null): { old: string | null; now: string | null } {
  const prefixed = (old === null || old.startsWith('a/')) && (now === null || now.startsWith('b/'))
  return prefixed ? { old: old?.slice(2) ?? null, now: now?.slice(2) ?? null } : { old, now }
}

const escapes: Readonly<Record<string, number>> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13 }

/** A name in quotes as C writes it: `\303\274` is a byte each. */
export function unquote(text: string): string {
  const inside = /^"((?:\\.|[^"\\])*)"/.exec(text)?.[1]
  if (inside === undefined) return text
  const parts = [...inside.matchAll(/\\([0-7]{1,3})|\\(.)|[^\\]+/g)].map(([whole, octal, letter]) => {
    if (octal !== undefined) return Buffer.from([Number.parseInt(octal, 8) & 0xff])
    if (letter === undefined) return Buffer.from(whole)
    const byte = escapes[letter]
    return byte === undefined ? Buffer.from(letter) : Buffer.from([byte])
  })
  return Buffer.concat(parts).toString()
}
