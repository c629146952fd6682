/** A store with rows of every kind, and the dependencies of its upkeep. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { SessionId, UserId } from '../../base/index.ts'
import { emptyChain } from '../../protocol/index.ts'
import type { StoreQuestion } from '../../config/index.ts'
import { createHasher, recordHolds } from '../chain.ts'
import { put } from '../contract/memory-fixture.ts'
import { openPostgresStore } from '../postgres/postgres-store.ts'
import { openSqliteStore } from '../sqlite/sqlite-store.ts'
import { recordOf, sessionA } from '../store-contract.ts'
import { ann } from '../store-fixture.ts'
import { type OpeningStore, plainSession, type Store } from '../store.ts'
import { answerStore } from '../upkeep/on-demand.ts'
import type { StorePlace, UpkeepDeps } from '../upkeep/connection.ts'

/** Texts that have broken databases: NUL, quotes, all planes, things that look like placeholders. */
const oddTexts = ['a\0b', `o'"x`, '漢字 🦬 é', '\u0001 1', '', '\\x00']

export function openAt({ file, url, user }: StorePlace): Promise<OpeningStore> {
  return url === ''
    ? openSqliteStore({ path: file, user, durability: 'normal' })
    : openPostgresStore({ url, user, durability: 'normal', pool: 3 })
}

/** Appends records and adds memories. @param count of records besides the unusual ones */
export async function fillStore(store: Store, count: number): Promise<void> {
  const body = (i: number): string => JSON.stringify('x'.repeat((i * 37) % 6_000))
  await Promise.all(
    Array.from({ length: count }, (_, i) =>
      store.append({
        records: [recordOf(`c${i}`, 'intent', { body: body(i) })],
        projections: [
          { kind: 'message', record: 0 },
          { kind: 'spend', scope: 'user', spend: { microDollars: 1, tokens: 2 } },
        ],
      }),
    ),
  )
  for (const [i, text] of oddTexts.entries()) {
    const id = `0192f0a0-0000-7000-8000-0000000000b${i}` as SessionId
    const session = { ...plainSession, id, title: text, createdAt: i, activeAt: 2 ** 45 + i }
    await store.append({ records: [recordOf(`odd${i}`, 'intent', { name: text })], projections: [{ kind: 'session', session }] })
  }
  await store.putBlob(new Uint8Array(10_000).map((_, i) => i))
  await store.claimLane(sessionA, 'worker', 10)
  await store.memory.change([
    { change: 'model', model: 'm', dims: 4, state: 'active' },
    ...Array.from({ length: 40 }, (_, i) => put(`e${i}`, `the ox number ${i} pulls`, { importance: i / 40, tags: [`t${i % 3}`] })),
  ])
  const waiting = await store.memory.withoutVector('m', 100)
  const vectors = waiting.map(({ id }) => ({ passage: id, vector: new Float32Array([1, id, 0.1, -1]) }))
  await store.memory.change([{ change: 'vectors', model: 'm', vectors }])
}

export function placeIn(folder: string, url = '', user: UserId = ann): StorePlace {
  return { user, file: join(folder, 'oxbow.db'), url, backups: join(folder, 'backups') }
}

/** Runs a verb of `oxbow store` in this process. */
export async function ask<Report extends object>(
  place: StorePlace,
  question: StoreQuestion,
  more: Partial<UpkeepDeps> = {},
): Promise<Report> {
  return (await answerStore(question, depsOf(place, more))) as Report
}

export function depsOf(place: StorePlace, more: Partial<UpkeepDeps> = {}): UpkeepDeps {
  return {
    place,
    now: Date.now,
    tell: () => {},
    signRestore: async () => {},
    verifyChain: (at) => chainProblems('file' in at ? { ...place, url: '', file: at.file } : { ...place, url: at.url }),
    ...more,
  }
}

/** A short version of the kernel's audit. */
async function chainProblems(place: StorePlace): Promise<readonly string[]> {
  if (place.url === '' && !existsSync(place.file)) return ['no file']
  const store = await (place.url === ''
    ? openSqliteStore({ path: place.file, user: place.user, durability: 'normal', readOnly: true })
    : openPostgresStore({ url: place.url, user: place.user, durability: 'normal', pool: 3, readOnly: true }))
  try {
    const hash = await createHasher()
    let head: { readonly seq: number; readonly hash: string } = emptyChain
    for (const record of await store.records({ order: 'oldest_first', limit: 10_000, hydrate: false })) {
      const good = record.seq === head.seq + 1 && record.previous === head.hash && recordHolds(hash, place.user, record) === true
      if (!good) return [`record ${record.seq} does not verify`]
      head = record
    }
    return []
  } catch (error) {
    return [String(error)]
  } finally {
    await store.close()
  }
}
