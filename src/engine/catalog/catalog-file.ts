/**
 * The catalog on disk: a line of JSON for the file itself, then for each provider a line, followed by a line for each of its
 * models. Only the lines of the provider that is needed are parsed, and a change of one price is a change of one
 * line. `scripts/make-model-data.ts` makes `model-data.jsonl` next to this file; a refreshed catalog has the same form.
 *
 *   {"catalog":1,"sources":{…}}
 *   {"provider":"openai","name":"OpenAI","env":["OPENAI_API_KEY"]}
 *   {"provider":"openai","id":"gpt-5","name":"GPT-5",…}
 */
import { readFileSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { isObject, ownValue, OxbowError } from '../../base/index.ts'
import { maxCatalogBytes, maxOverlayBytes } from '../limits.ts'
import type { Capabilities, ModelEntry, Overlay, ProviderEntry } from './catalog-schema.ts'

interface ProviderModels {
  readonly provider: ProviderEntry
  readonly models: ReadonlyMap<string, FileModel>
}

interface FileModel {
  readonly entry: ModelEntry
  /** Its sources. */
  readonly from: readonly string[]
}

const ofPackage = new URL('./model-data.jsonl', import.meta.url)

/**
 * @param path null is the package's own file. It is read at once: through the thread pool it takes three times as long, while a
 * guest that is starting waits for it.
 * @returns the file's text, or null if it is missing. @throws OxbowError `bad_config` when it cannot be read or is too large.
 */
export async function readCatalogText(path: string | null): Promise<string | null> {
  try {
    if (path === null) return readFileSync(ofPackage, 'utf8')
    if ((await stat(path)).size > maxCatalogBytes) throw badCatalog(path, `it is larger than ${maxCatalogBytes} bytes`)
    return await readFile(path, 'utf8')
  } catch (cause) {
    if (cause instanceof OxbowError) throw cause
    if (path !== null && (cause as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw badCatalog(path, (cause as Error).message, cause)
  }
}

/** @returns ids of all providers of a file, in its order. */
export function providerIdsIn(text: string): string[] {
  return [...text.matchAll(/^\{"provider":"([^"\\]+)","name":/gm)].map((match) => match[1] ?? '')
}

/** @param path for errors; null is the package's own file, which is not checked again. @throws OxbowError `bad_config` that names file and line. */
export async function readProvider(text: string, id: string, path: string | null): Promise<ProviderModels | null> {
  const { sources } = headOf(text, path)
  const prefix = `{"provider":${JSON.stringify(id)},`
  // The first line is the file's own.
  let at = text.indexOf(`\n${prefix}`) + 1
  if (at === 0) return null
  const check = await checkFor(path)
  let provider: ProviderEntry = {}
  const models = new Map<string, FileModel>()
  while (text.startsWith(prefix, at)) {
    const end = text.indexOf('\n', at)
    const line = text.slice(at, end < 0 ? text.length : end)
    const value = parseLine(line, () => lineNumber(text, at), path)
    if (typeof value['id'] === 'string') {
      const from = Array.isArray(value['from'])
        ? (value['from'] as unknown[]).map((key) => ownValue(sources, String(key)) ?? String(key))
        : Object.values(sources)
      models.set(value['id'], { entry: check('modelEntry', value, () => lineNumber(text, at)), from })
    } else provider = check('providerEntry', value, () => lineNumber(text, at))
    at = end < 0 ? text.length : end + 1
  }
  return { provider, models }
}

/** Checks a whole file. @throws OxbowError `bad_config` that names file and line. */
export async function checkCatalogText(text: string, path: string): Promise<{ readonly providers: number; readonly models: number }> {
  const check = await checkFor(path)
  headOf(text, path)
  const providers = new Map<string, Set<string>>()
  let current = ''
  for (const [index, line] of text.split('\n').entries()) {
    if (index === 0 || line === '') continue
    const where = (): number => index + 1
    const value = parseLine(line, where, path)
    const provider = check('providerId', value['provider'], where)
    const known = providers.get(provider)
    if ('id' in value) {
      const id = check('modelId', value['id'], where)
      check('modelEntry', value, where)
      if (current !== provider || known === undefined) throw badCatalog(path, `line ${where()}: it is not with its provider`)
      if (known.has(id)) throw badCatalog(path, `line ${where()}: ${id} is there twice`)
      known.add(id)
      continue
    }
    check('providerEntry', value, where)
    if (known !== undefined) throw badCatalog(path, `line ${where()}: ${provider} is there twice`)
    providers.set(provider, new Set())
    current = provider
  }
  return { providers: providers.size, models: [...providers.values()].reduce((sum, ids) => sum + ids.size, 0) }
}

/** @returns the sources that the first line names. @throws OxbowError `bad_config` when it is no catalog. */
function headOf(text: string, path: string | null): { readonly sources: Readonly<Record<string, string>> } {
  const end = text.indexOf('\n')
  const head = parseLine(text.slice(0, end < 0 ? text.length : end), () => 1, path)
  if (head['catalog'] !== 1) throw badCatalog(path, 'line 1: it is not a catalog of this version')
  const { sources } = head
  const pairs = isObject(sources) ? Object.entries(sources) : []
  return { sources: Object.fromEntries(pairs.map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)])) }
}

function parseLine(line: string, where: () => number, path: string | null): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line)
    if (isObject(value)) return value
  } catch (cause) {
    throw badCatalog(path, `line ${where()}: it is not JSON`, cause)
  }
  throw badCatalog(path, `line ${where()}: it is not an object`)
}

/** Values of a line, by the name of their schema. */
interface Checked {
  readonly modelEntry: ModelEntry
  readonly providerEntry: ProviderEntry
  readonly modelId: string
  readonly providerId: string
}

type Check = <Name extends keyof Checked>(name: Name, value: unknown, where: () => number) => Checked[Name]

/** The package's own file was checked when it was made. */
async function checkFor(path: string | null): Promise<Check> {
  if (path === null) return (name, value) => value as Checked[typeof name]
  const { wrongKeys, ...schemas } = await import('./catalog-schema.ts')
  return (name, value, where) => {
    const parsed = schemas[name].safeParse(value)
    if (parsed.success) return parsed.data as Checked[typeof name]
    throw badCatalog(path, `line ${where()}: ${wrongKeys(parsed.error)}`)
  }
}

function lineNumber(text: string, at: number): number {
  return text.slice(0, at).split('\n').length
}

function badCatalog(path: string | null, what: string, cause?: unknown): OxbowError {
  return new OxbowError('bad_config', `the catalog ${path ?? 'of the package'} cannot be used: ${what}`, {
    hint: path === null ? 'Install Oxbow again.' : 'Run `oxbow catalog refresh`, or remove the file.',
    cause,
  })
}

/**
 * The overlay: what a person changes of the catalog, in `catalog/overlay.json` of the home. Providers and models in the shape of
 * models.dev, whole or in part, and next to them `capabilities`:
 *
 *   { "openai": { "models": { "gpt-5": { "limit": { "output": 64000 } } } },
 *     "capabilities": { "provider_defaults": { "ollama": { "supports_tools": true } },
 *                       "overrides": { "openai/gpt-5": { "deprecated": true } } } }
 *
 * @returns the overlay, or null when there is no file. @throws OxbowError `bad_config` that names each wrong key.
 */
export async function readOverlay(path: string): Promise<Overlay | null> {
  const text = await readText(path)
  if (text === null) return null
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw badOverlay(path, `it is not JSON: ${(cause as Error).message}`, cause)
  }
  if (!isObject(value)) throw badOverlay(path, 'it is not an object')
  const { capabilitiesSchema, overlayProviders, wrongKeys } = await import('./catalog-schema.ts')
  const { capabilities = {}, ...providers } = value as Record<string, unknown>
  const checked = capabilitiesSchema.safeParse(capabilities)
  if (!checked.success) throw badOverlay(path, `in capabilities, ${wrongKeys(checked.error)}`)
  const parsed = overlayProviders.safeParse(providers)
  if (!parsed.success) throw badOverlay(path, wrongKeys(parsed.error))
  return { providers: parsed.data, capabilities: checked.data }
}

/** @returns the capabilities as a part of an entry in the shape of models.dev. @param below the entry without them */
export function entryOf(capabilities: Capabilities, below: ModelEntry): ModelEntry {
  const context = capabilities.max_context_tokens ?? capabilities.max_input_tokens
  const input = inputOf(capabilities, below)
  return {
    ...(capabilities.supports_tools !== undefined && { tool_call: capabilities.supports_tools }),
    ...(capabilities.supports_json_mode !== undefined && { structured_output: capabilities.supports_json_mode }),
    ...(capabilities.supports_reasoning_traces !== undefined && { reasoning: capabilities.supports_reasoning_traces }),
    ...(capabilities.deprecated !== undefined && { status: capabilities.deprecated ? 'deprecated' : 'active' }),
    ...(input !== null && { modalities: { input } }),
    limit: {
      ...(context !== undefined && { context }),
      ...(capabilities.max_output_tokens !== undefined && { output: capabilities.max_output_tokens }),
    },
  }
}

/** `attachment` alone means that the model takes pictures, or only text. */
function inputOf({ input_modalities: named, attachment }: Capabilities, below: ModelEntry): readonly string[] | null {
  if (attachment === false) return ['text']
  if (named !== undefined) return named
  const known = below.modalities?.input ?? ['text']
  return attachment === true && !known.includes('image') ? [...known, 'image'] : null
}

async function readText(path: string): Promise<string | null> {
  try {
    if ((await stat(path)).size > maxOverlayBytes) throw badOverlay(path, `it is larger than ${maxOverlayBytes} bytes`)
    return await readFile(path, 'utf8')
  } catch (cause) {
    if (cause instanceof OxbowError) throw cause
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw badOverlay(path, (cause as Error).message, cause)
  }
}

function badOverlay(path: string, what: string, cause?: unknown): OxbowError {
  return new OxbowError('bad_config', `the overlay ${path} cannot be used: ${what}`, {
    hint: 'Correct what is named above; `oxbow catalog verify` checks the file.',
    cause,
  })
}
