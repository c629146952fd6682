/**
 * From the name of a model to its service: which wire, at what address, with which key and headers. Decided from the
 * configuration and the environment variables that are passed in; nothing is loaded and nothing is sent.
 */
import { ownValue, OxbowError } from '../base/index.ts'
import { builtinProviders, commonKeyEnv, type Config, type ModelOverrides, type ModelProfile, type WireName } from '../config/index.ts'

/** What the list of model services follows from. */
export interface ServiceConfig {
  readonly config: Pick<Config, 'model' | 'providers'>
  readonly env: Readonly<Record<string, string | undefined>>
}

/** `profile:NAME` is a section [model.profiles.NAME]. */
const profilePrefix = 'profile:'

/** `plugin:NAME` is a provider: a plugin that serves models. */
export const pluginPrefix = 'plugin:'

export type ModelKind = WireName | 'offline' | 'scripted' | 'replay' | 'plugin'

export interface Service {
  readonly id: string
  readonly wire: ModelKind
  /** Null for a model in this process, and where an AI SDK package knows its own address. */
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

/** A model as the configuration or a command line names it. */
export interface ModelName {
  readonly provider: string
  /** As the endpoint knows it. */
  readonly model: string
}

/** @returns the profile of a name, or of the configured one; null for a model. @throws OxbowError `bad_config` where there is no such profile */
export function profileOf(text: string, { config: { model } }: Pick<ServiceConfig, 'config'>): ModelProfile | null {
  const name = text.trim() || model.name.trim()
  if (!name.startsWith(profilePrefix)) return null
  const found = ownValue(model.profiles, name.slice(profilePrefix.length))
  if (found !== undefined) return found
  const known = Object.keys(model.profiles).map((each) => profilePrefix + each)
  throw badConfig(
    `There is no ${name}.`,
    known.length === 0 ? 'Add a section [model.profiles.NAME] with a model to config.toml.' : `Known are ${known.join(', ')}.`,
  )
}

const inProcess: ReadonlySet<string> = new Set(['offline', 'scripted', 'replay'])

/** @returns the provider for a model that is named without one. */
export function defaultProvider({ config: { model, providers }, env }: ServiceConfig): string {
  if (model.provider !== 'auto') return model.provider
  if (model.base_url !== '') return 'openai'
  const set = (name: string): boolean => (ownValue(env, name) ?? '').trim() !== ''
  if (model.api_key_env !== '') return set(model.api_key_env) ? 'openai' : 'offline'
  const named = model.name.trim() !== ''
  const usable = Object.entries(builtinProviders).find(
    ([, { keyEnv, baseUrl, baseUrlEnv, defaultModel }]) =>
      // Without a model name, only a provider with a default model qualifies.
      (named || defaultModel !== '') && ((baseUrl !== '' && keyEnv.some(set)) || (baseUrlEnv !== undefined && set(baseUrlEnv))),
  )
  return usable?.[0] ?? Object.keys(providers)[0] ?? 'offline'
}

/**
 * Reads `provider/model`; `model` is empty when no name is set. A prefix that is not a provider belongs to the model's name, as
 * does any prefix of `model.name` when `model.provider` is set (a router's `openai/gpt-5`).
 *
 * @param text empty for the configured model
 */
export function readModelName(text: string, services: ServiceConfig): ModelName {
  const profile = profileOf(text, services)
  if (profile !== null) return readModelName(profile.model, services)
  const { model: chosen, providers } = services.config
  const isConfigured = text.trim() === ''
  const name = isConfigured ? chosen.name.trim() : text.trim()
  const standard = defaultProvider(services)
  // Models in this process and plugins' models may be named by their provider only.
  const isWhole = inProcess.has(name) || (name.startsWith(pluginPrefix) && !name.includes('/'))
  const prefix = isWhole ? name : name.slice(0, Math.max(0, name.indexOf('/')))
  const isProvider =
    inProcess.has(prefix) || prefix.startsWith(pluginPrefix) || Object.hasOwn(builtinProviders, prefix) || Object.hasOwn(providers, prefix)
  const isPartOfName = isConfigured && chosen.provider !== 'auto' && prefix !== standard
  if (isProvider && !isPartOfName) {
    return { provider: prefix, model: name.slice(prefix.length + 1) || (inProcess.has(prefix) ? prefix : '') || ownModel(prefix) }
  }
  if (inProcess.has(standard)) return { provider: standard, model: standard === 'offline' ? 'offline' : name || standard }
  return { provider: standard, model: name || (ownValue(builtinProviders, standard)?.defaultModel ?? ownModel(standard)) }
}

/** @returns the type of model that a plugin is asked for */
const ownModel = (provider: string): string => (provider.startsWith(pluginPrefix) ? 'TEXT_LARGE' : '')

/** @throws OxbowError `bad_config` that names what is missing or wrong, and never contains a key */
export function findService(id: string, { config, env }: ServiceConfig): Service {
  const standard = defaultProvider({ config, env })
  if (inProcess.has(id) || id.startsWith(pluginPrefix)) {
    const wire = inProcess.has(id) ? (id as ModelKind) : 'plugin'
    return { id, wire, baseUrl: null, key: '', headers: {}, official: false, packageName: '', models: {} }
  }
  const builtin = Object.hasOwn(builtinProviders, id) ? builtinProviders[id] : undefined
  const own = Object.hasOwn(config.providers, id) ? config.providers[id] : undefined
  if (builtin === undefined && own === undefined) {
    throw badConfig(
      `There is no provider ${id}.`,
      `Choose one of ${knownProviders({ config })}, or add [providers.${id}] with its base_url.`,
    )
  }
  // The endpoint settings of the model section apply only to its own provider.
  const main = id === standard ? config.model : null
  const wire = own?.wire || builtin?.wire || 'openai-chat'
  const fromEnv = builtin?.baseUrlEnv === undefined ? '' : (ownValue(env, builtin.baseUrlEnv) ?? '').trim()
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

/** @returns the names of those that are built in or configured */
export function knownProviders({ config }: Pick<ServiceConfig, 'config'>): string {
  return [...new Set([...Object.keys(builtinProviders), ...Object.keys(config.providers)])].join(', ')
}

/**
 * Reads the key from the variable that the configuration names, else the provider's own, else API_KEY. A missing key is an
 * error only where it is surely needed: at the built-in address of a provider that has a variable for it.
 */
function findKey(id: string, named: string, usual: readonly string[] | null, elsewhere: boolean, env: ServiceConfig['env']): string {
  const names = named === '' ? [...(usual ?? []), ...(usual?.length === 0 ? [] : [commonKeyEnv])] : [named]
  const name = names.find((each) => (ownValue(env, each) ?? '').trim() !== '')
  if (name === undefined) {
    const needed = named !== '' || (usual !== null && usual.length > 0 && !elsewhere)
    if (!needed) return ''
    const hint = `\`oxbow init\` sets a model up; \`oxbow secret set ${names[0] ?? ''}\` stores only its key. Or put the key in ${names.join(' or ')}, or set base_url for a service that needs none.`
    throw lacksKey(`The environment variable ${names[0] ?? ''} is not set; ${id} needs a key.`, hint)
  }
  const key = (ownValue(env, name) ?? '').trim()
  // The HTTP client would refuse anything else, with an error that may contain the key.
  if (!/^[\x21-\x7e]*$/.test(key)) {
    throw badConfig(`The key in ${name} contains invalid characters.`, 'Copy the key again, without spaces.')
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
    throw badConfig(`The base URL of ${id} contains a user name or password.`, 'Put the key in an environment variable instead.')
  }
  return url
}

/** Replaces `$NAME`. @throws OxbowError `bad_config` that names a variable which is not set */
function readHeaders(id: string, headers: Readonly<Record<string, string>>, env: ServiceConfig['env']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => {
      if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) throw badConfig(`${id} has an invalid header name.`, 'Correct the headers of the provider.')
      const filled = value.replaceAll(/\$(\w+)/g, (_, variable: string) => {
        const found = ownValue(env, variable)
        if (found === undefined) {
          throw lacksKey(`The environment variable ${variable} is not set; header ${name} of ${id} needs it.`, `Set ${variable}.`)
        }
        return found
      })
      if (!/^[\x20-\x7e]*$/.test(filled)) throw badConfig(`The header ${name} of ${id} contains invalid characters.`, 'Correct its value.')
      return [name.toLowerCase(), filled]
    }),
  )
}

/** Whether it speaks OpenAI's protocol at an address of the person's own, whose models no catalog knows. */
export function hasOwnAddress({ wire, baseUrl, official }: Service): boolean {
  return baseUrl !== null && !official && (wire === 'openai-chat' || wire === 'openai-responses')
}

function badConfig(message: string, hint: string): OxbowError {
  return new OxbowError('bad_config', message, { hint })
}

/** The configuration may be right: a key can be stored later, or be in another environment. */
export function lacksKey(message: string, hint: string): OxbowError {
  return new OxbowError('bad_config', message, { hint, data: { lacks_key: true } })
}
