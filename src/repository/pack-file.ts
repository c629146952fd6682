/**
 * Writes git objects, all of a checkpoint into one pack with its index (gitformat-pack(5), version 2): ten thousand loose objects would be
 * ten thousand files. Objects are compressed, never deltas. Small packs are joined from time to time by copying their bytes.
 */
import { createHash } from 'node:crypto'
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { crc32, deflateSync } from 'node:zlib'
import { maxJoinedPackBytes, maxPacks } from './limits.ts'

export type ObjectKind = 'commit' | 'tree' | 'blob' | 'tag'

/** An object as it stands in a pack: header and compressed content. */
export interface PackedObject {
  readonly oid: string
  readonly entry: Buffer
}

/** As git numbers them. */
const kindNumbers: Readonly<Record<ObjectKind, number>> = { commit: 1, tree: 2, blob: 3, tag: 4 }
const oidBytes = 20

export function objectId(kind: ObjectKind, content: Uint8Array): string {
  return createHash('sha1').update(`${kind} ${content.length}\0`).update(content).digest('hex')
}

export function packObject(kind: ObjectKind, content: Uint8Array, oid: string = objectId(kind, content)): PackedObject {
  // The size: four bits next to the kind, then seven in each byte; the highest bit says that another one follows.
  const head = [(kindNumbers[kind] << 4) | (content.length & 15)]
  for (let rest = Math.floor(content.length / 16); rest > 0; rest = Math.floor(rest / 128)) {
    head[head.length - 1]! |= 128
    head.push(rest & 127)
  }
  // The quickest level: people's files are small, and a checkpoint should not be noticed.
  return { oid, entry: Buffer.concat([Buffer.from(head), deflateSync(content, { level: 1 })]) }
}

/**
 * Durable when it returns.
 * @param folder `objects/pack` of the repository
 * @param objects at least one, each once, in any order
 * @returns the path of the pack, without its extension
 */
export function writePack(folder: string, objects: readonly PackedObject[]): string {
  const sorted = objects.toSorted((a, b) => (a.oid < b.oid ? -1 : 1))
  const head = Buffer.from('PACK\0\0\0\u0002\0\0\0\0', 'latin1')
  head.writeUInt32BE(sorted.length, 8)
  const body = Buffer.concat([head, ...sorted.map(({ entry }) => entry)])
  const packSum = createHash('sha1').update(body).digest()
  const index = indexOf(sorted, head.length, packSum)
  const name = join(folder, `pack-${packSum.toString('hex')}`)
  mkdirSync(folder, { recursive: true })
  // Git looks for the index, so the pack comes first.
  writeDurably(`${name}.pack`, [body, packSum])
  writeDurably(`${name}.idx`, [index, createHash('sha1').update(index).digest()])
  syncFolder(folder)
  return name
}

function indexOf(sorted: readonly PackedObject[], firstOffset: number, packSum: Buffer): Buffer {
  const fanout = Buffer.alloc(256 * 4)
  const oids = Buffer.alloc(sorted.length * oidBytes)
  const sums = Buffer.alloc(sorted.length * 4)
  const offsets = Buffer.alloc(sorted.length * 4)
  const counts = Array.from({ length: 256 }, () => 0)
  let offset = firstOffset
  for (const [at, { oid, entry }] of sorted.entries()) {
    oids.write(oid, at * oidBytes, 'hex')
    sums.writeUInt32BE(crc32(entry), at * 4)
    offsets.writeUInt32BE(offset, at * 4)
    offset += entry.length
    counts[Number.parseInt(oid.slice(0, 2), 16)]! += 1
  }
  let total = 0
  for (const [first, count] of counts.entries()) fanout.writeUInt32BE((total += count), first * 4)
  return Buffer.concat([Buffer.from('\u00fftOc\0\0\0\u0002', 'latin1'), fanout, oids, sums, offsets, packSum])
}

function writeDurably(path: string, parts: readonly Buffer[]): void {
  const draft = `${path}.new`
  const file = openSync(draft, 'w', 0o600)
  try {
    for (const part of parts) for (let done = 0; done < part.length;) done += writeSync(file, part, done)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(draft, path)
}

function syncFolder(folder: string): void {
  const file = openSync(folder, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/**
 * Joins the small packs of a folder once there are many: git and our reader look into each of them.
 * @param most that are left as they are
 * @returns whether packs were replaced, so that a reader must forget what it has opened
 */
export function joinPacks(folder: string, most: number = maxPacks): boolean {
  const names = readdirSync(folder).filter((name) => name.endsWith('.idx'))
  if (names.length <= most) return false
  const small = names
    .map((name) => join(folder, name.slice(0, -'.idx'.length)))
    .filter((name) => statSync(`${name}.pack`).size < maxJoinedPackBytes)
  const objects = new Map<string, PackedObject>()
  for (const name of small) {
    const read = objectsIn(readFileSync(`${name}.pack`), readFileSync(`${name}.idx`))
    // Damage stays where `git fsck` finds it.
    if (read === null) return false
    for (const object of read) objects.set(object.oid, object)
  }
  if (objects.size === 0) return false
  const joined = writePack(folder, [...objects.values()])
  for (const name of small) {
    if (name === joined) continue
    // The index first: a pack without one is ignored.
    rmSync(`${name}.idx`, { force: true })
    rmSync(`${name}.pack`, { force: true })
  }
  return true
}

/** @returns the objects of a pack that `writePack` has written; null if it is damaged */
export function objectsIn(pack: Buffer, index: Buffer): readonly PackedObject[] | null {
  const count = index.readUInt32BE(8 + 255 * 4)
  const oidsAt = 8 + 256 * 4
  const sumsAt = oidsAt + count * oidBytes
  const offsetsAt = sumsAt + count * 4
  const found = Array.from({ length: count }, (_, at) => ({
    oid: index.toString('hex', oidsAt + at * oidBytes, oidsAt + (at + 1) * oidBytes),
    sum: index.readUInt32BE(sumsAt + at * 4),
    offset: index.readUInt32BE(offsetsAt + at * 4),
  })).toSorted((a, b) => a.offset - b.offset)
  const objects = found.map(({ oid, offset, sum }, at) => {
    const entry = pack.subarray(offset, found[at + 1]?.offset ?? pack.length - oidBytes)
    return crc32(entry) === sum ? { oid, entry } : null
  })
  return objects.every((object) => object !== null) ? objects : null
}
