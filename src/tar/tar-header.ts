/**
 * One header of a tar archive, as in POSIX.1-2017 `pax` (ustar with extended headers), with the base-256 sizes of GNU tar. tar-reader.ts
 * says why no package is used.
 */
export const blockBytes = 512

/** Makes the error that the reader of an archive throws. @param why ends a sentence: `a checksum is wrong` */
export type Refuse = (why: string) => Error

const zeros: Buffer = Buffer.alloc(blockBytes)

export type TarKind = 'file' | 'folder' | 'link' | 'hardLink'

export interface TarHeader {
  /** The raw type flag. */
  readonly flag: string
  readonly name: Buffer
  readonly linkName: Buffer
  readonly mode: number
  readonly bytes: number
  readonly modifiedSeconds: number
}

/** Offset and length of each field. */
const fields = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  sum: [148, 8],
  flag: [156, 1],
  linkName: [157, 100],
  magic: [257, 8],
  prefix: [345, 155],
} as const satisfies Record<string, readonly [at: number, bytes: number]>

/** Maximum length of a name without an extended header, and the first number that needs one. */
const maxPlainName = 100
const firstLargeNumber: number = 8 ** 11

export function encodeHeader(header: TarHeader): Buffer {
  const block = Buffer.alloc(blockBytes)
  const octal = (field: 'mode' | 'uid' | 'gid' | 'size' | 'mtime', value: number): void => {
    const [at, length] = fields[field]
    block.write(
      Math.min(value, 8 ** (length - 1) - 1)
        .toString(8)
        .padStart(length - 1, '0'),
      at,
      'latin1',
    )
  }
  header.name.copy(block, fields.name[0], 0, maxPlainName)
  octal('mode', header.mode)
  octal('uid', 0)
  octal('gid', 0)
  octal('size', header.bytes)
  octal('mtime', Math.max(0, header.modifiedSeconds))
  block.write(header.flag, fields.flag[0], 'latin1')
  header.linkName.copy(block, fields.linkName[0], 0, maxPlainName)
  block.write('ustar\x0000', fields.magic[0], 'latin1')
  block.write(`${checksum(block).toString(8).padStart(6, '0')}\0 `, fields.sum[0], 'latin1')
  return block
}

/** @returns null for a block of zeros. @throws what `refuse` makes, for an invalid header */
export function parseHeader(block: Buffer, refuse: Refuse): TarHeader | null {
  if (block.equals(zeros)) return null
  if (numberIn(block, 'sum', refuse) !== checksum(block)) throw refuse('a checksum is wrong')
  const magic = bytesIn(block, 'magic').toString('latin1', 0, 5)
  const isUstar = magic === 'ustar'
  const name = untilNul(bytesIn(block, 'name'))
  // GNU tar has the same magic followed by a space, and stores times in the prefix field.
  const prefix = isUstar && block[fields.magic[0] + 5] === 0 ? untilNul(bytesIn(block, 'prefix')) : Buffer.alloc(0)
  return {
    flag: block.toString('latin1', fields.flag[0], fields.flag[0] + 1),
    name: prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.from('/'), name]),
    linkName: untilNul(bytesIn(block, 'linkName')),
    mode: numberIn(block, 'mode', refuse),
    bytes: numberIn(block, 'size', refuse),
    modifiedSeconds: numberIn(block, 'mtime', refuse),
  }
}

/** The sum of all bytes, with spaces in place of the checksum field. */
function checksum(block: Buffer): number {
  const [at, length] = fields.sum
  let sum = 0
  for (let i = 0; i < block.length; i += 1) sum += i >= at && i < at + length ? 0x20 : block[i]!
  return sum
}

function bytesIn(block: Buffer, field: keyof typeof fields): Buffer {
  const [at, length] = fields[field]
  return block.subarray(at, at + length)
}

function untilNul(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0)
  return end === -1 ? bytes : bytes.subarray(0, end)
}

/** Octal digits, or a number in base 256 if the first bit is set. Negative numbers, which only times may be, become 0. */
function numberIn(block: Buffer, field: keyof typeof fields, refuse: Refuse): number {
  const bytes = bytesIn(block, field)
  const first = bytes[0]!
  if ((first & 0x80) !== 0) {
    if ((first & 0x40) !== 0) return 0
    // A number that is not exact also exceeds every limit.
    return bytes.subarray(1).reduce((sum, byte) => sum * 256 + byte, first & 0x3f)
  }
  const digits = untilNul(bytes).toString('latin1').trim()
  if (!/^[0-7]*$/.test(digits)) throw refuse(`its ${field} is not a number`)
  return digits === '' ? 0 : Number.parseInt(digits, 8)
}

// Extended headers of pax: records `LENGTH KEY=VALUE\n`, whose length counts all bytes of the record including its own digits.

export function encodeRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')])
  // The digits of the length count too.
  let length = rest.length
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length
  return Buffer.concat([Buffer.from(String(length)), rest])
}

/** @returns values by key; the last one of a repeated key. @throws what `refuse` makes */
export function parseRecords(body: Buffer, refuse: Refuse): ReadonlyMap<string, Buffer> {
  const records = new Map<string, Buffer>()
  for (let at = 0; at < body.length;) {
    const space = body.indexOf(0x20, at)
    const digits = body.toString('latin1', at, space === -1 ? at : Math.min(space, at + 10))
    const length = /^[1-9]\d{0,8}$/.test(digits) ? Number(digits) : 0
    const end = at + length
    const equals = body.indexOf(0x3d, space)
    if (length === 0 || end > body.length || equals === -1 || equals >= end || body[end - 1] !== 0x0a) {
      throw refuse('an extended header is damaged')
    }
    records.set(body.toString('utf8', space + 1, equals), Buffer.from(body.subarray(equals + 1, end - 1)))
    at = end
  }
  return records
}

/** What is written about an entry. */
interface PackedEntry {
  readonly kind: 'file' | 'folder' | 'link'
  /** Of a folder with a `/` at its end. */
  readonly name: string
  /** Permissions, without setuid, setgid and sticky bits. */
  readonly mode: number
  readonly modifiedSeconds: number
  /** Of a file. */
  readonly bytes?: number
  /** Of a link. */
  readonly linkName?: string
}

const flags = { file: '0', folder: '5', link: '2' } as const

/** Blocks of zeros that end an archive. */
export const archiveEnd: Buffer = Buffer.alloc(2 * blockBytes)

/** @returns zeros that fill the last block of a body */
export function padding(bytes: number): Buffer {
  return Buffer.alloc((blockBytes - (bytes % blockBytes)) % blockBytes)
}

/** The header of one entry, preceded by an extended one where names or sizes do not fit. A file's body and `padding` follow it. */
export function entryHeader({ kind, name, mode, modifiedSeconds, bytes = 0, linkName = '' }: PackedEntry): Buffer {
  const [nameBytes, linkBytes, none] = [Buffer.from(name), Buffer.from(linkName), Buffer.alloc(0)]
  const records = Buffer.concat([
    ...(isPlain(nameBytes) ? [] : [encodeRecord('path', nameBytes)]),
    ...(isPlain(linkBytes) ? [] : [encodeRecord('linkpath', linkBytes)]),
    ...(bytes < firstLargeNumber ? [] : [encodeRecord('size', Buffer.from(String(bytes)))]),
  ])
  const facts = { mode: mode & 0o777, modifiedSeconds: Math.floor(modifiedSeconds) }
  const header = encodeHeader({ ...facts, flag: flags[kind], name: nameBytes, linkName: linkBytes, bytes })
  if (records.length === 0) return header
  const extended = encodeHeader({ ...facts, flag: 'x', name: Buffer.from('pax'), linkName: none, bytes: records.length })
  return Buffer.concat([extended, records, padding(records.length), header])
}

/** Short, and only characters that every tar reads alike. */
function isPlain(name: Buffer): boolean {
  return name.length <= maxPlainName && name.every((byte) => byte >= 0x20 && byte < 0x7f)
}
