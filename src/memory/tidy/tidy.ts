/**
 * Tidies memory in four phases: orient (find the checkpoint), gather (extract facts), consolidate (duplicates, contradictions), prune
 * (protection, decay, tiers). Each step is recorded before it is applied, and each phase commits a checkpoint with its changes, so that
 * the next run continues a killed one. Faded entries can still be found; only surplus extracted facts are removed.
 */
import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import type { MemoryChange, MemoryEntry, MemoryItem, MemoryStore } from '../../store/index.ts'
import { entryPages, itemsOf, makeItem, wholeText } from '../keep/memory-item.ts'
import type { KeepDeps } from '../keep/exclusive-writer.ts'
import type { AskModel } from '../summary/make-summary.ts'
import type { memoryCursors } from '../keep/keep-limits.ts'
import { comparable, findContradictions, type Known, mergeDuplicates } from './compare.ts'
import { factItem, gatherStatements, messagesSince, type SourcedStatement, statementIn, statesTheSame } from './gather-facts.ts'
import type { Statement } from './statements.ts'
import { changesOf, pruneChanges, type PruneLimits } from './prune.ts'
import { changeOf, patchOf, stillFits, type Tidied, type TidyChange, type TidyStep, undoOf, withRelated } from './tidy-change.ts'
import { listedAtOnce, maxChanges, maxCompared, readAtOnce } from './tidy-limits.ts'

export interface TidyPorts {
  /** Null: rules only. */
  readonly ask: AskModel | null
  /** Resolves when the step is durably recorded. @returns its seq */
  readonly record: (step: TidyStep) => Promise<number>
  readonly signal: AbortSignal
}

export interface Tidy {
  run(ports: TidyPorts): Promise<Tidied>
  /** Unix milliseconds of the last run; 0: never. */
  lastAt(): Promise<number>
  /** Seq of the first step of the newest report; 0 before the first report. */
  lastReport(): Promise<number>
  /** Reverts steps, newest change first. @returns how many changes were reverted, and how many were kept because of later changes */
  undo(steps: readonly TidyStep[]): Promise<{ readonly undone: number; readonly kept: number }>
}

/** Names of cursors in the store. */
const gatheredTo = 'tidy.gathered'
const phaseDone = 'tidy.phase'
const doneAt = 'tidy.done'
const newestReport: (typeof memoryCursors)[number] = 'tidy.report'

type Run = TidyPorts & { readonly deps: KeepDeps; readonly steps: TidyStep[]; readonly limits: PruneLimits | undefined; report: number }

const phases = [gather, consolidate, prune] as const

/** Planned changes of a phase; a write belongs to the change with its id. */
interface Plan {
  readonly step: TidyStep
  readonly writes: readonly MemoryChange[]
}

/** @param limits overrides for tests */
export function createTidy(deps: KeepDeps, limits?: PruneLimits): Tidy {
  const { memory, clock } = deps
  return {
    lastAt: () => memory.cursor(doneAt),
    lastReport: () => memory.cursor(newestReport),
    async run(ports) {
      const run: Run = { ...ports, deps, limits, steps: [], report: 0 }
      // Orient: find the checkpoint of a killed run.
      for (let phase = await memory.cursor(phaseDone); phase < phases.length; phase++) {
        ports.signal.throwIfAborted()
        const plan = await phases[phase]!(run)
        await deps.writer.run((exclusive) =>
          carryOut(run, plan, exclusive, { change: 'cursor', cursor: { name: phaseDone, seq: phase + 1 } }),
        )
      }
      const ended: MemoryChange[] = [
        { change: 'cursor', cursor: { name: phaseDone, seq: 0 } },
        { change: 'cursor', cursor: { name: doneAt, seq: clock.now() } },
      ]
      await memory.change(ended)
      return countOf(run)
    },
    async undo(steps) {
      let [undone, kept] = [0, 0]
      for (const change of steps.flatMap((step) => step.changes).toReversed()) {
        const [item] = await memory.items([change.id])
        const back = change.kind === 'dropped' && item === undefined ? await putBack(deps, change) : undoOf(change, item?.entry)
        if (back === null) kept++
        else {
          await memory.change([back])
          if (back.change === 'erase') deps.changed({ gone: [back.id] })
          if (back.change === 'put') deps.changed({ put: [back.item.entry] })
          undone++
        }
      }
      return { undone, kept }
    },
  }
}

/** Recreates a removed fact from its text. */
async function putBack(deps: KeepDeps, { before, text }: TidyChange): Promise<MemoryChange> {
  const { hash: _, ...entry } = before as MemoryEntry
  return { change: 'put', item: await makeItem(deps, { entry, text, format: 'text', before: '' }) }
}

/**
 * Records a step, then applies it. Entries that were forgotten or rewritten since the phase read them are left out of both.
 */
async function carryOut(run: Run, { step, writes }: Plan, memory: MemoryStore, phase: MemoryChange): Promise<void> {
  const named = new Set(step.changes.flatMap(({ id, other }) => [id, other]).filter((id) => id !== ''))
  const items = await itemsOf(
    memory,
    [...named].map((id) => ({ id })),
    readAtOnce,
  )
  const there = new Map(items.map(({ entry }) => [entry.id, entry]))
  const changes = step.changes.filter((change) => stillFits(change, there))
  const done = new Set(changes.map(({ id }) => id))
  const left = step.changes.filter(({ id }) => !done.has(id))
  await note(run, { ...step, changes, asks: step.asks.filter((ask) => !left.some(({ id }) => ask.includes(id))) }, memory)
  const fitting = writes.filter((write) => !left.some(({ id }) => id === idOf(write)))
  await memory.change([...fitting, phase])
  run.deps.changed({
    put: fitting.flatMap((write) => (write.change === 'put' ? [write.item.entry] : [])),
    gone: fitting.flatMap((write) => (write.change === 'erase' ? [write.id] : [])),
  })
}

function idOf(write: MemoryChange): string | null {
  return write.change === 'put' ? write.item.entry.id : write.change === 'patch' || write.change === 'erase' ? write.id : null
}

async function note(run: Run, step: TidyStep, memory: MemoryStore): Promise<void> {
  if (step.changes.length === 0 && step.asks.length === 0) return
  const seq = await run.record(step)
  run.steps.push(step)
  if (run.report > 0) return
  run.report = seq
  await memory.change([{ change: 'cursor', cursor: { name: newestReport, seq } }])
}

/** Valid notes and facts, newest first. */
export async function knownNow({ memory, clock }: KeepDeps): Promise<readonly Known[]> {
  const entries: MemoryEntry[] = []
  for await (const page of entryPages(memory, { kinds: ['note', 'fact'], validAt: clock.now() }, listedAtOnce)) {
    entries.push(...page.filter(({ supersededBy }) => supersededBy === ''))
    if (entries.length >= maxCompared) break
  }
  const known: Known[] = []
  for (const { entry, passages } of await itemsOf(memory, entries.slice(0, maxCompared), readAtOnce)) {
    const text = wholeText(passages)
    known.push({ entry, ...comparable(entry.hash, text), statement: statementIn(entry, text) })
    await yieldToEventLoop()
  }
  return known
}

async function gather(run: Run): Promise<Plan> {
  const { deps } = run
  const messages = await messagesSince(deps, await deps.memory.cursor(gatheredTo))
  const found = await gatherStatements(messages, run.ask)
  const { changes, writes } = await planFacts(deps, found, await knownNow(deps))
  const newest = messages.reduce((seq, { entry }) => Math.max(seq, entry.seq), 0)
  const read: readonly MemoryChange[] = newest > 0 ? [{ change: 'cursor', cursor: { name: gatheredTo, seq: newest } }] : []
  return { step: { phase: 'gather', changes, asks: [] }, writes: [...writes, ...read] }
}

interface FactPlan {
  readonly changes: readonly TidyChange[]
  readonly writes: readonly MemoryChange[]
  /** The new ones among them. */
  readonly items: readonly { readonly item: MemoryItem; readonly statement: Statement }[]
}

/** What of these statements is new, and what confirms a known one. One that was learned before, and has ended since, stays ended. */
export async function planFacts(deps: KeepDeps, found: readonly SourcedStatement[], known: readonly Known[]): Promise<FactPlan> {
  const changes: TidyChange[] = []
  const items: { readonly item: MemoryItem; readonly statement: Statement }[] = []
  const confirmed = new Map<string, TidyChange>()
  for (const statement of found.slice(0, maxChanges)) {
    const same = known.find(
      (each) => each.statement !== null && statesTheSame(each.statement, statement) && !statement.source.labels.includes('untrusted'),
    )
    // A repeated statement confirms the known fact, unless both come from the same message.
    if (same !== undefined) {
      const { entry, text } = same
      const { id: source, seq } = statement.source
      // All confirmations in a run become one change of the entry.
      const by = confirmed.get(entry.id)?.after.confirmedBy ?? entry.confirmedBy
      if (entry.seq === seq || by.includes(source)) continue
      confirmed.set(entry.id, changeOf('confirmed', entry, text, { confirmedBy: withRelated(by, source) }, source))
      continue
    }
    const item = await factItem(deps, statement)
    const { id, updatedAt } = item.entry
    if ((await deps.memory.items([id])).length > 0) continue
    changes.push({ kind: 'learned', id, text: statement.text, other: statement.source.id, before: {}, after: { updatedAt } })
    items.push({ item, statement })
  }
  const writes = [...items.map(({ item }) => ({ change: 'put', item }) as const), ...[...confirmed.values()].map(patchOf)]
  return { changes: [...changes, ...confirmed.values()], writes, items }
}

async function consolidate({ deps }: Run): Promise<Plan> {
  const now = deps.clock.now()
  const known = await withVectors(deps, await knownNow(deps))
  const merged = await mergeDuplicates(known, now)
  const gone = new Set(merged.map(({ id }) => id))
  const { changes, asks } = findContradictions(
    known.filter(({ entry }) => !gone.has(entry.id)),
    now,
  )
  // An entry in two pairs is changed once; the next run handles the other pair.
  const seen = new Set<string>()
  const all = [...merged, ...changes].filter(({ id }) => !seen.has(id) && seen.add(id)).slice(0, maxChanges)
  return { step: { phase: 'consolidate', changes: all, asks }, writes: all.map(patchOf) }
}

/** Vectors make paraphrases comparable; without an embedder only words are compared. */
async function withVectors({ text }: KeepDeps, known: readonly Known[]): Promise<readonly Known[]> {
  if (known.length < 2) return known
  const engine = await text()
  if ((await engine.embedder()) === null) return known
  const vectors = await engine.embed(known.map((each) => each.text)).catch(() => [])
  return known.map((each, i) => ({ ...each, vector: vectors[i] ?? null }))
}

async function prune({ deps, limits }: Run): Promise<Plan> {
  const changes = await pruneChanges(deps, limits)
  return { step: { phase: 'prune', changes, asks: [] }, writes: changesOf(changes) }
}

function countOf({ steps, report }: Run): Tidied {
  const changes = steps.flatMap((step) => step.changes)
  const count = (kind: TidyChange['kind']): number => changes.filter((change) => change.kind === kind).length
  return {
    learned: count('learned'),
    merged: count('merged'),
    superseded: count('superseded'),
    flagged: count('flagged'),
    settled: count('settled'),
    dropped: count('dropped'),
    asks: steps.flatMap((step) => step.asks),
    report,
  }
}
