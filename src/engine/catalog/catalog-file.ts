/**
 * The catalog on disk: a line of JSON for the file itself, then for each provider a line, followed by a line for each of its
 * models. Whoever asks for one provider parses that provider's lines and nothing else, and a change of one price is a change of
 * one line. `model-data.jsonl` beside this file is made by `scripts/make-model-data.ts`; a refreshed catalog has the same form.
 *
 *   {"catalog":1,"sources":{…}}
 *   {"provider":"openai","name":"OpenAI","env":["OPENAI_API_KEY"]}
 *   {"provider":"openai","id":"gpt-5","name":"GPT-5",…}
 */
import { readFile, stat } from 'node:fs/promises'
import type { z } from 'zod'
import { OxbowError } from '../../types/index.ts'
import { maxCatalogBytes } from '../limits.ts'
import { modelEntry, modelId, providerEntry, providerId, wrongKeys } from './catalog-schema.ts'
import type { ModelEntry, ProviderEntry } from './catalog-schema.ts'

export interface ProviderModels {
  readonly provider: ProviderEntry
  readonly models: ReadonlyMap<string, FileModel>
}

export interface FileModel {
  readonly entry: ModelEntry
  /** Where the file's maker has it from. */
  readonly from: readonly string[]
}

const ofPackage = new URL('./model-data.jsonl', import.meta.url)

/** @returns the file's text, or null when there is none. @throws OxbowError `bad_config` when it cannot be read or is too large. */
export async function readCatalogText(path: string | null): Promise<string | null> {
  const place = path ?? ofPackage
  try {
    if ((await stat(place)).size > maxCatalogBytes) throw badCatalog(path, `it is larger than ${maxCatalogBytes} bytes`)
    return await readFile(place, 'utf8')
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
export function readProvider(text: string, id: string, path: string | null): ProviderModels | null {
  const { sources } = headOf(text, path)
  const prefix = `{"provider":${JSON.stringify(id)},`
  // The first line is the file's own.
  let at = text.indexOf(`\n${prefix}`) + 1
  if (at === 0) return null
  let provider: ProviderEntry = {}
  const models = new Map<string, FileModel>()
  while (text.startsWith(prefix, at)) {
    const end = text.indexOf('\n', at)
    const line = text.slice(at, end < 0 ? text.length : end)
    const value = parseLine(line, () => lineNumber(text, at), path)
    if (typeof value['id'] === 'string') {
      const from = Array.isArray(value['from'])
        ? (value['from'] as unknown[]).map((key) => sources[String(key)] ?? String(key))
        : Object.values(sources)
      models.set(value['id'], { entry: checked(modelEntry, value, () => lineNumber(text, at), path), from })
    } else provider = checked(providerEntry, value, () => lineNumber(text, at), path)
    at = end < 0 ? text.length : end + 1
  }
  return { provider, models }
}

/** Checks a whole file. @throws OxbowError `bad_config` that names file and line. */
export function checkCatalogText(text: string, path: string): { readonly providers: number; readonly models: number } {
  headOf(text, path)
  const providers = new Map<string, Set<string>>()
  let current = ''
  for (const [index, line] of text.split('\n').entries()) {
    if (index === 0 || line === '') continue
    const where = (): number => index + 1
    const value = parseLine(line, where, path)
    const provider = checked(providerId, value['provider'], where, path)
    const known = providers.get(provider)
    if ('id' in value) {
      const id = checked(modelId, value['id'], where, path)
      checked(modelEntry, value, where, path)
      if (current !== provider || known === undefined) throw badCatalog(path, `line ${where()}: it does not stand with its provider`)
      if (known.has(id)) throw badCatalog(path, `line ${where()}: ${id} stands twice`)
      known.add(id)
      continue
    }
    checked(providerEntry, value, where, path)
    if (known !== undefined) throw badCatalog(path, `line ${where()}: ${provider} stands twice`)
    providers.set(provider, new Set())
    current = provider
  }
  return { providers: providers.size, models: [...providers.values()].reduce((sum, ids) => sum + ids.size, 0) }
}

/** @returns what the first line says of the file's origin. @throws OxbowError `bad_config` when it is no catalog. */
export function headOf(text: string, path: string | null): { readonly sources: Readonly<Record<string, string>> } {
  const end = text.indexOf('\n')
  const head = parseLine(text.slice(0, end < 0 ? text.length : end), () => 1, path)
  if (head['catalog'] !== 1) throw badCatalog(path, 'line 1: it is not a catalog of this version')
  const { sources } = head
  const pairs = typeof sources === 'object' && sources !== null ? Object.entries(sources) : []
  return { sources: Object.fromEntries(pairs.map(([key, value]) => [key, String(value)])) }
}

function parseLine(line: string, where: () => number, path: string | null): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch (cause) {
    throw badCatalog(path, `line ${where()}: it is not JSON`, cause)
  }
  throw badCatalog(path, `line ${where()}: it is not an object`)
}

function checked<T>(schema: z.ZodType<T>, value: unknown, where: () => number, path: string | null): T {
  if (path === null) return value as T
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw badCatalog(path, `line ${where()}: ${wrongKeys(parsed.error)}`)
}

function lineNumber(text: string, at: number): number {
  return text.slice(0, at).split('\n').length
}

export function badCatalog(path: string | null, what: string, cause?: unknown): OxbowError {
  return new OxbowError('bad_config', `the catalog ${path ?? 'of the package'} cannot be used: ${what}`, {
    hint: path === null ? 'Install Oxbow again.' : 'Run `oxbow catalog refresh`, or remove the file.',
    cause,
  })
}
