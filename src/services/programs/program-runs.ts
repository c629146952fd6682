/**
 * The runs of programs in this guest: how they begin, go on after a restart, end and are cancelled. A run is a document; what its script
 * has done is in the journal; see `program-record.ts`.
 */
import { carve, type Core, type DocumentChange, giveBack, giveUpCalls, meet, processRight } from '../../kernel/index.ts'
import { type RunsPort, starterOf } from '../../runs/index.ts'
import { type CallId, type Json, type JsonObject, OxbowError, problemLines, toFailure, truncate, type TurnId } from '../../base/index.ts'
import { type Call, type Caller, grantOf, isTurn } from '../../protocol/index.ts'
import type { Definition } from '../../config/index.ts'
import type { ScriptThreads } from '../../sandbox/index.ts'
import { maxEndedPrograms, maxLivePrograms, maxProgramDepth, maxProgramValueBytes } from './limits.ts'
import { followInstructions } from './program-agent.ts'
import { type Manifest, type ProgramPackage, usablePackage } from './program-package.ts'
import {
  askedBody,
  type KeptProgram,
  programCategory,
  type ProgramRun,
  programVersions,
  readPast,
  runChange,
  runOf,
  sessionOfRun,
} from './program-record.ts'
import { freeCalls, judgementCall, refusalOf } from './program-rights.ts'
import { runProgramCode } from './program-code.ts'
import type { ScriptDeps } from './program-script.ts'

export interface ProgramRunsDeps extends Pick<
  Core,
  'user' | 'clock' | 'documents' | 'journal' | 'gate' | 'secrets' | 'schemas' | 'sessions' | 'newId' | 'noteEvent' | 'runEnded'
> {
  readonly runs: RunsPort
  readonly threads: ScriptThreads
  /** What whoever began a run can still pass on; null: a person began it. */
  readonly boundsOf: (run: ProgramRun) => Promise<readonly string[] | null>
  /** Makes the session of a run, with its profile. */
  readonly openSession: (run: ProgramRun) => Promise<void>
  /** Ends the agents that a run has started. */
  readonly endAgents: (run: ProgramRun) => Promise<void>
  /** Hears of each run that has ended. */
  readonly tried?: ((run: ProgramRun) => Promise<void>) | undefined
  readonly assertCovers: (caller: Caller, manifest: Manifest) => Promise<void>
}

/** The call by which somebody begins a run. */
export interface ProgramBy {
  readonly caller: Caller
  readonly call: CallId
}

interface ProgramRequest {
  readonly definition: Definition
  readonly program: ProgramPackage
  readonly input: JsonObject
  readonly rights: readonly string[]
}

export interface ProgramRuns {
  load(): Promise<void>
  /** Safe to repeat with the same call. */
  begin(by: ProgramBy, request: ProgramRequest): Promise<ProgramRun>
  find(id: TurnId): Promise<ProgramRun | null>
  all(): Promise<readonly ProgramRun[]>
  /** Resolves when the run has ended, or the time is over. */
  ended(id: TurnId, ms: number, signal: AbortSignal): Promise<void>
  /** Resolves when nothing of it runs. @returns the run as it is then */
  cancel(id: TurnId, reason: string): Promise<ProgramRun>
  /** Cancels the runs that a session has begun. */
  cancelOf(session: string, reason: string): Promise<void>
}

const topicOf = (id: TurnId): string => `program ${id}`

export function createProgramRuns(deps: ProgramRunsDeps): ProgramRuns {
  const { runs, documents, clock } = deps
  /** Why runs are to end. */
  const ending = new Map<TurnId, string>()
  const held = runs.hold<ProgramRun>({
    name: 'programs',
    category: programCategory,
    dueAt: ({ status, created_at: at }) => (status === 'running' ? at : null),
    deadline: ({ status, deadline }) => (status === 'running' ? deadline : null),
    async goOn({ state, signal }) {
      const end = await drive(deps, state, signal, () => ending.get(state.id))
      if (end === null) return
      await deps.endAgents(state)
      const ended: ProgramRun = { ...state, ...end, labels: deps.sessions.held({ session: state.session }), ended_at: clock.now() }
      await held.put(byRun(deps, state), [runChange(ended), giveBack('run', state.id)])
      ending.delete(state.id)
      await deps.journal.flushed()
      await giveUpCalls(deps.journal, state.id, (record) => !isTurn(record))
      deps.runEnded(state.id)
      await deps.tried?.(ended).catch((error: unknown) => console.error(error))
      deps.noteEvent('program_ended', { run: state.id, program: state.program, status: end.status }, state.session)
      runs.changed(topicOf(state.id))
    },
  })
  const find = async (id: TurnId): Promise<ProgramRun | null> => (await documents.get<ProgramRun>(programCategory, id))?.value ?? null
  const all = async (): Promise<readonly ProgramRun[]> => (await documents.all<ProgramRun>(programCategory)).map(({ value }) => value)
  const cancel: ProgramRuns['cancel'] = async (id, reason) => {
    const run = await find(id)
    if (run === null) throw unknownRun(id)
    if (run.status !== 'running') return run
    ending.set(id, reason)
    // What it has begun ends with it.
    const below = (await all()).filter(({ parent, status }) => parent === id && status === 'running')
    await Promise.all(below.map((each) => cancel(each.id, reason)))
    await held.cancel(id)
    await ended(id, 10_000)
    return (await find(id)) ?? run
  }
  const ended = async (id: TurnId, ms: number, signal?: AbortSignal): Promise<void> => {
    const look = async (): Promise<true | null> => ((await find(id))?.status === 'running' ? null : true)
    await runs.until(topicOf(id), look, { ...(signal && { signal }), until: clock.now() + ms })
  }
  return {
    load: held.load,
    find,
    all,
    ended,
    cancel,
    async begin(by, request) {
      const known = await find(runOf(by.call))
      if (known !== null) return known
      if (held.open().length >= maxLivePrograms)
        throw new OxbowError('limit_reached', `${maxLivePrograms} programs are running; no more can begin.`, {
          hint: 'Wait for one, or cancel one: `oxbow program runs`.',
        })
      // It starts while the run is written down.
      if (request.program.script !== null) deps.threads.prepare()
      const { run, kept } = await prepare(deps, by, request, await find((by.caller.turn || '') as TurnId))
      await deps.openSession(run)
      const budget = carve('run', run.id, run.budget ?? {}, run.created_at, { session: run.session, above: run.home, actor: run.starter })
      await held.put({ ...by, name: 'program.run' }, [runChange(run), kept, budget, ...surplus(await all(), run.hash)])
      deps.noteEvent('program_started', { run: run.id, program: run.program }, run.session)
      return run
    },
    async cancelOf(session, reason) {
      const own = held.open().filter(({ home }) => home === session)
      await Promise.all(own.map(({ id }) => cancel(id, reason)))
    },
  }
}

async function prepare(
  deps: ProgramRunsDeps,
  { caller, call }: ProgramBy,
  { definition, program, input, rights }: ProgramRequest,
  parent: ProgramRun | null,
): Promise<{ readonly run: ProgramRun; readonly kept: DocumentChange }> {
  const { manifest } = program
  const depth = (parent?.depth ?? 0) + 1
  if (depth > maxProgramDepth)
    throw new OxbowError('limit_reached', `Programs run programs ${maxProgramDepth} levels deep at most.`, { hint: 'Flatten them.' })
  await assertFits(deps, program, input, 'input')
  if (manifest.rights.spend !== undefined) await deps.assertCovers(caller, manifest)
  const id = runOf(call)
  const now = deps.clock.now()
  const { time_s: timeS, spend } = manifest.rights
  const run: ProgramRun = {
    id,
    program: manifest.program.name,
    version: manifest.program.version,
    hash: definition.hash,
    session: sessionOfRun(id),
    home: caller.session,
    starter: isPage(caller) ? '' : starterOf(caller),
    parent: parent?.id ?? '',
    depth,
    rights,
    labels: deps.sessions.held(caller),
    input,
    status: 'running',
    failure: null,
    result: null,
    printed: '',
    created_at: now,
    ended_at: null,
    deadline: timeS === undefined ? null : now + timeS * 1_000,
    ...(spend !== undefined && { budget: spend }),
  }
  const { name, toml, text, script, module } = definition
  const value: KeptProgram = { name, toml, text, ...(script !== undefined && { script }), ...(module !== undefined && { module }) }
  return { run, kept: { category: programVersions, name: definition.hash, value } }
}

/** The key of a browser that has signed in and has all rights is the person's own. */
function isPage({ actor, rights, limits }: Caller): boolean {
  return actor.startsWith('key:web-') && rights.has('*') && limits === undefined
}

type End = Pick<ProgramRun, 'status' | 'failure' | 'result' | 'printed'>

/** @returns how it ended; null: the guest stops, or another worker has it */
async function drive(deps: ProgramRunsDeps, run: ProgramRun, signal: AbortSignal, endsBy: () => string | undefined): Promise<End | null> {
  const failed = (failure: End['failure'], printed = ''): End => ({ status: 'failed', failure, result: null, printed })
  try {
    if (endsBy() !== undefined) throw new OxbowError('cancelled', endsBy()!, { hint: 'Run it again.' })
    await deps.openSession(run)
    const kept = await deps.documents.get<KeptProgram>(programVersions, run.hash)
    if (kept === null) throw new OxbowError('not_found', 'The files with which the run began are gone.', { hint: 'Run it again.' })
    const program = await usablePackage(kept.value)
    const isFollowed = program.script === null && program.module === null
    const work = isFollowed
      ? followInstructions(deps, await callerOf(deps, run, false), run, program, signal)
      : runScript(deps, run, program, signal)
    const { value, printed, failure } = await work
    if (failure !== null) return failed(failure, printed)
    await assertFits(deps, program, value, 'result')
    return { status: 'success', failure: null, result: value, printed: truncate(printed, 16_000) }
  } catch (error) {
    if (endsBy() !== undefined) return { ...failed({ code: 'cancelled', message: endsBy()!, hint: 'Run it again.' }), status: 'cancelled' }
    if (signal.reason === 'deadline')
      return failed({
        code: 'timeout',
        message: 'The run took longer than its time_s.',
        hint: 'Raise time_s under [rights] in its program.toml.',
      })
    if (signal.aborted) return null
    return failed(toFailure(error, 'internal_failure', 'The log has details.'))
  }
}

async function runScript(deps: ProgramRunsDeps, run: ProgramRun, program: ProgramPackage, signal: AbortSignal) {
  const make = callsOf(deps, run, program.manifest, signal)
  const caller = { actor: `program:${run.program}`, session: run.session, turn: run.id }
  return runProgramCode({
    run: run.id,
    program,
    input: run.input,
    past: await readPast(deps.journal, run),
    hide: (input) => deps.secrets.hideIn(input, () => {}),
    note: (call, name, digest) =>
      deps.journal.note([{ caller, call, name: name.slice(0, 100), phase: 'exchange', body: askedBody(digest) }], { lazy: true }),
    make,
    signal,
    threads: deps.threads,
  })
}

/** @returns a function that makes a call of a run, with its rights as they are now */
function callsOf(deps: ProgramRunsDeps, run: ProgramRun, manifest: Manifest, signal: AbortSignal): ScriptDeps['make'] {
  const refuses = (call: Pick<Call, 'name' | 'reaches'>, input: unknown): ReturnType<typeof refusalOf> => refusalOf(manifest, call, input)
  return async (id: CallId, name: string, input: Json, isOpen: boolean) => {
    const caller = await callerOf(deps, run, name === judgementCall || freeCalls.has(name))
    return deps.gate.call({ ...caller, refuses }, name, input, { id, signal, resumed: isOpen, durable: true })
  }
}

/** @param isOwn one of the calls that only scripts make */
async function callerOf(deps: Pick<ProgramRunsDeps, 'user' | 'boundsOf'>, run: ProgramRun, isOwn: boolean): Promise<Caller> {
  const bounds = await deps.boundsOf(run)
  const grant = grantOf(bounds === null ? run.rights : meet(bounds, run.rights))
  const rights = isOwn ? new Set([...grant.rights, processRight]) : grant.rights
  const audience = isOwn ? 'runtime' : 'model'
  return { user: deps.user, actor: `program:${run.program}`, ...grant, rights, audience, session: run.session, turn: run.id, process: '' }
}

/** @throws OxbowError `bad_input` for an input, `tool_failed` for a result that the manifest does not describe */
async function assertFits(
  { schemas }: Pick<ProgramRunsDeps, 'schemas'>,
  { manifest }: Pick<ProgramPackage, 'manifest'>,
  value: Json,
  what: 'input' | 'result',
): Promise<void> {
  const code = what === 'input' ? 'bad_input' : 'tool_failed'
  if (Buffer.byteLength(JSON.stringify(value)) > maxProgramValueBytes)
    throw new OxbowError('limit_reached', `The ${what} is larger than ${maxProgramValueBytes / 1024} KiB.`, {
      hint: 'Give it as a file, and its path here.',
    })
  const schema = manifest[what]
  if (schema === undefined) return
  const problems = await schemas.validate(schema, value)
  if (problems.length === 0) return
  throw new OxbowError(code, `The ${what} does not fit [${what}] of program.toml:\n${problemLines(problems.slice(0, 10))}`, {
    hint:
      what === 'input'
        ? `See \`oxbow program info ${manifest.program.name}\` for what it takes.`
        : 'Correct what the program returns, or [result].',
  })
}

/** @returns the changes that forget the oldest runs, and files that no run has any more */
function surplus(all: readonly ProgramRun[], hash: string): readonly DocumentChange[] {
  const over = all.filter(({ status }) => status !== 'running').toSorted((a, b) => b.created_at - a.created_at)
  const gone = over.slice(maxEndedPrograms - 1)
  const left = new Set([hash, ...all.filter((run) => !gone.includes(run)).map((run) => run.hash)])
  const versions = [...new Set(gone.map((run) => run.hash))].filter((each) => !left.has(each))
  return [
    ...gone.map(({ id }) => ({ category: programCategory, name: id, value: null })),
    ...versions.map((name) => ({ category: programVersions, name, value: null })),
  ]
}

export function unknownRun(ref: string): OxbowError {
  return new OxbowError('not_found', `There is no run ${ref} of a program.`, { hint: 'List them with `oxbow program runs --all`.' })
}

function byRun({ newId }: Pick<ProgramRunsDeps, 'newId'>, { id, session }: ProgramRun) {
  return { caller: { actor: 'kernel', session, turn: id }, call: newId() as CallId, name: 'program.step' } as const
}
