/** AES-256-GCM (NIST SP 800-38D), with nonces of 12 bytes and tags of 16: what is sealed can be neither read nor changed without its key. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

const cipherName = 'aes-256-gcm'
export const nonceBytes = 12
export const tagBytes = 16

const nothing = new Uint8Array()

/**
 * @param nonce never used twice with a key
 * @param belongsTo is authenticated with the value, and not part of the result
 * @returns the ciphertext and its tag
 */
export function sealAs(nonce: Uint8Array, key: Uint8Array, value: Uint8Array, belongsTo: Uint8Array = nothing): Buffer<ArrayBuffer> {
  const cipher = createCipheriv(cipherName, key, nonce).setAAD(belongsTo)
  return Buffer.concat([cipher.update(value), cipher.final(), cipher.getAuthTag()])
}

/** @returns the value; null when the key is another one, or anything was changed, moved or cut off. These cases cannot be distinguished. */
export function openAs(
  nonce: Uint8Array,
  key: Uint8Array,
  sealed: Uint8Array,
  belongsTo: Uint8Array = nothing,
): Buffer<ArrayBuffer> | null {
  const end = sealed.length - tagBytes
  if (end < 0) return null
  try {
    const decipher = createDecipheriv(cipherName, key, nonce).setAAD(belongsTo).setAuthTag(sealed.subarray(end))
    return Buffer.concat([decipher.update(sealed.subarray(0, end)), decipher.final()])
  } catch {
    return null
  }
}

/** @returns a random nonce, and what `sealAs` makes with it */
export function sealBytes(key: Uint8Array, value: Uint8Array, belongsTo?: Uint8Array): Buffer<ArrayBuffer> {
  const nonce = randomBytes(nonceBytes)
  return Buffer.concat([nonce, sealAs(nonce, key, value, belongsTo)])
}

/** @param sealed of `sealBytes` @returns as `openAs` */
export function openBytes(key: Uint8Array, sealed: Uint8Array, belongsTo?: Uint8Array): Buffer<ArrayBuffer> | null {
  return openAs(sealed.subarray(0, nonceBytes), key, sealed.subarray(nonceBytes), belongsTo)
}
