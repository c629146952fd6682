/** Memory over a store that fails: a disk that fills, pages that were half written, a server that is restarted in the middle. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { user } from '../../src/kernel/kernel-fixture.ts'
import { createLocalTextEngine, createMemory, type Memory } from '../../src/memory/index.ts'
import { createDatabase, postgresSkip, startPostgres } from '../../src/store/postgres/postgres-fixture.ts'
import { openStore, type OpeningStore } from '../../src/store/index.ts'
import { type CallId, isOxbowError, type SessionId, systemClock, type TurnId } from '../../src/base/index.ts'
import type { NewRecord } from '../../src/protocol/index.ts'
import { configSchema } from '../../src/services/index.ts'

interface House extends AsyncDisposable {
  readonly store: OpeningStore
  readonly memory: Memory
  /** @returns its id */
  note(i: number): Promise<string>
  find(text: string): Promise<readonly string[]>
}

/** @param place a file, or the address of a server */
async function open(place: string): Promise<House> {
  const config = configSchema.parse({ store: { url: place.startsWith('postgres:') ? place : '' }, memory: { embedder: 'hash' } })
  const store = await openStore({ config: config.store, environment: {}, path: place, user })
  const text = createLocalTextEngine({ embedder: 'hash' })
  const memory = createMemory({ store, config: config.memory, clock: systemClock, text: async () => text })
  const caller = { user, actor: 'user:ada', rights: new Set<string>(), audience: 'terminal', session: '', turn: '', process: '' }
  return {
    store,
    memory,
    async note(i) {
      const content = `Note ${i} says fact${i}. ${'Much is said about it. '.repeat(60)}`
      return (await (await memory.notes()).save({ content, tags: [] }, { id: `note-${i}`, caller } as never)).id
    },
    async find(words) {
      const found = await (await memory.recall()).recall({ text: words, filter: {}, limit: 3, tokens: 1_000 })
      return found.map(({ text: each }) => each)
    },
    async [Symbol.asyncDispose]() {
      await memory.close()
      await store.close()
    },
  }
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-memory-faults-'))
  try {
    await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

test('on a full disk a note is refused with advice, earlier ones are found, and later ones are added once there is space', async (t) => {
  await inFolder(async (folder) => {
    const disk = join(folder, 'disk')
    mkdirSync(disk)
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'oxbow-test', disk], { encoding: 'utf8' })
    if (mounted.status !== 0) return t.skip(`a small disk needs root and mount: ${mounted.stderr || String(mounted.error)}`)
    try {
      const place = join(disk, 'oxbow.db')
      const reserve = join(disk, 'reserve')
      writeFileSync(reserve, new Uint8Array(400_000))
      const kept: string[] = []
      {
        await using house = await open(place)
        await house.store.opened()
        const refusal = await (async () => {
          for (let i = 0; i < 5_000; i++) kept.push(await house.note(i))
        })().then(
          () => null,
          (error: unknown) => error,
        )
        assert.ok(isOxbowError(refusal, 'store_full'), String(refusal))
        assert.match(refusal.hint, /\w+ \w+/)
        assert.ok(kept.length > 5)
        assert.match((await house.find(`fact${kept.length - 1}`))[0] ?? '', new RegExp(`fact${kept.length - 1}\\b`))
      }
      rmSync(reserve)
      await using house = await open(place)
      await house.store.opened()
      const there = new Set((await house.store.memory.list({}, 1_000)).map(({ id }) => id))
      assert.deepEqual(
        kept.filter((id) => !there.has(id)),
        [],
      )
      await house.note(9_999)
      assert.match((await house.find('fact9999'))[0] ?? '', /fact9999/)
    } finally {
      spawnSync('umount', ['--lazy', disk])
    }
  })
})

test('with a torn page memory returns what it can, or store_corrupt with advice', async (t) => {
  await inFolder(async (folder) => {
    const place = join(folder, 'oxbow.db')
    {
      await using house = await open(place)
      for (let i = 0; i < 24; i++) await house.note(i)
    }
    const whole = readFileSync(place)
    const pages = whole.length / 4_096
    const ends = new Map<string, number>()
    for (let part = 1; part <= 6; part++) {
      const page = Math.floor((pages * part) / 7)
      for (const suffix of ['-wal', '-shm']) rmSync(place + suffix, { force: true })
      writeFileSync(place, whole)
      const file = openSync(place, 'r+')
      writeSync(file, Buffer.alloc(2_048, 0xa5), 0, 2_048, page * 4_096 + (part % 2) * 2_048)
      closeSync(file)
      await using house = await open(place)
      const tries: Record<string, () => Promise<unknown>> = {
        search: () => house.find('fact13'),
        list: async () => house.store.memory.items((await house.store.memory.list({}, 100)).map(({ id }) => id)),
        note: () => house.note(500 + part),
        reindex: () => house.memory.reindex(AbortSignal.timeout(60_000)),
      }
      for (const [name, attempt] of Object.entries(tries)) {
        const how = await attempt().then(
          () => 'works',
          (error: unknown) => {
            assert.ok(isOxbowError(error), `page ${page}, ${name}: ${String(error)}`)
            assert.equal(error.code, 'store_corrupt', `page ${page}, ${name}: ${error.message}`)
            assert.match(error.hint, /\w+ \w+/)
            return error.code
          },
        )
        ends.set(`${name} ${how}`, (ends.get(`${name} ${how}`) ?? 0) + 1)
      }
    }
    t.diagnostic([...ends].map(([how, count]) => `${how}: ${count}`).join(', '))
    assert.ok(
      [...ends.keys()].some((how) => how.endsWith('store_corrupt')),
      'no damage was met',
    )
  })
})

const messages = 150
const session = '01890a5d-ac96-774b-bcce-b302099a8057' as SessionId

function said(i: number): NewRecord {
  const call = `01890a5d-ac96-774b-8000-${String(i).padStart(12, '0')}` as CallId
  const body = JSON.stringify({ text: `Message number ${i} tells of word${i}.` })
  const turn = call as string as TurnId
  return { at: 1_750_000_000_000 + i, actor: 'user:ada', session, turn, call, name: 'turn.send', phase: 'started', body }
}

test(
  'a server that is restarted while it indexes and makes vectors loses no message, keeps none twice, and all have vectors',
  { skip: postgresSkip() },
  async () => {
    await using server = await startPostgres()
    const database = await createDatabase(server)
    await using house = await open(database.url)
    await house.store.opened()
    await house.store.append({ records: Array.from({ length: messages }, (_, i) => said(i)) })
    const { memory } = house.store
    house.memory.poke()
    for (const mode of ['immediate', 'fast'] as const) {
      // In the middle of the first page, and of the vectors.
      const doing = house.memory.caughtUp()
      await server.stop(mode)
      await server.start()
      await doing
    }
    for (let cursor = 0; cursor < messages; cursor = await memory.cursor('journal')) {
      house.memory.poke()
      await house.memory.caughtUp()
    }
    for (let made = 0; made < messages;) {
      house.memory.poke()
      made = (await house.memory.stats()).models.find(({ state }) => state === 'active')?.vectors ?? 0
    }
    const ids = (await memory.list({}, 1_000)).map(({ id }) => id)
    assert.deepEqual([ids.length, new Set(ids).size], [messages, messages])
    assert.match((await house.find('word77'))[0] ?? '', /word77/)
    assert.equal((await house.memory.stats()).problem, null)
  },
)
