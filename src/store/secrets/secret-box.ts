/**
 * Sealed bytes: AES-256-GCM under a random nonce. Form: one byte of version, 12 of nonce, the sealed bytes, 16 of tag. What they
 * belong to is authenticated with them, so that a sealed value that was moved to another name or user does not open.
 */
import { Buffer } from 'node:buffer'
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { OxbowError } from '../../types/index.ts'

export const keyBytes = 32
const version = 1
const nonceBytes = 12
const tagBytes = 16

/** @param parts what the value belongs to, e.g. user and name; as JSON, so that no two lists are the same text */
function belongsTo(parts: readonly string[]): Buffer {
  return Buffer.from(JSON.stringify(parts))
}

export function seal(key: Uint8Array, value: Uint8Array, parts: readonly string[]): Buffer {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(belongsTo(parts))
  return Buffer.concat([Buffer.of(version), nonce, cipher.update(value), cipher.final(), cipher.getAuthTag()])
}

/** @returns the value; null when the key is another one, or anything of it was changed or moved. Nobody can tell these apart. */
export function open(key: Uint8Array, sealed: Uint8Array, parts: readonly string[]): Buffer | null {
  if (sealed.length < 1 + nonceBytes + tagBytes || sealed[0] !== version) return null
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength)
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(1, 1 + nonceBytes))
    decipher.setAAD(belongsTo(parts))
    decipher.setAuthTag(bytes.subarray(-tagBytes))
    return Buffer.concat([decipher.update(bytes.subarray(1 + nonceBytes, -tagBytes)), decipher.final()])
  } catch {
    return null
  }
}

export function newKey(): Buffer {
  return randomBytes(keyBytes)
}

/** @param hex 64 hexadecimal digits. @throws OxbowError `bad_config` */
export function keyFromHex(hex: string): Buffer {
  if (!/^[0-9a-f]{64}$/.test(hex)) {
    throw new OxbowError('bad_config', 'The key of the store is no key.', { hint: 'Restore the key file from a backup.' })
  }
  return Buffer.from(hex, 'hex')
}
