/**
 * From the name of a model to the service that has it: which wire, where, with which key and headers. Decided from the
 * configuration and the few variables of the environment that were handed in; nothing is loaded and nobody is asked.
 */
import { builtinProviders, commonKeyEnv, type Config, type ModelOverrides, OxbowError, type WireName } from '../types/index.ts'

export interface ServiceConfig {
  readonly config: Pick<Config, 'model' | 'providers'>
  readonly env: Readonly<Record<string, string | undefined>>
}

export type ModelKind = WireName | 'offline' | 'scripted' | 'replay'

export interface Service {
  readonly id: string
  readonly wire: ModelKind
  /** Null for what is not asked over HTTP, and where an AI SDK package knows its own address. */
  readonly baseUrl: URL | null
  /** Empty for a service without one. */
  readonly key: string
  readonly headers: Readonly<Record<string, string>>
  /** The vendor's own endpoint. */
  readonly official: boolean
  /** npm package of an AI SDK provider, or empty. */
  readonly packageName: string
  readonly models: Readonly<Record<string, ModelOverrides>>
}

/** A model as it is named in a configuration or on a command line. */
export interface ModelName {
  readonly provider: string
  /** As the endpoint knows it. */
  readonly model: string
}

const inProcess: ReadonlySet<string> = new Set(['offline', 'scripted', 'replay'])

/** @returns the provider of a model that is named without one. */
export function defaultProvider({ config: { model, providers }, env }: ServiceConfig): string {
  if (model.provider !== 'auto') return model.provider
  if (model.base_url !== '') return 'openai'
  const set = (name: string): boolean => (env[name] ?? '').trim() !== ''
  if (model.api_key_env !== '') return set(model.api_key_env) ? 'openai' : 'offline'
  const named = model.name.trim() !== ''
  const usable = Object.entries(builtinProviders).find(
    ([, { keyEnv, baseUrl, baseUrlEnv, defaultModel }]) =>
      // Where no model is named, only a provider that has one of its own is a choice.
      (named || defaultModel !== '') && ((baseUrl !== '' && keyEnv.some(set)) || (baseUrlEnv !== undefined && set(baseUrlEnv))),
  )
  return usable?.[0] ?? Object.keys(providers)[0] ?? 'offline'
}

/**
 * Reads `provider/model`; `model` is empty when nothing says which one is meant. A beginning that is no provider belongs to the name of the model; and so does any beginning of
 * `model.name` when `model.provider` is set, as in `openai/gpt-5` of a router.
 * @param text empty for the model of the configuration
 */
export function readModelName(text: string, services: ServiceConfig): ModelName {
  const { model: chosen, providers } = services.config
  const isConfigured = text.trim() === ''
  const asked = isConfigured ? chosen.name.trim() : text.trim()
  const standard = defaultProvider(services)
  // What runs in this process is named without a model.
  const before = inProcess.has(asked) ? asked : asked.slice(0, Math.max(0, asked.indexOf('/')))
  const known = inProcess.has(before) || Object.hasOwn(builtinProviders, before) || Object.hasOwn(providers, before)
  const ofChosen = isConfigured && chosen.provider !== 'auto' && before !== standard
  if (known && !ofChosen) return { provider: before, model: asked.slice(before.length + 1) || (inProcess.has(before) ? before : '') }
  if (inProcess.has(standard)) return { provider: standard, model: standard === 'offline' ? 'offline' : asked || standard }
  return { provider: standard, model: asked === '' ? (builtinProviders[standard]?.defaultModel ?? '') : asked }
}

/** @throws OxbowError `bad_config` that names what is missing or wrong, never a key. */
export function findService(id: string, { config, env }: ServiceConfig): Service {
  const standard = defaultProvider({ config, env })
  if (inProcess.has(id)) {
    return { id, wire: id as ModelKind, baseUrl: null, key: '', headers: {}, official: false, packageName: '', models: {} }
  }
  const builtin = Object.hasOwn(builtinProviders, id) ? builtinProviders[id] : undefined
  const own = Object.hasOwn(config.providers, id) ? config.providers[id] : undefined
  if (builtin === undefined && own === undefined) {
    const known = [...Object.keys(builtinProviders), ...Object.keys(config.providers)].join(', ')
    throw badConfig(`There is no provider ${id}.`, `Choose one of ${known}, or add [providers.${id}] with its base_url.`)
  }
  // What the model section says about the endpoint is meant for its own provider.
  const main = id === standard ? config.model : null
  const wire = own?.wire || builtin?.wire || 'openai-chat'
  const fromEnv = builtin?.baseUrlEnv === undefined ? '' : (env[builtin.baseUrlEnv] ?? '').trim()
  const address = main?.base_url || own?.base_url || fromEnv || builtin?.baseUrl || ''
  const baseUrl = address === '' && wire === 'ai-sdk' ? null : readUrl(id, address)
  const named = main?.api_key_env || own?.api_key_env || ''
  return {
    id,
    wire,
    baseUrl,
    key: findKey(id, named, builtin?.keyEnv ?? null, baseUrl !== null && address !== builtin?.baseUrl, env),
    headers: readHeaders(id, own?.headers ?? {}, env),
    official: builtin !== undefined && address === builtin.baseUrl,
    packageName: own?.package ?? '',
    models: own?.models ?? {},
  }
}

/**
 * The variable that the configuration names, else the provider's own, else API_KEY. A key is missed only where it is sure to
 * be needed: at the built-in address of a provider that has a variable for it.
 */
function findKey(id: string, named: string, usual: readonly string[] | null, elsewhere: boolean, env: ServiceConfig['env']): string {
  const names = named === '' ? [...(usual ?? []), ...(usual?.length === 0 ? [] : [commonKeyEnv])] : [named]
  const name = names.find((each) => (env[each] ?? '').trim() !== '')
  if (name === undefined) {
    const needed = named !== '' || (usual !== null && usual.length > 0 && !elsewhere)
    if (!needed) return ''
    const hint = `Put the key in ${names.join(' or ')}, or set base_url for a service that needs none.`
    throw badConfig(`The environment variable ${names[0] ?? ''} is not set; ${id} needs a key.`, hint)
  }
  const key = (env[name] ?? '').trim()
  // Anything else would be refused by the HTTP client, with an error that may hold the key.
  if (!/^[\x21-\x7e]*$/.test(key)) {
    throw badConfig(`The key in ${name} has characters that no key has.`, 'Copy the key again, without spaces.')
  }
  return key
}

function readUrl(id: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw badConfig(
      `The base URL of ${id} is not an http or https address.`,
      'Set model.base_url or base_url of the provider, e.g. http://127.0.0.1:11434/v1.',
    )
  }
  if (url.username !== '' || url.password !== '') {
    throw badConfig(`The base URL of ${id} holds a user name or password.`, 'Put the key in an environment variable instead.')
  }
  return url
}

/** Fills in `$NAME`. @throws OxbowError `bad_config` that names the variable that is not set. */
function readHeaders(id: string, headers: Readonly<Record<string, string>>, env: ServiceConfig['env']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => {
      if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) throw badConfig(`${id} has a header that is no name.`, 'Mend headers of the provider.')
      const filled = value.replaceAll(/\$(\w+)/g, (_, variable: string) => {
        const found = env[variable]
        if (found === undefined) {
          throw badConfig(`The environment variable ${variable} is not set; header ${name} of ${id} needs it.`, `Set ${variable}.`)
        }
        return found
      })
      if (!/^[\x20-\x7e]*$/.test(filled)) throw badConfig(`Header ${name} of ${id} has characters that no header has.`, 'Mend its value.')
      return [name.toLowerCase(), filled]
    }),
  )
}

function badConfig(message: string, hint: string): OxbowError {
  return new OxbowError('bad_config', message, { hint })
}
