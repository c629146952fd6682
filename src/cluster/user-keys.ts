/**
 * The key files of users (`runner/keys/USER.json`) on every node: a guest that moves finds its sealed secrets readable there. They lie in the database,
 * sealed by a key that each node gets with its certificate, so who has the database alone opens nothing. What is there counts; a node's own file that is
 * another one is put aside.
 *
 * A passphrase does not travel: each node has it in its environment.
 */
import { hkdfSync } from 'node:crypto'
import { openBytes, OxbowError, sealBytes } from '../base/index.ts'
import { keyFileText, type KeyPlace, makeArchiveKey, takeKeyFile } from '../runner/index.ts'
import { loadSealedKeys, type SealedKeys } from '../store/index.ts'
import { readSealKey } from './trust/seal-key.ts'

export interface UserKeys {
  /** This machine has the user's file, if there is one. Before the guest starts, and before a verb uses the keys. */
  bring(place: KeyPlace): Promise<void>
  /** As `bring`, but makes a file if none is there. Before the first secret is sealed. */
  make(place: KeyPlace): Promise<void>
  /** A verb has changed the file of this machine: it counts from now on. */
  give(place: KeyPlace): Promise<void>
  close(): Promise<void>
}

export interface UserKeysChoice {
  /** Of the home: what it knows of its cluster. */
  readonly folder: string
  readonly storeUrl: string
  readonly now: () => number
}

/** @returns null on a machine without a key for it */
export async function openUserKeys({ folder, storeUrl, now }: UserKeysChoice): Promise<UserKeys | null> {
  const key = readSealKey(folder)
  return key === null ? null : userKeysIn((await loadSealedKeys()).openSealedKeys(storeUrl), key, now)
}

export function userKeysIn(sealed: SealedKeys, key: string, now: () => number): UserKeys {
  const seal = ({ user }: KeyPlace, text: string): Buffer => sealBytes(keyOf(key, user), Buffer.from(text))
  const take = (place: KeyPlace, bytes: Buffer): boolean => {
    const text = openBytes(keyOf(key, place.user), bytes)?.toString()
    if (text === undefined) return false
    if (text !== keyFileText(place)) {
      const taken = takeKeyFile(place, text, 'The key file in the database', true)
      taken.begin()
      taken.keep(now())
    }
    return true
  }
  const give = (place: KeyPlace): Promise<void> => sealed.replace(place.user, seal(place, keyFileText(place)!))
  const bring = async (place: KeyPlace): Promise<void> => {
    const own = keyFileText(place)
    const there = (await sealed.read(place.user)) ?? (own === null ? null : await sealed.first(place.user, seal(place, own)))
    if (there === null || take(place, there)) return
    // The cluster was made anew, with another key for them.
    if (own !== null) return give(place)
    throw new OxbowError(
      'denied',
      `The key file of ${place.user} in the database was sealed by another cluster: sealed secrets cannot be read.`,
      {
        hint: `Start the guest on a node that has runner/keys/${place.user}.json, or copy that file to this one.`,
      },
    )
  }
  return {
    bring,
    async make(place) {
      await bring(place)
      if (keyFileText(place) !== null) return
      // With all that a file may have, so that it does not change behind the other nodes.
      makeArchiveKey(place)
      await bring(place)
    },
    give,
    close: () => sealed.close(),
  }
}

const keyOf = (key: string, user: string): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', Buffer.from(key, 'hex'), '', `the key file of ${user}`, 32))
