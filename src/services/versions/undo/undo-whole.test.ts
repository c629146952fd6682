/** An undo takes back all that a turn has changed, in files and in what services keep, together or not at all. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeWorkbench } from '../../../sandbox/sandbox-fixture.ts'
import { builtinCalls, memoryCalls } from '../../../tools/index.ts'
import { createMemory } from '../../../memory/index.ts'
import { openMemoryStore } from '../../../store/index.ts'
import { systemClock, type Json, type JsonObject } from '../../../base/index.ts'
import { configSchema } from '../../index.ts'
import { asks, openFixture, says, user } from '../../../kernel/kernel-fixture.ts'

const cadence = { type: 'interval', every_s: 86_400 }

const config = {
  agent: { rights: ['file.read', 'file.write', 'state.write', 'memory.write', 'memory.read', 'scratchpad.use', 'schedule.write'] },
  approval: { privileged: 'allow' },
  flow: { irreversible: 'allow' },
  memory: { embedder: 'none' },
} as const

test('an undo right behind a turn takes back that turn, also where versions know only the second', async () => {
  await using bench = await makeWorkbench()
  const steps: ReturnType<typeof says>[] = []
  await using guest = await openFixture({
    sandbox: bench.sandbox,
    versionsFolder: join(bench.root, 'internal', 'versions'),
    calls: builtinCalls({ files: true, shell: false }),
    play: () => steps.shift() ?? says('done'),
    config,
  })
  const shared = join(bench.root, 'shared')
  mkdirSync(shared, { recursive: true })
  for (let turn = 1; turn <= 6; turn += 1) {
    for (const call of [
      ['scratchpad_write', { items: [`plan ${turn}`] }] as const,
      ['file_write', { path: 'a.txt', text: `${turn}` }] as const,
    ]) {
      steps.push(asks(call), says('done'))
      await guest.turn(`Do ${turn}`)
    }
    const undone = await guest.kernel.call('version.undo', { apply: true })
    assert.equal(undone.status, 'ok', JSON.stringify(undone))
    assert.equal(existsSync(join(shared, 'a.txt')), false, `after turn ${turn}`)
  }
})

test('an undo takes back files, notes, documents, the scratchpad and schedules of a turn, and its undo brings them back', async () => {
  await using bench = await makeWorkbench()
  const steps: ReturnType<typeof says>[] = []
  const store = await openMemoryStore({ user })
  await using guest = await openFixture({
    store,
    sandbox: bench.sandbox,
    versionsFolder: join(bench.root, 'internal', 'versions'),
    calls: builtinCalls({ files: true, shell: false }),
    memory: {
      make: (host) =>
        createMemory({ store, host, config: configSchema.parse({ memory: { embedder: 'none' } }).memory, clock: systemClock }),
      calls: memoryCalls,
    },
    play: () => steps.shift() ?? says('done'),
    config,
  })
  const shared = join(bench.root, 'shared')
  const ok = async (name: string, input: Json): Promise<JsonObject> => {
    const outcome = await guest.kernel.call(name, input, guest.session)
    assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
    return (outcome as { output: JsonObject }).output
  }
  const turn = async (...calls: readonly (readonly [string, unknown])[]): Promise<void> => {
    steps.push(asks(...calls), says('done'))
    await guest.turn('Do it all')
  }
  const look = async (): Promise<unknown> => {
    const notes = await store.memory.list({ kinds: ['note'] }, 10)
    const texts = (await store.memory.items(notes.map(({ id }) => id))).map(({ passages }) => passages.map(({ text }) => text).join(''))
    const document = await store.document('state/projects', 'oxbow')
    const { schedules } = (await ok('schedule.search', {})) as unknown as { schedules: { name: string }[] }
    const { items } = await ok('scratchpad.read', {})
    const file = join(shared, 'a.txt')
    const value = document === null ? null : (JSON.parse(document.body) as { data: unknown }).data
    return [existsSync(file) ? readFileSync(file, 'utf8') : null, texts.toSorted(), value, schedules.map(({ name }) => name), items]
  }
  mkdirSync(shared, { recursive: true })
  writeFileSync(join(shared, 'a.txt'), 'old')
  const { note_id: kept } = await ok('memory.save', { content: 'The house is red.' })
  await turn(['scratchpad_write', { items: ['first plan'] }])
  const before = await look()
  await turn(
    ['file_write', { path: 'a.txt', text: 'new' }],
    ['memory_save', { content: 'The ox is strong.' }],
    ['memory_update', { note_id: kept, content: 'The house is blue.' }],
    ['state_save', { category: 'projects', name: 'oxbow', data: 1 }],
    ['scratchpad_write', { items: ['second plan'] }],
    ['schedule_create', { name: 'Daily', goal: 'Look', cadence }],
  )
  const after = await look()
  assert.deepEqual(after, ['new', ['The house is blue.', 'The ox is strong.'], 1, ['Daily'], ['second plan']])
  const preview = await ok('version.undo', {})
  assert.deepEqual(preview['conflicts'], [])
  assert.deepEqual(await look(), after, 'a preview changes nothing')
  await ok('version.undo', { apply: true, digest: preview['digest']! })
  assert.deepEqual(await look(), before)
  await ok('version.undo', { redo: true, apply: true })
  assert.deepEqual(await look(), after)
  await ok('memory.update', { note_id: kept!, content: 'The house is green.' })
  const refused = await guest.kernel.call('version.undo', { apply: true })
  assert.match(JSON.stringify(refused), /Nothing was changed, because.*\/notes\/.*it has been changed since/)
  assert.equal(readFileSync(join(shared, 'a.txt'), 'utf8'), 'new', 'nothing at all was changed')
  await ok('version.undo', { apply: true, conflicts: 'keep_later' })
  assert.deepEqual(await look(), ['old', ['The house is green.'], null, [], ['first plan']])
})
