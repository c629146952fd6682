/**
 * The runs of graphs in this guest: how they start, go on after a restart, are cancelled and resumed, and how their end is reported. All
 * that a restart needs is in documents; see `graph-record.ts`.
 */
import { createHash } from 'node:crypto'
import { type DocumentChange, type Documents, giveBack, type Limits, type Core } from '../../kernel/index.ts'
import {
  type Caller,
  type CallId,
  type Clock,
  type JsonObject,
  OxbowError,
  type SessionId,
  toFailure,
  type TurnId,
  type Labels,
} from '../../types/index.ts'
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
import { graphEndMs, maxLiveGraphRuns } from './limits.ts'
import { textOf } from './templates.ts'

export interface GraphRunsDeps extends LoadDeps, Omit<EngineDeps, 'put' | 'schemas'> {
  readonly clock: Clock
  readonly documents: Documents
  readonly newId: () => string
  readonly noteEvent: Core['noteEvent']
  /** Makes the session of a run, if there is none, and joins its labels to it. @throws OxbowError `not_found` if it was deleted */
  readonly openSession: (run: GraphRun) => Promise<void>
  readonly heldLabels: (caller: Pick<Caller, 'session'>) => Labels
  /** @throws OxbowError `budget_exhausted` if the budgets of a caller do not cover that of a graph */
  readonly assertCovers: (caller: Caller, budget: Limits) => Promise<void>
  /** It makes no more calls. */
  readonly runEnded: (run: TurnId) => void
  /** Sends the end of a run to the session that started it. */
  readonly mail: (run: GraphRun) => Promise<void>
  /** Closes calls of a run that a crash interrupted and that it has not made again. */
  readonly giveUp: (run: TurnId) => Promise<void>
}

interface Held extends LiveRun {
  readonly stop: AbortController
  /** Resolves when nothing of it runs. */
  done: Promise<void>
  /** Why it is to end; null: nobody said so. */
  ending: GraphFailure | null
}

export interface GraphRuns {
  /** Goes on with the runs that a restart interrupted, and reports ends. */
  start(): Promise<void>
  /** Safe to repeat with the same call. */
  begin(by: GraphBy, request: GraphRequest): Promise<GraphRun>
  /** Where a run that goes on is, for `look`; empty: it has ended. */
  position(id: TurnId): string
  /** Resolves when the run has ended, is elsewhere than `seen`, or the time is over. @param seen null: only its end counts */
  look(id: TurnId, seen: string | null, ms: number, signal: AbortSignal): Promise<void>
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
  /** Stops all without an end: they go on at the next start. */
  stop(): Promise<void>
}

export function createGraphRuns(deps: GraphRunsDeps): GraphRuns {
  const held = holdRuns(deps)
  const { live, find, all, launch } = held
  return {
    ...held,
    async start() {
      for (const record of await all()) {
        if (record.status !== 'running') await report(deps, record)
        else await recover(deps, record, launch)
      }
    },
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
      await deps.openSession(record)
      await deps.documents.put(by, [...loaded.changes, ...changes, ...(await surplusRuns(deps, await all()))])
      deps.noteEvent('graph_started', { run: record.id, graph: record.graph }, record.session)
      launch(record, loaded.graphs, new Map([['', root]]), false)
      return record
    },
    async cancel(id, reason) {
      const running = live.get(id)
      if (running !== undefined)
        await end(running, { code: 'cancelled', message: reason, hint: 'Resume it with `oxbow graph resume`.', node: '' })
      const record = await find(id)
      if (record === null) throw unknownRun(id)
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
      await deps.openSession(again)
      await deps.documents.put(by, [runChange(again), ...changes, ...carving(again, deps.clock.now())])
      deps.noteEvent('graph_started', { run: id, graph: record.graph }, record.session)
      launch(again, graphs, paths, true)
      return again
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
      await Promise.all(own.map((each) => end(each, { code: 'cancelled', message: reason, hint: '', node: '' })))
    },
  }
}

type Launch = (record: GraphRun, graphs: LiveRun['graphs'], paths: LiveRun['paths'], isRecovered: boolean) => void

/** The runs that are going on, and those who wait for them. */
function holdRuns(deps: GraphRunsDeps) {
  const live = new Map<TurnId, Held>()
  const watchers = new Set<() => void>()
  let stopped = false
  const wake = (): void => {
    for (const watcher of watchers) watcher()
  }
  const engine: EngineDeps = { ...deps, put: (run, changes) => deps.documents.put(byRun(deps, run), changes) }
  const launch: Launch = (record, graphs, paths, isRecovered) => {
    const stop = new AbortController()
    const visits = [...paths.values()].reduce((sum, path) => sum + visitsOf(path.record), 0)
    const held: Held = {
      record,
      graphs,
      paths,
      signal: stop.signal,
      visits,
      asking: 0,
      changed: wake,
      stop,
      done: Promise.resolve(),
      ending: null,
    }
    live.set(record.id, held)
    const ended = async (): Promise<void> => {
      await drive(deps, engine, held, () => stopped)
      if (stopped) return
      if (isRecovered) await deps.giveUp(record.id)
      deps.runEnded(record.id)
      live.delete(record.id)
      wake()
      await report(deps, held.record)
    }
    held.done = ended().catch(() => void live.delete(record.id))
  }
  return {
    live: live as ReadonlyMap<TurnId, Held>,
    launch,
    find: async (id: TurnId): Promise<GraphRun | null> =>
      live.get(id)?.record ?? (await deps.documents.get<GraphRun>(graphCategory, id))?.value ?? null,
    all: async (): Promise<readonly GraphRun[]> =>
      (await deps.documents.all<GraphRun>(graphCategory)).map(({ value }) => live.get(value.id)?.record ?? value),
    position: (id: TurnId): string => {
      const held = live.get(id)
      return held === undefined ? '' : positionOf(held)
    },
    async look(id: TurnId, seen: string | null, ms: number, signal: AbortSignal): Promise<void> {
      const before = live.get(id)
      if (before === undefined) return
      const { promise, resolve } = Promise.withResolvers<void>()
      const check = (): void => (live.get(id) !== before || (seen !== null && positionOf(before) !== seen) ? resolve() : undefined)
      const timer = Number.isFinite(ms) ? setTimeout(resolve, ms) : undefined
      const leave = (): void => resolve()
      watchers.add(check)
      signal.addEventListener('abort', leave)
      if (signal.aborted) leave()
      check()
      await promise
      watchers.delete(check)
      signal.removeEventListener('abort', leave)
      clearTimeout(timer)
    },
    async stop(): Promise<void> {
      stopped = true
      for (const held of live.values()) held.stop.abort('shutdown')
      await Promise.all([...live.values()].map(({ done }) => done))
    },
  }
}

/** Ends a run before its end node. */
async function end(held: Held, ending: GraphFailure): Promise<void> {
  held.ending ??= ending
  held.stop.abort('cancelled')
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, graphEndMs)
  await Promise.race([held.done, promise])
  clearTimeout(timer)
}

/** Walks the root to its end and records that. */
async function drive(deps: GraphRunsDeps, engine: EngineDeps, held: Held, isStopped: () => boolean): Promise<void> {
  const { record, paths } = held
  const root = paths.get('')!
  const late = new AbortController()
  if (record.deadline !== null)
    void deps.wait(Math.max(0, record.deadline - deps.clock.now()), late.signal).then(
      () =>
        void end(held, { code: 'timeout', message: 'The run took longer than its timeout_s.', hint: 'Raise it, and resume.', node: '' }),
      () => {},
    )
  try {
    const { output } = await walk(engine, held, root, held.signal)
    const status = output['status'] === 'failure' ? 'failure' : 'success'
    await close(deps, held, { status, output: (output['output'] ?? {}) as JsonObject, text: textOf(output['text'] ?? '') }, [
      pathChange(root.record),
    ])
  } catch (error) {
    if (isStopped()) return
    const failure = held.ending ?? (error instanceof PathFailed ? error.failure : failureAt('', toFailure(error, 'internal_failure', '')))
    if (error instanceof Interrupted && held.ending === null) return
    await close(deps, held, { status: failure.code === 'cancelled' && held.ending !== null ? 'cancelled' : 'failed', failure })
  } finally {
    late.abort()
  }
}

async function close(
  deps: GraphRunsDeps,
  held: Held,
  change: Partial<GraphRun> & Pick<GraphRun, 'status'>,
  more: readonly DocumentChange[] = [],
): Promise<void> {
  const { id, graph, session, report: due } = held.record
  const labels = deps.heldLabels({ session })
  held.record = { ...held.record, ...change, labels, ended_at: deps.clock.now(), report: due }
  await deps.documents.put(byRun(deps, held.record), [runChange(held.record), ...more, giveBack('run', id)])
  deps.noteEvent('graph_ended', { run: id, graph, status: change.status }, session)
}

async function report(deps: GraphRunsDeps, record: GraphRun): Promise<void> {
  if (record.report !== 'due' || record.home === '') return
  await deps.mail(record)
  await deps.documents.put(byRun(deps, record), [runChange({ ...record, report: 'sent' })])
}

async function recover(deps: GraphRunsDeps, record: GraphRun, launch: Launch): Promise<void> {
  try {
    const graphs = await keptGraphs(record, deps)
    await deps.openSession(record)
    launch(record, graphs, await restorePaths(deps, record, graphs), true)
  } catch (error) {
    const failure = failureAt('', toFailure(error, 'internal_failure', 'Start the graph again.'))
    const ended: GraphRun = { ...record, status: 'failed', failure, ended_at: deps.clock.now() }
    await deps.documents.put(byRun(deps, record), [runChange(ended), giveBack('run', record.id)])
    await report(deps, ended)
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
