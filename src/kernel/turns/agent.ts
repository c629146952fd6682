/** The agent: the turns of a lane become processes that the runtime runs. A process is an agent's only access to the world. */
import {
  type ContextProvider,
  createMessageCounter,
  type Reminder,
  type RollingSummary,
  runTurn,
  type RuntimeDeps,
  foreignFactor,
  roomyFactor,
} from '../../runtime/index.ts'
import {
  type CallId,
  createRecentMap,
  type Failure,
  fenceRule,
  once,
  type ProcessId,
  type SessionId,
  type TurnId,
  untilAborted,
} from '../../base/index.ts'
import {
  type Attachment,
  type Caller,
  type CallOutcome,
  type ClientTools,
  type Engine,
  type Grant,
  grantOf,
  type HeldConversation,
  type Process,
  type RightLimits,
  type Sandbox,
  type SandboxStatus,
  type SandboxTier,
  sandboxTiers,
  type ToolSpec,
  type TurnResult,
  turnRights,
} from '../../protocol/index.ts'
import type { Config } from '../../config/index.ts'
import { recallTags } from '../policy/right-limits.ts'
import type { AgentProfile, CharacterProfile } from '../policy/profiles.ts'
import type { Conversations } from '../conversation/conversations.ts'
import type { Background } from './background.ts'
import type { Gate } from '../stages/gate.ts'
import { maxCountedTools, type Registry } from '../calls/registry.ts'
import type { Store } from '../../store/index.ts'
import type { AroundTurn, AskedTurn, KernelHooks, PromptSection } from '../stages/coming.ts'
import type { LaneTurn } from './lanes-interface.ts'
import { type AskRuns, watchRun } from './service-runs.ts'
import { clientAsk, processRight } from '../policy/policy.ts'
import { shutdown, stopReason } from '../stages/running-calls.ts'

/** Profiles of agents whose tools are kept, about 20 kB each. */
const maxHeldPersonas = 50

/** Providers of plugins have deadlines of their own, 10 s at most; behind this, a turn begins without any of them. */
const pluginDeadlineMs = 11_000

/** The turns that are running, for the calls that a process makes about its own turn. */
export interface RunningTurns {
  find(id: TurnId): LaneTurn | undefined
  /** See `CallContext.attachments`. */
  attachments(caller: Pick<Caller, 'session' | 'turn'>): Promise<readonly Attachment[]>
  /** How much stricter than the policy a turn was sent. */
  cautionOf(id: TurnId | ''): ClientTools['caution']
  /** Takes rights from a session at once, also from a turn that runs. @param grant null: its turns have what their profile says */
  restrict(session: SessionId, grant: Grant | null): void
  /** What is left to a session whose rights were restricted. */
  restricted(session: SessionId): Grant | undefined
  /** The turn hands its session over, and ends. */
  handOver(turn: TurnId, successor: string): void
  /** See `Process.successor`. */
  successor(turn: TurnId): string
  /** What each turn waits for before its next call; see `Kernel.settle`. */
  held: Promise<never> | null
  /** Keeps a turn as long as it runs. */
  during<Value>(turn: LaneTurn, run: () => Promise<Value>): Promise<Value>
}

export function createRunningTurns(store: Pick<Store, 'records'>): RunningTurns {
  const turns = new Map<TurnId, LaneTurn>()
  const grants = new Map<SessionId, Grant>()
  const successors = new Map<TurnId, string>()
  return {
    held: null,
    restrict: (session, grant) => void (grant === null ? grants.delete(session) : grants.set(session, grant)),
    restricted: (session) => grants.get(session),
    handOver: (turn, successor) => void (turns.has(turn) && successors.set(turn, successor)),
    successor: (turn) => successors.get(turn) ?? '',
    find: (id) => turns.get(id),
    attachments: async ({ session, turn }) => {
      const own = turn === '' ? [] : (turns.get(turn)?.attachments() ?? [])
      return session === '' ? own : [...own, ...(await (await import('../state/attachments.ts')).earlierFiles(store, session, turn))]
    },
    cautionOf: (id) => (id === '' ? undefined : turns.get(id)?.input.client?.caution),
    async during(turn, run) {
      turns.set(turn.id, turn)
      try {
        return await run()
      } finally {
        turns.delete(turn.id)
        successors.delete(turn.id)
      }
    },
  }
}

/** Runs a turn of a lane. */
export type Agent = (turn: LaneTurn) => Promise<TurnResult>

export interface AgentDeps {
  readonly config: Config
  readonly engine: Engine
  readonly sandbox: Sandbox
  readonly registry: Registry
  readonly gate: Gate
  readonly newId: () => string
  readonly runningTurns: RunningTurns
  /** Removes host paths and secrets from the system prompt. */
  readonly scrub: (text: string) => string
  /** What services add to the system prompt of an agent. */
  readonly section: PromptSection
  /** The scratchpad of a session, as a section of the system prompt. */
  readonly scratchpad: (session: SessionId) => Promise<string>
  /** Asked before a turn if the agent may read memory; absent: nothing is recalled. */
  readonly reminder?: Reminder | undefined
  /** Summarizes what no longer fits; absent: it is left out. */
  readonly rolling?: RollingSummary | undefined
  /** The profile of an agent's session; null at once for any other session, because nothing may be awaited there. */
  readonly profileOf: (session: SessionId, began?: string) => Promise<AgentProfile | null> | null
  readonly runs: AskRuns
  readonly hooks: () => Pick<KernelHooks, 'turns'> | undefined
  readonly around: () => AroundTurn | null
  readonly follow: Background['follow']
  /** The conversation of a session, whose labels it joins. */
  readonly conversationOf: (caller: Caller) => Promise<HeldConversation>
  readonly conversations: Pick<Conversations, 'itemOf'>
}

export function createAgent(deps: AgentDeps): Agent {
  const { config, engine, runningTurns, profileOf } = deps
  const usual = createPersona(deps, config.agent)
  /** Agents with the same profile share their tools. */
  const personas = createRecentMap<string, Persona>(maxHeldPersonas)
  const personaOf = ({ name, rights, instructions, maxTurns, character }: AgentProfile): Persona => {
    const key = JSON.stringify([name, instructions, rights, maxTurns, character])
    let persona = personas.get(key)
    if (persona === undefined) personas.put(key, (persona = createPersona(deps, { name, rights, instructions, character }, maxTurns)))
    return persona
  }
  const run = (turn: LaneTurn, { base, rights, limits, actor, toolTokens }: Persona, own: OwnTurn = {}): Promise<TurnResult> =>
    runningTurns.during(turn, async () => {
      const process = createProcess({ ...deps, rights, limits, actor, ...own }, turn)
      const facts = await engine.facts(turn.input.model ?? '')
      // A byte is at most one token.
      const clientTokens = turn.input.client === undefined ? 0 : Buffer.byteLength(JSON.stringify(turn.input.client.tools))
      return runTurn(process, { ...base, facts, toolTokens: clientTokens + (await toolTokens(facts.contextTokens)) })
    })
  const runAs = async (turn: LaneTurn, session: SessionId, found: Promise<AgentProfile | null>): Promise<TurnResult> => {
    const profile = await found
    const watched = await watchRun(deps.runs, session)
    const onWait = (isWaiting: boolean): void => {
      turn.onWait(isWaiting)
      watched.onWait(isWaiting)
    }
    if (profile === null) return run({ ...turn, onWait }, usual)
    if (profile.killed) return { status: 'cancelled', turn: turn.id, reply: '', steps: 0, failure: killedFailure }
    const unsafe = weakerThan(profile.tier ?? '', deps.sandbox.status.tier)
    if (unsafe !== null) return { status: 'failed', turn: turn.id, reply: '', steps: 0, failure: unsafe }
    const model = turn.input.model ?? (profile.model === '' ? undefined : profile.model)
    const own = { branch: profile.branch, persona: profile.persona, pause: watched.pause }
    return run({ ...turn, input: { ...turn.input, model }, onWait }, personaOf(profile), own)
  }
  return (turn) => {
    const { session } = turn.caller
    const found = session === '' ? null : profileOf(session, turn.began)
    return found === null || session === '' ? run(turn, usual) : runAs(turn, session, found)
  }
}

/** What only turns of agents' sessions have. */
interface OwnTurn {
  readonly branch?: string | undefined
  readonly persona?: string | undefined
  /** What the turn waits for before its next step: a person has paused the agent; null: nothing. */
  readonly pause?: (() => Promise<void> | null) | undefined
}

const killedFailure: Failure = {
  code: 'cancelled',
  message: 'This agent was killed.',
  hint: 'Its session takes no more turns; `oxbow spawn` starts another agent.',
}

/** @returns why an agent that needs an isolation does not run with the one that there is; null: it may */
function weakerThan(needed: SandboxTier | '', tier: SandboxStatus['tier']): Failure | null {
  const rank = (each: string): number => sandboxTiers.findIndex((one) => one === each)
  if (rank(needed) <= rank(tier)) return null
  const message = `This agent needs the isolation ${needed}; this guest has ${tier}.`
  return { code: 'sandbox_missing', message, hint: 'Set sandbox.tier in config.toml.' }
}

/** An agent as its turns need it. */
interface Persona {
  readonly actor: string
  readonly rights: ReadonlySet<string>
  readonly limits: RightLimits | undefined
  readonly base: Omit<RuntimeDeps, 'facts' | 'toolTokens'>
  readonly toolTokens: (contextTokens: number) => Promise<number>
}

function createPersona(deps: AgentDeps, agent: SpokenAgent & { readonly rights: readonly string[] }, maxTurns = Infinity): Persona {
  const { config, engine, sandbox, registry, scrub, section, scratchpad, reminder, rolling, hooks } = deps
  const { rights, limits } = grantOf([...agent.rights, processRight])
  const grantee = { name: agent.name, rights, ...(limits !== undefined && { limits }) }
  const asked = ({ turn }: Process): AskedTurn => ({ rights, text: deps.runningTurns.find(turn)?.input.text ?? '' })
  const base: Persona['base'] = {
    counter: createMessageCounter(engine.countTokens),
    get maxTurns() {
      return Math.min(maxTurns, config.turn.max_turns)
    },
    providers: [
      createCharacter(agent, () => scrub(sandbox.status.problem?.message ?? '')),
      ...(agent.character === undefined ? [] : [createCharacterPrompt(agent.character, scrub)]),
      { name: 'tools', provide: () => registry.sharedFields(rights) },
      { name: 'services', provide: () => section(grantee) },
      { name: 'scratchpad', provide: ({ session }) => scratchpad(session) },
      {
        name: 'plugins',
        deadlineMs: pluginDeadlineMs,
        provide: (process) => deps.around()?.provide(process, asked(process)) ?? '',
      },
    ],
    evaluators: [
      {
        name: 'plugins',
        async evaluate(process, ended) {
          const looked = deps.around()?.evaluate(process, asked(process), ended)
          if (looked !== undefined) await deps.follow(looked)
        },
      },
    ],
    ...(rolling !== undefined && { rolling }),
    source: ({ turn }) => deps.runningTurns.find(turn)?.input.source,
    hooks: () => hooks()?.turns(`agent:${agent.name}`),
    ...reminding(reminder, { rights, limits }),
  }
  const count = async (text: string): Promise<number> => {
    const [tokens = Buffer.byteLength(text)] = await engine.countTokens([text])
    return Math.ceil(tokens * foreignFactor)
  }
  // Made with the first turn, because the schemas of all tools take a tenth of a start; anew when tools have come or gone.
  let held: { readonly tools: readonly ToolSpec[]; readonly text: string; readonly tokens: () => Promise<number> } | null = null
  // A byte is at most one token: an upper bound without a tokenizer, unless the window is too small for it.
  const toolTokens = async (contextTokens: number): Promise<number> => {
    const tools = registry.tools(rights, [])
    if (held?.tools !== tools) {
      const text = textOfTools(tools, registry.laterTools(rights), registry.maxLoadedChars)
      held = { tools, text, tokens: once(() => count(text)) }
    }
    const bound = Buffer.byteLength(held.text)
    return bound * roomyFactor <= contextTokens ? bound : held.tokens()
  }
  return { actor: `agent:${agent.name}`, rights, limits, base, toolTokens }
}

/** An agent that reads only memories with its tag is reminded of only these. */
function reminding(reminder: Reminder | undefined, grant: Pick<Persona, 'rights' | 'limits'>): Pick<RuntimeDeps, 'reminder'> {
  const tags = recallTags(grant)
  if (reminder === undefined || tags === null) return {}
  const [tag] = tags
  return { reminder: tag === undefined ? reminder : { ...reminder, tag } }
}

/** @param later tools that a conversation may load; the largest are counted, as many as fit */
function textOfTools(tools: readonly ToolSpec[], later: readonly ToolSpec[], maxLoadedChars: number): string {
  const largest = later.map((tool) => JSON.stringify(tool)).toSorted((a, b) => b.length - a.length)
  const loaded = largest.slice(0, maxCountedTools).join(',')
  return [...tools.map((tool) => JSON.stringify(tool)), loaded.slice(0, Math.max(maxLoadedChars, largest[0]?.length ?? 0))].join(',')
}

interface SpokenAgent extends Pick<Config['agent'], 'name' | 'instructions'> {
  readonly character?: CharacterProfile | undefined
}

/**
 * The system prompt: who the agent is, where it works, and how to treat what it reads.
 * @param surroundings the state of the workspace, e.g. that the shell is off
 */
function createCharacter({ name, instructions, character }: SpokenAgent, surroundings: () => string): ContextProvider {
  const lines = [
    `You are ${name}, an agent that works for one person on their own machine, inside Oxbow.`,
    'You act only through the tools you are given. Files are under /shared (kept) and /tmp (scratch); nothing else of the machine exists for you.',
    'Every tool call is checked and recorded. When one is refused, read the reason: correct it, go another way, or tell the person what you need.',
    fenceRule,
    // A character has a style of its own.
    character === undefined ? 'Be brief and exact. Say what you did and what you could not do.' : 'Say honestly what you could not do.',
  ]
  return { name: 'character', provide: () => [...lines, surroundings(), instructions].filter((line) => line !== '').join('\n') }
}

/** Read once for all its turns; what it shows of long lists differs by the message. */
function createCharacterPrompt({ file, variables }: CharacterProfile, scrub: (text: string) => string): ContextProvider {
  const prompt = once(async () => (await import('../../plugins/index.ts')).promptOf(file, variables))
  return { name: 'persona', provide: async ({ turn }) => scrub((await prompt())(turn)) }
}

const oneAtATime = 'The program takes one call at a time: make this one after the result of the other.'
/** Time limits do not count a pause. Resolves when it ends, or the turn does. @throws OxbowError where the guest stops: nothing more is to begin */
async function untilResumed(paused: Promise<void>, { signal, onWait }: Pick<LaneTurn, 'signal' | 'onWait'>): Promise<void> {
  if (signal.aborted) return
  onWait(true)
  await untilAborted(paused, signal).catch(() => {})
  onWait(false)
  if (stopReason(signal) === 'shutdown') throw shutdown()
}

interface ProcessDeps extends OwnTurn, Pick<AgentDeps, 'gate' | 'registry' | 'newId' | 'conversationOf' | 'conversations'> {
  /** Rights of the agent: the same set for all its processes, so that its tools are made once. */
  readonly rights: ReadonlySet<string>
  readonly limits: RightLimits | undefined
  readonly actor: string
  readonly runningTurns: Pick<RunningTurns, 'restricted' | 'successor' | 'held'>
}

function createProcess(
  { gate, registry, newId, rights, limits, actor, runningTurns, conversationOf, conversations, branch, persona, pause }: ProcessDeps,
  turn: LaneTurn,
): Process {
  const id = newId() as ProcessId
  const { user, session } = turn.caller
  if (session === '') throw new Error('a turn belongs to a session')
  const bounds = { ...(limits && { limits }), ...(branch !== undefined && { branch }), ...(persona !== undefined && { persona }) }
  const asker = { user, actor, rights, session, turn: turn.id, process: id, ...bounds }
  const asRuntime: Caller = { ...asker, audience: 'runtime' }
  const asModel: Caller = { ...asker, audience: 'model' }
  // Only calls that a resumed turn names by id can have earlier records.
  const ask = (caller: Caller, name: string, input: unknown, callId?: CallId): Promise<CallOutcome> => {
    const options = {
      id: callId ?? (newId() as CallId),
      signal: turn.signal,
      resumed: turn.resumed && callId !== undefined,
      onWait: turn.onWait,
    }
    const pass = (): Promise<CallOutcome> => {
      const left = runningTurns.restricted(session)
      return gate.call(left === undefined ? caller : { ...caller, ...left }, name, input, options)
    }
    const paused = pause?.() ?? runningTurns.held
    return paused === null ? pass() : untilResumed(paused, turn).then(pass)
  }
  const client = turn.input.client
  let hasAsked = false
  const askClient = async (tool: string, args: string, call: CallId): Promise<CallOutcome | null> => {
    const isSecond = client?.serial === true && hasAsked
    hasAsked = true
    const tier = client?.tools.find(({ name }) => name === tool)?.tier
    const input = { tool, call, arguments: args, ...(tier !== undefined && { tier }) }
    const asked = isSecond ? null : await ask(asRuntime, clientAsk, input)
    if (asked?.status === 'ok') return null
    const answer = { tool, text: asked?.text ?? oneAtATime, ok: false, refused: true }
    return ask({ ...asRuntime, rights: turnRights }, 'client.answer', answer, call)
  }
  return {
    id,
    session,
    turn: turn.id,
    signal: turn.signal,
    call: (name, input, callId) => ask(asRuntime, name, input, callId),
    callTool(name, args, callId) {
      // A call of Oxbow that came with an update keeps its name.
      const isClients = client !== undefined && client.tools.some((tool) => tool.name === name) && registry.find(name) === undefined
      return isClients ? askClient(name, args, callId) : ask(asModel, name, args, callId)
    },
    isReadOnly: (name) => (registry.find(name)?.tier ?? 'read_only') === 'read_only',
    async conversation() {
      // As a call does: one that a person has paused before a restart begins nothing.
      const paused = pause?.() ?? runningTurns.held
      if (paused !== null) await untilResumed(paused, turn)
      return conversationOf(asRuntime)
    },
    itemOf: (call) => conversations.itemOf(session, call),
    hasMail: turn.hasMail,
    successor: () => runningTurns.successor(turn.id),
    newCallId: () => newId() as CallId,
  }
}
