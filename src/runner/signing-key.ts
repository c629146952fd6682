/** The key pair of this runner, by which it signs the heads of journals, exports, cards of agents, and `plugins.lock`. */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { OxbowError } from '../base/index.ts'
import { readText } from './file-owner.ts'
import { type Home, placeFirst } from './home.ts'

/** The key pair of this runner, created on first use. */
export function signingKey(home: Home): KeyObject {
  const path = join(home.runner, 'signing-key.pem')
  const found = readText(path)
  if (found !== null) return parseKey(path, found)
  const made = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, made, { mode: 0o600 })
  // When two runners start together, one writes its key and the other uses it.
  placeFirst(draft, path)
  return parseKey(path, readFileSync(path, 'utf8'))
}

function parseKey(path: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    throw new OxbowError('bad_config', `${path} is not a signing key`, {
      hint: 'Restore it from a backup. Without it, older signed heads cannot be checked; removing the file makes a new key.',
      cause,
    })
  }
}
