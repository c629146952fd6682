/**
 * A pack with its index as one content, to be kept elsewhere: the length of the index in four bytes, the index, the pack. What comes back is
 * written as packs of its own; many small ones become few.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { OxbowError } from '../base/index.ts'
import { objectsIn, type PackedObject, writePack } from './pack-file.ts'

const lengthBytes = 4

/** @returns the names of the packs of a repository */
export function packNames(folder: string): readonly string[] {
  const packs = join(folder, 'objects', 'pack')
  if (!existsSync(packs)) return []
  return readdirSync(packs).flatMap((name) => /^pack-([0-9a-f]{40})\.idx$/.exec(name)?.[1] ?? [])
}

export function readBundle(folder: string, name: string): Buffer {
  const [index, pack] = ['idx', 'pack'].map((kind) => readFileSync(join(folder, 'objects', 'pack', `pack-${name}.${kind}`)))
  const length = Buffer.alloc(lengthBytes)
  length.writeUInt32BE(index!.length)
  return Buffer.concat([length, index!, pack!])
}

/** @returns the objects in it @throws OxbowError `tool_failed` if it is damaged */
export function objectsInBundle(name: string, bundle: Buffer): readonly PackedObject[] {
  const found = ((): readonly PackedObject[] | null => {
    try {
      const packAt = lengthBytes + bundle.readUInt32BE(0)
      return objectsIn(bundle.subarray(packAt), bundle.subarray(lengthBytes, packAt))
    } catch {
      return null
    }
  })()
  if (found !== null) return found
  throw new OxbowError('tool_failed', `The pack ${name} of versions came back damaged.`, {
    hint: 'Try again. If it stays so, restore a backup of the database of the cluster.',
  })
}

/** Durable when it returns. */
export function addObjects(folder: string, objects: Iterable<PackedObject>): void {
  const all = [...new Map([...objects].map((object) => [object.oid, object])).values()]
  if (all.length > 0) writePack(join(folder, 'objects', 'pack'), all)
}
