/**
 * Runs a recorded turn again: the agent, its prompt and its window are the ones of now; whatever the turn asks for is answered with what was recorded.
 * Nothing else is there: no call runs, no hands are started and no model is asked. The first thing that is asked for otherwise ends it.
 */
import { type AgentDeps, type Core, createRunningTurns, cancelledOutcome, type LaneTurn, replay } from '../../kernel/index.ts'
import { type CallId, isObject, type Json, OxbowError, type SessionId, textIn as fieldText, type TurnId } from '../../base/index.ts'
import {
  type CallOutcome,
  type Caller,
  generationCall,
  type GenerateRequest,
  type HeldConversation,
  inboxCall,
  isGeneration,
  pluginRecords,
  recallCall,
  type RecordedAsk,
  summarizeCall,
  toolPlace,
  type TurnResult,
} from '../../protocol/index.ts'
import {
  answerDiffers,
  countsDiffer,
  type Divergence,
  endDiffers,
  lastOf,
  type OwnPrompt,
  ownOf,
  servicesMark,
  textIn,
  withServices,
} from './compare-run.ts'
import { generationsOf, type RecordedCall, type RecordedTurn } from './recorded-turns.ts'

export interface RunAgain {
  readonly steps: number
  readonly calls: number
  /** Requests that were compared word for word; of the others only counts are recorded. */
  readonly compared: number
  readonly divergence: Divergence | null
}

interface RunDeps extends Pick<
  Core,
  'agentWith' | 'registry' | 'engine' | 'sandbox' | 'store' | 'profileOf' | 'config' | 'user' | 'secrets'
> {
  /** @returns what would be sent to the model */
  readonly requestOf: (input: never, caller: Caller, turns: ReturnType<typeof createRunningTurns>) => Promise<GenerateRequest>
  readonly conversation: () => Promise<HeldConversation>
  readonly scratchpad: (session: SessionId) => Promise<string>
  /** What `session.summarize` gave the turn. */
  readonly summaryOf: (call: CallId) => Promise<Json>
  readonly newId: () => string
}

/** Makes a function that runs the turns of one session again. Its agent is made once, so that tools and tokens are. */
export function createRunAgain(deps: RunDeps) {
  let play: Play | null = null
  const current = (): Play => {
    if (play === null) throw new Error('no turn is run again')
    return play
  }
  const runningTurns = createRunningTurns(deps.store)
  const { config } = deps
  const agent = deps.agentWith((usual) => ({
    runningTurns,
    newId: () => current().nextId(),
    gate: {
      start: () => {
        throw new Error('a replay starts no calls')
      },
      call: (caller, name, input, { id }) => current().answer(caller, name, input, id),
    },
    engine: { ...deps.engine, generate: refuseModel, embed: () => Promise.reject(refused()) },
    // Only its status is asked.
    sandbox: { status: deps.sandbox.status } as AgentDeps['sandbox'],
    // What services added then is known where requests were recorded; else what they add now stands for it.
    section: async (of) => (current().isRecorded ? servicesMark : usual.section(of)),
    scratchpad: deps.scratchpad,
    reminder: { mayRecall: () => current().hasNext(recallCall), patienceMs: () => patienceMs, recalled: () => {} },
    ...(config.memory.summary.enabled && { rolling: { triggerRatio: config.memory.summary.trigger_ratio, later: () => {} } }),
    profileOf: (session) => deps.profileOf(session)?.then((profile) => profile && { ...profile, killed: false }) ?? null,
    runs: async () => [],
    // The window is what the recorded prompt left of it, so the prompt has to be whole before messages are fitted.
    hooks: () => ({ turns: () => ({ ...noHooks, compose: async (_process, system) => ({ system: current().compose(system) }) }) }),
    around: () => ({ provide: async () => current().provided(), evaluate: async () => {} }),
    follow: async () => {},
    conversationOf: deps.conversation,
    conversations: { itemOf: () => undefined },
  }))
  return async (turn: RecordedTurn, asks: ReadonlyMap<string, RecordedAsk>, until: number): Promise<RunAgain> => {
    const own = createPlay({ ...deps, runningTurns }, turn, asks, until)
    play = own
    try {
      const result = await agent(own.laneTurn)
      return own.ended(result)
    } finally {
      play = null
    }
  }
}

const noHooks = {
  sees: (step: string): boolean => step === 'context.compose',
  decide: async () => null,
  evaluated: async () => {},
}

/** What was recalled is there at once. */
const patienceMs = 60_000

const refused = (): OxbowError => new OxbowError('internal_failure', 'A replay asks no model.', { hint: 'Report this bug.' })
const refuseModel: AgentDeps['engine']['generate'] = () => {
  throw refused()
}

interface Play {
  readonly laneTurn: LaneTurn
  nextId(): string
  answer(caller: Caller, name: string, input: unknown, id: CallId): Promise<CallOutcome>
  hasNext(name: string): boolean
  /** Whether a request of the turn was recorded word for word. */
  readonly isRecorded: boolean
  /** @param system with the mark of services @returns the prompt as the turn began with it */
  compose(system: string): string
  provided(): string
  ended(result: TurnResult): RunAgain
}

/** A turn that is run again, and how far it has come. */
interface Playing {
  readonly deps: RunDeps
  readonly runningTurns: ReturnType<typeof createRunningTurns>
  readonly turn: RecordedTurn
  readonly asks: ReadonlyMap<string, RecordedAsk>
  readonly until: number
  readonly control: AbortController
  readonly runtime: ReturnType<typeof createQueues>
  steps: number
  calls: number
  compared: number
  divergence: Divergence | null
  /** It has come as far as was asked for. */
  isDone: boolean
  /** What the agent of now has in its prompt before and behind what services add; null: it was not composed yet. */
  own: OwnPrompt | null
}

function createPlay(
  { runningTurns, ...deps }: RunDeps & Pick<Playing, 'runningTurns'>,
  turn: RecordedTurn,
  asks: Playing['asks'],
  until: number,
): Play {
  const runtime = createQueues(turn)
  const control = new AbortController()
  const counts = { steps: 0, calls: 0, compared: 0 }
  const first = generationsOf(turn).flatMap(({ id }) => asks.get(id) ?? [])[0]
  const playing: Playing = {
    deps,
    runningTurns,
    turn,
    asks,
    until,
    control,
    runtime,
    ...counts,
    divergence: null,
    isDone: false,
    own: null,
  }
  return {
    laneTurn: laneTurnOf(deps, turn, control.signal, runtime),
    nextId: () => runtime.nextId() ?? deps.newId(),
    hasNext: (name) => runtime.next(name) !== undefined,
    isRecorded: first !== undefined,
    compose(system) {
      playing.own = ownOf(system)
      return withServices(playing.own, first?.system ?? '')
    },
    provided: () => textOfEnd(runtime.take(pluginRecords.provide)),
    async answer(caller, name, input, id) {
      if (toolPlace(id) !== null) return answerTool(playing, name, input, id)
      return isGeneration({ name }) ? generate(playing, caller, input as Asked) : answerRuntime(playing, name, input)
    },
    ended(result) {
      const { steps, calls, compared, divergence, isDone } = playing
      const differs = isDone || turn.end === null ? null : endDiffers(turn.end.body, result, steps, deps.secrets.hide)
      return { steps, calls, compared, divergence: divergence ?? differs }
    },
  }
}

function diverge(playing: Playing, found: Omit<Divergence, 'step'>): CallOutcome {
  playing.divergence ??= { ...found, step: playing.steps }
  playing.control.abort('cancelled')
  return cancelledOutcome('The replay has diverged.')
}

function stop({ control }: Playing, reason: string): CallOutcome {
  control.abort(reason)
  return cancelledOutcome('The turn was stopped here.')
}

/** Nothing is recorded of it: the turn was stopped before, or diverges. */
function missing(playing: Playing, found: Pick<Divergence, 'what' | 'where' | 'now'>): CallOutcome {
  const stopped = stopOf(playing.turn)
  return stopped === null ? diverge(playing, { ...found, was: '' }) : stop(playing, stopped)
}

function answerTool(playing: Playing, name: string, input: unknown, id: CallId): CallOutcome {
  const { deps, turn, runtime, runningTurns } = playing
  const recorded = turn.calls.get(id)
  const called = deps.registry.find(name)?.name ?? name
  const now = `${called} ${textIn(input)}`
  if (recorded?.end == null) return missing(playing, { what: 'call', where: `the call ${called} is not recorded`, now })
  const was = `${recorded.name} ${textIn(recorded.input)}`
  if (recorded.name !== called) return diverge(playing, { what: 'call', where: 'another call is made', was, now })
  playing.calls += 1
  noteHandover(runningTurns, turn, runtime)
  return outcomeIn(recorded)
}

async function answerRuntime(playing: Playing, name: string, input: unknown): Promise<CallOutcome> {
  const { deps, runtime } = playing
  const recorded = runtime.take(name)
  if (recorded?.end == null) return missing(playing, { what: 'call', where: `${name} was not called`, now: `${name} ${textIn(input)}` })
  const outcome = outcomeIn(recorded)
  if (outcome.status !== 'ok') return outcome
  if (name === inboxCall) return { ...outcome, output: { messages: runtime.mailBefore() } }
  return name === summarizeCall ? { ...outcome, output: await deps.summaryOf(recorded.id) } : outcome
}

/** What the runtime asks the model for. */
interface Asked {
  readonly system: string
  readonly messages: readonly unknown[]
  readonly model: string
}

async function generate(playing: Playing, caller: Caller, input: Asked): Promise<CallOutcome> {
  const { deps, asks, until, runtime, runningTurns } = playing
  if (playing.steps >= until) {
    playing.isDone = true
    return stop(playing, 'cancelled')
  }
  const recorded = runtime.take(generationCall)
  if (recorded?.end == null)
    return missing(playing, { what: 'request', where: 'the model was not asked again', now: lastOf(input.messages) })
  playing.steps += 1
  const ask = asks.get(recorded.id)
  if (ask === undefined) {
    const difference = countsDiffer(recorded.input, input)
    return difference === null ? outcomeIn(recorded) : diverge(playing, { what: 'request', ...difference })
  }
  // A turn that a crash interrupted has composed its prompt again.
  const system = playing.own === null ? input.system : withServices(playing.own, ask.system)
  const difference = await ask.compare(await deps.requestOf({ ...input, system } as never, caller, runningTurns))
  if (difference !== null) return diverge(playing, { what: 'request', ...difference })
  playing.compared += 1
  const misread = await answerDiffers(ask, recorded)
  return misread === null ? outcomeIn(recorded) : diverge(playing, { what: 'answer', ...misread })
}

/** The calls that the runtime itself made, each name in its order. */
function createQueues(turn: RecordedTurn) {
  const generations = new Set(generationsOf(turn))
  const all = [...turn.calls.values()].filter((call) => toolPlace(call.id) === null && (!isGeneration(call) || generations.has(call)))
  const left = new Map<string, RecordedCall[]>(Map.groupBy(all, ({ name }) => name))
  const mail = [...turn.mail]
  let ids = 0
  const next = (name: string): RecordedCall | undefined => left.get(name)?.[0]
  const nextOf = (): RecordedCall | undefined =>
    [...left.entries()].flatMap(([name, queue]) => (name === recallCall ? [] : (queue[0] ?? []))).sort((a, b) => a.seq - b.seq)[0]
  return {
    next,
    take: (name: string): RecordedCall | undefined => left.get(name)?.shift(),
    /** The first id is the one of the process; the next is of what memory recalls, which comes before every request. */
    nextId(): string | undefined {
      ids += 1
      if (ids === 1) return undefined
      return ids === 2 && next(recallCall) !== undefined ? next(recallCall)!.id : nextOf()?.id
    },
    /** Whether messages were taken in before the next request. */
    hasMail: (): boolean => (next(inboxCall)?.seq ?? Infinity) < (next(generationCall)?.seq ?? Infinity),
    /** What was taken in up to the next request. */
    mailBefore(): readonly object[] {
      const before = next(generationCall)?.seq ?? Infinity
      const taken = mail.splice(0, mail.findLastIndex(({ seq }) => seq < before) + 1)
      return taken.map(({ call, body }) => ({ id: call, text: body['text'] ?? '', attachments: body['attachments'] ?? [] }))
    },
  }
}

function laneTurnOf(
  { user }: Pick<RunDeps, 'user'>,
  turn: RecordedTurn,
  signal: AbortSignal,
  runtime: ReturnType<typeof createQueues>,
): LaneTurn {
  const { message, started, id } = turn
  const sent = isObject(message.body['input']) ? message.body['input'] : {}
  const model = generationsOf(turn).map(({ input }) => (isObject(input) ? input['model'] : undefined))[0]
  const caller: Caller = {
    user,
    actor: message.actor,
    rights: new Set(),
    audience: 'terminal',
    session: message.session,
    turn: id as TurnId,
    process: '',
  }
  return {
    id: id as TurnId,
    caller,
    input: { ...sent, text: fieldText(sent, 'text'), ...(typeof model === 'string' && { model }) },
    resumed: false,
    signal,
    hasMail: runtime.hasMail,
    takeMail: async () => [],
    attachments: () => (started.body['attachments'] ?? []) as never,
    onWait: () => {},
  }
}

/** A turn that handed its session over ended with these words. */
function noteHandover(
  turns: ReturnType<typeof createRunningTurns>,
  { id, end }: RecordedTurn,
  runtime: ReturnType<typeof createQueues>,
): void {
  const reply = end?.body['reply']
  const successor = typeof reply === 'string' ? /^(.+) takes over\.$/.exec(reply)?.[1] : undefined
  if (successor !== undefined && runtime.next(generationCall) === undefined) turns.handOver(id as TurnId, successor)
}

/** @returns why the recorded turn was stopped from outside, or has not ended; null: it ended by itself */
function stopOf({ end }: RecordedTurn): string | null {
  if (end === null || end.body['status'] === 'cancelled') return 'cancelled'
  const failure = isObject(end.body['failure']) ? end.body['failure'] : {}
  return end.body['status'] === 'limit' && failure['code'] === 'timeout' ? 'time_limit' : null
}

function outcomeIn({ end }: RecordedCall): CallOutcome {
  return replay({ ...end!, body: JSON.stringify(end!.body) })
}

function textOfEnd(call: RecordedCall | undefined): string {
  const text = call?.end?.body['text']
  return typeof text === 'string' ? text : ''
}
