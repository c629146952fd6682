/**
 * The runs of graphs in this guest: how they start, go on after a restart, are cancelled and resumed, and how their end is reported. All
 * that a restart needs is in documents; see `graph-record.ts`.
 */
import { createHash } from 'node:crypto'
import { type DocumentChange, type Documents, giveBack, type Core } from '../../kernel/index.ts'
import type { HeldRuns, Runs } from '../../runs/index.ts'
import { type CallId, type Clock, type JsonObject, OxbowError, type SessionId, toFailure, type TurnId } from '../../base/index.ts'
import { type Caller, type Labels, type Limits } from '../../protocol/index.ts'
import {
  carving,
  type GraphBy,
  type GraphRequest,
  prepareRun,
  reopenRoot,
  restorePaths,
  resumedRun,
  surplusRuns,
  unknownRun,
} from './graph-begin.ts'
import { visitsOf } from './graph-branches.ts'
import { walk } from './graph-engine.ts'
import { keptGraphs, type LoadDeps, loadGraphs } from './graph-load.ts'
import { failureAt, Interrupted, type Path, PathFailed, type EngineDeps, type LiveRun } from './graph-path.ts'
import { graphCategory, type GraphFailure, type GraphRun, pathChange, runChange, runOf } from './graph-record.ts'
import { maxLiveGraphRuns, maxTakeUpMs } from './limits.ts'
import { textOf } from './templates.ts'

export interface GraphRunsDeps extends LoadDeps, Omit<EngineDeps, 'put' | 'schemas' | 'runs'> {
  readonly runs: Runs
  readonly clock: Clock
  readonly documents: Documents
  readonly newId: () => string
  readonly noteEvent: Core['noteEvent']
  /** Makes a run's session if needed, and joins its labels to it. @throws OxbowError `not_found` if it was deleted */
  readonly openSession: (run: GraphRun) => Promise<void>
  readonly heldLabels: (caller: Pick<Caller, 'session'>) => Labels
  /** @throws OxbowError `budget_exhausted` if the caller's budgets do not cover the graph's */
  readonly assertCovers: (caller: Caller, budget: Limits) => Promise<void>
  /** It makes no more calls. */
  readonly runEnded: (run: TurnId) => void
  /** Sends the end of a run to the session that started it. */
  readonly mail: (run: GraphRun) => Promise<void>
  /** Closes calls of a run that a crash interrupted and that it has not made again. */
  readonly giveUp: (run: TurnId) => Promise<void>
}

interface Held extends LiveRun {
  /** Its visits may have calls from before a restart. */
  readonly isRecovered: boolean
  /** Why it is to end; null: nobody said so. */
  ending: GraphFailure | null
}

export interface GraphRuns {
  /** Goes on with the runs that a restart interrupted, and reports ends. */
  load(): Promise<void>
  /** Safe to repeat with the same call. */
  begin(by: GraphBy, request: GraphRequest): Promise<GraphRun>
  /** Where a run that goes on is, for `look`; empty: it has ended. */
  position(id: TurnId): string
  /** Resolves when the run has ended, is elsewhere than `seen`, or the time is over. @param seen null: only its end counts */
  look(id: TurnId, seen: string | null, ms: number, signal: AbortSignal): Promise<void>
  /** Resolves when a run fits, which is asked whenever it moves on, or the time is over. */
  until(id: TurnId, fits: () => Promise<boolean>, ms: number, signal?: AbortSignal): Promise<void>
  /** Resolves when nothing of it runs. @returns the run as it is then */
  cancel(id: TurnId, reason: string): Promise<GraphRun>
  /** @param from a node outside of any map; empty: where it stopped */
  resume(by: GraphBy, id: TurnId, from: string, rights: readonly string[] | null): Promise<GraphRun>
  find(id: TurnId): Promise<GraphRun | null>
  all(): Promise<readonly GraphRun[]>
  /** Its paths, the root first. */
  paths(id: TurnId): Promise<readonly Path[]>
  /** Cancels the runs that a session has started. */
  cancelOf(session: SessionId, reason: string): Promise<void>
}

export function createGraphRuns(deps: GraphRunsDeps): GraphRuns {
  const held = holdRuns(deps)
  const { live, durable, hold, launch, find, all } = held
  return {
    ...held,
    load: durable.load,
    async begin(by, request) {
      const known = await find(runOf(by.call))
      if (known !== null) return known
      if (live.size >= maxLiveGraphRuns)
        throw new OxbowError('limit_reached', `${live.size} graphs are running; at most ${maxLiveGraphRuns} are allowed.`, {
          hint: 'Wait for one, or cancel one: `oxbow graph runs`.',
        })
      const loaded = await loadGraphs(request.graph, deps)
      const { budget } = loaded.graphs.get(request.graph)!
      if (budget !== undefined) await deps.assertCovers(by.caller, budget)
      const { record, root, changes } = await prepareRun(deps, by, request, loaded)
      const surplus = await surplusRuns(deps, await all())
      return launch(by, hold(record, loaded.graphs, new Map([['', root]]), false), [...loaded.changes, ...changes, ...surplus])
    },
    async cancel(id, reason) {
      await held.until(id, async () => live.has(id) || (await find(id))?.status !== 'running', maxTakeUpMs)
      const running = live.get(id)
      if (running !== undefined)
        await end(durable, running, { code: 'cancelled', message: reason, hint: 'Resume it with `oxbow graph resume`.', node: '' })
      const record = await find(id)
      if (record === null) throw unknownRun(id)
      if (running === undefined && record.status === 'running')
        throw new OxbowError('workspace_busy', `The run ${id} does not go on in this guest.`, {
          hint: 'Try again, or cancel it where it runs.',
        })
      return record
    },
    async resume(by, id, from, rights) {
      const record = await find(id)
      if (record === null) throw unknownRun(id)
      if (live.has(id) || record.status === 'running' || record.status === 'success')
        throw new OxbowError('bad_input', `The run is ${record.status}; only one that has failed or was cancelled can be resumed.`, {
          hint: 'Start the graph again.',
        })
      const graphs = await keptGraphs(record, deps)
      const narrowed = rights === null ? record : { ...record, rights: deps.narrow(record.rights, rights) }
      const paths = await restorePaths(deps, narrowed, graphs)
      const again = resumedRun(deps, narrowed, graphs.get(record.graph)!.timeout_s)
      const changes = reopenRoot(deps, again, paths, from)
      return launch(by, hold(again, graphs, paths, true), [runChange(again), ...changes, ...carving(again, deps.clock.now())])
    },
    async paths(id) {
      const running = live.get(id)
      if (running !== undefined) return [...running.paths.values()]
      const record = await find(id)
      if (record === null) return []
      return [...(await restorePaths(deps, record, await keptGraphs(record, deps))).values()]
    },
    async cancelOf(session, reason) {
      const own = [...live.values()].filter(({ record }) => record.home === session)
      await Promise.all(own.map((each) => end(durable, each, { code: 'cancelled', message: reason, hint: '', node: '' })))
    },
  }
}

/** The runs that go on in this worker, and those who wait for them. */
function holdRuns(deps: GraphRunsDeps) {
  const { runs, documents } = deps
  const live = new Map<TurnId, Held>()
  const changed = (id: TurnId): void => runs.changed(topicOf(id))
  const hold = (record: GraphRun, graphs: LiveRun['graphs'], paths: LiveRun['paths'], isRecovered: boolean): Held => {
    const visits = [...paths.values()].reduce((sum, path) => sum + visitsOf(path.record), 0)
    const held: Held = { record, graphs, paths, visits, asking: 0, changed: () => changed(record.id), isRecovered, ending: null }
    live.set(record.id, held)
    changed(record.id)
    return held
  }
  const durable: HeldRuns<GraphRun> = runs.hold<GraphRun>({
    name: 'graphs',
    category: graphCategory,
    dueAt: ({ status, report: due, home, created_at: at }) => (status === 'running' || (due === 'due' && home !== '') ? at : null),
    deadline: ({ status, deadline }) => (status === 'running' ? deadline : null),
    async goOn({ state, signal }) {
      if (state.status !== 'running') return report(deps, durable, state)
      try {
        const held = live.get(state.id) ?? (await recovered(deps, durable, state, hold))
        if (held === null || !(await drive(deps, durable, held, signal))) return
        if (held.isRecovered) await deps.giveUp(state.id)
        deps.runEnded(state.id)
      } finally {
        live.delete(state.id)
        changed(state.id)
      }
    },
  })
  const find = async (id: TurnId): Promise<GraphRun | null> =>
    live.get(id)?.record ?? (await documents.get<GraphRun>(graphCategory, id))?.value ?? null
  const all = async (): Promise<readonly GraphRun[]> =>
    (await documents.all<GraphRun>(graphCategory)).map(({ value }) => live.get(value.id)?.record ?? value)
  /** Records that a run begins, with which it goes on. */
  const launch = async (by: GraphBy, held: Held, changes: readonly DocumentChange[]): Promise<GraphRun> => {
    const { id, graph, session } = held.record
    try {
      await deps.openSession(held.record)
      await durable.put(by, changes)
    } catch (error) {
      live.delete(id)
      throw error
    }
    deps.noteEvent('graph_started', { run: id, graph }, session)
    return held.record
  }
  const until = untilIn(deps)
  return {
    live: live as ReadonlyMap<TurnId, Held>,
    durable,
    hold,
    launch,
    find,
    all,
    position(id: TurnId): string {
      const held = live.get(id)
      return held === undefined ? '' : positionOf(held)
    },
    until,
    look(id: TurnId, seen: string | null, ms: number, signal: AbortSignal): Promise<void> {
      const hasMoved = async (): Promise<boolean> => {
        const held = live.get(id)
        if (held !== undefined) return seen !== null && positionOf(held) !== seen
        return (await documents.get<GraphRun>(graphCategory, id))?.value.status !== 'running'
      }
      return until(id, hasMoved, ms, signal)
    },
  }
}

function untilIn({ runs, clock }: Pick<GraphRunsDeps, 'runs' | 'clock'>): GraphRuns['until'] {
  return async (id, fits, ms, signal) => {
    const look = async (): Promise<true | null> => ((await fits()) ? true : null)
    await runs.until(topicOf(id), look, { ...(signal && { signal }), until: clock.now() + ms }).catch((error: unknown) => {
      if (signal?.aborted !== true) throw error
    })
  }
}

/** What is woken when a run has moved on. */
const topicOf = (id: TurnId): string => `graph ${id}`

/** Ends a run before its end node. Resolves when nothing of it runs. */
function end(durable: HeldRuns<GraphRun>, held: Held, ending: GraphFailure): Promise<void> {
  held.ending ??= ending
  return durable.cancel(held.record.id)
}

const late: GraphFailure = { code: 'timeout', message: 'The run took longer than its timeout_s.', hint: 'Raise it, and resume.', node: '' }

/** Walks the root to its end and records that. @returns false if the guest stops, or another worker has the run */
async function drive(deps: GraphRunsDeps, durable: HeldRuns<GraphRun>, held: Held, signal: AbortSignal): Promise<boolean> {
  const root = held.paths.get('')!
  const engine: EngineDeps = { ...deps, put: (run, changes) => durable.put(byRun(deps, run), changes) }
  try {
    // It may have been cancelled before it went on.
    if (held.ending !== null) throw new Interrupted()
    const { output } = await walk(engine, held, root, signal)
    const status = output['status'] === 'failure' ? 'failure' : 'success'
    await close(deps, durable, held, { status, output: (output['output'] ?? {}) as JsonObject, text: textOf(output['text'] ?? '') }, [
      pathChange(root.record),
    ])
  } catch (error) {
    const isLate = signal.reason === 'deadline'
    if (signal.aborted && signal.reason !== 'cancelled' && !isLate) return false
    const failure =
      held.ending ??
      (isLate ? late : null) ??
      (error instanceof PathFailed ? error.failure : failureAt('', toFailure(error, 'internal_failure', '')))
    await close(deps, durable, held, { status: failure.code === 'cancelled' && held.ending !== null ? 'cancelled' : 'failed', failure })
  }
  return true
}

async function close(
  deps: GraphRunsDeps,
  durable: HeldRuns<GraphRun>,
  held: Held,
  change: Partial<GraphRun> & Pick<GraphRun, 'status'>,
  more: readonly DocumentChange[] = [],
): Promise<void> {
  const { id, graph, session, report: due } = held.record
  const labels = deps.heldLabels({ session })
  held.record = { ...held.record, ...change, labels, ended_at: deps.clock.now(), report: due }
  await durable.put(byRun(deps, held.record), [runChange(held.record), ...more, giveBack('run', id)])
  deps.noteEvent('graph_ended', { run: id, graph, status: change.status }, session)
}

async function report(deps: GraphRunsDeps, durable: HeldRuns<GraphRun>, record: GraphRun): Promise<void> {
  await deps.mail(record)
  await durable.put(byRun(deps, record), [runChange({ ...record, report: 'sent' })])
}

/** Takes up a run that a restart interrupted. @returns null if it cannot go on, which is recorded */
async function recovered(
  deps: GraphRunsDeps,
  durable: HeldRuns<GraphRun>,
  record: GraphRun,
  hold: (record: GraphRun, graphs: LiveRun['graphs'], paths: LiveRun['paths'], isRecovered: boolean) => Held,
): Promise<Held | null> {
  try {
    const graphs = await keptGraphs(record, deps)
    await deps.openSession(record)
    return hold(record, graphs, await restorePaths(deps, record, graphs), true)
  } catch (error) {
    const failure = failureAt('', toFailure(error, 'internal_failure', 'Start the graph again.'))
    const ended: GraphRun = { ...record, status: 'failed', failure, ended_at: deps.clock.now() }
    await durable.put(byRun(deps, record), [runChange(ended), giveBack('run', record.id)])
    return null
  }
}

function positionOf({ paths, asking }: LiveRun): string {
  const steps = [...paths.values()].map(({ record }) => `${record.key}${record.step}.${record.attempt}`)
  return createHash('sha256')
    .update(`${steps.join(' ')} ${asking}`)
    .digest('hex')
    .slice(0, 16)
}

function byRun({ newId }: Pick<GraphRunsDeps, 'newId'>, { id, session }: GraphRun) {
  return { caller: { actor: 'kernel', session, turn: id }, call: newId() as CallId, name: 'graph.step' } as const
}
