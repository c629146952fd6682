/** What the calls about programs do: which there are, who may run them with which rights, and what is shown of runs. */
import {
  type AgentProfile,
  assertNoBranch,
  type CallReference,
  carvedOf,
  type Core,
  lost,
  modelRight,
  profileCategory,
  secretRight,
  stopReason,
} from '../../kernel/index.ts'
import { type CallId, didYouMean, isDerived, type JsonObject, OxbowError, problemLines, truncate, type TurnId } from '../../base/index.ts'
import type { Caller } from '../../protocol/index.ts'
import type { Definition, DefinitionText } from '../../config/index.ts'
import type { RunsPort } from '../../runs/index.ts'
import type { Access } from '../access/service.ts'
import type { Agents } from '../agents/service.ts'
import { namedById } from '../named-by-id.ts'
import { parsePackage, problemsText, type ProgramPackage, usablePackage } from './program-package.ts'
import { isActive, programSwitches, type ProgramRun, type ProgramSwitch, readSwitches } from './program-record.ts'
import { grantedRights, judgementCall, wantedRights } from './program-rights.ts'
import { createProgramRuns, type ProgramBy, type ProgramRuns, type ProgramRunsDeps, unknownRun } from './program-runs.ts'
import { type Verified, verifyPackage } from './program-verify.ts'
import { type ProgramRunView, type ProgramView, type RunInput, viewOfRun } from './program-view.ts'
import { createInstallDesk, type InstallDesk } from './packages/install-desk.ts'
import { createProgramSchedules, type ProgramSchedules } from './packages/program-schedules.ts'

export interface ProgramDesk {
  readonly install: InstallDesk
  run(by: ProgramBy, input: RunInput, signal: AbortSignal): Promise<ProgramRunView>
  list(): Promise<readonly ProgramView[]>
  /** @throws OxbowError `not_found` */
  info(name: string): Promise<{ readonly view: ProgramView; readonly definition: Definition | DefinitionText }>
  verify(of: DefinitionText): Promise<Verified>
  /** Those that a manifest can list. */
  callsToList(): readonly ListableCall[]
  /** @throws OxbowError `not_found`, `bad_input` for a beginning of several ids */
  find(caller: Caller, ref: string): Promise<ProgramRun>
  runs(caller: Caller, all: boolean, limit: number): Promise<readonly ProgramRunView[]>
  view(run: ProgramRun): Promise<ProgramRunView>
  look(run: TurnId, seconds: number, signal: AbortSignal): Promise<void>
  cancel(run: TurnId, reason: string): Promise<ProgramRun>
  /** @returns whether that changed something */
  toggle(by: ProgramBy, name: string, isOn: boolean): Promise<boolean>
}

type ListableCall = Pick<CallReference, 'name' | 'summary' | 'effect' | 'input' | 'output'> & {
  /** What of the manifest binds it, too; empty: nothing. */
  readonly bound_by: 'paths' | 'hosts' | ''
}

export interface DeskDeps
  extends
    Omit<ProgramRunsDeps, 'boundsOf' | 'openSession' | 'endAgents' | 'assertCovers' | 'runs'>,
    Pick<Core, 'host' | 'registry' | 'profileOf' | 'neverPassedOn' | 'budgets' | 'running' | 'config'> {
  readonly runs: RunsPort
  readonly agents: Agents
  readonly waitingIn: Access['waitingIn']
}

export function createProgramDesk(deps: DeskDeps): {
  readonly desk: ProgramDesk
  readonly runs: ProgramRuns
  readonly schedules: ProgramSchedules
} {
  const install = createInstallDesk({ ...deps, changed: () => schedules.refresh() })
  const runs = createProgramRuns({
    ...deps,
    tried: install.tried,
    // What was revoked since is no right of the run any more.
    boundsOf: async ({ session, starter }) => (starter === '' ? null : ((await deps.profileOf(session))?.rights ?? [])),
    openSession: (run) => openSession(deps, run),
    endAgents: (run) => endAgents(deps, run),
    async assertCovers(caller, { rights }) {
      const book = await deps.budgets.book()
      await book.load(caller)
      book.assertCovers(caller, carvedOf(rights.spend ?? {}))
    },
  })
  deps.agents.onOver(({ session, name }) => void runs.cancelOf(session, `The agent ${name}, which began it, has ended.`).catch(() => {}))
  const view = (run: ProgramRun): Promise<ProgramRunView> => viewIn(deps, run)
  const visible = async (caller: Caller): Promise<readonly ProgramRun[]> =>
    (await runs.all()).filter(({ home }) => caller.audience === 'terminal' || (home !== '' && home === caller.session))
  const verify: ProgramDesk['verify'] = (of) => verifyPackage({ schemas: deps.schemas, find: deps.registry.find }, of)
  const schedules = createProgramSchedules({
    ...deps,
    isRunning: async (name) => (await runs.all()).some(({ program, status }) => program === name && status === 'running'),
    run: (by, program, input, signal) => desk.run(by, { program, input, wait: false, dry_run: false }, signal),
  })
  const desk: ProgramDesk = {
    install,
    run: async (by, input, signal) => begin(deps, runs, view, by, input, signal),
    list: () => listPrograms(deps),
    async info(name) {
      const shown = (await listPrograms(deps)).find((each) => each.name === name)
      const definition = (await deps.agents.definitions.list('programs')).find((each) => each.name === name)
      if (shown !== undefined && definition !== undefined) return { view: shown, definition: { ...definition, table: {} } }
      throw await unknownProgram(deps, name)
    },
    verify,
    find: async (caller, ref) => named(await visible(caller), ref),
    callsToList: () => listable(deps.registry),
    async runs(caller, isAll, limit) {
      const found = (await visible(caller)).filter(({ status }) => isAll || status === 'running')
      return Promise.all(
        found
          .toSorted((a, b) => b.created_at - a.created_at)
          .slice(0, limit)
          .map(view),
      )
    },
    view,
    look: (run, seconds, signal) => runs.ended(run, seconds * 1_000, signal).catch(() => {}),
    cancel: runs.cancel,
    async toggle({ caller, call }, name, isOn) {
      const { view: shown } = await desk.info(name)
      const known = (await deps.documents.get<ProgramSwitch>(programSwitches, name))?.value
      if (isActive(known, shown.place) === isOn) return false
      const value: ProgramSwitch = { enabled: isOn }
      await deps.documents.put({ caller, call, name: isOn ? 'program.enable' : 'program.disable' }, [
        { category: programSwitches, name, value },
      ])
      await schedules.refresh()
      return true
    },
  }
  return { desk, runs, schedules }
}

function viewIn({ budgets, waitingIn, running, sessions }: DeskDeps, run: ProgramRun): Promise<ProgramRunView> {
  const waiting = async ({ session, id }: ProgramRun): ReturnType<Access['waitingIn']> => waitingIn(session, id)
  return viewOfRun({ budgets, waiting, running: running.of, heldLabels: sessions.held }, run)
}

function named(runs: readonly ProgramRun[], ref: string): ProgramRun {
  const found = namedById(runs, ref, 'runs')
  if (found === undefined) throw unknownRun(ref)
  return found
}

async function listPrograms({ agents, documents }: Pick<DeskDeps, 'agents' | 'documents'>): Promise<readonly ProgramView[]> {
  const [all, said] = await Promise.all([agents.definitions.list('programs'), readSwitches(documents)])
  return Promise.all(
    all.map(async (each) => {
      const { program, problems } = each.problem === '' ? await parsePackage(each) : { program: null, problems: [] }
      const problem = each.problem === '' ? problemsText(problems) : each.problem
      const { version = '', description = '', author = '', tool = false } = program?.manifest.program ?? {}
      const kind = each.script !== undefined ? ('script' as const) : each.module !== undefined ? ('module' as const) : ('agent' as const)
      const { place, hides, trial } = each
      const from = { place: place ?? 'own', hides_own: hides === true, on_trial: trial !== undefined } as const
      return {
        name: each.name,
        version,
        description,
        author,
        kind,
        ...from,
        tool,
        enabled: said.get(each.name)?.enabled !== false,
        active: problem === '' && isActive(said.get(each.name), each.place),
        schedules: program?.manifest.schedule.length ?? 0,
        hash: each.hash,
        problem,
      }
    }),
  )
}

function listable(registry: DeskDeps['registry']): readonly ListableCall[] {
  return registry
    .references()
    .filter(({ name, audience, unavailable }) => unavailable === '' && (audience.includes('model') || name === judgementCall))
    .map(({ name, summary, effect, input, output }) => {
      const { reaches, goesTo } = registry.find(name) ?? {}
      const kind = goesTo === undefined ? reaches?.kind : 'url'
      return { name, summary, effect, input, output, bound_by: kind === 'paths' ? 'paths' : kind === 'url' ? 'hosts' : '' }
    })
}

async function unknownProgram({ agents }: Pick<DeskDeps, 'agents'>, name: string): Promise<OxbowError> {
  const names = (await agents.definitions.list('programs')).map((each) => each.name)
  return new OxbowError('not_found', `There is no program ${name}.`, { hint: `${didYouMean(name, names, 2)}See \`oxbow program list\`.` })
}

/** @throws OxbowError `not_found`, `bad_config`, `denied` for one that is switched off */
async function usable(deps: DeskDeps, name: string): Promise<{ readonly definition: Definition; readonly program: ProgramPackage }> {
  const { definitions } = deps.agents
  const isNamed = (each: { readonly name: string }): boolean => each.name === name
  // The folder of the workspace, which a sandbox must read, is looked at only to say what is wrong.
  const ready = (await definitions.usable('programs')).find(isNamed)
  const known = ready ?? (await definitions.list('programs')).find(isNamed)
  if (known === undefined) throw await unknownProgram(deps, name)
  if (known.problem !== '')
    throw new OxbowError('bad_config', `The program ${name} cannot be used: ${known.problem}`, {
      hint: `Check it: oxbow program verify ${name}`,
    })
  const found = ready ?? (await definitions.find('programs', name))
  if ((await deps.documents.get<ProgramSwitch>(programSwitches, name))?.value.enabled === false)
    throw new OxbowError('denied', `The program ${name} is switched off.`, { hint: `Switch it on: oxbow program enable ${name}` })
  return { definition: { ...found, table: {} }, program: await usablePackage(found) }
}

async function begin(
  deps: DeskDeps,
  runs: ProgramRuns,
  view: ProgramDesk['view'],
  by: ProgramBy,
  { program: name, input, wait, dry_run: isDry }: RunInput,
  signal: AbortSignal,
): Promise<ProgramRunView> {
  const { caller } = by
  // What it writes would be in the workspace.
  if (!isDry) assertNoBranch(caller)
  const { definition, program } = await usable(deps, name)
  const { delegable } = await deps.agents.parentOf(caller)
  // A person passes on what they have; which models and secrets, the manifest says.
  const whole = delegable.includes('*') ? [...delegable, secretRight, modelRight] : delegable
  const rights = grantedRights(program.manifest, deps.registry.find, { delegable: whole, never: deps.neverPassedOn })
  if (isDry) return planned(deps, by, program, { rights, input })
  const run = await runs.begin(by, { definition, program, input, rights })
  if (!wait) return view(run)
  const { queue } = deps.runs
  queue.pause(caller.session)
  try {
    await runs.ended(run.id, Infinity, signal).catch(() => {})
  } finally {
    await queue.resume(caller.session, signal.aborted)
  }
  if (signal.aborted && stopReason(signal) !== 'shutdown') return view(await runs.cancel(run.id, 'Its call was cancelled.'))
  return view((await runs.find(run.id)) ?? run)
}

/** What a run would be, before it does anything. */
async function planned(
  deps: DeskDeps,
  { caller, call }: ProgramBy,
  { manifest }: ProgramPackage,
  { rights, input }: { readonly rights: readonly string[]; readonly input: JsonObject },
): Promise<ProgramRunView> {
  const problems = manifest.input === undefined ? [] : await deps.schemas.validate(manifest.input, input)
  if (problems.length > 0)
    throw new OxbowError('bad_input', `The input does not fit [input] of program.toml:\n${problemLines(problems.slice(0, 10))}`, {
      hint: `See \`oxbow program info ${manifest.program.name}\` for what it takes.`,
    })
  return {
    id: call as string as TurnId,
    program: manifest.program.name,
    version: manifest.program.version,
    status: 'planned',
    session: '',
    input,
    result: null,
    printed: '',
    failure: null,
    labels: deps.sessions.held(caller),
    rights: rights.filter((each) => !each.startsWith('!')),
    missing: lost(wantedRights(manifest, deps.registry.find), rights),
    depth: 1,
    created_at: deps.clock.now(),
    ended_at: null,
    waiting_for: '',
    spent: { tokens: 0, micro_dollars: 0 },
  }
}

/** Its profile limits what it delegates to and runs; no turn runs in it. */
async function openSession(deps: DeskDeps, run: ProgramRun): Promise<void> {
  const { session, program, home, starter, rights, labels, id } = run
  await deps.runs.turns.openSession(session, truncate(`program ${program}`, 100), { labels })
  const profile = await deps.documents.get<AgentProfile>(profileCategory, session)
  if (profile === null) {
    const value: AgentProfile = {
      agent: id as string as CallId,
      name: program,
      rights,
      model: '',
      instructions: '',
      home,
      spawner: starter,
      killed: true,
      delegable: rights,
      ...(starter.startsWith('key:') && { key: starter.slice('key:'.length) }),
    }
    const of = { caller: { actor: 'kernel', session, turn: id }, call: deps.newId() as CallId, name: 'program.step' } as const
    await deps.documents.put(of, [{ category: profileCategory, name: session, value }])
  }
  if (home !== '' && isDerived(home) && deps.agents.supervisor.agentOf(home) !== undefined) deps.agents.supervisor.countWith(session, home)
}

/** What nobody waits for any more does nothing: the agents of a run that was cancelled, and those that its script has left. */
async function endAgents({ agents: { supervisor }, newId }: DeskDeps, { session, id, program }: ProgramRun): Promise<void> {
  const by = { caller: { actor: 'kernel', session, turn: id }, name: 'program.step' } as const
  for (const { id: agent } of supervisor.all().filter(({ home }) => home === session))
    await supervisor.kill({ ...by, call: newId() as CallId }, agent, `The run of ${program} is over.`)
}
