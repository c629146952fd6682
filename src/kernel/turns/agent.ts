/** The agent: turns of a lane become processes that the runtime runs. A process is its agent's only handle on the world. */
import {
  type ContextProvider,
  createMessageCounter,
  type Reminder,
  type RollingSummary,
  runTurn,
  type RuntimeDeps,
  type TurnResult,
} from '../../runtime/index.ts'
import {
  type Caller,
  type CallId,
  type CallOutcome,
  type Config,
  type Engine,
  fenceRule,
  once,
  type Process,
  type ProcessId,
  type Sandbox,
  type SessionId,
  type TurnId,
} from '../../types/index.ts'
import type { Gate } from '../gate.ts'
import type { LaneTurn } from './lanes.ts'
import type { Registry } from '../registry.ts'
import { processRight } from '../stages/policy.ts'

export interface Agent {
  runTurn(turn: LaneTurn): Promise<TurnResult>
  /** The turn that runs under this id, for the calls that a process makes about its own turn. */
  turn(id: TurnId): LaneTurn | undefined
}

interface AgentDeps {
  readonly config: Config
  readonly engine: Engine
  readonly sandbox: Sandbox
  readonly registry: Registry
  readonly gate: Gate
  readonly newId: () => string
  /** Takes host paths and secrets out of what a model is told of its surroundings. */
  readonly scrub: (text: string) => string
  /** What the agent noted for itself in a session, in words for it. */
  readonly scratchpad: (session: SessionId) => string | Promise<string>
  /** What the agent is reminded of before a turn, where it may read memory; absent: nothing. */
  readonly reminder?: Reminder | undefined
  /** Sums up what no longer fits; absent: it is left out. */
  readonly rolling?: RollingSummary | undefined
}

export function createAgent({ config, engine, sandbox, registry, gate, newId, scrub, scratchpad, reminder, rolling }: AgentDeps): Agent {
  const turns = new Map<TurnId, LaneTurn>()
  const rights: ReadonlySet<string> = new Set([...config.agent.rights, processRight])
  const actor = `agent:${config.agent.name}`
  const base: Omit<RuntimeDeps, 'facts' | 'toolTokens'> = {
    counter: createMessageCounter(engine.countTokens),
    maxTurns: config.turn.max_turns,
    providers: [
      createCharacter(config.agent, () => scrub(sandbox.status.problem?.message ?? '')),
      { name: 'scratchpad', provide: ({ session }) => scratchpad(session) },
    ],
    evaluators: [],
    ...(rolling !== undefined && { rolling }),
    ...(reminder !== undefined && rights.has('memory.read') && { reminder }),
  }
  // Made at the first turn: schemas of all tools are a tenth of a start.
  let toolText: string | null = null
  const textOfTools = (): string => (toolText ??= JSON.stringify(registry.tools(rights)))
  const counted = once(async (): Promise<number> => {
    const [count = Buffer.byteLength(textOfTools())] = await engine.countTokens([textOfTools()])
    return Math.ceil(count * foreignFactor)
  })
  // A byte is at most one token: a bound that needs no tokenizer, unless the window is too small for bounds.
  const toolTokens = (contextTokens: number): number | Promise<number> => {
    const bound = Buffer.byteLength(textOfTools())
    return bound * roomyFactor <= contextTokens ? bound : counted()
  }
  return {
    async runTurn(turn) {
      turns.set(turn.id, turn)
      try {
        const process = createProcess({ gate, registry, newId, rights, actor }, turn)
        const facts = await engine.facts(turn.input.model ?? '')
        return await runTurn(process, { ...base, facts, toolTokens: await toolTokens(facts.contextTokens) })
      } finally {
        turns.delete(turn.id)
      }
    },
    turn: (id) => turns.get(id),
  }
}

/**
 * Who the agent is, where it works, and how it should treat what it reads.
 * @param surroundings what is true of the workspace now, e.g. that the shell is off
 */
function createCharacter({ name, instructions }: Config['agent'], surroundings: () => string): ContextProvider {
  const lines = [
    `You are ${name}, an agent that works for one person on their own machine, inside Oxbow.`,
    'You act only through the tools you are given. Files are under /shared (kept) and /tmp (scratch); nothing else of the machine exists for you.',
    'Every tool call is checked and recorded. When one is refused, read the reason: correct it, go another way, or tell the person what you need.',
    fenceRule,
    'Be brief and exact. Say what you did and what you could not do.',
  ]
  return { name: 'character', provide: () => [...lines, surroundings(), instructions].filter((line) => line !== '').join('\n') }
}

/** A window this many times the bound of the tools has room enough for the bound. */
const roomyFactor = 4
/** Tokens that another tokenizer may make of the same text. */
const foreignFactor = 1.25

interface ProcessDeps {
  readonly gate: Gate
  readonly registry: Registry
  readonly newId: () => string
  /** Rights of the agent. The same set for every process of it, so that its tools are made once. */
  readonly rights: ReadonlySet<string>
  readonly actor: string
}

function createProcess({ gate, registry, newId, rights, actor }: ProcessDeps, turn: LaneTurn): Process {
  const id = newId() as ProcessId
  const { user, session } = turn.caller
  if (session === '') throw new Error('a turn belongs to a session')
  const asker = { user, actor, rights, session, turn: turn.id, process: id }
  const asRuntime: Caller = { ...asker, audience: 'runtime' }
  const asModel: Caller = { ...asker, audience: 'model' }
  // Only calls that a resumed turn names by id can have a past.
  const ask = (caller: Caller, name: string, input: unknown, callId?: CallId): Promise<CallOutcome> =>
    gate.call(caller, name, input, {
      id: callId ?? (newId() as CallId),
      signal: turn.signal,
      resumed: turn.resumed && callId !== undefined,
      onWait: turn.onWait,
    })
  return {
    id,
    session,
    turn: turn.id,
    signal: turn.signal,
    call: (name, input, callId) => ask(asRuntime, name, input, callId),
    callTool: (name, args, callId) => ask(asModel, name, args, callId),
    isReadOnly: (name) => (registry.find(name)?.tier ?? 'read_only') === 'read_only',
    hasMail: turn.hasMail,
    newCallId: () => newId() as CallId,
  }
}
