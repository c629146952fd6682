/**
 * The npm package of an AI SDK provider: found and loaded on first use, turned into language models, and given a `fetch` that
 * follows no redirect and lets the engine watch each exchange.
 *
 * A package runs with everything that this process may do, so its name is held to the grammar of npm names and it is looked
 * for only in Oxbow's own installation and in the folders that the caller names.
 */
import { existsSync, realpathSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import type { LanguageModelV2, LanguageModelV3, LanguageModelV4 } from '@ai-sdk/provider'
import { ownValue, OxbowError } from '../../base/index.ts'
import { maxPackageNameChars } from '../limits.ts'

/** Versions of the provider interface that this module tells apart. A newer version is treated as the newest one here. */
export type InterfaceVersion = 2 | 3 | 4

export interface LoadedModel {
  readonly version: InterfaceVersion
  /** The package's own id, as `openai.responses`. */
  readonly providerId: string
  readonly model: LanguageModelV4
}

export interface ProviderSettings {
  readonly packageName: string
  /** Id of the provider in the configuration. */
  readonly provider: string
  readonly key: string
  readonly baseUrl: URL | null
  readonly headers: Readonly<Record<string, string>>
  readonly fetch: typeof fetch
}

type Factory = (settings: Readonly<Record<string, unknown>>) => unknown
type MakeModel = (id: string) => unknown

/**
 * A provider package exports a factory (`createOpenAI`); what it returns has `languageModel(id)` or, in older packages, is
 * itself that function.
 *
 * @throws OxbowError `bad_config` when the package is not a provider; also whatever the package itself throws
 */
export function createProvider(loaded: unknown, settings: ProviderSettings): (model: string) => LoadedModel {
  const { packageName, provider, key, baseUrl, headers, fetch } = settings
  const factory = pickFactory(loaded, packageName)
  if (factory === null) throw notProvider(packageName, 'exports no function named create…')
  const made: unknown = factory({
    fetch,
    ...(key === '' ? {} : { apiKey: key }),
    ...(baseUrl === null ? {} : { baseURL: baseUrl.href.replace(/\/+$/, '') }),
    ...(Object.keys(headers).length === 0 ? {} : { headers }),
    // The generic package has no name of its own, and reports usage only on request.
    ...(packageName === '@ai-sdk/openai-compatible' ? { name: provider, includeUsage: true } : {}),
  })
  const { languageModel } = (made ?? {}) as { languageModel?: unknown }
  const make = typeof languageModel === 'function' ? languageModel.bind(made) : made
  if (typeof make !== 'function') throw notProvider(packageName, 'provides no language models')
  return (model) => checkModel((make as MakeModel)(model), packageName)
}

/**
 * Picks among the exports named `create…`: first the one named after the package (`@ai-sdk/openai` → `createOpenAI`) or its
 * scope (`@openrouter/ai-sdk-provider` → `createOpenRouter`), then the longest one whose name is part of the package name
 * (`ollama-ai-provider-v2` → `createOllama`), then the first alphabetically.
 */
export function pickFactory(loaded: unknown, packageName: string): Factory | null {
  const exported = (typeof loaded === 'object' && loaded !== null ? loaded : {}) as Record<string, unknown>
  const names = Object.keys(exported)
    .filter((name) => /^create[A-Z]/.test(name) && typeof ownValue(exported, name) === 'function')
    .sort()
  const plain = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
  const [scope, own] = packageName.includes('/') ? packageName.split('/', 2) : ['', packageName]
  const subject = (name: string): string => plain(name.slice('create'.length))
  const found =
    names.find((name) => subject(name) === plain(own ?? '')) ??
    names.find((name) => subject(name) === plain(scope ?? '')) ??
    names.filter((name) => plain(packageName).includes(subject(name))).sort((a, b) => b.length - a.length)[0] ??
    names[0]
  return found === undefined ? null : (ownValue(exported, found) as Factory)
}

function checkModel(made: unknown, packageName: string): LoadedModel {
  const model = (made ?? {}) as Partial<LanguageModelV2 | LanguageModelV3 | LanguageModelV4>
  const version = Number(/^v(\d+)$/.exec(String(model.specificationVersion))?.[1] ?? 1)
  if (typeof model.doStream !== 'function') throw notProvider(packageName, 'provides no language models that stream')
  if (version < 2) throw notProvider(packageName, 'implements a version of the provider interface that is too old')
  return { version: Math.min(version, 4) as InterfaceVersion, providerId: model.provider ?? '', model: model as LanguageModelV4 }
}

function notProvider(packageName: string, what: string): OxbowError {
  const hint = `Name the package of an AI SDK provider, or update it: npm install ${packageName}@latest`
  return new OxbowError('bad_config', `The package ${packageName} ${what}.`, { hint })
}

/**
 * Loads a package from Oxbow's own installation, else from the `node_modules` of one of these folders.
 *
 * @param folders absolute; folders above them are not searched. The caller must trust them: their code runs in this process.
 * @throws OxbowError `bad_config` for an invalid name, a package that is not installed, or one that fails to load
 */
export async function loadPackage(name: string, folders: readonly string[]): Promise<unknown> {
  checkName(name)
  const attempts = [(): Promise<unknown> => import(name), ...folders.map((folder) => () => importFrom(name, folder))]
  for (const attempt of attempts) {
    try {
      return await attempt()
    } catch (error) {
      if (!isMissing(error, name)) throw broken(name, error)
    }
  }
  const where = folders[0] === undefined ? '' : ` --prefix ${folders[0]}`
  throw new OxbowError('bad_config', `The package ${name} is not installed.`, { hint: `Run: npm install${where} ${name}` })
}

/** Refuses anything but a package name: a path, a URL, a built-in module. @see https://github.com/npm/validate-npm-package-name */
function checkName(name: string): void {
  const wellFormed = /^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/.test(name) && name.length <= maxPackageNameChars
  if (wellFormed && !process.getBuiltinModule('node:module').isBuiltin(name)) return
  const message = name === '' ? 'The provider names no package.' : 'The package of the provider is not a valid npm package name.'
  const hint = 'Set `package` of the provider to the npm package of an AI SDK provider, e.g. @ai-sdk/mistral.'
  throw new OxbowError('bad_config', message, { hint })
}

/** Imports as a module in this folder would, with Node's own resolution. */
async function importFrom(name: string, folder: string): Promise<unknown> {
  const parentURL = pathToFileURL(`${folder}/oxbow.js`).href
  const here = pathToFileURL(`${existsSync(folder) ? realpathSync(folder) : folder}/node_modules/`).href
  const hooks = process.getBuiltinModule('node:module').registerHooks({
    resolve(specifier, context, next) {
      if (specifier !== name || context.parentURL !== import.meta.url) return next(specifier, context)
      const found = next(specifier, { ...context, parentURL })
      // Node also searches every parent folder, where someone else may have put a package of this name.
      if (found.url.startsWith(here)) return found
      throw Object.assign(new Error(`Cannot find package '${name}' in ${folder}`), { code: 'ERR_MODULE_NOT_FOUND' })
    },
  })
  try {
    return await import(name)
  } finally {
    hooks.deregister()
  }
}

/** True when the package itself is missing; a package that lacks one of its own dependencies is broken. */
function isMissing(error: unknown, name: string): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown }
  return code === 'ERR_MODULE_NOT_FOUND' && String(message).includes(`'${name}'`)
}

function broken(name: string, cause: unknown): OxbowError {
  const why = cause instanceof Error ? cause.message.split('\n')[0] : String(cause)
  return new OxbowError('bad_config', `The package ${name} cannot be loaded: ${why}`, { hint: `Run: npm install ${name}@latest`, cause })
}

/** Sees the HTTP exchange of one generation. */
interface FetchWatch {
  /** Once for each request that is made for the generation. */
  onRequest(url: URL, body: Uint8Array): void
  /** @param type its content type, or empty */
  onResponse(status: number, type: string): void
  onBytes(bytes: Uint8Array): void
}

export interface WatchedFetch {
  readonly fetch: typeof fetch
  /** Requests with this abort signal are reported to this watch. */
  watch(signal: AbortSignal, watch: FetchWatch): void
}

/** @returns a `fetch` for provider packages. It follows no redirect, so that the key never reaches another host. */
export function createWatchedFetch(): WatchedFetch {
  const watches = new WeakMap<AbortSignal, FetchWatch>()
  return {
    watch: (signal, watch) => void watches.set(signal, watch),
    fetch: async (input, init) => {
      const watch = init?.signal ? watches.get(init.signal) : undefined
      watch?.onRequest(new URL(input instanceof Request ? input.url : input), bodyOf(init?.body))
      const response = await fetch(input, { ...init, redirect: 'manual' })
      watch?.onResponse(response.status, response.headers.get('content-type') ?? '')
      if (watch === undefined || response.body === null) return response
      const { status, statusText, headers } = response
      return new Response(response.body.pipeThrough(tap(watch)), { status, statusText, headers })
    },
  }
}

function tap(watch: FetchWatch): TransformStream<Uint8Array, Uint8Array> {
  return new TransformStream({
    transform: (bytes, control) => {
      watch.onBytes(bytes)
      control.enqueue(bytes)
    },
  })
}

/** Packages send text or bytes; streams and forms are not recorded. */
function bodyOf(body: unknown): Uint8Array {
  if (typeof body === 'string') return Buffer.from(body)
  return body instanceof Uint8Array ? body : new Uint8Array()
}
