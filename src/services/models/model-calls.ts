/**
 * `model.generate`: asks the model for the next message of a conversation. Its deltas go to followers, its outcome to the journal. Its
 * reservation follows from the usage that the service reported earlier in the conversation.
 */
import { z } from 'zod'
import { type Journal, processRight, type Registry, type RunningTurns } from '../../kernel/index.ts'
import { createRecentMap, type JsonObject, once, type SessionId } from '../../base/index.ts'
import {
  generationCall,
  type Blobs,
  type Call,
  type CallContext,
  type Caller,
  type ClientTools,
  defineCall,
  type Engine,
  generateOutput,
  type GenerateRequest,
  type GenerateSettings,
  type Message,
  type ModelFacts,
  modelSettings,
  reservationOf,
  type ToolSpec,
  traceparent,
  type Usage,
} from '../../protocol/index.ts'
import type { Secrets } from '../../secrets/index.ts'
import { type Config, sectionOf } from '../../config/index.ts'
import { telemetryConfig } from '../telemetry/service.ts'
import { createExchangeRecorder } from './exchange-record.ts'
import { type ReservedTokens, runGeneration } from './generation.ts'
import type { AnswerDeps, generateLabelled } from './plugin-answers.ts'
import { firstOutputTokens, maxExpectedUsages, minReservedTokens, outputMargin, rememberedAnswers } from './limits.ts'

type GenerateInput = z.infer<typeof generateInput>

export interface ModelCallDeps extends AnswerDeps, RequestDeps {
  readonly config: Config
  readonly secrets: AnswerDeps['secrets']
  readonly engine: AnswerDeps['engine']
  readonly journal: Pick<Journal, 'erasures'>
}

/** The engine's stall limits end a stalled generation much sooner. */
const generateTimeoutMs = 30 * 60_000

const generateInput = z.object({
  model: z.string(),
  system: z.string(),
  // The runtime builds them from validated records; validating a long history again would cost more than the turn.
  messages: z.custom<readonly Message[]>(Array.isArray),
  maxOutputTokens: z.int().positive(),
  inputTokens: z.int().nonnegative().describe('Upper bound, as the context window counted them.'),
  // Instead of the configured ones.
  settings: modelSettings.optional(),
})

function recordedInput({ messages, system, settings, ...rest }: GenerateInput): JsonObject {
  return { ...rest, messages: messages.length, systemBytes: system.length, ...(settings !== undefined && { settings: { ...settings } }) }
}

export function modelCalls(deps: ModelCallDeps): readonly Call[] {
  const { engine, config: own } = deps
  const recording = withTrace(deps.config, createRecording(deps))
  const usages = createExpectedUsage()
  const reservedFor = new WeakMap<GenerateInput, ReservedTokens>()
  const requests = createRequests(deps)
  /** Checks the fallbacks too: once one answers, it is too late to refuse. @throws OxbowError `budget_exhausted`, `not_found` */
  const assertPriced = async (model: string): Promise<void> => {
    for (const name of [model, ...own.model.fallback]) {
      const facts = await engine.facts(name)
      if (facts.price === null) throw await (await import('./usable-models.ts')).unpricedModel(deps, facts)
    }
  }
  const generate = defineCall({
    name: generationCall,
    billed: true,
    summary: 'Asks the model for the next message of a conversation.',
    input: generateInput,
    output: generateOutput,
    example: { model: 'openai/gpt-5-mini', system: '', messages: [], maxOutputTokens: 1024, inputTokens: 100 },
    tier: 'read_only',
    right: processRight,
    effect: 'idempotent',
    audience: ['runtime'],
    labels: { adds: [], sink: true },
    timeoutMs: generateTimeoutMs,
    async reserve(input, exact, caller) {
      const { session } = caller
      const { model, maxOutputTokens, inputTokens } = input
      const facts = await engine.facts(model)
      if (deps.budgets.limitsMoney(caller)) await assertPriced(model)
      const bound = { inputTokens, outputTokens: maxOutputTokens }
      const expected = usages.expect(conversationOf(session, model), bound, facts)
      const counted = exact ? await engine.estimateInput({ ...(await requests.contentOf(input, caller)), cacheKey: session }) : inputTokens
      const reserved = { ...expected, inputTokens: Math.min(counted, expected.inputTokens) }
      reservedFor.set(input, reserved)
      return reservationOf({ ...reserved, facts })
    },
    recordInput: recordedInput,
    recordOutput: (output) => output,
    async run(input, context) {
      const { model, maxOutputTokens, inputTokens } = input
      const { session } = context.caller
      const request: GenerateRequest = {
        ...(await requests.requestOf(input, context.caller)),
        ...(session !== '' && { cacheKey: session }),
        ...recording(context),
      }
      const bound = { inputTokens, outputTokens: maxOutputTokens }
      const done = await generateBy(request, reservedFor.get(input) ?? bound, context, deps)
      usages.learn(conversationOf(session, model), bound, done.output.usage)
      return done
    },
  })
  return [generate]
}

/** A model of a plugin, first or as a fallback, gives its answer labels. */
const generateBy: typeof generateLabelled = async (request, ...rest) => {
  const { engine, config } = rest[2] as ModelCallDeps
  const { provider } = await engine.facts(request.model)
  const isPlugin = [provider, ...config.model.fallback].some((name) => name.startsWith('plugin:'))
  return isPlugin ? (await import('./plugin-answers.ts')).generateLabelled(request, ...rest) : runGeneration(request, ...rest)
}

type Recording = (context: CallContext) => Pick<GenerateRequest, 'onExchange' | 'traceparent'>

/** Tells providers which trace a request is part of, where that is switched on. */
function withTrace(config: Config, recording: Recording): Recording {
  const { enabled, traceparent: isTold } = sectionOf(telemetryConfig, config)
  if (!enabled || !isTold) return recording
  return (context) => {
    const { turn } = context.caller
    return { ...recording(context), ...(turn !== '' && { traceparent: traceparent(turn, context.id) }) }
  }
}

/** @returns a function that makes a request record its exchanges, if the configuration says so */
function createRecording({ config, secrets, journal }: ModelCallDeps): Recording {
  if (config.model.recording !== 'raw') return () => ({})
  const recorder = createExchangeRecorder((bytes) => secrets.hideBytes(bytes))
  let erasures = 0
  return (context) => ({
    onExchange(sent) {
      const answer = recorder.begin(context.caller.session, context.id, sent, (body) => context.record(body))
      return {
        take: answer.take,
        end(status) {
          // Later requests must not refer to an erased one.
          const now = journal.erasures()
          if (now !== erasures) recorder.drop()
          erasures = now
          answer.end(status)
        },
      }
    },
  })
}

function conversationOf(session: SessionId | '', model: string): string {
  return `${session} ${model}`
}

// What a request to the model of a turn is: the same for a turn that runs, and for one that is run again to be compared.

export interface RequestDeps {
  readonly config: Pick<Config, 'model'>
  readonly engine: Pick<Engine, 'facts'>
  readonly secrets: Pick<Secrets, 'hideAgain' | 'hideInMessages'>
  readonly registry: Pick<Registry, 'tools'>
  readonly runningTurns: Pick<RunningTurns, 'find'>
  readonly blobs: Blobs
}

/** What the runtime asks for. */
interface AskedOf {
  readonly model: string
  readonly system: string
  readonly messages: readonly Message[]
  readonly maxOutputTokens: number
  readonly settings?: ModelFacts['settings'] | undefined
}

type Content = Pick<GenerateRequest, 'model' | 'system' | 'messages' | 'tools'>

export interface Requests {
  contentOf(input: AskedOf, caller: Caller): Promise<Content>
  requestOf(input: AskedOf, caller: Caller): Promise<GenerateRequest>
}

export function createRequests(deps: RequestDeps): Requests {
  const { engine, secrets, registry, blobs } = deps
  const settings = settingsOf(deps.config.model)
  const fileShower = once(async () => (await import('./shown-files.ts')).createFileShower(blobs))
  const show = async (messages: readonly Message[], model: string): Promise<readonly Message[]> => {
    if (!messages.some((message) => message.role !== 'assistant' && message.files !== undefined)) return messages
    return (await fileShower())(messages, await engine.facts(model))
  }
  const client = createClientSide(deps.runningTurns)
  const contentOf: Requests['contentOf'] = async ({ model, system, messages }, caller) => ({
    model,
    system: secrets.hideAgain(system),
    messages: secrets.hideInMessages(await show(messages, model)),
    tools: client.withTools(registry.tools(caller.rights, messages), caller),
  })
  return {
    contentOf,
    requestOf: async (input, caller) => ({
      ...(await contentOf(input, caller)),
      maxOutputTokens: input.maxOutputTokens,
      settings: client.choose(input.settings === undefined ? settings : { ...settings, ...input.settings }, input, caller),
    }),
  }
}

/** What the program that sent the message of a turn adds to its requests: tools of its own, and which of them to call first. */
function createClientSide(runningTurns: RequestDeps['runningTurns']) {
  const joined = new WeakMap<ClientTools, { readonly own: readonly ToolSpec[]; readonly all: readonly ToolSpec[] }>()
  const clientOf = ({ turn }: Caller): ClientTools | undefined => (turn === '' ? undefined : runningTurns.find(turn)?.input.client)
  return {
    /** The same lists give the same array, whose wire form is cached. */
    withTools(own: readonly ToolSpec[], caller: Caller): readonly ToolSpec[] {
      const client = clientOf(caller)
      if (client === undefined || client.tools.length === 0) return own
      let held = joined.get(client)
      // A call of Oxbow that came with an update keeps its name.
      const foreign = (): readonly ToolSpec[] => client.tools.filter(({ name }) => own.every((tool) => tool.name !== name))
      if (held?.own !== own) joined.set(client, (held = { own, all: [...own, ...foreign()] }))
      return held.all
    },
    choose(settings: GenerateSettings, { messages }: AskedOf, caller: Caller): GenerateSettings {
      const client = clientOf(caller)
      if (client === undefined) return settings
      const { choice, output } = client
      // A call that was forced is not forced again by its result.
      const isForced = choice === 'none' || (choice !== undefined && messages.at(-1)?.role === 'user')
      return { ...settings, ...(isForced && { toolChoice: choice }), ...(output !== undefined && { output }) }
    },
  }
}

function settingsOf({ temperature, top_p: topP, effort }: Config['model']): GenerateSettings {
  return { ...(temperature !== null && { temperature }), ...(topP !== null && { topP }), ...(effort !== null && { effort }) }
}

/**
 * Estimates the usage of a conversation's next request from what the service reported for the ones before, so that reservations are
 * close to the cost and a small budget is not used up by reservations.
 *
 * Input: the loop counts bytes, an upper bound that is several times too large. A request that continues the previous one costs what
 * was reported for that, plus at most its new bytes. Output: the model's limit is hundreds of times a usual answer. A multiple of the
 * longest of the latest answers is reserved instead, and more as the answer grows (`generation.ts`). Reasoning may be invisible until it
 * is billed, so the whole limit is reserved for a reasoning model until it has reported.
 */
interface ExpectedUsage {
  /** @param conversation any key @param bound upper bounds @returns at most the bounds */
  expect(conversation: string, bound: ReservedTokens, facts: Pick<ModelFacts, 'reasoning'>): ReservedTokens
  /** @param bound the bounds of the request that was answered */
  learn(conversation: string, bound: ReservedTokens, usage: Usage): void
}

interface Observed {
  /** Upper bound of the newest request's input, and the reported usage. */
  readonly bound: number
  readonly reported: number
  /** Newest last. */
  readonly outputs: readonly number[]
}

export function createExpectedUsage(): ExpectedUsage {
  const all = createRecentMap<string, Observed>(maxExpectedUsages)
  return {
    expect(conversation, { inputTokens, outputTokens }, { reasoning }) {
      const observed = all.get(conversation)
      if (observed === undefined) return { inputTokens, outputTokens: reasoning ? outputTokens : Math.min(outputTokens, firstOutputTokens) }
      const usual = Math.max(minReservedTokens, outputMargin * Math.max(...observed.outputs))
      const grown = inputTokens >= observed.bound ? observed.reported + (inputTokens - observed.bound) : inputTokens
      return { inputTokens: Math.min(inputTokens, grown), outputTokens: Math.min(outputTokens, usual) }
    },
    learn(conversation, { inputTokens }, usage) {
      if (usage.estimated) return
      const outputs = [...(all.get(conversation)?.outputs ?? []), usage.outputTokens].slice(-rememberedAnswers)
      all.put(conversation, { bound: inputTokens, reported: usage.inputTokens, outputs })
    },
  }
}
