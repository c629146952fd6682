/** What plugins add around a turn: texts of providers before it, evaluators behind it. Both are calls, so each is on record. */
import { z } from 'zod'
import { type JsonObject, toFailure, truncate } from '../../base/index.ts'
import {
  pluginRecords,
  type Call,
  type CallContext,
  defineCall,
  type Done,
  type HostedPlugin,
  joinLabels,
  jsonObjectSchema,
  originOf,
  type PluginEvaluator,
  type PluginProvided,
  type PluginProvider,
  type Provenance,
} from '../../protocol/index.ts'
import { evaluatorTimeoutMs, hostMarginMs, maxMessageChars, maxProvidedChars, maxProviderDeadlineMs } from './limits.ts'
import { askPlugin, keptBy, mayUse, messageFor, ownReading, type PartDeps, runtimePart, withheld } from './part-request.ts'
import { noLabels, type Provided, shownState, toldWith, type TurnState } from './turn-states.ts'

/** A part that added nothing, and why. */
const problemSchema = z.strictObject({ plugin: z.string(), name: z.string(), problem: z.string() })

type Problem = z.infer<typeof problemSchema>

const provideOutput = z.strictObject({
  text: z.string(),
  values: jsonObjectSchema().describe('Of all that was put together for the message.'),
  providers: z.array(z.string()).readonly(),
  problems: z.array(problemSchema).readonly(),
})

export function turnCalls(deps: PartDeps): readonly Call[] {
  return [provideCall(deps), evaluateCall(deps)]
}

function provideCall(deps: PartDeps): Call {
  return defineCall({
    ...runtimePart,
    forPlugins: true,
    name: pluginRecords.provide,
    summary: 'Asks the providers of plugins what they add to the context of a message; a plugin asks those that it names.',
    input: z.strictObject({
      text: z.string().describe('The message. Default: the turn’s.').optional(),
      names: z.array(z.string().max(200)).max(100).describe('Providers to ask in addition to those that are always asked.').optional(),
    }),
    output: provideOutput,
    example: { text: 'What is the weather?' },
    // The labels come from what is said, and who says it.
    labels: { adds: [], sink: false },
    timeoutMs: maxProviderDeadlineMs + 2 * hostMarginMs,
    // The message is in the record of its turn.
    recordInput: ({ names }) => (names === undefined ? {} : { names: [...names] }),
    recordOutput: ({ providers, problems }) => ({ providers: [...providers], problems: problems.map((each) => ({ ...each })) }),
    async run({ text: shown, names = [] }, context) {
      const text = shown ?? deps.messageOf(context.caller.turn) ?? ''
      const message = context.caller.turn === '' ? context.id : context.caller.turn
      const before = deps.states.find(message)
      const wanted = wantedProviders(deps, context, { names, text })
      const isWanted = new Set(wanted.flatMap(({ plugin, providers }) => providers.map(({ name }) => `${plugin.name}/${name}`)))
      const asked = wanted.map(({ plugin, providers }) => ({
        plugin,
        providers: providers.filter(({ name }) => before?.provided.has(`${plugin.name}/${name}`) !== true),
      }))
      const found = (await Promise.all(asked.map((each) => provide(deps, context, each, text)))).flat()
      const kept = new Map(await Promise.all(wanted.map(async ({ plugin }) => [plugin.name, await keptBy(deps, plugin)] as const)))
      let state = before
      for (const { of, said } of found)
        if (said.problem === '')
          state = deps.states.merge(message, { ...stateOf(of, said), ...(hasMore(said) && { held: kept.get(of.plugin)! }) })
      const now = [
        ...[...(before?.provided ?? [])].filter(([name]) => isWanted.has(name)),
        ...found.flatMap(({ of, said }) => (said.problem === '' ? [entryOf(of, said)] : [])),
      ]
      return {
        ...provenanceOf(now, found, kept, isForPlugin(context) ? state : null),
        output: {
          text: joined(now.map(([, each]) => each)),
          values: state?.values ?? {},
          providers: now.map(([name]) => name),
          problems: found.flatMap(({ of, said }) =>
            said.problem === '' ? [] : [{ plugin: of.plugin, name: said.name, problem: truncate(said.problem, 500) }],
          ),
        },
        text: joined(now.map(([, each]) => each)),
      }
    },
  })
}

interface Wanted {
  readonly plugin: HostedPlugin
  readonly providers: readonly PluginProvider[]
}

/** Named providers; for an agent also the ones that are neither private nor dynamic, and dynamic ones that the message is about. */
function wantedProviders(
  { hosts }: PartDeps,
  { caller }: CallContext,
  { names, text }: { readonly names: readonly string[]; readonly text: string },
): readonly Wanted[] {
  const isPlugin = isForPlugin({ caller })
  const said = new Set(wordsOf(text))
  const isWanted = (each: PluginProvider): boolean =>
    names.includes(each.name) || (!isPlugin && !each.private && (!each.dynamic || isAbout(said, each)))
  return hosts.plugins().flatMap((plugin) => {
    if (!mayUse(caller, plugin.name) && caller.actor !== `plugin:${plugin.name}`) return []
    const providers = (hosts.known(plugin.name)?.providers ?? []).filter(isWanted)
    return providers.length === 0 ? [] : [{ plugin, providers }]
  })
}

/** A message is about a provider if it has a word of its name, or two of its description. */
function isAbout(said: ReadonlySet<string>, { name, description }: PluginProvider): boolean {
  const shared = (of: string): number => wordsOf(of).filter((word) => said.has(word)).length
  return shared(name) > 0 || shared(description) > 1
}

/** Short words say little of what a text is about. */
const wordsOf = (text: string): readonly string[] => [...new Set(text.toLowerCase().match(/[\p{L}\p{N}]{4,}/gu))]

interface Found {
  readonly of: { readonly plugin: string; readonly position: number }
  readonly said: PluginProvided
}

const hasMore = ({ values, data, problem }: PluginProvided): boolean =>
  problem === '' && [values, data].some((each) => Object.keys(each).length > 0)

const isForPlugin = ({ caller }: Pick<CallContext, 'caller'>): boolean => caller.actor.startsWith('plugin:')

/**
 * What plugins say is untrusted, theirs, and perhaps of what they have kept; one that says nothing has added nothing to the conversation.
 * @param state of the message, for a plugin, which also gets its values and the problems of others; null: for an agent
 */
function provenanceOf(
  now: readonly (readonly [name: string, Provided])[],
  found: readonly Found[],
  kept: ReadonlyMap<string, Provenance>,
  state: TurnState | null,
): Required<Pick<Done<unknown>, 'labels' | 'origins'>> {
  const speakers = [
    ...now.flatMap(([name, { text }]) => (text.trim() === '' ? [] : [name.slice(0, name.indexOf('/'))])),
    ...found.filter(({ said }) => hasMore(said) || (state !== null && said.problem !== '')).map(({ of }) => of.plugin),
  ]
  const held = speakers.reduce((all, plugin) => toldWith(all, { held: kept.get(plugin)! }), toldWith(noLabels, state))
  const labels = speakers.length === 0 ? held.labels : joinLabels(held.labels, ['untrusted'])
  return { labels, origins: [...new Set([...speakers.map((plugin) => originOf('plugin', plugin)), ...held.from.map(({ from }) => from)])] }
}

/** One request for all providers of a plugin: its host runs them in parallel, each under its own deadline. Never rejects. */
async function provide(deps: PartDeps, context: CallContext, { plugin, providers }: Wanted, text: string): Promise<readonly Found[]> {
  if (providers.length === 0) return []
  const deadlineMs = Math.min(Math.max(...providers.map((each) => each.deadline_ms)), maxProviderDeadlineMs)
  const input = { names: providers.map(({ name }) => name), message: messageFor(context, text), state: {} }
  const of = ({ name, position }: PluginProvider, said: PluginProvided | undefined, problem: string): Found => ({
    of: { plugin: plugin.name, position },
    said: said ?? { name, text: '', values: {}, data: {}, problem },
  })
  try {
    const { caller } = context
    // Of a conversation, it learns the message.
    const told = isForPlugin(context) ? deps.heldBy(caller) : deps.givenTo(caller.session)
    const asked = { plugin, timeoutMs: deadlineMs + hostMarginMs, reads: ownReading(plugin), told }
    const { provided } = await askPlugin(deps, context, asked, 'provide', input)
    return providers.map((each) =>
      of(
        each,
        provided.find(({ name }) => name === each.name),
        'it was not answered',
      ),
    )
  } catch (error) {
    const { message } = toFailure(error, 'tool_failed', '')
    return providers.map((each) => of(each, undefined, message))
  }
}

function entryOf({ plugin, position }: Found['of'], { name, text }: PluginProvided): readonly [string, Provided] {
  return [`${plugin}/${name}`, { text: truncate(text, maxMessageChars).toWellFormed(), position }]
}

function stateOf(of: Found['of'], said: PluginProvided) {
  return { values: said.values, data: { [said.name]: said.data }, provided: new Map([entryOf(of, said)]) }
}

/** By position; of the same, in the order of their plugins. */
function joined(provided: readonly Provided[]): string {
  const texts = provided.toSorted((a, b) => a.position - b.position).map(({ text }) => text.trim())
  return truncate(texts.filter((text) => text !== '').join('\n\n'), maxProvidedChars)
}

type EvaluateInput = z.infer<typeof evaluateInput>

const evaluateOutput = z.strictObject({ ran: z.array(z.string()).readonly(), problems: z.array(problemSchema).readonly() })

const evaluateInput = z.strictObject({
  text: z.string().describe('The message.'),
  reply: z.string().describe('The answer.'),
  did_respond: z.boolean().describe('False: there was no answer, and only evaluators that always run do.'),
})

function evaluateCall(deps: PartDeps): Call {
  return defineCall({
    ...runtimePart,
    name: pluginRecords.evaluate,
    summary: 'Runs the evaluators of plugins on a turn that has ended.',
    input: evaluateInput,
    output: evaluateOutput,
    example: { text: 'I live in Bonn.', reply: 'Noted.', did_respond: true },
    timeoutMs: evaluatorTimeoutMs + 2 * hostMarginMs,
    recordInput: ({ did_respond }) => ({ did_respond }),
    recordOutput: ({ ran, problems }) => ({ ran: [...ran], problems: problems.map((each) => ({ ...each })) }),
    async run(input, context) {
      const { caller } = context
      const due = deps.hosts.plugins().flatMap((plugin) => {
        const all = mayUse(caller, plugin.name) ? (deps.hosts.known(plugin.name)?.evaluators ?? []) : []
        return all.filter(({ always }) => always || input.did_respond).map((evaluator) => ({ plugin, evaluator }))
      })
      const results = await Promise.all(due.map((each) => evaluate(deps, context, each, input)))
      const failed = results.filter((each) => each.problem !== '')
      return {
        output: {
          ran: results.filter((each) => each.ran).map(({ plugin, name }) => `${plugin}/${name}`),
          problems: failed.map(({ plugin, name, problem }) => ({ plugin, name, problem })),
        },
        text: '',
      }
    },
  })
}

interface Due {
  readonly plugin: HostedPlugin
  readonly evaluator: PluginEvaluator
}

/** Never rejects: evaluators do not affect each other. */
async function evaluate(
  deps: PartDeps,
  context: CallContext,
  { plugin, evaluator: { name } }: Due,
  { text, reply, did_respond }: EvaluateInput,
): Promise<Problem & { readonly ran: boolean }> {
  const message = messageFor(context, text)
  const found = deps.states.find(message.id)
  const state: JsonObject = shownState(found)
  const answer = { ...message, id: `${message.id}.reply`, text: truncate(reply, maxMessageChars).toWellFormed(), user: message.agent }
  const input = { name, message, did_respond, responses: reply === '' ? [] : [answer], state }
  const told = toldWith(deps.heldBy(context.caller), found)
  const reason = withheld(plugin, told.labels)
  if (reason !== '') return { plugin: plugin.name, name, ran: false, problem: reason }
  try {
    const { ran } = await askPlugin(
      deps,
      context,
      { plugin, timeoutMs: evaluatorTimeoutMs, reads: ownReading(plugin), told },
      'evaluate',
      input,
    )
    return { plugin: plugin.name, name, ran, problem: '' }
  } catch (error) {
    const { message: problem } = toFailure(error, 'tool_failed', '')
    return { plugin: plugin.name, name, ran: false, problem: truncate(problem, 500) }
  }
}
