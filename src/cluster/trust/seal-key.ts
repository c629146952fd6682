/** The key that seals the key files of users in the database, see `user-keys.ts`: each node has it in its folder `cluster`. */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeWhole } from '../../base/index.ts'

const keyFile = 'users.key'
const keyForm = /^[0-9a-f]{64}$/

/** @param folder what a machine knows of its cluster @returns null: it joined before nodes had such a key, or has not joined */
export function readSealKey(folder: string): string | null {
  const path = join(folder, keyFile)
  const text = existsSync(path) ? readFileSync(path, 'utf8').trim() : ''
  return keyForm.test(text) ? text : null
}

/** On the machine with the authority's key. @returns the key, which is made with the first question */
export function makeSealKey(folder: string): string {
  const known = readSealKey(folder)
  if (known !== null) return known
  const made = randomBytes(32).toString('hex')
  keepSealKey(folder, made)
  return made
}

/** What came with a certificate. The key of a cluster never changes, so a known one stays. */
export function keepSealKey(folder: string, key: string): void {
  if (keyForm.test(key) && readSealKey(folder) === null) writeWhole(join(folder, keyFile), `${key}\n`)
}
