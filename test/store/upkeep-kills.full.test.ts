/** Upkeep is killed at any point, as a person or the kernel would: the store is in its old or its new state, never in between. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { postgresSkip, usePostgres } from '../../src/store/postgres/postgres-fixture.ts'
import { storeFolder } from '../../src/store/store-fixture.ts'
import { put } from '../../src/store/contract/memory-fixture.ts'
import type { OpeningStore } from '../../src/store/store.ts'
import { readBackup } from '../../src/store/transfer/backup-file.ts'
import { recordOf } from '../../src/store/store-contract.ts'
import { ask, fillStore, openAt, placeIn } from '../../src/store/transfer/transfer-fixture.ts'
import type { StorePlace } from '../../src/store/upkeep/connection.ts'
import type { BackupReport, StoreQuestion, StoreStatus, StoreVerifyReport } from '../../src/config/index.ts'
import { configSchema } from '../../src/services/index.ts'

const guestProgram = fileURLToPath(new URL('../../src/guest/main.ts', import.meta.url))
/** Each is a start of the whole program: seconds on a busy machine. Where it is killed differs from run to run. */
const rounds = 1
const postgres = usePostgres()

interface Ended {
  readonly ms: number
  readonly killed: boolean
  readonly last: Record<string, unknown>
}

/**
 * The guest program as the runner starts it for `oxbow store`.
 * @param killAfterMs null: it ends by itself
 * @param url of a Postgres in which the store is
 */
async function run(root: string, question: StoreQuestion, killAfterMs: number | null, url = ''): Promise<Ended> {
  const began = performance.now()
  const child = spawn(process.execPath, [guestProgram, 'store'], { stdio: ['pipe', 'pipe', 'ignore'] })
  const envelope = {
    user: 'ann',
    workspaceRoot: root,
    config: configSchema.parse({ store: { url } }),
    insecure: false,
    version: '0',
    keys: {},
    question: { command: 'store', store: question },
  }
  child.stdin.on('error', () => {})
  child.stdin.write(`${JSON.stringify(envelope)}\n`)
  let out = ''
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString()
    // As a runner does that has signed it.
    if (chunk.includes('"restoring"')) child.stdin.write('{"signed":true}\n')
  })
  const gone = once(child, 'close')
  if (killAfterMs !== null) {
    await Promise.race([sleep(killAfterMs, undefined, { ref: false }), gone])
    child.kill('SIGKILL')
  }
  const [, signal] = (await gone) as [number | null, string | null]
  const line = out.trim().split('\n').at(-1) ?? ''
  return {
    ms: performance.now() - began,
    killed: signal === 'SIGKILL',
    last: line.endsWith('}') ? (JSON.parse(line) as Record<string, unknown>) : {},
  }
}

interface Workspace extends AsyncDisposable {
  readonly root: string
  readonly place: StorePlace
  /** Puts the file back as it was filled. */
  reset(): void
}

async function workspace(fill: (store: OpeningStore) => Promise<void> = (store) => fillStore(store, 400)): Promise<Workspace> {
  const files = storeFolder()
  const internal = join(files.folder, 'internal')
  mkdirSync(internal)
  const place = placeIn(internal)
  await using filler = storeFolder()
  const store = await filler.open()
  await fill(store)
  await store.close()
  const template = join(files.folder, 'template')
  copyFileSync(filler.path, template)
  return {
    root: files.folder,
    place,
    reset() {
      for (const name of readdirSync(internal)) rmSync(join(internal, name), { recursive: true })
      copyFileSync(template, place.file)
    },
    [Symbol.asyncDispose]: () => files[Symbol.asyncDispose](),
  }
}

/** Records and memories that a kernel's whole audit accepts, which a move is held against in the end. */
async function fillSoundly(store: OpeningStore): Promise<void> {
  const body = (i: number): string => JSON.stringify('x'.repeat((i * 37) % 6_000))
  await store.append({ records: Array.from({ length: head - 1 }, (_, i) => recordOf(`c${i}`, 'refused', { body: body(i) })) })
  await store.putBlob(new Uint8Array(10_000).map((_, i) => i))
  await store.memory.change(Array.from({ length: 40 }, (_, i) => put(`e${i}`, `the ox number ${i} pulls`)))
}

/** The last record tells of the memories. */
const head = 407
/** The store was filled without a kernel: its chain verifies, and its projections follow from no record. */
const restoreOf = (path: string): StoreQuestion => ({ ask: 'restore', path, replace: true, by: 'ann', acceptDamage: true })
/** A restored journal says that it was restored. */
const restoreRecords = 2

async function assertWhole(place: StorePlace, about: string): Promise<StoreStatus> {
  const report = await ask<StoreVerifyReport>(place, { ask: 'verify' })
  assert.deepEqual(report.problems, [], about)
  const status = await ask<StoreStatus>(place, { ask: 'status' })
  assert.ok(status.head.seq === head || status.head.seq === head + restoreRecords, about)
  return status
}

/** Runs once to the end, and then again and again to somewhere in its second half: the first is the start of the program. */
async function killed(
  root: string,
  question: () => StoreQuestion,
  prepare: () => Promise<void>,
  check: (about: string) => Promise<void>,
): Promise<void> {
  await prepare()
  const whole = await run(root, question(), null)
  assert.equal('code' in whole.last, false, JSON.stringify(whole.last))
  await check('not killed')
  for (let round = 0; round < rounds; round++) {
    await prepare()
    const afterMs = whole.ms * (0.5 + 0.5 * Math.random())
    const { killed: wasKilled } = await run(root, question(), afterMs)
    await check(`${question().ask} killed after ${afterMs.toFixed(0)} of ${whole.ms.toFixed(0)} ms (${wasKilled})`)
  }
}

test('a migration that is killed has run or has not; the next start brings the tables up to date', async () => {
  await using ws = await workspace()
  await killed(
    ws.root,
    () => ({ ask: 'migrate', dryRun: false, withoutCopy: false }),
    async () => {
      ws.reset()
      await ask(ws.place, { ask: 'migrate', to: 1, dryRun: false, withoutCopy: true })
    },
    async (about) => {
      const { version, pending } = await ask<StoreStatus>(ws.place, { ask: 'status' })
      assert.ok(version === 1 || pending.length === 0, about)
      await ask(ws.place, { ask: 'migrate', dryRun: false, withoutCopy: false })
      await assertWhole(ws.place, about)
    },
  )
})

test('a killed backup does not exist, or is complete; the store is unchanged', async () => {
  await using ws = await workspace()
  const path = join(ws.root, 'backup')
  await killed(
    ws.root,
    () => ({ ask: 'backup', path }),
    async () => {
      ws.reset()
      rmSync(path, { force: true })
    },
    async (about) => {
      if (existsSync(path)) assert.equal((await readBackup(path)).head.seq, head, about)
      else await ask<BackupReport>(ws.place, { ask: 'backup', path })
      await assertWhole(ws.place, about)
    },
  )
})

test('a restore that is killed leaves the old store or the new one', async () => {
  await using ws = await workspace()
  ws.reset()
  const path = join(ws.root, 'backup')
  await ask(ws.place, { ask: 'backup', path })
  await killed(
    ws.root,
    () => restoreOf(path),
    async () => ws.reset(),
    async (about) => void (await assertWhole(ws.place, about)),
  )
})

test('a killed vacuum changes no data', async () => {
  await using ws = await workspace()
  await killed(
    ws.root,
    () => ({ ask: 'vacuum' }),
    async () => ws.reset(),
    async (about) => void (await assertWhole(ws.place, about)),
  )
})

test('a killed move resumes with the same command, and both sides are equal in the end', { skip: postgresSkip() }, async () => {
  await using ws = await workspace(fillSoundly)
  ws.reset()
  await using first = await postgres.database()
  const { ms: wholeMs } = await run(ws.root, { ask: 'move', to: first.url }, null)
  await using database = await postgres.database()
  let kills = 0
  for (; kills < 2; kills++) {
    const { killed: wasKilled } = await run(ws.root, { ask: 'move', to: database.url }, wholeMs * (0.4 + 0.4 * Math.random()))
    if (!wasKilled) break
  }
  const { last } = await run(ws.root, { ask: 'move', to: database.url }, null)
  // What goes on takes less time than a whole move: a kill may come after its last commit, and then all rows are there already.
  const wasWhole = last['code'] === 'bad_input' && /has rows of this user already/.test(String(last['message']))
  if (kills === 2 && !wasWhole) assert.equal((last['rows'] as Record<string, number> | undefined)?.['journal'], head, JSON.stringify(last))
  await assertWhole({ ...ws.place, url: database.url }, `${kills} kills`)
  await assertWhole(ws.place, `${kills} kills`)
})

test('a restore into Postgres that is killed leaves the old store or the new one', { skip: postgresSkip() }, async () => {
  await using ws = await workspace()
  ws.reset()
  await using database = await postgres.database()
  await ask(ws.place, { ask: 'move', to: database.url })
  const place = { ...ws.place, url: database.url }
  const path = join(ws.root, 'backup')
  await ask(place, { ask: 'backup', path })
  const restore = restoreOf(path)
  const whole = await run(ws.root, restore, null, database.url)
  assert.equal('code' in whole.last, false, JSON.stringify(whole.last))
  // What was there has a record more, so that one can be told from the other.
  const appendOne = async (): Promise<void> => {
    const store = await openAt(place)
    await store.append({ records: [recordOf('more', 'refused')] })
    await store.close()
  }
  for (let round = 0; round < 2; round++) {
    await appendOne()
    const old = (await ask<StoreStatus>(place, { ask: 'status' })).head.seq
    const { killed: wasKilled } = await run(ws.root, restore, whole.ms * (0.4 + 0.5 * Math.random()), database.url)
    const { head: now } = await ask<StoreStatus>(place, { ask: 'status' })
    assert.ok(now.seq === head + restoreRecords || (wasKilled && now.seq === old), `${now.seq} of ${old}`)
    assert.deepEqual((await ask<StoreVerifyReport>(place, { ask: 'verify' })).problems, [])
    const [cursors] = await database.sql<{ count: number }>('select count(*)::int as count from move_cursor')
    assert.equal(cursors?.count, 0)
  }
})
