/**
 * From a loaded package to a language model. A provider package exports a factory, `createOpenAI` and the like, whose product
 * has `languageModel(id)`; older ones are themselves the function. Both are what `@ai-sdk/provider` calls a provider.
 */
import { existsSync, realpathSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import type { LanguageModelV2, LanguageModelV3, LanguageModelV4 } from '@ai-sdk/provider'
import { OxbowError } from '../../types/index.ts'
import { maxPackageNameChars } from '../limits.ts'

/** The versions of the interface that differ in a way that is seen from here. Newer ones are taken for the newest known. */
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

/** @throws OxbowError `bad_config` when the package is no provider; whatever the package itself throws */
export function createProvider(loaded: unknown, settings: ProviderSettings): (model: string) => LoadedModel {
  const { packageName, provider, key, baseUrl, headers, fetch } = settings
  const factory = pickFactory(loaded, packageName)
  if (factory === null) throw notProvider(packageName, 'exports no function named create…')
  const made: unknown = factory({
    fetch,
    ...(key === '' ? {} : { apiKey: key }),
    ...(baseUrl === null ? {} : { baseURL: baseUrl.href.replace(/\/+$/, '') }),
    ...(Object.keys(headers).length === 0 ? {} : { headers }),
    // The generic package has no name of its own and reports usage only when it is asked to.
    ...(packageName === '@ai-sdk/openai-compatible' ? { name: provider, includeUsage: true } : {}),
  })
  const { languageModel } = (made ?? {}) as { languageModel?: unknown }
  const make = typeof languageModel === 'function' ? languageModel.bind(made) : made
  if (typeof make !== 'function') throw notProvider(packageName, 'makes no language models')
  return (model) => checkModel((make as MakeModel)(model), packageName)
}

/**
 * Exports named `create…`: first the one named after the package (`@ai-sdk/openai` → `createOpenAI`) or after its scope
 * (`@openrouter/ai-sdk-provider` → `createOpenRouter`), then one whose name stands in the package's (`ollama-ai-provider-v2` →
 * `createOllama`), the longest first, then the first by alphabet.
 */
export function pickFactory(loaded: unknown, packageName: string): Factory | null {
  const exported = (typeof loaded === 'object' && loaded !== null ? loaded : {}) as Record<string, unknown>
  const names = Object.keys(exported)
    .filter((name) => /^create[A-Z]/.test(name) && typeof exported[name] === 'function')
    .sort()
  const plain = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
  const [scope, own] = packageName.includes('/') ? packageName.split('/', 2) : ['', packageName]
  const subject = (name: string): string => plain(name.slice('create'.length))
  const found =
    names.find((name) => subject(name) === plain(own ?? '')) ??
    names.find((name) => subject(name) === plain(scope ?? '')) ??
    names.filter((name) => plain(packageName).includes(subject(name))).sort((a, b) => b.length - a.length)[0] ??
    names[0]
  return found === undefined ? null : (exported[found] as Factory)
}

function checkModel(made: unknown, packageName: string): LoadedModel {
  const model = (made ?? {}) as Partial<LanguageModelV2 | LanguageModelV3 | LanguageModelV4>
  const version = Number(/^v(\d+)$/.exec(String(model.specificationVersion))?.[1] ?? 1)
  if (typeof model.doStream !== 'function') throw notProvider(packageName, 'makes no language models that stream')
  if (version < 2) throw notProvider(packageName, 'speaks a version of the interface that is too old')
  return { version: Math.min(version, 4) as InterfaceVersion, providerId: model.provider ?? '', model: model as LanguageModelV4 }
}

function notProvider(packageName: string, what: string): OxbowError {
  const hint = `Name the package of an AI SDK provider, or bring it up to date: npm install ${packageName}@latest`
  return new OxbowError('bad_config', `The package ${packageName} ${what}.`, { hint })
}

/**
 * Loads the npm package that a configuration names, when it is first used: from Oxbow's own installation, else from folders
 * where the person may have installed it. The name comes from a file and is held to the grammar of package names, so that
 * nothing else (a path, a URL, a builtin) can be run by it.
 */

/**
 * @param folders absolute; each is looked into for `node_modules`, and no folder above it. The caller answers for them: code from there
 * runs with everything that this process may do.
 * @throws OxbowError `bad_config` for a name that is none, a package that is not there, or one that fails while it loads
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

/** @see https://github.com/npm/validate-npm-package-name */
function checkName(name: string): void {
  const wellFormed = /^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/.test(name) && name.length <= maxPackageNameChars
  if (wellFormed && !process.getBuiltinModule('node:module').isBuiltin(name)) return
  const message = name === '' ? 'No provider package is named.' : 'What stands as provider package is no name of an npm package.'
  const hint = 'Set package of the provider to the npm package of an AI SDK provider, e.g. @ai-sdk/mistral.'
  throw new OxbowError('bad_config', message, { hint })
}

/** Imports as a module in this folder would: Node's own resolution, only begun elsewhere. */
async function importFrom(name: string, folder: string): Promise<unknown> {
  const parentURL = pathToFileURL(`${folder}/oxbow.js`).href
  const here = pathToFileURL(`${existsSync(folder) ? realpathSync(folder) : folder}/node_modules/`).href
  const hooks = process.getBuiltinModule('node:module').registerHooks({
    resolve(specifier, context, next) {
      if (specifier !== name || context.parentURL !== import.meta.url) return next(specifier, context)
      const found = next(specifier, { ...context, parentURL })
      // Node looks in every folder above as well: what somebody else may have put there is not what the person installed here.
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

/** The package itself is not there; one that misses a part of its own is broken. */
function isMissing(error: unknown, name: string): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown }
  return code === 'ERR_MODULE_NOT_FOUND' && String(message).includes(`'${name}'`)
}

function broken(name: string, cause: unknown): OxbowError {
  const why = cause instanceof Error ? cause.message.split('\n')[0] : String(cause)
  return new OxbowError('bad_config', `The package ${name} cannot be loaded: ${why}`, { hint: `Run: npm install ${name}@latest`, cause })
}

/**
 * The fetch that is handed to a provider package: nothing follows a redirect, so that no key travels to another host, and the
 * bytes of a generation's exchange are seen on their way. Which generation a request belongs to is told by its abort signal.
 */
interface FetchWatch {
  /** Once for each request that is made for the generation. */
  onRequest(url: URL, body: Uint8Array): void
  /** @param type its content type, or empty */
  onResponse(status: number, type: string): void
  onBytes(bytes: Uint8Array): void
}

export interface WatchedFetch {
  readonly fetch: typeof fetch
  /** Requests with this signal belong to this watch. */
  watch(signal: AbortSignal, watch: FetchWatch): void
}

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

/** Packages send text, and bytes where a service wants them; a stream or a form is not kept. */
function bodyOf(body: unknown): Uint8Array {
  if (typeof body === 'string') return Buffer.from(body)
  return body instanceof Uint8Array ? body : new Uint8Array()
}
