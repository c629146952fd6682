/**
 * From a loaded package to a language model. A provider package exports a factory, `createOpenAI` and the like, whose product
 * has `languageModel(id)`; older ones are themselves the function. Both are what `@ai-sdk/provider` calls a provider.
 */
import type { LanguageModelV2, LanguageModelV3, LanguageModelV4 } from '@ai-sdk/provider'
import { OxbowError } from '../../types/index.ts'

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
