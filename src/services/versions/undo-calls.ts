/**
 * The calls that undo a turn. Only what the turn has changed is taken back, and nothing that somebody else has changed since: that is named,
 * and stays. What else a turn did, besides files and saved documents, is listed.
 */
import { z } from 'zod'
import { assertNoBranch, type Documents } from '../../kernel/index.ts'
import { isUuid, OxbowError, truncate, plural } from '../../base/index.ts'
import { type Call, type CallContext, defineCall, dollarsText, type Done } from '../../protocol/index.ts'
import type { Store } from '../../store/index.ts'
import type { UndoneTurn } from './thread/undo-turn.ts'
import { bringBack } from './bring-back.ts'
import { changedWhy } from './restore-files.ts'
import { shownPath } from './thread/checkpoint.ts'
import { partsOf, type TurnParts, type TurnPartsDeps } from './turn-parts.ts'
import { open, reads, shared, type VersionCallDeps, writes } from './version-calls.ts'
import { trailersOf } from './thread/message-labels.ts'
import { maxDiffBytes, maxListedChanges, maxListedTurns, maxUndoTries } from './limits.ts'
import { type Committed, type Conflict, type Undone, undone, type VersionedTurn, versionedTurn } from './version-schemas.ts'

export interface UndoCallDeps extends VersionCallDeps, Omit<TurnPartsDeps, 'store'> {
  readonly store: Pick<Store, 'records' | 'session'>
  readonly documents: Pick<Documents, 'put' | 'all'>
}

export function undoCalls(deps: UndoCallDeps): readonly Call[] {
  return [turnsCall(deps), undoCall(deps)]
}

function turnsCall(deps: UndoCallDeps): Call {
  return defineCall({
    ...shared,
    ...reads,
    audience: ['terminal'],
    name: 'version.turns',
    summary: 'Lists the turns that changed files or saved documents, and what was undone, newest first.',
    input: z.strictObject({ limit: z.int().min(1).max(maxListedTurns).default(20) }),
    output: z.strictObject({ turns: z.array(versionedTurn).readonly() }),
    example: { limit: 20 },
    recordOutput: ({ turns }) => ({ turns: turns.length }),
    async run({ limit }) {
      const turns = await (await open(deps)).turns({ limit })
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
})

function undoCall(deps: UndoCallDeps): Call {
  return defineCall({
    ...shared,
    ...writes,
    audience: ['terminal'],
    name: 'version.undo',
    summary: 'Takes back what a turn changed in files and saved documents, and nothing else. Without apply: only a preview.',
    input: undoInput,
    output: undone,
    example: { turn: '', redo: false, apply: false },
    recordOutput: ({ turn, total, conflicts, undo }) => ({ of: turn, total, conflicts: conflicts.length, undo }),
    async run(input, context) {
      assertNoBranch(context.caller)
      const found = await targetOf(deps, input)
      for (let tries = 1; ; tries += 1) {
        const done = await takeBackTurn(deps, found, input.apply, context)
        if (done !== null) return done
        if (tries < maxUndoTries) continue
        throw new OxbowError('tool_failed', 'The files keep changing, so the turn could not be undone: nothing was changed.', {
          hint: 'Try again once nothing is changing them.',
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
async function targetOf(deps: UndoCallDeps, { turn, redo }: UndoInput): Promise<Found> {
  const turns = await (await open(deps)).turns({ limit: maxListedTurns * 10 })
  if (turn !== '') {
    const isNamed = (id: string): boolean => id === turn || (turn.length >= minPrefix && id.startsWith(turn))
    const named = turns.filter((one) => isNamed(one.turn) || isNamed(one.commit))
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
  const message = redo ? 'Nothing to redo.' : 'There is no turn to undo: none has changed files or saved documents, or all are undone.'
  const some = redo ? 'oxbow log lists the versions.' : 'oxbow undo --list lists them; oxbow undo TURN takes back what an undo left.'
  const none = 'Versions hold files: a turn that only made folders leaves nothing to undo. oxbow log lists the versions.'
  throw new OxbowError('not_found', message, { hint: redo || turns.length > 0 ? some : none })
}

/** @returns null if files have changed meanwhile */
async function takeBackTurn(deps: UndoCallDeps, found: Found, apply: boolean, context: CallContext): Promise<Done<Undone> | null> {
  const { caller, clock, id } = context
  const { turn, undoes } = found
  const versions = await open(deps)
  const { isRunning, sync } = await deps.versioning()
  const parts = await partsOf(deps, turn, undoes === '' ? found.all : [])
  const running = parts.turns.find(isRunning)
  if (running !== undefined) throw stillRunning(running === turn ? 'This turn is' : 'An agent or a graph that this turn started is')
  const { commit: ours } = await sync()
  const trailers = { ...trailersOf({ session: caller.session, turn: id }, []), 'Oxbow-Undoes': parts.turns.join(' ') }
  const facts = { author: caller.actor, at: clock.now(), subject: 'Undo', trailers }
  const branch = `undo-${id}`
  try {
    const plan = await versions.undo({ turns: parts.turns, ours: ours!, branch, facts })
    const others = undoes === '' ? othersOf(parts) : []
    if (plan.commit === null) throw nothingToUndo(plan, undoes !== '')
    const shown = shownPlan(plan)
    const output = { undo: '', turn, subject: plan.subject, ...shown, others, diff: '' }
    if (!apply) {
      const { text } = await versions.compare({ from: ours!, to: plan.commit, path: '', text: true, limit: 1 })
      return {
        output: { ...output, diff: text.slice(0, maxDiffBytes) },
        text: [...previewLines(shown), ...leftLines(shown, others)].join('\n'),
      }
    }
    const by = { ...facts, subject: `${undoes === '' ? 'Undo' : 'Redo'}: ${plan.subject.replace(/^(?:Undo|Redo): /, '')}` }
    const madeSinceMs = parts.startedAt === undefined ? undefined : parts.startedAt - clockGrainMs
    const wanted = { target: plan.commit, changes: plan.changes, by, serves: 'version.undo', madeSinceMs }
    const isCurrent = (before: Committed): void => {
      if (before.changed) throw changedMeanwhile
    }
    const { kept } = await bringBack({ ...deps, versions }, { ...wanted, isCurrent }, context)
    const left = withoutKept(plan, kept)
    if (left.changes.length === 0 && kept.every(({ why }) => why === changedWhy)) return null
    if (left.changes.length === 0) throw nothingToUndo(left, undoes !== '')
    const done = shownPlan(left)
    return { output: { ...output, ...done, undo: id }, text: [summary(done, undoes !== ''), ...leftLines(done, others)].join('\n') }
  } catch (error) {
    if (error === changedMeanwhile) return null
    throw error
  } finally {
    await versions.forget({ branch })
  }
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

/** As a person reads it. */
function othersOf({ others, spent }: TurnParts): readonly string[] {
  const calls = [...others].map(([name, count]) => (count === 1 ? name : `${name} (${count} times)`))
  return spent.microDollars === 0 ? calls : [...calls, `models for ${dollarsText(spent.microDollars)}`]
}

const changedMeanwhile = Symbol('files have changed since the undo was planned')

type Shown = Pick<Undone, 'changes' | 'total' | 'conflicts'>

function shownPlan({ changes, conflicts }: UndoneTurn): Shown {
  return {
    changes: changes.slice(0, maxListedChanges).map((one) => ({ ...one, path: shownPath(one.path) })),
    total: changes.length,
    conflicts: conflicts.slice(0, maxListedChanges).map((one) => ({ ...one, path: shownPath(one.path) })),
  }
}

/** As the person knows it. */
const nameOf = (path: string): string => path.replace(/^\/shared\//, '')

function summary({ changes, total }: Shown, isRedo: boolean): string {
  const when = isRedo ? 'before it was undone' : 'before this turn'
  const [only] = changes
  if (total !== 1 || only === undefined) return `Restored ${plural(total, 'file')} as ${total === 1 ? 'it was' : 'they were'} ${when}.`
  return only.change === 'deleted'
    ? `Removed ${nameOf(only.path)}, which was not there ${when}.`
    : `Restored ${nameOf(only.path)} as it was ${when}.`
}

const verbs = { added: 'bring back', changed: 'restore', deleted: 'remove' } as const

function previewLines({ changes, total }: Shown): readonly string[] {
  return [`Would change ${plural(total, 'file')}:`, ...changes.map(({ path, change }) => `${verbs[change]} ${nameOf(path)}`)]
}

function leftLines({ conflicts }: Shown, others: readonly string[]): readonly string[] {
  return [
    ...conflicts.map(({ path, why }) => `Left ${nameOf(path)} as it is: ${why}.`),
    ...(others.length === 0 ? [] : [`This turn also did what an undo does not take back: ${others.join(', ')}.`]),
  ]
}

function nothingToUndo({ conflicts }: UndoneTurn, isRedo: boolean): OxbowError {
  const what = isRedo ? 'undo' : 'turn'
  if (conflicts.length === 0)
    return new OxbowError('not_found', `Nothing was changed: the files are already as they were before this ${what}.`, {
      hint: 'oxbow log lists the versions.',
    })
  const named = conflicts.slice(0, 5).map(({ path, why }) => `${nameOf(shownPath(path))}: ${why}`)
  const more = conflicts.length > 5 ? `; and ${conflicts.length - 5} more` : ''
  return new OxbowError('tool_failed', `Nothing was changed: what this ${what} did cannot be taken back now. ${named.join('; ')}${more}.`, {
    hint: 'oxbow diff shows a version, and oxbow restore PATH --to VERSION brings one file back.',
  })
}
