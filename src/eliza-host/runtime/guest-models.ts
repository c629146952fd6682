/**
 * The models of Oxbow behind the model types of elizaOS: they are asked through the gate, so that prices, budgets and fallbacks hold. They have
 * the lowest priority: a plugin's own handler comes first. Pictures, speech, sound, video and tokens have none: Oxbow has no such model.
 */
import type { JsonObject } from '../../base/index.ts'
import type { Free } from '../eliza-types.ts'
import type { ElizaRuntime, RuntimeDeps } from './runtime-types.ts'
import { outputOf } from '../store-adapter.ts'

const provider = 'oxbow'
/** Below every plugin, whose priority may be negative. */
const lastPriority = Number.MIN_SAFE_INTEGER

const textTypes = ['TEXT_SMALL', 'TEXT_LARGE', 'REASONING_SMALL', 'REASONING_LARGE', 'TEXT_COMPLETION'] as const
const objectTypes = ['OBJECT_SMALL', 'OBJECT_LARGE'] as const

export function registerGuestModels(self: ElizaRuntime, { guest }: RuntimeDeps): void {
  const complete = async (type: string, params: Free, output?: JsonObject): Promise<string> => {
    const { prompt, maxTokens, system } = params
    const isSmall = type.endsWith('SMALL')
    const model = String(self.getSetting(isSmall ? 'OXBOW_SMALL_MODEL' : 'OXBOW_LARGE_MODEL') ?? '')
    const result = await guest.call('model.complete', {
      model,
      system: String(system ?? self.character.system ?? ''),
      text: String(prompt ?? ''),
      ...(Number(maxTokens) >= 1 && { max_tokens: Math.floor(Number(maxTokens)) }),
      ...(output !== undefined && { output }),
    })
    return String((outputOf(result) as Free | null)?.['text'] ?? result.text)
  }
  for (const type of textTypes) {
    self.registerModel(type, (_, params) => complete(type, { ...params, prompt: params?.prompt ?? params?.input }), provider, lastPriority)
  }
  for (const type of objectTypes) {
    const answer = async (params: Free): Promise<unknown> => {
      const schema: unknown = params['schema']
      const output = isJsonSchema(schema) ? { name: 'object', schema } : undefined
      return parseObject(
        await complete(type, { ...params, prompt: `${String(params['prompt'] ?? '')}\n\nAnswer with one JSON value alone.` }, output),
      )
    }
    self.registerModel(type, (_, params) => answer(params), provider, lastPriority)
  }
  const vectorsOf = async (given: readonly string[]): Promise<number[][]> => {
    const model = self.getSetting('OXBOW_EMBEDDING_MODEL')
    // A probe for the size of vectors has no text.
    const texts = given.map((text) => (text.trim() === '' ? '.' : text))
    if (typeof model === 'string' && model !== '') {
      const { vectors } = outputOf(await guest.call('model.embed', { model, texts, purpose: 'document' })) as Free
      return (vectors as object[]).map((vector) => Array.from(Object.values(vector), Number))
    }
    const { vectors } = outputOf(await guest.call('store.embed', { texts })) as Free
    return (vectors as string[]).map((vector) => Array.from(new Float32Array(Uint8Array.from(Buffer.from(vector, 'base64')).buffer)))
  }
  const embed = async (params: string | Free | null): Promise<number[] | number[][]> => {
    const many: unknown = typeof params === 'object' ? params?.['texts'] : undefined
    // Not of elizaOS 1.7.2: plugins ask for many at once, and take a list of vectors.
    if (Array.isArray(many)) return inBatches(many.map(String), vectorsOf)
    const [vector = []] = await vectorsOf([typeof params === 'string' ? params : String(params?.['text'] ?? '')])
    return vector
  }
  self.registerModel('TEXT_EMBEDDING', (_, params) => embed(params), provider, lastPriority)
}

const textsAtOnce = 32

async function inBatches(texts: readonly string[], ask: (texts: readonly string[]) => Promise<number[][]>): Promise<number[][]> {
  const vectors: number[][] = []
  for (let at = 0; at < texts.length; at += textsAtOnce) vectors.push(...(await ask(texts.slice(at, at + textsAtOnce))))
  return vectors
}

/** zod schemas and the like are objects, too: only plain JSON Schema can be sent on. */
function isJsonSchema(schema: unknown): schema is JsonObject {
  return typeof schema === 'object' && schema !== null && typeof (schema as Free)['type'] === 'string' && !('safeParse' in schema)
}

/** @throws Error when the answer has no JSON */
function parseObject(text: string): unknown {
  const fenced = /```(?:json)?\s*([\s\S]*?)```/.exec(text)?.[1] ?? text
  const begin = fenced.search(/[[{]/)
  const end = Math.max(fenced.lastIndexOf('}'), fenced.lastIndexOf(']'))
  if (begin < 0 || end < begin) throw new Error('The model answered without JSON.')
  return JSON.parse(fenced.slice(begin, end + 1))
}
