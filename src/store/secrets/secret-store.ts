/**
 * A user's secrets at rest. Each is sealed under the user's data key; data keys are wrapped by the master key, which never enters
 * the database. So another master key costs one row for each data key (`rewrap`), and another data key reseals every secret
 * (`rotateData`): in parts, each a transaction, with the old key kept until nothing is sealed under it. Whichever part was
 * interrupted, the next call resumes.
 *
 * Sealed bytes are AES-256-GCM under a random nonce: one byte of version, 12 of nonce, the ciphertext, 16 of tag. The names of what
 * they belong to are authenticated with them, so a sealed value that was moved to another name or user does not open.
 */
import { Buffer } from 'node:buffer'
import { randomBytes, randomUUID } from 'node:crypto'
import { type Clock, openBytes, OxbowError, sealBytes, type UserId } from '../../base/index.ts'
import { maxRotatedAtOnce, maxSecretBytes } from '../limits.ts'
import type { UpkeepConnection } from '../upkeep/connection.ts'

export const keyBytes = 32
const version = 1

/** @param parts what the value belongs to, e.g. user and name; as JSON, so that no two lists are the same text */
function belongsTo(parts: readonly string[]): Buffer {
  return Buffer.from(JSON.stringify(parts))
}

/** Encrypts a value with AES-256-GCM, bound to `parts`: it opens only for the same parts. */
export function seal(key: Uint8Array, value: Uint8Array, parts: readonly string[]): Buffer {
  return Buffer.concat([Buffer.of(version), sealBytes(key, value, belongsTo(parts))])
}

/** @returns the value; null when the key is another one, or anything of it was changed or moved. These cases cannot be distinguished. */
export function open(key: Uint8Array, sealed: Uint8Array, parts: readonly string[]): Buffer | null {
  return sealed[0] === version ? openBytes(key, sealed.subarray(1), belongsTo(parts)) : null
}

export function newKey(): Buffer {
  return randomBytes(keyBytes)
}

/** @param hex 64 hexadecimal digits. @throws OxbowError `bad_config` */
export function keyFromHex(hex: string): Buffer {
  if (!/^[0-9a-f]{64}$/.test(hex)) {
    throw new OxbowError('bad_config', 'The key of the store is not valid.', { hint: 'Restore the key file from a backup.' })
  }
  return Buffer.from(hex, 'hex')
}

export interface SecretInfo {
  readonly name: string
  /** Unix milliseconds. */
  readonly updatedAt: number
}

export interface Secrets {
  /** @throws OxbowError `bad_input` for an invalid name or value; `denied` for another master key */
  set(name: string, value: string): Promise<void>
  /** @returns null if there is no such secret. @throws OxbowError `denied` when it does not open: wrong key, or tampered with. */
  get(name: string): Promise<string | null>
  list(): Promise<readonly SecretInfo[]>
  /** @returns whether it existed */
  remove(name: string): Promise<boolean>
  /** Wraps the data keys by another master key, all in one transaction. @returns how many */
  rewrap(master: Uint8Array): Promise<number>
  /** Seals every secret under a new data key. @returns how many it sealed, together with what an earlier call had left over */
  rotateData(): Promise<number>
}

/** Names of environment variables are valid, so that a configuration can name either. */
const namePattern = /^[A-Za-z_][A-Za-z0-9_.-]{0,127}$/

export interface SecretDeps {
  readonly db: UpkeepConnection
  readonly user: UserId
  readonly master: Uint8Array
  readonly clock: Clock
}

interface DataKey {
  readonly id: string
  readonly key: Uint8Array
}

/** The sealed secrets of a user: each is encrypted with a data key, and data keys with the master key. */
export function openSecrets(deps: SecretDeps): Secrets {
  const { db, user, clock } = deps
  const keys = dataKeys(deps)
  const put = async (name: string, value: Uint8Array, { id, key }: DataKey, at: number): Promise<void> => {
    await db.rows(
      `insert into "secret" ("user", "name", "key", "sealed", "updated_at") values (?, ?, ?, ?, ?) on conflict ("user", "name")
       do update set "key" = excluded."key", "sealed" = excluded."sealed", "updated_at" = excluded."updated_at" returning 1`,
      [user, name, id, seal(key, value, ['secret', user, name, id]), at],
    )
  }
  const unsealed = async (name: string, id: string, sealed: Uint8Array): Promise<Buffer> => {
    const found = await keys.byId(id)
    if (found === null) throw wrongKey(`The secret ${name} is sealed under a data key that is gone. It`)
    const value = open(found.key, sealed, ['secret', user, name, id])
    if (value === null) throw wrongKey(`The secret ${name}`)
    return value
  }
  const sealAnew = (to: DataKey): Promise<number> =>
    db.transaction(async () => {
      const rows = await db.rows(
        `select "name", "key", "sealed", "updated_at" from "secret" where "user" = ? and "key" <> ? order by "name" limit ${maxRotatedAtOnce}`,
        [user, to.id],
      )
      for (const row of rows) {
        const [name, id, sealed, at] = row as readonly [string, string, Uint8Array, number]
        await put(name, await unsealed(name, id, sealed), to, at)
      }
      // In the same transaction as the last secret that used it.
      if (rows.length < maxRotatedAtOnce) await db.rows('delete from "wrapped_key" where "user" = ? and "active" = 0 returning 1', [user])
      return rows.length
    })

  return {
    async set(name, value) {
      if (!namePattern.test(name)) throw badInput(`${JSON.stringify(name.slice(0, 128))} cannot be the name of a secret`, nameHint)
      const bytes = Buffer.from(value)
      if (bytes.length === 0 || bytes.length > maxSecretBytes)
        throw badInput(`A secret of ${bytes.length} bytes cannot be stored`, sizeHint)
      await db.transaction(async () => put(name, bytes, await keys.active(), clock.now()))
    },
    async get(name) {
      const [row] = await db.rows('select "key", "sealed" from "secret" where "user" = ? and "name" = ?', [user, name])
      if (row === undefined) return null
      return (await unsealed(name, row[0] as string, row[1] as Uint8Array)).toString()
    },
    async list() {
      const rows = await db.rows('select "name", "updated_at" from "secret" where "user" = ? order by "name"', [user])
      return rows.map(([name, at]) => ({ name: String(name), updatedAt: Number(at) }))
    },
    async remove(name) {
      return (await db.rows('delete from "secret" where "user" = ? and "name" = ? returning 1', [user, name])).length > 0
    },
    rewrap: keys.rewrap,
    async rotateData() {
      // An interrupted rotation left inactive keys: finish it first.
      const to = (await keys.isUnfinished()) ? await keys.active() : await db.transaction(keys.add)
      let total = 0
      for (let some = maxRotatedAtOnce; some === maxRotatedAtOnce; total += some) some = await sealAnew(to)
      return total
    },
  }
}

interface DataKeys {
  add(): Promise<DataKey>
  active(): Promise<DataKey>
  byId(id: string): Promise<DataKey | null>
  /** Whether there are inactive data keys. */
  isUnfinished(): Promise<boolean>
  readonly rewrap: Secrets['rewrap']
}

function dataKeys({ db, user, clock, master: first }: SecretDeps): DataKeys {
  let master = first
  const keyOf = (row: readonly unknown[]): DataKey => {
    const [id, wrapped] = row as readonly [string, Uint8Array]
    const key = open(master, wrapped, ['data key', user, id])
    if (key === null) throw wrongKey(`The data key ${id} of ${user}`, sameKeyHint(user))
    return { id, key }
  }
  const keyRows = (where: string, ...values: string[]) =>
    db.rows(`select "id", "wrapped" from "wrapped_key" where "user" = ? ${where}`, [user, ...values])
  const add = async (): Promise<DataKey> => {
    const made = { id: randomUUID(), key: newKey() }
    await db.rows('update "wrapped_key" set "active" = 0 where "user" = ? returning 1', [user])
    const wrapped = seal(master, made.key, ['data key', user, made.id])
    const columns = '"user", "id", "wrapped", "active", "created_at"'
    await db.rows(`insert into "wrapped_key" (${columns}) values (?, ?, ?, 1, ?) returning 1`, [user, made.id, wrapped, clock.now()])
    return made
  }
  return {
    add,
    async active() {
      const [row] = await keyRows('and "active" = 1')
      return row === undefined ? add() : keyOf(row)
    },
    async byId(id) {
      const [row] = await keyRows('and "id" = ?', id)
      return row === undefined ? null : keyOf(row)
    },
    isUnfinished: async () => (await keyRows('and "active" = 0')).length > 0,
    async rewrap(next) {
      const count = await db.transaction(async () => {
        const all = (await keyRows('')).map(keyOf)
        for (const { id, key } of all) {
          const wrapped = seal(next, key, ['data key', user, id])
          await db.rows('update "wrapped_key" set "wrapped" = ? where "user" = ? and "id" = ? returning 1', [wrapped, user, id])
        }
        return all.length
      })
      master = next
      return count
    },
  }
}

const nameHint = 'Letters, digits, _ . and -, not beginning with a digit; at most 128.'
const sizeHint = `A secret has 1 to ${maxSecretBytes} bytes.`

function badInput(message: string, hint: string): OxbowError {
  return new OxbowError('bad_input', `${message}.`, { hint })
}

/** What opens the secrets of a user who has been on another machine, as in a cluster. */
export function sameKeyHint(user: UserId): string {
  return `Copy runner/keys/${user}.json from the home in which they were stored to this one, and give it the same passphrase, if it has one.`
}

function wrongKey(what: string, hint = 'Use the key file or passphrase that it was stored with, or set the secret again.'): OxbowError {
  return new OxbowError('denied', `${what} cannot be decrypted: the key is wrong, or the stored value was changed.`, { hint })
}
