/** Archives that come out the same, byte by byte, for the same files: sorted, with one time for all, and owned by root. */
import { gzipSync } from 'node:zlib'
import { archiveEnd, entryHeader, padding } from '../../src/tar/index.ts'

export interface PackedFile {
  /** Path in the archive, without a `/` at its beginning. */
  readonly path: string
  readonly content: Buffer
  readonly isExecutable: boolean
}

export interface PackedLink {
  readonly path: string
  readonly target: string
}

/**
 * @param at Unix seconds @param prefix of all paths, such as `./`
 * @returns a tar archive with all folders, before what is in them
 */
export function tarOf(files: readonly PackedFile[], at: number, prefix: string = '', links: readonly PackedLink[] = []): Buffer {
  const folders = new Set<string>()
  for (const { path } of [...files, ...links])
    for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) folders.add(path.slice(0, end + 1))
  const facts = { modifiedSeconds: at }
  const entries = [
    ...(prefix === '' ? [] : [{ path: '', blocks: [headerOf({ kind: 'folder', name: prefix, mode: 0o755, ...facts })] }]),
    ...[...folders].map((path) => ({ path, blocks: [headerOf({ kind: 'folder', name: prefix + path, mode: 0o755, ...facts })] })),
    ...links.map(({ path, target }) => ({
      path,
      blocks: [headerOf({ kind: 'link', name: prefix + path, linkName: target, mode: 0o777, ...facts })],
    })),
    ...files.map(({ path, content, isExecutable }) => ({
      path,
      blocks: [
        headerOf({ kind: 'file', name: prefix + path, mode: isExecutable ? 0o755 : 0o644, bytes: content.length, ...facts }),
        content,
        padding(content.length),
      ],
    })),
  ]
  entries.sort((a, b) => (a.path < b.path ? -1 : 1))
  return Buffer.concat([...entries.flatMap(({ blocks }) => blocks), archiveEnd])
}

/** Fields of a header of ustar: offset and length. */
const [nameBytes, sumAt, prefixAt, prefixBytes] = [100, 148, 345, 155] as const

/** Long names are split as ustar has it: dpkg reads no extended headers. @throws Error for a name that cannot be split */
function headerOf(entry: Parameters<typeof entryHeader>[0]): Buffer {
  const { name } = entry
  if (name.length <= nameBytes) return entryHeader(entry)
  const cut = name.indexOf('/', name.length - nameBytes - 1)
  if (cut < 0 || cut > prefixBytes || cut === name.length - 1) throw new Error(`${name} is too long for a package`)
  const header = entryHeader({ ...entry, name: name.slice(cut + 1) })
  header.write(name.slice(0, cut), prefixAt, 'latin1')
  header.write(' '.repeat(8), sumAt, 'latin1')
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, sumAt, 'latin1')
  return header
}

/** Without a name and a time in its header. */
export function gzipped(bytes: Buffer): Buffer {
  const packed = gzipSync(bytes, { level: 9 })
  // The system that made it is no property of its content: 255 is "unknown" (RFC 1952).
  packed[9] = 255
  return packed
}

const arHeaderBytes = 60

/** An archive of `ar`, which is what a Debian package is; see deb(5). */
export function arOf(members: readonly { readonly name: string; readonly content: Buffer }[], at: number): Buffer {
  const parts = members.flatMap(({ name, content }) => {
    const header = [
      name.padEnd(16),
      String(at).padEnd(12),
      '0'.padEnd(6),
      '0'.padEnd(6),
      '100644'.padEnd(8),
      String(content.length).padEnd(10),
      '`\n',
    ]
    const bytes = Buffer.from(header.join(''), 'latin1')
    if (bytes.length !== arHeaderBytes) throw new Error(`${name} has no valid header of ar`)
    return [bytes, content, Buffer.from(content.length % 2 === 0 ? '' : '\n')]
  })
  return Buffer.concat([Buffer.from('!<arch>\n'), ...parts])
}
