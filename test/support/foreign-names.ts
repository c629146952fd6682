/** Names that a model, a plugin, a file or a peer may choose: those that every object inherits first, then what breaks paths, frames and displays. */

/** What plain objects, functions, lists and maps inherit. */
const inherited = [
  '__proto__',
  ...new Set([Object.prototype, Function.prototype, Array.prototype, Map.prototype, Promise.prototype].flatMap(Object.getOwnPropertyNames)),
].filter((name) => /^\w+$/.test(name))

const odd = [
  '',
  ' ',
  '.',
  '..',
  '../../etc/passwd',
  '/shared/../vault',
  'a/b',
  'C:\\Windows',
  'con',
  'null',
  'undefined',
  'NaN',
  '0',
  '-1',
  '[object Object]',
  '${name}',
  '{{name}}',
  '%s%n',
  "'; drop table journal; --",
  '<script>alert(1)</script>',
  'x'.repeat(10_000),
  '\0',
  'a\0b',
  'line\nbreak',
  '\r\n\r\n',
  '\u001b[2J\u001b[31m',
  '\u202Egnp.exe',
  '\u200B',
  '\uFEFF',
  '\uD800',
  '\u{1F600}',
  'еxес',
  'ﬁle.read',
  'file․read',
  'İ',
  'e\u0301'.repeat(50),
]

/** Confusable spellings of the worst names, numbered so that all differ. */
function spelled(count: number): readonly string[] {
  const bases = ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'prototype', 'valueOf']
  const changes: readonly ((name: string, at: number) => string)[] = [
    (name, at) => `${name}${at}`,
    (name, at) => `${name}.${name}${at}`,
    (name, at) => `${name.toUpperCase()}${at}`,
    (name, at) => `${name}[${at}]`,
    (name, at) => `${name}\u200B${at}`,
    (name, at) => String.fromCodePoint(0x400 + at) + name,
    (name, at) => `${name}/${at}`,
  ]
  return Array.from({ length: count }, (_, at) => changes[at % changes.length]!(bases[at % bases.length]!, at))
}

/** @param count at least those that objects inherit come first */
export function foreignNames(count: number): readonly string[] {
  const all = [...new Set([...inherited.slice(0, 12), ...odd, ...inherited, ...spelled(count)])]
  return all.slice(0, count)
}
