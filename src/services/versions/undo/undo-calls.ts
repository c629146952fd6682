/**
 * The calls that undo a turn: all that it has changed, in files, saved documents and what services keep, together or not at all. What others have
 * changed since is a conflict: the undo stops and names it, unless it is told what to do. What reached outside is listed.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { assertNoBranch, type CallOf, type Core } from '../../../kernel/index.ts'
import { isUuid, OxbowError, truncate } from '../../../base/index.ts'
import { type Call, type CallContext, defineCall, dollarsText, type Done } from '../../../protocol/index.ts'
import type { UndoneTurn } from '../thread/undo-turn.ts'
import { bringBack } from '../bring-back.ts'
import { changedWhy } from '../restore-files.ts'
import { listUndoable, undoCallName } from './listed-turns.ts'
import { pendingChange } from './pending-undo.ts'
import { type OtherCall, partsOf, partsOfUndo, type TurnParts, type TurnPartsDeps } from './turn-parts.ts'
import {
  type ChosenChanges,
  choose,
  commitTogether,
  loadParts,
  type PlannedPart,
  planParts,
  planState,
  sameChanges,
  whileAlone,
} from './undo-parts.ts'
import { inTheWay, leftLines, nothingToUndo, partsDiff, previewLines, shownPlan, summary } from './undo-text.ts'
import { open, reads, shared, type VersionCallDeps, writes } from '../version-calls.ts'
import { trailersOf } from '../thread/message-labels.ts'
import { maxDiffBytes, maxListedTurns, maxUndoTries } from '../limits.ts'
import {
  type Committed,
  type Conflict,
  type FileChange,
  type OutsideCall,
  type Undone,
  undone,
  type VersionedTurn,
  versionedTurn,
} from '../version-schemas.ts'
import type { Versions } from '../versions.ts'

export type UndoCallDeps = Omit<VersionCallDeps, 'store' | 'documents'> &
  Omit<TurnPartsDeps, 'store' | 'parts'> &
  Pick<Core, 'store' | 'documents' | 'sections'>

type UndoDeps = UndoCallDeps & Pick<TurnPartsDeps, 'parts'>

export function undoCalls(core: UndoCallDeps): readonly Call[] {
  const deps = { ...core, parts: loadParts(core) }
  return [turnsCall(deps), undoCall(deps)]
}

function turnsCall(deps: UndoDeps): Call {
  return defineCall({
    ...shared,
    ...reads,
    audience: ['terminal'],
    name: 'version.turns',
    summary: 'Lists the turns that changed something which an undo takes back, and what was undone, newest first.',
    input: z.strictObject({ limit: z.int().min(1).max(maxListedTurns).default(20) }),
    output: z.strictObject({ turns: z.array(versionedTurn).readonly() }),
    example: { limit: 20 },
    recordOutput: ({ turns }) => ({ turns: turns.length }),
    async run({ limit }) {
      const turns = await listUndoable(deps, await open(deps), limit)
      const lines = turns.map(
        (one) => `${one.turn} ${new Date(one.at).toISOString()} ${one.author} ${one.subject}${one.undone ? ' (undone)' : ''}`,
      )
      return { output: { turns }, text: lines.join('\n') || 'No turn has changed anything yet.' }
    },
  })
}

type UndoInput = z.infer<typeof undoInput>

const undoInput = z.strictObject({
  turn: z
    .string()
    .max(100)
    .default('')
    .describe('A turn or an undo, as version.turns lists it, or its version; empty: the newest that is not undone.'),
  redo: z.boolean().default(false).describe('Undo the newest undo instead.'),
  apply: z.boolean().default(false).describe('Undo; otherwise only list what would change.'),
  conflicts: z
    .enum(['stop', 'keep_later', 'overwrite'])
    .default('stop')
    .describe(
      'Where something was changed since: change nothing; leave that and take back the rest; or put back what was before, also there.',
    ),
  digest: z.string().max(100).default('').describe('Of a preview: nothing is changed if there is another plan by now.'),
})

function undoCall(deps: UndoDeps): Call {
  return defineCall({
    ...shared,
    ...writes,
    audience: ['terminal'],
    name: undoCallName,
    summary: 'Takes back what a turn changed, whole or not at all, and nothing else. Without apply: only a preview.',
    input: undoInput,
    output: undone,
    example: { turn: '', redo: false, apply: false, conflicts: 'stop', digest: '' },
    recordOutput: ({ turn, total, conflicts, undo }) => ({ of: turn, total, conflicts: conflicts.length, undo }),
    async run(input, context) {
      assertNoBranch(context.caller)
      const found = await targetOf(deps, input)
      for (let tries = 1; ; tries += 1) {
        const done = await takeBackTurn(deps, found, input, context)
        if (done !== null) return done
        if (tries < maxUndoTries) continue
        throw new OxbowError('tool_failed', 'What the turn changed keeps changing, so it could not be undone: nothing was changed.', {
          hint: 'Try again once nothing is changing it.',
        })
      }
    },
  })
}

/** Characters of an id, or of a commit, that name it. */
const minPrefix = 7

interface Found extends Pick<VersionedTurn, 'turn' | 'undoes'> {
  /** All turns that have versions. */
  readonly all: readonly VersionedTurn[]
}

/** @returns a turn or an undo, and whether it is an undo @throws OxbowError `not_found` */
async function targetOf(deps: UndoDeps, { turn, redo }: UndoInput): Promise<Found> {
  const turns = await listUndoable(deps, await open(deps), maxListedTurns * 10)
  if (turn !== '') {
    const isNamed = (id: string): boolean => id === turn || (turn.length >= minPrefix && id.startsWith(turn))
    const named = turns.filter((one) => isNamed(one.turn) || (one.commit !== '' && isNamed(one.commit)))
    if (named.length > 1) throw new OxbowError('bad_input', `${turn} matches ${named.length} turns.`, { hint: 'Give more characters.' })
    // Whole ids of turns that are too old for the list are looked for.
    if (named[0] === undefined && !isUuid(turn))
      throw new OxbowError('not_found', `No turn ${truncate(turn, 50)}: nothing was changed.`, {
        hint: 'oxbow undo --list lists the turns. To bring back a file: oxbow restore PATH --to VERSION.',
      })
    return { ...(named[0] ?? { turn, undoes: '' }), all: turns }
  }
  const byId = new Map(turns.map((one) => [one.turn, one]))
  const { isRunning } = await deps.versioning()
  const isUndo = ({ undoes }: VersionedTurn): boolean => undoes !== '' && (byId.get(undoes)?.undoes ?? '') === ''
  const found = turns.find((one) => !one.undone && !isRunning(one.turn) && (redo ? isUndo(one) : one.undoes === ''))
  if (found !== undefined) return { ...found, all: turns }
  const message = redo
    ? 'Nothing to redo.'
    : 'There is no turn to undo: none has changed anything that an undo takes back, or all are undone.'
  const some = redo ? 'oxbow log lists the versions.' : 'oxbow undo --list lists them; oxbow undo TURN takes back what an undo left.'
  const none = 'Versions hold files: a turn that only made folders leaves nothing to undo. oxbow log lists the versions.'
  throw new OxbowError('not_found', message, { hint: redo || turns.length > 0 ? some : none })
}

/** What an undo works with. */
interface Undoing {
  readonly deps: UndoDeps
  readonly versions: Versions
  readonly parts: TurnParts
  readonly isRedo: boolean
  readonly planned: readonly PlannedPart[]
  readonly chosen: ChosenChanges
  readonly plan: UndoneTurn
  readonly by: Parameters<Versions['undo']>[0]['facts']
  readonly branch: string
  readonly input: UndoInput
  readonly context: CallContext
}

/** @returns null if something has changed meanwhile */
async function takeBackTurn(deps: UndoDeps, found: Found, input: UndoInput, context: CallContext): Promise<Done<Undone> | null> {
  const { caller, clock, id } = context
  const { turn, undoes } = found
  const versions = await open(deps)
  const { isRunning, sync } = await deps.versioning()
  const isRedo = undoes !== ''
  const parts = isRedo ? await partsOfUndo(deps, turn) : await partsOf(deps, turn, found.all)
  const running = parts.turns.find(isRunning)
  if (running !== undefined) throw stillRunning(running === turn ? 'This turn is' : 'An agent or a graph that this turn started is')
  const { commit: ours } = await sync()
  const trailers = { ...trailersOf({ session: caller.session, turn: id }, []), 'Oxbow-Undoes': parts.turns.join(' ') }
  const facts = { author: caller.actor, at: clock.now(), subject: 'Undo', trailers }
  const branch = `undo-${id}`
  const planned = await planParts(await deps.parts(), parts.records)
  const chosen = choose(planned, input.conflicts)
  const mayLack = planned.some(({ changes }) => changes.length > 0)
  try {
    const none: UndoneTurn = { subject: '', commit: null, changes: [], conflicts: [], content: '' }
    const asked = { turns: parts.turns, branch, facts, overwrites: input.conflicts === 'overwrite', mayLack }
    const plan = ours === null ? none : await versions.undo({ ...asked, ours })
    const subject = (plan.subject || parts.subject).replace(/^(?:Undo|Redo): /, '')
    const by = { ...facts, subject: `${isRedo ? 'Redo' : 'Undo'}: ${subject}` }
    const undoing = { deps, versions, parts, isRedo, planned, chosen, plan: { ...plan, subject }, by, branch, input, context }
    const shown = shownPlan(plan, chosen)
    const isInTheWay = input.conflicts === 'stop' && shown.conflicts.length > 0
    if (shown.total === 0 && !isInTheWay) throw nothingToUndo(shown.conflicts, isRedo)
    const digest = digestOf(turn, plan, chosen)
    const { others, outside } = isRedo ? { others: [], outside: [] } : leftOf(undoing)
    const output = { undo: '', turn, subject, ...shown, others, outside, diff: '', digest }
    if (!input.apply) {
      const files =
        plan.commit === null ? '' : (await versions.compare({ from: ours!, to: plan.commit, path: '', text: true, limit: 1 })).text
      const diff = [files, partsDiff(chosen)].filter((text) => text !== '').join('\n')
      return {
        output: { ...output, diff: diff.slice(0, maxDiffBytes) },
        text: [...previewLines(shown), ...leftLines({ ...shown, others, outside }, input.conflicts)].join('\n'),
      }
    }
    if (input.digest !== '' && input.digest !== digest) throw otherPlan
    if (isInTheWay) throw inTheWay(shown)
    const kept = await apply(undoing)
    if (kept === null) return null
    const left = withoutKept(plan, kept)
    const done = shownPlan(left, chosen)
    if (done.total === 0) throw nothingToUndo(done.conflicts, isRedo)
    return {
      output: { ...output, ...done, undo: id },
      text: [
        summary(done, isRedo),
        ...leftLines({ ...done, others, outside }, input.conflicts === 'stop' ? 'keep_later' : input.conflicts),
      ].join('\n'),
    }
  } catch (error) {
    if (error === changedMeanwhile) return null
    throw error
  } finally {
    await versions.forget({ branch })
  }
}

const otherPlan = new OxbowError('tool_failed', 'Nothing was changed: there is something else to take back now than what you have seen.', {
  hint: 'Look at it again: oxbow undo --dry-run',
})

/** The store first, in one commit that also says which files follow: from then on the undo is done, whatever happens. @returns what it left; null: try again */
async function apply(undoing: Undoing): Promise<readonly Conflict[] | null> {
  const { deps, versions, parts, plan, planned, chosen, by, branch, input, context } = undoing
  const of: CallOf = { caller: context.caller, call: context.id, name: undoCallName }
  const commit = (documents: Parameters<typeof commitTogether>[1]['documents']): Promise<void> =>
    whileAlone(chosen.planned, async () => {
      const now = await planParts(await deps.parts(), parts.records)
      const all = (some: readonly PlannedPart[]) => some.flatMap(({ changes }) => changes)
      if (!sameChanges(all(now), all(planned))) throw changedMeanwhile
      await commitTogether(deps.documents, { of, planned: choose(now, input.conflicts).planned, documents, undoes: parts.turns })
    })
  if (plan.commit === null) return commit([]).then(() => [])
  const since = parts.startedAt === undefined ? undefined : parts.startedAt - clockGrainMs
  const target = plan.commit
  let isBack = false
  const { kept } = await bringBack(
    { ...deps, versions },
    {
      target,
      changes: plan.changes,
      by,
      serves: undoCallName,
      madeSinceMs: since,
      isCurrent(before) {
        if (before.changed) throw changedMeanwhile
      },
      async first(documents, before) {
        const pending = pendingChange(context.id, { target, before: before.commit!, branch, since: since ?? null, by })
        await commit(hasFiles(plan.changes) ? [...documents, pending] : documents)
      },
      async fell(left, before) {
        const isAnyDone = left.length < plan.changes.length + chosen.changes.length
        if (input.conflicts !== 'stop' && isAnyDone) return false
        await putAllBack(undoing, of, left, before)
        isBack = true
        return true
      },
    },
    context,
  )
  if (isBack && kept.every(({ why }) => why === changedWhy)) return null
  if (isBack)
    throw inTheWay({
      ...shownPlan({ changes: [], conflicts: kept }, { planned: [], changes: [], conflicts: [] }),
      total: plan.changes.length,
    })
  if (hasFiles(plan.changes)) await deps.documents.put(of, [pendingChange(context.id, null)])
  return kept
}

const hasFiles = (changes: readonly FileChange[]): boolean => changes.some(({ path }) => path.startsWith('shared/'))

/** Takes an undo back that could not change all its files: those that it has changed, and then what it has committed in the store. */
async function putAllBack(
  { deps, versions, plan, context }: Undoing,
  of: CallOf,
  left: readonly Conflict[],
  before: Committed,
): Promise<void> {
  const kept = new Set(left.map(({ path }) => path))
  const back = { added: 'deleted', changed: 'changed', deleted: 'added' } as const
  const changes = plan.changes
    .filter(({ path }) => path.startsWith('shared/') && !kept.has(path))
    .map(({ path, change }) => ({ path, change: back[change] }))
  const { id: call, signal } = context
  await versions.restoreFiles({ commit: before.commit!, before: plan.commit!, changes, call, signal })
  const { records } = await partsOfUndo(deps, call)
  const planned = [...(await planParts(await deps.parts(), records)), ...(await planState(deps, records))]
  await commitTogether(deps.documents, { of, planned, documents: [pendingChange(call, null)], undoes: [] })
}

/** By so much a file system may say that a folder is older than it is. */
const clockGrainMs = 20

function withoutKept(plan: UndoneTurn, kept: readonly Conflict[]): UndoneTurn {
  const left = new Set(kept.map(({ path }) => path))
  return { ...plan, changes: plan.changes.filter(({ path }) => !left.has(path)), conflicts: [...plan.conflicts, ...kept] }
}

function stillRunning(what: string): OxbowError {
  return new OxbowError('tool_failed', `${what} still running: nothing was changed.`, { hint: 'Stop it, or wait for its end.' })
}

/** Calls that no part takes back, counted as a person reads them, and each with what would make up for it as far as its call says so. */
function leftOf({ deps, parts, planned }: Undoing): { readonly others: readonly string[]; readonly outside: readonly OutsideCall[] } {
  const taken = new Set(planned.flatMap(({ changes }) => changes.flatMap(({ calls }) => calls)))
  const outside = parts.others.filter(({ id }) => !taken.has(id)).map((call) => outsideOf(deps, call))
  const counts = new Map<string, number>()
  for (const { call } of outside) counts.set(call, (counts.get(call) ?? 0) + 1)
  const calls = [...counts].map(([name, count]) => (count === 1 ? name : `${name} (${count} times)`))
  const { microDollars } = parts.spent
  return { others: [...calls, ...(microDollars === 0 ? [] : [`models for ${dollarsText(microDollars)}`])], outside }
}

function outsideOf({ registry }: UndoDeps, { id, name, input, outcome }: OtherCall): OutsideCall {
  const compensation = registry.find(name)?.compensation?.({ id, input, outcome }) ?? null
  return { id, call: name, compensation }
}

/** Of all that the undo changes and leaves, with the contents: whatever was chosen about conflicts, nobody agrees to what they have not seen. */
function digestOf(turn: string, { content, conflicts }: UndoneTurn, chosen: ChosenChanges): string {
  const parts = chosen.changes.map(({ path, change, now, restored }) => [path, change, now, restored])
  return createHash('sha256')
    .update(JSON.stringify([turn, content, conflicts, parts, chosen.conflicts]))
    .digest('hex')
    .slice(0, 16)
}

const changedMeanwhile = Symbol('something has changed since the undo was planned')
