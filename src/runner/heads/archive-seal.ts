/**
 * Archives of an encrypted store are sealed: AES-256-GCM over pieces of 64 KiB, each with its number and whether it is the last one, so that none
 * can be changed, moved, left out or cut off. A file begins with a mark and a salt; its key follows from the salt and the user's key of archives.
 */
import { hkdfSync, randomBytes } from 'node:crypto'
import { nonceBytes, openAs, sealAs, tagBytes } from '../../base/index.ts'

const mark = Buffer.from('oxbow-sealed-archive 1\n')
const saltBytes = 32
const pieceBytes: number = 64 * 1024

type Chunks = AsyncIterable<Buffer>

function fileKey(key: Uint8Array, salt: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', key, salt, 'archive of oxbow', 32))
}

/** Each file has a key of its own, so numbers make nonces that never repeat. */
function nonceOf(piece: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(nonceBytes)
  nonce.writeUInt8(isLast ? 1 : 0, 0)
  nonce.writeBigUInt64BE(BigInt(piece), nonceBytes - 8)
  return nonce
}

export async function* sealed(key: Uint8Array, plain: Chunks): AsyncGenerator<Buffer> {
  const salt = randomBytes(saltBytes)
  yield Buffer.concat([mark, salt])
  const own = fileKey(key, salt)
  for await (const { piece, bytes, isLast } of piecesOf(plain, pieceBytes)) yield sealAs(nonceOf(piece, isLast), own, bytes)
}

/** @param keys the one that sealed it is among them @throws Error for what no key has sealed, or what was changed or cut off */
export async function* opened(keys: readonly Uint8Array[], file: Chunks): AsyncGenerator<Buffer> {
  const source = file[Symbol.asyncIterator]()
  let head = Buffer.alloc(0)
  while (head.length < mark.length + saltBytes) {
    const next = await source.next()
    if (next.done === true) throw new Error('the file ends within its head')
    head = Buffer.concat([head, next.value])
  }
  if (!isSealed(head)) throw new Error('the file is not sealed')
  const salt = head.subarray(mark.length, mark.length + saltBytes)
  async function* rest(): AsyncGenerator<Buffer> {
    yield head.subarray(mark.length + saltBytes)
    for (let next = await source.next(); next.done !== true; next = await source.next()) yield next.value
  }
  let left = keys.map((key) => fileKey(key, salt))
  for await (const { piece, bytes, isLast } of piecesOf(rest(), pieceBytes + tagBytes)) {
    const found = left.map((key) => [key, openAs(nonceOf(piece, isLast), key, bytes)] as const).find(([, text]) => text !== null)
    if (found === undefined) throw new Error('another key has sealed the file, or it was changed')
    left = [found[0]]
    yield found[1]!
  }
}

/** @param start of a file */
export function isSealed(start: Uint8Array): boolean {
  return mark.equals(start.subarray(0, mark.length))
}

/** Pieces of exactly that size, and a last one that is not larger, and may be empty. */
async function* piecesOf(chunks: Chunks, size: number): AsyncGenerator<{ piece: number; bytes: Buffer; isLast: boolean }> {
  let held: Buffer[] = []
  let [length, piece] = [0, 0]
  for await (const chunk of chunks) {
    held.push(chunk)
    length += chunk.length
    if (length <= size) continue
    let all = Buffer.concat(held)
    for (; all.length > size; all = all.subarray(size)) yield { piece: piece++, bytes: all.subarray(0, size), isLast: false }
    held = [all]
    length = all.length
  }
  yield { piece, bytes: Buffer.concat(held), isLast: true }
}
