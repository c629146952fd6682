/**
 * The signature of a package: Ed25519 over the hash of all of its files, the manifest among them, but for the signature itself. It says who
 * has made the package, not that it does no harm: a person decides that, by the rights that it asks for.
 */
import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { isObject, OxbowError } from '../../base/index.ts'
import { hashOfFiles, type TreeFile } from './tree.ts'

export type PackageKind = 'plugin' | 'program'

/** Name of the file at the top of a package: `{"key", "signature"}`, both in base64. */
export const signatureFile = 'oxbow.plugin.sig'
export const signatureFileOf = (kind: PackageKind): string => (kind === 'plugin' ? signatureFile : 'oxbow.program.sig')
export const maxSignatureBytes = 4_096

/** What is signed. Its first line keeps the signature of something else from being one of a plugin, or of a program. */
function signedText(files: readonly TreeFile[], kind: PackageKind): Buffer {
  return Buffer.from(`oxbow-${kind}-1\n${hashOfFiles(files.filter(({ path }) => path !== signatureFileOf(kind)))}\n`)
}

/** @param key an Ed25519 private key @returns the content of the signature's file @throws OxbowError `bad_input` for another key */
export function signPackage(files: readonly TreeFile[], key: KeyObject, kind: PackageKind = 'plugin'): string {
  if (key.asymmetricKeyType !== 'ed25519')
    throw new OxbowError('bad_input', 'This is not an Ed25519 key.', { hint: 'oxbow plugin sign makes one if the file does not exist.' })
  return `${JSON.stringify({ key: rawKey(key), signature: sign(null, signedText(files, kind), key).toString('base64') })}\n`
}

/** @returns the key that has signed exactly these files, in base64; empty if the text is null @throws OxbowError `denied` for a wrong signature */
export function signerOf(files: readonly TreeFile[], text: string | null, kind: PackageKind = 'plugin'): string {
  if (text === null) return ''
  const wrong = (why: string): OxbowError =>
    new OxbowError('denied', `The signature of the package is wrong: ${why}.`, {
      hint: 'Do not install it. Ask its author, or fetch it again.',
    })
  let parsed: unknown = null
  try {
    parsed = JSON.parse(text)
  } catch {
    // Judged below.
  }
  const { key, signature } = isObject(parsed) ? parsed : {}
  if (typeof key !== 'string' || typeof signature !== 'string') throw wrong(`${signatureFileOf(kind)} has no key and signature`)
  const x = Buffer.from(key, 'base64')
  if (x.length !== 32 || x.toString('base64') !== key) throw wrong('its key is not an Ed25519 key')
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: x.toString('base64url') }, format: 'jwk' })
  if (!verify(null, signedText(files, kind), publicKey, Buffer.from(signature, 'base64')))
    throw wrong('the files are not those that were signed')
  return key
}

function rawKey(key: KeyObject): string {
  const { x } = createPublicKey(key).export({ format: 'jwk' })
  return Buffer.from(x ?? '', 'base64url').toString('base64')
}

/** How people compare keys: the first half of its SHA-256, in groups of four. */
export function fingerprint(key: string): string {
  const digits = createHash('sha256').update(Buffer.from(key, 'base64')).digest('hex').slice(0, 32)
  return digits.replace(/(.{4})(?=.)/g, '$1 ')
}
