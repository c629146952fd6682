/**
 * Finds the model services that run on this machine, and shows how to use each. Asks loopback addresses and nothing else.
 *
 * A service is identified by what it answers, never by its port alone. All of them speak OpenAI's `/v1/models`; some speak each
 * other's protocols too.
 */
import { isObject, ownValue } from '../../base/index.ts'
import type { FoundModel, FoundService } from '../../protocol/index.ts'
import { builtinProviders } from '../../config/index.ts'
import {
  discoveryPorts,
  discoveryTimeoutMs,
  maxDiscoveredModels,
  maxDiscoveryBytes,
  maxModelsAskedFor,
  ollamaContextTokens,
} from '../limits.ts'

export interface DiscoverOptions {
  readonly ports?: readonly number[]
  /** For each question; a service is asked three rounds of them at most. */
  readonly timeoutMs?: number
}

/** Never rejects. @returns what was found, in the order of the ports */
export async function discoverServices(options: DiscoverOptions = {}): Promise<readonly FoundService[]> {
  const { ports = discoveryPorts, timeoutMs = discoveryTimeoutMs } = options
  const found = await Promise.all(
    ports.map(async (port): Promise<FoundService | null> => {
      const service = await identifyService((path, body) => askLoopback(port, path, timeoutMs, body), port)
      const baseUrl = `http://127.0.0.1:${port}/v1`
      return service && { ...service, baseUrl, configLines: configLines(service.id, baseUrl, service.models[0]) }
    }),
  )
  return found.filter((service) => service !== null)
}

/** Names are printable ASCII, so a JSON string is a TOML string. */
function configLines(id: string, baseUrl: string, model: FoundModel | undefined): readonly string[] {
  if (model === undefined) return []
  const isBuiltin = Object.hasOwn(builtinProviders, id) && builtinProviders[id]?.baseUrl === baseUrl
  const provider = isBuiltin ? [] : ['', `[providers.${id}]`, 'wire = "openai-chat"', `base_url = ${JSON.stringify(baseUrl)}`]
  const size =
    model.contextTokens === null
      ? []
      : ['', `[providers.${id}.models.${JSON.stringify(model.name)}]`, `context_tokens = ${model.contextTokens}`]
  return ['[model]', `name = ${JSON.stringify(`${id}/${model.name}`)}`, ...provider, ...size]
}

/** One question to the service. @returns the object that it answers, or null */
export type Ask = (path: string, body?: object) => Promise<Record<string, unknown> | null>

export interface Identified {
  readonly id: string
  readonly name: string
  readonly models: readonly FoundModel[]
}

type Entry = Readonly<Record<string, unknown>>

/** @param port for the name of one that is not known. @returns null when nothing there lists models */
export async function identifyService(ask: Ask, port: number): Promise<Identified | null> {
  const listed = await ask('/v1/models')
  if (!Array.isArray(listed?.['data'])) return null
  const list = entriesOf(listed)
  const owner = list[0]?.['owned_by']
  if (owner === 'llamacpp') return { id: 'llamacpp', name: 'llama.cpp', models: await llamaCppModels(ask, list) }
  if (owner === 'vllm') return { id: 'vllm', name: 'vLLM', models: named(list, (entry) => count(entry['max_model_len'])) }
  // LocalAI answers for Ollama too, so what only LocalAI has is checked first.
  const [system, studio, tags] = await Promise.all([ask('/system'), ask('/api/v0/models'), ask('/api/tags')])
  if (Array.isArray(system?.['backends'])) return { id: 'localai', name: 'LocalAI', models: named(list, () => null) }
  if (entriesOf(studio).some((entry) => 'compatibility_type' in entry || 'max_context_length' in entry)) {
    return { id: 'lmstudio', name: 'LM Studio', models: studioModels(entriesOf(studio)) }
  }
  if (Array.isArray(tags?.['models'])) return { id: 'ollama', name: 'Ollama', models: await ollamaModels(ask, tags['models']) }
  return { id: `local-${port}`, name: `a service on port ${port}`, models: named(list, () => null) }
}

function entriesOf(answer: Record<string, unknown> | null): readonly Entry[] {
  return objectsOf(answer?.['data'])
}

function objectsOf(list: unknown): readonly Entry[] {
  const few: readonly unknown[] = Array.isArray(list) ? list.slice(0, maxDiscoveredModels) : []
  return few.filter(isObject)
}

/** Models by their id, each once; a name that cannot stand in a line of a terminal or a file is no name. */
function named(list: readonly Entry[], contextOf: (entry: Entry) => number | null): FoundModel[] {
  const seen = new Set<unknown>()
  return list.flatMap((entry) => {
    const { id } = entry
    if (typeof id !== 'string' || !/^[\x21-\x7e]{1,200}$/.test(id) || seen.has(id)) return []
    seen.add(id)
    return [{ name: id, contextTokens: contextOf(entry) }]
  })
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : null
}

/** The window of one conversation stands in `/props`; what the model was trained for is more than what was set aside for it. */
async function llamaCppModels(ask: Ask, list: readonly Entry[]): Promise<readonly FoundModel[]> {
  const settings = (await ask('/props'))?.['default_generation_settings']
  // A router has many models and one set of properties, which belongs to no model.
  const served = list.length === 1 && isObject(settings) ? count(settings['n_ctx']) : null
  return named(list, () => served)
}

/** Those that are loaded come first: they answer at once. */
function studioModels(list: readonly Entry[]): readonly FoundModel[] {
  const usable = list.filter((entry) => entry['type'] !== 'embeddings')
  const loaded = usable.filter((entry) => entry['state'] === 'loaded')
  const others = usable.filter((entry) => entry['state'] !== 'loaded')
  return named([...loaded, ...others], (entry) => count(entry['loaded_context_length']) ?? count(entry['max_context_length']))
}

/** The window that Ollama serves is not the one that the model could take: a running model tells it, else its parameters. */
async function ollamaModels(ask: Ask, tags: unknown): Promise<readonly FoundModel[]> {
  const list = objectsOf(tags).map((each) => ({ id: each['name'] }))
  const names = named(list, () => null).map(({ name }) => name)
  const [running, ...shown] = await Promise.all([
    ask('/api/ps'),
    ...names.slice(0, maxModelsAskedFor).map((model) => ask('/api/show', { model })),
  ])
  const live = objectsOf(running?.['models'])
  const found = names.flatMap((name, place): readonly (FoundModel & { readonly running: boolean })[] => {
    const about = shown[place] ?? null
    const abilities = about?.['capabilities']
    if (Array.isArray(abilities) && !abilities.includes('completion')) return []
    const alive = live.find((each) => each['name'] === name)
    const served = count(alive?.['context_length']) ?? parameterOf(about)
    const contextTokens = served ?? (about === null ? null : Math.min(ollamaContextTokens, trainedFor(about)))
    return [{ name, contextTokens, running: alive !== undefined }]
  })
  return found.sort((a, b) => Number(b.running) - Number(a.running)).map(({ name, contextTokens }) => ({ name, contextTokens }))
}

/** `num_ctx` in the lines of a model's parameters. */
function parameterOf(about: Entry | null): number | null {
  const parameters = about?.['parameters']
  return typeof parameters === 'string' ? count(Number(/^num_ctx\s+(\d{1,9})\s*$/m.exec(parameters)?.[1] ?? 0)) : null
}

/** `<architecture>.context_length`. */
function trainedFor(about: Entry): number {
  const info = isObject(about['model_info']) ? about['model_info'] : {}
  const architecture = info['general.architecture']
  return (typeof architecture === 'string' && count(ownValue(info, `${architecture}.context_length`))) || Number.POSITIVE_INFINITY
}

/** The models in an answer to `/v1/models`, with the sizes that some services give them there. @returns null for any other answer */
export function listedModels(answer: Record<string, unknown> | null): readonly FoundModel[] | null {
  if (!Array.isArray(answer?.['data'])) return null
  return named(
    entriesOf(answer),
    (entry) => count(entry['max_model_len']) ?? count(entry['context_length']) ?? count(entry['context_window']),
  )
}

/**
 * Asks a service on this machine, and no other. The answer is untrusted: time and size are limited, and no redirect is followed.
 * @param body sent as a POST; unset: a GET. @returns the JSON object of a 200, else null; never rejects
 */
export function askLoopback(port: number, path: string, timeoutMs: number, body?: object): Promise<Record<string, unknown> | null> {
  return askJson(new URL(`http://127.0.0.1:${port}${path}`), { timeoutMs, body })
}

interface Asked {
  readonly timeoutMs: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: object | undefined
}

/** As `askLoopback`, of any address. */
export function askJson(address: URL, { timeoutMs, headers: own = {}, body }: Asked): Promise<Record<string, unknown> | null> {
  const { promise, resolve } = Promise.withResolvers<Record<string, unknown> | null>()
  const sent = body === undefined ? '' : JSON.stringify(body)
  const headers = {
    accept: 'application/json',
    ...own,
    ...(sent === '' ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(sent) }),
  }
  const method = sent === '' ? 'GET' : 'POST'
  const http = process.getBuiltinModule(address.protocol === 'https:' ? 'node:https' : 'node:http')
  const request = http.request(address, { method, headers, agent: false })
  const end = (value: Record<string, unknown> | null): void => {
    clearTimeout(timer)
    request.destroy()
    resolve(value)
  }
  const timer = setTimeout(() => end(null), timeoutMs)
  request.on('error', () => end(null))
  request.on('response', (incoming) => {
    if (incoming.statusCode !== 200) return end(null)
    const pieces: Buffer[] = []
    let bytes = 0
    incoming.on('data', (piece: Buffer) => {
      bytes += piece.length
      if (bytes > maxDiscoveryBytes) return end(null)
      pieces.push(piece)
    })
    incoming.on('error', () => end(null))
    incoming.on('end', () => end(readObject(Buffer.concat(pieces).toString())))
  })
  request.end(sent)
  return promise
}

/** @returns null unless the text is a JSON object */
export function readObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : null
  } catch {
    return null
  }
}
