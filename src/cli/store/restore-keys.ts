/** The keys with which `oxbow restore` opens a backup. */
import { createPrivateKey, type KeyObject } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { backupRoot, fileKeys, type KeyPlace, takeKeyFile, type TakenKey } from '../../runner/index.ts'
import { type FileKeys, OxbowError } from '../../types/index.ts'

/**
 * The keys that open a backup: those of this home, and one that the person gives.
 * @param file a key file of a user (`runner/keys/USER.json`) or a signing key (`signing-key.pem`) of the home that made the backup. A key
 * file becomes the one of this home, because the restored secrets and database are sealed with it.
 * @param replace whether this home may have another key, which is then put aside with what it seals
 * @throws OxbowError `not_found`, `bad_input` for another kind of file, or if this home has another key
 */
export function restoreKeys(
  place: KeyPlace,
  file: string | undefined,
  replace: boolean,
): { readonly files: FileKeys; readonly taken?: TakenKey } {
  const files = fileKeys(place)
  if (file === undefined) return { files }
  if (!existsSync(file))
    throw new OxbowError('not_found', `There is no key file ${file}.`, { hint: 'Name the file that `oxbow backup` named.' })
  const text = readFileSync(file, 'utf8')
  const pem = text.includes('PRIVATE KEY') ? parsePem(text, file) : null
  if (pem !== null) return { files: { ...files, keys: [...files.keys, { key: backupRoot(pem), file }] } }
  const taken = takeKeyFile(place, text, file, replace)
  const own = files.keys.filter(({ key }) => !taken.keys.includes(key))
  const from = join(place.home.runner, 'keys', `${place.user}.json`)
  return { files: { ...files, keys: [...taken.keys.map((key) => ({ key, file: from })), ...own] }, taken }
}

function parsePem(text: string, file: string): KeyObject {
  try {
    return createPrivateKey(text)
  } catch (cause) {
    throw new OxbowError('bad_input', `${file} is not a signing key of Oxbow.`, { hint: 'Name the file that `oxbow backup` named.', cause })
  }
}
