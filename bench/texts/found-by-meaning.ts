/** From the moment that a note is kept to the moment that a question in other words finds it. */
import { rmSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMemory, type Memory } from '../../src/memory/index.ts'
import { openSqliteStore } from '../../src/store/index.ts'
import { systemClock, type UserId } from '../../src/base/index.ts'
import type { CallContext } from '../../src/protocol/index.ts'
import { configSchema } from '../../src/services/index.ts'
import { bounded, ms, type Row } from '../report.ts'
import { median } from '../statistics.ts'

const boundMs = 2_000
type Asking = Pick<CallContext, 'id' | 'caller'>
const warmRounds = 10
/** Kept at once before the one that is looked for, as when a document is read in. */
const backlog = 500
const lookMs = 2

export async function measureFoundByMeaning(): Promise<readonly Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-bench-meaning-'))
  const store = await openSqliteStore({ path: join(folder, 'store.db'), user: 'ada' as UserId, durability: 'normal' })
  const memory = createMemory({ store, config: configSchema.parse({}).memory, clock: systemClock })
  try {
    const coldMs = await oneFound(memory, 0)
    const warm: number[] = []
    for (let round = 1; round <= warmRounds; round += 1) warm.push(await oneFound(memory, round))
    for (let each = 0; each < backlog; each += 1)
      await keep(memory, `Row ${each}: the harvest of the field was brought in before the rain.`)
    const behindMs = await oneFound(memory, warmRounds + 1)
    const row = (what: string, took: number, how: string): Row => bounded(what, ms(took), how, `≤ ${boundMs / 1000} s`, took <= boundMs)
    return [
      row('a note found by its meaning, the first of a guest', coldMs, 'the table is opened, and recall is loaded'),
      row('a note found by its meaning, p50', median(warm), 'of it 0.1 s that are waited for company'),
      row(`the same, kept behind ${backlog} others`, behindMs, ''),
    ]
  } finally {
    await memory.close()
    await store.close()
    rmSync(folder, { recursive: true })
  }
}

/** Each has a matter of its own, so that no earlier one is found in its place. */
const pairs = [
  ['physician', 'doctor'],
  ['automobile', 'car'],
  ['infant', 'baby'],
  ['attorney', 'lawyer'],
  ['ocean', 'sea'],
  ['supper', 'dinner'],
  ['purchased', 'bought'],
  ['movie', 'film'],
  ['husband', 'wife'],
  ['dollars', 'money'],
  ['infantry', 'soldiers'],
  ['painter', 'artist'],
] as const

async function oneFound(memory: Memory, round: number): Promise<number> {
  const [kept, asked] = pairs[round % pairs.length] ?? pairs[0]
  const id = await keep(memory, kept)
  const began = performance.now()
  const recall = await memory.recall()
  for (;;) {
    const found = await recall.recall({ text: asked, filter: {}, limit: 10, tokens: 2_000 })
    if (found.some((each) => each.id.startsWith(id))) return performance.now() - began
    await new Promise((resolve) => setTimeout(resolve, lookMs))
  }
}

async function keep(memory: Memory, content: string): Promise<string> {
  const asking = {
    id: 'note',
    caller: { user: 'ada', actor: 'user:ada', rights: new Set<string>(), audience: 'terminal', session: '', turn: '', process: '' },
  } as unknown as Asking
  return (await (await memory.notes()).save({ content, tags: [] }, asking)).id
}
