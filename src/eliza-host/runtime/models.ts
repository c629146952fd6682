/** Model handlers: plugins' handlers by priority, and the ones that call Oxbow's models. */
import { textOfError } from './events.ts'
import type { ElizaRuntime, ModelMethods, RunState, RuntimeDeps } from './runtime-types.ts'
import type { Free, ModelHandler } from '../eliza-types.ts'
import { ownValue } from '../../base/index.ts'

export function modelMethods(self: ElizaRuntime, run: RunState, deps: RuntimeDeps): ModelMethods {
  const { core } = deps
  let registrations = 0
  return {
    registerModel(type, handler, provider, priority) {
      const made: ModelHandler = { handler, provider, priority: priority || 0, registrationOrder: registrations++ }
      const all = [...(self.models.get(type) ?? []), made]
      self.models.set(
        type,
        all.toSorted((one, other) => other.priority - one.priority || one.registrationOrder - other.registrationOrder),
      )
    },
    getModel: (type) => self.models.get(type)?.[0]?.handler,
    useModel: (type, params, provider) => useModel(self, core, type, params, provider),
    async generateText(input, options = {}) {
      if (!input?.trim()) throw new Error('Input cannot be empty')
      const { includeCharacter = true, modelType = core.ModelType['TEXT_LARGE'], user = self.character.name } = options
      // What is not given is there as undefined, so that settings do not fill it in, as in elizaOS.
      const given = Object.fromEntries(textOptions.map((name) => [name, ownValue(options, name)]))
      const { responseFormat, ...numbers } = given
      const params = { prompt: promptFor(self, input, includeCharacter), ...numbers, user, responseFormat }
      return { text: String(await self.useModel(String(modelType), params)) }
    },
    logModelCall(type, key, params, prompt, ms, provider, answer) {
      if (key !== 'TEXT_EMBEDDING' && prompt) run.action?.prompts.push({ modelType: key, prompt, timestamp: deps.now() })
      const body = {
        modelType: type,
        modelKey: key,
        params: { ...(isPlain(params) && params), prompt },
        prompt,
        systemPrompt: self.character.system ?? null,
        runId: self.getCurrentRunId(),
        timestamp: deps.now(),
        executionTime: ms,
        provider: provider ?? self.models.get(key)?.[0]?.provider ?? 'unknown',
        ...(run.action !== undefined && { actionContext: { actionName: run.action.actionName, actionId: run.action.actionId } }),
        response: Array.isArray(answer) && answer.every((each) => typeof each === 'number') ? '[array]' : answer,
      }
      const entry = { entityId: self.agentId, roomId: run.roomId ?? self.agentId, type: `useModel:${key}`, body }
      // The answer does not wait for its log, and does not fail with it.
      Promise.resolve(self.adapter['log'](entry)).catch((error: unknown) =>
        self.logger.debug({ error: textOfError(error) }, 'Model log failed'),
      )
    },
    async ensureEmbeddingDimension() {
      if (self.getModel('TEXT_EMBEDDING') === undefined) throw new Error('No TEXT_EMBEDDING model registered')
      const set = Number(self.getSetting('EMBEDDING_DIMENSION'))
      const size = set > 0 ? set : ((await self.useModel('TEXT_EMBEDDING', { text: '' })) as number[] | undefined)?.length
      if (!size) throw new Error('Invalid embedding dimension')
      await self.adapter['ensureEmbeddingDimension'](size)
    },
  }
}

async function useModel(
  self: ElizaRuntime,
  core: RuntimeDeps['core'],
  type: string,
  params: unknown,
  provider: string | undefined,
): Promise<unknown> {
  const named = provider === undefined ? undefined : self.models.get(type)?.find((model) => model.provider === provider)?.handler
  const handler = named ?? self.getModel(type)
  if (handler === undefined) throw new Error(`No handler found for delegate type: ${type}`)
  const input: unknown = isPlain(params) ? { ...self.getModelSettings(type), ...params } : params
  const context = core.getStreamingContext()
  const onChunk: unknown = isPlain(input) ? input['onStreamChunk'] : undefined
  const chunkSinks = [onChunk, context?.['onStreamChunk']].filter((sink) => typeof sink === 'function')
  if (isPlain(input)) {
    if (input['user'] === undefined && self.character.name) input['user'] = self.character.name
    input['stream'] = input['stream'] === false ? false : chunkSinks.length > 0 || Boolean(input['stream'])
    delete input['onStreamChunk']
  }
  const began = performance.now()
  let answer = await handler(self, input)
  if (isPlain(input) && input['stream'] === true && chunkSinks.length > 0 && isStream(answer)) {
    answer = await drain(answer.textStream, chunkSinks as ChunkSink[], context)
  }
  self.logModelCall(type, type, params, promptOf(params), performance.now() - began, provider, answer)
  return answer
}

const textOptions = [
  'maxTokens',
  'minTokens',
  'temperature',
  'topP',
  'topK',
  'minP',
  'seed',
  'repetitionPenalty',
  'frequencyPenalty',
  'presencePenalty',
  'stopSequences',
  'responseFormat',
]

type ChunkSink = (chunk: string, messageId: unknown) => Promise<void>

function isPlain(value: unknown): value is Free {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
}

function isStream(value: unknown): value is { readonly textStream: AsyncIterable<string> } {
  return typeof value === 'object' && value !== null && 'textStream' in value
}

async function drain(stream: AsyncIterable<string>, sinks: readonly ChunkSink[], context: Free | undefined): Promise<string> {
  let text = ''
  for await (const chunk of stream) {
    if (context?.['abortSignal']?.aborted === true) break
    text += chunk
    // A reader that fails does not end the answer, as in elizaOS.
    for (const sink of sinks) await sink(chunk, context?.['messageId']).catch(() => {})
  }
  context?.['onStreamEnd']?.()
  return text
}

function promptOf(params: unknown): string | null {
  if (!isPlain(params)) return null
  const { prompt, input, messages } = params
  if (typeof prompt === 'string' && prompt !== '') return prompt
  if (typeof input === 'string' && input !== '') return input
  return Array.isArray(messages) ? JSON.stringify(messages) : null
}

function promptFor({ character }: ElizaRuntime, input: string, includeCharacter: boolean): string {
  if (!includeCharacter) return input
  const bio = [character.bio ?? ''].flat().join(' ')
  const style = [...(character['style']?.all ?? []), ...(character['style']?.chat ?? [])] as string[]
  const parts = [
    ...(bio === '' ? [] : [`# About ${character.name}\n${bio}`]),
    ...(character.system ? [character.system] : []),
    ...(style.length === 0 ? [] : [`Style:\n${style.map((rule) => `- ${rule}`).join('\n')}`]),
  ]
  return [...parts, input].join('\n\n')
}
