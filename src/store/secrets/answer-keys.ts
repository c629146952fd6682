/** Answers the questions of `oxbow secret` and of the commands that encrypt the database file. */
import { existsSync } from 'node:fs'
import { type Clock, isEncrypted, setOwn, type UserId } from '../../base/index.ts'
import type { KeyQuestion, KeyReport } from '../../config/index.ts'
import { type CipherChoice, convertFile } from './file-encryption.ts'
import { migrate } from '../migrations/migration-runner.ts'
import { connectStore, type StorePlace, type UpkeepConnection, using } from '../upkeep/connection.ts'
import { keyFromHex, open, openSecrets, sameKeyHint, type Secrets } from './secret-store.ts'

export interface KeyDeps {
  readonly place: Omit<StorePlace, 'cipher' | 'backups'>
  /** At least one. */
  readonly masters: readonly string[]
  readonly clock: Clock
}

/** @throws OxbowError as the store does; `denied` for a wrong key */
export async function answerKeys(question: KeyQuestion, deps: KeyDeps): Promise<KeyReport> {
  const { ask } = question
  const first = deps.masters[0] ?? ''
  const last = deps.masters.at(-1) ?? ''
  if (ask === 'encrypt' || ask === 'decrypt') {
    convert(deps, ask === 'encrypt' ? first : null)
    return report(deps, [], 0)
  }
  if (ask === 'change_master') {
    // The file first: if this is interrupted afterwards, both keys are still known.
    if (isFileEncrypted(deps)) convert(deps, last)
    const changed = await withSecrets(deps, 'write', async (secrets) => secrets.rewrap(keyFromHex(last)))
    return report(deps, [], changed)
  }
  return withSecrets(deps, ask === 'list' ? 'read' : 'write', async (secrets) => {
    return report(deps, ask === 'list' ? await secrets.list() : [], await changedBy(question, secrets))
  })
}

/** @returns how many secrets or data keys the question has changed */
async function changedBy(question: KeyQuestion, secrets: Secrets): Promise<number> {
  if (question.ask === 'remove') return Number(await secrets.remove(question.name))
  if (question.ask === 'rotate_data') return secrets.rotateData()
  if (question.ask !== 'set') return 1
  // One that does not open is replaced.
  const before = await secrets.get(question.name).catch(() => null)
  if (before === question.value) return 0
  await secrets.set(question.name, question.value)
  return 1
}

/**
 * @param required names of secrets that must open if they exist; others that do not open are left out
 * @returns every secret; empty if there is no store yet
 */
export async function storedSecrets(required: readonly string[], deps: KeyDeps): Promise<Readonly<Record<string, string>>> {
  if (deps.place.url === '' && !existsSync(deps.place.file)) return {}
  return withSecrets(deps, 'read', async (secrets) => {
    const found: Record<string, string> = {}
    let closed = 0
    for (const { name } of await secrets.list()) {
      try {
        setOwn(found, name, (await secrets.get(name)) ?? '')
      } catch (error) {
        if (required.includes(name)) throw error
        closed += 1
      }
    }
    if (closed > 0)
      console.error(`${closed} of the stored secrets cannot be opened here, and agents do not have them. ${sameKeyHint(deps.place.user)}`)
    return found
  })
}

/** @param changes by name; null removes the secret */
export async function sealSecrets(changes: ReadonlyMap<string, string | null>, deps: KeyDeps): Promise<void> {
  await withSecrets(deps, 'write', async (secrets) => {
    for (const [name, value] of changes) {
      if (value === null) await secrets.remove(name)
      else await secrets.set(name, value)
    }
  })
}

function report({ place, masters }: KeyDeps, secrets: KeyReport['secrets'], changed: number): KeyReport {
  return { secrets, changed, encrypted: isFileEncrypted({ place, masters }) }
}

function isFileEncrypted({ place }: Pick<KeyDeps, 'place' | 'masters'>): boolean {
  return place.url === '' && existsSync(place.file) && isEncrypted(place.file)
}

function convert({ place, masters }: KeyDeps, to: string | null): void {
  convertFile({ path: place.file, cipher: { masters, required: false }, to })
}

async function withSecrets<Result>(deps: KeyDeps, wish: 'read' | 'write', work: (secrets: Secrets) => Promise<Result>): Promise<Result> {
  const { place, masters, clock } = deps
  const choice: CipherChoice = { masters, required: false }
  const cipher = isFileEncrypted(deps) ? { cipher: choice } : {}
  return using(await connectStore({ ...place, backups: '', isShared: true, ...cipher }, wish), async (db) => {
    if (wish === 'write') await migrate(db.migration, { now: clock.now })
    return work(openSecrets({ db, user: place.user, master: await masterOf(db, place.user, masters), clock }))
  })
}

/** @returns the master key that wraps the data keys; the first one if there are no data keys, or none fits */
async function masterOf(db: UpkeepConnection, user: UserId, masters: readonly string[]): Promise<Buffer> {
  const keys = masters.map(keyFromHex)
  const [row] = await db.rows('select "id", "wrapped" from "wrapped_key" where "user" = ?', [user])
  const [id, wrapped] = (row ?? []) as readonly [string?, Uint8Array?]
  const fits = keys.find((key) => id !== undefined && wrapped !== undefined && open(key, wrapped, ['data key', user, id]) !== null)
  return fits ?? keys[0] ?? keyFromHex('')
}
